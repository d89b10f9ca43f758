"""The base of every model in the API: naming, strictness, CEL rules and parsing errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

_ACRONYMS = {"Cpu": "CPU", "Gib": "GiB", "Mibps": "MiBps", "Az": "AZ"}


def api_name(python_name: str) -> str:
    """`target_cpu_utilization_percentage` → `targetCPUUtilizationPercentage`, as the Kubernetes API "
    "conventions spell it."""
    head, *words = python_name.split("_")
    return head + "".join(_ACRONYMS.get(to_camel(f"x_{word}")[1:], to_camel(f"x_{word}")[1:]) for word in words)


class Enumeration(StrEnum):
    """A closed set of strings; its values are accepted as plain strings in otherwise strict models."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.enum_schema(cls, list(cls), sub_type="str", strict=False)


@dataclass(frozen=True)
class Rule:
    """One CEL rule of a schema node.

    `rule` sees the node as `self` (and `oldSelf` on an update); `message` names the field and the remedy; `path` is
    the field under the node that the refusal points at.
    """

    rule: str
    message: str
    path: str = ""

    def schema(self) -> dict[str, str]:
        return {"rule": self.rule, "message": self.message} | ({"fieldPath": self.path} if self.path else {})


def rules(*entries: Rule, **extra: Any) -> dict[str, Any]:
    """JSON-schema extension that carries the rules, for a Field or for a model's configuration."""
    return {"x-kubernetes-validations": [entry.schema() for entry in entries], **extra}


def _quantity(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _int_or_percent(value: int | str) -> int | str:
    if isinstance(value, int) and 0 <= value <= 1000:
        return value
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value):
        return value
    raise ValueError("must be a number from 0 to 1000 or a percentage from 0% to 100%, such as 25%")


def _seconds(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


QUANTITY_PATTERN = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
PERCENT_PATTERN = r"^(100|[1-9]?[0-9])%$"

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    Field(pattern=QUANTITY_PATTERN, max_length=20),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "maxLength": 20,
        }
    ),
]
StorageSize = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(Mi|Gi|Ti)$", max_length=8)]
IntOrPercent = Annotated[
    int | str,
    AfterValidator(_int_or_percent),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": PERCENT_PATTERN,
            "maxLength": 4,
            "minimum": 0,
            "maximum": 1000,
        }
    ),
]
Timestamp = Annotated[datetime, Field(strict=False), PlainSerializer(_seconds, return_type=str, when_used="json")]


class ApiModel(BaseModel):
    """A part of a spec: immutable, typed without coercion, and closed to fields it doesn't know."""

    model_config = ConfigDict(
        alias_generator=api_name,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
    )

    def to_dict(self) -> dict[str, Any]:
        """The JSON shape of the API: camelCase names, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(ApiModel):
    """A part of a status: fields written by another version of the operator are ignored."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True)
class FieldError:
    """`path` as in `spec.scaling.minReplicas`; `problem` says what is wrong with it."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class InvalidResourceError(ValueError):
    """An object of ours that doesn't fit the model. `errors` has one entry a field; the text joins them."""

    def __init__(self, kind: str, name: str, errors: list[FieldError]) -> None:
        self.kind = kind
        self.name = name
        self.errors = errors
        super().__init__(f"{kind} {name or '(without a name)'}: " + "; ".join(map(str, errors)))


@dataclass(frozen=True)
class Column:
    """A printer column of `kubectl get`. `priority` 1 is shown with `-o wide` only."""

    name: str
    type: str
    path: str
    description: str
    priority: int = 0


@dataclass(frozen=True)
class Scale:
    """JSON paths of the scale subresource."""

    spec: str
    status: str
    selector: str


class Names(NamedTuple):
    plural: str
    singular: str
    short: str


@dataclass(frozen=True)
class ResourceInfo:
    """What a CustomResourceDefinition says beside the schema."""

    kind: str
    names: Names
    columns: tuple[Column, ...]
    status: bool = True
    scale: Scale | None = None
    root_rules: tuple[Rule, ...] = field(default=())


def _path(location: tuple[int | str, ...]) -> str:
    parts: list[str] = []
    for step in location:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step not in ("int", "str"):
            parts.append(f".{step}" if parts else step)
    return "".join(parts)


def _problem(kind: str, message: str, value: object) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a field of this version of the API; remove it or correct its spelling"
    got = f" (got {value!r})" if isinstance(value, str | int | float) and len(repr(value)) <= 80 else ""
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:] + got


class Resource(ApiModel):
    """A custom resource of the group `tracetrack.io`."""

    info: ClassVar[ResourceInfo]

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """The typed object, defaults filled in.

        Raises InvalidResourceError, with the path of each field that doesn't fit.
        """
        try:
            return cls.model_validate(obj)
        except ValidationError as invalid:
            metadata = obj.get("metadata")
            meta = metadata if isinstance(metadata, Mapping) else {}
            name = "/".join(str(meta[key]) for key in ("namespace", "name") if meta.get(key))
            raise InvalidResourceError(
                cls.info.kind,
                name,
                [
                    FieldError(_path(e["loc"]), _problem(e["type"], e["msg"], e["input"]))
                    for e in invalid.errors(include_url=False, include_context=False)
                ],
            ) from None
