"""How a provider names its objects in AWS, and what can be read of an owner whose spec may not parse."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...api.cloud import Management
from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...engine.errors import TerminalError
from ...engine.objects import Object
from ..protocol import Verdict


@dataclass(frozen=True)
class Naming:
    """How a provider speaks of its objects.

    `status_field` is where AWS says the state, `answered` where the answer to a creation has the object.

    `section` is the path of the provider's section in the owner, `identifier_field` the field in it that names the
    object, at most `longest` characters. In the states `changeable` it takes changes, in those `broken` a person is
    needed.
    """

    provider: str
    service: str
    what: str
    status_field: str
    answered: str
    patience: str
    section: tuple[str, ...]
    identifier_field: str
    longest: int
    changeable: frozenset[str]
    broken: frozenset[str]

    def path(self, field: str) -> str:
        """A field of the section as a person finds it."""
        return ".".join((*self.section, field))

    def is_bound(self, owner: Object) -> bool:
        """Whether the owner only uses the object."""
        return bool(raw(owner, *self.section, "management") == Management.BOUND)

    def identifier(self, cluster: str, owner: Object) -> str:
        """The AWS name for `owner`: the explicit one, or cluster, namespace and name; lower, no double hyphens."""
        explicit = raw(owner, *self.section, self.identifier_field)
        if isinstance(explicit, str) and explicit:
            return explicit
        metadata = owner["metadata"]
        name = f"{cluster.lower()}-{metadata['namespace']}-{metadata['name']}"
        clean = re.sub("-{2,}", "-", name)
        if clean == name and len(name) <= self.longest:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{clean[: self.longest - 9].rstrip('-')}-{digest}"


def authorities(path: str) -> str:
    """The PEM bundle at `path`; "" for no path. Raises TerminalError when it can't be read."""
    if not path:
        return ""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise TerminalError(
            "CertificateAuthoritiesUnreadable",
            f"The operator's setting TRACETRACK_AWS_CA_FILE names {path}: {error.strerror}.",
            "Mount the file there, or unset it.",
        ) from error


def waiting(naming: Naming, what: str, state: str, since: str) -> Verdict:
    """What is told of an object that can't be reached yet."""
    if state in naming.broken:
        return Verdict.not_ready(
            "Failed",
            f"{what} is {state}. See its events in AWS. If it never held data, delete it there to have it made anew.",
        )
    asked = f" since {since}" if since else ""
    return Verdict.not_ready(Reason.PROGRESSING, f"{what} is {state}{asked}. {naming.patience}")


def policy_of(owner: Object) -> DeletionPolicy:
    """The raw object's deletionPolicy; the careful default when it can't be read."""
    spec = owner.get("spec")
    try:
        return DeletionPolicy(spec["deletionPolicy"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return DeletionPolicy.SNAPSHOT


def raw(owner: Object, *path: str) -> Any:
    """A value of the raw object, None when it isn't there."""
    value: Any = owner
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
