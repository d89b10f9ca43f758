"""What everything of a fleet is called, in Kubernetes and in AWS. Names are computed, never drawn."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..api.constants import (
    LABEL_COMPONENT,
    LABEL_DEPLOYMENT,
    LABEL_FLEET,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_PART_OF,
    MANAGED_BY,
    SLICE_CAPACITY,
)
from ..api.fleet import ScannerFleet
from ..aws.ownership import bounded_name

THING_NAME_LIMIT = 128


def slice_index(number: int) -> int:
    """The slice, from 0, that holds the scanner with that number, from 1."""
    return (number - 1) // SLICE_CAPACITY


@dataclass(frozen=True)
class FleetNames:
    """The names of one fleet. `cluster` is this installation's name inside the AWS account."""

    cluster: str
    namespace: str
    fleet: str
    deployment: str
    prefix: str
    digits: int

    @classmethod
    def of(cls, cluster: str, fleet: ScannerFleet) -> "FleetNames":
        return cls(
            cluster=cluster,
            namespace=fleet.metadata.namespace,
            fleet=fleet.metadata.name,
            deployment=fleet.spec.deployment_ref.name,
            prefix=fleet.prefix,
            digits=fleet.spec.naming.digits,
        )

    @property
    def group(self) -> str:
        """Thing group, and the IoT policy of the same name."""
        return bounded_name((self.cluster, self.namespace, self.fleet), "_", THING_NAME_LIMIT)

    @property
    def signing(self) -> str:
        """Name of the signing secret in Secrets Manager."""
        return f"tracetrack/{self.cluster}/{self.namespace}/{self.fleet}/signing"

    @property
    def signing_secret(self) -> str:
        """Name of the Kubernetes Secret that mirrors it."""
        return f"{self.fleet}-signing"

    def slice(self, index: int) -> str:
        """Name of the ScannerSlice, and of the Secret beside it."""
        return f"{self.fleet}-{index}"

    def scanner(self, number: int) -> str:
        return f"{self.prefix}{number:0{self.digits}d}"

    def number(self, scanner: str) -> int:
        """The number in a scanner's name; 0 when it isn't a name of this fleet."""
        tail = scanner.removeprefix(self.prefix)
        return int(tail) if tail.isascii() and tail.isdigit() and scanner.startswith(self.prefix) else 0

    def scanners(self, index: int, replicas: int) -> Iterable[str]:
        """The scanners that slice `index` holds in a fleet of `replicas`, in order of number."""
        first = index * SLICE_CAPACITY + 1
        return (self.scanner(number) for number in range(first, min(first + SLICE_CAPACITY, replicas + 1)))

    def thing(self, scanner: str) -> str:
        return bounded_name((self.cluster, self.namespace, scanner), "_", THING_NAME_LIMIT)

    def topic(self, thing: str, leaf: str) -> str:
        """MQTT topic of a thing: `leaf` is `scans` or `commands`."""
        return f"tracetrack/{self.cluster}/{self.namespace}/{self.deployment}/{thing}/{leaf}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every child of the fleet."""
        return {
            LABEL_NAME: "tracetrack",
            LABEL_INSTANCE: self.fleet,
            LABEL_COMPONENT: "scanners",
            LABEL_PART_OF: "tracetrack",
            LABEL_MANAGED_BY: MANAGED_BY,
            LABEL_DEPLOYMENT: self.deployment,
            LABEL_FLEET: self.fleet,
        }

    @property
    def selector(self) -> str:
        return f"{LABEL_FLEET}={self.fleet}"
