"""What a person asks the operator for: drills, rotations, restores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.cli import drill, restore, rotate
from tracetrack_operator.cli.errors import CliError
from tracetrack_operator.dependencies.rotation import Kept, Schedule, asked_of, details, request

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RDS = {"provider": "RDS", "rds": {"instanceClass": "db.t4g.micro"}}
ELASTICACHE = {"provider": "ElastiCache"}
BOUND = {"management": "Bound", "instanceIdentifier": "theirs", "credentialsSecretRef": {"name": "login"}}


SEEN = {"conditions": [{"type": "DrillPassed", "status": "Unknown", "reason": "DrillNotRun"}]}


def deployment(database: dict[str, Any], status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {**owner({"database": database, "cache": ELASTICACHE, **spec}), "status": status or {}}


def test_a_drill_is_asked_for_where_one_would_come_of_it() -> None:
    last = {"startedAt": "2026-11-22T03:00:00Z", "result": "Passed", "message": "Fine."}
    found = drill.of(deployment({**RDS, "drill": {}}, {"database": {"drill": {"lastRun": last}}, **SEEN}))
    assert "The last one, of 2026-11-22T03:00:00Z: Passed. Fine." in drill.text(found)


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (deployment(RDS), "set spec.database.drill"),
        (deployment({**RDS, "drill": {}}, suspend=True), "resume it first"),
        (deployment({**RDS, "drill": {}}), "hasn't taken up spec.database.drill of demo yet"),
        (
            deployment(
                {**RDS, "drill": {}},
                {"database": {"drill": {"running": {"startedAt": "now", "step": "it is creating"}}}, **SEEN},
            ),
            "runs since now: it is creating",
        ),
    ],
)
def test_a_drill_that_would_not_begin_is_refused(obj: dict[str, Any], words: str) -> None:
    with pytest.raises(CliError, match=words):
        drill.of(obj)


@pytest.mark.parametrize(
    ("obj", "database", "cache", "parts"),
    [
        (deployment(RDS), False, False, ["database", "cache"]),
        (deployment(RDS), True, True, ["database", "cache"]),
        (deployment(RDS), True, False, ["database"]),
        (deployment(RDS), False, True, ["cache"]),
        (deployment(RDS, cache={"provider": "Embedded"}), False, False, ["database"]),
        (deployment({"provider": "RDS", "rds": BOUND}), False, False, ["cache"]),
    ],
)
def test_what_is_rotated(obj: dict[str, Any], database: bool, cache: bool, parts: list[str]) -> None:
    assert rotate.of(obj, database, cache)["parts"] == parts


@pytest.mark.parametrize(
    ("obj", "database", "cache", "words"),
    [
        (deployment({"provider": "RDS", "rds": BOUND}), True, False, "credentials of the database of demo"),
        (deployment(RDS, cache={"provider": "External"}), True, True, "credentials of the cache of demo"),
        (
            deployment({"provider": "Embedded"}, cache={"provider": "Embedded"}),
            False,
            False,
            "of the database and cache of demo",
        ),
        (deployment(RDS, suspend=True), False, False, "resume it first"),
    ],
)
def test_what_the_operator_does_not_make_is_not_rotated(
    obj: dict[str, Any], database: bool, cache: bool, words: str
) -> None:
    with pytest.raises(CliError, match=words):
        rotate.of(obj, database, cache)


def told(value: str, **credentials: dict[str, str]) -> dict[str, Any]:
    return {**asking(value), "status": {part: {"credentials": each} for part, each in credentials.items()}}


BEFORE = {"request": "1", "rotatedAt": "t1"}


def test_a_rotation_is_followed_until_each_part_has_the_credentials_that_were_asked_for() -> None:
    both = ["database", "cache"]
    assert rotate.waiting(told("2", database={**BEFORE, "nextRotation": "t2"}, cache={}), both) == [
        "waiting for the database's rotation, not before t2: nothing rotates again that soon",
        "waiting for the cache's rotation, under way",
    ]
    given = {"request": "2", "rotatedAt": "t3"}
    assert len(rotate.waiting(told("2", database=given, cache={"user": ""}), both)) == 1
    assert rotate.waiting(told("2", database=given, cache=given), both) == []


def test_an_earlier_rotation_is_not_the_one_that_is_followed() -> None:
    earlier = {"request": "database/1", "rotatedAt": "t3", "nextRotation": "t4"}
    assert rotate.waiting(told("database/2", database=earlier), ["database"]), "asked for before, and given just now"
    by_schedule = {**BEFORE, "rotatedAt": "t3", "nextRotation": "t4"}
    assert rotate.waiting(told("2", database=by_schedule), ["database"])
    later = {"request": "database/3", "rotatedAt": "t3"}
    assert rotate.waiting(told("database/3,cache/2", database=later), ["database"]) == []


def test_a_request_that_was_taken_back_is_not_waited_for() -> None:
    with pytest.raises(CliError, match="taken away"):
        rotate.waiting(told("cache/1", database=BEFORE), ["database"])


def test_a_long_request_is_followed_too() -> None:
    value = "x" * 1000
    kept = Kept(NOW, False, value)
    found = dict(details(Schedule(NOW, timedelta()), kept, "tracetrack_a"))
    assert len(found["request"]) <= 128
    assert rotate.waiting(told(value, database=found), ["database"]) == []


def asking(value: str) -> dict[str, Any]:
    return owner(annotations={"tracetrack.io/rotate": value})


def asked(obj: dict[str, Any]) -> tuple[str, str]:
    return asked_of(obj, "database"), asked_of(obj, "cache")


@pytest.mark.parametrize(
    ("value", "database", "cache"),
    [
        ("1", "1", "1"),
        ("database/1", "database/1", ""),
        ("cache/1", "", "cache/1"),
        ("database/1,cache/2", "database/1", "cache/2"),
        ("1,cache/2", "1", "cache/2"),
        ("somebody/else", "somebody/else", "somebody/else"),
        ("1,2", "1,2", "1,2"),
        ("", "", ""),
    ],
)
def test_a_request_may_be_for_one_of_them(value: str, database: str, cache: str) -> None:
    assert asked(asking(value)) == (database, cache)


@pytest.mark.parametrize(
    ("before", "components", "database", "cache"),
    [
        ("", ["cache"], "", "cache/new"),
        ("database/1", ["cache"], "database/1", "cache/new"),
        ("cache/1", ["cache"], "", "cache/new"),
        ("1", ["cache"], "1", "cache/new"),
        ("1,cache/2", ["cache"], "1", "cache/new"),
        ("1,cache/2", ["database"], "database/new", "cache/2"),
        ("database/1,cache/2", ["database", "cache"], "new", "new"),
    ],
)
def test_a_request_for_one_of_them_leaves_that_for_the_other(
    before: str, components: list[str], database: str, cache: str
) -> None:
    assert asked(asking(request(asking(before), components, "new"))) == (database, cache)


KNOWN = {"database": {"identifier": "kind-shop-demo"}}


@pytest.mark.parametrize(
    ("snapshot", "at", "latest", "wanted"),
    [
        ("final", None, False, {"snapshotIdentifier": "final"}),
        (None, None, True, {"pointInTime": {"instanceIdentifier": "kind-shop-demo"}}),
        (
            None,
            "2026-01-02T03:04:05Z",
            False,
            {"pointInTime": {"instanceIdentifier": "kind-shop-demo", "time": "2026-01-02T03:04:05Z"}},
        ),
    ],
)
def test_what_is_restored(snapshot: str | None, at: str | None, latest: bool, wanted: dict[str, Any]) -> None:
    assert restore.source_of(deployment(RDS, KNOWN), snapshot, at, latest) == wanted


@pytest.mark.parametrize(
    ("snapshot", "at", "latest", "status", "words"),
    [
        (None, None, False, KNOWN, "one of --snapshot ID, --at TIME and --latest"),
        ("final", None, True, KNOWN, "one of --snapshot ID, --at TIME and --latest"),
        (None, "yesterday", False, KNOWN, "write the moment in UTC"),
        (None, "2999-01-01T00:00:00Z", False, KNOWN, "yet to come"),
        (None, None, True, {}, "name a snapshot with --snapshot"),
    ],
)
def test_what_is_not_one_source_is_refused(
    snapshot: str | None, at: str | None, latest: bool, status: dict[str, Any], words: str
) -> None:
    with pytest.raises(CliError, match=words):
        restore.source_of(deployment(RDS, status), snapshot, at, latest)


def test_the_new_one_is_as_the_old_one_but_for_what_only_one_can_have() -> None:
    exposure = {
        "host": "scan.example.com",
        "tls": {"secretName": "cert"},
        "service": {"type": "NodePort", "nodePort": 1},
    }
    own = {"provider": "RDS", "rds": {"instanceIdentifier": "warehouse-1", "instanceClass": "db.t4g.micro"}}
    old = deployment({**own, "restoreFrom": {"snapshotIdentifier": "older"}}, exposure=exposure, suspend=True)
    made, notes = restore.manifest_of(old, "demo-2", {"snapshotIdentifier": "final"})
    assert made["metadata"] == {"name": "demo-2", "namespace": "shop"}
    assert made["spec"]["database"] == {
        "provider": "RDS",
        "rds": {"instanceClass": "db.t4g.micro"},
        "restoreFrom": {"snapshotIdentifier": "final"},
    }
    assert made["spec"]["exposure"] == {"service": {"type": "NodePort"}}
    assert "suspend" not in made["spec"]
    assert len(notes) == 2
    assert old["spec"]["exposure"]["host"] == "scan.example.com", "the old one stays as it is"
    assert TraceTrackDeployment.parse(made).spec.database.restore_from
    found = {"manifest": made, "notes": notes, "of": "demo", "created": False}
    assert yaml.safe_load("\n".join(restore.text(found))) == made
    assert "demo itself is not touched." in " ".join(restore.asked(found))


def test_of_what_is_bound_or_shared_the_new_one_has_its_own_or_a_warning() -> None:
    old = deployment({"provider": "RDS", "rds": BOUND}, cache={"provider": "External", "external": {}})
    made, notes = restore.manifest_of(old, "demo-2", {"snapshotIdentifier": "final"})
    assert made["spec"]["database"]["rds"] == {}
    assert notes[0] == "Its database is made by the operator; that of demo is bound."
    assert "two TraceTracks must not share one" in notes[1]
    with pytest.raises(CliError, match="only one of provider RDS"):
        restore.manifest_of(deployment({"provider": "Embedded"}), "demo-2", {})


def test_candidates_are_listed_the_latest_first() -> None:
    def snapshot(name: str, hours: int, status: str = "available") -> dict[str, Any]:
        at = NOW - timedelta(hours=hours)
        return {"DBSnapshotIdentifier": name, "SnapshotCreateTime": at, "Status": status, "SnapshotType": "manual"}

    instance = {
        "LatestRestorableTime": NOW - timedelta(minutes=4),
        "BackupRetentionPeriod": 7,
        "InstanceCreateTime": NOW - timedelta(days=400),
    }
    given = [snapshot("old", 48), snapshot("new", 2), snapshot("made", 0, "creating")]
    found = restore.candidates("kind-shop-demo", [instance], given, NOW)
    assert [each["identifier"] for each in found["snapshots"]] == ["new", "old"]
    assert found["pointInTime"] == {
        "earliest": "2026-11-16T12:00:00Z",
        "latest": "2026-11-23T11:56:00Z",
        "retentionDays": 7,
    }
    assert restore.candidates("x", [{**instance, "BackupRetentionPeriod": 0}], [], NOW)["pointInTime"] is None
    lines = restore.text({"candidates": restore.candidates("x", [], [], NOW)})
    assert "  no moment: its automatic backups are off, or it is gone" in lines
    assert "  there is none" in lines
