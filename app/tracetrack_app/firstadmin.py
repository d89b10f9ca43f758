"""The admin of the binding: made where there is no admin, and given the binding's password each time that changes."""

from __future__ import annotations

import logging

from tracetrack_app.http.auth.passwords import hash_password, verify_password
from tracetrack_app.store.accounts import Accounts

_log = logging.getLogger(__name__)


async def follow(accounts: Accounts, admin: tuple[str, str] | None) -> None:
    """Make true what the binding (user name, password) says and has not said before.

    A password that its user changed stays until the binding changes again. An account that is no active admin, also
    one renamed or deleted by people, is left alone.
    """
    if admin is None:
        if not await accounts.has_admin():
            _log.warning("there is no admin: set ADMIN_USER and ADMIN_PASSWORD, or mount the admin binding")
        return
    username, password = admin
    bound = await accounts.bound(username)
    if bound is None:
        if not await accounts.has_admin() and await accounts.ensure_admin(username, await hash_password(password)):
            _log.info("the first admin %r was created", username)
        return
    if bound.password_hash is not None and (await verify_password(bound.password_hash, password))[0]:
        return
    if await accounts.bind(bound, await hash_password(password)) and bound.password_hash is not None:
        _log.info("the admin binding has changed: %r has its password, and the sessions so far have ended", username)
