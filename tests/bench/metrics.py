"""The app's own metrics, as it tells them at /metrics."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping

from tests.bench.servers import Server

_LINE = re.compile(r"^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def parse(text: str) -> dict[tuple[str, str], float]:
    """(name, labels as written) → value."""
    return {(found[1], found[2] or ""): float(found[3]) for found in _LINE.finditer(text)}


def scrape(server: Server) -> dict[tuple[str, str], float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return parse(answer.read().decode())


def by_label(samples: Mapping[tuple[str, str], float], name: str, label: str) -> dict[str, float]:
    """The values of one metric, by one of its labels."""
    found: dict[str, float] = {}
    for (metric, labels), value in samples.items():
        match = re.search(rf'{label}="([^"]*)"', labels)
        if metric == name and match:
            found[match[1]] = found.get(match[1], 0.0) + value
    return found
