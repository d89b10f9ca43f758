"""What takes minutes outside and nothing uses yet is asked for before the other children are applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import DATABASE, REPOSITORY, dependency, observed, owner, settled
from tests.unit.operator.engine.objects import RecordingKube
from tracetrack_operator.dependencies.protocol import Dependency
from tracetrack_operator.deployment.desired import desired
from tracetrack_operator.deployment.execute import PlanRunner
from tracetrack_operator.deployment.observe import Observed
from tracetrack_operator.deployment.plan import Plan, bindings_of, make_plan
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import ReconcileError, RetryableError
from tracetrack_operator.engine.plan import Action, Apply, Executor
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret

CREDENTIALS = secret(Parent.of(owner()).metadata("database-credentials", "database"), {"password": "pw"})


@dataclass(frozen=True)
class Make(Action):
    what: str = "instance"

    def describe(self) -> str:
        return f"make {self.what}"


def missing(*steps: Action) -> Dependency:
    return dependency(None, manifests=(CREDENTIALS,), steps=steps or (Make(),))


def words(actions: Any) -> list[str]:
    return [a.manifest["metadata"]["name"] if isinstance(a, Apply) else a.describe() for a in actions]


def plan(seen: Observed) -> Plan:
    return make_plan(seen, desired(seen, REPOSITORY), needs_finalizer=False)


class Outside:
    """Runs plans against a Kubernetes in memory; `failure` is what `Make` meets."""

    makes_cloud_objects = True

    def __init__(self) -> None:
        self.kube = RecordingKube()
        self.made: list[str] = []
        self.failure: ReconcileError | None = None
        context: Any = SimpleNamespace(kube=self.kube, cache=ObjectCache())
        provider: Any = self
        self.runner = PlanRunner(context, [provider])

    def register(self, executor: Executor) -> None:
        executor.register(Make, self._make)

    async def _make(self, action: Make) -> None:
        if self.failure is not None:
            raise self.failure
        self.made.append(action.what)

    def applied(self) -> list[str]:
        return [manifest["metadata"]["name"] for manifest in self.kube.applied]


def test_a_missing_instance_comes_first_and_after_its_password() -> None:
    found = plan(observed(database=missing()))
    assert [words(group) for group in found.early] == [["demo-database-credentials", "make instance"]]
    assert "demo-database-credentials" not in words(found.children)
    assert "demo-app" in words(found.children)
    assert found.last == ()
    assert words(found)[:2] == ["demo-database-credentials", "make instance"]


@pytest.mark.parametrize(
    "seen",
    [observed(database=dependency(DATABASE, steps=(Make(),))), replace(settled(), database=missing())],
    ids=["it works", "pods have its binding"],
)
def test_a_change_to_what_is_in_use_comes_last(seen: Observed) -> None:
    found = plan(seen)
    assert found.early == ()
    assert words(found.last) == ["make instance"]


async def test_the_other_children_wait_for_the_next_look() -> None:
    outside, seen = Outside(), observed(database=missing())
    assert await outside.runner.run(plan(seen), seen) == (2, {})
    assert outside.made == ["instance"]
    assert outside.applied() == ["demo-database-credentials"]


async def test_what_is_refused_outside_keeps_no_child_from_being_made() -> None:
    outside, seen = Outside(), observed(database=missing())
    outside.failure = RetryableError("AwsAccessDenied", "no")
    _, errors = await outside.runner.run(plan(seen), seen)
    assert errors == {"database": outside.failure}
    assert "demo-app" in outside.applied()


async def test_nothing_is_made_whose_password_could_not_be_kept() -> None:
    outside, seen = Outside(), observed(database=missing())
    outside.kube.failure = RetryableError("Forbidden", "no")
    done, errors = await outside.runner.run(plan(seen), seen)
    assert (done, outside.made) == (0, [])
    assert set(errors) >= {"database"}


async def test_one_that_fails_does_not_hold_up_the_other() -> None:
    outside = Outside()
    cache = dependency(None, steps=(Make(what="cache"),))
    seen = observed(database=missing(), cache=cache)
    outside.kube.failure = RetryableError("Forbidden", "no")
    await outside.runner.run(plan(seen), seen)
    assert outside.made == ["cache"]


def test_what_else_a_secret_keeps_does_not_come_before_what_is_made_with_its_values() -> None:
    live = {**CREDENTIALS, "metadata": {**CREDENTIALS["metadata"], "annotations": {"former": "word"}}}
    (group,) = plan(observed(children=[live], database=missing())).early
    assert words(group) == ["make instance"]
    other = secret(CREDENTIALS["metadata"], {"password": "former"})
    (group,) = plan(observed(children=[other], database=missing())).early
    assert words(group) == ["demo-database-credentials", "make instance"]


def test_of_a_plan_that_follows_a_login_only_its_binding_is_made_at_once() -> None:
    before = observed(database=missing(), cache=dependency(None))
    following = plan(observed())
    assert {"demo-database-binding", "demo-cache-binding", "demo-app"} <= set(words(following.children))
    assert words(bindings_of(following, before)) == ["demo-database-binding"]
