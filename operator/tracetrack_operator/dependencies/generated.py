"""Secrets whose values the operator makes up once and never again."""

import secrets
from collections.abc import Callable, Mapping

from ..engine.cache import ObjectCache
from ..engine.objects import Object, controller_uid
from ..engine.ports import KubePort
from ..kube.children import foreign
from ..manifests.parent import Parent
from ..manifests.secret import values


def password() -> str:
    """43 characters of a-z A-Z 0-9 - and _ (256 bits), which RDS, ElastiCache and URIs all take."""
    return secrets.token_urlsafe(32)


class GeneratedSecrets:
    """Reads generated Secrets, and makes up only values of which a live read has shown that they don't exist."""

    def __init__(self, kube: KubePort, cache: ObjectCache) -> None:
        self._kube = kube
        self._cache = cache

    async def ensure(
        self,
        parent: Parent,
        suffix: str,
        makers: Mapping[str, Callable[[], str]],
        known: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """The values of the Secret; those it lacks come from `known`, or else are made up.

        Raises WaitingError when a Secret of that name belongs to somebody else.
        """
        name = parent.child(suffix)
        found = _wanted(self._cache.get("Secret", parent.namespace, name), parent, makers)
        if found is None or found.keys() != makers.keys():
            live = await self._kube.find("Secret", parent.namespace, name)
            if live is not None and controller_uid(live) != parent.uid:
                raise foreign(live, parent.name)
            found = _wanted(live, parent, makers) or {}
        return {key: found.get(key) or (known or {}).get(key) or make() for key, make in makers.items()}


def _wanted(obj: Object | None, parent: Parent, makers: Mapping[str, object]) -> dict[str, str] | None:
    if obj is None or controller_uid(obj) != parent.uid:
        return None
    return {key: value for key, value in values(obj).items() if key in makers and value}
