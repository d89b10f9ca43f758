"""Writes the CustomResourceDefinitions and the pages about fields and reasons, or checks that they are up to date."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from ..cache.elasticache.fields import BESIDE as BESIDE_ELASTICACHE
from ..cache.elasticache.fields import PASSWORD as AUTH_TOKEN
from ..cache.elasticache.fields import TABLE as ELASTICACHE
from ..database.rds.beside import BESIDE as BESIDE_RDS
from ..database.rds.beside import OF_REPLICA as BESIDE_READ_REPLICA
from ..database.rds.fields import PASSWORD as MASTER_PASSWORD
from ..database.rds.fields import TABLE as RDS
from ..database.rds.replicas.fields import TABLE as READ_REPLICA
from ..dependencies.cloud.reference import changes_markdown
from . import RESOURCES
from .crd import crd_file_name, crd_yaml
from .reasons import PAGE
from .reasons.page import reasons_markdown
from .reference import reference_markdown


def generated_files() -> dict[str, str]:
    """File name → text of everything that is generated."""
    files = {crd_file_name(resource): crd_yaml(resource) for resource in RESOURCES}
    changes = changes_markdown(
        {
            "spec.database.rds": (*RDS, MASTER_PASSWORD, *BESIDE_RDS),
            "spec.database.rds.readReplicas[]": (*READ_REPLICA, *BESIDE_READ_REPLICA),
            "spec.cache.elasticache": (*ELASTICACHE, AUTH_TOKEN, *BESIDE_ELASTICACHE),
        }
    )
    pages = {"README.md": reference_markdown(RESOURCES), "CHANGES.md": changes, PAGE: reasons_markdown()}
    return {**files, **pages}


def drift(folder: Path) -> str:
    """Unified diff from the folder's files to the generated ones; empty when there is none."""
    parts: list[str] = []
    for name, wanted in generated_files().items():
        path = folder / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        parts += difflib.unified_diff(
            present.splitlines(keepends=True), wanted.splitlines(keepends=True), str(path), f"generated {name}"
        )
    stale = {path.name for path in folder.glob("*.yaml")} - generated_files().keys()
    parts += [f"{folder / name}: no model generates this file; remove it\n" for name in sorted(stale)]
    return "".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tracetrack_operator.api", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("crds"), metavar="DIR", help="folder of the files (crds)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff if the files differ")
    options = parser.parse_args(arguments)
    folder: Path = options.out
    if options.check:
        difference = drift(folder)
        if difference:
            sys.stdout.write(difference)
            print(
                f"{folder} differs from the models: run python -m tracetrack_operator.api --out {folder}",
                file=sys.stderr,
            )
            return 1
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generated_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
