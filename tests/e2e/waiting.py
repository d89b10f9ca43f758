"""Waiting for what becomes true by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.cluster.run import StageError

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float, interval: float = 0.5) -> T:
    """Call `check` until it gives something true; failures of kubectl and assertions count as "not yet"."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = check()
            if answer:
                return answer
            failure: Exception = AssertionError(f"still {answer!r} after {timeout:.0f} s")
        except (AssertionError, StageError) as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(interval)
