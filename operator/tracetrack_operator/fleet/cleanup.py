"""Removes what a deleted fleet has in AWS, whatever is left of its records."""

import logging
from datetime import UTC, datetime

from ..aws.client import AwsPort
from ..aws.errors import AwsNotFound
from . import keys, signing
from .halt import Halt
from .shared import SharedResources
from .sweep import CertificateSweeper
from .target import Target
from .things import Things

logger = logging.getLogger(__name__)


async def list_group(aws: AwsPort, group: str) -> set[str] | None:
    """The things in a group; None when there is no such group."""
    things: set[str] = set()
    try:
        async for thing in aws.pages(
            "iot", "list_things_in_thing_group", "things", thingGroupName=group, maxResults=250
        ):
            things.add(str(thing))
    except AwsNotFound:
        return None
    return things


async def remove_things(
    things: Things, sweeper: CertificateSweeper, target: Target, strays: list[str], halt: Halt
) -> set[str]:
    """Remove things that no record tells of, with the certificates that are or were to be attached to them. Gives
    those that aren't the fleet's and are left alone.

    A thing joins its group before its certificate is asked for, so a thing without one may have one that was issued
    and never attached: that is found by the name in it.
    """
    bare, removed, foreign = set(), [], set()
    for thing in strays:
        if halt:
            break
        if not await things.ours(thing):
            foreign.add(thing)
            continue
        removed.append(thing)
        if await things.remove_principals(thing) == 0:
            bare.add(thing)
    if bare:
        created = target.fleet.metadata.creation_timestamp or datetime.now(UTC)
        for found in await sweeper.by_subject({keys.subject_name(thing) for thing in bare}, created):
            await things.remove_certificate(found.arn)
    for thing in removed:
        await things.remove_thing(thing)
    if removed:
        logger.info("removed things without a record", extra={"fleet": target.names.fleet, "things": len(removed)})
    return foreign


async def remove_shared(aws: AwsPort, shared: SharedResources, target: Target) -> None:
    """Group, policy and signing secret, where they are the fleet's."""
    await shared.remove(target)
    await signing.delete(aws, target)
