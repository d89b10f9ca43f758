"""Fixtures that every suite may use."""

pytest_plugins = ["tests.aws.fixtures"]
