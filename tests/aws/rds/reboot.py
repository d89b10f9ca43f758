"""RebootDBInstance: a real restart, by which static parameters come into force unless it is a failover."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate, Step
from tests.aws.patch import put
from tests.aws.rds import parameters
from tests.aws.rds.errors import combination, operational
from tests.backing import PostgresServer


def install(estate: Estate) -> None:
    def reboot_db_instance(self: Any) -> ActionResult:
        with estate.lock:
            instance = operational(self.backend.databases, self.params["DBInstanceIdentifier"])
            failover = bool(self.params.get("ForceFailover"))
            if failover and not instance.multi_az:
                raise combination("ForceFailover cannot be specified since the instance is not configured for MultiAZ")

            def restart(server: PostgresServer) -> None:
                if not failover:
                    parameters.start_with(server, instance)
                server.restart()

            def beside_others(server: PostgresServer) -> None:
                if not failover:
                    parameters.come_into_force(instance)

            def done() -> None:
                if failover:
                    instance.availability_zone = instance.secondary_availability_zone

            instance.backing.change(
                Step("rebooting", estate.settings.modify_seconds, restart, beside_others), done=done
            )
        return ActionResult({"DBInstance": instance})

    put(RDSResponse, reboot_db_instance)
