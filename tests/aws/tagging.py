"""Corrections to moto's tagging API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse

from tests.aws.patch import put

_ANY = 10**9


def install() -> None:
    """A page has as many resources as it was asked for: moto ends one after a hundred tags."""
    listed: Callable[..., Any] = ResourceGroupsTaggingAPIBackend.get_resources
    asked: Callable[..., Any] = ResourceGroupsTaggingAPIResponse.get_resources

    def get_resources(self: Any, **given: Any) -> Any:
        return listed(self, **{**given, "tags_per_page": _ANY})

    put(ResourceGroupsTaggingAPIBackend, get_resources)

    def get_resources(self: Any) -> Any:  # type: ignore[no-redef]
        if self._get_param("TagsPerPage") is not None:
            raise NotImplementedError("GetResources with TagsPerPage")
        return asked(self)

    put(ResourceGroupsTaggingAPIResponse, get_resources)
