"""Pages for the IoT lists that ministack answers whole.

A page ends at the last element it shows, and the next begins after that element in sort order, so that what is
deleted between two pages shifts nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from moto.core.utils import get_pagination_model

from tests.aws.protocol import Call

_PAGED_BY_MINISTACK = {"ListCertificatesByCA", "ListDomainConfigurations", "ListActiveViolations"}
_DEFAULT_SIZE = 25


class InvalidTokenError(ValueError):
    """A page token that this emulator did not hand out."""


@dataclass(frozen=True)
class Page:
    """How one list call is cut: names of the result list and the output token, page size, and where to begin."""

    result: str
    token: str
    size: int
    after: list[Any] | None
    descending: bool

    def cut(self, answer: dict[str, Any]) -> dict[str, Any]:
        items = sorted(answer.get(self.result, []), key=_rank, reverse=self.descending)
        if self.after is not None:
            after = self.after
            items = [item for item in items if (_rank(item) < after if self.descending else _rank(item) > after)]
        page = {**answer, self.result: items[: self.size]}
        page.pop(self.token, None)
        if len(items) > self.size:
            page[self.token] = base64.urlsafe_b64encode(json.dumps(_rank(items[self.size - 1])).encode()).decode()
        return page


def _rank(item: Any) -> list[Any]:
    created = item.get("creationDate", 0) if isinstance(item, dict) else 0
    return [created, json.dumps(item, sort_keys=True)]


def plan(call: Call) -> Page | None:
    """How to cut the answer of this call; None if it is no list, or one that ministack pages. InvalidTokenError."""
    if call.service != "iot" or call.operation in _PAGED_BY_MINISTACK:
        return None
    model = get_pagination_model("iot").get(call.operation)
    if model is None:
        return None
    token = call.params.get(model["input_token"])
    size = call.params.get(model.get("limit_key", "")) or _DEFAULT_SIZE
    descending = call.operation == "ListCertificates" and not call.params.get("ascendingOrder")
    after = None
    if token:
        try:
            after = json.loads(base64.urlsafe_b64decode(token))
        except ValueError as wrong:
            raise InvalidTokenError(str(token)) from wrong
    return Page(model["result_key"], model["output_token"], int(size), after, descending)


def without_page(url: str) -> str:
    """The same URL without the query parameters that ask for a page."""
    parts = urlsplit(url)
    asked = {"nextToken", "maxResults", "marker", "pageSize"}
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in asked]
    return urlunsplit(parts._replace(query=urlencode(kept)))
