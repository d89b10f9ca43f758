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
