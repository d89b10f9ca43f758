"""The project's images: built where their context changed, loaded where a node lacks them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import engine, tools
from tests.cluster.run import StageError, output, quiet, step, succeeds

_LABEL = "tracetrack.context"


def build(name: str, context: Path, dockerfile: Path | None = None) -> str:
    """Build `name` ("name:tag") from folder `context` unless an image of this very content exists; gives its id."""
    recipe = dockerfile or context / "Dockerfile"
    if ":" not in name.rpartition("/")[2]:
        raise StageError(f"{name} has no tag: write it as {name}:TAG")
    if not recipe.is_file():
        raise StageError(f"{recipe} doesn't exist: name the Dockerfile with -f")
    engine.ensure()
    content = content_hash(context, recipe)
    shown = [engine.docker(), "image", "inspect", "-f", f'{{{{.Id}}}} {{{{index .Config.Labels "{_LABEL}"}}}}', name]
    if succeeds(shown):
        identity, _, label = output(shown).strip().partition(" ")
        if label == content:
            return identity
    # What a Dockerfile here does is to fetch packages and compile them.
    with step(f"building {name}", fetches=True):
        command: list[str | Path] = [
            engine.docker(),
            "build",
            "-t",
            name,
            "-f",
            recipe,
            "--label",
            f"{_LABEL}={content}",
        ]
        quiet([*command, context], f"build-{name.partition(':')[0].replace('/', '-')}", env=engine.build_environment())
    return output(shown).split()[0]


def load(names: Sequence[str], cluster: str) -> list[str]:
    """Put images into kind cluster `cluster`, in one archive so that shared layers go once; gives those it lacked."""
    node = f"{cluster}-control-plane"
    docker = engine.docker()
    if not succeeds([docker, "container", "inspect", node]):
        raise StageError(
            f"there is no cluster {cluster}: start it with tests/cluster/up, or name another with --cluster"
        )
    identities = {name: output([docker, "image", "inspect", "-f", "{{.Id}}", name]).strip() for name in names}
    missing = [name for name in names if not _holds(node, name, identities[name])]
    if missing:
        with step(f"loading {', '.join(missing)} into {cluster}"):
            environment = {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
            command: list[str | Path] = [tools.kind(), "load", "docker-image", *missing, "--name", cluster]
            quiet(command, f"load-{cluster}", env=environment)
            for name in missing:
                script = f"mkdir -p /kind/loaded && echo {identities[name]} >{_record(name)}"
                output([docker, "exec", node, "sh", "-c", script])
    return missing


def _holds(node: str, name: str, identity: str) -> bool:
    script = f'cat {_record(name)} && ctr -n k8s.io images ls -q | grep -q "/{name}$"'
    seen = [engine.docker(), "exec", node, "sh", "-c", script]
    return succeeds(seen) and output(seen).strip() == identity


def _record(name: str) -> str:
    return f"/kind/loaded/{re.sub(r'[^a-zA-Z0-9.-]', '_', name)}"


def content_hash(context: Path, dockerfile: Path) -> str:
    """SHA-256 over the paths, modes and contents of what the engine would be sent, and the Dockerfile."""
    digest = hashlib.sha256(dockerfile.read_bytes())
    for path in _context_files(context):
        relative = path.relative_to(context).as_posix()
        if path.is_symlink():
            digest.update(f"{relative}\0link\0{os.readlink(path)}\0".encode())
        else:
            digest.update(f"{relative}\0{path.stat().st_mode & 0o777:o}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _context_files(context: Path) -> Iterator[Path]:
    rules = _ignore_rules(context)
    may_prune = not any(negated for _, negated in rules)
    for folder, folders, files in os.walk(context):
        here = Path(folder)
        if may_prune:
            folders[:] = [name for name in folders if not _ignored((here / name).relative_to(context), rules)]
        folders.sort()
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            if not _ignored((here / name).relative_to(context), rules):
                yield here / name


def _ignore_rules(context: Path) -> list[tuple[re.Pattern[str], bool]]:
    file = context / ".dockerignore"
    lines = file.read_text().splitlines() if file.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [(_pattern(pattern.lstrip("!").strip("/")), pattern.startswith("!")) for pattern in patterns]


def _ignored(path: Path, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    ignored = False
    for pattern, negated in rules:
        if pattern.match(path.as_posix()):
            ignored = not negated
    return ignored


def _pattern(glob: str) -> re.Pattern[str]:
    """A `.dockerignore` pattern: `**` any number of folders, `*` and `?` within one name; covers what lies below."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", glob.removeprefix("./"))
    translated = (pieces.get(word) or (word if word.startswith("[") else re.escape(word)) for word in words)
    return re.compile("".join(translated) + "(?:/.*)?$")
