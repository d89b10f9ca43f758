"""Every kind the operator touches, in one table."""

from dataclasses import dataclass

from ..api.constants import GROUP, MANAGED_SELECTOR, VERSION


@dataclass(frozen=True)
class Kind:
    """A resource type. `watched` ones are cached; of `children` only those with our label are."""

    kind: str
    group: str
    version: str
    plural: str
    watched: bool = True
    child: bool = True
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS: dict[str, Kind] = {
    k.kind: k
    for k in (
        Kind("TraceTrackDeployment", GROUP, VERSION, "tracetrackdeployments", child=False),
        Kind("ScannerFleet", GROUP, VERSION, "scannerfleets", child=False),
        Kind("ScannerSlice", GROUP, VERSION, "scannerslices"),
        Kind("ServiceAccount", "", "v1", "serviceaccounts"),
        Kind("ConfigMap", "", "v1", "configmaps"),
        Kind("Secret", "", "v1", "secrets"),
        Kind("Service", "", "v1", "services"),
        Kind("Pod", "", "v1", "pods"),
        Kind("Deployment", "apps", "v1", "deployments"),
        Kind("StatefulSet", "apps", "v1", "statefulsets"),
        Kind("Job", "batch", "v1", "jobs"),
        Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
        Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
        Kind("Ingress", "networking.k8s.io", "v1", "ingresses"),
        Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
        Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", watched=False),
        Kind("Event", "", "v1", "events", watched=False, child=False),
        Kind("Namespace", "", "v1", "namespaces", watched=False, child=False, namespaced=False),
    )
}

WATCHED: tuple[str, ...] = tuple(name for name, kind in KINDS.items() if kind.watched)

OWN: tuple[str, ...] = tuple(name for name in WATCHED if not KINDS[name].child)
CHILDREN: tuple[str, ...] = tuple(name for name in WATCHED if KINDS[name].child)


def selector_of(kind: str) -> str:
    """The label selector that the operator watches and lists `kind` with."""
    return MANAGED_SELECTOR if KINDS[kind].child else ""
