"""What an account's fields must be."""

from __future__ import annotations

import re
import unicodedata

from tracetrack_app.domain.people import Role

_SIGNS = frozenset(" ._@+-")
_EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+\.[^@\s.<>,;:\"()\[\]\\]+")


class AccountError(ValueError):
    """A change that cannot be made: `code` names why and never changes, `field` what to mend, if one is to blame."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


def clean_username(text: str) -> str:
    """Raises AccountError."""
    found = " ".join(unicodedata.normalize("NFKC", text).split())
    # Letters with their marks (Hindi vowels are marks), digits, a few signs.
    kinds = [unicodedata.category(each)[0] for each in found]
    allowed = all(kind in "LMN" or each in _SIGNS for each, kind in zip(found, kinds, strict=True))
    if not (2 <= len(found) <= 64 and allowed and kinds[0] in "LN"):
        words = "A user name has 2 to 64 letters, digits, spaces and . _ @ + -, and begins with a letter or digit."
        raise AccountError("bad_username", words, "username")
    return found


def clean_email(text: str | None) -> str | None:
    """None for nothing but spaces. Raises AccountError."""
    found = (text or "").strip()
    if not found:
        return None
    if len(found) > 120 or not found.isprintable() or not _EMAIL.fullmatch(found):
        raise AccountError("bad_email", "This is no e-mail address: it looks like name@example.com.", "email")
    return found


def clean_role(text: str) -> Role:
    """Raises AccountError."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        words = f"There is no such role: choose one of {', '.join(Role)}."
        raise AccountError("unknown_role", words, "role") from None


def clean_area(text: str | None, role: Role) -> str | None:
    """An area for a dispatcher, None for everybody else. Raises AccountError."""
    if role is not Role.DISPATCHER:
        return None
    found = "_".join((text or "").lower().split())
    if not found:
        raise AccountError("area_required", "A dispatcher needs an area: choose one.", "area")
    return found
