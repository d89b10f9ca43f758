"""Kills the operator at every call it makes to AWS in a flow, and looks what becomes of the flow.

A flow is run once undisturbed while the emulated AWS records the calls. Each of these is a point to kill at: every one
that changes something, and of the reads the first of each operation. Then the flow is run anew in a namespace of its
own, the world is stopped at the point, the operator killed and started again, and the flow driven to its end, which has
to be the end it came to undisturbed: no object more in all of AWS, none less, none otherwise.

Several points share one kill where the call names what it is about: each namespace stops at its own point, and nothing
goes on there until all have stopped. A call that is about the whole account stops everything that the
operator asks, and is killed at alone.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tests.aws.emulator import Emulator, HeldCall
from tests.aws.faults import READS
from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator import endstate
from tests.integration.operator.account import certificate_subjects, holdings
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.fleets import Fleets
from tests.integration.operator.process import OperatorProcess

Moment = Literal["before", "after", "lost"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
# Each namespace may have two calls held at once, and the operator has 16 threads for calls.
TOGETHER = 6
REACHED_SECONDS = 60.0
ENDED_SECONDS = 15.0
DONE_SECONDS = 150.0
SAME_SECONDS = 30.0
CALM_SECONDS = 0.6
LOOK_SECONDS = 0.25
"""Between two looks at six namespaces at once: more of them cost more than the flows themselves."""
NUDGE_SECONDS = 1.0
KILLED_ONE = "killed-operator"
"""Its access key: of all who ask AWS only its calls are recorded and stopped."""
NEVER_CAME = "the call never came"
READS_AGAIN = 3
"""Whether something is read once more before the end of a flow depends on when it was read last."""


class Stage:
    """A namespace in which one flow is run. `uids` are those of the resources made in it, in order; `noted` is what the
    flow remembers of its beginning."""

    def __init__(self, control_plane: ControlPlane, aws: Emulator) -> None:
        self.namespace = f"kill-{uuid.uuid4().hex[:10]}"
        self.aws = aws
        self.control_plane = control_plane
        self.shop = Shop(control_plane, self.namespace)
        self.fleets = Fleets(control_plane, aws, self.namespace)
        self.uids: list[str] = []
        self.noted = ""
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def deploy(self, **spec: Any) -> None:
        """A TraceTrackDeployment `demo`."""
        self.uids.append(self.shop.deploy(**spec)["metadata"]["uid"])

    def fleet(self, replicas: int) -> None:
        """A ScannerFleet `lucknow`, of a deployment that only has to exist."""
        if self.shop.find("tracetrackdeployments", "demo") is None:
            self.fleets.deployment()
        self.uids.append(self.fleets.create(replicas=replicas))

    def nudge(self, plural: str, name: str) -> None:
        """Have the operator look again now at what it waits for: here that takes no time."""
        found = self.shop.find(plural, name)
        if found is not None:
            found["metadata"].setdefault("annotations", {})[endstate.NUDGED] = str(time.monotonic())
            with contextlib.suppress(ApiError):
                self.control_plane.request("PUT", self.shop.path(plural, name), found)

    def annotate(self, **annotations: str) -> None:
        """Annotations `tracetrack.io/…` of the deployment `demo`."""
        words = [f"tracetrack.io/{key}={value}" for key, value in annotations.items()]
        self.control_plane.kubectl("annotate", "--overwrite", "-n", self.namespace, "ttd/demo", *words)

    def drawn(self) -> dict[str, str]:
        """What this run has drawn, and what stands for it."""
        found = {self.namespace: "<namespace>"}
        for number, uid in enumerate(self.uids, 1):
            found |= {uid: f"<uid {number}>", uid[:8]: f"<head of uid {number}>"}
        return found

    def state(self, account: dict[str, endstate.Objects], namespaces: Sequence[str]) -> endstate.State:
        mine = endstate.of_namespace(account, self.namespace, namespaces)
        return endstate.normal(mine, endstate.children(self.control_plane, self.namespace), self.drawn())

    def clear(self) -> None:
        """Remove the namespace and what is in it, while no operator runs."""
        eventually(self._emptied)
        self.control_plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def _emptied(self) -> bool:
        try:
            for plural in ("tracetrackdeployments", "scannerfleets"):
                for item in self.shop.list(plural):
                    name = item["metadata"]["name"]
                    self.shop.delete(plural, name)
                    left = self.shop.find(plural, name)
                    if left is not None:
                        left["metadata"]["finalizers"] = []
                        self.control_plane.request("PUT", self.shop.path(plural, name), left)
        except ApiError:
            # A conflict with a controller, or the API server has too much to do.
            return False
        return True


def nothing(_: Stage) -> None:
    """Nothing to do."""


@dataclass(frozen=True)
class Flow:
    """`act` begins it and returns at once; `done` raises AssertionError until it has come to its end. `prepare` brings
    about what it begins with, and waits for that. `drive` is what goes on outside meanwhile: called each second. All of
    them may ask AWS, as a person does who isn't stopped with the operator.
    """

    name: str
    act: Callable[[Stage], None]
    done: Callable[[Stage], object]
    prepare: Callable[[Stage], None] = nothing
    drive: Callable[[Stage], None] = nothing


@dataclass(frozen=True)
class Call:
    """A call of a flow: the `nth` of its operation. `own` ones name something in the flow's namespace."""

    service: str
    operation: str
    own: bool
    nth: int

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}" + (f" {self.nth}" if self.nth > 1 else "")


@dataclass(frozen=True)
class Point:
    """Where the operator is killed: `before` the call is executed, with its answer `lost`, or just `after` it came."""

    call: Call
    moment: Moment

    def __str__(self) -> str:
        return f"answer lost of {self.call}" if self.moment == "lost" else f"{self.moment} {self.call}"


@dataclass(frozen=True)
class Undisturbed:
    """A flow that nobody disturbed: the calls it made, and the end it came to."""

    calls: tuple[Call, ...]
    state: endstate.State = field(repr=False)


def all_points(calls: Sequence[Call]) -> list[Point]:
    """Every call at every moment."""
    return [Point(call, moment) for call in calls for moment in MOMENTS]


class Sample:
    """Chooses some moments of flow after flow: every call at one of them.

    What creates something has its answer lost, which is where things are made twice; the others are killed before,
    after and with the answer lost in turn. A read that is about the whole account stops the flow in the same place as
    the read of another flow, and takes a kill of its own: it is chosen in the first flow that makes it.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, calls: Sequence[Call]) -> list[Point]:
        wide = {call: (call.service, call.operation) for call in calls if not call.own and _reads(call.operation)}
        wanted = [call for call in calls if wide.get(call) not in self._seen]
        self._seen.update(wide.values())
        creating = [call for call in wanted if call.operation.startswith(("Create", "Restore"))]
        others = [call for call in wanted if call not in creating]
        return [
            *(Point(call, "lost") for call in creating),
            *(Point(call, MOMENTS[number % len(MOMENTS)]) for number, call in enumerate(others)),
        ]


class Killing:
    """Runs flows on one control plane and one emulated AWS, with an operator that it starts and kills."""

    def __init__(self, control_plane: ControlPlane, aws: Emulator, operator: OperatorProcess) -> None:
        self._control_plane = control_plane
        self._aws = aws
        self._operator = operator
        self.seen: dict[str, set[tuple[str, str]]] = {}
        """The calls of each flow that was run undisturbed, by service and operation."""

    def undisturbed(self, flow: Flow) -> Undisturbed:
        with self._staged(flow, 1) as (stage,):
            (about,), before = self._about([stage]), len(self._aws.calls())
            flow.act(stage)
            failed = self._finish(flow, [stage], DONE_SECONDS)
            assert not failed, f"{flow.name} does not come to its end undisturbed: {failed[stage]}"
            self._calm()
            calls = tuple(calls_to_kill_at(self._aws.calls()[before:], about))
            assert calls, f"{flow.name} makes no call to AWS"
            self.seen[flow.name] = {(call.service, call.operation) for call in calls}
            state = self._state(stage)
            while (again := self._state(stage)) != state:
                state = again
            return Undisturbed(calls, state)

    def killed(self, flow: Flow, points: Sequence[Point], undisturbed: Undisturbed) -> Iterator[tuple[Point, str]]:
        """What became of the flow at each point: "" when the same as undisturbed, else what is wrong."""
        own = [point for point in points if point.call.own]
        rounds = [own[start : start + TOGETHER] for start in range(0, len(own), TOGETHER)]
        rounds += [[point] for point in points if not point.call.own]
        for together in rounds:
            found = dict(self._round(flow, together, undisturbed))
            for _ in range(READS_AGAIN):
                missed = [point for point in together if found[point] == NEVER_CAME and _reads(point.call.operation)]
                if not missed:
                    break
                found |= self._round(flow, missed, undisturbed)
            yield from found.items()

    def _round(self, flow: Flow, points: Sequence[Point], undisturbed: Undisturbed) -> list[tuple[Point, str]]:
        with self._staged(flow, len(points)) as stages:
            about = self._about(stages)
            rules = {self._stop_at(*where): stage for stage, *where in zip(stages, points, about, strict=True)}
            for stage in stages:
                flow.act(stage)
            held = self._reached(flow, rules)
            after = {rule for rule, point in zip(rules, points, strict=True) if point.moment == "after"}
            self._aws.held.release([held[rule] for rule in after & held.keys()])
            self._operator.kill()
            self._aws.held.drop()
            self._operator.start()
            reached = [stage for rule, stage in rules.items() if rule in held]
            wrong = self._finish(flow, reached, DONE_SECONDS)
            self._calm()
            wrong |= self._compared([stage for stage in reached if stage not in wrong], stages, undisturbed.state)
            wrong |= {stage: NEVER_CAME for stage in stages if stage not in reached}
            return [(point, wrong.get(stage, "")) for point, stage in zip(points, stages, strict=True)]

    @contextlib.contextmanager
    def _staged(self, flow: Flow, count: int) -> Iterator[list[Stage]]:
        """So many namespaces in an empty account, prepared for the flow, and a fresh operator."""
        self._aws.reset()
        stages = [Stage(self._control_plane, self._aws) for _ in range(count)]
        try:
            self._operator.start()
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(flow.prepare, stages))
            yield stages
        finally:
            self._operator.kill()
            self._aws.faults.clear()
            for stage in stages:
                stage.clear()

    def _stop_at(self, point: Point, about: Sequence[str]) -> int:
        """Have the world stop at a point; gives the rule's id."""
        return self._aws.faults.add(
            point.call.service,
            point.call.operation,
            kind="hold-before" if point.moment == "before" else "hold-after",
            caller=KILLED_ONE,
            about=about if point.call.own else (),
            skip=point.call.nth - 1,
            freeze=True,
        )

    def _about(self, stages: Sequence[Stage]) -> list[list[str]]:
        """For each stage the texts by which calls that name something in it are known."""
        subjects = certificate_subjects(self._aws)
        return [[s.namespace, *(id_ for id_, name in subjects.items() if s.namespace in name)] for s in stages]

    def _reached(self, flow: Flow, rules: dict[int, Stage]) -> dict[int, HeldCall]:
        """The calls that were stopped at, by rule, once all of them are or time is up."""
        now = time.monotonic()
        end, not_ended = now + REACHED_SECONDS, now
        while True:
            held = {call.rule: call for call in self._aws.held.wait(*rules, seconds=NUDGE_SECONDS) if call.first}
            missing = [stage for rule, stage in rules.items() if rule not in held]
            now = time.monotonic()
            if not all(_ended(flow, stage) for stage in missing):
                not_ended = now
            # Some calls come after what `done` looks at.
            if not missing or now > min(end, not_ended + ENDED_SECONDS):
                return held
            for stage in missing:
                flow.drive(stage)

    def _finish(self, flow: Flow, stages: Iterable[Stage], seconds: float) -> dict[Stage, str]:
        """Drive the flow to its end; gives why it hasn't come there, where it hasn't."""
        waiting = dict.fromkeys(stages, "")
        end, nudged_at = time.monotonic() + seconds, 0.0
        while waiting and time.monotonic() < end:
            nudge = time.monotonic() - nudged_at > NUDGE_SECONDS
            nudged_at = time.monotonic() if nudge else nudged_at
            for stage in list(waiting):
                if nudge:
                    flow.drive(stage)
                try:
                    flow.done(stage)
                    del waiting[stage]
                except (AssertionError, ApiError) as error:
                    waiting[stage] = str(error)
            time.sleep(LOOK_SECONDS)
        log = self._operator.tail(20)
        return {stage: f"not at its end after {seconds:.0f} s: {why}\n{log}" for stage, why in waiting.items()}

    def _calm(self) -> None:
        """Wait until the operator changes nothing any more."""
        last, since, end = -1, 0.0, time.monotonic() + SAME_SECONDS
        while True:
            changes = len(self._aws.calls(changing=True))
            now = time.monotonic()
            if changes != last:
                last, since = changes, now
            elif now - since > CALM_SECONDS:
                return
            assert now < end, f"the operator goes on changing AWS:\n{self._operator.tail(20)}"
            time.sleep(LOOK_SECONDS)

    def _compared(
        self, stages: Sequence[Stage], all_stages: Sequence[Stage], wanted: endstate.State
    ) -> dict[Stage, str]:
        """What each has otherwise than `wanted`, when it stays so: controllers take a moment to clear away."""
        namespaces = [stage.namespace for stage in all_stages]
        end = time.monotonic() + SAME_SECONDS
        while True:
            account = holdings(self._aws)
            found = {stage: endstate.difference(wanted, stage.state(account, namespaces)) for stage in stages}
            wrong = {stage: text for stage, text in found.items() if text}
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.5)

    def _state(self, stage: Stage) -> endstate.State:
        return stage.state(holdings(self._aws), [stage.namespace])


def _ended(flow: Flow, stage: Stage) -> bool:
    try:
        flow.done(stage)
    except (AssertionError, ApiError):
        return False
    return True


def _reads(operation: str) -> bool:
    return operation.startswith(READS)


def calls_to_kill_at(calls: Iterable[dict[str, Any]], about: Sequence[str]) -> Iterator[Call]:
    """The operator's calls to kill at: each that changes something, and the first of each read."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    for call in calls:
        if call["caller"] != KILLED_ONE:
            continue
        texts = [value for value in call["params"].values() if isinstance(value, str)]
        own = any(name in text for name in about for text in texts)
        key = (call["service"], call["operation"], own)
        counts[key] += 1
        if counts[key] == 1 or not _reads(call["operation"]):
            yield Call(*key, counts[key])
