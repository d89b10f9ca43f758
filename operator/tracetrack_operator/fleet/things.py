"""The AWS calls of one scanner's life. Each may be repeated: what is already so counts as done."""

import asyncio
import contextlib
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from ..api.constants import OWNER_ATTRIBUTE
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsConflict, AwsInvalid, AwsNotFound, AwsThrottled
from ..engine.errors import ReconcileError
from . import keys, metrics
from .errors import OwnershipConflict, Unresolved, certainly_refused
from .sweep import CertificateSweeper, Found
from .target import FLEET_ATTRIBUTE, Target

ATTEMPTS = 4
CONFLICT_ATTEMPTS = 6


class Things:
    """Things and certificates of one fleet."""

    def __init__(self, aws: AwsPort, sweeper: CertificateSweeper, target: Target) -> None:
        self._aws = aws
        self._sweeper = sweeper
        self._target = target

    async def ensure_thing(self, thing: str) -> None:
        """The thing with our type and attributes. Raises OwnershipConflict when another's has the name."""
        try:
            await self._aws.call("iot", "create_thing", thingName=thing, **self._shape())
        except AwsAlreadyExists:
            # AWS takes a repeated creation with equal properties as the same: these differ.
            await self._require_ours(thing)
            await self._update(thing)

    async def update_thing(self, thing: str) -> None:
        await self._require_ours(thing)
        await self._update(thing)

    async def join_group(self, thing: str) -> None:
        group = self._target.names.group
        await self._aws.call("iot", "add_thing_to_thing_group", thingGroupName=group, thingName=thing)

    async def issue(self, thing: str, key_pem: str) -> Found:
        """A certificate for the key: exactly one, also when an answer is lost."""
        request = keys.signing_request(key_pem, thing)
        fingerprint = keys.key_fingerprint(key_pem)
        asked_at = datetime.now(UTC)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._aws.call(
                    "iot", "create_certificate_from_csr", certificateSigningRequest=request, setAsActive=True
                )
            except ReconcileError as error:
                if certainly_refused(error):
                    if attempt == ATTEMPTS or not isinstance(error, AwsThrottled):
                        raise
                    await asyncio.sleep(2.0**attempt)
                    continue
                found = await self._look_up(fingerprint, asked_at)
                if found:
                    metrics.ORPHANS.labels("adopted").inc()
                    return await self.keep_first(found)
                if attempt == ATTEMPTS:
                    raise
                continue
            metrics.CERTIFICATES.inc()
            pem = answer["certificatePem"]
            return Found(answer["certificateId"], answer["certificateArn"], fingerprint, keys.subject_name(thing), pem)
        raise AssertionError("unreachable")

    async def _look_up(self, fingerprint: str, asked_at: datetime) -> list[Found]:
        try:
            return (await self._sweeper.by_key({fingerprint: asked_at}, asked_at)).get(fingerprint, [])
        except ReconcileError as error:
            raise Unresolved(error) from error

    async def keep_first(self, found: list[Found]) -> Found:
        """Of several certificates for one key keep one, an attached one if there is, and remove the others."""
        kept, *extra = sorted(found, key=lambda certificate: certificate.status != "ACTIVE")
        for certificate in extra:
            await self.remove_certificate(certificate.arn)
            metrics.ORPHANS.labels("removed").inc()
        if kept.status != "ACTIVE":
            await self._aws.call("iot", "update_certificate", certificateId=kept.id, newStatus="ACTIVE")
        return kept

    async def attach(self, thing: str, certificate_arn: str) -> None:
        """Policy, then thing: the certificate is exclusively the thing's."""
        policy = self._target.names.group
        await self._aws.call("iot", "attach_policy", policyName=policy, target=certificate_arn)
        await self._aws.call(
            "iot",
            "attach_thing_principal",
            thingName=thing,
            principal=certificate_arn,
            thingPrincipalType="EXCLUSIVE_THING",
        )

    async def remove_certificate(self, arn: str, thing: str | None = None) -> None:
        """Detach it from thing and policy, make it inactive, delete it."""
        certificate_id = arn.rpartition("/")[2]
        if thing is not None:
            await self._gone(self._aws.call("iot", "detach_thing_principal", thingName=thing, principal=arn))
        await self._gone(self._aws.call("iot", "detach_policy", policyName=self._target.names.group, target=arn))
        await self._gone(
            self._aws.call("iot", "update_certificate", certificateId=certificate_id, newStatus="INACTIVE")
        )
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                await self._gone(self._aws.call("iot", "delete_certificate", certificateId=certificate_id))
                return
            except AwsConflict:
                # Detaching takes a moment to be seen everywhere.
                if attempt == CONFLICT_ATTEMPTS:
                    raise
                await asyncio.sleep(attempt)

    async def remove_thing(self, thing: str) -> None:
        """Take it out of the group and delete it, if it is ours; certificates still attached to it go first."""
        if not await self.ours(thing):
            return
        group = self._target.names.group
        await self._gone(self._aws.call("iot", "remove_thing_from_thing_group", thingGroupName=group, thingName=thing))
        try:
            await self._gone(self._aws.call("iot", "delete_thing", thingName=thing))
        except AwsInvalid:
            # Refused while a principal is attached, one that our records know nothing of.
            await self.remove_principals(thing)
            await self._gone(self._aws.call("iot", "delete_thing", thingName=thing))

    async def remove_principals(self, thing: str) -> int:
        """Remove every certificate attached to a thing of ours; gives how many."""
        if not await self.ours(thing):
            return 0
        attached = [
            str(arn)
            async for arn in self._aws.pages("iot", "list_thing_principals", "principals", thingName=thing)
            if ":cert/" in str(arn)
        ]
        for arn in attached:
            await self.remove_certificate(arn, thing)
        return len(attached)

    async def ours(self, thing: str) -> bool:
        """Whether there is such a thing and the fleet made it."""
        owner = await self._owner(thing)
        return owner is not None and owner.get(OWNER_ATTRIBUTE) == self._target.uid

    def _shape(self) -> dict[str, Any]:
        return {
            "thingTypeName": self._target.fleet.spec.thing_type,
            "attributePayload": {"attributes": self._target.attributes, "merge": False},
        }

    async def _update(self, thing: str) -> None:
        await self._aws.call("iot", "update_thing", thingName=thing, **self._shape())

    async def _require_ours(self, thing: str) -> None:
        owner = await self._owner(thing) or {}
        uid = owner.get(OWNER_ATTRIBUTE)
        if uid != self._target.uid:
            whose = f"the ScannerFleet {owner.get(FLEET_ATTRIBUTE, '?')} (uid {uid})" if uid else "someone else"
            raise OwnershipConflict(f"The AWS IoT thing {thing}", whose)

    async def _owner(self, thing: str) -> dict[str, str] | None:
        """The thing's attributes, None when there is no such thing."""
        try:
            described = await self._aws.call("iot", "describe_thing", thingName=thing)
        except AwsNotFound:
            return None
        return dict(described.get("attributes") or {})

    async def _gone(self, call: Awaitable[object]) -> None:
        with contextlib.suppress(AwsNotFound):
            await call
