"""A database or cache that the operator makes in AWS: what RDS and ElastiCache have in common."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from ..api.conditions import Reason
from ..api.deployment import DeletionPolicy
from ..aws.ownership import UID, describe_owner
from ..engine.errors import TerminalError
from ..engine.objects import Object
from ..engine.plan import Action
from .binding import Binding, endpoint
from .checks import GOOD_SECONDS, CheckResult
from .protocol import Dependency, Scope, Verdict

TRANSITION_SECONDS = 10.0


@dataclass(frozen=True)
class CreateCloudObject(Action):
    """One create call; each provider has a type of its own. The parameters have a password in them: never shown."""

    what: str
    service: str
    operation: str
    region: str | None
    parameters: Mapping[str, Any] = field(repr=False)

    def describe(self) -> str:
        return f"create {self.what}"


@dataclass(frozen=True)
class Facts:
    """`item` is the object as AWS describes it, None when there is none; `tags` are its own."""

    item: Mapping[str, Any] | None
    tags: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    binding: Binding | None = field(default=None, repr=False)
    check: CheckResult | None = None
    asked_at: str = ""


@dataclass(frozen=True)
class Naming:
    """How a provider speaks of its objects. `status_field` is where AWS says the state."""

    provider: str
    what: str
    status_field: str
    patience: str
    identifier_field: str
    broken: frozenset[str]


def identifier(cluster: str, owner: Object, explicit: object, limit: int) -> str:
    """The AWS name for `owner`: the explicit one, or cluster, namespace and name; lower case, no double hyphens."""
    if isinstance(explicit, str) and explicit:
        return explicit
    metadata = owner["metadata"]
    name = f"{cluster.lower()}-{metadata['namespace']}-{metadata['name']}"
    clean = re.sub("-{2,}", "-", name)
    if clean == name and len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{clean[: limit - 9].rstrip('-')}-{digest}"


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


def credentials_lost(name: str, remedy: str) -> NoReturn:
    raise TerminalError("CredentialsLost", f"Secret {name} with the password is gone, and so is the binding.", remedy)


def dependency(
    naming: Naming, scope: Scope, name: str, facts: Facts, manifest: Object, create: Action, differences: list[str]
) -> Dependency:
    """What follows from the facts: create, refuse, wait or bind. Pure."""
    item = facts.item
    if item is None:
        return Dependency(
            naming.provider,
            Verdict.not_ready(Reason.PROGRESSING, f"{naming.what} {name} is being created. {naming.patience}"),
            state="absent",
            manifests=(manifest,),
            steps=(create,),
            look_again=TRANSITION_SECONDS,
        )
    state = str(item.get(naming.status_field, ""))
    if facts.tags.get(UID) != scope.parent.uid:
        return _foreign(naming, name, state, facts.tags, manifest)
    found = Dependency(naming.provider, _waiting(naming, name, state, facts), state=state, manifests=(manifest,))
    if facts.binding is None or facts.check is None:
        return replace(found, look_again=TRANSITION_SECONDS)
    found = replace(found, endpoint=endpoint(facts.binding))
    if not facts.check.ok:
        verdict = Verdict.not_ready(facts.check.reason, f"{naming.what} {name} ({state}): {facts.check.message}")
        return replace(found, verdict=verdict, look_again=TRANSITION_SECONDS)
    message = f"{naming.what} {name} is {state} at {endpoint(facts.binding)}."
    if differences:
        message += (
            f" It differs from the spec: {'; '.join(differences)}. This version of the operator doesn't change what "
            "exists: change it in AWS, or set the spec back."
        )
    verdict = Verdict.ready(message)
    look_again = GOOD_SECONDS if state == "available" else TRANSITION_SECONDS
    return replace(found, verdict=verdict, binding=facts.binding, look_again=look_again)


def compare(fields: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """`field is X, the spec says Y` for each field whose (actual, wanted) differ."""
    return [
        f"{name} is {actual}, the spec says {wanted}" for name, (actual, wanted) in fields.items() if actual != wanted
    ]


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


def _foreign(naming: Naming, name: str, state: str, tags: Mapping[str, str], manifest: Object) -> Dependency:
    return Dependency(
        naming.provider,
        Verdict.not_ready(
            Reason.OWNERSHIP_CONFLICT,
            f"{naming.what} {name} exists and belongs to {describe_owner(tags)}. It is left untouched. Choose another "
            f"name in {naming.identifier_field} (with a new TraceTrackDeployment), or remove that one.",
        ),
        state=state,
        manifests=(manifest,),
        look_again=GOOD_SECONDS,
    )


def _waiting(naming: Naming, name: str, state: str, facts: Facts) -> Verdict:
    if state in naming.broken:
        return Verdict.not_ready(
            "Failed",
            f"{naming.what} {name} is {state}. See its events in AWS, and delete it there to have it made anew.",
        )
    since = f" since {facts.asked_at}" if facts.asked_at else ""
    return Verdict.not_ready(Reason.PROGRESSING, f"{naming.what} {name} is {state}{since}. {naming.patience}")
