"""For a while after a write, describes may show what was before it."""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import BaseResponse
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.estate import Estate


def _frozen(group: Any) -> Any:
    """The group as it is now, its state included."""
    still = copy.copy(group)
    still.frozen = {"status": group.status, "port": group.backing.port}
    return still


def install(estate: Estate) -> None:
    def call_action(self: Any) -> Any:
        if estate.views.lagging and not self._get_action().startswith(("Describe", "List")):
            name = str(self._get_param("ReplicationGroupId") or "").lower()
            if name:
                estate.views.written("group", name, self.elasticache_backend.replication_groups.get(name), _frozen)
        return BaseResponse.call_action(self)

    setattr(ElastiCacheResponse, "call_action", call_action)  # noqa: B010
