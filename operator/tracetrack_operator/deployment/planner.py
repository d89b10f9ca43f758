"""From a deployment to the plan for it. The operator runs what the command line shows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ..aws.inventory import Inventory, Wake
from ..cache.check import check_cache
from ..cache.elasticache import ElastiCache
from ..cache.embedded import EmbeddedRedis
from ..cache.external import ExternalRedis
from ..context import View
from ..database.check import check_database
from ..database.embedded import EmbeddedPostgres
from ..database.external import ExternalPostgres
from ..database.inspection import Inspect, inspect_database
from ..database.lag import check_replica
from ..database.rds import RDS
from ..dependencies.binding import Binding
from ..dependencies.checks import CheckResult, Checks
from ..dependencies.generated import GeneratedSecrets
from ..dependencies.protocol import AnyProvider
from ..drills.conductor import Drills
from ..engine.objects import Object
from .desired import Desired, desired
from .kept import KeptSecrets
from .observe import Observed, Observer
from .plan import Plan, make_plan

Check = Callable[[Binding], Awaitable[CheckResult]]


@dataclass(frozen=True)
class Planned:
    """What was seen, what shall be, and what leads from the one to the other."""

    observed: Observed
    wanted: Desired
    plan: Plan


class Planner:
    """Changes nothing.

    `database_check`, `cache_check` and `replica_check` find out whether a binding works, `inspect` what a database is
    fit for; `wake` is the inventory's. With `trusting`, a binding that the status tells to work is asked later.
    """

    def __init__(
        self,
        view: View,
        database_check: Check = check_database,
        cache_check: Check = check_cache,
        wake: Wake = lambda namespace, name: None,
        replica_check: Check = check_replica,
        inspect: Inspect = inspect_database,
        trusting: bool = False,
    ) -> None:
        self._repository = view.settings.app_repository
        settings, kube, aws = view.settings, view.kube, view.aws
        generated, inventory = GeneratedSecrets(kube, view.cache), Inventory(aws, wake=wake)
        self.inventory = inventory
        self._database_checks = Checks(database_check, trusting=trusting)
        self._cache_checks = Checks(cache_check, trusting=trusting)
        self._replica_checks = Checks(replica_check)
        rds = RDS(
            aws,
            kube,
            inventory,
            generated,
            self._database_checks,
            settings,
            inspect=inspect,
            replica_checks=self._replica_checks,
        )
        self.drills = Drills(aws, inventory, rds, generated, self._database_checks, settings)
        self.databases: Mapping[str, AnyProvider] = {
            "Embedded": EmbeddedPostgres(kube, generated, settings.embedded_image),
            "External": ExternalPostgres(kube, self._database_checks),
            "RDS": rds,
        }
        self.caches: Mapping[str, AnyProvider] = {
            "Embedded": EmbeddedRedis(kube, generated, settings.embedded_image),
            "External": ExternalRedis(kube, self._cache_checks),
            "ElastiCache": ElastiCache(aws, kube, inventory, generated, self._cache_checks, settings),
        }
        self._kept = KeptSecrets(generated)
        self._observer = Observer(view, self._kept, self.databases, self.caches, self.drills)

    async def plan(self, owner: Object) -> Planned:
        """Raises InvalidResourceError for a resource that doesn't fit the model, ReconcileError when a read fails."""
        observed = await self._observer.observe(owner)
        spec = observed.resource.spec
        wanted = desired(observed, self._repository)
        providers = (self.databases[spec.database.provider], self.caches[spec.cache.provider])
        plan = make_plan(observed, wanted, any(provider.makes_cloud_objects for provider in providers))
        return Planned(observed, wanted, plan)

    def refreshed(self, observed: Observed) -> Observed:
        """`observed` with the children as they are after a plan was run."""
        return self._observer.refreshed(observed)

    def forget(self, uid: str) -> None:
        """What was found out about the bindings of an owner that is gone."""
        for checks in (self._database_checks, self._replica_checks, self._cache_checks):
            checks.leave(uid)
        self.drills.forget(uid)

    def forget_secrets(self, namespace: str, name: str) -> None:
        """What the generated Secrets of a deployment held that is gone."""
        self._kept.forget(namespace, name)
