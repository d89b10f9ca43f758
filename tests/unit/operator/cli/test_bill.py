"""What things cost, and what is said where that isn't known."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import observed
from tracetrack_operator.cli import prices
from tracetrack_operator.cli.bill import Cache, Database, Line, difference, known, total
from tracetrack_operator.cli.errors import CliError
from tracetrack_operator.cli.prices import Prices
from tracetrack_operator.cli.report import Context, priced
from tracetrack_operator.database.rds.replicas.actions import CreateReplica, ModifyReplica, removal
from tracetrack_operator.dependencies.protocol import Dependency, Verdict
from tracetrack_operator.deployment.plan import Plan
from tracetrack_operator.deployment.planner import Planned

PRICES = Prices.load()
REGION = "us-east-1"


def database(**changes: Any) -> Database:
    return Database.of({"DBInstanceClass": "db.t4g.medium", "MultiAZ": True, "AllocatedStorage": 50}).changed(changes)


def cost(shape: Database | Cache, region: str = REGION) -> Decimal | None:
    return total(shape.lines(PRICES, region))


@pytest.mark.parametrize(
    ("shape", "monthly"),
    [
        (database(), "106.40"),
        (database(MultiAZ=False), "53.20"),
        (database(DBInstanceClass="db.t3.medium"), "117.35"),
        (database(ManageMasterUserPassword=True), "106.80"),
        (database(ManageMasterUserPassword=True).changed({"ManageMasterUserPassword": False}), "106.40"),
        (Cache.of({"CacheNodeType": "cache.t3.micro", "MemberClusters": ["a", "b"]}), "24.82"),
        (Cache.of({"CacheNodeType": "cache.t4g.micro", "NumCacheClusters": 2}), "23.36"),
        (Cache("cache.t4g.micro", 1).changed({"NewReplicaCount": 1}), "23.36"),
    ],
)
def test_what_the_price_list_has_is_added_up(shape: Database | Cache, monthly: str) -> None:
    assert cost(shape) == Decimal(monthly)


@pytest.mark.parametrize(
    "shape",
    [
        database(DBInstanceClass="db.r8g.large"),
        database(Iops=20_000),
        Database("db.t4g.medium", True, 0),
        Cache("cache.r7g.large", 2),
        Database("db.t4g.medium", True, 50, readers=1),
    ],
)
def test_an_unknown_price_is_said_and_never_guessed(shape: Database | Cache) -> None:
    assert cost(shape) is None
    assert any(line.monthly is None for line in shape.lines(PRICES, REGION))


def test_each_replica_is_priced_and_with_each_call_about_it() -> None:
    nothing: Any = None
    name, item = "kind-shop-demo-reports", {"DBInstanceClass": "db.t4g.medium", "MultiAZ": True, "AllocatedStorage": 50}
    follower = {**item, "MultiAZ": False, "ReadReplicaSourceDBInstanceIdentifier": "kind-shop-demo"}
    primary = {**item, "ReadReplicaDBInstanceIdentifiers": [name]}
    made = {"DBInstanceClass": "db.t3.medium", "MultiAZ": False}
    steps = (
        CreateReplica("…", "rds", "create_db_instance_read_replica", None, made, name="kind-shop-demo-archive"),
        ModifyReplica("…", "rds", "modify_db_instance", None, {"MultiAZ": True}, name=name),
        removal(name, "kind-shop-demo", "uid-demo", None),
    )
    part = Dependency("RDS", Verdict.ready(""), item=primary, replica_items={name: follower}, steps=steps)
    found = priced(Planned(observed(database=part), nothing, Plan()), Context(PRICES, {}, REGION))
    assert [line.what for line in found.before[2:]] == [
        f"read replica {name} db.t4g.medium, one zone",
        f"storage 50 GiB gp3, one zone, of {name}",
    ]
    assert [call.monthly_cost_change for call in found.now][1:] == [Decimal("53.20"), Decimal("-106.40")]
    assert total(found.before) == Decimal("159.60")
    assert total(found.after) == Decimal("106.40") + cost(database(MultiAZ=False, DBInstanceClass="db.t3.medium"))  # type: ignore[operator]
    assert sum(call.monthly_cost_change or 0 for call in found.now) == total(found.after) - Decimal("159.60")  # type: ignore[operator]


def test_prices_of_another_region_are_unknown() -> None:
    assert cost(database(), "eu-central-1") is None


def test_what_stays_does_not_hide_what_a_change_costs() -> None:
    odd, more = database(DBInstanceClass="db.r8g.large"), database(DBInstanceClass="db.r8g.large", AllocatedStorage=60)
    assert difference(odd.lines(PRICES, REGION), more.lines(PRICES, REGION)) == Decimal("2.30")
    assert difference(database().lines(PRICES, REGION), odd.lines(PRICES, REGION)) is None
    assert known(odd.lines(PRICES, REGION)) == Decimal("11.50")
    assert difference([Line("a", None)], [Line("a", None)]) == 0


def test_every_price_has_a_source_a_unit_and_a_date() -> None:
    document = json.loads(prices.PLACES[-1].read_text())
    assert document["dated"] >= "2026"
    for row in document["prices"]:
        assert row["source"].startswith("https://aws.amazon.com/")
        assert row["unit"] in ("hour", "month", "GB-month")
        assert Decimal(row["price"]) > 0
    assert len(PRICES.monthly) == len(document["prices"]), "no price is listed twice"


def test_an_installation_without_prices_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "PLACES", ())
    with pytest.raises(CliError, match="install"):
        Prices.load()
