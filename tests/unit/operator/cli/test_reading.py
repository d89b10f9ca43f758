"""Where the operator's settings come from, and that a look can't become an act."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.aws.errors import AwsNotFound
from tracetrack_operator.cli import installation
from tracetrack_operator.cli.errors import CliError
from tracetrack_operator.cli.look import region_of
from tracetrack_operator.cli.main import COMMANDS, parser
from tracetrack_operator.cli.plan import _manifest
from tracetrack_operator.cli.readonly import NotingAws, ReadOnlyAws, ReadOnlyKube


class Listing:
    """The user's cluster: what lists give, None where they are forbidden."""

    def __init__(self, found: list[Any] | None) -> None:
        self.found = found

    async def list_or_none(self, *_: Any) -> list[Any] | None:
        return self.found


OPERATOR = {
    "metadata": {"name": "tracetrack-operator"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "env": [
                            {"name": "TRACETRACK_CLUSTER", "value": "prod"},
                            {"name": "TRACETRACK_RDS_SECURITY_GROUPS", "value": "sg-1,sg-2"},
                            {"name": "AWS_REGION", "value": "ap-south-1"},
                            {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {}},
                        ]
                    }
                ]
            }
        }
    },
}


async def find(found: list[Any] | None, environ: dict[str, str]) -> installation.Installation:
    cluster: Any = Listing(found)
    return await installation.find(cluster, "tracetrack-system", environ)


async def test_settings_are_those_of_the_operators_deployment() -> None:
    read = await find([OPERATOR], {})
    assert (read.settings.cluster, read.settings.rds_security_groups) == ("prod", ("sg-1", "sg-2"))
    assert (read.region, read.source) == ("ap-south-1", "Deployment tracetrack-system/tracetrack-operator")


async def test_or_of_the_environment_where_that_names_the_cluster() -> None:
    read = await find(None, {"TRACETRACK_CLUSTER": "laptop"})
    assert (read.settings.cluster, read.region, read.source) == ("laptop", None, "the environment")


@pytest.mark.parametrize(("found", "words"), [(None, "may not be looked for"), ([], "is not there")])
async def test_without_either_the_remedy_is_named(found: list[Any] | None, words: str) -> None:
    with pytest.raises(CliError, match=words) as told:
        await find(found, {})
    assert "--operator-namespace" in str(told.value)


async def test_the_specs_region_comes_before_the_operators() -> None:
    read = await find([OPERATOR], {})
    assert region_of(owner({"aws": {"region": "us-east-1"}}), read, None) == "us-east-1"
    assert region_of(owner(), read, "eu-west-1") == "eu-west-1"
    assert region_of(owner(), read, None) == "ap-south-1"


async def test_a_look_can_not_write() -> None:
    nothing: Any = None
    kube, aws = ReadOnlyKube(nothing), ReadOnlyAws(nothing, None)
    for attempt in (
        kube.apply({"kind": "Secret"}),
        kube.apply_status({"kind": "Secret"}),
        kube.delete("Secret", "a", "b", uid="c"),
        aws.call("rds", "modify_db_instance"),
    ):
        with pytest.raises(PermissionError, match="while only looking"):
            await attempt
    with pytest.raises(PermissionError, match="while only looking"):
        aws.pages("rds", "delete_db_instance", "x")


async def test_a_look_may_ask_for_the_tags_of_all() -> None:
    class Tags:
        async def pages(self, *asked: str, **_: Any) -> Any:
            yield {"asked": asked}

    aws: Any = Tags()
    pages = ReadOnlyAws(aws, None).pages("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList")
    assert [page["asked"][1] async for page in pages] == ["get_resources"]


async def test_what_a_deletion_would_change_is_noted_and_not_sent() -> None:
    nothing: Any = None
    aws = NotingAws(nothing, None)
    assert await aws.call("rds", "delete_db_instance", DBInstanceIdentifier="x") == {}
    assert [(each.operation, each.parameters) for each in aws.noted] == [
        ("delete_db_instance", {"DBInstanceIdentifier": "x"})
    ]
    with pytest.raises(AwsNotFound):
        await aws.call("secretsmanager", "get_secret_value", SecretId="x")


async def test_a_look_asks_for_no_saved_credentials() -> None:
    nothing: Any = None
    with pytest.raises(AwsNotFound):
        await ReadOnlyAws(nothing, None).call("secretsmanager", "get_secret_value", SecretId="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Other", "holds no TraceTrackDeployment"),
        ("kind: TraceTrackDeployment\nmetadata: {name: a}", "has no spec"),
        ("a: [", "is no YAML"),
        ("kind: TraceTrackDeployment\n---\nkind: TraceTrackDeployment", "name the one that is meant"),
    ],
)
def test_a_manifest_that_can_not_be_planned_for_is_refused(tmp_path: Any, text: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CliError, match=words):
        _manifest(path, None)
    with pytest.raises(CliError, match="name a file"):
        _manifest(tmp_path / "absent.yaml", None)


def parsed(command: str, *words: str) -> Namespace:
    return parser().parse_args([command, "demo", *words])


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_takes_the_common_options(command: str) -> None:
    needed = ["-f", "demo.tar.gz"] if command == "support-bundle" else []
    options = parsed(command, *needed, "-n", "shop", "--context", "c", "--kubeconfig", "k", "-o", "json")
    assert (options.namespace, options.context, options.kubeconfig, options.output) == ("shop", "c", "k", "json")
    assert parsed(command, *needed).output == "text"


def test_what_a_command_takes_beside_them() -> None:
    options = parsed("restore", "--to", "demo-2", "--at", "2026-11-23T14:05:00Z", "--dry-run", "-y", "--region", "x")
    assert (options.to, options.at, options.region) == ("demo-2", "2026-11-23T14:05:00Z", "x")
    assert options.dry_run
    assert options.yes
    assert (options.snapshot, options.latest, options.list) == (None, False, False)
    options = parsed("restore", "--list", "--operator-namespace", "ops")
    assert (options.list, options.to, options.operator_namespace) == (True, None, "ops")
    assert parsed("restore", "--snapshot", "nightly").snapshot == "nightly"
    assert parsed("restore", "--latest").latest
    options = parsed("rotate")
    assert (options.database, options.cache, options.wait, options.timeout) == (False, False, False, 1800.0)
    options = parsed("rotate", "--database", "--cache", "--wait", "--timeout", "2.5")
    assert (options.database, options.cache, options.wait, options.timeout) == (True, True, True, 2.5)
    options = parsed("support-bundle", "--filename", "x.tar.gz", "--region", "eu-west-1")
    assert (options.filename, options.region) == ("x.tar.gz", "eu-west-1")
    assert options.operator_namespace == "tracetrack-system"
    assert parsed("drill").name == "demo"


@pytest.mark.parametrize(
    "words",
    [
        ["support-bundle", "demo"],
        ["restore", "demo", "--to"],
        ["rotate", "demo", "--timeout", "soon"],
        ["drill"],
        ["drill", "demo", "--wait"],
        ["why", "demo", "-o", "yaml"],
        [],
    ],
)
def test_what_no_command_takes_is_refused_with_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    assert "usage: kubectl tracetrack" in capsys.readouterr().err
