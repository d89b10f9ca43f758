"""Lists in pages, as RDS and ElastiCache cut them; moto's own paging fails on their second page.

A page ends at an element, and the next begins after its name, so that what is deleted in between shifts nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

_LEAST, _MOST = 20, 100


class ListError(ServiceException):
    """A page size or marker that the service would refuse."""


def paged(params: Any, result: str, items: Iterable[Any], name: Callable[[Any], str]) -> ActionResult:
    """The page of `items` that a request's MaxRecords and Marker ask for, in the order of their names."""
    size = params.get("MaxRecords")
    if size is not None and not _LEAST <= size <= _MOST:
        raise ListError(
            "InvalidParameterValue", f"Invalid value {size} for MaxRecords. Must be between {_LEAST} and {_MOST}"
        )
    ordered = sorted(items, key=name)
    marker = params.get("Marker")
    if marker:
        try:
            after = base64.urlsafe_b64decode(marker.encode()).decode()
        except (binascii.Error, UnicodeDecodeError) as wrong:
            raise ListError("InvalidParameterValue", "The parameter Marker is invalid.") from wrong
        ordered = [item for item in ordered if name(item) > after]
    page = ordered[: size or _MOST]
    answer: dict[str, Any] = {result: page}
    if len(ordered) > len(page):
        answer["Marker"] = base64.urlsafe_b64encode(name(page[-1]).encode()).decode()
    return ActionResult(answer)
