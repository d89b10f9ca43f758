"""What the operator is measured on: an API server, the emulated AWS, one PostgreSQL and one Redis behind all."""

from __future__ import annotations

import base64
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.emulator import Emulator
from tests.backing import PostgresServer, RedisServer
from tests.bench.cpu import cpu_seconds, peak_mib
from tests.bench.operator.api import Api
from tests.bench.operator.objects import CACHE_SECRET, CLUSTER, DATABASE_SECRET, NAMESPACE, Provider, deployment
from tests.bench.operator.watching import Watching
from tests.cluster.controlplane import ControlPlane
from tests.cluster.run import StageError
from tests.integration.operator.installation import install_crds, operator_account, operator_environment
from tests.integration.operator.process import OperatorProcess

SETTLE_SECONDS = 30.0
QUIET_SECONDS = 3
AUTOSCALER = "horizontal-pod-autoscaler-controller"
"""Where nobody measures pods, it asks in vain for each, and its Events take more than one of two cores."""


@dataclass
class Stage:
    control_plane: ControlPlane
    aws: Emulator
    operator: OperatorProcess
    api: Api
    watching: Watching

    def apply(self, names: Sequence[str], database: Provider, cache: Provider, **spec: Any) -> list[float]:
        """Create a deployment of each name; gives when each was sent (epoch seconds)."""
        bodies = [deployment(name, database, cache, **spec) for name in names]
        return self.api.create(self.watching.path, bodies)

    def cpu(self) -> float:
        return cpu_seconds(self.operator.pid)

    def memory(self) -> float:
        """The operator's at its most since its start."""
        return peak_mib(self.operator.pid)

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the operator has hardly worked for some seconds, at most so long."""
        end = time.monotonic() + seconds
        before, quiet = self.cpu(), 0
        while time.monotonic() < end and quiet < QUIET_SECONDS:
            time.sleep(1)
            now = self.cpu()
            quiet = quiet + 1 if now - before < 0.05 else 0
            before = now

    def restart(self, **environment: str) -> None:
        self.stop()
        self.start(**environment)

    def start(self, **environment: str) -> None:
        try:
            self.operator.start(**environment)
        except AssertionError as error:
            raise StageError(str(error)) from error

    def stop(self) -> None:
        code = self.operator.stop(signal.SIGTERM)
        if code != 0:
            raise StageError(f"the operator ended with {code}:\n{self.operator.tail()}")


@contextmanager
def stage(
    create_seconds: float = 0.0, environment: Mapping[str, str] | None = None, *, audited: bool = False
) -> Iterator[Stage]:
    """A stage of its own for one scenario: quotas enforced, no delays but `create_seconds`, the operator running.

    Whether requests are `audited` is for those who ask for them: it takes the API server a tenth of its time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracetrack-bench-")))
        control_plane = stack.enter_context(ControlPlane(without=(AUTOSCALER,), audited=audited))
        aws = stack.enter_context(
            Emulator(create_seconds=create_seconds, modify_seconds=0, delete_seconds=0, backing="shared")
        )
        aws.quotas(True)
        install_crds(control_plane)
        kubeconfig = operator_account(control_plane)
        api = Api(control_plane.kubeconfig)
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        _others(api, stack.enter_context(PostgresServer()), stack.enter_context(RedisServer()))
        environ = {**operator_environment(aws, folder, CLUSTER), **(environment or {})}
        operator = OperatorProcess(kubeconfig, folder, environ)
        stack.callback(operator.kill)
        made = Stage(control_plane, aws, operator, api, Watching(api, NAMESPACE))
        made.start()
        yield made


def _others(api: Api, database: PostgresServer, cache: RedisServer) -> None:
    """The Secrets of a database and a cache that the operator did not make."""
    secrets = {
        DATABASE_SECRET: {
            "host": database.host,
            "port": str(database.port),
            "database": database.database,
            "username": database.user,
            "password": database.password,
            "sslmode": "disable",
        },
        CACHE_SECRET: {"host": cache.host, "port": str(cache.port), "password": cache.password},
    }
    for name, values in secrets.items():
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", {"metadata": {"name": name}, "data": data})
