from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tracetrack_operator.aws.listing import CLOCK, Listing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_is_in_it_comes_out_as_it_was() -> None:
    item = {"DBInstanceIdentifier": "a", "Endpoint": {"Port": 5432}, "TagList": [{"Key": "k"}], "At": NOON, CLOCK: NOON}
    listing = Listing({"a": item, "b": {}})
    assert dict(listing) == {"a": item, "b": {}}
    assert listing["a"] is not item
    with pytest.raises(KeyError):
        listing["c"]


def test_it_is_in_order_and_finds_what_begins_with_a_name() -> None:
    listing = Listing({name: {} for name in ("shop-b", "shop", "a", "shop-b-green-x", "shopping", "z")})
    listing.learn("shop-b-old1", {"again": False})
    listing.learn("shop-b-old1", {"again": True})
    assert list(listing) == ["a", "shop", "shop-b", "shop-b-green-x", "shop-b-old1", "shopping", "z"]
    assert listing.beginning("shop-b") == ["shop-b", "shop-b-green-x", "shop-b-old1"]
    assert listing.beginning("y") == []
    assert listing["shop-b-old1"] == {"again": True}


def test_what_changed_or_went_is_told_but_not_what_time_changes() -> None:
    before = Listing({name: {"Status": "available", CLOCK: 1} for name in "abc"})
    after = Listing({"a": {"Status": "available", CLOCK: 2}, "b": {"Status": "modifying", CLOCK: 1}, "new": {}})
    assert before.changed_in(after) == ["b", "c"]
