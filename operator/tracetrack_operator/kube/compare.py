"""Does a live object still carry what we would apply?"""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from kubernetes.utils.quantity import parse_quantity

from ..engine.objects import Object, annotations_of

APPLIED_HASH = "tracetrack.io/applied-hash"
MISSING = "missing"
_QUANTITIES = {"limits", "requests", "averageValue", "storage", "sizeLimit"}


def with_hash(manifest: Object) -> Object:
    """`manifest` with the hash of itself in an annotation, so that a field we stop setting is noticed."""
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), APPLIED_HASH: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def difference(desired: Object, live: Object | None) -> str | None:
    """Why `desired` has to be applied, or None when `live` carries all of it.

    Both are manifests; `desired` comes from `with_hash`. Values the API server added (defaults) are not looked at.
    """
    if live is None:
        return MISSING
    if annotations_of(live).get(APPLIED_HASH) != annotations_of(desired)[APPLIED_HASH]:
        return "changed"
    path = _first_difference(desired, live, "", False)
    return None if path is None else f"edited at {path}"


def _first_difference(wanted: Any, live: Any, path: str, quantity: bool) -> str | None:
    # Plain types, since a look-up of an abstract one was most of the time that a comparison took.
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return None if not wanted and live is None else path
        for key, value in wanted.items():
            found = _first_difference(value, live.get(key), f"{path}.{key}", quantity or key in _QUANTITIES)
            if found is not None:
                return found
        return None
    if isinstance(wanted, list | tuple):
        if not wanted and live is None:
            return None
        if not isinstance(live, list | tuple) or len(live) < len(wanted):
            return path
        return _list_difference(wanted, live, path, quantity)
    if wanted is None or (live is None and _left_out(wanted)):
        return None
    if quantity and live is not None:
        return None if parse_quantity(wanted) == parse_quantity(live) else path
    return None if wanted == live else path


def _left_out(wanted: Any) -> bool:
    """Whether the API server leaves such a value out of what it stores. It does so with some `false` too, but others
    mean something else when they are missing, so that one is not passed over."""
    return isinstance(wanted, int | float | str) and not isinstance(wanted, bool) and not wanted


def _list_difference(wanted: Sequence[Any], live: Sequence[Any], path: str, quantity: bool) -> str | None:
    if all(isinstance(item, dict) and "name" in item for item in (*wanted, *live)):
        by_name = {item["name"]: item for item in live}
        for item in wanted:
            name = item["name"]
            found = _first_difference(item, by_name.get(name), f"{path}[{name}]", quantity)
            if found is not None:
                return found
        return None
    if len(wanted) != len(live):
        return path
    for number, (item, other) in enumerate(zip(wanted, live, strict=True)):
        found = _first_difference(item, other, f"{path}[{number}]", quantity)
        if found is not None:
            return found
    return None
