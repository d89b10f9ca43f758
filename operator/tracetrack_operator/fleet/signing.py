"""The fleet's signing secret: kept in AWS Secrets Manager, mirrored in a Kubernetes Secret for the app.

Deleted with a recovery window: a fleet that was deleted by mistake and is applied again within it gets the same
signing key back, so device keys in the field stay good.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import Any

from ..api.constants import GROUP
from ..aws import ownership
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ..engine.errors import RetryableError
from ..engine.objects import Object
from .errors import OwnershipConflict
from .slices import child_metadata, decode, encode
from .target import Signing, Target

KEYS_FILE = "keys.json"
RECOVERY_DAYS = 7
# Whether a deleted fleet let the secret go. Told by a tag: that it waits for its deletion is no longer to be seen from
# when it is restored, and its new owner's tags can't be put on it before.
RELEASED = f"{GROUP}/released"
SECRET_BYTES = 32


def from_mirror(secret: Object) -> Signing | None:
    """The signing keys in the Kubernetes Secret; None when it doesn't hold them whole."""
    try:
        return _parse(decode(secret)[KEYS_FILE])
    except (KeyError, ValueError, TypeError):
        return None


def mirror(target: Target, signing: Signing) -> Object:
    """The Kubernetes Secret `<fleet>-signing`."""
    content = {**_keys_json(signing), "arn": signing.arn}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": child_metadata(target, target.names.signing_secret),
        "type": "Opaque",
        "data": encode({KEYS_FILE: json.dumps(content, sort_keys=True)}),
    }


def _keys_json(signing: Signing) -> dict[str, Any]:
    return {"signingKeys": [{"id": id_, "secret": base64.b64encode(key).decode()} for id_, key in signing.keys]}


def _parse(text: str, arn: str = "") -> Signing:
    content = json.loads(text)
    keys = tuple((str(key["id"]), base64.b64decode(key["secret"], validate=True)) for key in content["signingKeys"])
    if not keys or any(len(key) < SECRET_BYTES for _, key in keys):
        raise ValueError("no signing key of 32 bytes or more")
    return Signing(arn or str(content["arn"]), keys)


async def ensure(aws: AwsPort, target: Target, mirrored: Signing | None) -> Signing:
    """The signing keys as Secrets Manager holds them, created where there are none.

    A secret that was removed for good is made again from the mirror. Raises OwnershipConflict and AWS errors.
    """
    fresh = Signing("", (("1", secrets.token_bytes(SECRET_BYTES)),))
    if mirrored is None:
        try:
            return await _create(aws, target, fresh)
        except (AwsAlreadyExists, AwsConflict):
            # A conflict: the name waits for its deletion. _adopt may have it back.
            pass
    try:
        return await _adopt(aws, target)
    except AwsNotFound:
        return await _create(aws, target, mirrored or fresh)


async def delete(aws: AwsPort, target: Target) -> None:
    """Schedule the secret's deletion, if it is ours; it can be had back for `RECOVERY_DAYS`."""
    try:
        name = target.names.signing
        described = await aws.call("secretsmanager", "describe_secret", SecretId=name)
        tags = ownership.tag_map(described.get("Tags", []))
        if tags.get(ownership.UID) != target.uid or described.get("DeletedDate"):
            return
        if tags.get(RELEASED) != "true":
            await _tag(aws, name, {RELEASED: "true"})
        await aws.call("secretsmanager", "delete_secret", SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)
    except AwsNotFound:
        return


async def _create(aws: AwsPort, target: Target, signing: Signing) -> Signing:
    created = await aws.call(
        "secretsmanager",
        "create_secret",
        Name=target.names.signing,
        Description=f"Signing key of the ScannerFleet {target.names.namespace}/{target.names.fleet}",
        SecretString=json.dumps(_keys_json(signing)),
        Tags=ownership.tag_list(ownership.tags(target.obj, target.names.cluster)),
    )
    return Signing(created["ARN"], signing.keys)


async def _adopt(aws: AwsPort, target: Target) -> Signing:
    name = target.names.signing
    described = await aws.call("secretsmanager", "describe_secret", SecretId=name)
    tags = ownership.tag_map(described.get("Tags", []))
    wanted = ownership.tags(target.obj, target.names.cluster)
    deleted = described.get("DeletedDate") is not None
    same_place = {**tags, ownership.UID: ""} == {**tags, **wanted, ownership.UID: ""}
    released = deleted or tags.get(RELEASED) == "true"
    if tags.get(ownership.UID) != target.uid and not (released and same_place):
        raise OwnershipConflict(f"The Secrets Manager secret {name}", ownership.describe_owner(tags))
    if deleted:
        await aws.call("secretsmanager", "restore_secret", SecretId=name)
    if released or tags.get(ownership.UID) != target.uid:
        await _tag(aws, name, {**wanted, RELEASED: "false"})
    value = await aws.call("secretsmanager", "get_secret_value", SecretId=name)
    try:
        return _parse(value["SecretString"], value["ARN"])
    except (KeyError, ValueError, TypeError, binascii.Error):
        raise RetryableError(
            "SigningSecretInvalid",
            f"The Secrets Manager secret {name} doesn't hold signing keys as "
            '{"signingKeys": [{"id": …, "secret": <base64 of 32 bytes>}]}.',
            "Restore its earlier version, or delete it to have it made again.",
        ) from None


async def _tag(aws: AwsPort, name: str, tags: Mapping[str, str]) -> None:
    await aws.call("secretsmanager", "tag_resource", SecretId=name, Tags=ownership.tag_list(tags))


def nothing() -> Signing:
    """Stands in where the keys are gone and no longer needed: during a removal."""
    return Signing("", (("", b""),))
