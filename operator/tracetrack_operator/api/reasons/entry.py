"""What an entry about a reason holds."""

from dataclasses import dataclass
from enum import StrEnum

from ..conditions import ConditionType

DATABASE = ConditionType.DATABASE_READY
CACHE = ConditionType.CACHE_READY
APPLICATION = ConditionType.APPLICATION_READY
SCALING = ConditionType.SCALING_READY
SYNCED = ConditionType.SYNCED
REPLICAS = ConditionType.REPLICAS_READY
DRILL = ConditionType.DRILL_PASSED
MAIL = ConditionType.MAIL_READY
END_OF_DAY = ConditionType.END_OF_DAY_READY
READY = ConditionType.READY
DEPLOYMENT = ConditionType.DEPLOYMENT_READY
SIGNING = ConditionType.SIGNING_KEY_READY
SCANNERS = ConditionType.SCANNERS_READY

BACKINGS = (DATABASE, CACHE)
BROUGHT = (MAIL, END_OF_DAY)
PARTS = (DATABASE, CACHE, APPLICATION)
FLEET_PARTS = (SIGNING, SCANNERS)


class Course(StrEnum):
    """How a state with that reason goes on."""

    GOOD = "All is as declared."
    PASSING = "No fault: it is on its way, or as you asked for."
    RETRIED = "Tried again by itself: it goes once its cause is gone."
    HELD = "Waits for its time, or for your word."
    STAYS = "Stays until you act."


@dataclass(frozen=True)
class Entry:
    """One reason: what it means, and what to do about it; `commands` can be pasted.

    `deployment` and `fleet` are the conditions of TraceTrackDeployment and ScannerFleet that give it themselves; Ready
    repeats that of another. `event`: an Event has it beside those that tell of conditions.
    """

    reason: str
    course: Course
    meaning: str
    remedy: str
    commands: tuple[str, ...] = ()
    deployment: tuple[ConditionType, ...] = ()
    fleet: tuple[ConditionType, ...] = ()
    event: bool = False


@dataclass(frozen=True)
class Group:
    """Entries that a person looks for together."""

    title: str
    entries: tuple[Entry, ...]


DESCRIBE = 'kubectl describe tracetrackdeployment "$NAME" -n "$NS"'
DESCRIBE_FLEET = 'kubectl describe scannerfleet "$NAME" -n "$NS"'
EXPLAIN = "kubectl explain tracetrackdeployment.spec --recursive"
OPERATOR_LOG = 'kubectl logs -n tracetrack-system "$OPERATOR" --tail=500 | grep "$NAME"'
POLICY = 'kubectl exec -n tracetrack-system "$OPERATOR" -- python -m tracetrack_operator.aws.policy'
