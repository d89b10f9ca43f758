"""The image of a kind node: the public one where it can be had, else one made of Debian packages and Go modules."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tests.cluster import engine, golang, rootfs
from tests.cluster.paths import NODE, bin_dir, cache_dir, locked
from tests.cluster.run import StageError, output, say, step, succeeds

# What kind's release calls its default: other releases' images of that version may not fit it.
PUBLIC_IMAGE = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
LOCAL_NAME = "tracetrack-node"
PYTHON_IMAGE = f"python:3.13-slim-{rootfs.SUITE}"
COMPONENTS_IMAGE = "stage-components:local"
PAUSE_IMAGE = "stage-pause:local"
METRICS_SERVER_IMAGE = "stage-metrics-server:local"
_PULL_SECONDS = 1800
# Part of the image's name: raise it when the steps below change what comes out of them
_RECIPE = 2
_BINARIES = ("kubernetes", *golang.ADDONS)
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd")


def ensure() -> str:
    """The name of a node image that the engine has, and beside it `PYTHON_IMAGE` for the project's Dockerfiles.

    `$CLUSTER_IMAGES`: `public` (never build), `build` (never pull) or unset (build where nothing can be pulled).
    """
    mode = _mode()
    with locked("node-image"):
        local = _local()
        if _stays(mode, local):
            return local
        if public := _public(mode):
            return public
        _fetch()
        _build(local)
        _forget_others(local)
        return local


def prepare() -> None:
    """All of `ensure` that is fetching and compiling, and `PYTHON_IMAGE`."""
    mode = _mode()
    with locked("node-image"):
        if not _stays(mode, _local()) and not _public(mode):
            _fetch()


def is_local(image: str) -> bool:
    """Whether `image` is one that we made."""
    return image.startswith(f"{LOCAL_NAME}:")


def _mode() -> str:
    mode = os.environ.get("CLUSTER_IMAGES") or "auto"
    if mode not in {"auto", "public", "build"}:
        raise StageError(f"CLUSTER_IMAGES is {mode!r}: make it 'public', 'build' or unset it")
    return mode


def _local() -> str:
    return f"{LOCAL_NAME}:{golang.KUBERNETES_VERSION}-{_stamp()}"


def _stays(mode: str, local: str) -> bool:
    return mode != "public" and _have(local) and _have(PYTHON_IMAGE)


def _public(mode: str) -> str | None:
    if mode != "build" and (_have(PUBLIC_IMAGE) or _pull(PUBLIC_IMAGE, required=mode == "public")):
        return PUBLIC_IMAGE
    return None


def _have(image: str) -> bool:
    return succeeds([engine.docker(), "image", "inspect", image])


def _forget_others(kept: str) -> None:
    docker = engine.docker()
    for image in output([docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", LOCAL_NAME]).split():
        if image != kept:
            succeeds([docker, "image", "rm", image])


@cache
def _pull(image: str, required: bool) -> bool:
    """Asked of the engine itself, which knows the machine's mirrors and logins."""
    with step(f"pulling {image} (once, where a registry answers)", fetches=True):
        pulled = succeeds([engine.docker(), "pull", "-q", image], timeout=_PULL_SECONDS)
    if not pulled and required:
        raise StageError(f"{image} can't be pulled: connect this machine to a registry, or unset CLUSTER_IMAGES")
    if not pulled:
        say("no container registry answers: making the node image here")
    return pulled


def _stamp() -> str:
    digest = hashlib.sha256(repr((_RECIPE, rootfs.NODE, rootfs.COMPONENTS)).encode())
    for file in sorted(path for path in NODE.rglob("*") if path.is_file()):
        digest.update(file.relative_to(NODE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _fetch() -> None:
    with ThreadPoolExecutor() as pool:
        systems = [pool.submit(rootfs.make, system) for system in (rootfs.COMPONENTS, rootfs.NODE)]
        python = pool.submit(_make_python_image)
        try:
            golang.kubernetes()
            golang.addons()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        python.result()
        for system in systems:
            system.result()


def _make_python_image() -> None:
    if not _have(PYTHON_IMAGE):
        system = rootfs.make(rootfs.PYTHON)
        with step(f"making {PYTHON_IMAGE} (once)"):
            output([engine.docker(), "import", "-c", 'CMD ["python3"]', system, PYTHON_IMAGE])


def _build(name: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as context, step("building the images of a node (once)"):
        _fill(Path(context))
        for target in ("components", "node"):
            _build_target(Path(context), target)
        for addon in ("coredns", "pause", "metrics-server"):
            _build_addon(addon)
        images = _tag()
    with step("putting the images into the node (once)"):
        _assemble(name, images)


def _fill(context: Path) -> None:
    """A folder for each image, so that the engine is sent nothing that goes into another one."""
    node, components = context / "node", context / "components"
    shutil.copytree(NODE / "files", node / "files")
    os.link(rootfs.NODE.path, node / "system.tar")
    os.link(bin_dir() / "kubernetes", node / "kubernetes")
    (components / "bin").mkdir(parents=True)
    os.link(rootfs.COMPONENTS.path, components / "system.tar")
    for binary in _BINARIES:
        os.link(bin_dir() / binary, components / "bin" / binary)
    for component in (*golang.COMPONENTS, "kubelet"):
        (components / "bin" / component).symlink_to("kubernetes")
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (components / "bin" / f"{family}{suffix}").symlink_to("/usr/sbin/xtables-nft-multi")
    for folder in (node, components):
        shutil.copy(NODE / f"{folder.name}.Dockerfile", folder / "Dockerfile")


def _build_target(context: Path, target: str) -> None:
    version = f"VERSION={golang.KUBERNETES_VERSION}"
    command: list[str | Path] = [engine.docker(), "build", "-q", "-t", f"stage-{target}:local", context / target]
    output([*command, "--build-arg", version], env=engine.build_environment())


def _build_addon(name: str) -> None:
    """All components lie in one image; this one starts another of them."""
    dockerfile = f'FROM {COMPONENTS_IMAGE}\nENTRYPOINT ["/usr/local/bin/{name}"]\n'
    command = [engine.docker(), "build", "-q", "-t", f"stage-{name}:local", "-"]
    output(command, env=engine.build_environment(), stdin=dockerfile)


def _tag() -> list[str]:
    """Name the images as kubeadm will ask for them; gives all names that a node has to have."""
    wanted = output(
        [bin_dir() / "kubeadm", "config", "images", "list", "--kubernetes-version", golang.KUBERNETES_VERSION]
    )
    names = [COMPONENTS_IMAGE, PAUSE_IMAGE, METRICS_SERVER_IMAGE]
    for image in wanted.split():
        component = image.rpartition("/")[2].partition(":")[0]
        source = COMPONENTS_IMAGE if component in _CONTROL_PLANE else f"stage-{component}:local"
        output([engine.docker(), "tag", source, image])
        names.append(image)
    return names


def _assemble(name: str, images: list[str]) -> None:
    docker = engine.docker()
    run = ["run", "-d", "--privileged", "--security-opt", "seccomp=unconfined", "--entrypoint", "sleep"]
    container = output([docker, *run, "stage-node:local", "infinity"]).strip()
    try:
        output([docker, "exec", "-d", container, "containerd"])
        end = time.monotonic() + 30
        while not succeeds([docker, "exec", container, "ctr", "version"]):
            if time.monotonic() > end:
                raise StageError("containerd doesn't start in the node image")
            time.sleep(0.5)
        _import(container, images)
        output([docker, "exec", container, "pkill", "containerd"])
        while succeeds([docker, "exec", container, "pgrep", "-x", "containerd"]):
            time.sleep(0.2)
        changes = ['ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]', "CMD []"]
        options = [word for change in changes for word in ("--change", change)]
        output([docker, "commit", *options, container, name])
    finally:
        output([docker, "rm", "-f", container])


def _import(container: str, images: list[str]) -> None:
    docker = engine.docker()
    importing = [docker, "exec", "-i", container, "ctr", "-n", "k8s.io", "images", "import", "--no-unpack", "-"]
    with subprocess.Popen([docker, "save", *images], stdout=subprocess.PIPE) as saving:
        done = subprocess.run(importing, check=False, stdin=saving.stdout, capture_output=True, text=True)
    if saving.returncode or done.returncode:
        raise StageError(f"images can't be put into the node: {done.stderr.strip()}")
