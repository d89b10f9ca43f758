"""A fleet's reconciler with a Kubernetes in memory and an AWS whose answers a test chooses."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.unit.operator.engine.objects import RecordingKube
from tests.unit.operator.fleet.fake_iot import FakeIot
from tests.unit.operator.fleet.samples import GROUP_ARN, fleet_object
from tracetrack_operator.api.constants import FINALIZER
from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsNotFound
from tracetrack_operator.context import INDEXERS, Context
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import ReconcileError
from tracetrack_operator.engine.events import EventRecorder
from tracetrack_operator.engine.loop import Result
from tracetrack_operator.engine.objects import Key, Object
from tracetrack_operator.engine.queue import WorkQueue
from tracetrack_operator.engine.status import StatusWriter
from tracetrack_operator.fleet.memory import Memory
from tracetrack_operator.fleet.reconciler import FleetReconciler
from tracetrack_operator.settings import Settings

KEY = Key("ScannerFleet", "north", "lucknow")
DEPLOYMENT = {
    "apiVersion": "tracetrack.io/v1alpha1",
    "kind": "TraceTrackDeployment",
    "metadata": {"name": "demo", "namespace": "north", "uid": "deployment-uid", "resourceVersion": "1"},
}
Before = Callable[[dict[str, Any]], Awaitable[None]]


class FakeAws:
    """The `AwsPort` of one fleet. `refusals` maps an operation to the error it gives; `before` to what is awaited
    before it is done."""

    def __init__(self) -> None:
        self.iot = FakeIot()
        self.things: dict[str, dict[str, str]] = {}
        self.joined: set[str] = set()
        self.secret: dict[str, Any] = {}
        self.group, self.policy = False, ""
        self.refusals: dict[str, ReconcileError] = {}
        self.before: dict[str, Before] = {}
        self.calls: list[str] = []

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        self.calls.append(operation)
        if operation in self.before:
            await self.before[operation](parameters)
        if operation in self.refusals:
            raise self.refusals[operation]
        own = getattr(self, f"_{operation}", None)
        if own is None:
            return await self.iot.call(service, operation, **parameters)
        answer: dict[str, Any] = own(**parameters) or {}
        return answer

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        for item in (await self.call(service, operation, **parameters))[items]:
            yield item

    def _create_secret(self, **made: Any) -> dict[str, Any]:
        assert not self.secret
        self.secret = {**made, "ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x"}
        return self.secret

    def _describe_secret(self, **_: Any) -> dict[str, Any]:
        _there(bool(self.secret))
        return self.secret

    _get_secret_value = _describe_secret

    def _describe_thing_type(self, **_: Any) -> None:
        return None

    def _describe_thing_group(self, **_: Any) -> dict[str, Any]:
        _there(self.group)
        owned = {"attributePayload": {"attributes": {"tracetrack-uid": "fleet-uid"}}}
        return {"thingGroupArn": GROUP_ARN, "thingGroupProperties": owned}

    def _create_thing_group(self, **_: Any) -> dict[str, Any]:
        self.group = True
        return {"thingGroupArn": GROUP_ARN}

    def _get_policy(self, **_: Any) -> dict[str, Any]:
        _there(bool(self.policy))
        return {"policyArn": "arn:policy", "policyDocument": self.policy}

    def _list_tags_for_resource(self, **_: Any) -> dict[str, Any]:
        return {"tags": self.secret["Tags"]}

    def _create_policy(self, policyDocument: str, **_: Any) -> None:  # noqa: N803
        self.policy = policyDocument

    def _describe_endpoint(self, **_: Any) -> dict[str, Any]:
        return {"endpointAddress": "iot.test"}

    def _list_things_in_thing_group(self, **_: Any) -> dict[str, Any]:
        return {"things": sorted(self.joined)}

    def _create_thing(self, thingName: str, attributePayload: dict[str, Any], **_: Any) -> None:  # noqa: N803
        wanted = attributePayload["attributes"]
        if self.things.setdefault(thingName, wanted) != wanted:
            raise AwsAlreadyExists("ResourceAlreadyExistsException", "AwsAlreadyExists", f"{thingName} exists")

    def _describe_thing(self, thingName: str) -> dict[str, Any]:  # noqa: N803
        _there(thingName in self.things)
        return {"attributes": self.things[thingName]}

    def _update_thing(self, thingName: str, attributePayload: dict[str, Any], **_: Any) -> None:  # noqa: N803
        self.things[thingName] = attributePayload["attributes"]

    def _add_thing_to_thing_group(self, thingName: str, **_: Any) -> None:  # noqa: N803
        self.joined.add(thingName)

    def _attach_policy(self, **_: Any) -> None:
        return None

    def _attach_thing_principal(self, **_: Any) -> None:
        return None


def _there(found: bool) -> None:
    if not found:
        raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "there is none")


class StoringKube(RecordingKube):
    """Keeps objects as the API server does: a UID and a growing resourceVersion, the status apart."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[Key, Object] = {}
        self._version = 100

    def put(self, obj: Object) -> Object:
        metadata = obj["metadata"]
        key = Key(obj["kind"], metadata.get("namespace", ""), metadata["name"])
        self._version += 1
        stored = copy.deepcopy(obj)
        stored["metadata"] = {"uid": f"uid-{key}", **stored["metadata"], "resourceVersion": str(self._version)}
        self.objects[key] = stored
        return copy.deepcopy(stored)

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return copy.deepcopy(self.objects.get(Key(kind, namespace, name)))

    async def apply(self, manifest: Object, *, field_manager: str = "") -> Object:
        await super().apply(manifest)
        return self.put(manifest)

    async def apply_status(self, manifest: Object, *, field_manager: str = "") -> Object:
        await super().apply_status(manifest)
        metadata = manifest["metadata"]
        held = self.objects[Key(manifest["kind"], metadata["namespace"], metadata["name"])]
        return self.put({**held, "status": manifest["status"]})


class Rig:
    """One fleet, `north/lucknow`, reconciled when the test says so."""

    def __init__(self, replicas: int = 3, **spec: Any) -> None:
        self.aws, self.kube, self.cache = FakeAws(), StoringKube(), ObjectCache(INDEXERS)
        recorder = EventRecorder(self.kube, "test", "test")
        self.context = Context(
            Settings(),
            self.cache,
            self.kube,
            self.aws,
            queue=WorkQueue(),
            recorder=recorder,
            status=StatusWriter(self.kube, recorder),
        )
        self.reconciler = FleetReconciler(self.context)
        self.cache.put(DEPLOYMENT)
        fleet = fleet_object(replicas, **spec)
        fleet["metadata"]["finalizers"] = [FINALIZER]
        self.cache.put(self.kube.put(fleet))

    @property
    def memory(self) -> Memory:
        """What the operator knows of the fleet."""
        (known,) = self.reconciler._memories.values()
        return known

    @property
    def fleet(self) -> Object:
        return self.kube.objects[KEY]

    def change(self, spec: dict[str, Any] | None = None, **metadata: Any) -> None:
        """What a person does with kubectl: another spec, or a deletion."""
        held = self.fleet
        generation = held["metadata"]["generation"] + 1
        metadata = {**held["metadata"], "generation": generation, **metadata}
        self.cache.put(self.kube.put({**held, "metadata": metadata, "spec": {**held["spec"], **(spec or {})}}))

    async def reconcile(self) -> Result:
        return await self.reconciler.reconcile(KEY)

    async def settle(self) -> None:
        """Reconcile, let the run that this begins end, and reconcile once more as the queue then asks for."""
        await self.reconcile()
        await self.run_ended()
        await self.reconcile()

    async def run_ended(self) -> None:
        queue = self.context.queue
        async with asyncio.timeout(10):
            while True:
                key = await queue.get()
                queue.done(key)
                if key == KEY:
                    return

    def condition(self, type_: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message, which have to be of the present spec."""
        found = next(c for c in self.fleet["status"]["conditions"] if c["type"] == type_)
        assert found["observedGeneration"] == self.fleet["metadata"]["generation"]
        return found["status"], found["reason"], found["message"]

    def secret(self) -> Object:
        return self.kube.objects[Key("Secret", "north", "lucknow-0")]
