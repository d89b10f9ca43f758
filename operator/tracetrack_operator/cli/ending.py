"""`plan --delete`, and `plan` of what is being deleted: what goes, what stays, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api.conditions import Reason
from ..dependencies.cloud.naming import policy_of
from ..engine.objects import Object
from ..manifests.parent import CACHE, DATABASE
from . import redact
from .look import Ending
from .readonly import Noted
from .text import paragraph, table

_EMBEDDED = {
    "Snapshot": "It goes with its pod; its volume is kept.",
    "Retain": "It goes with its pod; its volume is kept.",
    "Delete": "It goes, and its volume with it.",
}
_NAMES = ("Identifier", "Id", "Name")


def of(owner: Object, found: Ending, region: str) -> dict[str, Any]:
    """Pure."""
    metadata, policy = owner["metadata"], policy_of(owner)
    told = [
        {
            "part": end.part,
            "through": end.error is None,
            **({"reason": end.error.reason} if end.error is not None else {}),
            "message": str(end.error) if end.error is not None else end.note,
        }
        for end in found.ends
    ]
    return {
        "deployment": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "generation": metadata.get("generation", 0),
            "stored": True,
        },
        "deletion": {"asked": metadata.get("deletionTimestamp"), "policy": str(policy)},
        "kubernetes": [
            {"action": each.describe(), "verb": "delete", "kind": each.kind, "name": each.name} for each in found.first
        ],
        "aws": [_call(each, region) for each in found.calls],
        "parts": [*told, *_in_the_cluster(owner, str(policy))],
    }


def _call(noted: Noted, region: str) -> dict[str, Any]:
    named = (str(value) for key, value in noted.parameters.items() if key.endswith(_NAMES))
    return {
        "service": noted.service,
        "operation": noted.operation,
        "region": noted.region or region,
        "object": next(named, ""),
        "parameters": redact.parameters(noted.parameters),
    }


def _in_the_cluster(owner: Object, policy: str) -> list[dict[str, Any]]:
    """Parts that have nothing in AWS."""
    spec: Mapping[str, Any] = owner.get("spec") or {}
    messages = {"Embedded": _EMBEDDED[policy], "External": "It is yours, and left as it is."}
    providers = {part: (spec.get(part) or {}).get("provider", "") for part in (DATABASE, CACHE)}
    return [
        {"part": part, "through": True, "message": messages[provider]}
        for part, provider in providers.items()
        if provider in messages
    ]


def text(found: Mapping[str, Any]) -> list[str]:
    about, deletion = found["deployment"], found["deletion"]
    name = f"{about['namespace']}/{about['name']}"
    begins = f"TraceTrackDeployment {name} is being deleted since {deletion['asked']}"
    if not deletion["asked"]:
        begins = f"What a deletion of TraceTrackDeployment {name} would do, as it is now"
    lines = [f"{begins} (deletionPolicy {deletion['policy']})."]
    if found["kubernetes"]:
        rows = [(f"{number}.", f"delete {e['kind']} {e['name']}") for number, e in enumerate(found["kubernetes"], 1)]
        lines += ["", "First the application stops", *table(rows, "  ")]
    if found["aws"]:
        lines += ["", "In AWS, then" if found["kubernetes"] else "In AWS"]
        for number, each in enumerate(found["aws"], 1):
            lines.append(f"  {number}. {each['service']} {each['operation']} ({each['region']}): {each['object']}")
    lines += ["", "What becomes of it"]
    for each in found["parts"]:
        waits = "" if each["through"] or each["reason"] == Reason.DELETING else f" ({each['reason']})"
        lines += paragraph(f"{each['part']}: {each['message'] or 'nothing of it is there.'}{waits}", "  ")
    return [*lines, "", *paragraph("Each further step is found out once AWS is through with the one before.")]
