"""Tags of RDS' objects: of those that exist, by the rules for keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.rds.exceptions import DBInstanceNotFoundError, DBParameterGroupNotFoundError, DBSnapshotNotFoundFault
from moto.rds.models import RDSBackend

from tests.aws.patch import put
from tests.aws.rds.errors import wrong

_MOST = 50
_MISSING: dict[str, Callable[[str], Exception]] = {
    "db": DBInstanceNotFoundError,
    "pg": DBParameterGroupNotFoundError,
    "snapshot": DBSnapshotNotFoundFault,
}


def _tagged(backend: Any, arn: str) -> Any:
    resource = backend._get_resource_for_tagging(arn)
    kind, _, name = arn.split(":", 5)[-1].partition(":")
    if resource is None and kind in _MISSING:
        raise _MISSING[kind](name)
    if resource is None:
        raise NotImplementedError(f"tags of {kind}")
    return resource


def _check(tags: list[Any]) -> None:
    for tag in tags:
        if str(tag["Key"]).lower().startswith("aws:"):
            raise wrong("Tag keys beginning with aws: are reserved for system use.")


def install() -> None:
    def add_tags_to_resource(self: Any, arn: str, tags: list[Any]) -> Any:
        resource = _tagged(self, arn)
        _check(tags)
        if len({tag["Key"] for tag in [*resource.tags, *tags]}) > _MOST:
            raise wrong(f"A resource can have at most {_MOST} tags.")
        return resource.add_tags([{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in tags])

    def list_tags_for_resource(self: Any, arn: str) -> Any:
        return _tagged(self, arn).get_tags()

    def remove_tags_from_resource(self: Any, arn: str, tag_keys: list[str]) -> None:
        _tagged(self, arn).remove_tags(tag_keys)

    put(RDSBackend, add_tags_to_resource)
    put(RDSBackend, list_tags_for_resource)
    put(RDSBackend, remove_tags_from_resource)
