"""What the builders are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...api.deployment import TraceTrackDeploymentSpec
from ...manifests.parent import Parent

PORT = 8080
PORT_NAME = "http"
BINDINGS = "/bindings"


@dataclass(frozen=True)
class Inputs:
    """`content` is the hash of everything the pods read at start, so that a change of it rolls them.

    `brought` is what people's own Secrets give the application, by the suffix of the child that hands it on.
    """

    parent: Parent
    spec: TraceTrackDeploymentSpec
    image: str
    admin: Mapping[str, str] = field(repr=False)
    session: Mapping[str, str] = field(repr=False)
    fleet_keys: Mapping[str, str] = field(repr=False)
    database_port: int | None = None
    replica_port: int | None = None
    cache_port: int | None = None
    brought: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    content: str = ""


def port_in(binding: Mapping[str, str], key: str = "port") -> int | None:
    """The port that a binding's values name; None where they name none."""
    text = binding.get(key, "")
    return int(text) if text.isdigit() else None
