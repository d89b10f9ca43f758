"""What is told of a fleet: pure, from what was observed and what this process knows."""

from typing import Any

from ..api.conditions import ConditionType, Reason
from ..api.slice import ScannerState
from ..engine.conditions import Conditions
from ..engine.errors import ReconcileError
from .memory import Memory
from .observe import Observed

PARTS = (ConditionType.SIGNING_KEY_READY, ConditionType.SCANNERS_READY, ConditionType.DEPLOYMENT_READY)
MAX_NAMED = 3


def fields(observed: Observed, memory: Memory) -> dict[str, Any]:
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
    _scanners(conditions, observed, memory)
    if target.deleting:
        left = len(observed.entries)
        error = _worst(memory)
        if error is None:
            conditions.false(ConditionType.READY, Reason.DELETING, f"Being removed from AWS, {left} scanners left.")
        else:
            conditions.false(ConditionType.READY, error.reason, f"Being removed from AWS is held up: {error}")
    elif target.fleet.spec.suspend:
        message = "spec.suspend is true: everything is left as it is until it is false."
        conditions.false(ConditionType.READY, Reason.SUSPENDED, message)
    else:
        # A deployment that doesn't exist is the cause of all the rest.
        parts = PARTS if observed.deployment_found else tuple(reversed(PARTS))
        conditions.roll_up(parts, Reason.READY, _count(observed))


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
        conditions.unknown(type_, error.reason, f"The signing key is there as last seen. {error}")
    else:
        conditions.false(type_, error.reason, str(error))


def _scanners(conditions: Conditions, observed: Observed, memory: Memory) -> None:
    type_, target = ConditionType.SCANNERS_READY, observed.target
    ready, total = observed.count(ScannerState.READY), target.replicas
    complete = ready == total == len(observed.entries)
    if memory.scanner_errors:
        reason, message = _scanner_errors(memory.scanner_errors)
        conditions.false(type_, reason, f"{_count(observed)} {message}")
    elif memory.error is not None and complete:
        conditions.unknown(type_, memory.error.reason, f"{_count(observed)} That is as last seen: {memory.error}")
    elif memory.error is not None:
        conditions.false(type_, memory.error.reason, f"{_count(observed)} {memory.error}")
    elif complete and not target.deleting:
        conditions.true(type_, "Provisioned", _count(observed))
    else:
        conditions.false(type_, Reason.PROGRESSING, _count(observed, memory))


def _worst(memory: Memory) -> ReconcileError | None:
    return memory.error or next(iter(memory.scanner_errors.values()), None)


def _scanner_errors(errors: dict[str, ReconcileError]) -> tuple[str, str]:
    """Reason and message for scanners that are kept back, the first few by name."""
    names = sorted(errors)
    told = " ".join(f"{name}: {errors[name]}" for name in names[:MAX_NAMED])
    more = f" And {len(names) - MAX_NAMED} more, see the ScannerSlices." if len(names) > MAX_NAMED else ""
    return errors[names[0]].reason, told + more


def _count(observed: Observed, memory: Memory | None = None) -> str:
    """`37 of 100 scanners provisioned, 8.7/s, about 8 s left.`"""
    ready, total = observed.count(ScannerState.READY), observed.target.replicas
    parts = [f"{ready} of {total} scanners provisioned"]
    surplus = len(observed.entries) - total
    if surplus > 0:
        parts.append(f"{surplus} to be removed")
    rate = memory.progress.rate(ready) if memory and memory.progress else 0.0
    if rate > 0 and ready < total:
        parts += [f"{rate:.1f}/s", f"about {max(1, round((total - ready) / rate))} s left"]
    return ", ".join(parts) + "."
