"""The Secret with the operator's credentials for a cloud object, and the one that a user brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...api.constants import AGREED
from ...engine.errors import TerminalError
from ...engine.objects import Object, annotations_of, controller_uid
from ...engine.ports import KubePort
from ...kube.namespaces import is_terminating
from ...manifests.parent import Parent
from ...manifests.secret import secret, values
from ..binding import Binding
from ..external import InvalidSecret
from ..generated import GeneratedSecrets
from ..protocol import Scope
from ..rotation import Kept, Schedule
from .access import Access, Seat
from .fields import Item
from .vault import Vault


@dataclass(frozen=True)
class CredentialsSecret:
    """`name` is the Secret's suffix; `optional` are keys that needn't be there.

    `seen` are the values by owner's UID, as they are in force: in a namespace that goes, a Secret may go before its
    owner.
    """

    kube: KubePort
    generated: GeneratedSecrets
    vault: Vault
    component: str
    optional: tuple[str, ...] = ()
    seen: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.component}-credentials"

    def find(self, scope: Scope) -> Object | None:
        return scope.children.get(("Secret", scope.parent.child(self.name)))

    def bound_values(self, scope: Scope) -> dict[str, str]:
        """What the application has."""
        found = scope.children.get(("Secret", scope.parent.child(f"{self.component}-binding")))
        return values(found) if found is not None else {}

    def seat(self, scope: Scope, item: Item, main: Binding, access: Access, schedule: Schedule) -> Seat:
        return Seat(scope, item, main, access.values, access.kept, self.bound_values(scope), schedule)

    async def ensure(
        self, scope: Scope, makers: Mapping[str, Callable[[], str]], known: Mapping[str, str], left: bool
    ) -> dict[str, str]:
        """Its values; what was lost is taken from what it last held, from `known`, or when the object is there (`left`)
        from what an earlier owner saved.

        Raises WaitingError when it is somebody else's.
        """
        kept, seen = self.find(scope), self.seen.get(scope.parent.uid, {})
        known = {**known, **seen}
        if kept is None and left:
            known = {**await self.vault.find(scope.owner, self.component), **known}
        found = await self.generated.ensure(scope.parent, self.name, makers, known)
        more = values(kept) if kept is not None else seen
        found = {**found, **{key: more[key] for key in self.optional if key in more}}
        # What is made up for an object that is there opens nothing until it is written and approved.
        if kept is not None or not left or all(known.get(key) == found[key] for key in makers):
            self.seen[scope.parent.uid] = found
        return found

    async def of(self, owner: Object) -> Object | None:
        """The Secret as the API server has it now; None where it isn't the owner's."""
        parent = Parent.of(owner)
        found = await self.kube.get("Secret", parent.namespace, parent.child(self.name))
        return found if found is not None and controller_uid(found) == parent.uid else None

    async def known(self, owner: Object) -> bool:
        """Whether any were ever made, as far as can be told."""
        return owner["metadata"]["uid"] in self.seen or await self.of(owner) is not None

    async def outlive(self, owner: Object, host: str) -> str:
        """Save the values for when the owner has gone; gives where they are, in words."""
        parent = Parent.of(owner)
        live = await self.of(owner)
        found = values(live) if live is not None else self.seen.get(parent.uid)
        if not found:
            return (
                f"Its password went with Secret {parent.child(self.name)}: who adopts it sets a new one, by approving "
                "that."
            )
        kept = {**found, "host": host}
        try:
            name = await self.vault.keep(owner, self.component, kept)
        except TerminalError as error:
            if not await is_terminating(self.kube, parent.namespace):
                raise
            name = await self.vault.keep(owner, self.component, kept, beside=True)
            return f"Its credentials are saved in Secrets Manager as {name}. {error.message}"
        return (
            f"Its credentials are saved in Secrets Manager as {name}: a new TraceTrackDeployment of the same name "
            "takes them from there when it adopts it."
        )

    async def forget(self, owner: Object) -> None:
        """Nothing is left that they would open."""
        await self.vault.forget(owner, self.component)
        self.seen.pop(owner["metadata"]["uid"], None)

    async def live(self, seat: Seat) -> Mapping[str, str]:
        """Its values as the API server has them now."""
        found = await self.of(seat.scope.owner)
        return values(found) if found is not None else {}

    def manifest(self, scope: Scope, data: Mapping[str, str], kept: Kept, agreed: Mapping[str, Any]) -> Object:
        metadata = scope.parent.metadata(self.name, self.component)
        mine = {AGREED: json.dumps(agreed, sort_keys=True), **kept.annotations()}
        return secret({**metadata, "annotations": {**(metadata.get("annotations") or {}), **mine}}, data)

    async def brought(
        self, scope: Scope, name: str, field: str, parse: Callable[[dict[str, str]], dict[str, str]]
    ) -> tuple[str, dict[str, str]]:
        """What is wrong with a user's Secret, or what `parse` makes of it (raises InvalidSecret)."""
        what = f"Secret {scope.parent.namespace}/{name} ({field})"
        live = await self.kube.get("Secret", scope.parent.namespace, name)
        if live is None:
            return f"{what} does not exist: create it.", {}
        try:
            return "", parse(values(live))
        except InvalidSecret as error:
            return f"{what}: {error}", {}


def agreed_of(kept: Object | None) -> dict[str, Any]:
    """The declared values last seen in AWS."""
    try:
        found = json.loads(annotations_of(kept or {"metadata": {}}).get(AGREED, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
