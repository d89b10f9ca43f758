"""How long steps took, and how much of that was fetching."""

from __future__ import annotations

import threading
import time

import pytest

from tests.cluster.run import fetching_seconds, step


def test_fetching_counts_once_however_many_steps_do_it_and_own_work_never(capsys: pytest.CaptureFixture[str]) -> None:
    before = fetching_seconds()
    both = threading.Barrier(2)

    def fetch() -> None:
        with step("fetching", fetches=True):
            both.wait(10)
            time.sleep(0.2)
            both.wait(10)

    start = time.monotonic()
    other = threading.Thread(target=fetch)
    other.start()
    fetch()
    other.join()
    took = time.monotonic() - start
    assert 0.2 <= fetching_seconds() - before <= took
    settled = fetching_seconds()
    with step("own work"):
        time.sleep(0.05)
    assert fetching_seconds() == settled
    assert capsys.readouterr().err.count("s: fetching\n") == 2


def test_fetching_that_fails_is_over() -> None:
    with pytest.raises(OSError, match="gone"), step("fetching", fetches=True):
        raise OSError("gone")
    settled = fetching_seconds()
    time.sleep(0.05)
    assert fetching_seconds() == settled
