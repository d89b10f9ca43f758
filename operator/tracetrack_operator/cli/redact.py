"""Takes out what nobody else may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "(redacted)"
_NAMES = re.compile(
    r"password|passwd|auth_?token|session_?token|secret_?(access_?)?key$|secret_?string|private_?key|api_?key|bearer"
    r"|authorization|credential$|credentials$",
    re.IGNORECASE,
)
_REFERENCES = re.compile(r"(ref|name|enabled|update_?strategy|_?last_?modified\w*)$", re.IGNORECASE)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(://[^:/@\s\"']*):[^@/\s\"']+@"), rf"\1:{MASK}@"),
    (
        re.compile(
            r"(?i)((?:password|passwd|auth_?token|session_?token|secret_?access_?key|private_?key|api_?key)"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;}]+"
        ),
        rf"\1{MASK}",
    ),
)
SHORTEST = 6


def is_secret(name: str) -> bool:
    """Whether a field, parameter or variable of that name holds a secret, and not merely names one."""
    return _NAMES.search(name) is not None and _REFERENCES.search(name) is None


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an AWS call, for showing."""
    return {key: MASK if is_secret(key) and not isinstance(value, bool) else value for key, value in given.items()}


class Redactor:
    """Also takes out `known` values, wherever they stand."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        found = sorted({value for value in known if len(value) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, found))) if found else None

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value, with variables of containers ({name, value}) looked at by their name."""
        if isinstance(value, Mapping):
            if set(value) >= {"name", "value"} and is_secret(str(value["name"])):
                return {**value, "value": MASK}
            return {
                key: MASK if is_secret(str(key)) and isinstance(each, str) and each else self.value(each)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return self.text(value) if isinstance(value, str) else value
