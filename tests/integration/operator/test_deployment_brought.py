"""Secrets that people bring for mail and the end-of-day report: missing, wrong, mended, changed, taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import EMBEDDED, Shop
from tests.integration.operator.process import OperatorProcess

SPEC: dict[str, Any] = {
    **EMBEDDED,
    "exposure": {"host": "trace.example.com"},
    "mail": {"secretRef": {"name": "ours"}},
    "endOfDay": {"secretRef": {"name": "cron"}},
}
MAIL = {"host": "mail.example.com", "from": "trace@example.com", "username": "us", "password": "pw-of-mail"}


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    return Shop(control_plane, namespace)


def mounted(shop: Shop) -> set[str]:
    volumes = shop.get("deployments", "demo-app")["spec"]["template"]["spec"]["volumes"]
    return {each["secret"]["secretName"] for each in volumes if "secret" in each}


def ports(shop: Shop) -> list[int]:
    rules = shop.get("networkpolicies", "demo-app")["spec"]["egress"]
    return [each["port"] for rule in rules for each in rule["ports"]]


def test_brought_late_mended_changed_and_taken_back(shop: Shop, operator: OperatorProcess) -> None:
    shop.put_secret("cron", {"secret": "too-short"})
    shop.deploy(**SPEC)
    told = shop.wait("MailReady", "False", "SecretNotFound", f"Secret {shop.namespace}/ours (spec.mail.secretRef.name)")
    assert "Create it with the keys host and from" in told["message"]
    shop.wait("EndOfDayReady", "False", "SecretInvalid", "key secret must be at least 16 bytes long")
    eventually(lambda: shop.events("SecretNotFound"))
    labels = {"namespace": shop.namespace, "status": "False"}
    eventually(lambda: operator.metric("tracetrack_operator_condition", type="MailReady", **labels) == 1)
    shop.run()
    shop.wait("Ready", "True", timeout=60)
    assert not mounted(shop) & {"demo-mail-binding", "demo-end-of-day-binding"}, "it serves without"

    shop.put_secret("ours", MAIL)
    shop.put_secret("cron", {"secret": "long-enough-to-be-one"})
    shop.wait("MailReady", "True", timeout=40)
    shop.wait("EndOfDayReady", "True", timeout=40)
    eventually(lambda: {"demo-mail-binding", "demo-end-of-day-binding"} <= mounted(shop))
    assert shop.secret("demo-mail-binding") == {**MAIL, "tls": "starttls", "port": "587"}
    assert shop.secret("demo-end-of-day-binding") == {"secret": "long-enough-to-be-one"}
    assert 587 in ports(shop)

    shop.put_secret("ours", {**MAIL, "tls": "ssl"})
    shop.edit("tracetrackdeployments", "demo", metadata={"annotations": {"example.com/look": "1"}})
    shop.wait("MailReady", "False", "SecretInvalid", "key tls must be one of starttls, tls, none", timeout=90)
    assert shop.secret("demo-mail-binding")["tls"] == "starttls", "the pods keep what was good"
    shop.put_secret("ours", {**MAIL, "tls": "tls"})
    shop.wait("MailReady", "True", timeout=40)
    eventually(lambda: 465 in ports(shop) and 587 not in ports(shop))
    assert shop.secret("demo-mail-binding")["tls"] == "tls"
    assert "pw-of-mail" not in str(shop.get("tracetrackdeployments", "demo")) + operator.log_path.read_text()

    shop.change("tracetrackdeployments", "demo", mail=None)
    eventually(lambda: shop.find("secrets", "demo-mail-binding") is None)
    eventually(lambda: "demo-mail-binding" not in mounted(shop))
    eventually(lambda: 465 not in ports(shop))
    types = {each["type"] for each in shop.get("tracetrackdeployments", "demo")["status"]["conditions"]}
    assert "MailReady" not in types
    assert shop.find("secrets", "ours") is not None, "yours stays"
