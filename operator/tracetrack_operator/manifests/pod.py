"""Pods that the restricted Pod Security Standard admits."""

from ..engine.objects import Object

# fsGroup makes mounted Secrets (mode 0440) and new volumes readable for the container's user.
SECRET_MODE = 0o440


def pod_security(uid: int) -> Object:
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "fsGroup": uid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def secret_volume(name: str, secret: str) -> Object:
    return {"name": name, "secret": {"secretName": secret, "defaultMode": SECRET_MODE}}


def scratch_volume(name: str, size: str) -> Object:
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def mount(volume: str, path: str, read_only: bool = False) -> Object:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def spread(selector: dict[str, str]) -> list[Object]:
    """Over nodes and zones as far as it goes; a pod that can't be spread is scheduled all the same."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
