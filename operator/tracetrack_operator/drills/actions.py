"""What a drill has done in AWS, as data."""

from __future__ import annotations

from dataclasses import dataclass

from ..dependencies.cloud.actions import CloudCall


@dataclass(frozen=True)
class DrillCall(CloudCall):
    """A call about the scratch instance of the owner with `uid`; `started` is the drill's time, as it is in its tag."""

    uid: str = ""
    started: str = ""


@dataclass(frozen=True)
class RestoreScratch(DrillCall):
    """Restore a snapshot to the scratch instance."""

    def describe(self) -> str:
        return f"restore DB snapshot {self.parameters['DBSnapshotIdentifier']} to {self.what}"


@dataclass(frozen=True)
class OpenScratch(DrillCall):
    """Give the master of the scratch instance the password of the drill."""

    def describe(self) -> str:
        return f"set the password of {self.what}"


@dataclass(frozen=True)
class RemoveScratch(DrillCall):
    """Delete the scratch instance, if it still is the owner's."""

    def describe(self) -> str:
        return f"delete {self.what}"
