"""A fleet from creation to deletion: real control plane, real operator process, emulated AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.integration.operator.conftest import eventually
from tests.integration.operator.fleets import CLUSTER, Fleets, within


def test_five_scanners_end_to_end(fleets: Fleets) -> None:
    uid = fleets.create(replicas=5)
    status = fleets.wait_ready(5)
    assert status["selector"] == "tracetrack.io/fleet=lucknow"
    assert status["thingGroup"] == fleets.group()
    assert status["slices"] == 1
    scanners = fleets.assert_provisioned(5)

    for scanner in scanners:
        thing = fleets.iot.describe_thing(thingName=scanner.thing)
        assert thing["thingTypeName"] == "tracetrack-scanner"
        assert thing["attributes"] == {
            "site": "lucknow",
            "tracetrack-uid": uid,
            "tracetrack-fleet": f"{fleets.namespace}/lucknow",
        }

    described = fleets.secrets.describe_secret(SecretId=f"tracetrack/{CLUSTER}/{fleets.namespace}/lucknow/signing")
    assert status["signingSecretArn"] == described["ARN"]
    tags = {
        "tracetrack.io/uid": uid,
        "tracetrack.io/cluster": CLUSTER,
        "tracetrack.io/namespace": fleets.namespace,
        "tracetrack.io/name": "lucknow",
    }
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == tags
    group = fleets.iot.describe_thing_group(thingGroupName=fleets.group())
    policy = fleets.iot.get_policy(policyName=fleets.group())
    for arn in (group["thingGroupArn"], policy["policyArn"]):
        assert {t["Key"]: t["Value"] for t in fleets.iot.list_tags_for_resource(resourceArn=arn)["tags"]} == tags

    mirror = json.loads(fleets.secret("lucknow-signing")["keys.json"])
    assert mirror["arn"] == described["ARN"]
    assert [key["id"] for key in mirror["signingKeys"]] == ["1"]
    data = fleets.secret("lucknow-0")
    roots = x509.load_pem_x509_certificates(data["ca.crt"].encode())
    assert "CN=Amazon Root CA 1,O=Amazon,C=US" in [root.subject.rfc4514_string() for root in roots]
    settings = json.loads(data["settings.json"])
    assert data["endpoint"] == settings["mqtt"]["endpoint"]
    assert settings["scanners"]["lucknow-0001"]["topics"]["scans"] == (
        f"tracetrack/{CLUSTER}/{fleets.namespace}/demo/{scanners[0].thing}/scans"
    )


def test_five_calls_a_scanner_and_no_list(fleets: Fleets) -> None:
    fleets.aws.quotas(True)
    fleets.iot.create_thing_type(thingTypeName="tracetrack-scanner")
    fleets.create(replicas=20)
    fleets.wait_ready(20)
    calls = fleets.calls()
    per_scanner = (
        "CreateThing",
        "AddThingToThingGroup",
        "CreateCertificateFromCsr",
        "AttachPolicy",
        "AttachThingPrincipal",
    )
    assert {operation: calls[operation] for operation in per_scanner} == dict.fromkeys(per_scanner, 20)
    assert sum(calls.values()) - 100 <= 8
    assert not {operation for operation in calls if operation.startswith("List")}
    assert [call for call in fleets.aws.calls() if call["error"] == "ThrottlingException"] == []


def test_the_key_is_saved_before_the_certificate_is_asked_for(fleets: Fleets) -> None:
    fleets.aws.faults.add(
        "iot", "CreateCertificateFromCsr", kind="error", code="InvalidRequestException", status=400, times=None
    )
    fleets.create(replicas=1)
    fleets.wait_for("False", "AwsInvalidRequest")
    saved = fleets.secret("lucknow-0")["lucknow-0001.key"]
    assert fleets.scanners()[0].state == "KeySaved"
    assert fleets.certificates() == {}
    fleets.aws.faults.clear()
    fleets.wait_ready(1, timeout=60)
    assert fleets.assert_provisioned(1)[0].key == saved


def test_kubectl_scale_up_keeps_what_is_there_and_down_takes_the_last_ones(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    first = fleets.assert_provisioned(2)
    fleets.kubectl("scale", "scannerfleet", "lucknow", "--replicas=6")
    fleets.wait_ready(6)
    grown = fleets.assert_provisioned(6)
    assert grown[:2] == first

    before = len(fleets.aws.calls())
    fleets.kubectl("scale", "scannerfleet", "lucknow", "--replicas=4")
    fleets.wait_ready(4)
    assert fleets.assert_provisioned(4) == grown[:4]
    calls = fleets.aws.calls()[before:]
    steps = [call["operation"] for call in calls if call["params"].get("thingName") == grown[5].thing]
    assert steps.index("DetachThingPrincipal") < steps.index("RemoveThingFromThingGroup") < steps.index("DeleteThing")
    identified = [
        (call["operation"], call["params"].get("newStatus"))
        for call in calls
        if grown[5].certificate_id
        in (call["params"].get("certificateId"), call["params"].get("target", "").rpartition("/")[2])
    ]
    kept = [entry for entry in identified if entry[0] in ("DetachPolicy", "UpdateCertificate", "DeleteCertificate")]
    assert kept == [("DetachPolicy", None), ("UpdateCertificate", "INACTIVE"), ("DeleteCertificate", None)]
    # Both are taken down at once: whose call arrives first is chance.
    detached = {call["params"].get("thingName") for call in calls if call["operation"] == "DetachThingPrincipal"}
    assert detached == {grown[5].thing, grown[4].thing}

    fleets.kubectl("scale", "scannerfleet", "lucknow", "--replicas=0")
    fleets.wait_ready(0)
    eventually(lambda: fleets.slice("lucknow-0") is None)
    eventually(lambda: fleets.secret("lucknow-0") == {})
    assert fleets.certificates() == {}
    fleets.kubectl("scale", "scannerfleet", "lucknow", "--replicas=1")
    fleets.wait_ready(1)


def test_more_than_a_slice(fleets: Fleets) -> None:
    fleets.create(replicas=103)
    fleets.wait_ready(103, timeout=60)
    assert len(fleets.assert_provisioned(103)) == 103
    sizes = [len((fleets.slice(f"lucknow-{index}") or {})["scanners"]) for index in (0, 1)]
    assert sizes == [100, 3]
    fleets.kubectl("scale", "scannerfleet", "lucknow", "--replicas=98")
    fleets.wait_ready(98)
    eventually(lambda: fleets.slice("lucknow-1") is None)


def test_deletion_leaves_nothing_in_aws(fleets: Fleets) -> None:
    fleets.create(replicas=3)
    fleets.wait_ready(3)
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    fleets.assert_aws_empty()
    described = fleets.secrets.describe_secret(SecretId=f"tracetrack/{CLUSTER}/{fleets.namespace}/lucknow/signing")
    assert described["DeletedDate"]
    assert [t["thingTypeName"] for t in fleets.iot.list_thing_types()["thingTypes"]] == ["tracetrack-scanner"]


def test_a_fleet_made_again_within_the_recovery_window_has_its_signing_key_back(fleets: Fleets) -> None:
    fleets.create(replicas=1)
    fleets.wait_ready(1)
    before = fleets.assert_provisioned(1)[0]
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    uid = fleets.create(replicas=1)
    fleets.wait_ready(1)
    again = fleets.assert_provisioned(1)[0]
    assert again.device_key == before.device_key
    assert again.key != before.key
    described = fleets.secrets.describe_secret(SecretId=f"tracetrack/{CLUSTER}/{fleets.namespace}/lucknow/signing")
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]}["tracetrack.io/uid"] == uid


def test_retain_leaves_everything_and_says_so(fleets: Fleets) -> None:
    fleets.create(replicas=2, deletionPolicy="Retain")
    fleets.wait_ready(2)
    things, certificates = fleets.things(), fleets.certificates()
    before = len(fleets.aws.calls())
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    operators = [c["operation"] for c in fleets.aws.calls()[before:]]
    assert not [operation for operation in operators if operation.startswith(("Delete", "Detach", "Update"))]
    assert (fleets.things(), fleets.certificates()) == (things, certificates)
    events = fleets.kubectl("get", "events", "--field-selector", "reason=Retained", "-o", "json")
    assert fleets.group() in json.loads(events)["items"][0]["message"]


@pytest.mark.parametrize("how", ["suspended", "deployment gone"])
def test_deletion_works(fleets: Fleets, how: str) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    if how == "suspended":
        fleets.patch("lucknow", {"suspend": True})
        fleets.wait_for("False", "Suspended")
    else:
        fleets.kubectl("delete", "tracetrackdeployment", "demo", "--timeout=30s")
        fleets.wait_for("False", "DeploymentNotFound")
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    fleets.assert_aws_empty()


@pytest.fixture
def doomed(fleets: Fleets, namespace: str) -> Iterator[Fleets]:
    """Fleets in a namespace that the test itself deletes."""
    name = f"{namespace}-doomed"
    fleets.control_plane.kubectl("create", "namespace", name)
    made = Fleets(fleets.control_plane, fleets.aws, name)
    made.deployment()
    yield made
    fleets.control_plane.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def test_deletion_with_its_records_already_gone(doomed: Fleets) -> None:
    doomed.create(replicas=3)
    doomed.wait_ready(3)
    doomed.kubectl("delete", "namespace", doomed.namespace, "--timeout=60s")
    doomed.assert_aws_empty()


def test_a_namespace_deleted_amid_provisioning_leaves_nothing(doomed: Fleets) -> None:
    doomed.create(replicas=60)
    eventually(lambda: len(doomed.certificates()) >= 15)
    doomed.kubectl("delete", "namespace", doomed.namespace, "--timeout=120s")
    doomed.assert_aws_empty()


def test_a_suspended_fleet_is_left_as_it_is(fleets: Fleets) -> None:
    fleets.create(replicas=1)
    fleets.wait_ready(1)
    fleets.patch("lucknow", {"suspend": True, "replicas": 3})
    fleets.wait_for("False", "Suspended")
    assert len(fleets.things()) == 1
    fleets.patch("lucknow", {"suspend": False})
    fleets.wait_ready(3)


def test_a_raised_key_generation_gives_new_device_keys_and_nothing_else(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    before = fleets.assert_provisioned(2)
    fleets.patch("lucknow", {"credentials": {"keyGeneration": 2}})
    # Ready of the new generation is a promise: the new device keys are there.
    fleets.wait_ready(2)
    devices = [fleets.device_of(scanner, generation=2).scanner for scanner in fleets.scanners()]
    assert devices == [s.name for s in before]
    now = fleets.scanners()
    assert [(s.key, s.certificate_id) for s in now] == [(s.key, s.certificate_id) for s in before]
    assert {entry["keyGeneration"] for entry in (fleets.slice("lucknow-0") or {})["scanners"]} == {2}


def test_changed_attributes_reach_every_thing(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    fleets.patch("lucknow", {"attributes": {"site": None, "dock": "7"}})

    fleets.wait_ready(2)
    for thing in fleets.things():
        attributes = fleets.iot.describe_thing(thingName=thing)["attributes"]
        assert {name: value for name, value in attributes.items() if "tracetrack" not in name} == {"dock": "7"}
    assert fleets.calls()["UpdateThing"] == 2


def test_records_edited_by_hand_are_put_right(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    before, signing = fleets.assert_provisioned(2), fleets.secret("lucknow-signing")
    spoilt = [
        {"op": "replace", "path": "/scanners/0/state", "value": "KeySaved"},
        {"op": "remove", "path": "/scanners/1"},
    ]
    fleets.kubectl("patch", "scannerslice", "lucknow-0", "--type=json", "-p", json.dumps(spoilt))
    for name, key in (("lucknow-0", "lucknow-0001.device-key"), ("lucknow-signing", "keys.json")):
        fleets.kubectl("patch", "secret", name, "--type=merge", "-p", json.dumps({"data": {key: "YmFk"}}))

    def right() -> None:
        assert fleets.secret("lucknow-signing") == signing
        assert fleets.scanners() == before

    within(20, right)
    fleets.assert_provisioned(2)


def test_records_deleted_by_hand_are_made_again_without_a_second_certificate(fleets: Fleets) -> None:
    fleets.create(replicas=2)
    fleets.wait_ready(2)
    before, signing = fleets.assert_provisioned(2), fleets.secret("lucknow-signing")
    fleets.kubectl("delete", "secret", "lucknow-signing")
    fleets.kubectl("delete", "scannerslice", "lucknow-0")

    def back() -> None:
        assert fleets.secret("lucknow-signing") == signing
        assert fleets.scanners() == before

    within(30, back)
    fleets.wait_ready(2)
    fleets.kubectl("delete", "secret", "lucknow-0")

    def reissued() -> None:
        fleets.assert_provisioned(2)

    within(30, reissued)
    assert {scanner.key for scanner in fleets.scanners()}.isdisjoint({scanner.key for scanner in before})
