"""The HorizontalPodAutoscaler, on CPU and memory."""

from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import Inputs


def autoscaler(inputs: Inputs) -> Object:
    """Up fast (twice the pods in 15 s), down slowly (a tenth of them a minute, after a quiet time)."""
    scaling = inputs.spec.scaling
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": inputs.parent.metadata(APP, APP),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": inputs.parent.child(APP)},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                _utilization("cpu", scaling.target_cpu_utilization_percentage),
                _utilization("memory", scaling.target_memory_utilization_percentage),
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "selectPolicy": "Max",
                    "policies": [
                        {"type": "Percent", "value": 100, "periodSeconds": 15},
                        {"type": "Pods", "value": 4, "periodSeconds": 15},
                    ],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": scaling.scale_down_stabilization_seconds,
                    "selectPolicy": "Max",
                    "policies": [
                        {"type": "Percent", "value": 10, "periodSeconds": 60},
                        {"type": "Pods", "value": 1, "periodSeconds": 60},
                    ],
                },
            },
        },
    }


def _utilization(resource: str, percent: int) -> Object:
    return {
        "type": "Resource",
        "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": percent}},
    }
