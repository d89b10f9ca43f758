"""A Kubernetes control plane without nodes, for tests: etcd, kube-apiserver and kube-controller-manager on loopback.

Controllers act as in a cluster (garbage collection, Deployments make pods, namespaces go), but there is no scheduler
and no kubelet: pods stay Pending, and what waits for a running pod waits for ever. The garbage collector learns of
a new CRD within 30 seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3

from tests.backing import Port
from tests.cluster import golang
from tests.cluster.pki import Authority, write_key
from tests.cluster.process import Server
from tests.cluster.run import StageError, output

_NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
_START_TIMEOUT = 60.0
_ATTEMPTS = 3
_CONNECTIONS = 8
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def binaries() -> dict[str, Path]:
    """The control plane's programs by name: those in the folder `$KUBEBUILDER_ASSETS`, the rest from our own build."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and not Path(assets).is_dir():
        raise StageError(f"KUBEBUILDER_ASSETS is {assets!r}, which is no folder: correct it or unset it")
    found = {name: Path(assets) / name for name in _NEEDED if assets and (Path(assets) / name).exists()}
    if len(found) < len(_NEEDED):
        own = golang.kubernetes().parent
        found = {name: found.get(name, own / name) for name in _NEEDED}
    return found


class ApiError(Exception):
    """The API server's refusal: `status` is its HTTP status, the message its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class ControlPlane:
    """A control plane for as long as the `with` block lasts; everything it writes is in one temporary folder.

    Enter it in a thread that outlives it, such as the main one: its processes die with the thread that started them.
    `without` names controllers that shall not run; unless it is `audited`, it costs less and has no `audit_events`.
    """

    kubeconfig: Path
    url: str

    def __init__(self, without: Sequence[str] = (), *, audited: bool = True) -> None:
        self._audited = audited
        self._controllers = ",".join(["*", *(f"-{name}" for name in without)])

    def __enter__(self) -> Self:
        self._binaries = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="control-plane-"))
        self._servers: list[Server] = []
        try:
            self._credentials()
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._start()
                    break
                except StageError as error:
                    self._stop()
                    if attempt == _ATTEMPTS or "address already in use" not in str(error):
                        raise
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pause(self) -> None:
        """Have it take no processor time until `resume`: an idle control plane costs a tenth of a core."""
        for server in self._servers:
            server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause; clients' watches go on or are made anew."""
        for server in self._servers:
            server.send(signal.SIGCONT)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Call the API as cluster-admin: `path` from the root ("/api/v1/pods"), JSON both ways. Raises `ApiError`."""
        data = None if body is None else json.dumps(body).encode()
        try:
            try:
                answer = self._send(method, path, data)
            except (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError):
                # The server had closed the kept connection, as TLS may tell too: it has not seen the request.
                answer = self._send(method, path, data)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        text = answer.data.decode()
        if answer.status >= 300:
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                message = text
            raise ApiError(answer.status, message)
        return json.loads(text) if text.startswith("{") else text

    def _send(self, method: str, path: str, data: bytes | None) -> urllib3.BaseHTTPResponse:
        return self._pool.urlopen(method, path, body=data, headers=_HEADERS, timeout=30, retries=False, redirect=False)

    def kubectl(self, *args: str, input: str | None = None) -> str:
        """What `kubectl ARGS` prints as cluster-admin, `input` on its stdin; raises `StageError` with its message."""
        return output([self._binaries["kubectl"], *args], env={"KUBECONFIG": str(self.kubeconfig)}, stdin=input)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig of ServiceAccount `name` (made if absent), good for an hour: RBAC decides what it may."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        try:
            self.request("POST", accounts, {"metadata": {"name": name}})
        except ApiError as error:
            if error.status != 409:
                raise
        request = {"spec": {"expirationSeconds": 3600}}
        token = self.request("POST", f"{accounts}/{name}/token", request)["status"]["token"]
        return self._write_kubeconfig(f"{namespace}.{name}", {"token": token}, namespace)

    def audit_events(self, user: str | None = None) -> list[dict[str, Any]]:
        """The answered requests so far, oldest first, as audit.k8s.io/v1 Events of level Metadata.

        `user`: only those of that user name (a ServiceAccount's is `system:serviceaccount:NAMESPACE:NAME`).
        """
        with (self._folder / "audit.log").open() as lines:
            events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if user is None or event["user"].get("username") == user]

    def _credentials(self) -> None:
        hosts = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
        self._authority = Authority(self._folder)
        self._serving = self._authority.issue("apiserver", "kube-apiserver", hosts=hosts)
        self._admin = self._authority.issue("admin", "admin", "system:masters")
        self._manager = self._authority.issue("controller-manager", "system:kube-controller-manager")
        write_key(self._folder / "service-account.key")
        (self._folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))

    def _start(self) -> None:
        self._ports = [Port() for _ in range(4)]
        client, peer, port, manager = (held.number for held in self._ports)
        self.url = f"https://127.0.0.1:{port}"
        etcd = f"http://127.0.0.1:{client}"
        self._run("etcd", {
            "data-dir": self._folder / "etcd", "unsafe-no-fsync": "true", "log-level": "warn", "name": "default",
            "listen-client-urls": etcd, "advertise-client-urls": etcd,
            "listen-peer-urls": f"http://127.0.0.1:{peer}", "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-cluster": f"default=http://127.0.0.1:{peer}",
        })  # fmt: skip
        audit: dict[str, object] = {
            "audit-policy-file": self._folder / "audit-policy.json", "audit-log-path": self._folder / "audit.log",
            "audit-log-mode": "blocking", "audit-log-maxsize": 4096,
        }  # fmt: skip
        self._run("kube-apiserver", {
            "etcd-servers": etcd, "bind-address": "127.0.0.1", "advertise-address": "127.0.0.1", "secure-port": port,
            "tls-cert-file": self._serving.certificate, "tls-private-key-file": self._serving.key,
            "client-ca-file": self._authority.certificate, "cert-dir": self._folder,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._folder / "service-account.key",
            "service-account-signing-key-file": self._folder / "service-account.key",
            "service-cluster-ip-range": "10.96.0.0/16", "authorization-mode": "RBAC", "allow-privileged": "true",
            "endpoint-reconciler-type": "none", "profiling": "false", **(audit if self._audited else {}),
        })  # fmt: skip
        files = {"client-certificate": self._admin.certificate, "client-key": self._admin.key}
        self.kubeconfig = self._write_kubeconfig("admin", files)
        # Kept connections: half of what tests and server did was to greet each other.
        self._pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            port,
            maxsize=_CONNECTIONS,
            ca_certs=str(self._authority.certificate),
            cert_file=str(self._admin.certificate),
            key_file=str(self._admin.key),
        )
        self._wait("kube-apiserver", lambda: self.request("GET", "/readyz") == "ok")
        files = {"client-certificate": self._manager.certificate, "client-key": self._manager.key}
        config = self._write_kubeconfig("controller-manager", files)
        self._run("kube-controller-manager", {
            "kubeconfig": config, "authentication-kubeconfig": config, "authorization-kubeconfig": config,
            "service-account-private-key-file": self._folder / "service-account.key",
            "use-service-account-credentials": "true",
            "root-ca-file": self._authority.certificate, "leader-elect": "false", "cert-dir": self._folder,
            "bind-address": "127.0.0.1", "secure-port": manager,
            "controllers": self._controllers, "kube-api-qps": 200, "kube-api-burst": 400, "profiling": "false",
        })  # fmt: skip
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("kube-controller-manager", lambda: bool(self.request("GET", account)))

    def _run(self, name: str, flags: dict[str, object]) -> None:
        arguments = [f"--{flag}={value}" for flag, value in flags.items()]
        # Short-lived and with memory to spare: collecting garbage a quarter as often saves a tenth of the time.
        environment = {"GOGC": "400"}
        self._servers.append(Server(self._binaries[name], arguments, self._folder / f"{name}.log", environment))

    def _stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()
        self._servers.clear()
        shutil.rmtree(self._folder / "etcd", ignore_errors=True)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _START_TIMEOUT
        last: Exception | None = None
        while time.monotonic() < end:
            for server in self._servers:
                server.check()
            try:
                if ready():
                    return
            except (ApiError, OSError) as error:
                last = error
            time.sleep(0.05)
        raise StageError(f"{what} was not ready within {_START_TIMEOUT:.0f} s: {last}")

    def _write_kubeconfig(self, name: str, user: dict[str, Any], namespace: str = "default") -> Path:
        cluster = {"server": self.url, "certificate-authority": str(self._authority.certificate)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": "control-plane", "cluster": cluster}],
            "users": [{"name": name, "user": {key: str(value) for key, value in user.items()}}],
            "contexts": [{"name": name, "context": {"cluster": "control-plane", "user": name, "namespace": namespace}}],
        }
        path = self._folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))
        return path
