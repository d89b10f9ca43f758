"""What the commands print: results on standard output for people or machines, progress on standard error."""

from __future__ import annotations

import argparse
import json
import sys
import time
from types import TracebackType
from typing import Any, Self, TextIO

FINE, FAULTS, USAGE = 0, 1, 2


class CommandError(Exception):
    """The command cannot go on; the message says why and what to do, without a secret."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option `-o`, kept in `arguments.output`: text or json."""
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="text for people (default), or json"
    )


def print_json(value: Any) -> None:
    """One JSON document; what JSON has no form for is written as its text."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s` or `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """How far a long work is: one line that is written over on a terminal, a line every ten seconds elsewhere.

    `total` is None where it is not known before.
    """

    def __init__(self, what: str, total: int | None, unit: str = "rows", stream: TextIO | None = None) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()
        self._every = 0.1 if self._terminal else 10.0
        self._began = self._told = time.monotonic()
        self._done = 0
        self._note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """`count` more are done; `note` says what comes next."""
        self._done += count
        if note is not None:
            self._note = note
        now = time.monotonic()
        if now - self._told >= self._every:
            self._told = now
            self._tell(now - self._began)

    def say(self, words: str) -> None:
        """A line that stays."""
        self._stream.write(f"\r\x1b[K{words}\n" if self._terminal else f"{words}\n")
        self._stream.flush()

    def _tell(self, elapsed: float) -> None:
        rate = self._done / elapsed if elapsed else 0.0
        parts = [f"{self._what}: {self._done:,}"]
        if self._total is not None:
            parts[0] += f" of {self._total:,}"
        parts[0] += f" {self._unit}"
        if self._unit == "rows":
            parts.append(f"{rate:,.0f}/s")
            if self._total is not None and rate:
                parts.append(f"{duration((self._total - self._done) / rate)} left")
        else:
            parts.append(duration(elapsed))
        if self._note:
            parts.append(self._note)
        line = ", ".join(parts)
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()
