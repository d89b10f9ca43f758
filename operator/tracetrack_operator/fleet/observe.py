"""What the cache holds of one fleet, read into records."""

from dataclasses import dataclass, field

from ..api.fleet import ScannerFleet
from ..api.slice import Scanner, ScannerState
from ..context import Context
from ..engine.objects import Object
from . import signing
from .names import FleetNames
from .slices import SliceRecord
from .target import Signing, Target


@dataclass(frozen=True)
class Observed:
    """`deployment_found` tells whether `spec.deploymentRef` names something; `slices` are in order of index."""

    target: Target
    deployment_found: bool
    signing: Signing | None
    slices: tuple[SliceRecord, ...] = field(default=())

    @property
    def entries(self) -> list[Scanner]:
        return [entry for record in self.slices for entry in record.entries.values()]

    def count(self, *states: ScannerState) -> int:
        return sum(entry.state in states for entry in self.entries)


def observe(context: Context, obj: Object) -> Observed:
    """Read the fleet `obj` and its children. Raises InvalidResourceError where the fleet doesn't fit the model."""
    fleet = ScannerFleet.parse(obj)
    names = FleetNames.of(context.settings.cluster, fleet)
    target = Target(obj, fleet, names)
    slices: dict[str, Object] = {}
    secrets: dict[str, Object] = {}
    for child in context.children(obj):
        if child["metadata"].get("deletionTimestamp"):
            continue
        held = {"ScannerSlice": slices, "Secret": secrets}.get(child["kind"])
        if held is not None:
            held[child["metadata"]["name"]] = child
    mirror = secrets.pop(names.signing_secret, None)
    return Observed(
        target=target,
        deployment_found=context.cache.get("TraceTrackDeployment", names.namespace, names.deployment) is not None,
        signing=signing.from_mirror(mirror) if mirror else None,
        slices=tuple(
            SliceRecord.read(index, name, slices.get(name), secrets.get(name))
            for index, name in sorted(_indexes(names, slices.keys() | secrets.keys()))
        ),
    )


def _indexes(names: FleetNames, objects: set[str]) -> list[tuple[int, str]]:
    found = []
    for name in objects:
        tail = name.removeprefix(f"{names.fleet}-")
        if tail.isascii() and tail.isdigit() and names.slice(int(tail)) == name:
            found.append((int(tail), name))
    return found
