"""Which image the application is."""

from ...api.deployment import ImageSpec


def image(spec: ImageSpec, version: str, default_repository: str) -> str:
    """By digest where one is given, else by version."""
    repository = spec.repository or default_repository
    return f"{repository}@{spec.digest}" if spec.digest else f"{repository}:{version}"
