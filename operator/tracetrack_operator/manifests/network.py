"""NetworkPolicies that let through what is needed and nothing else."""

from ..api.constants import LABEL_NAME
from ..engine.objects import Object

OPERATOR_PODS: Object = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {LABEL_NAME: "tracetrack-operator"}},
}
DNS: Object = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def port(number: int) -> list[Object]:
    return [{"port": number, "protocol": "TCP"}]


def pods(selector: dict[str, str]) -> Object:
    """A peer: pods of the same namespace."""
    return {"podSelector": {"matchLabels": selector}}


def network_policy(metadata: Object, selector: dict[str, str], ingress: list[Object], egress: list[Object]) -> Object:
    """Default-deny in both directions for the selected pods, but for the given rules."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }
