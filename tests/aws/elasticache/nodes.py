"""Replicas added and removed, and the failover that a test asks for."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.clock import clock
from tests.aws.elasticache.changes import failover_step
from tests.aws.elasticache.errors import available, refusal, wrong
from tests.aws.elasticache.rules import MOST_REPLICAS
from tests.aws.estate import Estate, Step
from tests.aws.patch import add

_FAILOVERS_A_DAY = 15


def _count(self: Any, group: Any) -> int:
    """The number of replicas that a request asks for."""
    if self._get_param("ReplicaConfiguration"):
        raise NotImplementedError(f"{self._get_action()} with ReplicaConfiguration")
    if not self._get_bool_param("ApplyImmediately"):
        raise wrong("ApplyImmediately=False is not currently supported")
    asked = self._get_int_param("NewReplicaCount")
    if asked is None:
        raise wrong("NewReplicaCount must be specified.")
    if asked == len(group.member_clusters) - 1:
        raise refusal("NoOperationFault", "The operation was not performed because no changes were required.")
    return int(asked)


def _next(members: list[str]) -> str:
    name = members[0].rpartition("-")[0]
    taken = {int(member.rpartition("-")[2]) for member in members}
    return f"{name}-{min(set(range(1, len(taken) + 2)) - taken):03}"


def _leaving(self: Any, group: Any, many: int) -> list[str]:
    """The replicas that go: those named, or the last ones."""
    replicas = [member for member in group.member_clusters if member != group.primary]
    named: list[str] = self._get_param("ReplicasToRemove") or []
    if not named:
        return replicas[len(replicas) - many :]
    if len(named) != many or not set(named) <= set(replicas):
        raise wrong(f"ReplicasToRemove must name {many} replicas of the replication group.")
    return named


def install(estate: Estate) -> None:
    def increase_replica_count(self: Any) -> ActionResult:
        with estate.lock:
            group = available(self.elasticache_backend, self._get_param("ReplicationGroupId"))
            asked, present = _count(self, group), len(group.member_clusters) - 1
            if not present < asked <= MOST_REPLICAS:
                raise wrong(f"NewReplicaCount must be more than the present {present} and at most {MOST_REPLICAS}.")
            joining: list[str] = []
            for _ in range(asked - present):
                joining.append(_next([*group.member_clusters, *joining]))
            group.joining = frozenset(joining)
            group.member_clusters = sorted([*group.member_clusters, *joining])

            def done() -> None:
                group.joining = frozenset()

            group.backing.change(Step("modifying", estate.settings.modify_seconds), done=done)
        return ActionResult({"ReplicationGroup": group})

    def decrease_replica_count(self: Any) -> ActionResult:
        with estate.lock:
            group = available(self.elasticache_backend, self._get_param("ReplicationGroupId"))
            asked, present = _count(self, group), len(group.member_clusters) - 1
            if asked < 1 and group.multi_az == "enabled":
                raise wrong("Must have at least 1 replica for Multi-AZ enabled Replication Group.")
            if asked < 1 and group.automatic_failover == "enabled":
                raise wrong("Must have at least 1 replica when cluster mode is disabled with auto failover enabled.")
            if not 0 <= asked < present:
                raise wrong(f"NewReplicaCount must be less than the present {present}.")
            group.leaving = frozenset(_leaving(self, group, present - asked))

            def done() -> None:
                group.member_clusters = [member for member in group.member_clusters if member not in group.leaving]
                group.leaving = frozenset()

            group.backing.change(Step("modifying", estate.settings.modify_seconds), done=done)
        return ActionResult({"ReplicationGroup": group})

    def test_failover(self: Any) -> ActionResult:
        with estate.lock:
            backend = self.elasticache_backend
            group = available(backend, self._get_param("ReplicationGroupId"))
            if self._get_param("NodeGroupId") != "0001":
                raise refusal("NodeGroupNotFoundFault", f"NodeGroup {self._get_param('NodeGroupId')} not found.")
            if group.automatic_failover != "enabled":
                raise refusal(
                    "InvalidReplicationGroupState",
                    f"Automatic failover is not enabled for replication group {group.replication_group_id}.",
                )
            _count_failover(backend)
            replica = next(member for member in group.member_clusters if member != group.primary)
            group.backing.change(failover_step(estate, group, replica))
        return ActionResult({"ReplicationGroup": group})

    for function in (increase_replica_count, decrease_replica_count, test_failover):
        add(ElastiCacheResponse, function)


def _count_failover(backend: Any) -> None:
    now = clock.now()
    recent = [at for at in backend.__dict__.setdefault("failovers", []) if at > now - 24 * 3600]
    if len(recent) >= _FAILOVERS_A_DAY:
        raise refusal(
            "APICallRateForCustomerExceeded", "The customer has exceeded the allowed rate of API calls: TestFailover."
        )
    backend.failovers = [*recent, now]
