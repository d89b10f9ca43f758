from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tracetrack_operator.engine.plan import Action, Apply, Delete, Disruption, Executor

from .objects import thing


@dataclass(frozen=True)
class Reboot(Action):
    what: str
    disruption: Disruption = field(default=Disruption.REBOOT, kw_only=True)

    def describe(self) -> str:
        return f"reboot {self.what}"


async def test_actions_run_in_their_order_by_the_handler_of_their_type() -> None:
    done: list[str] = []

    async def applied(action: Apply) -> None:
        done.append(f"applied {action.manifest['metadata']['name']}")

    async def rebooted(action: Reboot) -> None:
        done.append(f"rebooted {action.what}")

    executor = Executor()
    executor.register(Apply, applied)
    executor.register(Reboot, rebooted)
    assert await executor.run([Apply(thing("a")), Reboot("db"), Apply(thing("b"))]) == 3
    assert done == ["applied a", "rebooted db", "applied b"]


async def test_the_first_failure_ends_the_plan() -> None:
    done: list[str] = []

    async def reboot(action: Reboot) -> None:
        if action.what == "broken":
            raise RuntimeError("no")
        done.append(action.what)

    executor = Executor()
    executor.register(Reboot, reboot)
    with pytest.raises(RuntimeError):
        await executor.run([Reboot("first"), Reboot("broken"), Reboot("never")])
    assert done == ["first"]


async def test_an_action_without_handler_is_a_defect() -> None:
    with pytest.raises(KeyError):
        await Executor().run([Reboot("db")])


def test_actions_describe_themselves_without_showing_a_manifest() -> None:
    secret = thing("keys", kind="Secret", data={"password": "aHVudGVyMg=="})
    apply = Apply(secret, "edited at .data")
    assert apply.describe() == "apply Secret shop/keys (edited at .data)"
    assert "aHVudGVyMg==" not in repr(apply)
    delete = Delete("Ingress", "shop", "demo-app", "uid-1", disruption=Disruption.DELETE)
    assert delete.describe() == "delete Ingress shop/demo-app"
    assert delete.monthly_cost_change is None
