"""What the fields of `asked` leave out of a body: yes or no, and lists. Call them after `asked`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from tracetrack_app.http.replies import Refused

_YES = frozenset({"1", "true", "yes", "on", "y"})
_BETWEEN = re.compile(r"[,;\s]+")


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() not in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    )


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body; empty for a form."""
    if not _is_json(request):
        return {}
    body = await request.body()
    data = msgspec.json.decode(body) if body.strip() else {}
    return data if isinstance(data, dict) else {}


async def confirmed(request: Request, fields: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether one of these fields says yes: true, 1, yes, on."""
    if any(fields.get(name, "").strip().lower() in _YES for name in names):
        return True
    data = await object_of(request)
    return any(data.get(name) is True for name in names)


async def texts(request: Request, name: str) -> list[str] | None:
    """A list of texts: a JSON array, a form's repeated `name` or `name[]`, or one text with commas, spaces or lines
    between. None when there is no such field. Raises Refused for an array of other things.
    """
    if _is_json(request):
        given = (await object_of(request)).get(name)
        if given is None:
            return None
        if isinstance(given, list):
            if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in given):
                raise Refused(400, f"{name} must be a list of codes.", error_code="bad_request")
            return [str(item) for item in given if str(item).strip()]
        found = [str(given)]
    elif request.headers["content-type"].lower().startswith("multipart/"):
        form = await request.form()
        found = [value for key, value in form.multi_items() if key in (name, f"{name}[]") and isinstance(value, str)]
    else:
        pairs = parse_qsl((await request.body()).decode("utf-8", "replace"), True)
        found = [value for key, value in pairs if key in (name, f"{name}[]")]
    if not found:
        return None
    parts = found if len(found) > 1 else _BETWEEN.split(found[0])
    return [part for part in parts if part.strip()]
