"""Device keys: derived from a fleet's signing key, never stored.

`ttk1.<fleet>.<scanner>.<generation>.<mac>`; mac is base64url without padding of HMAC-SHA256(signing secret,
"tracetrack-device-key-v1" NUL fleet NUL scanner NUL generation).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_PREFIX = "ttk1"
_CONTEXT = b"tracetrack-device-key-v1"


class FleetError(ValueError):
    """A fleet's key file is not well formed; the message names the field and never holds a secret."""


class DeviceKeyError(ValueError):
    """The key is not valid; the message says which part, for the log, and never holds the key."""


@dataclass(frozen=True, slots=True)
class Device:
    """Who a valid key belongs to."""

    fleet: str
    scanner: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet's signing keys (all of them valid), its scanners' names and the generations of their keys."""

    name: str
    signing_keys: tuple[SigningKey, ...]
    prefix: str
    digits: int
    count: int
    generations: Mapping[str, int]
    previous_generations: Mapping[str, int]

    def has(self, scanner: str) -> bool:
        """Whether `scanner` is the prefix and an index from 1 to count, zero-padded to `digits`."""
        index = scanner[len(self.prefix) :]
        if not scanner.startswith(self.prefix) or not index.isascii() or not index.isdigit():
            return False
        number = int(index) if len(index) <= 9 else 0
        return 1 <= number <= self.count and index == str(number).zfill(self.digits)

    def accepts(self, scanner: str, generation: int) -> bool:
        """Whether this generation of the scanner's key is current, or listed as the one before it."""
        if generation == self.generations.get(scanner, self.generations["default"]):
            return True
        previous = self.previous_generations.get(scanner, self.previous_generations.get("default"))
        return generation == previous


def derive(secret: bytes, fleet: str, scanner: str, generation: int) -> str:
    """The device key of a scanner."""
    mac = base64.urlsafe_b64encode(_mac(secret, fleet, scanner, str(generation))).rstrip(b"=").decode()
    return f"{_PREFIX}.{fleet}.{scanner}.{generation}.{mac}"


def verify(key: str, fleets: Mapping[str, Fleet]) -> Device:
    """The device a key belongs to. Raises DeviceKeyError."""
    parts = key.split(".")
    if len(parts) != 5 or parts[0] != _PREFIX:
        raise DeviceKeyError("not a device key")
    _, name, scanner, generation, mac = parts
    fleet = fleets.get(name)
    if fleet is None:
        raise DeviceKeyError("unknown fleet")
    if not fleet.has(scanner):
        raise DeviceKeyError("no such scanner in the fleet")
    if not (generation.isascii() and generation.isdigit()) or len(generation) > 9 or generation != str(int(generation)):
        raise DeviceKeyError("generation is not a number")
    if not fleet.accepts(scanner, int(generation)):
        raise DeviceKeyError("the key's generation was revoked")
    matched = False
    for signing_key in fleet.signing_keys:
        expected = base64.urlsafe_b64encode(_mac(signing_key.secret, name, scanner, generation)).rstrip(b"=")
        matched |= hmac.compare_digest(expected, mac.encode())
    if not matched:
        raise DeviceKeyError("no signing key matches")
    return Device(name, scanner)


def _mac(secret: bytes, fleet: str, scanner: str, generation: str) -> bytes:
    message = b"\0".join((_CONTEXT, fleet.encode(), scanner.encode(), generation.encode()))
    return hmac.new(secret, message, hashlib.sha256).digest()


def parse_fleet(text: str) -> Fleet:
    """A fleet from its JSON file. Raises FleetError.

    Shape: {"fleet", "signingKeys": [{"id", "secret": base64 of at least 32 bytes}], "scanners": {"prefix", "digits",
    "count"}, "generations": {"default": 1, "<scanner>": 2}, "previousGenerations": optional, as generations}.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FleetError(f"not JSON: {type(error).__name__}") from None
    scanners = _get(data, "scanners", dict, "")
    generations = _generations(data, "generations")
    if "default" not in generations:
        raise FleetError("generations.default is missing")
    keys = tuple(_signing_key(item, index) for index, item in enumerate(_get(data, "signingKeys", list, "")))
    if not keys:
        raise FleetError("signingKeys is empty")
    return Fleet(
        name=_get(data, "fleet", str, ""),
        signing_keys=keys,
        prefix=_get(scanners, "prefix", str, "scanners."),
        digits=_get(scanners, "digits", int, "scanners."),
        count=_get(scanners, "count", int, "scanners."),
        generations=generations,
        previous_generations=_generations(data, "previousGenerations") if "previousGenerations" in data else {},
    )


def _get(data: object, name: str, kind: type, path: str) -> Any:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FleetError(f"{path}{name} is missing or not of type {kind.__name__}")
    return value


def _generations(data: object, name: str) -> dict[str, int]:
    table = _get(data, name, dict, "")
    return {scanner: _get(table, scanner, int, f"{name}.") for scanner in table}


def _signing_key(item: object, index: int) -> SigningKey:
    path = f"signingKeys[{index}]."
    try:
        secret = base64.b64decode(_get(item, "secret", str, path), validate=True)
    except binascii.Error:
        raise FleetError(f"{path}secret is not base64") from None
    if len(secret) < 32:
        raise FleetError(f"{path}secret is shorter than 32 bytes")
    return SigningKey(_get(item, "id", str, path), secret)
