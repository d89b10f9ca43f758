"""A binding's directory: one file a value, all of them replaced at once by a mounted Secret (its link `..data`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PATIENCE = 1.0
"""Seconds. A kubelet replaces a Secret once a minute, and to read one takes less than a millisecond."""

Mark = tuple[object, ...]
"""Tells one content of a directory from another without reading it."""


def read(folder: Path) -> dict[str, str]:
    """The values by name, all of one version of the Secret; {} for a directory that is not there.

    :raises OSError: it was replaced each time while it was read, or can't be read.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            version = _version(folder)
            before = _content(version)
            found = _read(version)
            # A version is removed only once the link names the next: where it does not, what was read was whole.
            if _version(folder) == version and _content(version) == before:
                return found
        except FileNotFoundError:
            if not folder.exists():
                return {}
        if time.monotonic() > deadline:
            raise OSError(f"{folder} is replaced each time while it is read")


def mark(folder: Path) -> Mark:
    """Another value once the content has changed; () for a directory that is not there."""
    try:
        version = _version(folder)
        return str(version), *_content(version)
    except FileNotFoundError:
        return ()


def _version(folder: Path) -> Path:
    """The kubelet's directory of the version in force, which it removes after the next is; else the folder itself."""
    try:
        return folder / (folder / "..data").readlink()
    except OSError:
        return folder


def _content(version: Path) -> Mark:
    found: list[object] = []
    for entry in sorted(os.scandir(version), key=lambda each: each.name):
        if not entry.name.startswith(".."):
            stat = entry.stat()
            found.append((entry.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _read(version: Path) -> dict[str, str]:
    return {
        entry.name: Path(entry.path).read_text(encoding="utf-8").rstrip("\r\n")
        for entry in os.scandir(version)
        if not entry.name.startswith("..") and not entry.is_dir()
    }
