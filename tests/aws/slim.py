"""Imports moto's EC2 without its catalogue of instance types: RDS and ElastiCache ask it for networks only.

The catalogue costs 100 MiB and a quarter of a second at every start.
"""

from __future__ import annotations

from typing import Any

from moto.utilities import utils

_load = utils.load_resource


def _without_catalogue(resource: str) -> Any:
    return {} if resource.startswith("ec2/resources/instance_type") else _load(resource)


utils.load_resource = _without_catalogue
import moto.ec2.models.instance_types  # noqa: E402, F401

utils.load_resource = _load
