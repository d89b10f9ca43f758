"""Requests of a person that are new values of annotations."""

from __future__ import annotations

from datetime import UTC, datetime


def new_value() -> str:
    """One that no request had before."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
