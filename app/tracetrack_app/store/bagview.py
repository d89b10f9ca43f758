"""A bag as it is looked up and cached, and what a scan does to what is cached of a parent.

A scan's ledger entry tells the parent's children after it, so a cached parent can be brought up to date instead of
being read again. `version` is the newest entry that put a child into the parent or took one out; the entries of one
parent have ascending ids, since they are made under a lock of its row. An entry that is not newer than the version is
in the value already; one whose count does not follow on from the value's shows that something was missed: the value is
dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import Any

import msgspec

from tracetrack_app.domain.codes import Kind
from tracetrack_app.domain.outcomes import Entry, Outcome
from tracetrack_app.store.cache import Codec
from tracetrack_app.store.link import Script

BAG_SOURCE = """
SELECT CASE WHEN b.kind = 'parent' THEN greatest(
           (SELECT max(n.entry_id) FROM links n WHERE n.parent_id = b.id),
           (SELECT max(u.id) FROM scan_ledger u
            WHERE u.parent = b.code COLLATE "default" AND u.outcome = 'unlinked'), 0) ELSE 0 END AS version,
       b.child_count, b.capacity, b.status, b.updated_at,
       CASE WHEN b.kind = 'parent' THEN ARRAY(
           SELECT c.code FROM links n JOIN bags c ON c.id = n.child_id WHERE n.parent_id = b.id
           ORDER BY n.entry_id, n.child_id) ELSE '{}' END AS children,
       b.id, b.code, b.kind, b.name, b.area, p.code AS parent, x.code AS bill, b.product_id, b.created_at
FROM bags b
LEFT JOIN links k ON k.child_id = b.id
LEFT JOIN bags p ON p.id = k.parent_id
LEFT JOIN bill_bags h ON h.bag_id = b.id AND h.removed_at IS NULL
LEFT JOIN bills x ON x.id = h.bill_id
"""


class BagView(msgspec.Struct, frozen=True, gc=False):
    """A bag. `parent` holds it, `bill` is the one it is on; `children` are codes, the oldest scan first.

    `product` is None for children and the default product.
    """

    version: int
    child_count: int
    capacity: int
    status: str
    updated_at: datetime
    children: tuple[str, ...]
    id: int
    code: str
    kind: str
    name: str
    area: str | None
    parent: str | None
    bill: str | None
    product: int | None
    created_at: datetime


class _Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As in Redis, where Lua changes it: no value is nil, times are microseconds since 1970. Lua counts from 1."""

    version: int
    child_count: int
    capacity: int
    status: str
    updated_at: int
    children: tuple[str, ...]
    id: int
    code: str
    kind: str
    name: str
    area: str
    parent: str
    bill: str
    product: int
    created_at: int


class _Step(msgspec.Struct, frozen=True, array_like=True):
    """One entry: `change` is 1 or -1, `count` the children after it, `at` microseconds since 1970."""

    entry: int
    change: int
    count: int
    child: str
    at: int


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Stored).decode
_steps = msgspec.msgpack.Decoder(list[_Step]).decode


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _encode(bag: BagView | None) -> bytes:
    if bag is None:
        raise ValueError("only a bag that exists is put into Redis")
    return _pack(
        _Stored(
            bag.version,
            bag.child_count,
            bag.capacity,
            bag.status,
            _micros(bag.updated_at),
            bag.children,
            bag.id,
            bag.code,
            bag.kind,
            bag.name,
            bag.area or "",
            bag.parent or "",
            bag.bill or "",
            bag.product or 0,
            _micros(bag.created_at),
        )
    )


def _decode(data: bytes) -> BagView:
    bag = _unpack(data)
    # Words that all bags share are kept once.
    return BagView(
        bag.version,
        bag.child_count,
        bag.capacity,
        intern(bag.status),
        _EPOCH + bag.updated_at * _MICROSECOND,
        bag.children,
        bag.id,
        bag.code,
        intern(bag.kind),
        bag.name,
        intern(bag.area) or None,
        bag.parent or None,
        bag.bill or None,
        bag.product or None,
        _EPOCH + bag.created_at * _MICROSECOND,
    )


BAG: Codec[BagView | None] = Codec(_encode, _decode)


def bag_view(row: Any) -> BagView:
    """The bag in a row of BAG_SOURCE."""
    version, child_count, capacity, status, updated_at, children, number, code, kind, name, area, *rest = row
    shared = intern(area) if area is not None else None
    return BagView(
        version,
        child_count,
        capacity,
        intern(status),
        updated_at,
        tuple(children),
        number,
        code,
        intern(kind),
        name,
        shared,
        *rest,
    )


def steps_of(entries: Iterable[Entry]) -> dict[str, bytes]:
    """What newly made entries do to the parents they name, by cache key, as `patched` and PATCH take it."""
    steps: dict[str, list[_Step]] = {}
    for entry in sorted(entries, key=lambda each: each.id):
        change = {Outcome.CHILD_LINKED: 1, Outcome.UNLINKED: -1}.get(entry.outcome)
        if change is not None and not entry.replay and entry.parent is not None and entry.child_count is not None:
            step = _Step(entry.id, change, entry.child_count, entry.code, _micros(entry.recorded_at))
            steps.setdefault(f"bag:{entry.parent}", []).append(step)
    return {key: _pack(found) for key, found in steps.items()}


def patched(bag: BagView, patch: bytes) -> BagView | None:
    """The parent after these entries; None when that cannot be told from it. As PATCH does in Redis."""
    if bag.kind != Kind.PARENT:
        return None
    version, count, status, updated_at = bag.version, bag.child_count, bag.status, bag.updated_at
    children = list(bag.children)
    for step in _steps(patch):
        if step.entry <= version:
            continue
        if count + step.change != step.count:
            return None
        if step.change > 0:
            if step.child in children:
                return None
            children.append(step.child)
            status = "completed" if status == "completed" or step.count >= bag.capacity else "in_progress"
        else:
            if step.child not in children:
                return None
            children.remove(step.child)
            if step.count == 0:
                status = "pending"
            elif count == bag.capacity:
                status = "in_progress"
        version, count, updated_at = step.entry, step.count, _EPOCH + step.at * _MICROSECOND
    return msgspec.structs.replace(
        bag, version=version, child_count=count, status=status, updated_at=updated_at, children=tuple(children)
    )


PATCH = Script(
    """#!lua flags=allow-oom
local function patch(bag, steps)
    for _, step in ipairs(steps) do
        local entry, change, count, child, at = unpack(step)
        if entry > bag[1] then
            if bag[2] + change ~= count then return false end
            local place
            for index, code in ipairs(bag[6]) do
                if code == child then place = index end
            end
            if change > 0 then
                if place then return false end
                table.insert(bag[6], child)
                if bag[4] ~= 'completed' then bag[4] = count >= bag[3] and 'completed' or 'in_progress' end
            else
                if not place then return false end
                table.remove(bag[6], place)
                if count == 0 then bag[4] = 'pending' elseif bag[2] == bag[3] then bag[4] = 'in_progress' end
            end
            bag[1], bag[2], bag[5] = entry, count, at
        end
    end
    return bag
end
for index, key in ipairs(KEYS) do
    local found = redis.call('GET', key)
    if found then
        local done, bag = pcall(function() return patch(cmsgpack.unpack(found), cmsgpack.unpack(ARGV[index])) end)
        if done and bag then
            redis.call('SET', key, cmsgpack.pack(bag), 'KEEPTTL')
        else
            redis.call('DEL', key)
        end
    end
end
return redis.status_reply('OK')
"""
)
