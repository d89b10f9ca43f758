from __future__ import annotations

from tracetrack_operator.context import INDEXERS
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.objects import Key, Object
from tracetrack_operator.routing import Routes

from .engine.objects import thing

DEPLOYMENT = Key("TraceTrackDeployment", "shop", "demo")
FLEET = Key("ScannerFleet", "shop", "lucknow")


def fleet(name: str, deployment: str = "demo", namespace: str = "shop") -> Object:
    spec = {"deploymentRef": {"name": deployment}}
    return thing(name, kind="ScannerFleet", namespace=namespace, spec=spec)


def routes(*held: Object) -> Routes:
    cache = ObjectCache(INDEXERS)
    for obj in held:
        cache.put(obj)
    return Routes(cache)


def child(kind: str, **labels: str) -> Object:
    return thing("x", kind=kind, metadata={"labels": {f"tracetrack.io/{key}": value for key, value in labels.items()}})


def test_a_deployment_concerns_itself_and_its_fleets() -> None:
    given = routes(fleet("lucknow"), fleet("delhi", "other"), fleet("lucknow", namespace="elsewhere"))
    assert list(given(thing("demo", kind="TraceTrackDeployment"))) == [DEPLOYMENT, FLEET]


def test_a_fleet_concerns_itself_and_its_deployment() -> None:
    assert list(routes()(fleet("lucknow"))) == [FLEET, DEPLOYMENT]
    assert list(routes()(thing("lucknow", kind="ScannerFleet"))) == [FLEET], "a spec that is not there breaks nothing"


def test_children_concern_their_owners_by_label() -> None:
    assert list(routes()(child("Secret", deployment="demo"))) == [DEPLOYMENT]
    assert list(routes()(child("Secret", deployment="demo", fleet="lucknow"))) == [FLEET, DEPLOYMENT]
    assert list(routes()(child("ScannerSlice", deployment="demo", fleet="lucknow"))) == [FLEET]
    assert list(routes()(child("Pod"))) == [], "an object without our labels concerns nobody"
