"""What becomes of the differences: done now, held, reported or refused; and how a person is told. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ...api.cloud import DriftPolicy
from ...api.conditions import Reason
from ...api.constants import APPROVE
from ...engine.plan import Disruption
from ..protocol import Held, Verdict
from .fields import Difference, Origin
from .refusals import Refused
from .window import Window

_DISRUPTIVE = frozenset({Disruption.REBOOT, Disruption.SWITCHOVER})


@dataclass(frozen=True)
class Rules:
    """What decides: the owner's policy, generation and approvals, the window and the time (UTC).

    `strangers` are changes that AWS would set off with any other, and that aren't ours to withdraw.
    """

    owner: str
    generation: int
    policy: DriftPolicy
    approvals: frozenset[str]
    window: Window | None
    window_text: str
    now: datetime
    strangers: tuple[str, ...] = ()

    def in_window(self) -> bool:
        return self.window is not None and self.window.contains(self.now)


@dataclass(frozen=True)
class Sync:
    """`asked`: sent a moment ago, and AWS doesn't show it yet. `tokens` approve what is held and reported.

    `denied` is what AWS has said to some of what is due `now`.
    """

    now: tuple[Difference, ...] = ()
    held: tuple[Difference, ...] = ()
    reported: tuple[Difference, ...] = ()
    refused: tuple[Difference, ...] = ()
    asked: tuple[Difference, ...] = ()
    tokens: str = ""
    denied: Refused = field(default_factory=dict)

    @property
    def coming(self) -> tuple[Difference, ...]:
        """What AWS hasn't refused so far."""
        return (*self.asked, *(each for each in self.now if key(each) not in self.denied))

    @property
    def undone(self) -> tuple[Difference, ...]:
        return (*self.held, *self.reported, *self.refused, *self.asked, *self.now)

    @property
    def measures(self) -> dict[str, int]:
        """How many by outcome."""
        return {
            "now": len(self.coming),
            "held": len(self.held),
            "reported": len(self.reported),
            "refused": len(self.refused) + len(self.denied),
        }

    @property
    def under_way(self) -> bool:
        """Whether something is done, or could be."""
        return bool(self.coming) or any(not each.wait for each in self.denied.values())

    @property
    def retry_after(self) -> float | None:
        """In seconds, until what was refused is tried again; None when nothing was."""
        return min((each.wait for each in self.denied.values()), default=None)


def decide(
    what: str,
    differences: Iterable[Difference],
    asked: frozenset[tuple[str, str]],
    rules: Rules,
    denied: Refused,
) -> Sync:
    """`asked` are (field, wanted) pairs that were sent a moment ago, `denied` those that AWS refused."""
    found = tuple(differences)
    refused = tuple(each for each in found if each.disruption is Disruption.REPLACE)
    waiting = tuple(each for each in found if each not in refused and key(each) in asked)
    rest = [each for each in found if each not in refused and each not in waiting]
    # By key, since a value may be a list.
    approved = {key(each): approval(what, rules.generation, each) in rules.approvals for each in rest}
    reported = [
        each
        for each in rest
        if each.origin is Origin.HAND and rules.policy is DriftPolicy.REPORT and not approved[key(each)]
    ]
    held = [each for each in rest if each not in reported and not approved[key(each)] and _is_held(each, rules)]
    now = tuple(each for each in rest if each not in held and each not in reported)
    tokens = ",".join(approval(what, rules.generation, each) for each in (*held, *reported))
    due = {key(each): denied[key(each)] for each in now if key(each) in denied}
    return Sync(now, tuple(held), tuple(reported), refused, waiting, tokens, due)


def _is_held(difference: Difference, rules: Rules) -> bool:
    if difference.origin is Origin.UNKNOWN:
        return True
    return (difference.disruption in _DISRUPTIVE or _accompanied(difference, rules)) and not rules.in_window()


def _accompanied(difference: Difference, rules: Rules) -> bool:
    """Whether the change would set something off that nobody has asked the operator for."""
    return bool(rules.strangers) and difference.field.sets_off


def key(difference: Difference) -> tuple[str, str]:
    return difference.field.name, repr(difference.wanted)


def approval(what: str, generation: int, difference: Difference) -> str:
    """Six hex digits that stand for this change at this generation, so that an approval covers no later one."""
    text = "\n".join([what, str(generation), *key(difference), difference.disruption])
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def verdict(what: str, state: str, changeable: bool, sync: Sync, rules: Rules) -> Verdict:
    """The most pressing first, the others behind it."""
    answers = dict.fromkeys(each.error for each in sync.denied.values())
    sentences = [(error.reason, str(error)) for error in answers]
    if sync.refused:
        sentences.append((Reason.REPLACE_REQUIRED, _refusal(what, sync.refused, rules)))
    if sync.reported:
        sentences.append(
            (
                Reason.DRIFTED,
                f"{what} was changed by hand in AWS, and driftPolicy is Report: {_list(sync.reported)}. To set it "
                f"back: {_approve(rules, sync)}; to keep it, declare it in the spec.",
            )
        )
    if sync.held:
        sentences.append((Reason.AWAITING_APPROVAL, _waiting(what, sync, rules)))
    if sync.coming:
        sentences.append((Reason.MODIFYING, f"{what} is being changed: {_list(sync.coming)}."))
    elif not changeable:
        sentences.append((Reason.MODIFYING, f"{what} is {state}: AWS is at work on it."))
    if not sentences:
        return Verdict.ready(f"{what} is as declared.")
    return Verdict.not_ready(sentences[0][0], " ".join(text for _, text in sentences))


def waiting(what: str, sync: Sync, rules: Rules) -> tuple[Held, ...]:
    """What isn't done now, each with what it waits for."""

    def held(each: Difference, reason: str, why: str, until: datetime | None = None, token: str = "") -> Held:
        call = each.field.operation, {each.field.parameter: each.wanted}
        return Held(what, str(each), each.disruption, reason, why, until, token, *call)

    found = []
    for each in sync.held:
        if each.origin is Origin.UNKNOWN:
            why, until = "approval, since it was never seen as declared", None
        elif rules.window is None:
            why, until = "approval", None
        else:
            why, until = f"the maintenance window {rules.window_text} UTC", rules.window.next_start(rules.now)
        if _accompanied(each, rules):
            why += f": {_with_strangers(rules)}"
        found.append(held(each, Reason.AWAITING_APPROVAL, why, until, approval(what, rules.generation, each)))
    for each in sync.reported:
        why = "approval: it was changed by hand in AWS, and driftPolicy is Report"
        found.append(held(each, Reason.DRIFTED, why, token=approval(what, rules.generation, each)))
    for each in sync.refused:
        found.append(held(each, Reason.REPLACE_REQUIRED, f"ever, in place: {_way(what, each, rules)}"))
    return tuple(found)


def _waiting(what: str, sync: Sync, rules: Rules) -> str:
    unknown = [each for each in sync.held if each.origin is Origin.UNKNOWN]
    later = [each for each in sync.held if each not in unknown]
    parts = []
    if later:
        when = f"the maintenance window {rules.window_text} UTC" if rules.window else "approval"
        opens = f" (next {rules.window.next_start(rules.now):%Y-%m-%dT%H:%MZ})" if rules.window else ""
        parts.append(f"{what}: {_list(later)} waits for {when}{opens}.")
    if any(_accompanied(each, rules) for each in sync.held):
        parts.append(f"{what}: {_with_strangers(rules)}. Withdraw that in AWS to have it made by itself.")
    if unknown:
        parts.append(f"{what}: {_list(unknown)} waits for approval, since it was never seen as declared.")
    return f"{' '.join(parts)} To have it done now: {_approve(rules, sync)}."


def _with_strangers(rules: Rules) -> str:
    return f"AWS has {', '.join(rules.strangers)} pending, and would set that off with any other change"


def _approve(rules: Rules, sync: Sync) -> str:
    return f"kubectl annotate --overwrite ttd {rules.owner} {APPROVE}={sync.tokens}"


def _refusal(what: str, differences: Iterable[Difference], rules: Rules) -> str:
    return " ".join(
        f"{what}: {each.field.name} can't be changed from {each.actual} to {each.wanted} in place: "
        f"{_way(what, each, rules)}"
        for each in differences
    )


def _way(what: str, difference: Difference, rules: Rules) -> str:
    return difference.field.told(rules.owner, what.rpartition(" ")[2])


def _list(differences: Iterable[Difference]) -> str:
    return "; ".join(map(str, differences))
