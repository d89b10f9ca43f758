"""Finds certificates whose answer was lost.

CreateCertificateFromCsr can be neither repeated safely nor looked up by a name, so after a lost answer (a broken
connection, or the operator killed) the account's certificates are read, newest first, back to when ours was asked
for, and told by their public key.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..aws.client import AwsPort
from ..aws.errors import AwsNotFound
from . import keys, metrics

CLOCK_MARGIN = timedelta(minutes=5)
SETTLE_SECONDS = 3.0
MAX_REMEMBERED = 50_000


@dataclass(frozen=True)
class Found:
    """A certificate in the account. `subject` is its common name."""

    id: str
    arn: str
    fingerprint: str
    subject: str
    pem: str = field(repr=False)
    status: str = "ACTIVE"


@dataclass
class _Request:
    fingerprints: Set[str]
    subjects: Set[str]
    since: datetime
    answer: asyncio.Future[list[Found]]


class CertificateSweeper:
    """Answers many askers with one reading of the list. `known` gives the certificate IDs that need no look."""

    def __init__(self, aws: AwsPort, known: Callable[[], Set[str]], settle_seconds: float = SETTLE_SECONDS) -> None:
        self._aws = aws
        self._known = known
        self._settle = settle_seconds
        self._lock = asyncio.Lock()
        self._waiting: list[_Request] = []
        self._facts: dict[str, tuple[str, str]] = {}

    async def by_key(self, requested: Mapping[str, datetime | None], fallback: datetime) -> dict[str, list[Found]]:
        """The certificates for each public key's fingerprint, newest first.

        `requested` maps it to when the certificate was asked for; `fallback` stands in where that isn't known.
        """
        since = min((at or fallback for at in requested.values()), default=fallback)
        grouped: dict[str, list[Found]] = defaultdict(list)
        for found in await self._ask(set(requested), set(), since):
            grouped[found.fingerprint].append(found)
        return dict(grouped)

    async def by_subject(self, subjects: Set[str], since: datetime) -> list[Found]:
        """The certificates with one of these common names."""
        return await self._ask(set(), subjects, since)

    async def _ask(self, fingerprints: Set[str], subjects: Set[str], since: datetime) -> list[Found]:
        # What was asked for a moment ago may not be listed yet.
        await asyncio.sleep(self._settle)
        request = _Request(fingerprints, subjects, since, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        async with self._lock:
            if not request.answer.done():
                batch, self._waiting = self._waiting, []
                await self._serve(batch)
        return await request.answer

    async def _serve(self, batch: list[_Request]) -> None:
        try:
            found = await self._sweep(
                set().union(*(request.fingerprints for request in batch)),
                set().union(*(request.subjects for request in batch)),
                min(request.since for request in batch),
            )
        except BaseException as error:
            for request in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
                    # Whoever was cancelled meanwhile doesn't come back for it.
                    request.answer.exception()
            if not isinstance(error, Exception):
                raise
            return
        for request in batch:
            if not request.answer.done():
                request.answer.set_result(
                    [f for f in found if f.fingerprint in request.fingerprints or f.subject in request.subjects]
                )

    async def _sweep(self, fingerprints: Set[str], subjects: Set[str], since: datetime) -> list[Found]:
        metrics.SWEEPS.inc()
        known, found = self._known(), []
        async for listed in self._aws.pages(
            "iot", "list_certificates", "certificates", ascendingOrder=False, pageSize=250
        ):
            if _utc(listed["creationDate"]) < since - CLOCK_MARGIN:
                break
            certificate_id = listed["certificateId"]
            if certificate_id in known:
                continue
            facts = self._facts.get(certificate_id)
            if facts is not None and facts[0] not in fingerprints and facts[1] not in subjects:
                continue
            described = await self.describe(certificate_id)
            if described and (described.fingerprint in fingerprints or described.subject in subjects):
                found.append(described)
        return found

    async def describe(self, certificate_id: str) -> Found | None:
        """One certificate, None when there is none of that ID."""
        try:
            answer = await self._aws.call("iot", "describe_certificate", certificateId=certificate_id)
        except AwsNotFound:
            return None
        description: dict[str, Any] = answer["certificateDescription"]
        fingerprint, subject, _ = keys.certificate_facts(description["certificatePem"])
        if len(self._facts) >= MAX_REMEMBERED:
            del self._facts[next(iter(self._facts))]
        self._facts[certificate_id] = (fingerprint, subject)
        return Found(
            certificate_id,
            description["certificateArn"],
            fingerprint,
            subject,
            description["certificatePem"],
            description["status"],
        )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
