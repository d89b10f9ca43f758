"""What keeps pods from running, in words that name the pod and the remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..api.conditions import Reason
from ..engine.objects import Object

_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
IMAGE_REMEDY = (
    "Check that the image exists and the nodes may pull it: spec.version, spec.image and spec.image.pullSecrets."
)
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True)
class Problem:
    reason: str
    message: str


def alive(pods: Iterable[Object]) -> list[Object]:
    """Pods that are neither finished nor on their way out."""
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ]


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def first_problem(pods: Iterable[Object], image_remedy: str = IMAGE_REMEDY) -> Problem | None:
    """The most telling problem among the living pods: images, then configuration, crashes, scheduling."""
    candidates = sorted(alive(pods), key=lambda pod: str(pod["metadata"]["name"]))
    for pod in candidates:
        image = _missing_image(pod)
        if image is not None:
            text = f"Pod {pod['metadata']['name']} cannot get image {image}. {image_remedy}"
            return Problem(Reason.IMAGE_UNAVAILABLE, text)
    for find in (_config_problem, _crash, _unschedulable):
        for pod in candidates:
            problem = find(pod)
            if problem is not None:
                return problem
    return None


def _containers(pod: Object) -> list[dict[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _waiting(container: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = container.get("state", {}).get("waiting") or {}
    return found


def _missing_image(pod: Object) -> str | None:
    for container in _containers(pod):
        if _waiting(container).get("reason") in _IMAGE:
            return str(container.get("image", "?"))
    return None


def _config_problem(pod: Object) -> Problem | None:
    for container in _containers(pod):
        waiting = _waiting(container)
        if waiting.get("reason") in _CONFIG:
            return Problem(
                "ContainerNotCreated",
                f"Container {container['name']} of pod {pod['metadata']['name']} cannot be created: "
                f"{waiting.get('message', waiting['reason'])}. Mend what the message names.",
            )
    return None


def _crash(pod: Object) -> Problem | None:
    name = pod["metadata"]["name"]
    for container in _containers(pod):
        if _waiting(container).get("reason") != "CrashLoopBackOff":
            continue
        last = container.get("lastState", {}).get("terminated") or {}
        ended = f"exit code {last['exitCode']}" if "exitCode" in last else "unknown exit"
        if last.get("reason") == "OOMKilled":
            ended += ", out of memory: raise spec.resources.limits.memory"
        return Problem(
            "CrashLooping",
            f"Container {container['name']} of pod {name} keeps ending ({ended}). "
            f"See kubectl logs --previous {name} -c {container['name']}.",
        )
    return None


def _unschedulable(pod: Object) -> Problem | None:
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Problem(
                Reason.UNSCHEDULABLE,
                f"No node takes pod {pod['metadata']['name']}: {condition.get('message', '')} "
                "Add nodes, or lower spec.resources.requests or spec.scaling.",
            )
    return None
