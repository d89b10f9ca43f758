"""Whose a cloud object is, by its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from ...api.conditions import Reason
from ...api.constants import ADOPT
from ...aws.ownership import CLUSTER, NAME, NAMESPACE, UID, describe_owner
from ...manifests.parent import Parent
from ..protocol import Verdict
from .fields import Difference
from .naming import Naming


class Ownership(StrEnum):
    """NOBODY's can be adopted, and so can what an earlier object of the same name left behind."""

    OURS = "ours"
    NOBODY = "nobody"
    FOREIGN = "foreign"


def ownership(tags: Mapping[str, str], parent: Parent, cluster: str) -> Ownership:
    if UID not in tags:
        return Ownership.NOBODY
    if tags[UID] == parent.uid:
        return Ownership.OURS
    earlier = {CLUSTER: cluster, NAMESPACE: parent.namespace, NAME: parent.name}
    return Ownership.NOBODY if all(tags.get(k) == v for k, v in earlier.items()) else Ownership.FOREIGN


def belongs_to_others(naming: Naming, what: str, tags: Mapping[str, str]) -> Verdict:
    return Verdict.not_ready(
        Reason.OWNERSHIP_CONFLICT,
        f"{what} exists and belongs to {describe_owner(tags)}. It is left untouched. Choose another name in "
        f"{naming.path(naming.identifier_field)} (with a new TraceTrackDeployment), or remove that one.",
    )


def asks_for_adoption(
    naming: Naming, what: str, owner: str, name: str, tags: Mapping[str, str], differences: Iterable[Difference]
) -> Verdict:
    """Before anything is touched; `differences` from the spec are what an approval would change afterwards."""
    later = "; ".join(map(str, differences)) or "nothing"
    return Verdict.not_ready(
        Reason.ADOPTION_REQUIRED,
        f"{what} exists, and this operator did not make it for this object ({describe_owner(tags)}). It is left "
        f"untouched. To have it tagged and managed: kubectl annotate ttd {owner} {ADOPT}={name}. These would then wait "
        f"for your approval: {later}. To use it and never change it, set {naming.path('management')}: Bound.",
    )
