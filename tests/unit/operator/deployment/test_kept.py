"""Secrets that nothing else has a copy of: what was seen in them comes back, and what is lost is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner, stored
from tests.unit.operator.engine.objects import RecordingKube
from tracetrack_operator.dependencies.generated import GeneratedSecrets
from tracetrack_operator.deployment.kept import KeptSecrets, Loss, tell
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.events import EventRecorder
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret

PARENT = Parent.of(owner())
MAKERS = {"username": lambda: "admin", "password": lambda: "fresh"}
SEEN = {"username": "admin", "password": "seen"}
DEPLOYMENT = ("Deployment", "demo-app")


@pytest.fixture
def kept() -> KeptSecrets:
    return KeptSecrets(GeneratedSecrets(RecordingKube(), ObjectCache()))


def children(values: dict[str, str] | None, *, used: bool = True) -> dict[tuple[str, str], Object]:
    found: dict[tuple[str, str], Object] = {DEPLOYMENT: {}} if used else {}
    if values is not None:
        found["Secret", "demo-admin"] = stored(secret(PARENT.metadata("admin", "app"), values))
    return found


async def ensure(kept: KeptSecrets, values: dict[str, str] | None, **how: Any) -> tuple[dict[str, str], Loss | None]:
    return await kept.ensure(how.pop("parent", PARENT), children(values, **how), "admin", MAKERS)


@pytest.mark.parametrize("left", [None, {}, {"username": "admin"}, {**SEEN, "password": ""}])
async def test_what_was_seen_comes_back(kept: KeptSecrets, left: dict[str, str] | None) -> None:
    assert await ensure(kept, SEEN) == (SEEN, None)
    assert await ensure(kept, left) == (SEEN, Loss("demo-admin", "admin", restored=True))


async def test_what_was_changed_by_hand_is_what_comes_back(kept: KeptSecrets) -> None:
    await ensure(kept, SEEN)
    changed = {**SEEN, "password": "chosen"}
    assert await ensure(kept, changed) == (changed, None)
    assert (await ensure(kept, None))[0] == changed


async def test_what_was_never_seen_is_new_and_told_if_the_application_had_it(kept: KeptSecrets) -> None:
    fresh = {**SEEN, "password": "fresh"}
    assert await ensure(kept, None) == (fresh, Loss("demo-admin", "admin", restored=False))
    assert await ensure(kept, None) == (fresh, Loss("demo-admin", "admin", restored=False)), "it is not stored yet"


async def test_what_was_made_up_comes_back_although_it_was_gone_before_it_was_seen() -> None:
    drawn = (f"fresh {number}" for number in range(9))
    kept = KeptSecrets(GeneratedSecrets(RecordingKube(), ObjectCache()))
    makers = {"password": lambda: next(drawn)}
    first, loss = await kept.ensure(PARENT, children(None, used=False), "admin", makers)
    assert (first, loss) == ({"password": "fresh 0"}, None)
    assert await kept.ensure(PARENT, children(None), "admin", makers) == (first, Loss("demo-admin", "admin", True))


async def test_a_namesake_gets_nothing_of_what_its_predecessor_had(kept: KeptSecrets) -> None:
    await ensure(kept, SEEN)
    other = Parent.of(owner(uid="uid-2"))
    assert (await ensure(kept, None, parent=other, used=False))[0]["password"] == "fresh"
    await ensure(kept, SEEN)
    kept.forget("shop", "demo")
    assert (await ensure(kept, None))[0]["password"] == "fresh"


async def test_a_loss_is_told_without_what_was_lost() -> None:
    kube = RecordingKube()
    losses = tuple(
        Loss(f"demo-{suffix}", suffix, restored) for suffix in ("admin", "session") for restored in (True, False)
    )
    await tell(EventRecorder(kube, "tracetrack-operator", "pod-1"), owner(), losses)
    assert [(event["type"], event["reason"]) for event in kube.applied] == [
        ("Normal", "SecretRestored"),
        ("Warning", "SecretReplaced"),
    ] * 2
    assert all(loss.secret in event["message"] for loss, event in zip(losses, kube.applied, strict=True))
    assert "log in with that" in kube.applied[1]["message"]
    assert "everybody logs in again" in kube.applied[3]["message"]
