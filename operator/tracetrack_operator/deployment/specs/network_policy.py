"""The application's NetworkPolicy: in on its port, out to DNS, its database, its cache and its mail server."""

from ...api.cache import CacheProvider
from ...api.database import DatabaseProvider
from ...engine.objects import Object
from ...manifests import network
from ...manifests.parent import APP, CACHE, DATABASE
from ..brought import MAIL
from .inputs import PORT, Inputs, port_in


def app_network_policy(inputs: Inputs) -> Object | None:
    wanted = inputs.spec.network_policy
    if not wanted.enabled:
        return None
    entry: Object = {"ports": network.port(PORT)}
    if wanted.ingress_namespace_selector is not None:
        entry["from"] = [{"namespaceSelector": {"matchLabels": wanted.ingress_namespace_selector}}]
    egress = [network.DNS]
    embedded = inputs.spec.database.provider is DatabaseProvider.EMBEDDED
    egress += _to(inputs, DATABASE, embedded, inputs.database_port)
    if inputs.replica_port != inputs.database_port:
        egress += _to(inputs, DATABASE, False, inputs.replica_port)
    embedded = inputs.spec.cache.provider is CacheProvider.EMBEDDED
    egress += _to(inputs, CACHE, embedded, inputs.cache_port)
    egress += _to(inputs, APP, False, port_in(inputs.brought.get(MAIL, {})))
    metadata, selector = inputs.parent.metadata(APP, APP), inputs.parent.selector(APP)
    return network.network_policy(metadata, selector, [entry], egress)


def _to(inputs: Inputs, component: str, embedded: bool, number: int | None) -> list[Object]:
    """To the embedded server's pods, or to anywhere on the port where a server outside the namespace listens."""
    if number is None:
        return []
    rule: Object = {"ports": network.port(number)}
    return [{**rule, "to": [network.pods(inputs.parent.selector(component))]} if embedded else rule]
