"""A Secret mounted into a pod, as a kubelet does it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4


class MountedSecret:
    """The directory at `path`: its files are links into the version in force, which is replaced by one rename."""

    def __init__(self, path: Path, values: Mapping[str, str]) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.put(values)

    def put(self, values: Mapping[str, str]) -> None:
        """Another version takes the place of the one in force, which is removed."""
        data = self.path / "..data"
        before = self.path / data.readlink() if data.is_symlink() else None
        version = self.path / f"..{uuid4().hex}"
        version.mkdir()
        for name, value in values.items():
            (version / name).write_text(value)
        link = self.path / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(data)
        for name in values:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        if before is not None:
            shutil.rmtree(before)
