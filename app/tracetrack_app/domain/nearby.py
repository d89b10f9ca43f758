"""Which codes somebody may have meant: typing errors, letters read for digits, forgotten prefixes and zeros."""

from __future__ import annotations

import re
from itertools import chain

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
_DIGITS = str.maketrans("OQDILZSGBA", "0001125684")
_LONGEST = 30
_PARENT = re.compile(r"(?:[S5][B8]|M[4A]{3})(.*)")
_SEPARATORS = re.compile(r"[\s._/:-]+")


def meant(text: str) -> list[str]:
    """Codes near to this one (trimmed, upper case), the likeliest first, without itself; none for very long ones."""
    if not 2 <= len(text) <= _LONGEST:
        return []
    found = dict.fromkeys(chain(_repaired(text), _one_error(text)))
    found.pop(text, None)
    return list(found)


def _repaired(text: str) -> list[str]:
    bare = _SEPARATORS.sub("", text)
    found = [bare]
    parent = _PARENT.fullmatch(bare)
    rest = (parent[1] if parent else bare).translate(_DIGITS)
    if rest.isascii() and rest.isdigit() and len(rest) <= 5:
        number = rest.zfill(5)
        prefixes = ["M444-"] if parent and bare.startswith("M") else ["SB"] if parent else ["SB", "M444-"]
        found += [prefix + number for prefix in prefixes]
    if not parent:
        found.append(bare.translate(_DIGITS))
    return found


def _one_error(text: str) -> list[str]:
    """One character too few, too many, or wrong, or two exchanged."""
    splits = [(text[:place], text[place:]) for place in range(len(text) + 1)]
    swapped = [a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1]
    replaced = [a + char + b[1:] for a, b in splits if b for char in _ALPHABET]
    inserted = [a + char + b for a, b in splits for char in _ALPHABET]
    deleted = [a + b[1:] for a, b in splits if b]
    return swapped + replaced + inserted + deleted
