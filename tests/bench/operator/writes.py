"""What the operator wrote to the users' objects, from the API server's own records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MANAGERS = "tracetrack-operator"


def spec_fields(obj: Mapping[str, Any]) -> int:
    """Fields of `spec` that belong to a field manager of the operator, and changes of the spec since the creation."""
    owned = sum(
        _leaves(entry["fieldsV1"].get("f:spec", {}))
        for entry in obj["metadata"].get("managedFields", [])
        if entry["manager"].startswith(MANAGERS) and entry.get("subresource", "") != "status"
    )
    return owned + int(obj["metadata"]["generation"]) - 1


def status_writes(events: Iterable[Mapping[str, Any]], since: str) -> int:
    """Status writes of our kinds among the operator's audit events, from `since` on (RFC 3339, UTC)."""
    return sum(
        event["requestReceivedTimestamp"] >= since
        and event["verb"] in ("patch", "update")
        and event.get("objectRef", {}).get("apiGroup") == "tracetrack.io"
        and event["objectRef"].get("subresource") == "status"
        for event in events
    )


def _leaves(fields: Mapping[str, Any]) -> int:
    """Fields without a field below them; a map's own entry (`.`) counts only where it stands alone."""
    below = [value for key, value in fields.items() if key != "."]
    return sum(_leaves(value) or 1 for value in below)
