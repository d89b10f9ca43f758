"""The IAM policy the operator needs, generated from the table of its calls."""

import json
import sys
from collections import defaultdict
from typing import Any

from .calls import CALLS


def policy(region: str = "*", account: str = "*", cluster: str = "*", partition: str = "aws") -> dict[str, Any]:
    """An IAM policy document that allows exactly the calls in `CALLS`, grouped by the resources they touch."""
    by_resources: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for call in CALLS.values():
        by_resources[call.resources].update(call.actions)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": sorted(actions),
                "Resource": [
                    r if r == "*" else f"arn:{partition}:" + r.format(region=region, account=account, cluster=cluster)
                    for r in resources
                ],
            }
            for resources, actions in sorted(by_resources.items())
        ],
    }


def main() -> None:
    json.dump(policy(*sys.argv[1:]), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
