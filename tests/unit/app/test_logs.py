"""What the event loop has to tell, in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tracetrack_app import logs

CLOSED = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


async def test_a_connection_that_ends_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.lost_connection)
    loop.call_exception_handler({"message": "Fatal error on SSL protocol", "exception": CLOSED})
    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("INFO", None)]


@pytest.mark.parametrize(
    "context",
    [
        {"message": "Task exception was never retrieved", "exception": CLOSED},
        {"message": "Fatal error on SSL protocol", "exception": KeyError("ours")},
    ],
)
async def test_a_fault_is_told_with_its_stack(context: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    logs.lost_connection(asyncio.get_running_loop(), context)
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info is not None
