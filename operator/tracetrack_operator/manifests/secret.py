"""Secrets as manifests and back."""

import base64
import binascii
from collections.abc import Mapping

from ..engine.objects import Object


def secret(metadata: Object, data: Mapping[str, str], type_: str = "Opaque") -> Object:
    """A Secret whose values are UTF-8 text."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": type_,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in sorted(data.items())},
    }


def values(obj: Object) -> dict[str, str]:
    """The values of a Secret as text; one that isn't UTF-8 is left out."""
    found = {}
    for key, value in (obj.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
