"""All corrections to moto, put in place before it serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores
from moto.moto_api._internal.models import moto_api_backend

from tests.aws import elasticache, rds, secretsmanager, tagging
from tests.aws.authority import Authority
from tests.aws.estate import Estate
from tests.aws.front import UNSUPPORTED_HEADER
from tests.aws.patch import put
from tests.aws.settings import Settings


def install(settings: Settings, authority: Authority, directory: Path) -> Estate:
    """Correct moto, and return the real servers' keeper."""
    estate = Estate(settings, authority, directory, moto_api_backend.reset)
    _name_what_is_missing()
    rds.install(estate)
    elasticache.install(estate)
    secretsmanager.install()
    tagging.install()
    return estate


def _name_what_is_missing() -> None:
    """moto answers HTTP 500 to what it lacks, which clients retry; say it in a header that the front understands.

    And one call after the other: moto iterates over what the threads of other calls change.
    """
    original: Callable[[BaseResponse], Any] = BaseResponse.call_action
    alone = Lock()

    def call_action(self: BaseResponse) -> Any:
        try:
            with alone:
                return original(self)
        except NotImplementedError as missing:
            reason = str(missing) or camelcase_to_underscores(self._get_action())
            return 501, {UNSUPPORTED_HEADER: reason.replace("\n", " "), "status": "501"}, ""

    put(BaseResponse, call_action)
