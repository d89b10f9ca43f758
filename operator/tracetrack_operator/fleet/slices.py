"""A ScannerSlice and the Secret of the same name, read as one record and written as two manifests."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..api.constants import API_VERSION, GROUP
from ..api.meta import ObjectRef
from ..api.slice import Scanner, ScannerSlice
from ..engine.objects import Object, annotations_of, owner_reference, uid_of
from .authorities import amazon_roots
from .target import Setup, Target

THING_HASH = f"{GROUP}/thing-hash"
ENDPOINT, SETTINGS, AUTHORITIES = "endpoint", "settings.json", "ca.crt"


def key_file(scanner: str) -> str:
    """The data key of a scanner's private key; below, of its certificate and of its device key."""
    return f"{scanner}.key"


def certificate_file(scanner: str) -> str:
    return f"{scanner}.crt"


def device_key_file(scanner: str) -> str:
    return f"{scanner}.device-key"


def decode(secret: Mapping[str, Any]) -> dict[str, str]:
    """The data of a Secret as text; what isn't base64 of UTF-8 is left out, as if it were missing."""
    data = {}
    for name, value in (secret.get("data") or {}).items():
        try:
            data[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return data


def encode(data: Mapping[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}


@dataclass
class SliceRecord:
    """The scanners of one slice. `slice_uid` and `secret_uid` are empty while the object doesn't exist."""

    index: int
    name: str
    entries: dict[str, Scanner] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict, repr=False)
    thing_hash: str = ""
    slice_uid: str = ""
    secret_uid: str = ""

    @classmethod
    def read(cls, index: int, name: str, slice_: Object | None, secret: Object | None) -> "SliceRecord":
        record = cls(index, name)
        if slice_ is not None:
            record.entries = {scanner.name: scanner for scanner in ScannerSlice.parse(slice_).scanners}
            record.thing_hash = annotations_of(slice_).get(THING_HASH, "")
            record.slice_uid = uid_of(slice_)
        if secret is not None:
            record.data = decode(secret)
            record.secret_uid = uid_of(secret)
        return record

    @property
    def scanners(self) -> list[str]:
        """Every scanner that has an entry or a private key here, in order of name."""
        keyed = {name.removesuffix(".key") for name in self.data if name.endswith(".key")}
        return sorted(self.entries.keys() | keyed)

    def copy(self) -> "SliceRecord":
        return SliceRecord(
            self.index, self.name, dict(self.entries), dict(self.data), self.thing_hash, self.slice_uid, self.secret_uid
        )

    def update(self, target: Target, scanner: str, **changes: Any) -> Scanner:
        """Change a scanner's entry, made if it is missing."""
        entry = self.entries.get(scanner) or Scanner(name=scanner, thing_name=target.names.thing(scanner))
        changed = entry.model_copy(update={"key_generation": target.generation, **changes})
        self.entries[scanner] = changed
        return changed

    def drop(self, scanner: str) -> None:
        self.entries.pop(scanner, None)
        for file in (key_file(scanner), certificate_file(scanner), device_key_file(scanner)):
            self.data.pop(file, None)

    def refresh(self, target: Target, setup: Setup) -> bool:
        """Bring what is derived (device keys, endpoint, settings) up to date; True when something changed."""
        scanners = self.scanners
        derived = {device_key_file(scanner): target.device_key(setup.signing, scanner) for scanner in scanners}
        derived[ENDPOINT] = setup.endpoint
        derived[AUTHORITIES] = amazon_roots()
        derived[SETTINGS] = target.installer_settings(setup, scanners)
        stale = {name for name in self.data if name.endswith(".device-key")} - derived.keys()
        changed = bool(stale) or any(self.data.get(name) != value for name, value in derived.items())
        for name in stale:
            del self.data[name]
        self.data.update(derived)
        for scanner, entry in self.entries.items():
            if entry.key_generation != target.generation:
                self.entries[scanner] = entry.model_copy(update={"key_generation": target.generation})
                changed = True
        return changed

    def slice_manifest(self, target: Target) -> Object:
        scanners = [self.entries[name] for name in sorted(self.entries)]
        reference = ObjectRef(name=target.names.fleet, uid=target.uid)
        return {
            "apiVersion": API_VERSION,
            "kind": "ScannerSlice",
            "metadata": {**self._metadata(target), "annotations": {THING_HASH: self.thing_hash}},
            "fleetRef": reference.to_dict(),
            "index": self.index,
            "scanners": [scanner.to_dict() for scanner in scanners],
        }

    def secret_manifest(self, target: Target) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self._metadata(target),
            "type": "Opaque",
            "data": encode(self.data),
        }

    def _metadata(self, target: Target) -> dict[str, Any]:
        return child_metadata(target, self.name)


def child_metadata(target: Target, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": target.names.namespace,
        "labels": target.names.labels,
        "ownerReferences": [owner_reference(target.obj)],
    }
