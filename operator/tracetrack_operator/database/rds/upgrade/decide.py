"""The next step of an upgrade, from what AWS shows. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from ....api.conditions import Reason
from ....api.constants import APPROVE
from ....dependencies.cloud.durations import FORMAT
from ....dependencies.cloud.fields import Difference, Item
from ....dependencies.protocol import Held, News, Verdict
from ....engine.plan import Disruption
from ..fields import same_version
from .act import SWITCH_OVER, UpgradeCall
from .case import Case, Upgrade
from .facts import deployment_name, is_former, is_green, named_by, superseded_at
from .needs import problems
from .steps import SWITCHED

LAG_BYTES = 16 * 1024 * 1024
"""How far the green instance may be behind when the switchover begins, during which nothing can be written."""
MOST_ATTEMPTS = 3
"""After so many switchovers that came to nothing, a person is asked before the next."""
_LATER = "(known after creation)"


def decide(case: Case) -> Upgrade:
    found = _decided(case)
    beside = tuple(each for each in case.facts.beside.values())
    return replace(found, beside=beside)


def _decided(case: Case) -> Upgrade:
    deployments = sorted(case.facts.deployments, key=lambda each: str(each.get("BlueGreenDeploymentName", "")))
    for deployment in deployments:
        if _status(deployment) == "SWITCHOVER_COMPLETED":
            return _completed(case, deployment)
    for deployment in deployments:
        if _status(deployment) == "SWITCHOVER_IN_PROGRESS":
            return _busy(case, "SwitchingOver", f"{case.what} is being switched over.", deployment)
    for deployment in deployments:
        if case.wanted is None or not _serves(case, case.wanted, deployment):
            return _given_up(case, deployment)
    if deployments and case.wanted is not None:
        return _under_way(case, case.wanted, deployments[0])
    if case.wanted is not None:
        return _with_former(case, _wanted(case, case.wanted))
    return _with_former(case, Upgrade(attempts=case.facts.attempts if case.just_asked else None))


def _status(deployment: Item) -> str:
    return str(deployment.get("Status", ""))


def _serves(case: Case, wanted: Difference, deployment: Item) -> bool:
    """Whether a blue/green deployment leads to the version that is wanted now."""
    if deployment.get("BlueGreenDeploymentName") != deployment_name(case.name, str(wanted.wanted)):
        return False
    green = _green(case, deployment)
    # While it is made, it still has the version that it comes from.
    ready = _status(deployment) == "AVAILABLE" and green is not None
    return not ready or same_version(str((green or {}).get("EngineVersion", "")), str(wanted.wanted))


def _green(case: Case, deployment: Item) -> Item | None:
    return case.facts.beside.get(named_by(str(deployment.get("Target") or "")))


def _wanted(case: Case, wanted: Difference) -> Upgrade:
    """Nothing is begun yet."""
    version = case.version(wanted)
    found = problems(case.item, case.facts, str(wanted.wanted), case.group)
    if case.just_asked:
        return _busy(case, "Preparing", f"{case.what}: a green instance of {version} is being made.")
    if found:
        told = (
            f"{case.what} can't be upgraded from {case.actual} to {wanted.wanted} yet: {'; '.join(found)}. Nothing has "
            "been begun. Or set engineVersion back."
        )
        refused = Verdict.not_ready("UpgradeBlocked", told)
        return Upgrade(told=refused, state=_state(case, "Blocked"), outcome="refused", attempts=None)
    if not case.may_prepare(wanted):
        return _held(case, wanted, "AwaitingApproval", case.token(wanted), None)
    if not case.quiet:
        waits = f"{case.what}: the upgrade to {version} begins once what else is being changed is through."
        return Upgrade(told=Verdict.not_ready(Reason.MODIFYING, waits), state=_state(case, "Preparing"), outcome="now")
    group = case.group or f"default.postgres{version.partition('.')[0]}"
    step = case.steps.create(case.item, version, group)
    told = f"{case.what}: a green instance of {version} is being made beside {case.actual}."
    news = News("UpgradeStarted", f"{case.what} is being upgraded from {case.actual} to {version}, beside what serves.")
    rest = _rest(case, version, _LATER)
    return replace(_busy(case, "Preparing", told), step=step, later=rest, attempts=case.attempts, news=(news,))


def _under_way(case: Case, wanted: Difference, deployment: Item) -> Upgrade:
    """A blue/green deployment to the wanted version is there."""
    status, version = _status(deployment), case.version(wanted)
    identifier = str(deployment["BlueGreenDeploymentIdentifier"])
    if status == "PROVISIONING":
        told = f"{case.what}: a green instance of {version} is being made beside {case.actual}."
        return replace(_busy(case, "Preparing", told, deployment), later=_rest(case, version, identifier))
    if status == "AVAILABLE":
        return _prepared(case, wanted, deployment)
    if status in ("SWITCHOVER_FAILED", "INVALID_CONFIGURATION"):
        return _failed(case, wanted, deployment)
    return _busy(case, "Preparing", f"{case.what}: the blue/green deployment {identifier} is {status}.", deployment)


def _prepared(case: Case, wanted: Difference, deployment: Item) -> Upgrade:
    green = _green(case, deployment)
    seen = case.facts.inspection
    waits = ""
    if green is None or green.get("DBInstanceStatus") != "available":
        waits = f"the green instance is {(green or {}).get('DBInstanceStatus', 'not shown yet')}"
    elif seen is not None and seen.problem:
        waits = f"how far the green instance is behind can't be told: {seen.problem}"
    elif seen is not None and (seen.lag or 0) > LAG_BYTES:
        waits = f"the green instance is {(seen.lag or 0) // 1024 // 1024} MiB behind"
    version = str((green or {}).get("EngineVersion") or case.version(wanted))
    if (SWITCHED, str(deployment["BlueGreenDeploymentIdentifier"])) in case.asked:
        return _busy(case, "SwitchingOver", f"{case.what} is being switched over to {version}.", deployment)
    if case.attempts >= MOST_ATTEMPTS:
        return _failed(case, wanted, deployment)
    if not case.may_switch(wanted):
        return _held(case, wanted, "Prepared", case.token(wanted), deployment)
    if waits:
        told = f"{case.what}: the switchover to {version} waits: {waits}."
        return replace(_busy(case, "Prepared", told, deployment), alone=False)
    if not case.quiet:
        told = f"{case.what}: the switchover to {version} waits until what else is being changed is through."
        return replace(_busy(case, "Prepared", told, deployment), alone=False)
    return _switched(case, version, deployment)


def _switched(case: Case, version: str, deployment: Item) -> Upgrade:
    identifier = str(deployment["BlueGreenDeploymentIdentifier"])
    step = case.steps.switch_over(identifier, version, case.options.switchover_timeout_seconds)
    found = _busy(case, "SwitchingOver", f"{case.what} is being switched over to {version}.", deployment)
    return replace(found, step=step, later=_rest(case, version, identifier)[1:], attempts=case.attempts + 1)


def _failed(case: Case, wanted: Difference, deployment: Item) -> Upgrade:
    """What has failed is not tried again by itself: each try keeps the application from writing."""
    token, version = case.retry_token(wanted, case.attempts), case.version(wanted)
    switchover = _status(deployment) != "INVALID_CONFIGURATION"
    if token in case.rules.approvals and switchover:
        return _switched(case, version, deployment)
    if token in case.rules.approvals:
        return replace(_given_up(case, deployment), attempts=case.attempts + 1)
    why = str(deployment.get("StatusDetails") or "AWS gives no details").rstrip(".")
    begun = "the switchover" if switchover else "making the green instance"
    again = "switch over again" if switchover else "have the green instance removed, and another one made"
    told = (
        f"{case.what}: {begun} of the upgrade from {case.actual} to {version} has failed: {why}. {case.actual} serves "
        f"on. Mend the cause, then, to {again}: kubectl annotate --overwrite ttd {case.rules.owner} {APPROVE}={token}. "
        f"To give the upgrade up, set engineVersion back: the green instance is removed."
    )
    why_held = f"approval, to {again}"
    held = Held(case.what, str(wanted), Disruption.SWITCHOVER, "UpgradeFailed", why_held, None, token, SWITCH_OVER)
    verdict = Verdict.not_ready("UpgradeFailed", told)
    state = _state(case, "Failed", deployment)
    return Upgrade(
        told=verdict, held=(held,), token=token, attempts=case.facts.attempts or 0, state=state, outcome="refused"
    )


def _held(case: Case, wanted: Difference, state: str, token: str, deployment: Item | None) -> Upgrade:
    version, rules = case.version(wanted), case.rules
    what = "the switchover" if deployment is not None else "the upgrade"
    why, until, opens = "approval", None, ""
    if rules.window is not None and case.by_window(wanted):
        until = rules.window.next_start(rules.now)
        why, opens = f"the maintenance window {rules.window_text} UTC", f" (next {until:%Y-%m-%dT%H:%MZ})"
    lead = f" It is prepared from {case.options.prepare_hours} hours before that on."
    before = lead if until is not None and deployment is None else ""
    told = (
        f"{case.what}: {what} from {case.actual} to {version} waits for {why}{opens}.{before} To have "
        f"it done now: kubectl annotate --overwrite ttd {rules.owner} {APPROVE}={token}."
    )
    change = f"{wanted}: {_in_words(case, version, deployment)}"
    parameters: dict[str, Any] = {} if deployment is not None else {"TargetEngineVersion": version}
    held = Held(
        case.what,
        change,
        Disruption.SWITCHOVER,
        Reason.AWAITING_APPROVAL,
        why,
        until,
        token,
        SWITCH_OVER,
        parameters,
    )
    attempts = case.facts.attempts or 0
    return Upgrade(
        held=(held,),
        told=Verdict.not_ready(Reason.AWAITING_APPROVAL, told),
        token=token,
        attempts=attempts if deployment is not None else None,
        state=_state(case, state, deployment),
        outcome="held",
    )


def _in_words(case: Case, version: str, deployment: Item | None) -> str:
    keep = case.options.keep_old_hours
    first = "" if deployment is not None else f"a green instance of {version} is made beside it and follows it, "
    return f"{first}it takes the name and the endpoint over, and the former one goes {keep} hours later"


def _busy(case: Case, state: str, told: str, deployment: Item | None = None) -> Upgrade:
    return Upgrade(
        told=Verdict.not_ready(Reason.MODIFYING, told),
        attempts=case.facts.attempts or 0,
        state=_state(case, state, deployment),
        alone=True,
        outcome="now",
    )


def _given_up(case: Case, deployment: Item) -> Upgrade:
    """It leads to nothing that is wanted now."""
    identifier, status = str(deployment["BlueGreenDeploymentIdentifier"]), _status(deployment)
    if status == "PROVISIONING":
        waits = f"{case.what}: the blue/green deployment {identifier} is removed, once AWS has made its green instance."
        return _busy(case, "Withdrawing", waits, deployment)
    told = f"{case.what}: the blue/green deployment {identifier} and its green instance are being removed."
    found = _busy(case, "Withdrawing", told, deployment)
    return found if status == "DELETING" else replace(found, step=case.steps.give_up(deployment))


def _completed(case: Case, deployment: Item) -> Upgrade:
    """The green instance has taken over: from now on, all hangs on the tag of the former one."""
    identifier, old = str(deployment["BlueGreenDeploymentIdentifier"]), named_by(str(deployment.get("Source") or ""))
    former = case.facts.beside.get(old)
    told = f"{case.what} is {case.actual} now; the former instance is {old}."
    found = replace(_busy(case, "SwitchedOver", told, deployment), alone=False)
    if not is_former(case.name, old) or any(is_green(case.name, each) for each in case.facts.beside):
        # The descriptions are from before the instances got their new names.
        return found
    if former is None or superseded_at(former) is not None:
        return replace(found, step=case.steps.forget(identifier))
    mark = case.steps.mark(old, str(former["DBInstanceArn"]), case.rules.now)
    before = former.get("EngineVersion", "")
    news = News("SwitchedOver", f"{case.what} is {case.actual} now, in the place of {before}, which is {old}.")
    later = (case.steps.forget(identifier), case.steps.end(old, str(before), case.policy))
    return replace(found, step=mark, later=later, news=(news,))


def _with_former(case: Case, found: Upgrade) -> Upgrade:
    """What becomes of instances whose place was taken, once their time is over and the application is well without."""
    for old, item in sorted(case.facts.beside.items()):
        since = superseded_at(item)
        if since is None or not is_former(case.name, old):
            continue
        version, status = str(item.get("EngineVersion", "")), item.get("DBInstanceStatus", "")
        until = since + timedelta(hours=case.options.keep_old_hours)
        end = case.steps.end(old, version, case.policy)
        known = {"formerInstance": old, "formerUntil": f"{until:{FORMAT}}"}
        state = found.state or {
            "fromVersion": version,
            "toVersion": case.actual,
            "state": "SwitchedOver",
            "since": f"{since:{FORMAT}}",
        }
        found = replace(found, state={**state, **known})
        if status == "deleting":
            return replace(found, note=f"The former instance {old} is being deleted.")
        note = f"The former instance {old} ({version}) is kept until {until:%Y-%m-%dT%H:%MZ}, and then deleted."
        if case.rules.now < until or found.step is not None:
            return replace(found, note=note, later=(*found.later, end))
        if not case.serving or status != "available":
            why = f"is {status}" if case.serving else "is kept until the application can connect to the new one"
            return replace(found, note=f"The former instance {old} ({version}) {why}.", later=(*found.later, end))
        news = News("OldInstanceRemoved", f"The former instance {old} ({version}) goes: {end.changes[0]}.")
        return replace(found, step=end, note=f"The former instance {old} is being deleted.", news=(news,))
    return found


def _rest(case: Case, version: str, identifier: str) -> tuple[UpgradeCall, ...]:
    """What is expected to follow the creation."""
    old = f"{case.name}-old1"
    return (
        case.steps.switch_over(identifier, version, case.options.switchover_timeout_seconds),
        case.steps.mark(old, f"{case.item.get('DBInstanceArn', '')}-old1", case.rules.now),
        case.steps.forget(identifier),
        case.steps.end(old, case.actual, case.policy),
    )


def _state(case: Case, state: str, deployment: Item | None = None) -> dict[str, str]:
    wanted = case.version(case.wanted) if case.wanted is not None else ""
    begun = (deployment or {}).get("CreateTime")
    green = _green(case, deployment) if deployment is not None else None
    former = case.facts.beside.get(named_by(str((deployment or {}).get("Source") or "")))
    over = former is not None and state == "SwitchedOver"
    found = {
        "fromVersion": str((former or {}).get("EngineVersion", "")) if over else case.actual,
        "toVersion": case.actual if over else wanted or str((green or {}).get("EngineVersion", "")),
        "state": state,
        "since": f"{begun:{FORMAT}}" if begun is not None else "",
    }
    return {key: value for key, value in found.items() if value}
