"""The samples, applied with kubectl, and what a user sees of them."""

from __future__ import annotations

import re
import uuid

from tests.demo import scan
from tests.demo.stage import Stage
from tests.e2e.waiting import eventually


def test_get_shows_what_a_person_asks_first(tracetrack: Stage) -> None:
    deployment = tracetrack.kubectl("get", "ttd", "demo").splitlines()
    fleet = tracetrack.kubectl("get", "sf", "lucknow").splitlines()
    assert deployment[0].split()[:2] == ["NAME", "READY"]
    assert re.match(r"demo\s+True\s+Ready\s+0\.1\.0\s", deployment[1]), deployment[1]
    assert re.match(r"lucknow\s+True\s", fleet[1]), fleet[1]
    listed = tracetrack.kubectl("get", "tracetrack")
    for name in ("tracetrackdeployment.tracetrack.io/demo", "scannerfleet.tracetrack.io/lucknow", "lucknow-0"):
        assert name in listed


def test_describe_tells_conditions_and_events(tracetrack: Stage) -> None:
    shown = tracetrack.kubectl("describe", "ttd", "demo")
    for condition in ("ApplicationReady", "CacheReady", "DatabaseReady", "Ready"):
        assert re.search(rf"Type:\s+{condition}\b", shown), shown
    assert re.search(r"Normal\s+Ready\s", shown), shown
    conditions = {c["type"]: c for c in tracetrack.get("ttd", "demo")["status"]["conditions"]}
    assert "TLS" in conditions["DatabaseReady"]["message"]


def test_explain_reads_like_documentation(tracetrack: Stage) -> None:
    text = tracetrack.kubectl("explain", "tracetrackdeployment.spec.scaling")
    assert "maxReplicas" in text
    assert "-required-" not in text.split("maxReplicas")[1].splitlines()[0]
    fields = tracetrack.kubectl("explain", "tracetrackdeployment.spec", "--recursive")
    for field in (
        r"maxAllocatedStorageGiB\s+<integer>",
        r"readReplicas\s+<\[\]Object>",
        r"provider\s+<string> -required-",
    ):
        assert re.search(rf"^ +{field}", fields, re.MULTILINE), fields


def test_the_children_are_what_was_declared(tracetrack: Stage) -> None:
    hpa = tracetrack.get("hpa", "demo-app")
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (2, 5)
    pods = tracetrack.get("pods", "-l", "app.kubernetes.io/instance=demo,app.kubernetes.io/component=app")["items"]
    assert len(pods) >= 2
    for pod in pods:
        context = pod["spec"]["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
    for kind in ("service", "serviceaccount", "configmap", "pdb", "networkpolicy"):
        assert tracetrack.get(kind, "demo-app")["metadata"]["ownerReferences"][0]["name"] == "demo"


def test_a_scan_with_a_provisioned_key_is_in_postgresql(tracetrack: Stage, scanner_keys: list[str]) -> None:
    tag = uuid.uuid4().hex[:8].upper()
    scan.send(tracetrack.app_url, scanner_keys[0], "M444-90001")
    taken = scan.send(tracetrack.app_url, scanner_keys[0], f"S{tag}", "M444-90001")
    rows = scan.query(
        tracetrack, f"SELECT outcome, code, parent, scanner FROM scan_ledger WHERE scan_id = '{taken['scan_id']}'"
    )
    assert rows == [["child_linked", f"S{tag}", "M444-90001", "lucknow-0001"]]


def test_a_change_in_the_resource_reaches_the_children(tracetrack: Stage) -> None:
    tracetrack.kubectl("patch", "ttd", "demo", "--type=merge", "-p", '{"spec":{"scaling":{"maxReplicas":12}}}')
    try:
        eventually(lambda: tracetrack.get("hpa", "demo-app")["spec"]["maxReplicas"] == 12, 10)
    finally:
        tracetrack.kubectl("patch", "ttd", "demo", "--type=merge", "-p", '{"spec":{"scaling":{"maxReplicas":5}}}')
    eventually(lambda: tracetrack.get("hpa", "demo-app")["spec"]["maxReplicas"] == 5, 10)


def test_what_is_edited_or_deleted_by_hand_comes_back(tracetrack: Stage) -> None:
    before = tracetrack.get("service", "demo-app")["metadata"]["uid"]
    tracetrack.kubectl("delete", "service", "demo-app")
    after = eventually(lambda: tracetrack.get("service", "demo-app"), 10)
    assert after["metadata"]["uid"] != before
    tracetrack.kubectl("patch", "pdb", "demo-app", "--type=merge", "-p", '{"spec":{"maxUnavailable":7}}')
    eventually(lambda: tracetrack.get("pdb", "demo-app")["spec"]["maxUnavailable"] == 1, 10)
