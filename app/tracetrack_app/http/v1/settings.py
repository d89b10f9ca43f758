"""What holds here: what an admin set, and what the service was started with."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from tracetrack_app.domain.business_settings import SETTINGS, Setting, Value
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.replies import ProblemError
from tracetrack_app.http.v1.bulk import MAX_ROWS
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import Here, Shape, named
from tracetrack_app.service import Service
from tracetrack_app.store.business_settings import Held, StaleError

router = APIRouter(prefix="/api/v1/settings", tags=["settings"])
_Person = Annotated[Caller, needs(Permission.DASHBOARD)]
_Admin = Annotated[Caller, needs(Permission.SETTINGS)]


class SettingOut(BaseModel):
    """A setting: what holds, whether an admin set it, and to what null would put it back (`default`)."""

    name: str
    value: int | bool | str
    source: Literal["default", "set"]
    default: int | bool | str
    description: str
    accepts: Annotated[dict[str, Any], Field(description="The JSON schema of a value.")]
    changed_by: Annotated[str | None, Field(description="Who set it; null where nobody did.")]
    changed_at: datetime | None


class SettingsOut(BaseModel):
    """What clients have to know; `settings` are those that an admin may change."""

    timezone: str
    parent_capacity: int
    session_seconds: int
    session_idle_seconds: int
    bulk_scans: int
    settings: list[SettingOut]


def _checked(setting: Setting) -> Any:
    def check(value: object) -> Value | None:
        if value is None:
            return None
        try:
            return setting.check(value)
        except ValueError as error:
            raise PydanticCustomError("setting", "{remedy}, or null", {"remedy": str(error)}) from None

    schema = {"anyOf": [setting.schema, {"type": "null"}], "description": setting.description}
    return Annotated[Any, PlainValidator(check), WithJsonSchema(schema)]


SettingsPatch: Any = create_model(
    "SettingsPatch",
    __base__=Shape,
    __doc__="What to set; a field left out stays, null puts it back to its default.",
    **{setting.name: (_checked(setting), None) for setting in SETTINGS.values()},  # type: ignore[call-overload]
)


def _out(held: Held) -> SettingOut:
    return SettingOut(
        name=held.setting.name,
        value=held.value,
        source="set" if held.is_set else "default",
        default=held.default,
        description=held.setting.description,
        accepts=held.setting.schema,
        changed_by=held.changed_by,
        changed_at=held.changed_at,
    )


def _all(service: Service, held: list[Held]) -> tuple[SettingsOut, str]:
    """The settings and their ETag."""
    given, values = service.settings, {each.setting.name: each.value for each in held}
    found = SettingsOut(
        timezone=given.timezone,
        parent_capacity=int(values["parent_capacity"]),
        session_seconds=given.accounts.session_absolute,
        session_idle_seconds=given.accounts.session_idle,
        bulk_scans=MAX_ROWS,
        settings=[_out(each) for each in held],
    )
    return found, f'"{hashlib.sha256(found.model_dump_json().encode()).hexdigest()[:32]}"'


@router.get(
    "", response_model=SettingsOut, responses=documented() | {304: {"description": "As they were at that ETag"}}
)
async def get_settings(
    response: Response,
    service: Here,
    caller: _Person,
    if_none_match: Annotated[str | None, Header(description="ETags that the caller knows.")] = None,
) -> Any:
    """What a day is, how long a session lasts, what a new parent takes; and each setting with who set it."""
    found, tag = _all(service, await service.business.held())
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and named(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return found


@router.patch("", responses=documented((), 412))
async def change_settings(
    response: Response,
    service: Here,
    caller: _Admin,
    body: SettingsPatch,
    if_match: Annotated[str | None, Header(description="Change them only if they are as at this ETag.")] = None,
) -> SettingsOut:
    """Change settings, on all replicas at once. With If-Match nobody's change in between is overwritten."""
    seen: list[Held] | None = None
    if if_match is not None:
        seen = await service.business.held()
        if not named(if_match, _all(service, seen)[1]):
            raise _stale()
    try:
        held = await service.business.change(caller.person.user_id, body.model_dump(exclude_unset=True), seen=seen)
    except StaleError:
        raise _stale() from None
    found, response.headers["ETag"] = _all(service, held)
    return found


def _stale() -> ProblemError:
    words = "The settings were changed meanwhile: get them again and decide anew."
    return ProblemError(412, "stale", "They were changed meanwhile", words)
