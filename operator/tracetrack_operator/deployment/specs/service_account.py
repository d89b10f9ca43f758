"""The application's ServiceAccount: an identity, without a token in the pods."""

from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import Inputs


def service_account(inputs: Inputs) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": inputs.parent.metadata(APP, APP),
        "automountServiceAccountToken": False,
    }
