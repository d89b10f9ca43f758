"""What people bring in Secrets of their own for mail and the end-of-day report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import REPOSITORY, inputs, observed, owner, settled
from tracetrack_app.settings import Bindings, MailSettings
from tracetrack_operator.api.conditions import ConditionType
from tracetrack_operator.dependencies.external import InvalidSecret
from tracetrack_operator.dependencies.protocol import Verdict
from tracetrack_operator.deployment.brought import END_OF_DAY, MAIL, MAIL_PORTS, PURPOSES, Brought, end_of_day, mail
from tracetrack_operator.deployment.desired import desired
from tracetrack_operator.deployment.plan import Plan, make_plan
from tracetrack_operator.deployment.specs.config_map import config_map
from tracetrack_operator.deployment.specs.network_policy import app_network_policy
from tracetrack_operator.deployment.status import conditions
from tracetrack_operator.manifests.secret import values

GOOD = {"host": "mail.example.com", "from": "trace@example.com"}
SPEC: dict[str, Any] = {
    "mail": {"secretRef": {"name": "ours"}},
    "endOfDay": {"secretRef": {"name": "cron"}},
    "exposure": {"host": "trace.example.com"},
}
BOTH = {
    MAIL: Brought(Verdict.ready("Mail is sent."), mail(GOOD)),
    END_OF_DAY: Brought(Verdict.ready("It is sent."), {"secret": "s" * 16}),
}


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ({"from": "a@b.example"}, "key host is missing"),
        ({"host": "mail.example.com"}, "key from is missing"),
        ({**GOOD, "from": "nobody"}, "key from must be the sender's address"),
        ({**GOOD, "tls": "ssl"}, "key tls must be one of starttls, tls, none"),
        ({**GOOD, "port": "smtp"}, "key port must be a number"),
        ({**GOOD, "username": "us"}, "keys username and password must both be there, or neither"),
        ({**GOOD, "password": "pw"}, "keys username and password must both be there, or neither"),
    ],
)
def test_what_mail_can_not_be_sent_with_is_told_by_its_key(secret: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidSecret, match=told):
        mail(secret)


def test_a_short_secret_is_refused() -> None:
    assert end_of_day({"secret": "é" * 8 + "\n"}) == {"secret": "é" * 8}
    with pytest.raises(InvalidSecret, match="at least 16 bytes"):
        end_of_day({"secret": "é" * 7})


@pytest.mark.parametrize("tls", MAIL_PORTS)
def test_the_application_reads_what_is_handed_on(tls: str, tmp_path: Path) -> None:
    given = mail({**GOOD, "tls": tls, "username": "us", "password": "pw\n", "ca.crt": "PEM", "more": "x"})
    for suffix, handed in ((MAIL, given), (END_OF_DAY, end_of_day({"secret": "s" * 16}))):
        folder = tmp_path / PURPOSES[suffix].mount
        folder.mkdir()
        for key, value in handed.items():
            (folder / key).write_text(value)
    bindings = Bindings({"SERVICE_BINDING_ROOT": str(tmp_path)})
    ca_file = str(tmp_path / "smtp" / "ca.crt")
    sent = MailSettings("mail.example.com", MAIL_PORTS[tls], "trace@example.com", tls, "us", "pw", ca_file)
    assert bindings.mail() == sent
    assert bindings.eod_secret() == "s" * 16


def test_the_pods_mount_it_and_may_go_to_the_mail_server() -> None:
    seen = observed(owner(SPEC), brought=BOTH)
    made = {(each["kind"], each["metadata"]["name"]): each for each in desired(seen, REPOSITORY).manifests}
    assert values(made["Secret", "demo-mail-binding"]) == {**GOOD, "tls": "starttls", "port": "587"}
    pod = made["Deployment", "demo-app"]["spec"]["template"]["spec"]
    mounted = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert (mounted["smtp"], mounted["eod"]) == ("demo-mail-binding", "demo-end-of-day-binding")
    paths = [each["mountPath"] for each in pod["containers"][0]["volumeMounts"]]
    assert {"/bindings/smtp", "/bindings/eod"} <= set(paths)
    egress = made["NetworkPolicy", "demo-app"]["spec"]["egress"]
    assert {"ports": [{"port": 587, "protocol": "TCP"}]} in egress
    assert made["ConfigMap", "demo-app"]["data"]["TRACETRACK_PUBLIC_URL"] == "http://trace.example.com"


def test_without_it_nothing_is_mounted() -> None:
    pods = [each for each in desired(observed(), REPOSITORY).manifests if each["kind"] == "Deployment"]
    volumes = {each["name"] for each in pods[0]["spec"]["template"]["spec"]["volumes"]}
    assert volumes == {"database", "cache", "admin", "session", "fleets", "tmp"}
    assert "TRACETRACK_PUBLIC_URL" not in config_map(inputs())["data"]
    policy = app_network_policy(inputs())
    assert policy is not None
    assert len(policy["spec"]["egress"]) == 3


def test_a_change_is_told_to_running_pods_and_rolls_none() -> None:
    other = {**BOTH, MAIL: Brought(Verdict.ready("Mail is sent."), mail({**GOOD, "host": "other.example.com"}))}
    before, after = (desired(observed(owner(SPEC), brought=each), REPOSITORY) for each in (BOTH, other))
    assert before.mounted_hash != after.mounted_hash
    templates = [
        each["spec"]["template"] for made in (before, after) for each in made.manifests if each["kind"] == "Deployment"
    ]
    assert templates[0] == templates[1]


def test_what_was_good_stays_while_its_secret_is_not() -> None:
    bad = Brought(Verdict.not_ready("SecretNotFound", "It does not exist."))
    before = settled(owner(SPEC), brought=BOTH)
    seen = observed(owner(SPEC), children=list(before.children.values()), brought={**BOTH, MAIL: bad})
    plan = make_plan(seen, desired(seen, REPOSITORY), needs_finalizer=False)
    assert not [each.describe() for each in plan if "mail" in each.describe() or "Deployment" in each.describe()]
    told = {each["type"]: each for each in conditions(seen, Plan(), {}).to_list()}
    assert (told["MailReady"]["status"], told["MailReady"]["reason"]) == ("False", "SecretNotFound")
    assert told["EndOfDayReady"]["status"] == "True"
    assert bad.look_again < BOTH[MAIL].look_again


def test_what_is_not_asked_for_any_more_goes() -> None:
    before = settled(owner(SPEC), brought=BOTH)
    seen = observed(owner(), children=list(before.children.values()))
    plan = make_plan(seen, desired(seen, REPOSITORY), needs_finalizer=False)
    assert any("delete Secret shop/demo-mail-binding" in each.describe() for each in plan)
    assert ConditionType.MAIL_READY not in {each["type"] for each in conditions(seen, Plan(), {}).to_list()}
