from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.operator import __main__ as bench
from tests.bench.operator import calls as read
from tests.bench.operator import demands
from tests.bench.operator.demands import Demand
from tests.bench.operator.objects import RDS, deployment, identifier
from tests.bench.operator.scenario import FULL, QUICK
from tests.bench.operator.watching import Watching
from tests.bench.operator.writes import spec_fields, status_writes
from tests.bench.report import table
from tests.cluster.run import StageError


def call(operation: str, time: float, service: str = "rds", error: str | None = None, **params: Any) -> dict[str, Any]:
    return {"service": service, "operation": operation, "time": time, "error": error, "params": params}


class TestCalls:
    def test_pages_of_a_listing_are_one_read_and_a_describe_each_is_many(self) -> None:
        listing = [call("DescribeDBInstances", 10.0), call("DescribeDBInstances", 10.2, Marker="2")]
        later = [call("DescribeDBInstances", 40.0), call("DescribeDBInstances", 40.1, Marker="2")]
        assert read.reads_of_a_tick([*listing, *later], "rds") == 1
        assert read.ticks([*listing, *later], "rds") == 2
        each = [call("DescribeDBInstances", 10 + n / 10, DBInstanceIdentifier=str(n)) for n in range(200)]
        assert read.reads_of_a_tick(each, "rds") == 200
        tags = [call("ListTagsForResource", 10 + n / 10, service="elasticache") for n in range(7)]
        assert read.reads_of_a_tick([*tags, call("CreateReplicationGroup", 10, service="elasticache")], "rds") == 0
        assert read.reads_of_a_tick(tags, "elasticache") == 7

    def test_the_wait_ends_at_the_first_later_call_that_makes_or_changes_the_object(self) -> None:
        calls = [
            call("CreateDBInstance", 12.0, DBInstanceIdentifier="a"),
            call("CreateDBInstance", 11.0, DBInstanceIdentifier="a"),
            call("CreateReplicationGroup", 13.0, ReplicationGroupId="b"),
            call("DescribeDBInstances", 12.9, DBInstanceIdentifier="a"),
        ]
        assert read.waits(calls, [("a", 10.5), ("a", 11.5), ("b", 12.0), ("a", 12.5), ("c", 0.0)]) == [0.5, 0.5, 1.0]
        assert read.last(calls, "CreateDBInstance") == 12.0
        assert read.last(calls, "DeleteDBInstance") is None

    @pytest.mark.parametrize("error", ["Throttling", "ThrottlingException", "RequestLimitExceeded"])
    def test_every_word_for_throttled_counts(self, error: str) -> None:
        calls = [call("CreateDBInstance", 1, error=error), call("CreateDBInstance", 2, error="DBInstanceAlreadyExists")]
        assert read.throttled(calls) == 1

    def test_calls_are_counted_by_service(self) -> None:
        calls = [call("CreateDBInstance", 1), call("DescribeDBInstances", 2), call("GetCallerIdentity", 3, "sts")]
        assert read.per_object(calls, "rds", 4) == 0.5
        assert read.modifies([*calls, call("ModifyDBInstance", 4)]) == 1
        ours, others = read.parted(calls, "rds")
        assert ([each["time"] for each in ours], [each["service"] for each in others]) == ([1, 2], ["sts"])


class TestWrites:
    def test_the_operators_fields_of_the_spec_and_its_changes_count(self) -> None:
        entry = {"manager": "tracetrack-operator-finalizer", "fieldsV1": {"f:metadata": {"f:finalizers": {}}}}
        user = {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:version": {}}}}
        obj = {"metadata": {"generation": 1, "managedFields": [entry, user]}}
        assert spec_fields(obj) == 0
        entry["fieldsV1"] = {"f:spec": {".": {}, "f:version": {}, "f:scaling": {"f:minReplicas": {}, ".": {}}}}
        assert spec_fields(obj) == 2
        obj["metadata"]["generation"] = 4
        assert spec_fields(obj) == 5

    def test_status_writes_of_our_kinds_count_from_then_on(self) -> None:
        def event(
            verb: str = "patch", group: str = "tracetrack.io", subresource: str | None = "status", at: str = "2"
        ) -> Any:
            about = {"apiGroup": group, **({"subresource": subresource} if subresource else {})}
            return {"verb": verb, "objectRef": about, "requestReceivedTimestamp": f"2026-11-23T15:00:0{at}.000000Z"}

        events = [
            event(),
            event(at="0"),
            event("get"),
            event(group="apps"),
            event(subresource=None),
            {**event(), "objectRef": {}},
        ]
        assert status_writes(events, "2026-11-23T15:00:01.000000Z") == 1


class TestWatching:
    @pytest.fixture
    def watching(self) -> Watching:
        class Silent:
            def request(self, *_: object) -> dict[str, Any]:
                return {"metadata": {"resourceVersion": "1"}}

            def watch(self, *_: object) -> Iterator[dict[str, Any]]:
                threading.Event().wait()
                yield {}

        return Watching(Silent(), "shops")  # type: ignore[arg-type]

    @staticmethod
    def seen(name: str, generation: int = 1, **conditions: str) -> dict[str, Any]:
        status = {
            "observedGeneration": 1,
            "conditions": [{"type": type_, "status": value} for type_, value in conditions.items()],
        }
        return {"metadata": {"name": name, "generation": generation}, "status": status}

    def test_an_object_is_synced_once_all_its_conditions_have_been_true(self, watching: Watching) -> None:
        watching._take("ADDED", self.seen("a", DatabaseReady="False", CacheReady="True"), 1.0)
        watching._take("MODIFIED", self.seen("a", DatabaseReady="True", CacheReady="True"), 2.0)
        watching._take("MODIFIED", self.seen("a", DatabaseReady="True", CacheReady="False"), 3.0)
        watching._take("ADDED", self.seen("b", DatabaseReady="True"), 4.0)
        assert watching.true(["a", "b"], "DatabaseReady") == [2.0, 4.0]
        assert watching.true(["a", "b"], "DatabaseReady", "CacheReady") == [2.0]
        assert watching.until_true(["a", "b"], 0.0, "CacheReady") == [1.0]

    def test_an_older_generation_is_not_observed(self, watching: Watching) -> None:
        watching._take("ADDED", self.seen("a", generation=2), 1.0)
        watching._take("ADDED", self.seen("b"), 2.0)
        assert watching.until_observed(["a", "b"], 0.0) == [2.0]
        watching._take("DELETED", self.seen("b"), 3.0)
        assert watching.until_gone(["a", "b"], 0.0) == 1

    def test_a_watch_that_ended_is_taken_up_from_a_list_until_there_is_none(self) -> None:
        class Closing:
            """Ends each watch; its second LIST, which is of two pages, has another object than the watch showed."""

            def __init__(self) -> None:
                self.versions: list[str] = []
                self.pages = [
                    {"metadata": {"resourceVersion": "1"}},
                    {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": []},
                    {"metadata": {"resourceVersion": "7"}, "items": [TestWatching.seen("b", Ready="True")]},
                ]

            def request(self, *_: object) -> dict[str, Any]:
                if not self.pages:
                    raise StageError("the API server is gone")
                return self.pages.pop(0)

            def watch(self, _: str, version: str) -> Iterator[dict[str, Any]]:
                self.versions.append(version)
                if version == "1":
                    yield {"type": "ADDED", "object": TestWatching.seen("a")}
                    yield {"type": "ERROR", "object": {"code": 410}}

        closing = Closing()
        watching = Watching(closing, "shops")  # type: ignore[arg-type]
        with pytest.raises(StageError, match="has ended: the API server is gone"):
            watching.until_true(["a", "b"], 30.0, "Ready")
        assert closing.versions == ["1", "7"]
        assert len(watching.true(["b"], "Ready")) == 1
        assert watching.until_gone(["a", "b"], 0.0) == 1, "a was in no list"


def test_acks_figure_stands_beside_the_gate() -> None:
    gates = [Demand("calls, {n} objects", 2.5, "10").measured(2, n=200), Demand("P99", 2, "–").unmeasured("none came")]
    assert table(gates).splitlines() == [
        "calls, 200 objects  ACK 10  demand    ≤ 2.5  measured        2  PASS",
        "P99                 ACK –   demand      ≤ 2  measured        –  FALLS SHORT  none came",
    ]


def test_every_demand_is_measured_by_one_scenario() -> None:
    listed = [demand for scenario in bench.SCENARIOS for demand in scenario.demands]
    known = [value for value in vars(demands).values() if isinstance(value, Demand)]
    assert sorted(demand.name for demand in listed) == sorted(demand.name for demand in known)


def test_a_scenario_that_cannot_be_played_falls_short_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> list[Any]:
        raise StageError("etcd did not start\nand so on")

    scenario = bench.Scenario("lost", (demands.LOST_SYNCED, demands.LOST_LEFT), lambda sizes: sizes.lost, broken)
    monkeypatch.setattr(bench, "SCENARIOS", (scenario,))
    gates = bench.measure(bench.options(["--only", "lost"]))
    assert [(gate.measured, gate.holds, gate.note) for gate in gates] == [(None, False, "etcd did not start")] * 2
    assert "10 objects" in gates[0].gate


def test_quick_takes_fewer_objects() -> None:
    assert bench.options([]).sizes is FULL
    assert bench.options(["--quick"]).sizes is QUICK
    assert (FULL.many, FULL.large, FULL.idle) == (200, 1_000, 10_000)


def test_identifiers_are_those_that_the_operator_chooses() -> None:
    from tracetrack_operator.cache.elasticache.provider import NAMING

    owner = {**deployment("shop-00001", RDS, RDS), "metadata": {"name": "shop-00001", "namespace": "shops"}}
    assert identifier("shop-00001") == NAMING.identifier("bench", owner)
