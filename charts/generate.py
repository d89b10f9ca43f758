"""Writes what the chart copies from elsewhere, or checks that it is up to date.

The CRDs come from crds/, the table of values in the chart's README from the comments in its values.yaml, the IAM policy
of the operator's role from the table of its AWS calls.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tracetrack_operator.aws.policy import policy

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "tracetrack-operator"
PLACES = ("REGION", "ACCOUNT", "CLUSTER")
"""What whoever takes the IAM policy has to fill in."""
START, END = "<!-- values: written by charts/generate.py -->", "<!-- end of values -->"


def generated() -> dict[Path, str]:
    """Path → text of everything that is generated."""
    files = {CHART / "files/crds" / path.name: path.read_text("utf-8") for path in (ROOT / "crds").glob("*.yaml")}
    return {
        **files,
        CHART / "files/iam-policy.json": f"{json.dumps(policy(*PLACES), indent=2)}\n",
        CHART / "README.md": with_table((CHART / "README.md").read_text("utf-8")),
    }


def drift() -> list[str]:
    """What differs, a line for each file; empty when all is up to date."""
    wanted = generated()
    stale = set((CHART / "files/crds").glob("*")) - wanted.keys()
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    return [
        *(f"{path.relative_to(ROOT)} is not up to date" for path in sorted(differing)),
        *(f"{path.relative_to(ROOT)} has no source in crds/" for path in sorted(stale)),
    ]


def with_table(readme: str) -> str:
    """The README with its table of values made anew."""
    head, _, rest = readme.partition(START)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md has no lines {START} and {END}: put them where the table belongs")
    return f"{head}{START}\n{table()}{END}{tail}"


def table() -> str:
    text = (CHART / "values.yaml").read_text("utf-8")
    values = yaml.safe_load(text)
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for path, comment in described(text):
        default: Any = values
        for part in path.split("."):
            default = default[part]
        rows.append(f"| `{path}` | `{json.dumps(default)}` | {comment} |")
    return "\n".join(rows) + "\n"


def described(text: str) -> Iterator[tuple[str, str]]:
    """Dotted path and comment of every value in `text` that has a comment right above it."""
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        content = line.strip()
        indent = len(line) - len(line.lstrip())
        if content.startswith("#"):
            comment.append(content.removeprefix("#").strip())
            continue
        key, colon, _ = content.partition(":")
        if colon:
            parents = [*((depth, name) for depth, name in parents if depth < indent), (indent, key)]
            if comment:
                yield ".".join(name for _, name in parents), " ".join(comment)
        comment = []


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not up to date")
    if parser.parse_args(arguments).check:
        differences = drift()
        if differences:
            print("\n".join([*differences, "run python charts/generate.py"]), file=sys.stderr)
        return int(bool(differences))
    wanted = generated()
    for path in set((CHART / "files/crds").glob("*")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
