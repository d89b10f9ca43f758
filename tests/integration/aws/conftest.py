from __future__ import annotations

from typing import Any

import pytest

from tests.aws.emulator import Emulator


@pytest.fixture
def rds(aws: Emulator) -> Any:
    return aws.client("rds")


@pytest.fixture
def quick(aws: Emulator) -> Emulator:
    """The emulated AWS with changes that are soon over, and a storage that may change again at once."""
    aws.clock(modify_seconds=0.4, optimize_seconds=0.2, storage_cooldown_seconds=0)
    return aws
