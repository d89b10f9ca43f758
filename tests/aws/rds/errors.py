"""Refusals in the service's words, and what every operation asks of its instance first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import DBInstanceNotFoundError, RDSClientError

# States in which a database is fully operational.
OPERATIONAL = ("available", "storage-optimization")


def wrong(message: str, code: str = "InvalidParameterValue") -> RDSClientError:
    return RDSClientError(code, message)


def combination(message: str) -> RDSClientError:
    return wrong(message, "InvalidParameterCombination")


def state(message: str) -> RDSClientError:
    return wrong(message, "InvalidDBInstanceState")


def found(databases: Mapping[str, Any], name: str) -> Any:
    """The instance of that name or ARN. DBInstanceNotFound."""
    instance = databases.get(name.rsplit(":", 1)[-1].lower())
    if instance is None:
        raise DBInstanceNotFoundError(name)
    return instance


def operational(databases: Mapping[str, Any], name: str) -> Any:
    """The instance of that name, if changes may be asked of it now. InvalidDBInstanceState."""
    instance = found(databases, name)
    if instance.status not in OPERATIONAL:
        raise state(f"Database instance is not in available state: {name} is {instance.status}.")
    return instance
