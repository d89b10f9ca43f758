import json
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.report import Gate, at_least, at_most, table, unmeasured


def test_a_demand_that_is_met_exactly_holds() -> None:
    assert at_most("CPU", 2, 2).holds
    assert at_least("rate", 2500, 2500).holds
    assert not at_most("CPU", 2, 2.0001).holds
    assert not at_least("rate", 2500, 2499.9).holds


def test_what_was_not_measured_falls_short() -> None:
    gate = unmeasured("cached GET", 5, "≥", "there is no such route")
    assert (gate.measured, gate.holds) == (None, False)
    assert table([gate]) == "cached GET  demand      ≥ 5  measured        –  FALLS SHORT  there is no such route"


def test_the_table_has_a_line_a_gate() -> None:
    lines = table([at_least("scan / no-op", 0.45, 0.7411, "worker 129 µs"), at_most("P99, ms", 40, 41)]).splitlines()
    assert lines == [
        "scan / no-op  demand   ≥ 0.45  measured    0.741  PASS         worker 129 µs",
        "P99, ms       demand     ≤ 40  measured       41  FALLS SHORT",
    ]


def test_what_is_written_has_four_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ROOT", tmp_path)
    report.publish("app", [Gate("a gate", 1, 0.5, True, "≤", "note"), unmeasured("another", 1, "≤", "absent")])
    assert json.loads((tmp_path / ".bench" / "app.json").read_text()) == [
        {"gate": "a gate", "demand": 1, "measured": 0.5, "holds": True},
        {"gate": "another", "demand": 1, "measured": None, "holds": False},
    ]
