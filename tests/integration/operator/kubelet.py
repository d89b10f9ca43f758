"""The kubelet's part for the pods of a Job: their commands are really run, with what the Secrets hold mounted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tests import forks
from tests.integration.operator.deployments import Shop

_TAIL = 2048


def run_job_pods(shop: Shop, folder: Path, component: str = "drill", name: str = "demo") -> list[str]:
    """Run what the pods of a component that are not over ask for; gives the commands."""
    ran = []
    for pod in shop.pods(component, name):
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            continue
        status: dict[str, Any] = {"phase": "Succeeded"}
        for key, containers in (
            ("initContainerStatuses", pod["spec"].get("initContainers", [])),
            ("containerStatuses", pod["spec"]["containers"]),
        ):
            status[key] = []
            for container in containers if status["phase"] == "Succeeded" else ():
                code, output = run(shop, pod, container, folder)
                ran.append(" ".join(container["command"]))
                status[key].append(_terminated(container["name"], code, output))
                if code:
                    status["phase"] = "Failed"
        shop.set_status("pods", pod["metadata"]["name"], status)
    return ran


def run(shop: Shop, pod: dict[str, Any], container: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Exit status and output."""
    where = folder / pod["metadata"]["name"]
    secrets = {v["name"]: v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v}
    for mount in container["volumeMounts"]:
        if mount["name"] in secrets:
            write(where / mount["mountPath"].lstrip("/"), shop.secret(secrets[mount["name"]]))
    environ = {each["name"]: each["value"].replace("/bindings", f"{where}/bindings") for each in container["env"]}
    return app(container["command"], environ)


def write(folder: Path, values: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in values.items():
        (folder / key).write_text(value)


def app(command: list[str], environ: dict[str, str], stdin: str = "") -> tuple[int, str]:
    """Run `tracetrack …` as the application's image would."""
    assert command[0] == "tracetrack", command
    done = forks.run("tracetrack_app.cli", command[1:], {"PATH": os.environ["PATH"], **environ}, stdin=stdin)
    return done.returncode, done.stderr + done.stdout


def _terminated(container: str, code: int, output: str) -> dict[str, Any]:
    """As with terminationMessagePolicy FallbackToLogsOnError."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ended = {"exitCode": code, "startedAt": now, "finishedAt": now, "reason": "Error" if code else "Completed"}
    return {
        "name": container,
        "ready": False,
        "restartCount": 0,
        "image": "i",
        "imageID": "i",
        "state": {"terminated": {**ended, **({"message": output[-_TAIL:]} if code else {})}},
    }
