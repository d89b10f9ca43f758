"""What RDS and ElastiCache say of their objects: how they are described, declared, created and called."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ..binding import Binding
from ..protocol import Scope, Verdict
from .access import Keeper
from .actions import Adopt, Create, Creation, Modify
from .facts import Facts
from .fields import Comparison, Difference, Field, Item
from .naming import Naming
from .prior import Prior


class CloudObject:
    """Changes nothing by itself: `CloudProvider` conducts."""

    makes_cloud_objects = True
    naming: ClassVar[Naming]
    table: ClassVar[tuple[Field, ...]]
    component: ClassVar[str]
    optional_credentials: ClassVar[tuple[str, ...]] = ()
    password_field: ClassVar[Field]
    create_type: ClassVar[type[Create]]
    adopt_type: ClassVar[type[Adopt]]
    modify_type: ClassVar[type[Modify]]

    @abstractmethod
    def section(self, scope: Scope) -> Any:
        """The provider's section of the spec."""

    @abstractmethod
    async def listing(self, region: str | None, max_age: float, name: str) -> Mapping[str, Item]:
        """All objects of the region by identifier, read since `name` was last changed."""

    @abstractmethod
    async def tags_of(self, item: Item, region: str | None) -> Mapping[str, str]: ...

    @abstractmethod
    async def live(self, name: str, region: str | None) -> Item | None:
        """The object as AWS describes it now."""

    @abstractmethod
    def declared(self, scope: Scope) -> dict[str, Any]:
        """The wanted value of every field of the table; None where it is left to AWS."""

    @abstractmethod
    def pending(self, item: Item) -> Mapping[str, Any]:
        """The changes that AWS holds for its window, by parameter."""

    async def waiting(self, name: str, region: str | None) -> Mapping[str, Any]:
        """`pending` as AWS has it now, without what is harmless."""
        item = await self.live(name, region)
        found = self.pending(await self.completely(item, region)) if item is not None else {}
        return {each: value for each, value in found.items() if each not in self.harmless()}

    async def completely(self, item: Item, region: str | None) -> Item:
        """What `live` answers, with what the listing reads beside it."""
        return item

    @abstractmethod
    def binding(self, scope: Scope, item: Item, credentials: Mapping[str, str], own: bool) -> Binding | None:
        """How the object is reached; None while it can't be."""

    @abstractmethod
    def keeper(self) -> Keeper:
        """What makes the credentials up and rotates them."""

    @abstractmethod
    def rotation(self, scope: Scope) -> int | None:
        """Every how many days they are rotated."""

    @abstractmethod
    def creation(self, scope: Scope, name: str, credentials: Mapping[str, str]) -> Creation:
        """The call that makes the object."""

    @abstractmethod
    def modify_parameters(
        self, name: str, field: Field, values: Mapping[str, Any], secret: Mapping[str, str]
    ) -> dict[str, Any]:
        """Of one call with these values by parameter; `field` is one of those changed, of its operation and group."""

    @abstractmethod
    def details(self, item: Item) -> dict[str, Any]:
        """What the status tells beside state and endpoint."""

    @abstractmethod
    def bound_credentials(self, secret: dict[str, str]) -> dict[str, str]:
        """From a Secret that the user brings. Raises InvalidSecret."""

    def ready_for(self, difference: Difference, item: Item, differences: tuple[Difference, ...]) -> bool:
        """False while another change has to be through first."""
        return True

    def harmless(self) -> frozenset[str]:
        """What is in force at once, and still among what AWS has pending for a while."""
        return frozenset()

    def completed(self, values: dict[str, Any], item: Item) -> dict[str, Any]:
        """The values of one call by parameter, with what AWS wants to have beside them."""
        return values

    def differences_of(self, comparison: Comparison) -> Comparison:
        """A provider's own word on what was found."""
        return comparison

    async def beside(self, scope: Scope, name: str) -> Mapping[str, Item]:
        """Descriptions of what belongs to the object `name`, by what each is; they are in the object's own too."""
        return {}

    def prior(self, scope: Scope, facts: Facts, now: tuple[Difference, ...]) -> Prior:
        """What has to be there before the object is made, or before the differences `now` are put right."""
        return Prior()

    def password_of(self, facts: Facts) -> Field:
        """The row of the password that the operator itself uses."""
        return self.password_field

    def concern(self, item: Item, what: str) -> Verdict | None:
        """What a person should know of an object that is as declared."""
        return None

    def primary(self, item: Item) -> str | None:
        """What serves now, where another could take over; None while AWS doesn't tell."""
        return None

    def remembered(self, scope: Scope, facts: Facts) -> Mapping[str, Any]:
        """What is kept for the next look beside the declared values that were seen to agree."""
        return {}

    def apart(self, scope: Scope, comparison: Comparison) -> Comparison:
        """Without the differences that take more than a call to the object."""
        return comparison

    @abstractmethod
    def own_window(self, item: Item) -> str:
        """The maintenance window that AWS has for the object."""

    @abstractmethod
    def arn(self, item: Item) -> str: ...
