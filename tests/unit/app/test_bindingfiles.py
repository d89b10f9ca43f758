"""Bindings are read as one version of their Secret, whenever it is replaced."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.integration.app.mounted import MountedSecret
from tracetrack_app import bindingfiles
from tracetrack_app.bindingfiles import mark, read


def test_a_user_name_never_goes_with_the_password_of_another(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "database", {"username": "0", "password": "0"})
    ended = threading.Event()

    def rotate() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            secret.put({"username": str(number), "password": str(number)})

    rotating = threading.Thread(target=rotate)
    rotating.start()
    try:
        found = [read(secret.path) for _ in range(500)]
    finally:
        ended.set()
        rotating.join()
    assert all(each["username"] == each["password"] for each in found)
    assert len({each["username"] for each in found}) > 10


def test_a_version_that_is_replaced_halfway_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = MountedSecret(tmp_path / "database", {"username": "1", "password": "1"})
    read_text, replaced = Path.read_text, []

    def slowly(path: Path, encoding: str) -> str:
        text = read_text(path, encoding)
        if not replaced:
            replaced.append(path)
            secret.put({"username": "2", "password": "2"})
        return text

    monkeypatch.setattr(Path, "read_text", slowly)
    assert read(secret.path) == {"username": "2", "password": "2"}


def test_what_never_holds_still_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = MountedSecret(tmp_path / "database", {"password": "1"})

    def never(path: Path, encoding: str) -> str:
        secret.put({"password": "1"})
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", never)
    monkeypatch.setattr(bindingfiles, "_PATIENCE", 0.05)
    with pytest.raises(OSError, match=f"{secret.path} is replaced each time"):
        read(secret.path)


def test_a_mark_tells_whether_something_changed(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "database", {"password": "one"})
    first = mark(secret.path)
    assert mark(secret.path) == first
    secret.put({"password": "two"})
    assert mark(secret.path) != first
    assert mark(tmp_path / "nowhere") == ()


def test_plain_files_do_too(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("one\n")
    first = mark(tmp_path)
    assert read(tmp_path) == {"password": "one"}
    (tmp_path / "password").write_text("another")
    assert mark(tmp_path) != first
    assert read(tmp_path) == {"password": "another"}
    assert read(tmp_path / "nowhere") == {}
