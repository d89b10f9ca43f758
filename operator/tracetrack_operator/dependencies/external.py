"""A database or cache that the user runs: what both have in common."""

from dataclasses import dataclass, field
from typing import ClassVar

from ..api.conditions import Reason
from ..engine.objects import Object
from ..engine.plan import Executor
from ..engine.ports import KubePort
from ..manifests.secret import values
from .binding import Binding, endpoint
from .checks import BAD_SECONDS, GOOD_SECONDS, CheckResult, Checks
from .protocol import Dependency, Scope, Verdict
from .vouching import vouched


class InvalidSecret(ValueError):
    """A Secret that can't be connected with; the text names the key and the remedy."""


@dataclass(frozen=True)
class Facts:
    """`found` False: there is no such Secret. `problem`: what is wrong with its content."""

    found: bool
    problem: str = ""
    binding: Binding | None = field(default=None, repr=False)
    check: CheckResult | None = None


class ExternalProvider:
    """Base of the external providers; a subclass says how the Secret is read and checked."""

    makes_cloud_objects = False
    component: ClassVar[str]
    field_path: ClassVar[str]
    keys: ClassVar[str]
    product: ClassVar[str]

    def __init__(self, kube: KubePort, checks: Checks) -> None:
        self._kube = kube
        self._checks = checks

    def secret_name(self, scope: Scope) -> str:
        raise NotImplementedError

    def read(self, secret: dict[str, str]) -> Binding:
        """The binding in a Secret's values. Raises InvalidSecret."""
        raise NotImplementedError

    def register(self, executor: Executor) -> None:
        """There are no steps."""

    async def observe(self, scope: Scope) -> Facts:
        name = self.secret_name(scope)
        # With the generation, since whoever changes the spec may have changed the Secret before.
        key = f"{scope.parent.uid}/{name}/{scope.owner['metadata'].get('generation', 0)}"
        if not self._checks.asked(key):
            self._checks.forget(scope.parent.uid)
        if (known := self._checks.working(key)) is not None:
            return Facts(True, "", *known)
        # Live, since the user's Secret has no label of ours and so is in no cache.
        live = await self._kube.get("Secret", scope.parent.namespace, name)
        if live is None:
            return Facts(found=False)
        try:
            binding = self.read(values(live))
        except InvalidSecret as error:
            return Facts(found=True, problem=str(error))
        check = await self._checks.result(key, binding, lambda: vouched(scope, self.component, binding))
        return Facts(True, "", binding, check)

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        """Only a binding that has worked is handed on: a change that can't connect never reaches running pods."""
        binding, check = facts.binding, facts.check
        if binding is None or check is None:
            return Dependency("External", self._secret_verdict(scope, facts), look_again=BAD_SECONDS)
        secret = f"Secret {self.secret_name(scope)}"
        if not check.ok:
            verdict = Verdict.not_ready(check.reason, f"{check.message} They come from {secret}.")
            return Dependency("External", verdict, endpoint=endpoint(binding), state="failing", look_again=BAD_SECONDS)
        return Dependency(
            "External",
            Verdict.ready(f"{self.product} at {endpoint(binding)} answers, with the login from {secret}."),
            binding=binding,
            endpoint=endpoint(binding),
            state="connected",
            look_again=GOOD_SECONDS,
        )

    async def delete(self, owner: Object) -> str:
        """It is the user's."""
        return ""

    def _secret_verdict(self, scope: Scope, facts: Facts) -> Verdict:
        name = f"{scope.parent.namespace}/{self.secret_name(scope)}"
        if not facts.found:
            return Verdict.not_ready(
                Reason.SECRET_NOT_FOUND,
                f"Secret {name} ({self.field_path}) does not exist. Create it with the keys {self.keys}.",
            )
        return Verdict.not_ready(Reason.SECRET_INVALID, f"Secret {name} ({self.field_path}): {facts.problem}")


def required(secret: dict[str, str], key: str) -> str:
    # A newline at the end is what `echo secret | base64` leaves behind.
    value = secret.get(key, "").rstrip("\r\n")
    if not value:
        raise InvalidSecret(f"key {key} is missing or empty; add it.")
    return value


def port_of(secret: dict[str, str], default: int) -> int:
    text = secret.get("port", "").strip() or str(default)
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise InvalidSecret("key port must be a number from 1 to 65535; correct it.")
    return int(text)
