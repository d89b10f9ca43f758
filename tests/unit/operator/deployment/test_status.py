from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import dependency, observed, owner, pod, settled
from tracetrack_operator.dependencies.protocol import Verdict
from tracetrack_operator.deployment import status
from tracetrack_operator.deployment.observe import Observed
from tracetrack_operator.deployment.plan import Plan
from tracetrack_operator.engine.errors import TerminalError
from tracetrack_operator.engine.plan import Delete

GOOD = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
RUNNING = {"phase": "Running", "hostIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": "True"}]}


def seen(deployment_status: dict[str, Any], spec: dict[str, Any] | None = None, replicas: int = 3) -> Observed:
    found = settled(owner(spec))
    live = found.children["Deployment", "demo-app"]
    live["metadata"]["generation"] = 1
    live["spec"]["replicas"] = replicas
    live["status"] = deployment_status
    return found


def waiting(reason: str, **extra: Any) -> dict[str, Any]:
    return {
        "containerStatuses": [{"name": "app", "image": "nowhere:1", "state": {"waiting": {"reason": reason}}, **extra}]
    }


def test_all_is_well() -> None:
    verdict = status.application(seen(GOOD))
    assert (verdict.status, verdict.message) == ("True", "3 of 3 replicas ready on version 1.2.3.")


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"readyReplicas": 1}, "Progressing", "1 of 3 replicas ready"),
        ({"updatedReplicas": 1}, "Progressing", "1 of 3 replicas replaced, 3 serving"),
        ({"observedGeneration": 0}, "Progressing", "Rolling out version 1.2.3"),
        (
            {
                "readyReplicas": 1,
                "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
            },
            "Stalled",
            "kubectl describe pods",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "ReplicaFailure",
                        "status": "True",
                        "message": 'pods "x" is forbidden: exceeded quota: small',
                    }
                ]
            },
            "QuotaExceeded",
            "Raise the ResourceQuota",
        ),
        (
            {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]},
            "PodsRefused",
            "violates PodSecurity",
        ),
    ],
)
def test_what_keeps_the_application_from_being_ready(changes: dict[str, Any], reason: str, words: str) -> None:
    verdict = status.application(seen({**GOOD, **changes}))
    assert (verdict.status, verdict.reason) == ("False", reason)
    assert words in verdict.message


def test_a_busy_time_with_pods_still_starting_is_ready() -> None:
    verdict = status.application(seen({**GOOD, "replicas": 5, "updatedReplicas": 5}, replicas=5))
    assert (verdict.status, verdict.message) == ("True", "3 of 5 replicas ready on version 1.2.3.")


@pytest.mark.parametrize(
    ("pod_status", "reason", "words"),
    [
        (waiting("ErrImagePull"), "ImageUnavailable", "Pod a cannot get image nowhere:1"),
        (waiting("ImagePullBackOff"), "ImageUnavailable", "spec.image.pullSecrets"),
        (waiting("InvalidImageName"), "ImageUnavailable", "spec.version"),
        (waiting("CreateContainerConfigError"), "ContainerNotCreated", "Container app of pod a"),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 3, "reason": "Error"}}),
            "CrashLooping",
            "exit code 3",
        ),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            "CrashLooping",
            "spec.resources.limits.memory",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
                ]
            },
            "Unschedulable",
            "0/3 nodes",
        ),
    ],
)
def test_pods_in_trouble(pod_status: dict[str, Any], reason: str, words: str) -> None:
    found = seen({**GOOD, "readyReplicas": 1})
    found = replace(found, pods={**found.pods, "app": (pod("a", status=pod_status),)})
    verdict = status.application(found)
    assert (verdict.status, verdict.reason) == ("False", reason)
    assert words in verdict.message


UNSCHEDULED = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available."}
    ],
}


def scaled_out(**changes: Any) -> Observed:
    """The autoscaler wants more than the nodes take: one pod waits."""
    found = seen({**GOOD, **changes})
    return replace(found, pods={**found.pods, "app": (pod("a", status=UNSCHEDULED),)})


def test_pods_beyond_the_least_that_no_node_takes_leave_the_application_ready() -> None:
    found = scaled_out()
    conditions = {c["type"]: c for c in status.conditions(found, Plan(), {}).to_list()}
    assert (conditions["ApplicationReady"]["status"], conditions["Ready"]["status"]) == ("True", "True")
    told = conditions["ScalingReady"]
    assert (told["status"], told["reason"]) == ("False", "Unschedulable")
    assert "No node takes pod a: 0/3 nodes are available. Add nodes" in told["message"]


def test_too_few_pods_for_want_of_nodes_is_a_fault() -> None:
    for short in ({"readyReplicas": 1}, {"updatedReplicas": 1}):
        assert status.application(scaled_out(**short)).reason == "Unschedulable"


def test_scaling_tells_what_is_asked_for() -> None:
    assert status.scaling(seen(GOOD)).message == "3 replicas asked for, of 2 to 20."
    assert status.scaling(observed()).status == "Unknown"


def test_a_pod_on_its_way_out_is_no_trouble() -> None:
    leaving = pod("a", status=waiting("CrashLoopBackOff"), deletionTimestamp="2026-01-01T00:00:00Z")
    found = seen(GOOD)
    assert status.application(replace(found, pods={**found.pods, "app": (leaving,)})).status == "True"


def test_the_application_waits_for_what_it_needs() -> None:
    down = dependency(None, verdict=Verdict.not_ready("SecretNotFound", "Secret shop/pg does not exist."))
    verdict = status.application(observed(database=down))
    assert verdict.reason == "WaitingForDependency"
    assert "Secret shop/pg does not exist" in verdict.message


def ready_of(found: Observed, pending: Plan | None = None, **errors: Any) -> dict[str, Any]:
    return status.conditions(found, pending or Plan(), errors).to_list()[0]


def test_ready_sums_up() -> None:
    ready = ready_of(seen(GOOD))
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "True", "Ready")
    assert ready["message"] == "3 of 3 replicas ready on version 1.2.3."
    assert ready["observedGeneration"] == 3


def test_an_error_is_told_where_it_happened() -> None:
    found = status.conditions(
        seen(GOOD), Plan(), {"app": TerminalError("Invalid", "port 30080 is taken.", "Choose another.")}
    )
    told = {c["type"]: c for c in found.to_list()}
    assert told["ApplicationReady"]["reason"] == "Invalid"
    assert told["ApplicationReady"]["message"] == "port 30080 is taken. Choose another."
    assert told["DatabaseReady"]["status"] == "True"
    assert told["Ready"]["status"] == "False"


def test_suspension_says_what_waits() -> None:
    suspended = seen(GOOD, {"suspend": True})
    assert ready_of(suspended)["status"] == "True"
    assert "nothing will be changed" in ready_of(suspended)["message"]
    waiting_plan = Plan(children=(Delete("Ingress", "shop", "demo-app", "uid"),))
    told = ready_of(suspended, waiting_plan)
    assert (told["status"], told["reason"]) == ("False", "Suspended")
    assert "delete Ingress shop/demo-app" in told["message"]


def test_version_is_that_of_the_pods_that_serve() -> None:
    def versioned(name: str, version: str, ready: bool = True) -> Any:
        return pod(name, status=RUNNING if ready else {}, annotations={"tracetrack.io/version": version})

    found = seen(GOOD)
    for pods, version in (
        ((versioned("a", "1.2.3"),), "1.2.3"),
        ((versioned("a", "1.2.3"), versioned("b", "1.2.2")), None),
        ((versioned("a", "1.2.3"), versioned("b", "1.2.2", ready=False)), "1.2.3"),
        ((), None),
    ):
        assert status.fields(replace(found, pods={**found.pods, "app": pods}))["version"] == version


@pytest.mark.parametrize(
    ("exposure", "url"),
    [
        ({"host": "a.example.com", "tls": {"secretName": "c"}}, "https://a.example.com"),
        ({"host": "a.example.com"}, "http://a.example.com"),
        ({}, "http://demo-app.shop.svc"),
        ({"service": {"type": "NodePort", "nodePort": 30080}}, "http://10.0.0.7:30080"),
        ({"service": {"type": "LoadBalancer"}}, "http://lb.example.com"),
    ],
)
def test_urls(exposure: dict[str, Any], url: str) -> None:
    found = seen(GOOD, {"exposure": exposure})
    found = replace(found, pods={**found.pods, "app": (pod("a", status=RUNNING),)})
    found.children["Service", "demo-app"]["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}
    assert status.fields(found)["url"] == url


def test_ready_tells_what_is_wrong_before_what_is_under_way() -> None:
    found = seen(GOOD)
    starting = dependency(None, verdict=Verdict.not_ready("Progressing", "Waiting for PostgreSQL."))
    broken = dependency(None, verdict=Verdict.not_ready("AuthenticationFailed", "Redis refuses the login."))
    assert ready_of(replace(found, database=starting, cache=broken))["reason"] == "AuthenticationFailed"
    assert ready_of(replace(found, database=starting))["reason"] == "Progressing"


def test_a_later_restorable_moment_is_news_once_a_day() -> None:
    def told(moment: str, state: str = "available") -> Any:
        return status.at_rest({"phase": "x", "database": {"state": state, "latestRestorableTime": moment}})

    assert told("2026-11-23T11:00:00Z") == told("2026-11-23T23:59:59Z")
    assert told("2026-11-23T11:00:00Z") != told("2026-11-24T00:00:01Z")
    assert told("2026-11-23T11:00:00Z") != told("2026-11-23T11:00:00Z", "backing-up")
    assert status.at_rest({"database": {"state": "available"}}) == {"database": {"state": "available"}}
