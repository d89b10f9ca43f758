"""The steps from an empty cluster to an installed operator."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import images, tools
from tests.cluster.kindcluster import KindCluster
from tests.cluster.paths import ROOT
from tests.cluster.run import StageError, output, say, step

VERSION = "0.1.0"
SYSTEM_NAMESPACE = "tracetrack-system"
RELEASE = "tracetrack-operator"
AWS_ENDPOINT = "http://aws.tracetrack-aws.svc.cluster.local:4566"
AWS_REGION = "eu-central-1"
# Where the operator may go out to: what the chart has by default, and the emulated databases and caches (aws/pod.yaml).
EGRESS_PORTS: tuple[int, ...] = (443, 6443, 5432, 6379)
AWS_PORTS = (20000, 20999)
CHART = ROOT / "charts" / "tracetrack-operator"

# name → build context, whose Dockerfile is at …
IMAGES: dict[str, tuple[Path, Path]] = {
    f"tracetrack-app:{VERSION}": (ROOT / "app", ROOT / "app" / "Dockerfile"),
    f"tracetrack-operator:{VERSION}": (ROOT / "operator", ROOT / "operator" / "Dockerfile"),
    f"tracetrack-embedded:{VERSION}": (ROOT / "operator" / "embedded", ROOT / "operator" / "embedded" / "Dockerfile"),
    f"tracetrack-aws:{VERSION}": (ROOT / "tests", ROOT / "tests" / "aws" / "Dockerfile"),
}


class Stage(KindCluster):
    """A cluster and what is installed in it. Every step finds what an earlier run made."""

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        data = self.get("secret", name, "-n", namespace).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    @contextmanager
    def building(self) -> Iterator[None]:
        """Build the images whose sources changed beside what is done within; after that there is a cluster: put them
        into it as they are built, and let go of pods of the old ones.

        The tag stays the same while one works on the sources, so that nothing else would replace those pods.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting = {name: pool.submit(images.build, name, *where) for name, where in IMAGES.items()}
            try:
                yield
                while waiting:
                    next(iter(waiting.values())).result()
                    built = [name for name, build in waiting.items() if build.done()]
                    for name in built:
                        waiting.pop(name).result()
                    for name in images.load(built, self.name):
                        self._replace_pods(name)
            finally:
                pool.shutdown(cancel_futures=True)

    def _replace_pods(self, image: str) -> None:
        for pod in self.get("pods", "--all-namespaces")["items"]:
            if any(container["image"] == image for container in pod["spec"]["containers"]):
                metadata = pod["metadata"]
                self.kubectl("delete", "pod", metadata["name"], "-n", metadata["namespace"], "--wait=false")
                say(f"{metadata['name']} is replaced: its image is new")

    def aws(self) -> None:
        """Have the emulated AWS run in the cluster."""
        with step("waiting for the emulated AWS"):
            if self.kubectl("get", "pod", "aws", "-n", "tracetrack-aws", "--ignore-not-found"):
                leaving = self.get("pod", "aws", "-n", "tracetrack-aws")["metadata"].get("deletionTimestamp")
                if leaving:
                    self.kubectl("-n", "tracetrack-aws", "wait", "--for=delete", "pod/aws", "--timeout=60s")
            self.kubectl("apply", "-f", str(ROOT / "tests" / "aws" / "pod.yaml"))
            self.kubectl("-n", "tracetrack-aws", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")

    def operator(self, *values: str) -> None:
        """`helm upgrade --install` the operator; `values` are further `--set` arguments."""
        self.namespace(SYSTEM_NAMESPACE)
        credentials = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "aws-credentials", "namespace": SYSTEM_NAMESPACE},
            "stringData": {"AWS_ACCESS_KEY_ID": "emulator", "AWS_SECRET_ACCESS_KEY": "emulator"},
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(credentials))
        authority = self._aws_authority()
        settings = [
            "image.pullPolicy=IfNotPresent",
            f"aws.region={AWS_REGION}",
            f"aws.endpointUrl={AWS_ENDPOINT}",
            "aws.credentialsSecret=aws-credentials",
            "aws.caConfigMap=aws-ca",
            f"podAnnotations.tracetrack\\.io/aws-ca=sha-{authority}",
            f"networkPolicy.egressPorts={{{','.join(map(str, EGRESS_PORTS))}}}",
            f"networkPolicy.egressPorts[{len(EGRESS_PORTS)}].port={AWS_PORTS[0]}",
            f"networkPolicy.egressPorts[{len(EGRESS_PORTS)}].endPort={AWS_PORTS[1]}",
            "clusterName=demo",
            *values,
        ]
        with step("helm upgrade --install tracetrack-operator"), self._explained():
            self.helm(
                "upgrade",
                "--install",
                RELEASE,
                str(CHART),
                "--namespace",
                SYSTEM_NAMESPACE,
                "--wait",
                "--timeout",
                "180s",
                *(word for setting in settings for word in ("--set", setting)),
            )

    def _aws_authority(self) -> str:
        """Keep the CA of the emulated AWS, new at each of its starts, where the operator's pod mounts it; its hash."""
        bundle = _fetch(f"{self.aws_url}/_tracetrack/ca")
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "aws-ca", "namespace": SYSTEM_NAMESPACE},
            "data": {"ca.crt": bundle},
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        return hashlib.sha256(bundle.encode()).hexdigest()[:12]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Add what the operator's pods say to the error of a failed installation."""
        try:
            yield
        except StageError as error:
            pods = self.kubectl("get", "pods", "-n", SYSTEM_NAMESPACE)
            log = self.kubectl("logs", "-n", SYSTEM_NAMESPACE, "-l", f"app.kubernetes.io/name={RELEASE}", "--tail=15")
            raise StageError(f"{error}\n{pods}\n{log}") from error

    def helm(self, *args: str) -> str:
        return output([tools.helm(), "--kubeconfig", self.kubeconfig, *args])

    def namespace(self, name: str) -> None:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def wait_ready(self, kind: str, name: str, namespace: str = "default", timeout: float = 240.0) -> None:
        """Wait for an object's Ready condition, saying what it waits for whenever that changes."""
        with step(f"waiting for {kind} {name}"):
            self.wait_condition(kind, name, namespace, timeout, say)

    def wait_condition(
        self, kind: str, name: str, namespace: str, timeout: float, tell: Callable[[str], None] | None = None
    ) -> None:
        """Wait until Ready is True for the object's present generation. StageError with all conditions if it isn't."""
        deadline, told = time.monotonic() + timeout, ""
        while True:
            found = self.get(kind, name, "-n", namespace)
            conditions = {c["type"]: c for c in found.get("status", {}).get("conditions", [])}
            ready = conditions.get("Ready", {"status": "Unknown", "reason": "NoStatus", "message": "no status yet"})
            current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
            if ready["status"] == "True" and current:
                return
            line = f"{ready['reason']}: {ready['message']}"
            if tell is not None and line != told:
                tell(line)
                told = line
            if time.monotonic() > deadline:
                rows = "\n".join(
                    f"  {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in conditions.values()
                )
                raise StageError(f"{kind} {namespace}/{name} is not Ready after {timeout:.0f} s:\n{rows}")
            time.sleep(0.5)


def _fetch(url: str, patience: float = 60.0) -> str:
    """The text at `url`. A node port answers some time after its pod is ready; StageError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError as error:
            if time.monotonic() > deadline:
                raise StageError(f"{url} does not answer: {error}") from error
        time.sleep(0.5)
