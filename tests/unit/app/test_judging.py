"""What the words of a scan decide before a bag is looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tracetrack_app.domain.codes import Kind
from tracetrack_app.domain.outcomes import Refusal, title
from tracetrack_app.domain.scans import Actor
from tracetrack_app.ingest.scans import RawScan, judge

NOW = datetime.now(UTC)
ACTOR = Actor(user_id=1)


@pytest.mark.parametrize(
    ("code", "parent", "bill", "expect", "refusal"),
    [
        ("sb00001", None, None, None, None),
        ("abcd1", "sb00001", None, None, None),
        ("sb00001", None, "b-1", None, None),
        ("abcd1", None, None, None, Refusal.PARENT_REQUIRED),
        ("abcd1", None, "b-1", None, Refusal.WRONG_BAG_TYPE),
        ("sb00001", "sb00001", None, None, Refusal.SELF_LINK),
        ("abcd1", "abcd1", None, None, Refusal.SELF_LINK),
        ("sb00001", "sb00002", None, None, Refusal.WRONG_BAG_TYPE),
        ("abcd1", "abcd2", None, None, Refusal.MALFORMED_CODE),
        ("?", "sb00001", None, None, Refusal.MALFORMED_CODE),
        ("abcd1", None, None, Kind.PARENT, Refusal.WRONG_BAG_TYPE),
        ("sb00001", None, None, Kind.CHILD, Refusal.WRONG_BAG_TYPE),
    ],
)
def test_refusals_by_words(
    code: str, parent: str | None, bill: str | None, expect: Kind | None, refusal: Refusal | None
) -> None:
    scan = judge(RawScan(uuid4(), code, ACTOR, "v1", NOW, parent, bill, expect=expect))
    assert scan.refusal == refusal
    assert scan.code == code.upper()


def test_every_refusal_has_a_title() -> None:
    assert len({title(refusal) for refusal in Refusal}) == len(Refusal)
