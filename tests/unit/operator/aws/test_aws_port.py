from __future__ import annotations

import asyncio
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

import tracetrack_operator
from tracetrack_operator.aws import ownership
from tracetrack_operator.aws.calls import CALLS, SHARED, STATEMENTS, Call, Tagged, pace
from tracetrack_operator.aws.client import AwsClient
from tracetrack_operator.aws.errors import (
    AwsAlreadyExists,
    AwsConflict,
    AwsError,
    AwsInvalid,
    AwsNotFound,
    AwsThrottled,
    sort_client_error,
    sort_core_error,
)
from tracetrack_operator.aws.pacing import TokenBucket
from tracetrack_operator.aws.policy import policy
from tracetrack_operator.engine.errors import RetryableError, TerminalError

OWNER = {"kind": "ScannerFleet", "metadata": {"name": "lucknow", "namespace": "shop", "uid": "uid-1"}}
# The calls whose permission AWS does not tie to a resource.
WITHOUT_RESOURCE = {
    "create_certificate_from_csr",
    "list_certificates",
    "describe_endpoint",
    "describe_db_engine_versions",
    "get_resources",
}
IAM_PREFIXES = {"resourcegroupstaggingapi": "tag"}
WITHOUT_NAME = {"create_thing_type", "update_certificate", "delete_certificate", "attach_policy", "detach_policy"}
"""Of certificates, whose ids AWS chooses, and of types, which all clusters of an account share."""


class TestPacing:
    @pytest.fixture
    def now(self) -> list[float]:
        return [100.0]

    def test_the_burst_is_free_and_then_the_rate_holds(self, now: list[float]) -> None:
        bucket = TokenBucket(rate=10, burst=3, clock=lambda: now[0])
        assert [bucket.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])

    def test_waiters_queue_up_behind_each_other(self, now: list[float]) -> None:
        bucket = TokenBucket(rate=2, clock=lambda: now[0])
        assert [bucket.reserve() for _ in range(4)] == pytest.approx([0, 0.5, 1.0, 1.5])
        now[0] += 1.0
        assert bucket.reserve() == pytest.approx(1.0)

    def test_no_more_than_the_burst_is_saved_up(self, now: list[float]) -> None:
        bucket = TokenBucket(rate=10, burst=2, clock=lambda: now[0])
        now[0] += 3600
        assert [bucket.reserve() for _ in range(3)] == pytest.approx([0, 0, 0.1])

    async def test_acquire_waits_and_says_how_long(self) -> None:
        bucket = TokenBucket(rate=100)
        started = asyncio.get_running_loop().time()
        waits = await asyncio.gather(*(bucket.acquire() for _ in range(4)))
        assert waits == pytest.approx([0, 0.01, 0.02, 0.03], abs=0.01)
        assert asyncio.get_running_loop().time() - started >= 0.025


def answered(code: str, service: str = "iot", operation: str = "create_thing") -> Exception:
    error = ClientError({"Error": {"Code": code, "Message": "what AWS says"}}, operation)
    return sort_client_error(error, service, operation)


class TestErrors:
    @pytest.mark.parametrize(
        ("service", "code", "kind", "reason"),
        [
            ("iot", "ThrottlingException", AwsThrottled, "AwsThrottled"),
            ("rds", "Throttling", AwsThrottled, "AwsThrottled"),
            ("iot", "ResourceNotFoundException", AwsNotFound, "AwsNotFound"),
            ("rds", "DBInstanceNotFound", AwsNotFound, "AwsNotFound"),
            ("elasticache", "ReplicationGroupNotFoundFault", AwsNotFound, "AwsNotFound"),
            ("iot", "ResourceAlreadyExistsException", AwsAlreadyExists, "AwsAlreadyExists"),
            ("rds", "DBInstanceAlreadyExists", AwsAlreadyExists, "AwsAlreadyExists"),
            ("elasticache", "ReplicationGroupAlreadyExists", AwsAlreadyExists, "AwsAlreadyExists"),
            ("secretsmanager", "ResourceExistsException", AwsAlreadyExists, "AwsAlreadyExists"),
            ("rds", "InvalidDBInstanceState", AwsConflict, "AwsConflict"),
            ("elasticache", "InvalidReplicationGroupState", AwsConflict, "AwsConflict"),
            ("iot", "DeleteConflictException", AwsConflict, "AwsConflict"),
            ("iot", "VersionConflictException", AwsConflict, "AwsConflict"),
            ("secretsmanager", "InvalidRequestException", AwsConflict, "AwsConflict"),
            ("iot", "InvalidRequestException", AwsInvalid, "AwsInvalidRequest"),
            ("rds", "InvalidParameterCombination", AwsInvalid, "AwsInvalidRequest"),
            ("rds", "InvalidSubnet", AwsInvalid, "AwsInvalidRequest"),
            ("iot", "UnauthorizedException", AwsError, "AwsAccessDenied"),
            ("rds", "AccessDenied", AwsError, "AwsAccessDenied"),
            ("secretsmanager", "ExpiredTokenException", AwsError, "AwsCredentials"),
            ("rds", "SignatureDoesNotMatch", AwsError, "AwsCredentials"),
            ("iot", "InternalFailureException", AwsError, "AwsError"),
            ("rds", "InsufficientDBInstanceCapacity", AwsError, "AwsError"),
        ],
    )
    def test_codes_are_sorted_by_who_has_to_move(
        self, service: str, code: str, kind: type[Exception], reason: str
    ) -> None:
        error = answered(code, service, "some_call")
        assert type(error) is kind
        assert getattr(error, "reason", None) == reason
        assert getattr(error, "code", None) == code
        assert f"AWS {service} some_call: {code}: what AWS says" in str(error)

    def test_only_bad_parameters_are_terminal(self) -> None:
        assert isinstance(answered("ValidationException"), TerminalError)
        assert isinstance(answered("AccessDenied"), RetryableError), "rights can be granted without a change of spec"

    def test_a_call_without_answer_says_what_to_look_at(self) -> None:
        url = "http://127.0.0.1:1"
        for core in (EndpointConnectionError(endpoint_url=url), ConnectTimeoutError(endpoint_url=url)):
            lost = sort_core_error(core, "iot", "create_thing")
            assert (type(lost), lost.reason) == (RetryableError, "AwsUnreachable")
            assert "AWS_ENDPOINT_URL" in lost.remedy
        nobody = sort_core_error(NoCredentialsError(), "iot", "create_thing")
        assert (type(nobody), nobody.reason) == (RetryableError, "AwsCredentials")
        bad = sort_core_error(ParamValidationError(report="thingName is too long"), "iot", "create_thing")
        assert isinstance(bad, AwsInvalid)
        assert "thingName is too long" in bad.message


@pytest.mark.parametrize("call", CALLS.values(), ids=lambda call: f"{call.service}.{call.operation}")
class TestTableOfCalls:
    def test_operation_and_actions_exist(self, call: Call) -> None:
        model = botocore.session.get_session().get_service_model(call.service)
        names = {xform_name(name): name for name in model.operation_names}
        assert call.operation in names, "boto3 knows no such call"
        prefix = IAM_PREFIXES.get(call.service, call.service)
        assert call.action == f"{prefix}:{names[call.operation]}"
        for action in call.also:
            service, _, name = action.partition(":")
            assert service == call.service
            assert name in model.operation_names

    def test_its_resources_are_of_the_service_and_as_narrow_as_aws_allows(self, call: Call) -> None:
        if call.operation in WITHOUT_RESOURCE:
            assert call.resources == ("*",)
            return
        for resource in call.resources:
            assert resource.startswith(f"{call.service}:{{region}}:{{account}}:")
            assert resource.rpartition(":")[2] != "*" or resource.count(":") >= 4, "a type of resource is named"
        reads = call.operation.startswith(("describe_", "list_", "get_"))
        if not reads and call.operation not in WITHOUT_NAME:
            own = [resource for resource in call.resources if "{cluster}" in resource]
            assert own or call.tagged is not Tagged.ANY, "what is made, changed or deleted is this cluster's"

    def test_it_is_made_somewhere(self, call: Call) -> None:
        """The policy is generated from the table: a call that nothing makes would be a right that nothing needs."""
        package = Path(tracetrack_operator.__file__).parent
        sources = (file.read_text() for file in package.rglob("*.py") if file.name != "calls.py")
        assert any(f'"{call.operation}"' in source for source in sources)

    def test_its_pace_leaves_others_their_share(self, call: Call) -> None:
        assert 0 < call.rate < call.quota
        assert call.burst >= 1
        name, quota = pace(call)
        assert quota == SHARED.get(call.service, quota)
        assert (name == call.service) is (call.service in SHARED)


class TestPolicy:
    def test_it_allows_the_calls_of_the_table_and_nothing_else(self) -> None:
        document = policy("ap-south-1", "111122223333", "prod")
        allowed = {action for statement in document["Statement"] for action in statement["Action"]}
        rights = {action for statement in STATEMENTS for action in statement.actions}
        assert allowed == {action for call in CALLS.values() for action in call.actions} | rights
        assert not [action for action in allowed if "*" in action]

    def test_any_resource_is_allowed_only_where_aws_knows_no_other(self) -> None:
        document = policy("ap-south-1", "111122223333", "prod")
        anywhere = {
            action
            for statement in document["Statement"]
            if "*" in statement["Resource"]
            for action in statement["Action"]
        }
        assert anywhere == {call.action for call in CALLS.values() if call.operation in WITHOUT_RESOURCE}

    def test_it_fits_into_a_managed_policy(self) -> None:
        document = policy("ap-southeast-1", "111122223333", "a-cluster-with-a-name-of-forty-characters")
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144, "split it, and have the chart attach both"

    def test_a_password_that_rds_keeps_is_read_of_instances_alone(self) -> None:
        statements = [
            statement
            for statement in policy("ap-south-1", "1", "prod")["Statement"]
            if any("rds!db-" in resource for resource in statement["Resource"])
        ]
        read, made = statements
        assert read["Action"] == ["secretsmanager:GetSecretValue"]
        assert read["Condition"] == {
            "StringLike": {"aws:ResourceTag/aws:rds:primaryDBInstanceArn": "arn:aws:rds:ap-south-1:1:db:*"}
        }
        assert made["Condition"] == {"ForAnyValue:StringEquals": {"aws:CalledVia": "rds.amazonaws.com"}}

    def test_names_are_filled_in(self) -> None:
        document = policy("ap-south-1", "111122223333", "prod", "aws-cn")
        resources = {resource for statement in document["Statement"] for resource in statement["Resource"]} - {"*"}
        assert not [resource for resource in resources if "{" in resource]
        assert "arn:aws-cn:iot:ap-south-1:111122223333:thing/prod_*" in resources
        assert "arn:aws-cn:rds:ap-south-1:111122223333:db:*" in resources

    @pytest.mark.parametrize(
        ("action", "condition"),
        [
            ("rds:DeleteDBInstance", {"StringLike": {"aws:ResourceTag/tracetrack.io/cluster": "prod"}}),
            ("elasticache:ModifyReplicationGroup", {"StringLike": {"aws:ResourceTag/tracetrack.io/cluster": "prod"}}),
            ("rds:CreateDBInstance", {"StringLike": {"aws:RequestTag/tracetrack.io/cluster": "prod"}}),
        ],
    )
    def test_databases_and_caches_are_those_with_our_tag(self, action: str, condition: dict[str, Any]) -> None:
        statements = [s for s in policy("ap-south-1", "1", "prod")["Statement"] if action in s["Action"]]
        service = action.partition(":")[0]
        object_ = f"arn:aws:{service}:ap-south-1:1:{'db' if service == 'rds' else 'replicationgroup'}:shop"
        about = [s for s in statements if any(fnmatchcase(object_, r) for r in s["Resource"])]
        assert [s["Condition"] for s in about] == [condition]

    @pytest.mark.parametrize(
        ("action", "source"), [("rds:CreateDBSnapshot", "db"), ("elasticache:CreateSnapshot", "replicationgroup")]
    )
    def test_a_final_snapshot_is_made_of_what_has_our_tag(self, action: str, source: str) -> None:
        """AWS wants the right to it of whoever deletes with one."""
        service = action.partition(":")[0]
        statements = [s for s in policy("ap-south-1", "1", "prod")["Statement"] if action in s["Action"]]

        def conditions(object_: str) -> list[Any]:
            arn = f"arn:aws:{service}:ap-south-1:1:{object_}"
            return [s.get("Condition") for s in statements if any(fnmatchcase(arn, r) for r in s["Resource"])]

        assert conditions(f"{source}:shop") == [{"StringLike": {"aws:ResourceTag/tracetrack.io/cluster": "prod"}}]
        assert None in conditions("snapshot:shop-final-0123abcd")

    def test_only_what_no_other_cluster_claims_can_be_adopted(self) -> None:
        statements = [s for s in policy(cluster="prod")["Statement"] if "rds:AddTagsToResource" in s["Action"]]
        carried, given = ({f"aws:{kind}Tag/tracetrack.io/cluster": "prod"} for kind in ("Resource", "Request"))
        conditions = [s["Condition"] for s in statements]
        assert conditions == [{"StringLike": given, "StringLikeIfExists": carried}]


class TestClient:
    async def test_a_call_outside_the_table_is_refused_before_it_is_sent(self) -> None:
        client = AwsClient("us-east-1")
        try:
            with pytest.raises(PermissionError, match=r"iot\.delete_thing_type is not in the table"):
                await client.call("iot", "delete_thing_type", thingTypeName="tracetrack-scanner")
        finally:
            client.close()

    async def test_naming_the_default_region_does_not_double_the_pace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        client = AwsClient("us-east-1")
        sent: list[str] = []
        monkeypatch.setattr(client, "_send", lambda service, operation, region, *_: sent.append(region) or {})
        try:
            for region in (None, "us-east-1", "eu-west-1"):
                await client.call("iot", "create_thing", region=region, thingName="a")
        finally:
            client.close()
        assert sent == ["us-east-1", "us-east-1", "eu-west-1"]
        assert {region for _, region in client._buckets} == {"us-east-1", "eu-west-1"}

    async def test_all_calls_of_rds_take_turns_from_one_bucket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """RDS counts them together: a bucket for each would let through several times the account's rate."""
        client = AwsClient("us-east-1")
        monkeypatch.setattr(client, "_send", lambda *_: {})
        try:
            await client.call("rds", "create_db_instance", DBInstanceIdentifier="a")
            await client.call("rds", "describe_db_instances")
            await client.call("iot", "create_thing", thingName="a")
            await client.call("iot", "delete_thing", thingName="a")
        finally:
            client.close()
        assert {name for name, _ in client._buckets} == {"rds", "iot.create_thing", "iot.delete_thing"}


class TestOwnership:
    def test_tags_tell_cluster_and_owner(self) -> None:
        values = ownership.tags(OWNER, "prod")
        assert values == {
            "tracetrack.io/uid": "uid-1",
            "tracetrack.io/cluster": "prod",
            "tracetrack.io/namespace": "shop",
            "tracetrack.io/name": "lucknow",
        }
        assert ownership.tag_map(ownership.tag_list(values)) == values

    def test_a_conflict_names_the_owner(self) -> None:
        assert ownership.describe_owner(ownership.tags(OWNER, "prod")) == "shop/lucknow in cluster prod (uid uid-1)"
        assert "no tracetrack.io/uid tag" in ownership.describe_owner({"Name": "by hand"})

    @pytest.mark.parametrize("limit", [40, 63])
    def test_long_names_are_cut_and_stay_apart(self, limit: int) -> None:
        assert ownership.bounded_name(("prod", "shop", "demo"), "-", limit) == "prod-shop-demo"
        exact = "x" * (limit - len("prod-shop-"))
        assert ownership.bounded_name(("prod", "shop", exact), "-", limit) == f"prod-shop-{exact}"
        first = ownership.bounded_name(("prod", "shop", "x" * 60 + "a"), "-", limit)
        second = ownership.bounded_name(("prod", "shop", "x" * 60 + "b"), "-", limit)
        assert first != second
        assert max(len(first), len(second)) <= limit
        assert first == ownership.bounded_name(("prod", "shop", "x" * 60 + "a"), "-", limit), "the same every time"

    def test_a_cut_at_a_separator_leaves_no_double_one(self) -> None:
        name = ownership.bounded_name(("a" * 30, "b" * 30), "-", 40)
        assert name.startswith("a" * 30 + "-")
        assert "--" not in name
