"""The table of gates that every benchmark prints and writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tests.cluster.paths import ROOT


@dataclass(frozen=True)
class Gate:
    """`demand` and `measured` in the gate's own unit, which its name says."""

    gate: str
    demand: float
    measured: float
    holds: bool


def at_most(gate: str, demand: float, measured: float) -> Gate:
    return Gate(gate, demand, round(measured, 3), measured <= demand)


def publish(name: str, gates: list[Gate]) -> None:
    """Print the table and write `.bench/NAME.json`."""
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps([asdict(gate) for gate in gates], indent=1) + "\n")
    width = max(len(gate.gate) for gate in gates)
    for gate in gates:
        verdict = "PASS" if gate.holds else "FALLS SHORT"
        print(f"{gate.gate:<{width}}  demand {gate.demand:>8g}  measured {gate.measured:>8g}  {verdict}")
