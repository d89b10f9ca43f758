"""The page about reasons: one section each, under the reason's name."""

from collections.abc import Iterable, Iterator

from ..conditions import ConditionType
from . import GROUPS, Course, Entry, Group

_INTRODUCTION = f"""# Reasons

What each reason of a condition or an Event means and what to do about it. The message of a condition that isn't True,
and of an Event of type Warning, ends in the address of an entry here. This file is generated from
`operator/tracetrack_operator/api/reasons/`: change that and run `python -m tracetrack_operator.api`.

    kubectl get tracetrack                                     # REASON is that of Ready
    kubectl describe tracetrackdeployment demo                 # all conditions, with messages and Events

`Ready` repeats the reason of the first other condition that is wrong (all but `ScalingReady`, `Synced`,
`ReplicasReady`, `MailReady`, `EndOfDayReady` and `DrillPassed`), so the entries name that one; `Ready` itself is named
where the reason is its own.
How a state goes on is one of these:

- *{Course.GOOD.value}*
- *{Course.PASSING.value}*
- *{Course.RETRIED.value}* There is no need to touch the object.
- *{Course.HELD.value}* The message says when it goes on by itself, and how to have it done now.
- *{Course.STAYS.value}* The operator looks again when the object changes, and at every resync.

The commands below take these variables; the others that they use are what the message or an earlier command names:

    export NS=default NAME=demo    # namespace and name of the object whose condition it is
    export DB=… CACHE=…            # identifiers of the DB instance and the replication group, as the message names them
    export OPERATOR=$(kubectl get deploy -n tracetrack-system -l app.kubernetes.io/name=tracetrack-operator -o name)
"""


def reasons_markdown(groups: tuple[Group, ...] = GROUPS) -> str:
    lines = [_INTRODUCTION, *_contents(groups)]
    for group in groups:
        lines += [f"## {group.title}", ""]
        for entry in group.entries:
            lines += _section(entry)
    return "\n".join(lines).rstrip() + "\n"


def _contents(groups: Iterable[Group]) -> Iterator[str]:
    yield "| | Reasons |"
    yield "|---|---|"
    for group in groups:
        links = ", ".join(f"[{entry.reason}](#{entry.reason.lower()})" for entry in group.entries)
        yield f"| {group.title} | {links} |"
    yield ""


def _section(entry: Entry) -> Iterator[str]:
    yield f"### {entry.reason}"
    yield ""
    yield f"{_places(entry)}. *{entry.course.value}*"
    yield ""
    yield entry.meaning
    yield ""
    yield f"**What to do.** {entry.remedy}"
    yield ""
    yield from (f"    {command}" for command in entry.commands)
    if entry.commands:
        yield ""


def _places(entry: Entry) -> str:
    places = []
    if entry.deployment:
        places.append(f"TraceTrackDeployment: {_types(entry.deployment)}")
    if entry.fleet:
        places.append(f"ScannerFleet: {_types(entry.fleet)}")
    if entry.event:
        places.append("Event" if places else "Event only")
    return "; ".join(places)


def _types(types: Iterable[ConditionType]) -> str:
    return ", ".join(f"`{type_.value}`" for type_ in types)
