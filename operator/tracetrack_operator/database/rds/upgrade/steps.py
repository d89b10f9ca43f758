"""The calls of an upgrade as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ....api.deployment import DeletionPolicy
from ....aws.ownership import UID, tag_list
from ....dependencies.cloud.durations import FORMAT
from ....dependencies.cloud.fields import Item
from ....engine.plan import Disruption
from .act import CREATE, END, MARK, REMOVE, SWITCH_OVER, UpgradeCall
from .facts import SUPERSEDED, deployment_name, named_by

ASKED = "upgrade"
"""The version that an upgrade was begun to a moment ago; "" once that is through or given up."""
SWITCHED = "switchover"
"""The blue/green deployment that was told to switch over a moment ago."""
_THROUGH = frozenset({(ASKED, "")})


@dataclass(frozen=True)
class Steps:
    """Of one instance; `tags` are those that all of its owner's objects carry."""

    what: str
    name: str
    region: str | None
    tags: Mapping[str, str]

    def create(self, item: Item, version: str, group: str) -> UpgradeCall:
        """Have the new version made beside it, and follow it."""
        parameters = {
            "BlueGreenDeploymentName": deployment_name(self.name, version),
            "Source": str(item["DBInstanceArn"]),
            "TargetEngineVersion": version,
            "TargetDBParameterGroupName": group,
            "Tags": tag_list(self.tags),
        }
        told = f"a green instance of {version} is made beside {item.get('EngineVersion', '')}, and follows it"
        return self._call(CREATE, parameters, told, asked=frozenset({(ASKED, version)}))

    def switch_over(self, identifier: str, version: str, seconds: int) -> UpgradeCall:
        parameters = {"BlueGreenDeploymentIdentifier": identifier, "SwitchoverTimeout": seconds}
        told = f"the green instance of {version} takes its place, within {seconds} s or not at all"
        return self._call(
            SWITCH_OVER, parameters, told, Disruption.SWITCHOVER, asked=frozenset({(SWITCHED, identifier)})
        )

    def mark(self, old: str, arn: str, now: datetime) -> UpgradeCall:
        """Tell by a tag since when an instance is no longer in service: all that is known of it hangs on that."""
        parameters = {"ResourceName": arn, "Tags": tag_list({**self.tags, SUPERSEDED: f"{now:{FORMAT}}"})}
        return self._call(MARK, parameters, f"the former instance {old} gets the tag {SUPERSEDED}", about=old)

    def forget(self, identifier: str) -> UpgradeCall:
        """Remove a blue/green deployment that is through; both instances stay."""
        parameters = {"BlueGreenDeploymentIdentifier": identifier}
        told = f"the blue/green deployment {identifier} is removed, which is through"
        return self._call(REMOVE, parameters, told, asked=_THROUGH)

    def give_up(self, deployment: Item) -> UpgradeCall:
        identifier = str(deployment["BlueGreenDeploymentIdentifier"])
        parameters = {"BlueGreenDeploymentIdentifier": identifier, "DeleteTarget": True}
        told = f"the blue/green deployment {identifier} is removed, and its green instance"
        about = named_by(str(deployment.get("Target") or ""))
        return self._call(REMOVE, parameters, told, about=about, asked=_THROUGH)

    def end(self, old: str, version: str, policy: DeletionPolicy) -> UpgradeCall:
        """Delete a former instance, after a last snapshot unless the policy is Delete."""
        parameters: dict[str, Any] = {"DBInstanceIdentifier": old, "SkipFinalSnapshot": True}
        told = f"the former instance {old} is deleted, without a copy"
        if policy is not DeletionPolicy.DELETE:
            snapshot = self.last_snapshot(version)
            parameters |= {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": snapshot}
            told = f"the former instance {old} is deleted after its snapshot {snapshot}"
        return self._call(END, parameters, told, Disruption.DELETE, about=old)

    def last_snapshot(self, version: str) -> str:
        return f"{self.name}-pg{version.partition('.')[0]}-final-{self.tags[UID][:8]}"

    def _call(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        told: str,
        disruption: Disruption = Disruption.ONLINE,
        about: str = "",
        asked: frozenset[tuple[str, str]] = frozenset(),
    ) -> UpgradeCall:
        return UpgradeCall(
            self.what,
            "rds",
            operation,
            self.region,
            parameters,
            name=self.name,
            uid=self.tags[UID],
            changes=(told,),
            asked=asked,
            about=about,
            disruption=disruption,
        )
