from __future__ import annotations

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from tracetrack_operator.engine.metrics import ConditionCollector, ObjectGauge


def test_the_series_of_an_object_follow_its_conditions_and_go_with_it() -> None:
    registry, conditions = CollectorRegistry(), ConditionCollector()
    registry.register(conditions)

    def value(type_: str, status: str, name: str = "demo") -> float | None:
        labels = {"kind": "Fleet", "namespace": "shop", "name": name, "type": type_, "status": status}
        return registry.get_sample_value("tracetrack_operator_condition", labels)

    conditions.record(
        "Fleet", "shop", "demo", [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]
    )
    conditions.record("Fleet", "shop", "two", [{"type": "Ready", "status": "Unknown"}])
    assert [value("Ready", status) for status in ("True", "False", "Unknown")] == [1, 0, 0]
    assert value("Other", "False") == 1
    conditions.record("Fleet", "shop", "demo", [{"type": "Ready", "status": "False"}])
    assert [value("Ready", status) for status in ("True", "False")] == [0, 1]
    assert value("Other", "False") is None, "a condition that is no longer told has no series"
    conditions.forget("Fleet", "shop", "demo")
    conditions.forget("Fleet", "shop", "never there")
    assert value("Ready", "False") is None
    assert value("Ready", "Unknown", "two") == 1


def test_a_gauge_of_objects_gives_and_forgets_their_series() -> None:
    gauge = ObjectGauge("tracetrack_test_objects", "For this test.", ["state"])
    try:
        for name in ("a", "b"):
            gauge.set(1, "shop", name, "new")
            gauge.set(2, "shop", name, "old")
        gauge.set(3, "shop", "a", "new")
        gauge.forget("shop", "b", "new")
        gauge.forget("shop", "nobody")

        def values() -> dict[tuple[str, ...], float]:
            (family,) = gauge.collect()
            return {tuple(sample.labels.values()): sample.value for sample in family.samples}

        assert values() == {("shop", "a", "new"): 3, ("shop", "a", "old"): 2, ("shop", "b", "old"): 2}
        gauge.forget("shop", "a")
        assert values() == {("shop", "b", "old"): 2}
        with pytest.raises(ValueError, match="has the labels namespace, name, state"):
            gauge.set(1, "shop", "a")
    finally:
        REGISTRY.unregister(gauge)
