"""Mail, handed to the server of the settings; what a page sends goes in the background."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

import aiosmtplib

from tracetrack_app.settings import MailSettings, SettingsError

_log = logging.getLogger(__name__)
_TIMEOUT = 20.0
_PAUSES = (1.0, 5.0, 25.0)
_MAX_WAITING = 200
_FAILED = (aiosmtplib.SMTPException, OSError, TimeoutError)


class MailError(RuntimeError):
    """The mail was not taken; the message names the server and the remedy."""


class Mailer:
    """Sends mail with the settings as they are at that moment."""

    def __init__(self, settings: Callable[[], MailSettings | None]) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def configured(self) -> bool:
        try:
            return self._settings() is not None
        except SettingsError:
            return False

    async def send(
        self,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        attachments: Sequence[tuple[str, str, bytes]] = (),
    ) -> None:
        """Hand one mail to the server; `attachments` are (file name, type/subtype, content). Raises MailError."""
        try:
            settings = self._settings()
        except SettingsError as error:
            raise MailError(str(error)) from error
        if settings is None:
            raise MailError("no mail server: set SMTP_HOST and SMTP_FROM, or mount the smtp binding")
        message = EmailMessage()
        # Header injection is refused by EmailMessage: a line break raises ValueError.
        try:
            message["From"], message["To"], message["Subject"] = settings.sender, to, subject
        except ValueError as error:
            raise MailError("the address or the subject holds a line break") from error
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2].rstrip("> "))
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        for name, kind, content in attachments:
            maintype, _, subtype = kind.partition("/")
            message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
        context = ssl.create_default_context(cafile=settings.ca_file) if settings.tls != "none" else None
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.host,
                port=settings.port,
                username=settings.username or None,
                password=settings.password or None,
                use_tls=settings.tls == "tls",
                # False: encrypted or not at all is what the settings say, not what the server offers.
                start_tls=settings.tls == "starttls",
                tls_context=context,
                timeout=_TIMEOUT,
            )
        except aiosmtplib.SMTPAuthenticationError as error:
            raise MailError(f"the mail server {settings.where} refused the user name or the password") from error
        except _FAILED as error:
            raise MailError(f"the mail server {settings.where} did not take it ({type(error).__name__})") from error

    def background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work`, which ends in `send`, after the answer; again some seconds later if that fails."""
        if len(self._tasks) >= _MAX_WAITING:
            _log.error("a mail was dropped: %d wait already", _MAX_WAITING)
            return
        task = asyncio.create_task(self._retry(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float = 5.0) -> None:
        """Let what is being sent end; what waits for another attempt is given up."""
        if self._tasks:
            _, pending = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in pending:
                task.cancel()

    async def _retry(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        for pause in (*_PAUSES, None):
            try:
                await work()
                return
            except Exception as error:
                known = isinstance(error, MailError)
                _log.error("mail: %s", error if known else type(error).__name__, exc_info=None if known else error)
                if pause is None or not known:
                    return
                await asyncio.sleep(pause)
