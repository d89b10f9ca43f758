"""Bag codes: what a scanner typed, made into the one stored form.

Parent: `SB` + 5 digits or `M444-` + 5 digits. Child: 4-20 letters or digits. Both in any case, stored upper.
Spreadsheets carry a child as `LABEL NO.<digits>` or `LABEL NO.:<digits>`; the digits are the code.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

MAX_RAW_LENGTH = 200
PARENT_FORMS = "SB and 5 digits (SB00001) or M444- and 5 digits (M444-00001)"
CHILD_FORM = "4 to 20 letters or digits"
NOT_A_CODE = f"Not a bag code: a parent is {PARENT_FORMS}, a child is {CHILD_FORM}."

_PARENT = re.compile(r"(?:SB|M444-)[0-9]{5}")
_CHILD = re.compile(r"[A-Z0-9]{4,20}")
_LABEL = re.compile(r"LABEL\s*NO\.\s*:?\s*([0-9]+)")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Kind(StrEnum):
    """What a bag is; a code is one or the other, for ever."""

    PARENT = "parent"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Code:
    """A well-formed code in its stored form."""

    text: str
    kind: Kind


class MalformedCodeError(ValueError):
    """The text is no bag code; `text` is what was read, cleaned and cut to MAX_RAW_LENGTH characters."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(reason)
        self.text = text


def clean(raw: str) -> str:
    """Without control and invisible characters, trimmed, upper case, at most MAX_RAW_LENGTH characters."""
    if raw.isascii() and raw.isprintable():
        return raw[:MAX_RAW_LENGTH].strip().upper()
    visible = "".join(char for char in raw[:MAX_RAW_LENGTH] if unicodedata.category(char) not in _INVISIBLE)
    return visible.strip().upper()[:MAX_RAW_LENGTH]


def parse(raw: str) -> Code:
    """The code in `raw`. Raises MalformedCodeError, whose message says what a code looks like."""
    text = clean(raw)
    # Upper-casing makes ASCII letters of some others, such as the German sharp s: that would be another bag's code.
    if not raw.isascii() and not clean_text(raw, MAX_RAW_LENGTH).isascii():
        raise MalformedCodeError(text, NOT_A_CODE)
    if _PARENT.fullmatch(text):
        return Code(text, Kind.PARENT)
    label = _LABEL.fullmatch(text)
    bare = label[1] if label else text
    if _CHILD.fullmatch(bare):
        return Code(bare, Kind.CHILD)
    if not text:
        raise MalformedCodeError(text, "The code is empty.")
    raise MalformedCodeError(text, NOT_A_CODE)


def parse_parent(raw: str) -> Code:
    """As `parse`, but only a parent's code will do."""
    try:
        code = parse(raw)
    except MalformedCodeError as error:
        raise MalformedCodeError(error.text, f"Not a parent bag's code: a parent is {PARENT_FORMS}.") from None
    if code.kind is not Kind.PARENT:
        raise MalformedCodeError(code.text, f"Not a parent bag's code: a parent is {PARENT_FORMS}.")
    return code


def clean_text(raw: str, limit: int) -> str:
    """Free text (a station, a bill id) without control and invisible characters, trimmed, cut to `limit` characters."""
    if raw.isascii() and raw.isprintable():
        return raw.strip()[:limit]
    visible = "".join(char for char in raw if unicodedata.category(char) not in _INVISIBLE)
    return visible.strip()[:limit]
