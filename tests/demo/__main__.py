"""`python -m tests.demo up | down`."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

from tests.cluster import tools
from tests.cluster.paths import ROOT, locked
from tests.cluster.run import StageError, fetching_seconds, say, step
from tests.demo import scan
from tests.demo.stage import Stage

SAMPLES = ROOT / "crds" / "samples"
NAMESPACE = "default"
DEPLOYMENT, FLEET = "demo", "lucknow"


def up() -> None:
    """Bring everything up, scan a bag with a provisioned scanner's key, and say where the page is."""
    stage = Stage.from_environment()
    with _alone(stage):
        _up(stage)


def _alone(stage: Stage) -> AbstractContextManager[None]:
    """Helm refuses an upgrade beside another one."""
    return locked(f"demo-{stage.name}", lambda: say(f"waiting for another command that works on cluster {stage.name}"))


def _up(stage: Stage) -> None:
    start = time.monotonic()
    # Before the cluster, which would be made in vain where helm is missing and can't be fetched.
    tools.helm()
    stage.prepare()
    with stage.building():
        stage.up()
    _link_tools(stage.state / "bin")
    stage.aws()
    stage.operator()
    with step("kubectl apply -f crds/samples/deployment-embedded.yaml -f crds/samples/fleet.yaml"):
        for sample in ("deployment-embedded.yaml", "fleet.yaml"):
            stage.kubectl("apply", "-f", str(SAMPLES / sample))
    stage.wait_ready("tracetrackdeployment", DEPLOYMENT)
    stage.wait_ready("scannerfleet", FLEET)
    print(stage.kubectl("get", "tracetrackdeployments,scannerfleets,scannerslices"), flush=True)

    scanner, key = _scanner_key(stage)
    parent, child = f"M444-{random.randrange(100_000):05d}", f"DEMO{random.randrange(10**9):09d}"
    with step(f"scanning child {child} into parent {parent} as {scanner}"):
        scan.send(stage.app_url, key, parent)
        taken = scan.send(stage.app_url, key, child, parent)
        rows = scan.query(stage, f"SELECT * FROM scan_ledger WHERE scan_id = '{taken['scan_id']}'")
        if len(rows) != 1:
            raise StageError(f"the scan {taken['scan_id']} is {len(rows)} times in the ledger")
        say(f"PostgreSQL has it: {' | '.join(rows[0])}")

    admin = stage.secret(NAMESPACE, f"{DEPLOYMENT}-admin")
    _write_env(
        stage.state / "env",
        {
            "KUBECONFIG": str(stage.kubeconfig),
            "APP_URL": stage.app_url,
            "ADMIN_USER": admin["username"],
            "ADMIN_PASSWORD": admin["password"],
            "AWS_ENDPOINT_URL": stage.aws_url,
            "SCANNER_KEY": key,
        },
    )
    state = os.path.relpath(stage.state)
    took = f"{time.monotonic() - start:.0f} s, of which {fetching_seconds():.0f} s fetching and compiling"
    print(
        f"\nTraceTrack runs ({took}).\n"
        f"  Page:   {stage.app_url}/scan/parent\n"
        f"  Login:  {admin['username']} / {admin['password']}\n"
        f"  Go on:  set -a; . {state}/env; set +a; PATH=$PWD/{state}/bin:$PATH; kubectl get tracetrack\n"
    )


def down() -> None:
    """Remove the cluster and what `up` wrote."""
    stage = Stage.from_environment()
    with _alone(stage):
        stage.down()
        shutil.rmtree(stage.state / "bin", ignore_errors=True)
        (stage.state / "env").unlink(missing_ok=True)


def _scanner_key(stage: Stage) -> tuple[str, str]:
    """The first scanner's name and device key, from its slice's Secret."""
    secret = stage.secret(NAMESPACE, f"{FLEET}-0")
    name = min(entry.removesuffix(".device-key") for entry in secret if entry.endswith(".device-key"))
    return name, secret[f"{name}.device-key"]


def _link_tools(folder: Path) -> None:
    """kubectl and helm as this cluster wants them, for whoever puts `folder` on the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(tools.TOOLS[name]())


def _write_env(path: Path, values: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))


def main(arguments: list[str]) -> int:
    commands = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m tests.demo {up,down}", file=sys.stderr)
        return 2
    try:
        commands[arguments[0]]()
    except StageError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{arguments[0]}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
