"""What a fleet is worked on with: its spec and names, and what the set-up in AWS has given."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..api.constants import OWNER_ATTRIBUTE
from ..api.fleet import ScannerFleet
from ..engine.objects import Object
from . import keys
from .names import FleetNames

FLEET_ATTRIBUTE = "tracetrack-fleet"
MQTT_PORT = 8883


@dataclass(frozen=True)
class Signing:
    """The fleet's signing keys, the current one first; `arn` is the secret's in Secrets Manager."""

    arn: str
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def current(self) -> bytes:
        return self.keys[0][1]


@dataclass(frozen=True)
class Setup:
    """What all scanners of a fleet share in AWS. `endpoint` is the host name of IoT's data endpoint."""

    signing: Signing
    group_arn: str
    endpoint: str

    @property
    def arn_head(self) -> str:
        return self.group_arn.partition(":thinggroup/")[0]

    def certificate_arn(self, certificate_id: str) -> str:
        return f"{self.arn_head}:cert/{certificate_id}"


@dataclass(frozen=True)
class Target:
    """One fleet as its spec wants it."""

    obj: Object = field(repr=False)
    fleet: ScannerFleet
    names: FleetNames

    @property
    def uid(self) -> str:
        return self.fleet.metadata.uid

    @property
    def replicas(self) -> int:
        return 0 if self.deleting else self.fleet.spec.replicas

    @property
    def generation(self) -> int:
        """Generation of the device keys."""
        return self.fleet.spec.credentials.key_generation

    @property
    def deleting(self) -> bool:
        return self.fleet.metadata.deletion_timestamp is not None

    @property
    def attributes(self) -> dict[str, str]:
        """AWS IoT attributes of every thing of the fleet."""
        owner = {OWNER_ATTRIBUTE: self.uid, FLEET_ATTRIBUTE: f"{self.names.namespace}/{self.names.fleet}"}
        return {**self.fleet.spec.attributes, **owner}

    @cached_property
    def thing_hash(self) -> str:
        """Changes when the things have to be updated."""
        shape = json.dumps([self.fleet.spec.thing_type, self.attributes], sort_keys=True)
        return hashlib.sha256(shape.encode()).hexdigest()[:16]

    def device_key(self, signing: Signing, scanner: str) -> str:
        return keys.device_key(signing.current, self.names.fleet, scanner, self.generation)

    def installer_settings(self, setup: Setup, scanners: list[str]) -> str:
        """`settings.json` of a slice: where its scanners connect to and under which names."""
        names = self.names

        def entry(scanner: str) -> dict[str, Any]:
            thing = names.thing(scanner)
            return {
                "thing": thing,
                "topics": {leaf: names.topic(thing, leaf) for leaf in ("scans", "commands")},
            }

        return json.dumps(
            {
                "cluster": names.cluster,
                "namespace": names.namespace,
                "deployment": names.deployment,
                "fleet": names.fleet,
                "mqtt": {"endpoint": setup.endpoint, "port": MQTT_PORT},
                "scanners": {scanner: entry(scanner) for scanner in scanners},
            },
            sort_keys=True,
        )
