"""The table of gates that every benchmark prints and writes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.cluster.paths import ROOT


@dataclass(frozen=True)
class Gate:
    """`demand` and `measured` in the gate's own unit, which its name says; `measured` is None where nothing could be.

    `ack` is what the AWS Controllers for Kubernetes showed for the same work, in words; None where nobody asked them.
    `note` is printed behind the verdict and not written.
    """

    gate: str
    demand: float
    measured: float | None
    holds: bool
    sign: str = "≤"
    note: str = ""
    ack: str | None = None


def at_most(gate: str, demand: float, measured: float, note: str = "") -> Gate:
    return Gate(gate, demand, round(measured, 3), measured <= demand, "≤", note)


def at_least(gate: str, demand: float, measured: float, note: str = "") -> Gate:
    return Gate(gate, demand, round(measured, 3), measured >= demand, "≥", note)


def unmeasured(gate: str, demand: float, sign: str, why: str) -> Gate:
    """A gate that falls short because there is nothing to measure."""
    return Gate(gate, demand, None, False, sign, why)


def table(gates: list[Gate]) -> str:
    """One line a gate: name, demand, measured, PASS or FALLS SHORT, note; ACK's figure where a gate has one."""
    width = max((len(gate.gate) for gate in gates), default=0)
    beside = max((len(gate.ack) for gate in gates if gate.ack is not None), default=0)
    lines = []
    for gate in gates:
        measured = "–" if gate.measured is None else f"{gate.measured:g}"
        verdict = "PASS" if gate.holds else "FALLS SHORT"
        note = f"  {gate.note}" if gate.note else ""
        demand = f"{gate.sign} {gate.demand:g}"
        ack = f"ACK {gate.ack or '–':<{beside}}  " if beside else ""
        lines.append(
            f"{gate.gate:<{width}}  {ack}demand {demand:>8}  measured {measured:>8}  {verdict:<11}{note}".rstrip()
        )
    return "\n".join(lines)


def publish(name: str, gates: list[Gate]) -> None:
    """Print the table and write `.bench/NAME.json`."""
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    shown = [
        {
            **{"gate": gate.gate, "demand": gate.demand, "measured": gate.measured, "holds": gate.holds},
            **({} if gate.ack is None else {"ack": gate.ack}),
        }
        for gate in gates
    ]
    (folder / f"{name}.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    print(table(gates), flush=True)
