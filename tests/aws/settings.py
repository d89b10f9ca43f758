"""What the emulator can be told on the command line or in the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

ACCOUNT = "123456789012"
CALLER = "operator"
"""The access key of whoever is held to the operator's policy; tests call with another."""
_DELAYS: dict[str, float] = {
    "create_seconds": 2,
    "modify_seconds": 1,
    "delete_seconds": 1,
    "optimize_seconds": 1,
    "storage_cooldown_seconds": 6 * 3600,
    "stale_seconds": 0,
}


@dataclass(frozen=True)
class Settings:
    """`host`/`port`: where the endpoint listens (0: a free port). `advertise`: the host in the endpoints of instances
    and caches. `backing_host`: the address their servers listen on. Delays in seconds: `optimize_seconds` a database is
    in storage-optimization after its storage has changed, and for `storage_cooldown_seconds` it may not change again;
    for `stale_seconds` a describe shows what was before a write. `quotas`: enforce API rates. `backing`: "own" starts a
    server for each instance and cache, "shared" puts one PostgreSQL and one Redis behind all. `ports`: where those
    servers listen, None for any free port. `until_stdin_closes`: end when standard input does, so that no emulator
    outlives the test run that started it.
    """

    host: str
    port: int
    advertise: str
    backing_host: str
    create_seconds: float
    modify_seconds: float
    delete_seconds: float
    optimize_seconds: float
    storage_cooldown_seconds: float
    stale_seconds: float
    quotas: bool
    backing: str
    ports: range | None
    until_stdin_closes: bool


def _ports(text: str) -> range | None:
    if not text:
        return None
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of ports: write it as 20000-20999")
    return range(int(first), int(last) + 1)


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from the command line; AWS_ADVERTISE, AWS_CREATE_SECONDS… in the environment give the defaults."""

    def default(name: str, value: str) -> str:
        return os.environ.get(f"AWS_{name}", value)

    parser = argparse.ArgumentParser(prog="python -m tests.aws", description="An emulated AWS behind one endpoint.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4566, help="port; 0 takes a free one")
    parser.add_argument(
        "--advertise", default=default("ADVERTISE", "127.0.0.1"), help="host in the endpoints of databases and caches"
    )
    for name, seconds in _DELAYS.items():
        given_delay = float(default(name.upper(), str(seconds)))
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=given_delay)
    parser.add_argument("--quotas", action="store_true", default=default("QUOTAS", "") == "1", help="enforce API rates")
    parser.add_argument(
        "--backing",
        choices=("own", "shared"),
        default=default("BACKING", "own"),
        help="a server for each instance and cache, or one behind all of them",
    )
    parser.add_argument(
        "--ports",
        type=_ports,
        default=default("PORTS", ""),
        metavar="FIRST-LAST",
        help="the ports of databases and caches, in turn; free ones if not given",
    )
    parser.add_argument("--until-stdin-closes", action="store_true")
    given = parser.parse_args(arguments)
    return Settings(backing_host=given.host, **vars(given))
