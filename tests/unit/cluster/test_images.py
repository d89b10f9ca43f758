"""What counts as a change of an image's context."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.images import build, content_hash
from tests.cluster.run import StageError


@pytest.fixture
def context(tmp_path: Path) -> Path:
    files = {
        "Dockerfile": "FROM scratch\nCOPY . /\n",
        ".dockerignore": "# not sent\n**/__pycache__\n*.md\n!README.md\n.git\n/docs/*.txt\nbuild/\n",
        "main.py": "print()",
        "pkg/mod.py": "",
        "pkg/__pycache__/mod.pyc": "x",
        "NOTES.md": "x",
        "README.md": "x",
        ".git/HEAD": "x",
        "docs/a.txt": "x",
        "docs/deep/a.txt": "x",
        "build/out": "x",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _changes(context: Path, name: str) -> bool:
    before = content_hash(context, context / "Dockerfile")
    (context / name).write_text("changed")
    return content_hash(context, context / "Dockerfile") != before


@pytest.mark.parametrize("name", ["main.py", "pkg/mod.py", "README.md", "docs/deep/a.txt", "new", "Dockerfile"])
def test_what_is_sent_counts(context: Path, name: str) -> None:
    assert _changes(context, name)


@pytest.mark.parametrize(
    "name", ["NOTES.md", "pkg/__pycache__/mod.pyc", ".git/HEAD", "docs/a.txt", "build/out", "build/new"]
)
def test_what_is_ignored_does_not_count(context: Path, name: str) -> None:
    assert not _changes(context, name)


def test_mode_name_and_link_count(context: Path) -> None:
    hashes = [content_hash(context, context / "Dockerfile")]
    (context / "main.py").chmod(0o755)
    hashes.append(content_hash(context, context / "Dockerfile"))
    (context / "main.py").rename(context / "other.py")
    hashes.append(content_hash(context, context / "Dockerfile"))
    (context / "link").symlink_to("other.py")
    hashes.append(content_hash(context, context / "Dockerfile"))
    (context / "link").unlink()
    (context / "link").symlink_to("pkg")
    hashes.append(content_hash(context, context / "Dockerfile"))
    assert len(set(hashes)) == len(hashes)


def test_without_a_tag_or_a_dockerfile_the_remedy_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(StageError, match="has no tag: write it as name:TAG"):
        build("name", tmp_path)
    with pytest.raises(StageError, match="name the Dockerfile with -f"):
        build("name:1", tmp_path, tmp_path / "absent")


def test_the_two_images_with_postgresql_share_its_layer() -> None:
    """A layer is shared when everything up to it is the same."""
    root = Path(__file__).parents[3]
    found = [(root / name).read_text() for name in ("operator/embedded/Dockerfile", "tests/aws/Dockerfile")]
    begun = [[line for line in each.rpartition("\nFROM ")[2].splitlines() if line[:1] != "#"] for each in found]
    ends = [next(n for n, line in enumerate(lines) if n > 1 and not line.startswith(" ")) for lines in begun]
    assert "postgresql-17" in "".join(begun[0][: ends[0]])
    assert begun[0][: ends[0]] == begun[1][: ends[1]]
