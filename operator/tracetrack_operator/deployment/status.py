"""What a person is told: conditions and the fields of the status. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..api.conditions import ConditionType, Reason
from ..api.exposure import ServiceType
from ..api.reasons import PASSING
from ..dependencies.protocol import Dependency, Verdict
from ..dependencies.summary import summed
from ..engine.conditions import Conditions
from ..engine.errors import ReconcileError
from ..engine.objects import Object, annotations_of
from ..kube.pods import alive, first_problem, is_ready
from ..manifests.parent import APP, CACHE, DATABASE, DRILL
from .brought import PURPOSES
from .desired import bound
from .execute import REPLICAS, SYNC
from .observe import Observed
from .plan import Plan
from .specs.deployment import VERSION

RESTORABLE = "latestRestorableTime"
_CONDITION_OF = {
    DATABASE: ConditionType.DATABASE_READY,
    CACHE: ConditionType.CACHE_READY,
    APP: ConditionType.APPLICATION_READY,
}


def previous_conditions(owner: Object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (owner.get("status") or {}).get("conditions") or []
    return found


def new_conditions(owner: Object) -> Conditions:
    return Conditions(previous_conditions(owner), owner["metadata"].get("generation", 0))


def at_rest(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """A status without what moves by itself: every five minutes a database can be restored to a later moment, which is
    written with whatever else is, and once a day."""
    database = told.get(DATABASE) or {}
    if RESTORABLE not in database:
        return told
    return {**told, DATABASE: {**database, RESTORABLE: database[RESTORABLE][: len("2026-11-23")]}}


def conditions(observed: Observed, pending: Plan, errors: Mapping[str, ReconcileError]) -> Conditions:
    """`errors` are by component; `pending` is what was planned but not done, because the object is suspended."""
    result = new_conditions(observed.owner)
    verdicts = {
        DATABASE: observed.database.verdict,
        CACHE: observed.cache.verdict,
        APP: application(observed),
    } | {component: Verdict.of_error(error) for component, error in errors.items()}
    failed = verdicts.pop(SYNC, None)
    replicas = verdicts.pop(REPLICAS, None) or observed.database.replicas
    verdicts.pop(DRILL, None)
    for component, verdict in verdicts.items():
        _set(result, _CONDITION_OF[component], verdict)
    synced = failed or sync(observed)
    if synced is not None:
        _set(result, ConditionType.SYNCED, synced)
    if replicas is not None:
        _set(result, ConditionType.REPLICAS_READY, replicas)
    _set(result, ConditionType.SCALING_READY, scaling(observed))
    for suffix, brought in observed.brought.items():
        _set(result, PURPOSES[suffix].condition, brought.verdict)
    _drill(result, observed)
    # Ready tells the first that is wrong, and only then the first that is merely under way.
    parts = [_CONDITION_OF[c] for c in sorted(verdicts, key=lambda component: verdicts[component].reason in PASSING)]
    app = verdicts[APP].message
    if not observed.resource.spec.suspend:
        result.roll_up(parts, message=app)
    elif pending:
        actions = list(pending)
        more = f" and {len(actions) - 3} more" if len(actions) > 3 else ""
        result.false(
            ConditionType.READY,
            Reason.SUSPENDED,
            f"spec.suspend is true, so these wait: {'; '.join(a.describe() for a in actions[:3])}{more}. "
            "Set it to false to go on.",
        )
    else:
        result.roll_up(parts, message=f"{app} spec.suspend is true: nothing will be changed.")
    return result


def _drill(result: Conditions, observed: Observed) -> None:
    """What could not be found out stays as it was told last."""
    if observed.drill.verdict is not None:
        _set(result, ConditionType.DRILL_PASSED, observed.drill.verdict)
    elif observed.drill.error is not None:
        for condition in previous_conditions(observed.owner):
            if condition["type"] == ConditionType.DRILL_PASSED:
                result.keep(condition)


def fields(observed: Observed) -> dict[str, Any]:
    """The status beside conditions and observedGeneration; None for what isn't known."""
    live = observed.child("Deployment", APP)
    status = (live or {}).get("status", {})
    return {
        "replicas": status.get("replicas", 0) if live else None,
        "readyReplicas": status.get("readyReplicas", 0) if live else None,
        "version": _version(observed.pods[APP]),
        "url": _url(observed),
        "database": {**_dependency(observed.database), **_drills(observed)},
        "cache": _dependency(observed.cache),
        "fleets": len(observed.fleets),
    }


def _drills(observed: Observed) -> dict[str, Any]:
    if observed.drill.error is not None:
        told = ((observed.owner.get("status") or {}).get("database") or {}).get("drill")
        return {"drill": told} if told else {}
    return {"drill": dict(observed.drill.status)} if observed.drill.status else {}


def application(observed: Observed) -> Verdict:
    """The state of the application's pods, the most telling fact first.

    Pods that no node takes are a fault only while fewer run than `minReplicas`: asked for by the autoscaler beyond
    that, they wait for nodes while the others serve, which is told by ScalingReady.
    """
    live = observed.child("Deployment", APP)
    if live is None:
        return _not_begun(observed)
    status = live.get("status", {})
    problem = first_problem(observed.pods[APP])
    enough = _rolled_out(live) and int(status.get("readyReplicas", 0)) >= observed.resource.spec.scaling.min_replicas
    if problem is not None and not (problem.reason == Reason.UNSCHEDULABLE and enough):
        return Verdict.not_ready(problem.reason, problem.message)
    for condition in status.get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return _refused(str(condition.get("message", "")))
    return _progress(observed, live, status)


def scaling(observed: Observed) -> Verdict:
    """Whether as many pods run as the autoscaler asks for."""
    live = observed.child("Deployment", APP)
    if live is None:
        return Verdict("Unknown", Reason.PROGRESSING, "The application's Deployment is not there yet.")
    problem = first_problem(observed.pods[APP])
    if problem is not None and problem.reason == Reason.UNSCHEDULABLE:
        return Verdict.not_ready(problem.reason, problem.message)
    scale = observed.resource.spec.scaling
    wanted = live["spec"].get("replicas", 1)
    return Verdict.ready(f"{wanted} replicas asked for, of {scale.min_replicas} to {scale.max_replicas}.")


def sync(observed: Observed) -> Verdict | None:
    """Whether what is in AWS is as declared; None where nothing is."""
    found = [each.sync for each in (observed.database, observed.cache) if each.sync is not None]
    return summed(found)


def _rolled_out(live: Object) -> bool:
    status = live.get("status", {})
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    return bool(current and status.get("replicas", 0) == status.get("updatedReplicas", 0))


def _progress(observed: Observed, live: Object, status: Mapping[str, Any]) -> Verdict:
    spec = observed.resource.spec
    wanted = max(int(live["spec"].get("replicas", 1)), spec.scaling.min_replicas)
    ready, updated = (int(status.get(key, 0)) for key in ("readyReplicas", "updatedReplicas"))
    tally = f"{ready} of {wanted} replicas ready"
    rolled_out = _rolled_out(live)
    if rolled_out and ready >= spec.scaling.min_replicas:
        return Verdict.ready(f"{tally} on version {spec.version}.")
    if not rolled_out:
        message = f"Rolling out version {spec.version}: {updated} of {wanted} replicas replaced, {ready} serving."
    else:
        message = f"{tally} on version {spec.version}."
    for condition in status.get("conditions") or []:
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Verdict.not_ready(
                "Stalled",
                f"{message} No progress for {live['spec'].get('progressDeadlineSeconds', 600)} s. "
                f"See kubectl describe pods -l tracetrack.io/deployment={observed.parent.name}.",
            )
    return Verdict.not_ready(Reason.PROGRESSING, message)


def _not_begun(observed: Observed) -> Verdict:
    database, cache = bound(observed)
    for name, values, dependency in (("database", database, observed.database), ("cache", cache, observed.cache)):
        if not values:
            return Verdict.not_ready(
                Reason.WAITING_FOR_DEPENDENCY, f"Waiting for the {name}: {dependency.verdict.message}"
            )
    return Verdict.not_ready(Reason.PROGRESSING, "The application's Deployment is about to be created.")


def _refused(message: str) -> Verdict:
    if "exceeded quota" in message:
        return Verdict.not_ready(
            "QuotaExceeded",
            f"Pods are refused: {message}. Raise the ResourceQuota, or lower spec.resources or spec.scaling.",
        )
    return Verdict.not_ready("PodsRefused", f"Pods are refused: {message}. Mend what the message names.")


def _version(pods: Iterable[Object]) -> str | None:
    versions = {annotations_of(pod).get(VERSION) for pod in alive(pods) if is_ready(pod)}
    return versions.pop() if len(versions) == 1 else None


def _url(observed: Observed) -> str | None:
    exposure = observed.resource.spec.exposure
    if exposure.address is not None:
        return exposure.address
    service = observed.child("Service", APP)
    if service is None:
        return None
    if exposure.service.type is ServiceType.NODE_PORT:
        port = service["spec"]["ports"][0].get("nodePort")
        nodes = sorted(filter(None, (pod.get("status", {}).get("hostIP") for pod in alive(observed.pods[APP]))))
        return f"http://{nodes[0]}:{port}" if port and nodes else None
    if exposure.service.type is ServiceType.LOAD_BALANCER:
        points = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        return f"http://{points[0].get('hostname') or points[0].get('ip')}" if points else None
    return f"http://{observed.parent.child(APP)}.{observed.parent.namespace}.svc"


def _dependency(dependency: Dependency) -> dict[str, Any]:
    found = {"provider": dependency.provider, "endpoint": dependency.endpoint, "state": dependency.state}
    return {key: value for key, value in {**found, **dependency.details}.items() if value not in ("", [], None)}


def _set(result: Conditions, type_: str, verdict: Verdict) -> None:
    setter = {"True": result.true, "False": result.false, "Unknown": result.unknown}[verdict.status]
    setter(type_, verdict.reason, verdict.message)
