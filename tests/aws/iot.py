"""Corrections to ministack's IoT; runs in ministack's own environment."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from ministack.core import x509_utils
from ministack.core.responses import error_response_json, json_response
from ministack.services import iot

Reply = tuple[Any, ...]
_ATTRIBUTES_WITHOUT_TYPE, _ATTRIBUTES_WITH_TYPE, _GROUPS_PER_THING = 3, 50, 10
_POLICY_CHARACTERS, _POLICY_VERSIONS = 2048, 5


def _refuse(message: str, code: str = "InvalidRequestException", status: int = 400) -> Reply:
    return error_response_json(code, message, status)


def _families(group: str) -> str:
    """The root of the hierarchy that a group belongs to."""
    while True:
        record = iot._thing_groups.get(group) or {}
        parent = (record.get("thingGroupMetadata") or {}).get("parentGroupName")
        if not parent:
            return group
        group = parent


def _descendants(group: str) -> list[str]:
    found = [group]
    for name in found:
        found += [
            child
            for child, record in iot._thing_groups.items()
            if (record.get("thingGroupMetadata") or {}).get("parentGroupName") == name
        ]
    return found


def _things_in_group(path: str, query: dict[str, str]) -> Reply:
    group = path[len("/thing-groups/") : -len("/things")]
    if group not in iot._thing_groups:
        return iot._error_not_found("ThingGroupMember", group)
    groups = _descendants(group) if iot._qp_bool(query, "recursive") else [group]
    members: dict[str, None] = {}
    for name in groups:
        members.update(dict.fromkeys(iot._thing_groups[name].get("things", [])))
    return json_response({"things": list(members)})


def _attach_principal(name: str, headers: dict[str, str], query: dict[str, str]) -> Reply | None:
    """A refusal, or None; notes on the certificate whether it is attached exclusively."""
    thing, certificate = iot._things.get(name), _certificate(headers)
    if thing is None or certificate is None:
        return None
    others = [arn for arn in certificate.get("attachedThings", []) if arn != thing["thingArn"]]
    exclusive = query.get("thingPrincipalType") == "EXCLUSIVE_THING"
    if others and (exclusive or certificate.get("exclusive")):
        return _refuse(f"Principal {certificate['certificateArn']} is already attached to another thing")
    if thing["thingArn"] not in certificate.get("attachedThings", []):
        certificate["exclusive"] = exclusive
    elif exclusive != bool(certificate.get("exclusive")):
        return _refuse(f"Principal {certificate['certificateArn']} is attached with another thingPrincipalType")
    return None


def _certificate(headers: dict[str, str]) -> dict[str, Any] | None:
    principal = headers.get("x-amzn-principal") or ""
    found: dict[str, Any] | None = iot._certificates.get(principal.rsplit("/", 1)[-1])
    return found


def _kind(certificate: dict[str, Any] | None) -> str:
    return "EXCLUSIVE_THING" if certificate and certificate.get("exclusive") else "NON_EXCLUSIVE_THING"


def _principals_v2(path: str, query: dict[str, str]) -> Reply:
    name = path[len("/things/") : -len("/principals-v2")]
    thing = iot._things.get(name)
    if thing is None:
        return iot._error_not_found("ListThingPrincipals", name)
    objects = [
        {"principal": arn, "thingPrincipalType": _kind(iot._certificates.get(arn.rsplit("/", 1)[-1]))}
        for arn in thing.get("principals", [])
    ]
    wanted = query.get("thingPrincipalType")
    kept = [entry for entry in objects if wanted in (None, entry["thingPrincipalType"])]
    return json_response({"thingPrincipalObjects": kept})


def _things_v2(headers: dict[str, str], query: dict[str, str]) -> Reply:
    certificate = _certificate(headers)
    if certificate is None:
        return iot._error_not_found("ListPrincipalThings", headers.get("x-amzn-principal", ""))
    names = [iot._thing_name_from_arn(arn) for arn in certificate.get("attachedThings", [])]
    kind = _kind(certificate)
    shown = names if query.get("thingPrincipalType") in (None, kind) else []
    return json_response({"principalThingObjects": [{"thingName": name, "thingPrincipalType": kind} for name in shown]})


def _thing_write(name: str, payload: dict[str, Any]) -> Reply | None:
    """The refusal of a CreateThing or UpdateThing that AWS would not take, or None."""
    existing = iot._things.get(name) or {}
    given = payload.get("attributePayload") or {}
    attributes = {**(existing.get("attributes") or {} if given.get("merge") else {}), **(given.get("attributes") or {})}
    kind = payload.get("thingTypeName") or (None if payload.get("removeThingType") else existing.get("thingTypeName"))
    most = _ATTRIBUTES_WITH_TYPE if kind else _ATTRIBUTES_WITHOUT_TYPE
    if len([value for value in attributes.values() if value]) > most:
        return _refuse(f"Number of attributes exceeds the limit of {most}")
    if kind and (iot._thing_types.get(kind) or {}).get("thingTypeMetadata", {}).get("deprecated"):
        return _refuse(f"Can not create new thing with deprecated thing type:{kind}")
    return None


def _version(record: dict[str, Any] | None, expected: Any, what: str) -> Reply | None:
    if record is None or expected in (None, "") or str(expected) == str(record.get("version", 1)):
        return None
    return _refuse(f"The version for {what} does not match the expected version.", "VersionConflictException", 409)


def _join_group(payload: dict[str, Any]) -> Reply | None:
    group, thing, error = iot._membership_names(payload)
    record = iot._things.get(thing)
    if error or record is None or group in record.get("thingGroupNames", []):
        return None
    joined = record.get("thingGroupNames", [])
    if len(joined) >= _GROUPS_PER_THING:
        return _refuse(f"Thing {thing} cannot be added to more than {_GROUPS_PER_THING} groups")
    if any(_families(other) == _families(group) for other in joined):
        return _refuse(f"Thing {thing} is already in a group of the hierarchy of {group}")
    return None


def _policy_write(name: str, payload: dict[str, Any], version: bool) -> Reply | None:
    document = "".join(str(payload.get("policyDocument") or "").split())
    if len(document) > _POLICY_CHARACTERS:
        message = f"Policy document exceeds {_POLICY_CHARACTERS} characters, white space left out"
        return _refuse(message, "MalformedPolicyException")
    if version and len((iot._policies.get(name) or {}).get("versions", {})) >= _POLICY_VERSIONS:
        message = f"The policy {name} already has {_POLICY_VERSIONS} versions. Delete one of them first."
        return _refuse(message, "VersionsLimitExceededException", 409)
    return None


def _correct(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, str]) -> Reply | None:
    """Our own answer to a request, or None to let ministack answer it."""
    parts = path.strip("/").split("/")
    if method == "GET" and parts[0] == "thing-groups" and path.endswith("/things"):
        return _things_in_group(path, query)
    if method == "GET" and path.endswith("/principals-v2"):
        return _principals_v2(path, query)
    if method == "GET" and path == "/principals/things-v2":
        return _things_v2(headers, query)
    if method == "PUT" and parts[0] == "things" and path.endswith("/principals"):
        return _attach_principal(parts[1], headers, query)
    if path == "/thing-groups/addThingToThingGroup":
        return _join_group(iot._parse_body(body))
    if method == "POST" and parts[0] == "policies" and len(parts) in (2, 3):
        return _policy_write(parts[1], iot._parse_body(body), len(parts) == 3)
    if len(parts) != 2:
        return None
    if parts[0] == "things" and method in ("POST", "PATCH"):
        payload = iot._parse_body(body)
        wrong = _version(iot._things.get(parts[1]), payload.get("expectedVersion"), f"thing {parts[1]}")
        unchanged = method == "POST" and parts[1] in iot._things
        return wrong or (None if unchanged else _thing_write(parts[1], payload))
    if parts[0] == "thing-groups" and method in ("PATCH", "DELETE"):
        expected = (
            json.loads(body or b"{}").get("expectedVersion") if method == "PATCH" else query.get("expectedVersion")
        )
        return _version(iot._thing_groups.get(parts[1]), expected, f"thing group {parts[1]}")
    return None


def install() -> None:
    """Put the corrections in front of ministack's own routing."""
    _load_the_authority_once()
    route: Callable[..., Any] = iot._route_request

    async def corrected(method: str, path: str, headers: Any, body: bytes, query_params: dict[str, Any]) -> Reply:
        query = {name: value[0] if isinstance(value, list) else value for name, value in query_params.items()}
        ours = _correct(method, path, headers or {}, body, query)
        answer: Reply = ours if ours is not None else await route(method, path, headers, body, query_params)
        return answer

    iot._route_request = corrected


def _load_the_authority_once() -> None:
    """ministack checks its RSA key anew for each certificate, 50 ms, and makes another at each reset, 200 ms."""
    x509_utils._require_crypto()
    serialization = x509_utils.serialization
    serialization.load_pem_private_key = functools.lru_cache(maxsize=4)(serialization.load_pem_private_key)
    iot.generate_ca = functools.cache(iot.generate_ca)
