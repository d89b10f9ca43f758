"""Whose reconcile does a changed object concern?"""

from collections.abc import Iterable

from .api.constants import LABEL_DEPLOYMENT, LABEL_FLEET
from .context import BY_DEPLOYMENT
from .engine.cache import ObjectCache
from .engine.objects import Key, Object, labels_of


class Routes:
    """Maps an object to the keys that have to be looked at after it changed."""

    def __init__(self, cache: ObjectCache) -> None:
        self._cache = cache

    def __call__(self, obj: Object) -> Iterable[Key]:
        metadata = obj["metadata"]
        kind, namespace, name = obj["kind"], metadata.get("namespace", ""), metadata["name"]
        if kind == "TraceTrackDeployment":
            yield Key(kind, namespace, name)
            for fleet in self._cache.by_index(BY_DEPLOYMENT, (namespace, name)):
                yield Key("ScannerFleet", namespace, fleet["metadata"]["name"])
            return
        if kind == "ScannerFleet":
            yield Key(kind, namespace, name)
            deployment = obj.get("spec", {}).get("deploymentRef", {}).get("name")
            if deployment:
                yield Key("TraceTrackDeployment", namespace, deployment)
            return
        labels = labels_of(obj)
        if LABEL_FLEET in labels:
            yield Key("ScannerFleet", namespace, labels[LABEL_FLEET])
        if LABEL_DEPLOYMENT in labels and kind != "ScannerSlice":
            yield Key("TraceTrackDeployment", namespace, labels[LABEL_DEPLOYMENT])
