"""What the generators send, and when."""

import json
import re
import uuid
from pathlib import Path

import pytest

from tests.bench.openloop import Order, due, requests
from tests.bench.sockets import frames
from tests.bench.workload import CHILDREN, CYCLE, PARENT_CODES, Parents, Work, parent_code, parents_needed
from tracetrack_app.domain.codes import Kind, parse


@pytest.mark.parametrize(
    ("elapsed", "sent", "expected"),
    [(-0.5, 0, 0), (0.0, 0, 1), (0.0, 1, 0), (0.0019, 1, 0), (0.002, 1, 1), (0.01, 1, 5), (0.01, 9, 0), (99.0, 90, 10)],
)
def test_scans_are_due_by_the_clock_alone(elapsed: float, sent: int, expected: int) -> None:
    assert due(elapsed, 500, sent, 100) == expected


def test_the_schedule_sends_every_scan_once_and_none_early() -> None:
    sent, rate = 0, 700.0
    for millisecond in range(0, 2000, 7):
        now = millisecond / 1000
        sent += due(now, rate, sent, 1000)
        assert (sent - 1) / rate <= now
    assert sent == 1000


def test_a_station_scans_a_parent_and_then_its_thirty_children() -> None:
    work = Work("W000", 3, 60_000)
    scans = [work.scan(number) for number in range(3 * CYCLE + 3)]
    first_station = scans[::3]
    assert first_station[0] == ("SB60000", None)
    assert {parent for _, parent in first_station[1:CYCLE]} == {"SB60000"}
    assert len({code for code, _ in first_station[1:CYCLE]}) == CHILDREN
    assert first_station[CYCLE] == ("SB60003", None)
    assert len({code for code, _ in scans}) == len(scans)


def test_codes_are_what_the_app_takes() -> None:
    work = Parents(0).take(500, 1)
    assert parse(work.scan(0)[0]).kind is Kind.PARENT
    assert parse(parent_code(PARENT_CODES - 1)).text == "M444-99999"
    assert parse(work.scan(5_000_123)[0]).kind is Kind.CHILD
    with pytest.raises(ValueError, match="no parent 200000"):
        parent_code(PARENT_CODES)


def test_rounds_share_no_parent_and_no_child() -> None:
    parents = Parents(10, 100)
    first, second = parents.take(7, 7 * CYCLE * 2), parents.take(7, 1)
    assert second.first_parent == first.first_parent + 14
    assert first.tag != second.tag
    touched = {parent or code for code, parent in map(first.scan, range(7 * CYCLE * 2))}
    assert touched == {parent_code(index) for index in range(10, 24)}
    with pytest.raises(ValueError, match="used up"):
        parents.take(7, 7 * CYCLE * 20)


@pytest.mark.parametrize(("scans", "parents"), [(0, 4), (1, 4), (4 * CYCLE, 4), (4 * CYCLE + 1, 8)])
def test_parents_are_counted_in_whole_cycles(scans: int, parents: int) -> None:
    assert parents_needed(4, scans) == parents


def test_requests_are_whole_and_their_scan_ids_differ() -> None:
    order = Order("127.0.0.1", 1, ["Bearer one", "Bearer two"], Work("W001", 2, 70_000), 10, 9, 4)
    made = requests(order)
    assert len(made) == order.scans == 100
    ids = set()
    for number, request in enumerate(made):
        head, _, body = request.partition(b"\r\n\r\n")
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == len(body)  # type: ignore[index]
        assert (b"Bearer one" in head) is (number % 2 == 0)
        scan = json.loads(body)
        assert (scan["code"], scan["parent"]) == order.work.scan(number)
        ids.add(uuid.UUID(scan["scan_id"]))
    assert len(ids) == 100


def test_the_closed_loop_has_the_same_cycle() -> None:
    script = (Path(__file__).parents[2] / "bench" / "scan.lua").read_text()
    assert f"turn / {CYCLE})" in script
    assert f"turn % {CYCLE}" in script


@pytest.mark.parametrize("length", [0, 5, 125, 126, 70_000])
def test_frames_of_any_length_are_cut_from_the_stream(length: int) -> None:
    payload = b"x" * length
    size = (
        bytes([length])
        if length < 126
        else b"\x7e" + length.to_bytes(2, "big")
        if length < 65_536
        else b"\x7f" + length.to_bytes(8, "big")
    )
    frame = b"\x81" + size + payload
    assert frames(frame + frame[:-1] if length else frame) == ([(1, payload)], frame[:-1] if length else b"")
    assert frames(frame[:1]) == ([], frame[:1])
