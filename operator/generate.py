"""Writes the tables of settings and metrics in the operator's README from the code, or checks them."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import tracetrack_operator
from tracetrack_operator.engine.metrics import ConditionCollector, ObjectGauge
from tracetrack_operator.settings import Settings

README = Path(__file__).with_name("README.md")


def settings() -> str:
    rows = ["| Variable | Default |", "|---|---|"]
    for field in fields(Settings):
        default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        rows.append(f"| `TRACETRACK_{field.name.upper()}` | {f'`{default}`' if default else ''} |")
    return "\n".join(rows)


def metrics() -> str:
    for module in pkgutil.walk_packages(tracetrack_operator.__path__, "tracetrack_operator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    rows = {}
    for collector in list(REGISTRY._names_to_collectors.values()):
        if isinstance(collector, MetricWrapperBase) and collector._name.startswith("tracetrack_operator_"):
            name = collector._name + ("_total" if collector._type == "counter" else "")
            labels = ", ".join(collector._labelnames)
            rows[name] = f"| `{name}` | {collector._type} | {labels} | {collector._documentation} |"
        elif isinstance(collector, ConditionCollector | ObjectGauge):
            rows[collector.name] = (
                f"| `{collector.name}` | gauge | {', '.join(collector.labels)} | {collector.documentation} |"
            )
    return "\n".join(
        ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|", *(rows[name] for name in sorted(rows))]
    )


def generated(readme: str) -> str:
    """The README with its tables made anew."""
    for name, table in (("settings", settings()), ("metrics", metrics())):
        block = re.compile(
            rf"(<!-- {name}: written by operator/generate\.py -->\n).*?(<!-- end of {name} -->)", re.DOTALL
        )
        readme, count = block.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", readme)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"README.md needs one pair of lines that mark the table of {name}")
    return readme


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the README is not up to date")
    check = parser.parse_args(arguments).check
    present = README.read_text("utf-8")
    wanted = generated(present)
    if check and wanted != present:
        print(f"{README.name} is not up to date: run python operator/generate.py", file=sys.stderr)
        return 1
    if not check:
        README.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
