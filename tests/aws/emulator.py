"""The emulated AWS as a process of a test run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self
from urllib.error import HTTPError
from urllib.parse import urlencode

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
_MAKING = Lock()


class EmulatorError(RuntimeError):
    """The emulator did not start or refused a control request."""


class Faults:
    """Switches failures on, per operation."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def add(
        self,
        service: str,
        operation: str,
        *,
        kind: Literal["throttle", "error", "lost", "latency", "hold-before", "hold-after"],
        times: int | None = 1,
        probability: float | None = None,
        seconds: float | None = None,
        code: str | None = None,
        status: int | None = None,
        match: dict[str, Any] | None = None,
        caller: str = "",
        about: Sequence[str] = (),
        skip: int = 0,
        freeze: bool = False,
    ) -> int:
        """Spoil the next `times` calls (None: all) of an operation such as ("iot", "CreateThing"); "*" is any. Gives
        the id of the rule.

        throttle and error answer without executing; lost executes and drops the connection; latency waits `seconds`
        first; hold-before and hold-after stop the call, see `Emulator.held`. `match` narrows to calls with these
        parameters, `caller` to those signed with this access key, `about` to those with one of these texts in a
        parameter, `probability` (0-1) to some of them; `skip` lets so many pass first. `freeze`, of a hold: every later
        call, of the same caller and about the same, is held as well, before it is executed.
        """
        rule = {
            **{"service": service, "operation": operation, "kind": kind, "times": times, "probability": probability},
            **{"seconds": seconds, "code": code, "status": status, "match": match or {}},
            **{"caller": caller, "about": list(about), "skip": skip, "freeze": freeze},
        }
        return int(self._emulator.control("POST", "faults", rule)["id"])

    def clear(self) -> None:
        self._emulator.control("DELETE", "faults")

    def rules(self) -> list[dict[str, Any]]:
        """The rules with how often each has fired (`fired`)."""
        return list(self._emulator.control("GET", "faults"))


@dataclass(frozen=True)
class HeldCall:
    """A call that a rule stopped `before` it was executed or `after`; `first` is false for one that was frozen."""

    id: int
    rule: int
    first: bool
    moment: str
    service: str
    operation: str
    params: dict[str, Any]


class Held:
    """The calls that are stopped now: by rules of kind hold-before and hold-after."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def wait(self, *rules: int, seconds: float = 30.0) -> list[HeldCall]:
        """The calls held as soon as each of `rules` holds one; what there is when `seconds` (50 at most) are over."""
        query = "&".join([*(f"rule={rule}" for rule in rules), f"seconds={min(seconds, 50.0)}"])
        return [HeldCall(**call) for call in self._emulator.control("GET", f"held?{query}")]

    def release(self, calls: Sequence[HeldCall] | None = None) -> list[HeldCall]:
        """Let calls go on; with None all of them, and no further one is held. Returns when they are answered."""
        return self._decide("release", calls)

    def drop(self, calls: Sequence[HeldCall] | None = None) -> list[HeldCall]:
        """Cut calls off: their callers get no answer, and what was held before never happens. With None all of them,
        and no further one is held."""
        return self._decide("drop", calls)

    def _decide(self, then: str, calls: Sequence[HeldCall] | None) -> list[HeldCall]:
        asked = {"then": then, "calls": None if calls is None else [call.id for call in calls]}
        return [HeldCall(**call) for call in self._emulator.control("POST", "held", asked)]


class Emulator:
    """Starts on a free loopback port and ends with the test run. Delays in seconds.

    `backing` "shared": one PostgreSQL and one Redis behind all endpoints, for hundreds of instances.
    """

    def __init__(
        self,
        *,
        create_seconds: float = 0.3,
        modify_seconds: float = 0.3,
        delete_seconds: float = 0.3,
        backing: Literal["own", "shared"] = "own",
    ) -> None:
        self._delays = {"create": create_seconds, "modify": modify_seconds, "delete": delete_seconds}
        self._backing = backing
        self._process: subprocess.Popen[str] | None = None
        self.log = Path("/dev/null")
        self.endpoint_url = ""
        self.faults = Faults(self)
        self.held = Held(self)

    def start(self) -> Self:
        """Start, and return once it answers. EmulatorError with the end of its log when it does not."""
        command = [sys.executable, "-m", "tests.aws", "--port", "0", "--until-stdin-closes"]
        command += ["--backing", self._backing]
        for name, seconds in self._delays.items():
            command += [f"--{name}-seconds", str(seconds)]
        self.log = Path(tempfile.mkdtemp(prefix="tracetrack-aws-log-")) / "emulator.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.wait(10)
            raise EmulatorError(f"the emulated AWS did not start:\n{self.log.read_text()[-3000:]}")
        self.endpoint_url = json.loads(line)["endpoint"]
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        if process.stdout:
            process.stdout.close()
        shutil.rmtree(self.log.parent, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environ(self) -> dict[str, str]:
        """What a process needs in its environment so that boto3 talks to this emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: Any, **options: Any) -> Any:
        """A boto3 client of `service`; standard retries with 3 attempts unless a `config` is given."""
        with _MAKING:
            return _client(self.endpoint_url, service, **options)

    def calls(
        self, service: str | None = None, operation: str | None = None, *, changing: bool = False
    ) -> list[dict[str, Any]]:
        """The calls since the last reset, oldest first: service, operation, region, caller (access key), time (epoch
        seconds), duration (seconds), status (0 until it is answered), error (code or None), fault (kind or None),
        params (short ones that are no secret). With `changing`, only those that aren't reads."""
        asked = {"service": service or "", "operation": operation or "", "changing": int(changing)}
        return list(self.control("GET", f"calls?{urlencode(asked)}"))

    def rights(self) -> list[dict[str, Any]]:
        """What the calls that succeeded for the access key `operator` would have taken of IAM, since the start: call
        (service and operation), action, resource, and the tags that the call gave and the resource carried."""
        return list(self.control("GET", "rights"))

    def unsupported(self) -> list[dict[str, str]]:
        """Calls that no emulator supports: service, operation, reason."""
        return list(self.control("GET", "unsupported"))

    def quotas(self, enabled: bool, limits: dict[str, float] | None = None) -> None:
        """Enforce AWS's API rates; `limits` overrides single ones: {"iot:CreateThing": calls per second}."""
        self.control("PUT", "quotas", {"enabled": enabled, "limits": limits or {}})

    def clock(self, **seconds: float) -> None:
        """Other delays until the reset: create_seconds, modify_seconds, delete_seconds, optimize_seconds,
        storage_cooldown_seconds, stale_seconds."""
        self.control("PUT", "clock", seconds)

    @contextmanager
    def standstill(self) -> Iterator[None]:
        """The clock of states stands still for as long: what lasts a moment can be looked at, however slow one is."""
        self.control("PUT", "clock", {"running": False})
        try:
            yield
        finally:
            self.control("PUT", "clock", {"running": True})

    def stale(self, calls: dict[str, float]) -> None:
        """How many seconds single describes show what was before a write: {"rds:DescribeDBInstances": 0.5}."""
        self.control("PUT", "stale", calls)

    def trouble(self, identifier: str, state: str) -> None:
        """Show a DB instance that is available in a state that only a person could mend, such as storage-full."""
        self.control("PUT", "trouble", {identifier: state})

    def maintenance(
        self, service: Literal["rds", "elasticache"], identifier: str | None = None, *, minor_versions: bool = False
    ) -> list[str]:
        """Open the maintenance window of one instance or group, or of all: what is pending is applied. With
        `minor_versions` those that allow it get the newest minor version. The identifiers for which something was due.
        """
        asked = {"service": service, "identifier": identifier, "minor_versions": minor_versions}
        return list(self.control("POST", "maintenance", asked))

    def ca(self) -> str:
        """The CA of the databases and caches, in PEM."""
        return str(self.control("GET", "ca"))

    def reset(self) -> None:
        """Back to an empty account: resources, their servers, faults, quotas and recorded calls are gone."""
        self.control("POST", "reset")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the control interface under /_tracetrack/."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint_url}/_tracetrack/{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode()
                return json.loads(text) if "json" in answer.headers["Content-Type"] else text
        except HTTPError as refused:
            raise EmulatorError(f"{method} {path}: {refused.read().decode()}") from refused


@cache
def _client(endpoint: str, service: Any, **options: Any) -> Any:
    """One for all who want the same: to make one takes 50 ms of processor time."""
    given = {"config": Config(retries={"mode": "standard", "max_attempts": 3}), **options}
    return _session().client(service, endpoint_url=endpoint, **given)


@cache
def _session() -> boto3.session.Session:
    """One for all: each reads the descriptions of its services anew."""
    return boto3.session.Session(aws_access_key_id="emulator", aws_secret_access_key="emulator", region_name=REGION)
