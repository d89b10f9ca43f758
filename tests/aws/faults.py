"""What can be made to go wrong, how fast calls may come, and the record of what came."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("throttle", "error", "lost", "latency")

# Calls per second and account, as AWS publishes them for IoT Core, RDS and Secrets Manager; burst where it differs.
QUOTAS: dict[tuple[str, str], tuple[float, float]] = {
    **{
        ("iot", name): (100.0, 100.0)
        for name in (
            *("CreateThing", "UpdateThing", "DeleteThing", "DescribeThing", "AttachThingPrincipal"),
            *("DetachThingPrincipal", "AddThingToThingGroup", "RemoveThingFromThingGroup", "DescribeThingGroup"),
        )
    },
    **{("iot", name): (25.0, 25.0) for name in ("ListThingsInThingGroup", "CreateThingGroup", "DeleteThingGroup")},
    **{
        ("iot", name): (15.0, 15.0)
        for name in ("CreateThingType", "AttachPolicy", "DetachPolicy", "DescribeThingType", "DeleteThingType")
    },
    **{
        ("iot", name): (10.0, 10.0)
        for name in (
            *("ListThings", "ListThingPrincipals", "ListPrincipalThings", "ListThingGroups", "ListThingTypes"),
            *("RegisterThing", "CreateKeysAndCertificate", "CreateCertificateFromCsr", "UpdateCertificate"),
            *("DeleteCertificate", "DescribeCertificate", "ListCertificates", "CreatePolicy", "DeletePolicy"),
            *("GetPolicy", "ListPolicies", "ListAttachedPolicies", "ListTargetsForPolicy", "DescribeEndpoint"),
            *("TagResource", "UntagResource", "ListTagsForResource"),
        )
    },
    ("rds", "*"): (12.0, 300.0),
    ("elasticache", "*"): (12.0, 300.0),
    **{
        ("secretsmanager", name): (50.0, 50.0)
        for name in ("CreateSecret", "DeleteSecret", "PutSecretValue", "RestoreSecret", "UpdateSecret", "TagResource")
    },
}


@dataclass
class Fault:
    """One rule; `times` None means always, `match` compares parameters of the call by equality."""

    service: str
    operation: str
    kind: str
    times: int | None = 1
    probability: float | None = None
    seconds: float | None = None
    code: str | None = None
    status: int | None = None
    match: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    fired: int = 0

    def applies(self, service: str, operation: str, params: Mapping[str, Any]) -> bool:
        if self.service not in ("*", service) or self.operation not in ("*", operation):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        if any(params.get(name) != value for name, value in self.match.items()):
            return False
        return self.probability is None or random.random() < self.probability


class Faults:
    """The rules in force; the first that applies to a call fires."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.rules: list[Fault] = []

    def add(self, given: dict[str, Any]) -> Fault:
        """Add a rule from JSON. ValueError names what is wrong with it."""
        try:
            fault = Fault(**given)
        except TypeError as wrong:
            raise ValueError(f"fault: {wrong}") from wrong
        if fault.kind not in KINDS:
            raise ValueError(f"fault.kind: {fault.kind!r} is none of {', '.join(KINDS)}")
        if fault.kind == "latency" and not fault.seconds:
            raise ValueError("fault.seconds: a latency needs its seconds")
        fault.id, fault.fired = next(self._ids), 0
        self.rules.append(fault)
        return fault

    def pick(self, service: str, operation: str, params: Mapping[str, Any]) -> Fault | None:
        for fault in self.rules:
            if fault.applies(service, operation, params):
                fault.fired += 1
                return fault
        return None


class Quotas:
    """Token buckets per operation; `limits` maps (service, operation or *) to (calls per second, burst)."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.limits = dict(QUOTAS)
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def set(self, enabled: bool, limits: Mapping[str, float]) -> None:
        """Switch, and override single limits given as {"iot:CreateThing": calls per second}."""
        self.enabled = enabled
        self.limits = dict(QUOTAS)
        for name, rate in limits.items():
            service, _, operation = name.partition(":")
            self.limits[(service, operation or "*")] = (float(rate), max(1.0, float(rate)))
        self._buckets.clear()

    def exceeded(self, service: str, operation: str) -> bool:
        if not self.enabled:
            return False
        key = (service, operation) if (service, operation) in self.limits else (service, "*")
        if key not in self.limits:
            return False
        rate, burst = self.limits[key]
        now = time.monotonic()
        tokens, before = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - before) * rate)
        self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens < 1


@dataclass
class Record:
    """One call: `time` in epoch seconds, `duration` in seconds, `params` the short ones that are no secret."""

    service: str
    operation: str
    region: str
    time: float
    duration: float = 0.0
    status: int = 0
    error: str | None = None
    fault: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


class Journal:
    """The calls since the last reset (the newest 20 000), and those that no emulator supports."""

    def __init__(self) -> None:
        self.calls: deque[Record] = deque(maxlen=20_000)
        self.unsupported: list[dict[str, str]] = []

    def reset(self) -> None:
        self.calls.clear()
        self.unsupported.clear()

    def as_json(self) -> str:
        return json.dumps([asdict(record) for record in self.calls])
