"""The AWS IoT policy of a fleet's scanners: each may be itself and nothing else.

Thing policy variables stand for the name of the thing that the connection's certificate is attached to, so one
policy serves the whole fleet and still holds every scanner to its own topics. The one wildcard is under the scanner's
own shadow: AWS allows a policy 2048 characters, too few to list the shadow's answers one by one.
"""

import json
from typing import Any

from .names import FleetNames

_THING = "${iot:Connection.Thing.ThingName}"
_SHADOW_OUT = ("update", "get")


def document(names: FleetNames, arn_head: str) -> dict[str, Any]:
    """The policy document. `arn_head` is `arn:aws:iot:<region>:<account>`."""
    shadow = f"$aws/things/{_THING}/shadow"
    heard = [names.topic(_THING, "commands"), f"{shadow}/*"]
    told = [names.topic(_THING, "scans"), *(f"{shadow}/{leaf}" for leaf in _SHADOW_OUT)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": f"{arn_head}:client/{_THING}",
                "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
            },
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": [f"{arn_head}:topic/{topic}" for topic in told]},
            {
                "Effect": "Allow",
                "Action": "iot:Subscribe",
                "Resource": [f"{arn_head}:topicfilter/{topic}" for topic in heard],
            },
            {"Effect": "Allow", "Action": "iot:Receive", "Resource": [f"{arn_head}:topic/{topic}" for topic in heard]},
        ],
    }


def text(names: FleetNames, arn_head: str) -> str:
    """The same as AWS takes it."""
    return json.dumps(document(names, arn_head), separators=(",", ":"), sort_keys=True)
