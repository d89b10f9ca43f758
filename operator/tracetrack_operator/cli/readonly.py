"""Ports that only look, so that a plan can't become an act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..aws.client import AwsPort
from ..aws.errors import AwsNotFound
from ..engine.objects import Object
from ..engine.ports import KubePort

LOOKS = ("describe_", "list_", "get_resources")
SECRETS = frozenset({"get_secret_value"})


def _only_looks(operation: str) -> bool:
    return operation.startswith(LOOKS) or operation in SECRETS


class ReadOnlyKube:
    """`KubePort` whose writes are defects."""

    def __init__(self, kube: KubePort) -> None:
        self._kube = kube

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return await self._kube.get(kind, namespace, name)

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return await self._kube.find(kind, namespace, name)

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        return await self._kube.list(kind, namespace, label_selector)

    async def apply(self, manifest: Object, *, field_manager: str = "") -> NoReturn:
        raise PermissionError(f"apply of a {manifest['kind']} while only looking")

    async def create(self, manifest: Object, *, field_manager: str = "") -> NoReturn:
        raise PermissionError(f"creation of a {manifest['kind']} while only looking")

    async def apply_status(self, manifest: Object, *, field_manager: str = "") -> NoReturn:
        raise PermissionError(f"apply of a {manifest['kind']}'s status while only looking")

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = "") -> NoReturn:
        raise PermissionError(f"deletion of {kind} {namespace}/{name} while only looking")


class ReadOnlyAws:
    """`AwsPort` that describes and lists; `region` is for calls that name none.

    Saved credentials are told as absent: a plan needs none, and neither does whoever asks for one.
    """

    def __init__(self, aws: AwsPort, region: str | None) -> None:
        self._aws = aws
        self._region = region

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        self._check(service, operation)
        if operation in SECRETS:
            raise AwsNotFound(
                "ResourceNotFoundException", "AwsNotFound", f"{service}.{operation} is not asked for here"
            )
        return await self._aws.call(service, operation, region=region or self._region, **parameters)

    def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        self._check(service, operation)
        return self._aws.pages(service, operation, items, region=region or self._region, **parameters)

    def _check(self, service: str, operation: str) -> None:
        if not _only_looks(operation):
            raise PermissionError(f"{service}.{operation} while only looking")


@dataclass(frozen=True)
class Noted:
    """A call that would have changed something."""

    service: str
    operation: str
    region: str | None
    parameters: Mapping[str, Any] = field(repr=False)


class NotingAws(ReadOnlyAws):
    """Notes what would change something instead of sending it: its answer says nothing."""

    def __init__(self, aws: AwsPort, region: str | None) -> None:
        super().__init__(aws, region)
        self.noted: list[Noted] = []

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        if _only_looks(operation):
            return await super().call(service, operation, region=region, **parameters)
        self.noted.append(Noted(service, operation, region, parameters))
        return {}
