"""The PodDisruptionBudget: one pod at a time, so that nodes can be drained with a single replica too."""

from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import Inputs


def disruption_budget(inputs: Inputs) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": inputs.parent.metadata(APP, APP),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": inputs.parent.selector(APP)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
