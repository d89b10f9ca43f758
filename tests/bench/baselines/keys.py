"""Who sends: the device key checked once, then remembered, as a hot path has it."""

from __future__ import annotations

import os
from pathlib import Path

from tracetrack_app.domain.devicekeys import Device, DeviceKeyError, parse_fleet, verify

_FLEETS = {
    fleet.name: fleet
    for fleet in (parse_fleet(path.read_text()) for path in Path(os.environ["FLEETS_DIR"]).glob("*.json"))
}
_known: dict[str, Device] = {}


def device(authorization: str) -> Device | None:
    """The device of an Authorization header; None when there is none."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    found = _known.get(key)
    if found is None:
        try:
            found = _known[key] = verify(key, _FLEETS)
        except DeviceKeyError:
            return None
    return found
