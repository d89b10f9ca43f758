"""What can be made to go wrong, how fast calls may come, and the record of what came."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOLDS = ("hold-before", "hold-after")
KINDS = ("throttle", "error", "lost", "latency", *HOLDS)

_IOT_RATES = {
    350: "DescribeThing",
    100: "CreateThing UpdateThing DeleteThing AttachThingPrincipal DetachThingPrincipal AddThingToThingGroup "
    "RemoveThingFromThingGroup DescribeThingGroup",
    25: "ListThingsInThingGroup CreateThingGroup",
    15: "CreateThingType AttachPolicy DetachPolicy ListAttachedPolicies DeleteThingGroup UpdateThingGroup",
    10: "ListThings ListThingPrincipals ListPrincipalThings ListThingGroups ListThingTypes DescribeThingType "
    "CreateKeysAndCertificate CreateCertificateFromCsr DescribeCertificate ListCertificates UpdateCertificate "
    "DeleteCertificate CreatePolicy CreatePolicyVersion DeletePolicy DeletePolicyVersion GetPolicy ListPolicies "
    "ListPolicyVersions ListTargetsForPolicy RegisterThing DescribeEndpoint TagResource UntagResource "
    "ListTagsForResource",
}
_SECRET_WRITES = "CreateSecret DeleteSecret PutSecretValue RestoreSecret UpdateSecret TagResource"

# (calls per second, burst) per account and region: the default quotas of the AWS General Reference.
QUOTAS: dict[tuple[str, str], tuple[float, float]] = {
    **{("iot", name): (rate, rate) for rate, names in _IOT_RATES.items() for name in names.split()},
    **{("secretsmanager", name): (50, 50) for name in _SECRET_WRITES.split()},
    ("rds", "*"): (12, 300),
    ("elasticache", "*"): (12, 300),
    ("resourcegroupstaggingapi", "*"): (10, 10),
}

_SECRETS = ("password", "secretstring", "secretbinary", "authtoken", "token", "key")


@dataclass
class Fault:
    """One rule; `times` None means always, `match` compares parameters of the call by equality.

    `caller`: only calls signed with this access key. `about`: only calls with one of these texts in a parameter.
    `skip`: that many calls pass first. `freeze`, of a hold: from when it holds a call, every later one (only those of
    the `caller` and `about` the same) is held before it is executed.
    """

    service: str
    operation: str
    kind: str
    times: int | None = 1
    probability: float | None = None
    seconds: float | None = None
    code: str | None = None
    status: int | None = None
    match: dict[str, Any] = field(default_factory=dict)
    caller: str = ""
    about: list[str] = field(default_factory=list)
    skip: int = 0
    freeze: bool = False
    id: int = 0
    fired: int = 0
    passed: int = 0

    def concerns(self, caller: str, params: Mapping[str, Any]) -> bool:
        """Whether a call with these parameters is of the rule's caller, and one of those `about` which the rule is."""
        texts = [value for value in params.values() if isinstance(value, str)]
        about = not self.about or any(about in text for about in self.about for text in texts)
        return about and self.caller in ("", caller)

    def applies(self, service: str, operation: str, caller: str, params: Mapping[str, Any]) -> bool:
        if self.service not in ("*", service) or self.operation not in ("*", operation):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        if any(params.get(name) != value for name, value in self.match.items()) or not self.concerns(caller, params):
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
        if fault.freeze and fault.kind not in HOLDS:
            raise ValueError(f"fault.freeze: only {' and '.join(HOLDS)} can freeze what comes later")
        fault.id, fault.fired, fault.passed = next(self._ids), 0, 0
        self.rules.append(fault)
        return fault

    def pick(self, service: str, operation: str, caller: str, params: Mapping[str, Any]) -> Fault | None:
        for fault in self.rules:
            if fault.applies(service, operation, caller, params):
                if fault.passed < fault.skip:
                    fault.passed += 1
                    continue
                fault.fired += 1
                return fault
        return None

    def freezing(self, caller: str, params: Mapping[str, Any]) -> Fault | None:
        """The hold that has frozen what this caller asks with these parameters."""
        holds = (fault for fault in self.rules if fault.freeze and fault.fired)
        return next((fault for fault in holds if fault.concerns(caller, params)), None)

    def end_holds(self) -> None:
        """Hold no further call."""
        self.rules[:] = [fault for fault in self.rules if fault.kind not in HOLDS]


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


def is_hidden(name: str) -> bool:
    """Whether a parameter of that name is left out of the journal, since it may hold a secret."""
    return any(word in name.lower() for word in _SECRETS)


@dataclass
class Record:
    """One call: `time` in epoch seconds, `duration` in seconds, `params` the short ones that are no secret; `caller`
    is the access key that signed it."""

    service: str
    operation: str
    region: str
    caller: str
    time: float
    duration: float = 0.0
    status: int = 0
    error: str | None = None
    fault: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


READS = ("Describe", "List", "Get")


class Journal:
    """The calls since the last reset (the newest 20 000), and those that no emulator supports."""

    def __init__(self) -> None:
        self.calls: deque[Record] = deque(maxlen=20_000)
        self.unsupported: list[dict[str, str]] = []

    def reset(self) -> None:
        self.calls.clear()
        self.unsupported.clear()

    def as_json(self, service: str = "", operation: str = "", changing: bool = False) -> str:
        """The calls, of this service and operation when given; when `changing` only those that aren't reads."""
        found = (
            vars(record)
            for record in self.calls
            if service in ("", record.service)
            and operation in ("", record.operation)
            and not (changing and record.operation.startswith(READS))
        )
        return json.dumps(list(found))
