"""How corrections are put in place."""

from __future__ import annotations

from typing import Any


def put(owner: Any, function: Any) -> None:
    """Replace the method of that name on a class of moto, for every instance."""
    if not hasattr(owner, function.__name__):
        raise AttributeError(
            f"{owner.__name__} has no {function.__name__}: moto has changed, look at the correction again"
        )
    setattr(owner, function.__name__, function)


def add(owner: Any, function: Any) -> None:
    """Give a class of moto an operation that it lacks."""
    if hasattr(owner, function.__name__):
        raise AttributeError(f"{owner.__name__} has {function.__name__} now: look at the correction again")
    setattr(owner, function.__name__, function)


def forbid(owner: Any, name: str, why: str) -> None:
    """Make an operation fail by name."""

    def missing(self: Any) -> Any:
        raise NotImplementedError(f"{name}: {why}")

    setattr(owner, name, missing)
