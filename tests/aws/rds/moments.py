"""The data of an earlier moment: what the database began with, and its write-ahead log up to that moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.aws.estate import Estate, Origin
from tests.aws.rds.errors import wrong
from tests.backing import PostgresServer


def moment(estate: Estate, instance: Any, at: datetime | None) -> Origin:
    """The data of a running instance at a time (UTC, naive), or the latest.

    Its log is kept from the beginning, or for the last 512 MB of changes. InvalidRestoreFault for a time before that.
    """
    source = instance.backing.server
    base = estate.bases.get(source)
    if base is None or not source.has_log_since(base):
        raise wrong(
            f"The restore time is before the earliest restorable time of {instance.db_instance_identifier}.",
            "InvalidRestoreFault",
        )

    def fill(target: PostgresServer) -> None:
        log = target.directory / "log"
        instance.backing.use(lambda server: server.copy_log(log))
        base.copy_into(target)
        target.recover_from(log, at)

    return Origin(fill)
