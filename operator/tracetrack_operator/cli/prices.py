"""Dated prices from infra/costs/prices.json; what isn't in it has no price here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from .errors import CliError

# Beside this module in an installed package, where the source has it in a checkout.
PLACES = (
    Path(__file__).with_name("prices.json"),
    Path(__file__).parents[3] / "infra" / "costs" / "prices.json",
)


@dataclass(frozen=True)
class Prices:
    """By service, item, deployment ("" where it makes no difference) and region; each in dollars a month and unit."""

    dated: str
    terms: str
    monthly: Mapping[tuple[str, str, str, str], Decimal]

    @classmethod
    def load(cls) -> Prices:
        """Raises CliError when the file is not there."""
        for path in PLACES:
            if path.exists():
                return cls.of(json.loads(path.read_text("utf-8")))
        raise CliError("the file of prices is missing from this installation: install the package again.")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Prices:
        hours = Decimal(document["hoursPerMonth"])
        return cls(
            document["dated"],
            document["terms"],
            {
                (row["service"], row["item"], row.get("deployment", ""), row["region"]): Decimal(row["price"])
                * (hours if row["unit"] == "hour" else 1)
                for row in document["prices"]
            },
        )

    def of_one(self, service: str, item: str, region: str, deployment: str = "") -> Decimal | None:
        """Dollars a month for one; None when the price is unknown."""
        return self.monthly.get((service, item, deployment, region))
