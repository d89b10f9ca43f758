"""pytest fixtures of the emulated AWS; a conftest imports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.emulator import Emulator


@pytest.fixture(scope="session")
def aws_emulator() -> Iterator[Emulator]:
    """One emulated AWS for the whole run; a change takes long enough to be seen under way on a busy machine."""
    with Emulator(modify_seconds=2.0) as emulator:
        yield emulator


@pytest.fixture
def aws(aws_emulator: Emulator) -> Iterator[Emulator]:
    """The emulated AWS, empty; the test fails if something called what the emulator does not support."""
    aws_emulator.reset()
    yield aws_emulator
    refuse_unsupported(aws_emulator)


def refuse_unsupported(emulator: Emulator) -> None:
    """Fail the test that made a call which the emulator does not support, naming the call."""
    unsupported = emulator.unsupported()
    if unsupported:
        listed = "\n".join(f"  {call['service']}:{call['operation']}: {call['reason']}" for call in unsupported)
        pytest.fail(f"calls that the emulated AWS does not support:\n{listed}", pytrace=False)
