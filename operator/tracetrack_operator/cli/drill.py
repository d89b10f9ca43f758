"""`drill`: has a restore of the latest snapshot tried now."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from ..api.constants import DRILL
from ..engine.objects import Object
from . import conditions
from .cluster import Cluster
from .errors import CliError
from .request import new_value


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    found = of(owner)
    await cluster.merge(owner, {"metadata": {"annotations": {DRILL: new_value()}}})
    return found


def of(owner: Object) -> dict[str, Any]:
    """What is asked for. Raises CliError where no drill would come of it. Pure."""
    metadata, spec = owner["metadata"], owner["spec"]
    if spec["database"].get("drill") is None:
        raise CliError(
            f"{metadata['name']} has no restore drills: set spec.database.drill, which may be empty, with provider RDS."
        )
    if spec.get("suspend"):
        raise CliError(f"{metadata['name']} is paused: resume it first.")
    if conditions.one(owner, conditions.DRILL) is None:
        # A request that is there before the operator's record is taken for one of earlier days.
        raise CliError(
            f"the operator hasn't taken up spec.database.drill of {metadata['name']} yet, and would not see this "
            "request: ask again in a few seconds."
        )
    told = ((owner.get("status") or {}).get("database") or {}).get("drill") or {}
    running = told.get("running")
    if running:
        raise CliError(f"a drill of {metadata['name']} runs since {running['startedAt']}: {running['step']}.")
    return {"namespace": metadata["namespace"], "name": metadata["name"], "lastRun": told.get("lastRun")}


def text(found: Mapping[str, Any]) -> list[str]:
    last, where = found["lastRun"], f"-n {found['namespace']}"
    lines = [f"A restore drill of {found['namespace']}/{found['name']} is asked for."]
    if last:
        lines += [f"The last one, of {last['startedAt']}: {last['result']}. {last['message']}"]
    return [*lines, f"Follow it with: kubectl get ttd {found['name']} {where} -o jsonpath='{{.status.database.drill}}'"]
