"""Fleets when the operator is killed at its work, and when people delete what it made."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.operator.conftest import eventually
from tests.integration.operator.fleets import Fleets
from tests.integration.operator.process import OperatorProcess
from tracetrack_operator.aws.calls import CALLS


@pytest.fixture
def quick(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The operator, comparing every fleet with AWS each second."""
    operator.kill()
    operator.start(TRACETRACK_FLEET_CHECK_SECONDS="1")
    yield operator
    operator.kill()


def test_killed_amid_provisioning(fleets: Fleets, operator: OperatorProcess) -> None:
    """Amid many at once; `kills/` kills at each call of a few."""
    fleets.create(replicas=20)
    eventually(lambda: fleets.calls()["CreateCertificateFromCsr"] >= 9, interval=0.005)
    operator.kill()
    time.sleep(0.5)
    assert len(fleets.certificates()) < 20
    operator.start()
    fleets.wait_ready(20, timeout=60)
    fleets.assert_provisioned(20)


def test_killed_with_an_answer_under_way(fleets: Fleets, operator: OperatorProcess) -> None:
    """The certificate exists, and nothing in the cluster tells of it: it is found and adopted."""
    fleets.iot.create_thing_type(thingTypeName="tracetrack-scanner")
    fleets.aws.faults.add("iot", "CreateCertificateFromCsr", kind="lost", times=None)
    fleets.aws.faults.add("iot", "ListCertificates", kind="error", times=None)
    fleets.create(replicas=3)
    eventually(lambda: len(fleets.calls()) and fleets.calls()["CreateCertificateFromCsr"] >= 3)
    operator.kill()
    fleets.aws.faults.clear()
    lost = fleets.certificates()
    assert len(lost) == 3
    assert {scanner.state for scanner in fleets.scanners()} == {"CertificateRequested"}
    operator.start()
    fleets.wait_ready(3, timeout=60)
    fleets.assert_provisioned(3)
    assert fleets.certificates() == lost
    assert operator.metric("tracetrack_operator_certificate_orphans_total", outcome="adopted") == 3
    assert operator.metric("tracetrack_operator_certificate_sweeps_total") == 1


def test_killed_amid_removal(fleets: Fleets, operator: OperatorProcess) -> None:
    fleets.create(replicas=20)
    fleets.wait_ready(20)
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--wait=false")
    eventually(lambda: fleets.calls()["DeleteCertificate"] >= 5, interval=0.01)
    operator.kill()
    operator.start()
    fleets.wait_gone(timeout=60)
    fleets.assert_aws_empty()


def test_a_stopped_operator_leaves_no_question_open(fleets: Fleets, operator: OperatorProcess) -> None:
    fleets.create(replicas=60)
    eventually(lambda: fleets.calls()["CreateCertificateFromCsr"] >= 10, interval=0.01)
    assert operator.stop() == 0
    issued = {scanner.certificate_id for scanner in fleets.scanners()} - {""}
    assert issued == set(fleets.certificates())
    operator.start()
    fleets.wait_ready(60, timeout=60)
    assert operator.metric("tracetrack_operator_certificate_sweeps_total") == 0
    fleets.assert_provisioned(60)


def test_things_removed_by_hand_come_back_with_their_certificates(fleets: Fleets, quick: OperatorProcess) -> None:
    fleets.create(replicas=3)
    fleets.wait_ready(3)
    before = fleets.assert_provisioned(3)
    victim = before[1]
    arn = fleets.iot.list_thing_principals(thingName=victim.thing)["principals"][0]
    fleets.iot.detach_thing_principal(thingName=victim.thing, principal=arn)
    fleets.iot.delete_thing(thingName=victim.thing)
    eventually(lambda: victim.thing in fleets.things())
    fleets.wait_ready(3)
    eventually(lambda: fleets.iot.list_thing_principals(thingName=victim.thing)["principals"])
    assert fleets.assert_provisioned(3) == before


def test_what_the_fleet_shares_comes_back_too(fleets: Fleets, quick: OperatorProcess) -> None:
    fleets.create(replicas=1)
    fleets.wait_ready(1)
    before = fleets.assert_provisioned(1)
    secret = f"tracetrack/test/{fleets.namespace}/lucknow/signing"
    fleets.secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    fleets.iot.delete_thing_group(thingGroupName=fleets.group())
    eventually(lambda: fleets.things() == {before[0].thing})
    eventually(lambda: secret in {found["Name"] for found in fleets.secrets.list_secrets()["SecretList"]})
    fleets.wait_ready(1)
    assert fleets.assert_provisioned(1) == before


def test_an_idle_fleet_costs_no_write(fleets: Fleets, quick: OperatorProcess) -> None:
    fleets.create(replicas=3)
    fleets.wait_ready(3)
    time.sleep(2)
    version = (fleets.get() or {})["metadata"]["resourceVersion"]
    writes = quick.metric("tracetrack_operator_kube_requests_total", verb="apply")
    before = len(fleets.aws.calls())
    time.sleep(4)
    made = [call["operation"] for call in fleets.aws.calls()[before:]]
    assert made, "the operator never looked"
    assert not [operation for operation in made if operation.startswith(("Create", "Update", "Attach", "Add"))]
    assert quick.metric("tracetrack_operator_kube_requests_total", verb="apply") == writes
    assert (fleets.get() or {})["metadata"]["resourceVersion"] == version


def test_every_call_made_is_in_the_table(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    listed = {(service, "".join(word.title() for word in operation.split("_"))) for service, operation in CALLS}
    assert {(call["service"], call["operation"]) for call in fleets.aws.calls()} <= listed
