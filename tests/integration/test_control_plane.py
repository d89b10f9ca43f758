"""The control plane behaves as a cluster's does, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import controlplane
from tests.cluster.controlplane import ApiError, ControlPlane
from tests.cluster.run import StageError, output

_POD = {"containers": [{"name": "main", "image": "none"}]}


def _until(what: str, condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_deployment_makes_pods_that_stay_pending_and_go_with_it(control_plane: ControlPlane, namespace: str) -> None:
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": _POD},
    }
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    pods = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.request("POST", deployments, {"metadata": {"name": "web"}, "spec": spec})

    _until("2 pods", lambda: len(control_plane.request("GET", pods)["items"]) == 2)
    assert {pod["status"]["phase"] for pod in control_plane.request("GET", pods)["items"]} == {"Pending"}

    control_plane.request("DELETE", f"{deployments}/web", {"propagationPolicy": "Background"})
    _until("no pods", lambda: not control_plane.request("GET", pods)["items"])


def test_garbage_collector_removes_what_a_deleted_owner_owned(control_plane: ControlPlane, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    uid = control_plane.request("POST", maps, {"metadata": {"name": "owner"}})["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    control_plane.request("POST", maps, {"metadata": {"name": "owned", "ownerReferences": [owner]}})
    control_plane.request("DELETE", f"{maps}/owner")

    def names() -> set[str]:
        return {item["metadata"]["name"] for item in control_plane.request("GET", maps)["items"]}

    _until("owned object gone", lambda: "owned" not in names())


def test_deleted_namespace_goes(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "short-lived")
    control_plane.kubectl("-n", "short-lived", "create", "configmap", "something")
    control_plane.kubectl("delete", "namespace", "short-lived", "--timeout=30s")
    with pytest.raises(ApiError) as refusal:
        control_plane.request("GET", "/api/v1/namespaces/short-lived")
    assert refusal.value.status == 404


def test_service_account_may_do_what_rbac_grants_and_no_more(control_plane: ControlPlane, namespace: str) -> None:
    config = str(control_plane.service_account_kubeconfig(namespace, "reader"))
    with pytest.raises(StageError, match="cannot list resource"):
        control_plane.kubectl("--kubeconfig", config, "get", "secrets")

    account = f"--serviceaccount={namespace}:reader"
    control_plane.kubectl("-n", namespace, "create", "role", "r", "--verb=list", "--resource=configmaps")
    control_plane.kubectl("-n", namespace, "create", "rolebinding", "r", "--role=r", account)
    listed = json.loads(control_plane.kubectl("--kubeconfig", config, "get", "configmaps", "-o", "json"))
    assert "kube-root-ca.crt" in {item["metadata"]["name"] for item in listed["items"]}
    with pytest.raises(StageError, match="cannot list resource"):
        control_plane.kubectl("--kubeconfig", config, "get", "secrets")


def test_audit_log_tells_who_called_what(control_plane: ControlPlane, namespace: str) -> None:
    config = str(control_plane.service_account_kubeconfig(namespace, "watched"))
    with pytest.raises(StageError, match="cannot get resource"):
        control_plane.kubectl("--kubeconfig", config, "get", "configmap", "secretive")

    events = control_plane.audit_events(f"system:serviceaccount:{namespace}:watched")
    calls = [event["objectRef"] | {"verb": event["verb"]} for event in events if "name" in event.get("objectRef", {})]
    assert [(call["verb"], call["resource"], call["name"]) for call in calls] == [("get", "configmaps", "secretive")]
    assert events[-1]["responseStatus"]["code"] == 403
    assert len(control_plane.audit_events()) > len(events)


def test_admin_kubeconfig_is_private(control_plane: ControlPlane) -> None:
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0
    assert control_plane.url.startswith("https://127.0.0.1:")


def test_two_at_once_and_nothing_left_behind(control_plane: ControlPlane) -> None:
    with ControlPlane() as other:
        assert other.url != control_plane.url
        other.kubectl("create", "namespace", "only-here")
        with pytest.raises(ApiError, match="not found"):
            control_plane.request("GET", "/api/v1/namespaces/only-here")
        pids = [server.pid for server in other._servers]
        folder = other.kubeconfig.parent
        assert all(map(_alive, pids))
    assert not any(map(_alive, pids))
    assert not folder.exists()


def test_prebuilt_binaries_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = controlplane.binaries()
    (tmp_path / "etcd").symlink_to(own["etcd"])
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert controlplane.binaries() == own | {"etcd": tmp_path / "etcd"}
    assert output([tmp_path / "etcd", "--version"]).startswith("etcd Version")


def test_wrong_assets_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "absent"))
    with pytest.raises(StageError, match=r"KUBEBUILDER_ASSETS is .*absent.* correct it or unset it"):
        controlplane.binaries()
