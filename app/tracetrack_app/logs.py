"""Logs as one JSON object a line on standard output."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

_log = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure(level: str) -> None:
    """Send everything, uvicorn's lines too, through the formatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def lost_connection(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's exception handler: uvloop tells of a TLS connection that ends while it is written to as of a fault of
    ours, with its stack. Who uses the connection is told by its own exception.
    """
    error = context.get("exception")
    if context.get("message", "").startswith("Fatal error on SSL protocol") and isinstance(error, RuntimeError):
        _log.info("a TLS connection ended while it was written to")
    else:
        loop.default_exception_handler(context)
