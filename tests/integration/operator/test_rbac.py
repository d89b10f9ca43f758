"""The operator's role holds what the operator does: judged by the API server's log of the run's requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator import rbac
from tests.integration.operator.conftest import ACCOUNT, NAMESPACE, USER, eventually
from tests.integration.operator.process import OperatorProcess
from tracetrack_operator.kube.kinds import KINDS, WATCHED

pytestmark = pytest.mark.last


class Right(NamedTuple):
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}"


def used(events: Iterable[Mapping[str, Any]]) -> set[Right]:
    """The rights that these audit events took. A server-side apply that made something took `create` too."""
    rights = set()
    for event in events:
        about = event.get("objectRef")
        if about is None:
            continue
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        right = Right(about.get("apiGroup", ""), resource, event["verb"])
        rights.add(right)
        if right.verb == "patch" and event["responseStatus"]["code"] == 201:
            rights.add(right._replace(verb="create"))
    return rights


def granted() -> set[Right]:
    """The rights of the role that the chart binds to the operator's account."""
    manifests = rbac.chart_roles(NAMESPACE, ACCOUNT)
    bound = {(m["roleRef"]["kind"], m["roleRef"]["name"]) for m in manifests if m["kind"].endswith("Binding")}
    return {
        Right(group, resource, verb)
        for manifest in manifests
        if (manifest["kind"], manifest["metadata"]["name"]) in bound
        for rule in manifest["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def events(control_plane: ControlPlane, operator: OperatorProcess) -> list[dict[str, Any]]:
    """What the operator has asked of the API server so far, its watches among it."""
    watched = {(KINDS[name].group, KINDS[name].plural) for name in WATCHED}

    def asked() -> list[dict[str, Any]]:
        found = control_plane.audit_events(USER)
        watches = {(right.group, right.resource) for right in used(found) if right.verb == "watch"}
        assert watched <= watches, f"the operator does not watch {sorted(watched - watches)}"
        return found

    return eventually(asked)


def test_nothing_is_refused_to_the_operator(events: list[dict[str, Any]]) -> None:
    refused = [
        event for event in events if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]
    assert not refused, f"add to templates/_rules.tpl: {sorted(map(str, used(refused)))}"


def test_every_request_is_covered_by_the_role(events: list[dict[str, Any]]) -> None:
    """Not by what every authenticated user may do, say."""
    lacking = used(events) - granted()
    assert not lacking, f"add to templates/_rules.tpl: {sorted(map(str, lacking))}"


@pytest.mark.whole_run
def test_no_right_is_left_unused(events: list[dict[str, Any]]) -> None:
    idle = granted() - used(events)
    assert not idle, (
        f"no integration test makes the operator use these rights: {sorted(map(str, idle))}; "
        "take them out of templates/_rules.tpl, or test what needs them"
    )
