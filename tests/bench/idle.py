"""What the operator costs when nothing changes: on the demo's cluster, read from its own metrics over a minute."""

from __future__ import annotations

import re
import time

from tests.bench.report import at_most, publish
from tests.demo.stage import SYSTEM_NAMESPACE, Stage

SECONDS = 60
MIB = 1024 * 1024


def _figures(stage: Stage) -> dict[str, float]:
    """CPU seconds, resident bytes, and status writes so far."""
    service = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/services/tracetrack-operator-metrics:metrics/proxy/metrics"
    text = stage.kubectl("get", "--raw", service)

    def total(name: str) -> float:
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    return {
        "cpu": total("process_cpu_seconds_total"),
        "memory": total("process_resident_memory_bytes"),
        "status": total("tracetrack_operator_status_writes_total"),
    }


def main() -> None:
    stage = Stage.from_environment()
    before, start = _figures(stage), time.monotonic()
    time.sleep(SECONDS)
    after, seconds = _figures(stage), time.monotonic() - start
    publish(
        "idle",
        [
            at_most("operator, idle: CPU, % of a core", 2, 100 * (after["cpu"] - before["cpu"]) / seconds),
            at_most("operator, idle: resident memory, MiB", 150, after["memory"] / MIB),
            at_most("operator, idle: status writes in a minute", 0, after["status"] - before["status"]),
        ],
    )


if __name__ == "__main__":
    main()
