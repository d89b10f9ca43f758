"""What the routes of the v1 API share: text, codes, pages, the service."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain import codes
from tracetrack_app.http.replies import service_of
from tracetrack_app.service import Service

T = TypeVar("T")
SOURCE = "v1"
MAX_ID = 2**63 - 1
# At least one character that is seen.
VISIBLE = r"[^\p{C}\p{Z}]"
AREA = r"^[a-z0-9][a-z0-9_-]{0,49}$"
_BAG = r"^(?:[A-Za-z0-9]{4,20}|[Mm]444-[0-9]{5})$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CHILD = r"^[A-Za-z0-9]{4,20}$"


class Shape(BaseModel):
    """Of what comes in: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


def _clean(text: str) -> str:
    return codes.clean_text(text, len(text))


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 30.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _day(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise ValueError("give a day as YYYY-MM-DD")
    return text


def _moment(text: str) -> str:
    # Left alone, numbers are seconds since 1970.
    if not _DAY.match(text):
        raise ValueError("give a moment as YYYY-MM-DDThh:mm:ssZ")
    return text


def _code(text: str) -> str:
    return codes.parse(text).text


Words = AfterValidator(_clean)
"""Of free text: control and invisible characters are taken out."""
Whole = BeforeValidator(_whole)
"""Of a strict int, behind its Field: limits before it would not be in the OpenAPI document."""
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
BagCode = Annotated[str, StringConstraints(pattern=_BAG), AfterValidator(_code)]
ChildCode = Annotated[str, StringConstraints(pattern=_CHILD), AfterValidator(_code)]
BagPath = Annotated[BagCode, Path(description="A bag's code, in any case.", examples=["SB00001"])]
Day = Annotated[date, BeforeValidator(_day)]
Kind = Literal["parent", "child"]
Status = Literal["pending", "in_progress", "completed"]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
After = Annotated[
    str | None, Query(pattern="^[1-9][0-9]{0,17}$", description="The `next` of the page before.", examples=["120"])
]
Here = Annotated[Service, Depends(service_of)]


class Page(BaseModel, Generic[T]):
    """Newest first. What is added meanwhile neither repeats nor hides anything on the pages that follow."""

    items: list[T]
    next: Annotated[str | None, Field(description="`after` of the next page; null on the last.")] = None


def page(request: Request, response: Response, items: list[T], following: str | None) -> Page[T]:
    """The page, with a Link header to the next if one follows."""
    if following is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        link = f"{request.url.path}?{urlencode([*query, ('after', following)])}"
        response.headers["Link"] = f'<{link}>; rel="next"'
    return Page(items=items, next=following)


def cut(rows: list[Any], limit: int) -> tuple[list[Any], str | None]:
    """The first `limit` of rows with an id, of which one more was asked for, and where the next page begins."""
    return rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None


def named(tags: str, tag: str) -> bool:
    """Whether the list of an If-Match or If-None-Match header names the ETag."""
    return tags.strip() == "*" or tag in [item.strip().removeprefix("W/") for item in tags.split(",")]


def number(after: str | None) -> int | None:
    return None if after is None else int(after)
