"""Secrets whose values are nowhere else: the running operator knows them, so a deleted one comes back as it was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..dependencies.generated import GeneratedSecrets
from ..dependencies.protocol import Children
from ..engine.events import EventRecorder
from ..engine.objects import Object
from ..manifests.parent import APP, Parent
from ..manifests.secret import values
from .specs.secrets import ADMIN

_CONSEQUENCES = {
    True: "The application takes its password while it runs: log in with that.",
    False: "The application's pods are replaced, everybody logs in again, and of two-factor log-ins only the recovery "
    "codes are taken. Whoever has the former key puts it into the Secret as `previous` and deletes the pods.",
}


@dataclass(frozen=True)
class Loss:
    """A Secret that the application had, and that was deleted or emptied. `restored`: it comes back as it was."""

    secret: str
    suffix: str
    restored: bool


@dataclass
class _Seen:
    uid: str
    values: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)


class KeptSecrets:
    """Generated Secrets by the deployment they belong to, with what they held when they were last whole."""

    def __init__(self, generated: GeneratedSecrets) -> None:
        self._generated = generated
        self._seen: dict[tuple[str, str], _Seen] = {}

    async def ensure(
        self, parent: Parent, children: Children, suffix: str, makers: Mapping[str, Callable[[], str]]
    ) -> tuple[dict[str, str], Loss | None]:
        """The values of the Secret, and its loss. Raises as GeneratedSecrets does."""
        place = (parent.namespace, parent.name)
        seen = self._seen.get(place)
        if seen is None or seen.uid != parent.uid:
            seen = self._seen[place] = _Seen(parent.uid)
        name = parent.child(suffix)
        child = children.get(("Secret", name))
        held = {key: value for key, value in values(child).items() if key in makers and value} if child else {}
        if held.keys() == makers.keys():
            seen.values[suffix] = held
            return held, None
        known = seen.values.get(suffix)
        found = await self._generated.ensure(parent, suffix, makers, known)
        # What there is no Deployment for was never there to be lost.
        lost = ("Deployment", parent.child(APP)) in children and known in (None, found)
        if not lost:
            # It may be written, used and deleted before it is looked at again.
            seen.values[suffix] = found
        return found, Loss(name, suffix, restored=known is not None) if lost else None

    def forget(self, namespace: str, name: str) -> None:
        self._seen.pop((namespace, name), None)


async def tell(recorder: EventRecorder, owner: Object, losses: tuple[Loss, ...]) -> None:
    """An Event each."""
    for loss in losses:
        if loss.restored:
            message = f"Secret {loss.secret} was deleted or emptied: it is back with what it held."
            await recorder.emit(owner, "Normal", "SecretRestored", message)
        else:
            message = f"Secret {loss.secret} was deleted or emptied while no operator ran: its content is new. "
            await recorder.emit(owner, "Warning", "SecretReplaced", message + _CONSEQUENCES[loss.suffix == ADMIN])
