"""The IAM policy the operator needs, generated from the table of its calls."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from .calls import CALLS, STATEMENTS, Call, Tagged
from .ownership import CLUSTER

_READS = ("Describe", "List", "Get")
_TELLING = (Tagged.OURS, Tagged.MADE)
TAGGED_SERVICES = frozenset({"rds", "elasticache"})
"""Whose objects are ours by tags, not by names."""


def policy(region: str = "*", account: str = "*", cluster: str = "*", partition: str = "aws") -> dict[str, Any]:
    """An IAM policy document: exactly the calls in `CALLS`, by resources and their tags, and `STATEMENTS`."""
    actions: dict[tuple[str, Tagged], set[str]] = defaultdict(set)
    named: dict[tuple[str, Tagged], set[str]] = defaultdict(set)
    for call in CALLS.values():
        for group, tagged, resources, allowed in _rights(call):
            actions[group, tagged].update(allowed)
            named[group, tagged].update(resources)
    statements = [(_widest(named[key]), key[1], sorted(actions[key])) for key in sorted(actions)]

    def arn(resource: str) -> str:
        return resource if resource == "*" else f"arn:{partition}:{filled(resource)}"

    def filled(text: str) -> str:
        return text.format(region=region, account=account, cluster=cluster, partition=partition)

    return {
        "Version": "2012-10-17",
        "Statement": [
            *(
                {
                    "Effect": "Allow",
                    "Action": allowed,
                    "Resource": [arn(resource) for resource in resources],
                    **_condition(tagged, cluster),
                }
                for resources, tagged, allowed in statements
            ),
            *(
                {
                    "Effect": "Allow",
                    "Action": sorted(statement.actions),
                    "Resource": [arn(resource) for resource in statement.resources],
                    "Condition": {
                        test: {
                            key: filled(value) if isinstance(value, str) else [filled(each) for each in value]
                            for key, value in values.items()
                        }
                        for test, values in statement.condition.items()
                    },
                }
                for statement in STATEMENTS
            ),
        ],
    }


def _rights(call: Call) -> Iterator[tuple[str, Tagged, tuple[str, ...], tuple[str, ...]]]:
    """What a call needs, by the statement that it goes into: one for all that differs in nothing that protects, since
    a managed policy has room for 6144 characters.

    Those of one condition on our tags go together, for all that their services have: the tags tell. So do reads, for
    all that their services have, too, and what is our cluster's by its name.
    """
    if call.resources == ("*",):
        group = "any"
    elif call.tagged is not Tagged.ANY:
        group = "tagged"
    elif call.action.partition(":")[2].startswith(_READS) and call.service in TAGGED_SERVICES:
        group = "reads"
    else:
        group = call.service
    anything = (f"{call.service}:{{region}}:{{account}}:*",)
    told = call.tagged in _TELLING or group == "reads"
    if call.tagged is Tagged.MADE:
        # What is there already carries tags: giving ours to another cluster's would make it ours to delete.
        yield group, call.tagged, anything, (call.action,)
        yield "tagged", Tagged.UNCLAIMED, call.resources, call.also
    else:
        yield group, call.tagged, anything if told else call.resources, (call.action, *call.also)
    for grant in call.grants:
        told = grant.tagged in _TELLING
        beside = f"beside {call.service}" if grant.resources == call.beside else f"granted {call.action}"
        group = "tagged" if told else beside
        yield group, grant.tagged, anything if told else grant.resources, grant.actions
    if call.beside:
        yield f"beside {call.service}", Tagged.ANY, call.beside, (call.action,)


def _widest(resources: set[str]) -> list[str]:
    """Without those that another pattern of the statement has in it."""
    return sorted(each for each in resources if not any(o != each and fnmatchcase(each, o) for o in resources))


def _condition(tagged: Tagged, cluster: str) -> dict[str, Any]:
    carried, given = {f"aws:ResourceTag/{CLUSTER}": cluster}, {f"aws:RequestTag/{CLUSTER}": cluster}
    conditions: dict[Tagged, dict[str, Any]] = {
        Tagged.ANY: {},
        Tagged.OURS: {"StringLike": carried},
        Tagged.MADE: {"StringLike": given},
        Tagged.UNCLAIMED: {"StringLike": given, "StringLikeIfExists": carried},
    }
    return {"Condition": conditions[tagged]} if conditions[tagged] else {}


def main() -> None:
    json.dump(policy(*sys.argv[1:]), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
