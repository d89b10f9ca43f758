"""What RDS lets a database's storage be, and become."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.aws.rds.errors import combination, wrong

_LARGEST = 65536
# From this size on (GiB) gp3 volumes are striped, and their performance can be chosen.
STRIPED = 400
_LEAST_GROWTH = 1.1
_SMALLEST = {"gp2": 20, "gp3": 20, "io1": 100, "io2": 100, "standard": 5}
_IOPS = {"gp3": (12_000, 64_000), "io1": (1_000, 256_000), "io2": (1_000, 256_000)}
_THROUGHPUT = (500, 4_000)
# IOPS per GiB, and MiB/s per I/O operation, at most.
_RATIO = {"gp3": 500.0, "io1": 50.0, "io2": 1_000.0}
_THROUGHPUT_PER_IOPS = 0.25


@dataclass(frozen=True)
class Storage:
    """A database's storage; `size` in GiB, `throughput` in MiB/s. None where the type has no such thing."""

    kind: str
    size: int
    iops: int | None
    throughput: int | None


def made(kind: str | None, size: int | None, iops: int | None, throughput: int | None) -> Storage:
    """The storage of a new database."""
    kind = kind or ("io1" if iops else "gp3")
    if kind not in _SMALLEST:
        raise wrong(f"Invalid storage type: {kind}")
    if size is None or not _SMALLEST[kind] <= size <= _LARGEST:
        raise wrong(f"Invalid storage size for engine name postgres and storage type {kind}: {size}")
    _check_performance(kind, size, iops, throughput)
    return _complete(kind, size, iops, throughput)


def changed(present: Storage, kind: str | None, size: int | None, iops: int | None, throughput: int | None) -> Storage:
    """What a modification makes of the present storage: a growth of less than 10 % becomes one of 10 %."""
    if size is not None and size < present.size:
        raise combination(f"Invalid storage size for engine name postgres and storage type {present.kind}: {size}")
    if size is not None and size > present.size:
        size = max(size, math.ceil(round(present.size * _LEAST_GROWTH, 6)))
    new_kind, new_size = kind or present.kind, size or present.size
    if new_size > _LARGEST:
        raise wrong(f"Invalid storage size for engine name postgres and storage type {new_kind}: {new_size}")
    _check_performance(new_kind, new_size, iops, throughput)
    same_tier = new_kind == present.kind and (new_size < STRIPED) == (present.size < STRIPED)
    return _complete(
        new_kind,
        new_size,
        iops or (present.iops if same_tier else None),
        throughput or (present.throughput if same_tier else None),
    )


def check_complete(present: Storage, kind: str | None, size: int | None, iops: int | None) -> None:
    """Refuse a size without I/O operations where a storage of that size and type has them provisioned."""
    if kind not in (None, present.kind):
        return
    lacks = (size is None) != (iops is None)
    striped = present.kind == "gp3" and size not in (None, present.size) and (size or 0) >= STRIPED
    if lacks and (striped or present.kind in ("io1", "io2")):
        raise combination(
            "You must specify both the storage size and iops when modifying the storage size or iops on a DB instance "
            "that has iops."
        )


def check_limit(size: int, limit: int | None, *, may_equal: bool) -> None:
    """Refuse a MaxAllocatedStorage that is no room to grow; on an existing database, equal turns autoscaling off."""
    if limit is None or (may_equal and limit == size):
        return
    if limit <= size:
        raise combination("Max storage size must be greater than storage size")
    if limit < size * _LEAST_GROWTH:
        raise combination("The maximum allocated storage must be increased by at least 10 percent.")


def _check_performance(kind: str, size: int, iops: int | None, throughput: int | None) -> None:
    if kind == "gp3" and size < STRIPED and (iops or throughput):
        raise combination(
            f"You can't specify IOPS or storage throughput for engine postgres and a storage size less than {STRIPED}."
        )
    if throughput and kind != "gp3":
        raise combination(f"You can't specify storage throughput for storage type {kind}.")
    if iops and kind not in _IOPS:
        raise combination(f"You can't specify IOPS for storage type {kind}.")
    if kind in ("io1", "io2") and not iops:
        raise combination(f"You must specify IOPS for storage type {kind}.")
    if iops:
        low, high = _IOPS[kind]
        if not low <= iops <= high:
            raise combination(f"Invalid IOPS for storage type {kind}: {iops}. Valid values: {low}-{high}.")
        if iops > size * _RATIO[kind]:
            raise combination(
                f"Invalid iops to storage (GB) ratio for engine name postgres and storage type {kind}: {iops / size}"
            )
    if throughput:
        low, high = _THROUGHPUT
        if not low <= throughput <= high:
            raise combination(f"Invalid storage throughput: {throughput}. Valid values: {low}-{high}.")
        if throughput > (iops or _IOPS["gp3"][0]) * _THROUGHPUT_PER_IOPS:
            raise combination("The storage throughput to IOPS ratio is more than 0.25.")


def _complete(kind: str, size: int, iops: int | None, throughput: int | None) -> Storage:
    if kind == "gp3":
        base = (3_000, 125) if size < STRIPED else (12_000, 500)
        return Storage(kind, size, iops or base[0], throughput or base[1])
    return Storage(kind, size, iops if kind in _IOPS else None, None)
