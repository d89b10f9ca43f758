"""NetworkPolicies come and go with spec.networkPolicy.enabled."""

from __future__ import annotations

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.process import OperatorProcess

POLICIES = {"demo-app", "demo-database", "demo-cache"}


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    return Shop(control_plane, namespace)


def policies(shop: Shop) -> set[str]:
    return {policy["metadata"]["name"] for policy in shop.list("networkpolicies")}


def test_policies_that_are_switched_off_go_and_come_back(shop: Shop) -> None:
    shop.deploy()
    eventually(lambda: policies(shop) == POLICIES)
    shop.change("tracetrackdeployments", "demo", networkPolicy={"enabled": False})
    eventually(lambda: not policies(shop))
    assert shop.find("statefulsets", "demo-database"), "nothing else goes with them"
    shop.change("tracetrackdeployments", "demo", networkPolicy={"enabled": True})
    eventually(lambda: policies(shop) == POLICIES)
