"""One named kind cluster with metrics-server, reachable from this host's loopback."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.backing import Port
from tests.cluster import engine, node_image, tools
from tests.cluster.paths import HERE, NODE, locked
from tests.cluster.run import StageError, output, quiet, say, step, succeeds

APP_NODE_PORT = 30080
AWS_NODE_PORT = 30566
SPARE_NODE_PORT = 30999
_NODE_PORTS = {"APP_HOST_PORT": APP_NODE_PORT, "AWS_HOST_PORT": AWS_NODE_PORT, "SPARE_HOST_PORT": SPARE_NODE_PORT}
_COMPLETE = "tracetrack-stage"
_READY_SECONDS = 180
_KUBELET_PATCH = "kind: KubeletConfiguration\nresolvConf: /etc/kubernetes-resolv.conf\n"


@dataclass(frozen=True)
class KindCluster:
    """The cluster called `name`; its kubeconfig and its ports lie where the caller says, never in ~/.kube."""

    name: str
    kubeconfig: Path
    state: Path

    @classmethod
    def from_environment(cls) -> Self:
        """`CLUSTER_NAME` (tracetrack), `CLUSTER_STATE_DIR` (.demo), `KUBECONFIG_OUT` (kubeconfig in that folder)."""
        name = os.environ.get("CLUSTER_NAME") or "tracetrack"
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
            raise StageError(f"CLUSTER_NAME is {name!r}: make it up to 41 lower-case letters, digits and hyphens")
        state = Path(os.environ.get("CLUSTER_STATE_DIR") or ".demo").resolve()
        return cls(name, Path(os.environ.get("KUBECONFIG_OUT") or state / "kubeconfig").resolve(), state)

    @property
    def environment(self) -> dict[str, str]:
        """What `from_environment` makes this cluster of."""
        return {"CLUSTER_NAME": self.name, "CLUSTER_STATE_DIR": str(self.state), "KUBECONFIG_OUT": str(self.kubeconfig)}

    @property
    def node(self) -> str:
        """The container that is the cluster's node."""
        return f"{self.name}-control-plane"

    @property
    def app_url(self) -> str:
        return self._url("APP_HOST_PORT")

    @property
    def aws_url(self) -> str:
        return self._url("AWS_HOST_PORT")

    @property
    def spare_url(self) -> str:
        """Where this host reaches what a test puts at the third published node port."""
        return self._url("SPARE_HOST_PORT")

    def prepare(self) -> None:
        """Have everything that `up` needs fetched and compiled, and what the project's own images are built on."""
        engine.ensure()
        tools.kind()
        tools.kubectl()
        node_image.prepare()

    def up(self) -> None:
        """Have the cluster run with everything in it available; seconds when it does already."""
        self.prepare()
        image = node_image.ensure()
        with locked(f"cluster-{self.name}"):
            self.state.mkdir(parents=True, exist_ok=True)
            if not self._usable():
                self._create(image)
            self._write_kubeconfig()
            self._write_ports()
            self._finish()

    def down(self) -> None:
        """Delete the cluster and what `up` wrote, and stop the engine if it is ours and nothing else runs in it."""
        if engine.running():
            with locked(f"cluster-{self.name}"):
                if self._inspect() is not None:
                    with step(f"deleting cluster {self.name}"):
                        self._kind("delete", "cluster", "--name", self.name, "--kubeconfig", self._scratch())
            engine.stop()
        for path in (self.kubeconfig, self.state / "ports.env", self._scratch()):
            path.unlink(missing_ok=True)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """What `kubectl ARGS` prints, as cluster-admin."""
        return output([tools.kubectl(), "--kubeconfig", self.kubeconfig, *args], stdin=stdin)

    def get(self, *args: str) -> dict[str, Any]:
        """What `kubectl get ARGS -o json` gives."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *args, "-o", "json"))
        return found

    def ports(self) -> dict[str, int]:
        """`APP_HOST_PORT`, `AWS_HOST_PORT`, `SPARE_HOST_PORT`: where 127.0.0.1 answers for the cluster's node ports."""
        found = self._inspect()
        if found is None:
            raise StageError(f"there is no cluster {self.name}: start it with tests/cluster/up")
        bindings = found["HostConfig"]["PortBindings"]
        return {name: int(bindings[f"{port}/tcp"][0]["HostPort"]) for name, port in _NODE_PORTS.items()}

    def _url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports()[port]}"

    def _usable(self) -> bool:
        found = self._inspect()
        if found is None:
            return False
        published = {f"{port}/tcp" for port in _NODE_PORTS.values()} <= set(found["HostConfig"]["PortBindings"])
        if found["State"]["Running"] and published:
            self._write_kubeconfig()
            if self._answers() and self._completed():
                return True
        say(f"cluster {self.name} was left half made, is of an older kind or doesn't answer: making it anew")
        return False

    def _answers(self) -> bool:
        kubectl: list[str | Path] = [tools.kubectl(), "--kubeconfig", self.kubeconfig, "--request-timeout=5s"]
        end = time.monotonic() + 30
        while not succeeds([*kubectl, "get", "--raw", "/readyz"]):
            if time.monotonic() > end:
                return False
            time.sleep(1)
        return True

    def _completed(self) -> bool:
        labels = self.kubectl("get", "node", self.node, "-o", "jsonpath={.metadata.labels}")
        return _COMPLETE in json.loads(labels)

    def _create(self, image: str) -> None:
        with step(f"creating cluster {self.name} from {image}"):
            config = self.state / f"kind-{self.name}.json"
            config.write_text(json.dumps(_config(image), indent=1))
            scratch = self._scratch()
            self._kind("delete", "cluster", "--name", self.name, "--kubeconfig", scratch)
            create: list[str | Path] = ["create", "cluster", "--name", self.name, "--image", image, "--config", config]
            self._kind(*create, "--kubeconfig", scratch, "--wait", f"{_READY_SECONDS}s")
            self._write_kubeconfig()
            self.kubectl("label", "node", self.node, f"{_COMPLETE}=complete")
            config.unlink()

    def _finish(self) -> None:
        image = node_image.METRICS_SERVER_IMAGE if node_image.is_local(self._image()) else self._public_metrics_server()
        manifest = (HERE / "metrics-server.yaml").read_text().replace("image: IMAGE", f"image: {image}")
        with step("waiting for the system's pods"):
            self.kubectl("apply", "-f", "-", stdin=manifest)
            wait = ["wait", "--for=condition=Available", f"--timeout={_READY_SECONDS}s"]
            try:
                for namespace in ("kube-system", "local-path-storage"):
                    self.kubectl("-n", namespace, *wait, "deployment", "--all")
                self.kubectl(*wait, "apiservice", "v1beta1.metrics.k8s.io")
            except StageError as error:
                raise StageError(f"{error}\n{self.kubectl('get', 'pods', '-A')}") from None

    def _public_metrics_server(self) -> str:
        """metrics-server's image lies where kubeadm's own do, under the version that we would compile."""
        list_images = "kubeadm config images list --kubernetes-version $(cat /kind/version)"
        listed = output([engine.docker(), "exec", self.node, "sh", "-c", list_images])
        registry = next(image for image in listed.split() if "/kube-apiserver:" in image).partition("/kube-apiserver:")[
            0
        ]
        module = (NODE / "kubernetes/go.mod").read_text()
        version = re.findall(r"sigs\.k8s\.io/metrics-server (v[\d.]+)", module)[0]
        return f"{registry}/metrics-server/metrics-server:{version}"

    def _image(self) -> str:
        found = self._inspect()
        return "" if found is None else str(found["Config"]["Image"])

    def _inspect(self) -> Any:
        command = [engine.docker(), "container", "inspect", self.node]
        return json.loads(output(command))[0] if succeeds(command) else None

    def _kind(self, *args: str | Path) -> None:
        environment = {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
        quiet([tools.kind(), *args], f"kind-{self.name}", env=environment)

    def _scratch(self) -> Path:
        return self.state / f"kind-{self.name}.kubeconfig"

    def _write_kubeconfig(self) -> None:
        text = output([tools.kind(), "get", "kubeconfig", "--name", self.name])
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        part = self.kubeconfig.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(text)
        part.replace(self.kubeconfig)
        self._scratch().unlink(missing_ok=True)

    def _write_ports(self) -> None:
        (self.state / "ports.env").write_text("".join(f"{name}={port}\n" for name, port in self.ports().items()))


def _config(image: str) -> dict[str, Any]:
    held = {name: Port() for name in _NODE_PORTS}
    chosen = {name: port.number for name, port in held.items()}
    for name in chosen:
        if given := os.environ.get(name):
            if not given.isdigit():
                raise StageError(f"{name} is {given!r}: make it a port number or unset it")
            chosen[name] = int(given)
    mappings = [
        {"listenAddress": "127.0.0.1", "hostPort": chosen[name], "containerPort": port}
        for name, port in _NODE_PORTS.items()
    ]
    node = {"role": "control-plane", "extraPortMappings": mappings}
    config: dict[str, Any] = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
    if node_image.is_local(image):
        config["networking"] = {"disableDefaultCNI": True}
        config["kubeadmConfigPatches"] = [_KUBELET_PATCH]
    return config
