"""`tracetrack create-admin`."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterable
from typing import Any

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, add_output, print_json
from tracetrack_app.domain.accounts import AccountError, clean_email, clean_username
from tracetrack_app.domain.passwords import RULE, problem
from tracetrack_app.domain.people import Role
from tracetrack_app.http.auth.passwords import hash_password
from tracetrack_app.settings import Bindings, SettingsError
from tracetrack_app.store.accounts import Account, Accounts
from tracetrack_app.store.audit import Audit, Who
from tracetrack_app.store.database import Connector

_WHO = Who(username="tracetrack create-admin")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make an account that may do everything.\n\n"
        "The password is asked for on a terminal, and read as one line from standard input otherwise. It is never an\n"
        f"argument, where other users of the machine would see it. {RULE}"
    )
    parser.add_argument("username")
    parser.add_argument("--email", help="where a link to set a new password may be sent")
    parser.add_argument("--password-env", metavar="VARIABLE", help="take the password from this environment variable")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        username, email = clean_username(arguments.username), clean_email(arguments.email)
    except AccountError as error:
        raise CommandError(str(error)) from None
    try:
        bindings = Bindings(os.environ)
        secrets = (bindings.session_secret(), *bindings.previous_secrets())
    except SettingsError as error:
        raise CommandError(f"{error}; it seals the entry in the audit log") from None
    database.connector()
    password = _password(arguments.password_env)
    if wrong := problem(password, username):
        raise CommandError(wrong)

    async def work(_: Any, source: Connector) -> Account:
        pool = await source.pool(1)
        try:
            accounts = Accounts(pool, Audit(pool, secrets), _known_to_nobody_yet)
            password_hash = await hash_password(password)
            return await accounts.create(
                _WHO, username=username, password_hash=password_hash, role=Role.ADMIN, email=email
            )
        finally:
            pool.terminate()

    try:
        account = database.run(work)
    except AccountError as error:
        raise CommandError(str(error), FAULTS) from None
    if arguments.output == "json":
        print_json({"id": account.id, "username": account.username, "email": account.email, "role": account.role})
    else:
        print(f"admin {account.username} was created")
    return FINE


async def _known_to_nobody_yet(_: Iterable[str]) -> None:
    """No replica has an account in its memory that was not there before."""


def _password(variable: str | None) -> str:
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise CommandError(f"--password-env: the environment variable {variable} is not set")
        return found
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CommandError("there is no password on standard input: send it as one line, or use --password-env")
        return line
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two passwords differ")
    return password
