"""What is told of a fleet: pure, from what was observed and what this process knows."""

from dataclasses import dataclass
from typing import Any, Self

from ..api.conditions import ConditionType, Reason
from ..api.fleet import FleetDeletionPolicy
from ..api.slice import ScannerState
from ..engine.conditions import Conditions
from ..engine.errors import ReconcileError
from .memory import Memory, Progress
from .observe import Observed
from .plan import FleetPlan

PARTS = (ConditionType.SIGNING_KEY_READY, ConditionType.SCANNERS_READY, ConditionType.DEPLOYMENT_READY)
MAX_NAMED = 3


def fields(observed: Observed) -> dict[str, Any]:
    """The status beside its conditions."""
    return {
        "replicas": len(observed.entries),
        "readyReplicas": observed.count(ScannerState.READY),
        "selector": observed.target.names.selector,
        "slices": sum(bool(record.slice_uid) for record in observed.slices),
        "thingGroup": observed.target.names.group,
        "signingSecretArn": observed.signing.arn if observed.signing else None,
    }


def tell(conditions: Conditions, observed: Observed, memory: Memory) -> None:
    """Set every condition of the fleet."""
    target = observed.target
    _deployment(conditions, observed)
    _signing(conditions, observed, memory)
    if target.deleting:
        _deletion(conditions, observed, memory)
        return
    count = _Count.of(observed)
    _scanners(conditions, count, observed, memory)
    if target.fleet.spec.suspend:
        message = "spec.suspend is true: everything is left as it is until it is false."
        conditions.false(ConditionType.READY, Reason.SUSPENDED, message)
    else:
        # A deployment that doesn't exist is the cause of all the rest.
        parts = PARTS if observed.deployment_found else tuple(reversed(PARTS))
        conditions.roll_up(parts, Reason.READY, count.tell())


def _deployment(conditions: Conditions, observed: Observed) -> None:
    names = observed.target.names
    if observed.deployment_found:
        conditions.true(ConditionType.DEPLOYMENT_READY, "DeploymentFound", f"{names.deployment} exists.")
    else:
        conditions.false(
            ConditionType.DEPLOYMENT_READY,
            "DeploymentNotFound",
            f"There is no TraceTrackDeployment {names.deployment} in namespace {names.namespace}, and no scanner is "
            "provisioned without one. Create it; provisioning starts by itself. (spec.deploymentRef.name can't be "
            "changed: if it is misspelt, create the fleet anew.)",
        )


def _signing(conditions: Conditions, observed: Observed, memory: Memory) -> None:
    type_, name = ConditionType.SIGNING_KEY_READY, observed.target.names.signing
    error = memory.signing_error
    if observed.signing is None and error is None:
        conditions.unknown(type_, Reason.PROGRESSING, f"The Secrets Manager secret {name} is still to be made or read.")
    elif error is None:
        conditions.true(type_, Reason.READY, f"Kept in the Secrets Manager secret {name}.")
    elif observed.signing is not None and error.reason != "OwnershipConflict":
        conditions.unknown(type_, error.reason, f"The signing key is there as last seen. {_sentence(error)}")
    else:
        conditions.false(type_, error.reason, _sentence(error))


def _deletion(conditions: Conditions, observed: Observed, memory: Memory) -> None:
    retained = observed.target.fleet.spec.deletion_policy is FleetDeletionPolicy.RETAIN
    left = _several(len(observed.entries), "scanner")
    if retained:
        scanners = "The scanners stay in AWS, as spec.deletionPolicy Retain asks."
        going, held_up = f"Being deleted. {scanners}", f"Being deleted is held up. {scanners}"
    else:
        scanners = f"{left} left to be removed from AWS."
        going, held_up = f"Being removed from AWS, {left} left.", f"Being removed from AWS is held up, {left} left."
    reason, causes = _causes(memory)
    conditions.false(ConditionType.SCANNERS_READY, reason or Reason.DELETING, " ".join((scanners, *causes)))
    message = " ".join((held_up, *causes)) if causes else going
    conditions.false(ConditionType.READY, reason or Reason.DELETING, message)


def _scanners(conditions: Conditions, count: "_Count", observed: Observed, memory: Memory) -> None:
    type_ = ConditionType.SCANNERS_READY
    # What the entries tell is only half of it: a Secret or a thing may be behind the spec.
    todo = memory.plan(observed) if count.complete else None
    complete = todo is not None and not todo
    told = count.tell(todo)
    reason, causes = _causes(memory)
    if reason is None and complete:
        conditions.true(type_, "Provisioned", told)
    elif reason is None:
        conditions.false(type_, Reason.PROGRESSING, count.tell(todo, memory.progress))
    elif complete and not memory.scanner_errors:
        conditions.unknown(type_, reason, " ".join((told, "That is as last seen:", *causes)))
    else:
        conditions.false(type_, reason, " ".join((told, *causes)))


def _causes(memory: Memory) -> tuple[str | None, list[str]]:
    """Why the fleet is held up: the reason and a sentence for each cause, what holds up all of it first.

    The errors of scanners are those of the run that got as far as them, so they come second.
    """
    errors = memory.scanner_errors
    names = sorted(errors)
    reasons = [error.reason for error in (memory.error, *(errors[name] for name in names)) if error is not None]
    causes = [_sentence(memory.error)] if memory.error is not None else []
    causes += [f"{name}: {_sentence(errors[name])}" for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        causes.append(f"And {len(names) - MAX_NAMED} more, see the ScannerSlices.")
    return (reasons[0] if reasons else None), causes


@dataclass(frozen=True)
class _Count:
    """The scanners that the spec asks for and those of them that are provisioned; `surplus` are to go."""

    total: int
    ready: int
    surplus: int

    @classmethod
    def of(cls, observed: Observed) -> Self:
        target = observed.target
        ready = surplus = 0
        for record in observed.slices:
            wanted = set(target.names.scanners(record.index, target.replicas))
            ready += sum(name in wanted and e.state is ScannerState.READY for name, e in record.entries.items())
            surplus += len(record.entries.keys() - wanted)
        return cls(target.replicas, ready, surplus)

    @property
    def complete(self) -> bool:
        return self.ready == self.total and not self.surplus

    def tell(self, todo: FleetPlan | None = None, progress: Progress | None = None) -> str:
        """`37 of 100 scanners provisioned, 8.7/s, about 8 s left.` `todo` is what a complete fleet still needs."""
        pending = sum(len(each.pending) for each in todo.slices) if todo else 0
        parts = [f"{self.ready - pending} of {self.total} scanners {'up to date' if pending else 'provisioned'}"]
        if self.surplus:
            parts.append(f"{self.surplus} to be removed")
        if todo and todo.strays:
            parts.append(f"{_several(len(todo.strays), 'thing')} without a record to be removed")
        if todo and todo.doomed:
            parts.append(f"{_several(len(todo.doomed), 'empty slice')} to be removed")
        rate = progress.rate(self.ready) if progress else 0.0
        if rate > 0 and self.ready < self.total:
            parts += [f"{rate:.1f}/s", f"about {max(1, round((self.total - self.ready) / rate))} s left"]
        return ", ".join(parts) + "."


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _sentence(error: ReconcileError) -> str:
    """What a person needs to know, with a stop at its end, since more may follow."""
    text = str(error).rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
