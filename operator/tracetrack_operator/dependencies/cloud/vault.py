"""Credentials of what outlives its owner, in AWS Secrets Manager.

They are under tracetrack/<cluster>/<namespace>/<name>/<component>.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...aws.client import AwsPort
from ...aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ...aws.ownership import CLUSTER, NAME, NAMESPACE, UID, describe_owner, tag_list, tag_map, tags
from ...engine.errors import TerminalError
from ...engine.objects import Object
from .naming import raw

RECOVERY_DAYS = 7
_PLACE = (CLUSTER, NAMESPACE, NAME)


@dataclass(frozen=True)
class Vault:
    """Each secret belongs to the place in the cluster, not to the object that was there: a later one takes it up."""

    aws: AwsPort
    cluster: str

    def name(self, owner: Object, component: str) -> str:
        metadata = owner["metadata"]
        return f"tracetrack/{self.cluster}/{metadata['namespace']}/{metadata['name']}/{component}"

    async def keep(self, owner: Object, component: str, values: Mapping[str, str], *, beside: bool = False) -> str:
        """Save them; gives the secret's name. Again is as good as once. Raises TerminalError when it isn't ours.

        With `beside`, under a name of the owner's own, where no later one looks.
        """
        name, region = self.name(owner, component), _region(owner)
        if beside:
            name = f"{name}-{owner['metadata']['uid'][:8]}"
        text, ours = json.dumps(dict(sorted(values.items()))), tags(owner, self.cluster)
        found = await self._describe(name, region)
        if found is None:
            try:
                await self.aws.call(
                    "secretsmanager",
                    "create_secret",
                    region=region,
                    Name=name,
                    Description=f"Login of the {component} of TraceTrackDeployment {owner['metadata']['name']}",
                    SecretString=text,
                    Tags=tag_list(ours),
                )
                return name
            except AwsAlreadyExists:
                found = await self._describe(name, region) or {}
        theirs = tag_map(found.get("Tags", []))
        if any(theirs.get(key) != ours[key] for key in _PLACE):
            raise TerminalError(
                "OwnershipConflict",
                f"The Secrets Manager secret {name} belongs to {describe_owner(theirs)}.",
                "It is left untouched: delete or rename it, so that the credentials can be saved there.",
            )
        if found.get("DeletedDate") is not None:
            await self.aws.call("secretsmanager", "restore_secret", region=region, SecretId=name)
        if await self._value(name, region) != text:
            await self.aws.call("secretsmanager", "put_secret_value", region=region, SecretId=name, SecretString=text)
        if theirs.get(UID) != ours[UID]:
            await self.aws.call("secretsmanager", "tag_resource", region=region, SecretId=name, Tags=tag_list(ours))
        return name

    async def find(self, owner: Object, component: str) -> dict[str, str]:
        """What an earlier object of that name left; {} when nothing. Raises TerminalError when it can't be read."""
        name = self.name(owner, component)
        text = await self._value(name, _region(owner))
        if text is None:
            return {}
        try:
            found = json.loads(text)
            return {str(key): str(value) for key, value in found.items()}
        except (ValueError, AttributeError):
            raise TerminalError(
                "CredentialsUnreadable",
                f"The Secrets Manager secret {name} is no JSON object with username, password and host.",
                "Restore its earlier version, or delete it: then the password is set anew once you approve.",
            ) from None

    async def forget(self, owner: Object, component: str) -> None:
        """Schedule the deletion of what belongs to an object that has gone for good, if anything does."""
        name, region = self.name(owner, component), _region(owner)
        found = await self._describe(name, region)
        ours = tags(owner, self.cluster)
        theirs = tag_map((found or {}).get("Tags", []))
        if found is None or found.get("DeletedDate") is not None or any(theirs.get(key) != ours[key] for key in _PLACE):
            return
        try:
            await self.aws.call(
                "secretsmanager", "delete_secret", region=region, SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS
            )
        except AwsNotFound:
            return

    async def _describe(self, name: str, region: str | None) -> dict[str, Any] | None:
        try:
            return await self.aws.call("secretsmanager", "describe_secret", region=region, SecretId=name)
        except AwsNotFound:
            return None

    async def _value(self, name: str, region: str | None) -> str | None:
        try:
            answer = await self.aws.call("secretsmanager", "get_secret_value", region=region, SecretId=name)
        except (AwsNotFound, AwsConflict):
            # A conflict: it waits for its deletion.
            return None
        return str(answer.get("SecretString", ""))


def _region(owner: Object) -> str | None:
    found = raw(owner, "spec", "aws", "region")
    return str(found) if found else None
