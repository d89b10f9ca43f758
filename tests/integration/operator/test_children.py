"""Children of a deployment that people edit or delete by hand: they come back, and with them what they held."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.process import OperatorProcess

WRONG = {"password": base64.b64encode(b"wrong").decode()}
EDITS: list[tuple[str, str, dict[str, Any]]] = [
    ("services", "demo-app", {"spec": {"selector": {"tracetrack.io/deployment": "other"}}}),
    ("deployments", "demo-app", {"spec": {"minReadySeconds": 99, "replicas": 0}}),
    ("horizontalpodautoscalers", "demo-app", {"spec": {"maxReplicas": 50}}),
    ("networkpolicies", "demo-database", {"spec": {"ingress": [{}]}}),
    ("statefulsets", "demo-cache", {"spec": {"replicas": 0}}),
    ("ingresses", "demo-app", {"spec": {"rules": [{"host": "theirs.example.com"}]}}),
    ("configmaps", "demo-app", {"data": {"TRACETRACK_TIMEZONE": "Mars/Olympus"}}),
    ("secrets", "demo-database-binding", {"data": WRONG}),
    ("secrets", "demo-cache-binding", {"data": WRONG}),
]
DELETED = (
    ("deployments", "demo-app"),
    ("services", "demo-database"),
    ("configmaps", "demo-app"),
    ("poddisruptionbudgets", "demo-app"),
    ("serviceaccounts", "demo-app"),
    ("ingresses", "demo-app"),
    ("horizontalpodautoscalers", "demo-app"),
    ("statefulsets", "demo-cache"),
    ("networkpolicies", "demo-app"),
)
SECRETS = ("fleet-keys", "database-credentials", "cache-binding", "admin", "session")


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    """A deployment with all its children: those that belong together are tried in one, since each takes seconds."""
    made = Shop(control_plane, namespace)
    made.deploy(exposure={"host": "scan.example.com"})
    eventually(lambda: made.find("ingresses", "demo-app") and made.conditions())
    eventually(lambda: (app := made.find("deployments", "demo-app")) and app["spec"]["replicas"] == 2)
    return made


def content(obj: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def test_an_edited_child_comes_back(shop: Shop) -> None:
    before = {(plural, name): content(shop.get(plural, name)) for plural, name, _ in EDITS}
    for plural, name, edit in EDITS:
        shop.edit(plural, name, **edit)
    for plural, name, _ in EDITS:
        eventually(lambda at=(plural, name): content(shop.get(*at)) == before[at], 10)  # type: ignore[misc]


def test_a_deleted_child_comes_back_and_no_password_is_made_up_anew(shop: Shop) -> None:
    template = shop.get("deployments", "demo-app")["spec"]["template"]
    secrets = [("secrets", f"demo-{suffix}") for suffix in SECRETS]
    before = {at: shop.get(*at) for at in (*secrets, *DELETED)}

    def back(at: tuple[str, str]) -> bool:
        found = shop.find(*at)
        return found is not None and found["metadata"]["uid"] != before[at]["metadata"]["uid"]

    # What the application has had is known by its Deployment, which goes last.
    for some in (secrets, DELETED):
        for at in some:
            shop.delete(*at)
        for at in some:
            eventually(lambda at=at: back(at), 10)  # type: ignore[misc]
    assert {at: shop.get(*at).get("data") for at in secrets} == {at: before[at].get("data") for at in secrets}
    assert shop.get("deployments", "demo-app")["spec"]["template"] == template, "the pods are replaced"
    told = eventually(lambda: shop.events("SecretRestored"))
    assert {event["message"].split()[1] for event in told} == {"demo-admin", "demo-session"}


def test_the_applications_own_secrets_can_be_changed_and_what_is_lost_is_told(
    shop: Shop, operator: OperatorProcess
) -> None:
    chosen = {"demo-admin": "password", "demo-session": "key"}
    template = shop.get("deployments", "demo-app")["spec"]["template"]
    for name, key in chosen.items():
        shop.edit("secrets", name, data={key: base64.b64encode(b"chosen" * 8).decode()})
    eventually(lambda: shop.get("deployments", "demo-app")["spec"]["template"] != template, 10)
    assert {shop.secret(name)[key] for name, key in chosen.items()} == {"chosen" * 8}
    operator.stop()
    for name in chosen:
        shop.delete("secrets", name)
    operator.start()
    told = eventually(lambda: (found := shop.events("SecretReplaced")) and len(found) == 2 and found)
    assert {event["message"].split()[1] for event in told} == set(chosen)
    assert {event["type"] for event in told} == {"Warning"}
    for name, key in chosen.items():
        eventually(lambda name=name: shop.find("secrets", name), 10)  # type: ignore[misc]
        assert len(shop.secret(name)[key]) >= 24
        assert "chosen" not in shop.secret(name)[key]
