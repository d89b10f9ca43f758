"""What every suite may use, and how hypothesis looks for examples."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["tests.aws.fixtures"]

# The same examples in every run, so that a change is judged by what it changed; HYPOTHESIS_PROFILE=default searches on.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
