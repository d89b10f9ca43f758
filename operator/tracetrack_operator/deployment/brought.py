"""Secrets that people bring for the application itself: how mail is sent, what a scheduler proves itself with.

What is good of one is handed on in a child Secret that the pods mount, so that a mistake never reaches them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..api.conditions import ConditionType, Reason
from ..api.deployment import TraceTrackDeploymentSpec
from ..dependencies.checks import BAD_SECONDS, GOOD_SECONDS
from ..dependencies.external import InvalidSecret, port_of, required
from ..dependencies.protocol import Verdict
from ..engine.ports import KubePort
from ..manifests.secret import values

MAIL, END_OF_DAY = "mail-binding", "end-of-day-binding"
MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""By how the connection is encrypted: the submission port, that of implicit TLS (RFC 8314), and SMTP's own."""
SECRET_BYTES = 16


@dataclass(frozen=True)
class Brought:
    """`values` is what the application gets; None while the Secret is no good: what it has stays as it is."""

    verdict: Verdict
    values: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def look_again(self) -> float:
        """In seconds, for it has no label of ours and so is watched by nobody."""
        return BAD_SECONDS if self.values is None else GOOD_SECONDS


@dataclass(frozen=True)
class Purpose:
    """What a Secret is brought for. `mount` is the binding's name in the pods, `ready` what may be said of a good one.

    `read` gives what is handed on of its values; raises InvalidSecret.
    """

    condition: ConditionType
    mount: str
    field_path: str
    keys: str
    ready: str
    name: Callable[[TraceTrackDeploymentSpec], str | None]
    read: Callable[[Mapping[str, str]], dict[str, str]]


def mail(secret: Mapping[str, str]) -> dict[str, str]:
    """How mail is sent, each key in place. Raises InvalidSecret."""
    given = {key: value.rstrip("\r\n") for key, value in secret.items()}
    tls = given.get("tls") or "starttls"
    if tls not in MAIL_PORTS:
        raise InvalidSecret(f"key tls must be one of {', '.join(MAIL_PORTS)}; correct it.")
    if "@" not in required(given, "from"):
        raise InvalidSecret("key from must be the sender's address, such as tracetrack@example.com; correct it.")
    if bool(given.get("username")) != bool(given.get("password")):
        raise InvalidSecret("keys username and password must both be there, or neither; add or remove one.")
    found = {"host": required(given, "host"), "from": given["from"], "tls": tls}
    optional = {key: given[key] for key in ("username", "password", "ca.crt") if given.get(key)}
    return {**found, "port": str(port_of(given, MAIL_PORTS[tls])), **optional}


def end_of_day(secret: Mapping[str, str]) -> dict[str, str]:
    """What the scheduler sends. Raises InvalidSecret."""
    found = required(dict(secret), "secret")
    if len(found.encode()) < SECRET_BYTES:
        raise InvalidSecret(f"key secret must be at least {SECRET_BYTES} bytes long; make a longer one up.")
    return {"secret": found}


PURPOSES = {
    MAIL: Purpose(
        ConditionType.MAIL_READY,
        "smtp",
        "spec.mail.secretRef.name",
        "host and from, and optionally port, tls, username, password and ca.crt",
        "Mail is sent",
        lambda spec: spec.mail.secret_ref.name if spec.mail else None,
        mail,
    ),
    END_OF_DAY: Purpose(
        ConditionType.END_OF_DAY_READY,
        "eod",
        "spec.endOfDay.secretRef.name",
        "secret",
        "The end-of-day report is sent to whoever asks",
        lambda spec: spec.end_of_day.secret_ref.name if spec.end_of_day else None,
        end_of_day,
    ),
}
"""By the suffix of the child Secret that each is handed on in."""


async def look(kube: KubePort, namespace: str, spec: TraceTrackDeploymentSpec) -> dict[str, Brought]:
    """By suffix, those that the spec names. Raises ReconcileError when a Secret can't be read."""
    named = {suffix: name for suffix, purpose in PURPOSES.items() if (name := purpose.name(spec)) is not None}
    return {suffix: await _look(kube, namespace, name, PURPOSES[suffix]) for suffix, name in named.items()}


async def _look(kube: KubePort, namespace: str, name: str, purpose: Purpose) -> Brought:
    live = await kube.get("Secret", namespace, name)
    told = f"Secret {namespace}/{name} ({purpose.field_path})"
    if live is None:
        missing = f"{told} does not exist. Create it with the keys {purpose.keys}."
        return Brought(Verdict.not_ready(Reason.SECRET_NOT_FOUND, missing))
    try:
        found = purpose.read(values(live))
    except InvalidSecret as error:
        return Brought(Verdict.not_ready(Reason.SECRET_INVALID, f"{told}: {error}"))
    return Brought(Verdict.ready(f"{purpose.ready} as Secret {name} says."), found)
