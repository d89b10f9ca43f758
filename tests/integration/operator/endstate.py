"""What there is at the end of a flow, in a form that two runs of it have in common.

What each run draws anew (namespace, UIDs, keys, certificates, passwords, ports, times) is replaced by what it is, so
that it still shows where the same one is used: a certificate that isn't for the key beside it makes a difference.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.account import Objects
from tracetrack_operator.fleet.keys import certificate_facts, key_fingerprint
from tracetrack_operator.kube.kinds import KINDS

State = dict[str, Any]

# Pods are drawn by the controllers that make them; Events tell how it went, which is not what it came to.
_NOT_COMPARED = ("Pod", "Event")
_OF_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
NUDGED = "tests.tracetrack.io/nudged"
_WITH_STATUS = ("TraceTrackDeployment", "ScannerFleet")
# And `lastChange`: how long the operator saw a change take, of which one that was killed knows nothing. And how long a
# restore took, and how old its snapshot was; and what approves changes, which is made of the object's name.
_COUNTED = frozenset(
    "resourceVersion creationTimestamp generation observedGeneration managedFields clusterIP clusterIPs nodePort "
    f"deployment.kubernetes.io/revision lastChange approval rtoSeconds rpoSeconds {NUDGED}".split()
)
_COUNTED_BY_AWS = frozenset(
    {
        *("DbiResourceId", "ResponseMetadata", "LastAccessedDate", "LastChangedDate", "LatestRestorableTime"),
        *("SecretVersionsToStages", "thingId", "thingGroupId", "thingTypeId", "version"),
    }
)
_DRAWN_VALUES = re.compile(r"password(-\w+)?|key|secret|public key")
_SHORTEST_DRAWN, _LONGEST_SHOWN = 16, 300
# Times, of which one is part of an automatic snapshot's name; the tail of a secret's ARN; the VPC's own group; what RDS
# calls its secrets, and the key of the service's own; the tail of a green instance's name.
_DRAWN_TEXTS = {
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"): "<time>",
    re.compile(r"-\d{4}(-\d\d){4}\b"): "-<time>",
    re.compile(r"(?<=:secret:)([\w/<>!-]+)-[A-Za-z0-9]{6}\b"): r"\1",
    re.compile(r"\bsg-[0-9a-f]{17}\b"): "<security group>",
    re.compile(r"(?<=rds!db-)[0-9a-f-]{36}|(?<=:key/)[0-9a-f-]{36}"): "<uuid>",
    re.compile(r"-green-[a-z]{6}\b"): "-green-<drawn>",
    re.compile(r"\b\d+ (s|min) (old|after)\b"): r"<time> \2",
}


def children(control_plane: ControlPlane, namespace: str) -> dict[str, Objects]:
    """Every object of a namespace, of the kinds that the operator touches, by kind and name."""
    found: dict[str, Objects] = {}
    for kind in KINDS.values():
        if kind.kind in _NOT_COMPARED or not kind.namespaced:
            continue
        head = f"/apis/{kind.api_version}" if kind.group else "/api/v1"
        items = control_plane.request("GET", f"{head}/namespaces/{namespace}/{kind.plural}")["items"]
        found[kind.kind] = {
            item["metadata"]["name"]: item
            for item in items
            if (kind.kind, item["metadata"]["name"]) not in _OF_EVERY_NAMESPACE
        }
    return found


def of_namespace(account: Mapping[str, Objects], namespace: str, all_namespaces: Sequence[str]) -> dict[str, Objects]:
    """Of an account what tells of one namespace, and what tells of none: nobody else would account for that."""

    def told(name: str, item: dict[str, Any]) -> bool:
        text = name + json.dumps(item, default=str)
        return namespace in text or not any(other in text for other in all_namespaces)

    return {
        kind: {name: item for name, item in objects.items() if told(name, item)} for kind, objects in account.items()
    }


def normal(account: Mapping[str, Objects], kubernetes: Mapping[str, Objects], drawn: Mapping[str, str]) -> State:
    """The two as one state. `drawn` maps what the run has drawn (namespace, UIDs) to what stands for it."""
    told = {
        "AWS": {
            kind: {name: _plain(_read(item), _COUNTED_BY_AWS) for name, item in objects.items()}
            for kind, objects in account.items()
        },
        "Kubernetes": {
            kind: {name: _plain(_of_interest(kind, item), _COUNTED) for name, item in objects.items()}
            for kind, objects in kubernetes.items()
        },
    }
    names = {**drawn, **_certificates(account, drawn)}
    names |= _drawn_values(told, names)
    state: State = _replaced(told, names, _ports(account))
    for objects in state["AWS"].values():
        for name in objects:
            objects[name] = _sorted(objects[name])
    return state


def difference(before: State, after: State) -> str:
    """What `after` has otherwise than `before`, line by line; "" when nothing."""
    lines = [json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (before, after)]
    return "\n".join(difflib.unified_diff(*lines, "undisturbed", "killed", lineterm="", n=6))


def _of_interest(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Without what controllers say of the object; of a condition what it comes to; of a Secret what it reads as."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "uid"}
    found = {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}
    status = item.get("status")
    if kind in _WITH_STATUS and status:
        conditions = {each["type"]: [each["status"], each["reason"]] for each in status.get("conditions", [])}
        found["status"] = {**status, "conditions": conditions}
    if kind == "Secret":
        data = {name: base64.b64decode(value).decode() for name, value in (item.get("data") or {}).items()}
        found["data"] = {name: _value(name, text) for name, text in data.items()}
    if kind == "ConfigMap":
        found["data"] = {name: _value(name, text) for name, text in (item.get("data") or {}).items()}
    return found


def _read(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object of AWS, what is JSON in it as what it reads as."""
    return {name: _json(value) if name in ("value", "document") else value for name, value in item.items()}


def _value(name: str, text: str) -> Any:
    if name.endswith(".key"):
        return {"public key": key_fingerprint(text)}
    if name.endswith(".crt") and name != "ca.crt":
        fingerprint, subject, _ = certificate_facts(text)
        return {"public key": fingerprint, "subject": subject}
    if name.endswith(".device-key"):
        return {"secret": text}
    return _json(text) if name.endswith(".json") else text


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _plain(value: Any, left_out: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each, left_out) for key, each in value.items() if key not in left_out}
    if isinstance(value, list | tuple):
        return [_plain(each, left_out) for each in value]
    return "<time>" if isinstance(value, datetime) else value


def _certificates(account: Mapping[str, Objects], drawn: Mapping[str, str]) -> dict[str, str]:
    """What stands for each certificate's ID. A second one for the same thing shows as such."""
    found: dict[str, str] = {}
    for id_, certificate in sorted(account["certificate"].items()):
        name = f"<certificate of {_renamed(certificate['subject'], drawn)}>"
        same = sum(other.startswith(name) for other in found.values())
        found[id_] = f"{name} {same + 1}" if same else name
    return found


def _ports(account: Mapping[str, Objects]) -> set[str]:
    return {str(value) for path, value in _leaves(account) if path[-1] == "Port"}


def _drawn_values(told: State, names: Mapping[str, str]) -> dict[str, str]:
    """What stands for each secret: the first place it is found at."""
    found: dict[str, str] = {}
    for path, value in _leaves(told):
        if _DRAWN_VALUES.fullmatch(path[-1]) and isinstance(value, str) and len(value) >= _SHORTEST_DRAWN:
            found.setdefault(value, f"<as in {_renamed(' '.join(path), names)}>")
    return found


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], (*path, str(key)))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(each, (*path, str(number)))
    else:
        yield path, value


def _replaced(value: Any, names: Mapping[str, str], ports: set[str], key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {_undrawn(_renamed(name, names)): _replaced(each, names, ports, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, names, ports, key) for each in value]
    if str(value) in ports:
        return "<port>"
    if not isinstance(value, str):
        return value
    if value and "hash" in key:
        return "<hash>"
    text = _undrawn(_renamed(value, names))
    for port in ports:
        text = re.sub(rf":{port}\b", ":<port>", text)
    if len(text) > _LONGEST_SHOWN:
        return f"<{len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    return text


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text


def _undrawn(text: str) -> str:
    for pattern, instead in _DRAWN_TEXTS.items():
        text = pattern.sub(instead, text)
    return text


def _sorted(value: Any) -> Any:
    """With every list in order: AWS promises none."""
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value
