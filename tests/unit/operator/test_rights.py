"""How the rights that the operator used are read from the API server's audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.operator import rbac
from tests.integration.operator.rbac import Right


def _event(verb: str, resource: str, *, group: str = "", code: int = 200, **more: Any) -> dict[str, Any]:
    about = {"resource": resource, "apiGroup": group, **more.pop("about", {})}
    return {"verb": verb, "objectRef": about, "responseStatus": {"code": code}, **more}


def test_an_apply_that_makes_something_takes_create_too() -> None:
    events = [_event("patch", "secrets", code=201), _event("patch", "deployments", group="apps")]
    assert rbac.used(events) == {
        Right("", "secrets", "patch"),
        Right("", "secrets", "create"),
        Right("apps", "deployments", "patch"),
    }


def test_a_subresource_is_a_right_of_its_own() -> None:
    event = _event("patch", "scannerfleets", group="tracetrack.io", about={"subresource": "status"})
    assert rbac.used([event]) == {Right("tracetrack.io", "scannerfleets/status", "patch")}


def test_requests_for_no_object_take_no_right() -> None:
    assert rbac.used([{"verb": "get", "requestURI": "/version", "responseStatus": {"code": 200}}]) == set()


def test_a_refused_or_ungranted_request_fails_the_run(tmp_path: Path) -> None:
    forbidden = _event("delete", "nodes", code=403, annotations={"authorization.k8s.io/decision": "forbid"})
    assert rbac.refused([forbidden, _event("get", "secrets")]) == {Right("", "nodes", "delete")}
    for event in (forbidden, _event("get", "nodes")):
        with pytest.raises(AssertionError, match="nodes"):
            rbac.judge([event], tmp_path / "rights")


def test_rights_are_idle_until_some_part_of_the_run_used_them(tmp_path: Path) -> None:
    record = tmp_path / "rights"
    granted = rbac.granted()
    assert rbac.idle(record) == granted
    rbac.judge([_event("list", "secrets")], record)
    assert granted - rbac.idle(record) == {Right("", "secrets", "list")}
