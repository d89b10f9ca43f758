"""Every reason that a condition or an Event may give, and what a person needs to know about it."""

from ...engine.guide import Guide
from .aws import AWS
from .changes import CHANGES
from .connections import CONNECTIONS
from .drills import DRILLS
from .entry import Course, Entry, Group
from .fleets import FLEETS
from .kubernetes import KUBERNETES
from .pods import PODS
from .replicas import READ_REPLICAS
from .spec import SPEC
from .states import EVENTS, STATES

GROUPS = (SPEC, PODS, CONNECTIONS, CHANGES, READ_REPLICAS, DRILLS, FLEETS, AWS, KUBERNETES, STATES, EVENTS)
REASONS = {entry.reason: entry for group in GROUPS for entry in group.entries}
PASSING = frozenset(entry.reason for entry in REASONS.values() if entry.course is Course.PASSING)

PAGE = "REASONS.md"

__all__ = ["GROUPS", "PAGE", "PASSING", "REASONS", "Course", "Entry", "Group", "guide"]


def guide(docs_url: str) -> Guide:
    """The way from a message to its reason's entry, on the page at `docs_url`."""
    return Guide(docs_url.rstrip("#"), PASSING)
