"""Writes what the READMEs of the operator and its command line have from the code, or checks it."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import tracetrack_operator
from tracetrack_operator.aws.calls import CALLS
from tracetrack_operator.cli.readonly import LOOKS
from tracetrack_operator.engine.metrics import ConditionCollector, ObjectGauge
from tracetrack_operator.settings import Settings

README = Path(__file__).with_name("README.md")
CLI_README = README.parent / "tracetrack_operator" / "cli" / "README.md"
PLANNED = ("rds", "elasticache", "resourcegroupstaggingapi")


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


def rights() -> str:
    """What looks at databases and caches: a plan asks for nothing else, a deletion's for one more."""
    looks = sorted(
        call.action for call in CALLS.values() if call.service in PLANNED and call.operation.startswith(LOOKS)
    )
    listed = ", ".join(f"`{action}`" for action in looks)
    told = f"{listed}; for what a deletion would do also `{CALLS['secretsmanager', 'describe_secret'].action}`."
    return textwrap.fill(told, 120, break_on_hyphens=False)


BLOCKS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"settings": settings, "metrics": metrics},
    CLI_README: {"rights": rights},
}


def generated(readme: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """The README with its blocks made anew."""
    for name, made in blocks.items():
        text = made()
        block = re.compile(
            rf"(<!-- {name}: written by operator/generate\.py -->\n).*?(<!-- end of {name} -->)", re.DOTALL
        )
        readme, count = block.subn(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", readme)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"the README needs one pair of lines that mark what is written of {name}")
    return readme


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the README is not up to date")
    check = parser.parse_args(arguments).check
    for path, blocks in BLOCKS.items():
        present = path.read_text("utf-8")
        wanted = generated(present, blocks)
        if check and wanted != present:
            print(f"{path} is not up to date: run python operator/generate.py", file=sys.stderr)
            return 1
        if not check:
            path.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
