"""What the application needs to know of each ScannerFleet to recognise its scanners' device keys."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...api.fleet import ScannerFleet


@dataclass(frozen=True)
class Fleet:
    """A fleet and the `keys.json` of its signing Secret; `keys` None while that can't be read."""

    resource: ScannerFleet
    keys: str | None = field(repr=False)


def file_name(fleet: str) -> str:
    return f"{fleet}.json"


def fleet_keys(fleets: Iterable[Fleet], before: Mapping[str, str]) -> dict[str, str]:
    """File contents by name. A fleet whose signing keys can't be read now keeps what it had `before`."""
    files = {}
    for fleet in fleets:
        name = file_name(fleet.resource.metadata.name)
        content = _content(fleet)
        if content is not None:
            files[name] = content
        elif name in before:
            files[name] = before[name]
    return files


def _content(fleet: Fleet) -> str | None:
    if fleet.keys is None:
        return None
    try:
        signing_keys = [
            {"id": str(key["id"]), "secret": key["secret"]} for key in json.loads(fleet.keys)["signingKeys"]
        ]
    except (ValueError, KeyError, TypeError):
        return None
    spec = fleet.resource.spec
    document = {
        "fleet": fleet.resource.metadata.name,
        "signingKeys": signing_keys,
        "scanners": {"prefix": fleet.resource.prefix, "digits": spec.naming.digits, "count": spec.replicas},
        "generations": {"default": spec.credentials.key_generation},
    }
    return json.dumps(document, sort_keys=True)
