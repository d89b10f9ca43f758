"""A real SMTP server on loopback that keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.backing import free_port


class _Kept:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


class MailSink:
    """`mails` are those taken so far; `environment` points an app at it."""

    def __init__(self, port: int, kept: _Kept) -> None:
        self.mails = kept.mails
        self.environment = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_TLS": "none",
            "SMTP_FROM": "TraceTrack <tracetrack@example.com>",
            "TRACETRACK_PUBLIC_URL": "http://scan.example.com",
        }


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    kept, port = _Kept(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield MailSink(port, kept)
    finally:
        controller.stop()
