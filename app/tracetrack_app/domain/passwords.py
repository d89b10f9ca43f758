"""What a password must be."""

from __future__ import annotations

MIN_LENGTH = 8
MAX_LENGTH = 1000
RULE = f"At least {MIN_LENGTH} characters, with an upper-case and a lower-case letter, a digit and a special character."


def missing(password: str) -> list[str]:
    """What the password lacks, in words; empty when it will do."""
    found = []
    if len(password) < MIN_LENGTH:
        found.append(f"at least {MIN_LENGTH} characters")
    if not any(each.isupper() for each in password):
        found.append("an upper-case letter")
    if not any(each.islower() for each in password):
        found.append("a lower-case letter")
    if not any(each.isdigit() for each in password):
        found.append("a digit")
    if all(each.isalnum() or each.isspace() for each in password):
        found.append("a special character, such as ! or #")
    return found


def problem(password: str, username: str) -> str | None:
    """Why the password will not do, and what to add; None when it will."""
    lacks = missing(password)
    if lacks:
        return f"The password needs {', '.join(lacks[:-1])}{' and ' if len(lacks) > 1 else ''}{lacks[-1]}."
    if len(password) > MAX_LENGTH:
        return f"The password is too long: at most {MAX_LENGTH} characters."
    if username and password.casefold() == username.casefold():
        return "The password must not be the user name."
    return None
