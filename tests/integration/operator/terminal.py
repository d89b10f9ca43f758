"""A person at a terminal: `kubectl tracetrack` with a kubeconfig and AWS credentials."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from botocore import xform_name

from tests import forks
from tests.aws.emulator import Emulator
from tests.aws.faults import is_hidden
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.rbac import CHART, tools
from tracetrack_operator.cli.main import main
from tracetrack_operator.cli.report import UNKNOWN_UID

REDACTED = "(redacted)"
LOOKS = ("Describe", "List", "GetResources")


class Terminal:
    """Runs the command in `namespace`, beside an operator whose cluster is named `test`."""

    def __init__(self, kubeconfig: Path, namespace: str, aws: Emulator) -> None:
        self._namespace = namespace
        self._kubeconfig = str(kubeconfig)
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "KUBE", "TRACETRACK_"))},
            **aws.environ(),
            "KUBECONFIG": self._kubeconfig,
            "TRACETRACK_CLUSTER": "test",
            "TRACETRACK_AWS_CA_FILE": "/etc/tracetrack/aws/ca.crt",
        }

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """In a fork; the Kubernetes client looks for KUBECONFIG when it is imported, so that it is told."""
        given = [*words, "-n", self._namespace, "--kubeconfig", self._kubeconfig]
        return forks.run("tracetrack_operator.cli", given, self._environ, stdin=stdin)

    def text(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text(*words, "-o", "json"))
        return found

    def json_of_each(self, commands: Mapping[str, Sequence[str]], name: str) -> dict[str, Any]:
        """What each command says of the object `name`, in this order; in this process, since imports take a second.

        A change is refused when the operator has just written its status: then a person tries once more.
        """

        def said(command: str, words: Sequence[str]) -> Any:
            printed = io.StringIO()
            given = [command, name, *words, "-n", self._namespace, "--kubeconfig", self._kubeconfig, "-o", "json"]
            with contextlib.redirect_stdout(printed):
                assert main(given) == 0, given
            return json.loads(printed.getvalue())

        with mock.patch.dict(os.environ, self._environ, clear=True):
            return {
                command: eventually(lambda command=command, words=words: said(command, words), 10)
                for command, words in commands.items()
            }

    def refusal(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 1, done.stdout
        return done.stderr


def account(control_plane: ControlPlane, namespace: str, role: str) -> Path:
    """The kubeconfig of somebody with Kubernetes' own role `role` in the namespace, the chart's roles added to it."""
    rendered = subprocess.run(
        [
            str(tools.helm()),
            "template",
            "tracetrack",
            str(CHART),
            "--show-only",
            "templates/roles-for-users.yaml",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    control_plane.kubectl("apply", "-f", "-", input=rendered)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"cli-{role}", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": f"cli-{role}", "namespace": namespace}],
    }
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(binding))
    return control_plane.service_account_kubeconfig(namespace, f"cli-{role}")


Made = tuple[str, dict[str, Any]]


def planned(report: dict[str, Any], uid: str = UNKNOWN_UID) -> list[Made]:
    """The calls of a plan, with those of their parameters that the emulator's journal holds too.

    `uid` is that of a deployment that wasn't there yet.
    """
    return [(call["operation"], _told(call["parameters"], uid)) for call in report["aws"]]


def executed(calls: Iterable[dict[str, Any]]) -> list[Made]:
    """The calls in the emulator's journal that changed something."""
    return [
        (xform_name(call["operation"]), _told(call["params"]))
        for call in calls
        if not call["operation"].startswith(LOOKS)
    ]


def _told(parameters: dict[str, Any], uid: str = UNKNOWN_UID) -> dict[str, Any]:
    """What isn't sent is nothing: an empty list, say."""
    return {
        key: _value(value, uid)
        for key, value in parameters.items()
        if value not in (None, [], {}, REDACTED) and not is_hidden(key)
    }


def _value(value: Any, uid: str) -> Any:
    if isinstance(value, list):
        found = [_value(each, uid) for each in value]
        return sorted(found, key=lambda tag: str(tag["Key"])) if all(map(_is_tag, found)) else found
    if _is_tag(value):
        return {**value, "Value": uid if value["Value"] == UNKNOWN_UID else value["Value"]}
    return _told(value, uid) if isinstance(value, dict) else value


def _is_tag(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"Key", "Value"}
