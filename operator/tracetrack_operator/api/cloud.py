"""What databases and caches in AWS share in their specs."""

from typing import Annotated

from pydantic import Field, StringConstraints

from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule

_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
WeeklyWindow = Annotated[str, StringConstraints(max_length=19, pattern=f"^{_DAY}:{_TIME}-{_DAY}:{_TIME}$")]
DailyWindow = Annotated[str, StringConstraints(max_length=11, pattern=f"^{_TIME}-{_TIME}$")]
KMS_KEY = r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+|alias/.+|[a-f0-9-]{36}|mrk-[a-f0-9]{32})$"


class Management(Enumeration):
    """Who changes the object in AWS."""

    MANAGED = "Managed"
    BOUND = "Bound"


class DriftPolicy(Enumeration):
    CORRECT = "Correct"
    REPORT = "Report"


def management_field() -> Management:
    """The field `management`, which RDS and ElastiCache have alike."""
    return Field(
        default=Management.MANAGED,
        description="Managed: the operator makes the object, or adopts one that is there after the annotation "
        "tracetrack.io/adopt=<identifier>, and keeps it as declared. Bound: the object is used and never changed or "
        "deleted.",
    )


def credentials_field(keys: str) -> LocalObjectReference | None:
    """The field `credentialsSecretRef`."""
    return Field(
        default=None,
        description=f"With management Bound: Secret with the keys {keys}. The operator makes its own else.",
    )


def bound_rules(section: str, identifier: str) -> tuple[Rule, ...]:
    """What Bound needs."""
    return (
        Rule(
            f"self.management != 'Bound' || has(self.{identifier})",
            f"{section}.{identifier} is required with management Bound: name the object to use",
            f".{identifier}",
        ),
        Rule(
            "(self.management == 'Bound') == has(self.credentialsSecretRef)",
            f"{section}.credentialsSecretRef belongs to management Bound, which needs it: add it there, or remove it",
            ".credentialsSecretRef",
        ),
    )


class Rotation(ApiModel):
    """When the application's credentials change. It goes over to the new ones without a restart."""

    every_days: int = Field(ge=1, le=365, description="Time between two rotations, in days.")


def rotation_field() -> Rotation | None:
    """The field `rotation` of databases and caches."""
    return Field(
        default=None,
        description="Rotation of the application's credentials. Absent: none by schedule. At any time by a new value "
        "of the annotation tracetrack.io/rotate.",
    )


def rotation_rules(path: str, provider: str, section: str) -> tuple[Rule, ...]:
    """Where the operator doesn't make the credentials, it can't change them."""
    return (
        Rule(
            f"!has(self.rotation) || self.provider == '{provider}'",
            f"{path}.rotation applies to provider {provider} only: remove it",
            ".rotation",
        ),
        Rule(
            f"!has(self.rotation) || !has(self.{section}) || self.{section}.management != 'Bound'",
            f"{path}.rotation does not apply to management Bound, whose credentials are yours: remove it",
            ".rotation",
        ),
    )
