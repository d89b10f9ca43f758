"""What a deployment depends on, as every provider of a database or a cache gives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from ..api.conditions import Reason
from ..api.deployment import TraceTrackDeploymentSpec
from ..engine.conditions import Status
from ..engine.errors import ReconcileError, WaitingError
from ..engine.objects import Object
from ..engine.plan import Action, Disruption, Executor
from ..manifests.parent import Parent
from .binding import Binding

Children = Mapping[tuple[str, str], Object]
"""The observed children of one deployment, by kind and name."""


@dataclass(frozen=True)
class Verdict:
    """A condition in the making."""

    status: Status
    reason: str
    message: str

    @classmethod
    def ready(cls, message: str, reason: str = Reason.READY) -> Self:
        return cls("True", reason, message)

    @classmethod
    def not_ready(cls, reason: str, message: str) -> Self:
        return cls("False", reason, message)

    @classmethod
    def of_error(cls, error: ReconcileError) -> Self:
        return cls("False", error.reason, str(error))


@dataclass(frozen=True)
class Scope:
    """One deployment as a provider sees it; `pods` are the pods of its component."""

    owner: Object
    parent: Parent
    spec: TraceTrackDeploymentSpec
    children: Children
    pods: tuple[Object, ...] = ()


@dataclass(frozen=True)
class Held:
    """A change that is not made now. `until`: when it is made if nobody acts; `token`: what approves it before.

    `operation` with `parameters` is the call that would make it.
    """

    what: str
    change: str
    disruption: Disruption
    reason: str
    why: str
    until: datetime | None = None
    token: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class News:
    """What is worth an Event once the plan is done."""

    reason: str
    message: str


@dataclass(frozen=True)
class Dependency:
    """The outcome of looking at a provider.

    `binding` is None while there is nothing that has been seen to work: what the application has stays as it is.
    `manifests` are the children that shall exist, `steps` what has to be done after they do; `state` is the
    provider's own word. `look_again` in seconds, for what no watch tells. `sync` says whether an object outside is
    as declared, where there is one; `details` are fields of the status; `measures` are differences by outcome.
    `noticed` and `events` are told as Events once the plan is done, the latter if nothing of it failed.
    `later` are the steps expected after these, each to be found out anew; `held` is what waits for a window or a
    person; `item` is an object outside as it was described. `fresh`: it was asked for moments ago and may be there at
    once, so the rest can wait for it.
    `replicas` says how its read replicas are, where it shall have any; `replica_items` are those by identifier.
    """

    provider: str
    verdict: Verdict
    binding: Binding | None = None
    endpoint: str = ""
    state: str = ""
    manifests: tuple[Object, ...] = field(default=(), repr=False)
    steps: tuple[Action, ...] = ()
    look_again: float | None = None
    error: ReconcileError | None = None
    sync: Verdict | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, int] = field(default_factory=dict)
    noticed: tuple[News, ...] = ()
    events: tuple[News, ...] = ()
    later: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    item: Mapping[str, Any] | None = field(default=None, repr=False)
    fresh: bool = False
    replicas: Verdict | None = None
    replica_items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def failed(cls, provider: str, error: ReconcileError) -> Self:
        """Nothing could be found out: whatever exists is left alone."""
        look_again = error.retry_after if isinstance(error, WaitingError) else None
        return cls(provider, Verdict.of_error(error), look_again=look_again, error=error)


FactsT = TypeVar("FactsT")


class Provider(Protocol[FactsT]):
    """A way to have a database or a cache."""

    makes_cloud_objects: bool
    """Whether there is something to clean up that the garbage collector can't reach."""

    async def observe(self, scope: Scope) -> FactsT:
        """Look outside; changes nothing. Raises ReconcileError when it can't be found out."""

    def desired(self, scope: Scope, facts: FactsT) -> Dependency:
        """Pure."""

    def register(self, executor: Executor) -> None:
        """Register what executes the steps that `desired` gives."""

    async def delete(self, owner: Object) -> str:
        """Clean up for a deleted owner, by its deletionPolicy; gives what became of it, for an Event ("" for nothing).

        Called again until it returns: raises WaitingError while something is under way. Works with a spec that no
        longer fits the model.
        """


AnyProvider = Provider[Any]
