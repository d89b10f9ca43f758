"""Every constraint of botocore's service models (length, range, pattern, enum, required), checked at the server.

boto3 itself checks types and presence only; the real services check all of it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import regex
from botocore.model import Shape

from tests.aws.protocol import Call

_CODES = {
    "iot": "InvalidRequestException",
    "iot-data": "InvalidRequestException",
    "rds": "InvalidParameterValue",
    "elasticache": "InvalidParameterValue",
    "sts": "ValidationError",
}


def refusal(call: Call) -> tuple[str, str] | None:
    """(error code, message) in the service's words if a parameter breaks a rule of the model; else None."""
    if call.model is None or call.model.input_shape is None:
        return None
    broken = list(_broken(call.params, call.model.input_shape, ""))
    if not broken:
        return None
    count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected: "
    return _CODES.get(call.service, "ValidationException"), count + "; ".join(broken)


def _constraint(value: Any, path: str, shape: Shape, rule: str) -> str:
    name = path[:1].lower() + path[1:]
    shown = "***" if shape.metadata.get("sensitive") else value
    return f"Value '{shown}' at '{name}' failed to satisfy constraint: Member must {rule}"


def _broken(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if value is None:
        return
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(value, shape, path)
    elif kind == "list":
        yield from _size(value, shape, path)
        for index, item in enumerate(value, 1):
            yield from _broken(item, shape.member, f"{path}.{index}.member")
    elif kind == "map":
        yield from _size(value, shape, path)
        for key, item in value.items():
            yield from _broken(key, shape.key, f"{path}.key")
            yield from _broken(item, shape.value, f"{path}.{key}.value")
    elif kind in ("string", "blob"):
        yield from _size(value, shape, path)
        if kind == "string":
            yield from _text(str(value), shape, path)
    elif kind in ("integer", "long", "float", "double"):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and value < low:
            yield _constraint(value, path, shape, f"have value greater than or equal to {low}")
        if high is not None and value > high:
            yield _constraint(value, path, shape, f"have value less than or equal to {high}")


def _structure(value: Any, shape: Any, path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield _constraint("null", f"{prefix}{name}", shape, "not be null")
    for name, member in shape.members.items():
        yield from _broken(value.get(name), member, f"{prefix}{name}")


def _size(value: Any, shape: Shape, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and len(value) < low:
        yield _constraint(value, path, shape, f"have length greater than or equal to {low}")
    if high is not None and len(value) > high:
        yield _constraint(value, path, shape, f"have length less than or equal to {high}")


def _text(value: str, shape: Any, path: str) -> Iterator[str]:
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _constraint(value, path, shape, f"satisfy regular expression pattern: {pattern}")
    if shape.enum and value not in shape.enum:
        yield _constraint(value, path, shape, f"satisfy enum value set: [{', '.join(shape.enum)}]")


@functools.lru_cache(maxsize=2000)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)
