from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.support import TAGS, public_key, refused, signing_request

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@pytest.fixture
def iot(aws: Emulator) -> Any:
    return aws.client("iot")


def certificate(iot: Any, active: bool = True) -> Any:
    csr, _ = signing_request()
    return iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=active)


def test_a_thing_is_never_overwritten(iot: Any) -> None:
    iot.create_thing_type(thingTypeName="scanner")
    given = {
        "thingName": "kind_a_s-0001",
        "thingTypeName": "scanner",
        "attributePayload": {"attributes": {"uid": "1"}},
    }
    first = iot.create_thing(**given)
    assert iot.create_thing(**given)["thingId"] == first["thingId"]
    given["attributePayload"] = {"attributes": {"uid": "2"}}
    refused("ResourceAlreadyExistsException", iot.create_thing, **given)
    described = iot.describe_thing(thingName="kind_a_s-0001")
    assert described["attributes"] == {"uid": "1"}
    assert described["thingTypeName"] == "scanner"


def test_attributes_are_limited_to_three_without_a_type(iot: Any) -> None:
    attributes = {name: "x" for name in "abcd"}
    refused("InvalidRequestException", iot.create_thing, thingName="t", attributePayload={"attributes": attributes})
    iot.create_thing_type(thingTypeName="scanner")
    iot.create_thing(thingName="t", thingTypeName="scanner", attributePayload={"attributes": attributes})


def test_an_update_with_the_wrong_version_is_refused(iot: Any) -> None:
    iot.create_thing(thingName="t")
    iot.update_thing(thingName="t", attributePayload={"attributes": {"a": "1"}}, expectedVersion=1)
    refused(
        "VersionConflictException",
        iot.update_thing,
        thingName="t",
        attributePayload={"attributes": {"a": "2"}},
        expectedVersion=1,
    )


def test_a_certificate_carries_the_key_of_its_request(iot: Any) -> None:
    csr, key = signing_request()
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
    described = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert public_key(described["certificatePem"]) == key
    assert described["status"] == "ACTIVE"
    iot.update_certificate(certificateId=made["certificateId"], newStatus="INACTIVE")
    described = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert described["status"] == "INACTIVE"


@pytest.mark.parametrize("recursive", [True, False])
def test_things_of_a_group_come_in_pages_and_recursively(iot: Any, recursive: bool) -> None:
    iot.create_thing_group(thingGroupName="site", tags=TAGS)
    iot.create_thing_group(thingGroupName="gate", parentGroupName="site")
    for number in range(1, 8):
        iot.create_thing(thingName=f"t{number}")
        iot.add_thing_to_thing_group(thingGroupName="site" if number <= 5 else "gate", thingName=f"t{number}")
    pages = list(
        iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName="site", recursive=recursive, PaginationConfig={"PageSize": 2}
        )
    )
    names = [name for page in pages for name in page["things"]]
    assert sorted(names) == [f"t{number}" for number in range(1, 8 if recursive else 6)]
    assert [len(page["things"]) for page in pages] == ([2, 2, 2, 1] if recursive else [2, 2, 1])


def test_a_page_skips_nothing_when_the_one_before_was_deleted(iot: Any) -> None:
    iot.create_thing_group(thingGroupName="site")
    for number in range(1, 5):
        iot.create_thing(thingName=f"t{number}")
        iot.add_thing_to_thing_group(thingGroupName="site", thingName=f"t{number}")
    page = iot.list_things_in_thing_group(thingGroupName="site", maxResults=2)
    for name in page["things"]:
        iot.delete_thing(thingName=name)
    rest = iot.list_things_in_thing_group(thingGroupName="site", maxResults=2, nextToken=page["nextToken"])
    assert rest["things"] == ["t3", "t4"]
    refused("InvalidRequestException", iot.list_things, nextToken="nonsense")


def test_a_list_without_a_size_still_has_pages(iot: Any) -> None:
    iot.create_thing_group(thingGroupName="site")
    for number in range(30):
        iot.create_thing(thingName=f"t{number:02}")
        iot.add_thing_to_thing_group(thingGroupName="site", thingName=f"t{number:02}")
    assert len(iot.list_things_in_thing_group(thingGroupName="site")["things"]) == 25
    paginator = iot.get_paginator("list_things_in_thing_group")
    assert sum(len(page["things"]) for page in paginator.paginate(thingGroupName="site")) == 30


def test_certificates_are_listed_newest_first_and_by_marker(iot: Any) -> None:
    made = [certificate(iot)["certificateId"] for _ in range(5)]
    ascending = iot.list_certificates(pageSize=3, ascendingOrder=True)
    rest = iot.list_certificates(pageSize=3, ascendingOrder=True, marker=ascending["nextMarker"])
    listed = [entry["certificateId"] for entry in ascending["certificates"] + rest["certificates"]]
    assert listed == made
    assert "nextMarker" not in rest
    assert [entry["certificateId"] for entry in iot.list_certificates()["certificates"]] == made[::-1]


def test_an_exclusive_certificate_belongs_to_one_thing(iot: Any) -> None:
    principal = certificate(iot)["certificateArn"]
    for name in ("one", "two"):
        iot.create_thing(thingName=name)
    attach = {"principal": principal, "thingPrincipalType": "EXCLUSIVE_THING"}
    iot.attach_thing_principal(thingName="one", **attach)
    iot.attach_thing_principal(thingName="one", **attach)
    refused("InvalidRequestException", iot.attach_thing_principal, thingName="two", principal=principal)
    assert iot.list_thing_principals(thingName="one")["principals"] == [principal]
    assert iot.list_principal_things(principal=principal)["things"] == ["one"]
    objects = iot.list_thing_principals_v2(thingName="one")["thingPrincipalObjects"]
    assert objects == [{"principal": principal, "thingPrincipalType": "EXCLUSIVE_THING"}]
    iot.detach_thing_principal(thingName="one", principal=principal)
    iot.attach_thing_principal(thingName="two", **attach)


def test_a_thing_is_in_one_group_of_a_hierarchy(iot: Any) -> None:
    iot.create_thing(thingName="t")
    iot.create_thing_group(thingGroupName="site")
    iot.create_thing_group(thingGroupName="gate", parentGroupName="site")
    iot.add_thing_to_thing_group(thingGroupName="site", thingName="t")
    iot.add_thing_to_thing_group(thingGroupName="site", thingName="t")
    refused("InvalidRequestException", iot.add_thing_to_thing_group, thingGroupName="gate", thingName="t")


def test_everything_goes_in_the_right_order_only(iot: Any) -> None:
    made = certificate(iot)
    identifier, principal = made["certificateId"], made["certificateArn"]
    iot.create_thing(thingName="t")
    group = iot.create_thing_group(thingGroupName="g", tags=TAGS)
    policy = iot.create_policy(policyName="p", policyDocument=POLICY, tags=TAGS)
    iot.add_thing_to_thing_group(thingGroupName="g", thingName="t")
    iot.attach_policy(policyName="p", target=principal)
    iot.attach_policy(policyName="p", target=group["thingGroupArn"])
    iot.attach_thing_principal(thingName="t", principal=principal)
    assert sorted(iot.list_targets_for_policy(policyName="p")["targets"]) == sorted([principal, group["thingGroupArn"]])
    assert iot.list_attached_policies(target=principal)["policies"][0]["policyArn"] == policy["policyArn"]

    refused("DeleteConflictException", iot.delete_policy, policyName="p")
    refused("CertificateStateException", iot.delete_certificate, certificateId=identifier)
    iot.update_certificate(certificateId=identifier, newStatus="INACTIVE")
    refused("DeleteConflictException", iot.delete_certificate, certificateId=identifier)
    refused("InvalidRequestException", iot.delete_thing, thingName="t")

    iot.detach_policy(policyName="p", target=principal)
    iot.detach_policy(policyName="p", target=group["thingGroupArn"])
    iot.detach_thing_principal(thingName="t", principal=principal)
    iot.delete_certificate(certificateId=identifier)
    iot.delete_thing(thingName="t")
    iot.delete_thing_group(thingGroupName="g")
    iot.delete_policy(policyName="p")
    for call, name in ((iot.describe_thing, "thingName"), (iot.describe_thing_group, "thingGroupName")):
        refused("ResourceNotFoundException", call, **{name: "t"})
    refused("ResourceNotFoundException", iot.get_policy, policyName="p")
    refused("ResourceNotFoundException", iot.describe_certificate, certificateId=identifier)


def test_a_group_and_a_policy_keep_their_tags(iot: Any) -> None:
    group = iot.create_thing_group(thingGroupName="g", tags=TAGS)["thingGroupArn"]
    refused("ResourceAlreadyExistsException", iot.create_thing_group, thingGroupName="g")
    iot.tag_resource(resourceArn=group, tags=[{"Key": "site", "Value": "lucknow"}])
    tags = {tag["Key"]: tag["Value"] for tag in iot.list_tags_for_resource(resourceArn=group)["tags"]}
    assert tags == {"tracetrack.io/uid": "0f5c", "site": "lucknow"}


def test_a_policy_has_limits_of_size_and_versions(iot: Any) -> None:
    refused("MalformedPolicyException", iot.create_policy, policyName="p", policyDocument=POLICY + " " + '"x"' * 900)
    iot.create_policy(policyName="p", policyDocument=POLICY)
    for _ in range(4):
        iot.create_policy_version(policyName="p", policyDocument=POLICY, setAsDefault=True)
    refused("VersionsLimitExceededException", iot.create_policy_version, policyName="p", policyDocument=POLICY)
    versions = iot.list_policy_versions(policyName="p")["policyVersions"]
    assert [version["versionId"] for version in versions if version["isDefaultVersion"]] == ["5"]
    iot.delete_policy_version(policyName="p", policyVersionId="1")
    iot.create_policy_version(policyName="p", policyDocument=POLICY)


def test_the_endpoint_has_an_address(iot: Any) -> None:
    assert iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
