from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracetrack_operator import __version__
from tracetrack_operator.api.conditions import ConditionType
from tracetrack_operator.aws.policy import policy
from tracetrack_operator.engine.metrics import ConditionCollector
from tracetrack_operator.kube.kinds import KINDS, WATCHED
from tracetrack_operator.settings import Settings

from .conftest import CHART, NAMESPACE, Helm, Manifest, Render, of_kind, one

ROOT = CHART.parents[1]
CI = sorted((CHART / "ci").glob("*-values.yaml"))
PODS = {"Deployment", "Pod"}


def pod_spec(manifest: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"] if manifest["kind"] == "Pod" else manifest["spec"]["template"]["spec"]
    return spec


def rules(manifests: list[Manifest], kind: str = "ClusterRole", name: str = "tracetrack-tracetrack-operator") -> Any:
    return next(m for m in of_kind(manifests, kind) if m["metadata"]["name"] == name)["rules"]


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    container = pod_spec(one(manifests, "Deployment"))["containers"][0]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


@pytest.fixture(scope="module")
def default(render: Render) -> list[Manifest]:
    return render()


@pytest.fixture(scope="module", params=CI, ids=lambda path: path.stem)
def rendered(render: Render, request: pytest.FixtureRequest) -> list[Manifest]:
    return render("--values", request.param)


def test_lint_finds_nothing(helm: Helm) -> None:
    for values in CI:
        done = helm("lint", "--strict", CHART, "--values", values)
        assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_values_of_each_way_to_install() -> None:
    assert {path.stem for path in CI} == {"default-values", "emulator-values", "production-values", "brought-values"}


class TestManifests:
    def test_every_object_is_labelled_and_of_its_own_name(self, rendered: list[Manifest]) -> None:
        for manifest in rendered:
            labels = manifest["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "tracetrack"
            assert labels["app.kubernetes.io/managed-by"] == "Helm", "the operator must not take it for its own child"
        keys = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in rendered]
        assert len(keys) == len(set(keys))

    def test_pods_meet_the_restricted_standard(self, rendered: list[Manifest]) -> None:
        pods = [manifest for manifest in rendered if manifest["kind"] in PODS]
        assert len(pods) == 2
        for manifest in pods:
            spec = pod_spec(manifest)
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["runAsUser"] == 10003
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
            assert all({"emptyDir", "configMap"} & volume.keys() for volume in spec.get("volumes", []))
            for container in spec["containers"]:
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["readOnlyRootFilesystem"] is True
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]
                assert container["resources"]["requests"]["cpu"]

    def test_one_replica_at_a_time(self, rendered: list[Manifest]) -> None:
        spec = one(rendered, "Deployment")["spec"]
        assert spec["replicas"] == 1
        assert spec["strategy"] == {"type": "Recreate"}
        assert not of_kind(rendered, "PodDisruptionBudget")

    def test_probes_and_ports_are_those_of_the_operator(self, default: list[Manifest]) -> None:
        container = pod_spec(one(default, "Deployment"))["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"health": Settings.health_port, "metrics": Settings.metrics_port}
        assert str(ports["health"]) == environment(default)["TRACETRACK_HEALTH_PORT"]
        assert str(ports["metrics"]) == environment(default)["TRACETRACK_METRICS_PORT"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/healthz", "port": "health"}
        source = (ROOT / "operator/tracetrack_operator/main.py").read_text()
        assert "{self.settings.health_port}/healthz" in source

    def test_selectors_choose_the_operator_and_not_the_test_pod(self, default: list[Manifest]) -> None:
        labels = one(default, "Deployment")["spec"]["template"]["metadata"]["labels"]
        test = one(default, "Pod")["metadata"]["labels"]
        for selector in (
            one(default, "Deployment")["spec"]["selector"]["matchLabels"],
            one(default, "Service")["spec"]["selector"],
            one(default, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ):
            assert selector.items() <= labels.items()
            assert not selector.items() <= test.items()

    def test_every_setting_of_the_operator_has_its_value(self, render: Render) -> None:
        manifests = render("--values", CHART / "ci/production-values.yaml")
        given = {name for name in environment(manifests) if name.startswith("TRACETRACK_")}
        assert given == {f"TRACETRACK_{field.name.upper()}" for field in fields(Settings)}

    def test_the_defaults_are_those_of_the_operator(self, default: list[Manifest]) -> None:
        given = {name: value for name, value in environment(default).items() if name.startswith("TRACETRACK_")}
        assert Settings.from_environ(given) == Settings()

    def test_values_reach_the_operator(self, render: Render) -> None:
        manifests = render("--values", CHART / "ci/production-values.yaml")
        settings = Settings.from_environ(environment(manifests))
        assert settings.cluster == "prod-mumbai"
        assert settings.namespaces == ("shop", "warehouse")
        assert settings.rds_security_groups == ("sg-0123456789abcdef0",)
        assert len(settings.elasticache_security_groups) == 2
        assert settings.workers == 16
        assert settings.docs_url == "https://docs.example.com/tracetrack/reasons"
        assert environment(manifests)["AWS_REGION"] == "ap-south-1"
        assert environment(manifests)["HTTPS_PROXY"] == "http://proxy.example.com:3128"
        container = pod_spec(one(manifests, "Deployment"))["containers"][0]
        assert container["image"].startswith("registry.example.com/tracetrack/operator@sha256:")
        mount = next(mount for mount in container["volumeMounts"] if mount["name"] == "aws-ca")
        assert settings.aws_ca_file == f"{mount['mountPath']}/ca.crt"

    def test_credentials_come_from_a_secret_that_is_there(self, render: Render, default: list[Manifest]) -> None:
        given = environment(render("--values", CHART / "ci/emulator-values.yaml"))
        key = given["AWS_SECRET_ACCESS_KEY"]["secretKeyRef"]
        assert key == {"name": "aws-credentials", "key": "AWS_SECRET_ACCESS_KEY"}
        assert given["AWS_SESSION_TOKEN"]["secretKeyRef"]["optional"] is True
        assert given["AWS_ENDPOINT_URL"] == "http://aws.tracetrack-aws.svc:4566"
        assert not [name for name in environment(default) if name.startswith("AWS_")]
        assert not of_kind(default, "Secret")

    def test_the_port_of_an_endpoint_is_let_through(self, render: Render, default: list[Manifest]) -> None:
        def ports(manifests: list[Manifest]) -> list[int]:
            return [port["port"] for port in one(manifests, "NetworkPolicy")["spec"]["egress"][1]["ports"]]

        usual = [443, 6443, 5432, 6379]
        assert ports(default) == usual
        assert ports(render("--values", CHART / "ci/emulator-values.yaml")) == [*usual, 4566]
        assert ports(render("--set", "aws.endpointUrl=https://aws.example.com/")) == usual
        assert ports(render("--set", "aws.endpointUrl=http://aws.example.com")) == [*usual, 80]

    def test_a_range_of_ports_is_let_through(self, render: Render) -> None:
        ports = "networkPolicy.egressPorts"
        manifests = render("--set", f"{ports}={{443,6443}},{ports}[2].port=20000,{ports}[2].endPort=20999")
        assert one(manifests, "NetworkPolicy")["spec"]["egress"][1]["ports"] == [
            {"port": 443},
            {"port": 6443},
            {"port": 20000, "endPort": 20999},
        ]

    def test_what_others_have_made_is_left_to_them(self, render: Render) -> None:
        manifests = render("--values", CHART / "ci/brought-values.yaml")
        assert sorted(manifest["kind"] for manifest in manifests) == ["Deployment", "Pod", "Service"]
        assert pod_spec(one(manifests, "Deployment"))["serviceAccountName"] == "operator"

    def test_notes_tell_how_to_go_on(self, helm: Helm) -> None:
        done = helm("install", "tracetrack", CHART, "--namespace", NAMESPACE, "--dry-run=client")
        assert done.returncode == 0, done.stderr
        notes = done.stdout.partition("NOTES:")[2]
        sample = yaml.safe_load(re.search(r"<<EOF\n(.*?)EOF", notes, re.DOTALL)[1])  # type: ignore[index]
        assert sample["kind"] == "TraceTrackDeployment"
        assert sample["spec"]["version"] == __version__
        assert "aws.region is empty" in notes


class TestRights:
    def test_each_right_is_named(self, default: list[Manifest]) -> None:
        for role in of_kind(default, "ClusterRole"):
            for rule in role["rules"]:
                assert rule.keys() == {"apiGroups", "resources", "verbs"}
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]

    def test_they_are_over_the_kinds_that_the_operator_knows(self, default: list[Manifest]) -> None:
        granted = {
            (group, resource.partition("/")[0])
            for rule in rules(default)
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        }
        assert granted == {(kind.group, kind.plural) for kind in KINDS.values()}

    def test_what_is_watched_may_be_watched(self, default: list[Manifest]) -> None:
        for name in WATCHED:
            kind = KINDS[name]
            verbs = {
                verb
                for rule in rules(default)
                if kind.group in rule["apiGroups"] and kind.plural in rule["resources"]
                for verb in rule["verbs"]
            }
            assert {"list", "watch"} <= verbs, name

    def test_it_may_neither_write_roles_nor_enter_pods(self, default: list[Manifest]) -> None:
        resources = {resource for rule in rules(default) for resource in rule["resources"]}
        assert not resources & {"pods/exec", "pods/attach", "serviceaccounts/token", "nodes"}
        assert [rule["verbs"] for rule in rules(default) if "namespaces" in rule["resources"]] == [["get"]]
        groups = {group for rule in rules(default) for group in rule["apiGroups"]}
        assert "rbac.authorization.k8s.io" not in groups
        verbs = {verb for rule in rules(default) for verb in rule["verbs"]}
        assert not verbs & {"deletecollection", "impersonate", "escalate", "bind", "update"}

    def test_named_namespaces_get_roles_and_the_cluster_none(self, render: Render, default: list[Manifest]) -> None:
        manifests = render("--values", CHART / "ci/production-values.yaml")
        assert {role["metadata"]["namespace"] for role in of_kind(manifests, "Role")} == {"shop", "warehouse"}
        assert {role["metadata"]["namespace"] for role in of_kind(manifests, "RoleBinding")} == {"shop", "warehouse"}
        assert not of_kind(manifests, "ClusterRoleBinding")
        assert rules(manifests, "Role") == rules(default)

    def test_the_binding_is_for_the_account_that_the_pod_runs_as(self, rendered: list[Manifest]) -> None:
        bindings = [m for m in rendered if m["kind"] in ("RoleBinding", "ClusterRoleBinding")]
        account = pod_spec(one(rendered, "Deployment"))["serviceAccountName"]
        for binding in bindings:
            subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
            assert binding["subjects"] == [subject]


class TestCustomResourceDefinitions:
    def test_the_readmes_command_fills_in_the_iam_policy(self) -> None:
        (command,) = re.findall(r"    (sed .*?) >", (CHART / "README.md").read_text(), flags=re.DOTALL)
        filled = subprocess.run(["sh", "-c", command], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        assert json.loads(filled) == policy("us-east-1", "123456789012", "kind")

    def test_generated_files_are_up_to_date(self) -> None:
        command = [sys.executable, str(ROOT / "charts/generate.py"), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_they_are_rendered_as_they_are(self, default: list[Manifest]) -> None:
        sources = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
        rendered = {manifest["metadata"]["name"]: manifest for manifest in of_kind(default, "CustomResourceDefinition")}
        assert rendered.keys() == {source["metadata"]["name"] for source in sources}
        for source in sources:
            assert rendered[source["metadata"]["name"]]["spec"] == source["spec"]

    def test_they_outlive_the_release_unless_told_otherwise(self, render: Render, default: list[Manifest]) -> None:
        policy = "helm.sh/resource-policy"
        for manifest in of_kind(default, "CustomResourceDefinition"):
            assert manifest["metadata"]["annotations"][policy] == "keep"
        for manifest in of_kind(render("--set", "crds.keep=false"), "CustomResourceDefinition"):
            assert policy not in manifest["metadata"].get("annotations", {})

    def test_the_chart_tells_of_them(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        told = {crd["name"] for crd in yaml.safe_load(chart["annotations"]["artifacthub.io/crds"])}
        assert told == {path.stem + ".tracetrack.io" for path in (ROOT / "crds").glob("*.yaml")}
        assert chart["version"] == chart["appVersion"] == __version__


class TestValues:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--set", "replicas=2"), "additional properties 'replicas' not allowed"),
            (("--set", "image.tga=1"), "additional properties 'tga' not allowed"),
            (("--set", "image.pullPolicy=Sometimes"), "'Always', 'IfNotPresent', 'Never'"),
            (("--set", "image.digest=latest"), "'/image/digest'"),
            (("--set", "clusterName=Prod_1"), "'/clusterName'"),
            (("--set", "clusterName=prod--1"), "'/clusterName'"),
            (("--set", "clusterName="), "'/clusterName'"),
            (("--set", "watchNamespaces={Shop}"), "'/watchNamespaces/0'"),
            (("--set", "watchNamespaces=shop"), "'/watchNamespaces': got string, want array"),
            (("--set", "docsUrl=docs.example.com"), "'/docsUrl'"),
            (("--set", "docsUrl=https://docs.example.com/reasons#aws"), "'/docsUrl'"),
            (("--set", "operator.workers=0"), "'/operator/workers'"),
            (("--set-string", "operator.workers=8"), "'/operator/workers': got string, want integer"),
            (("--set", "operator.logLevel=loud"), "'/operator/logLevel'"),
            (("--set", "aws.region=Mumbai"), "'/aws/region'"),
            (("--set", "aws.endpointUrl=localhost:4566"), "'/aws/endpointUrl'"),
            (("--set", "aws.rds.securityGroups={default}"), "'/aws/rds/securityGroups/0'"),
            (("--set", "embedded.image=tracetrack-embedded"), "'/embedded/image'"),
            (("--set-string", "extraEnv[0].name=TRACETRACK_WORKERS,extraEnv[0].value=1"), "use that"),
            (("--set", "resources.limits.memory=much"), "'/resources/limits/memory'"),
            (("--set", "networkPolicy.egressPorts={70000}"), "'/networkPolicy/egressPorts/0'"),
            (("--set", "networkPolicy.egressPorts[0].port=443"), "missing property 'endPort'"),
            (("--set", "tolerations[0].efect=NoSchedule"), "additional properties 'efect' not allowed"),
            (("--set-string", "commonLabels.app\\.kubernetes\\.io/name=x"), "choose another label"),
            (("--set", "serviceAccount.create=false"), "set serviceAccount.name to the ServiceAccount"),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else "",
    )
    def test_a_bad_value_is_refused_with_its_name(self, helm: Helm, arguments: tuple[str, ...], told: str) -> None:
        done = helm("template", "tracetrack", CHART, *arguments)
        assert done.returncode != 0
        assert told in done.stderr

    def test_an_older_cluster_is_refused(self, helm: Helm) -> None:
        done = helm("template", "tracetrack", CHART, "--kube-version", "1.29.9")
        assert done.returncode != 0
        assert ">=1.30.0-0" in done.stderr

    def test_the_schema_leaves_no_object_open(self) -> None:
        open_ones = list(_open(json.loads((CHART / "values.schema.json").read_text()), "#"))
        affinity = "#/properties/affinity/properties"
        assert sorted(open_ones) == sorted(
            [f"{affinity}/{name}" for name in ("nodeAffinity", "podAffinity", "podAntiAffinity")]
            + ["#/properties/global"]
        ), "only what Kubernetes checks itself, and what Helm adds"

    def test_schema_values_and_comments_speak_of_the_same(self) -> None:
        schema = json.loads((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        described = re.findall(r"^\| `([^`]+)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
        leaves = set(_leaves(schema, values, schema))
        assert leaves == set(described)


def _open(node: Any, path: str) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "object" and "additionalProperties" not in node:
            yield path
        for key, value in node.items():
            yield from _open(value, f"{path}/{key}")


def _leaves(node: Any, values: Any, schema: Any, path: tuple[str, ...] = ()) -> Any:
    """Dotted paths of what is set singly: of schema and values alike, which must have the same."""
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    properties = {key: value for key, value in node.get("properties", {}).items() if path or key != "global"}
    if not properties or path in {("affinity",), ("resources", "requests"), ("resources", "limits")}:
        yield ".".join(path)
        return
    assert properties.keys() == values.keys(), f"schema and values.yaml differ under {'.'.join(path) or 'the root'}"
    for key, value in properties.items():
        yield from _leaves(value, values[key], schema, (*path, key))


def test_a_package_holds_what_is_needed_and_no_more(helm: Helm, tmp_path: Path) -> None:
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    listing = subprocess.run(
        ["tar", "tzf", str(next(tmp_path.glob("*.tgz")))], capture_output=True, text=True, check=True
    ).stdout.split()
    names = {name.partition("/")[2] for name in listing}
    assert {"files/crds/scannerfleets.yaml", "values.schema.json", "README.md"} <= names
    assert not [name for name in names if name.startswith("ci/")]


def test_a_failed_drill_is_an_alert_where_alerts_are_wanted(render: Render) -> None:
    assert not of_kind(render(), "PrometheusRule")
    found = one(render("--values", CHART / "ci/production-values.yaml"), "PrometheusRule")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    (group,) = found["spec"]["groups"]
    (rule,) = group["rules"]
    assert rule["alert"] == "TraceTrackRestoreDrillFailed"
    # The very series that the operator gives, and the very heading of the runbook.
    type_ = re.search(r'type="(\w+)"', rule["expr"])
    assert type_ is not None
    assert ConditionType.DRILL_PASSED.value == type_[1]
    assert rule["expr"].startswith(f"{ConditionCollector.name}{{")
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "https://docs.example.com/databases"
    headings = re.findall(r"^#+ (.+)$", (CHART.parents[1] / "operator/DATABASES.md").read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert "{{ $labels.name }}" in rule["annotations"]["description"]
