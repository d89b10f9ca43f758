"""Credentials of RDS and ElastiCache change under the load of the app itself, which reads them as from a kubelet."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from tests.aws.emulator import Emulator
from tests.integration.app.conftest import FLEET, device_key
from tests.integration.app.mounted import MountedSecret
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess, Load
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.test_deployment_aws import ELASTICACHE, RDS, shop

__all__ = ["shop"]
ROTATE = "tracetrack.io/rotate"


class Kubelet:
    """Mounts the bindings of the deployment `demo` below `folder`, and brings every change there."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self._shop = shop
        self._seen = {name: shop.secret(f"demo-{name}-binding") for name in ("database", "cache")}
        self._mounts = {name: MountedSecret(folder / name, values) for name, values in self._seen.items()}
        MountedSecret(folder / "session", {"key": "k" * 40})
        MountedSecret(folder / "admin", {"username": ADMIN, "password": PASSWORD})
        (folder / "fleets").mkdir()
        (folder / "fleets" / "lucknow.json").write_text(json.dumps(FLEET))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            for name, mount in self._mounts.items():
                values = self._shop.secret(f"demo-{name}-binding")
                if values != self._seen[name]:
                    self._seen[name] = values
                    mount.put(values)


def annotate(shop: Shop, name: str, value: str) -> None:
    shop.control_plane.kubectl("annotate", "--overwrite", "-n", shop.namespace, "ttd", "demo", f"{name}={value}")


def credentials(shop: Shop, of: str) -> dict[str, str]:
    found: dict[str, str] = shop.get("tracetrackdeployments", "demo")["status"][of].get("credentials", {})
    return found


def connect(binding: dict[str, str], sql: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(
            host=binding["host"],
            port=int(binding["port"]),
            user=binding["username"],
            password=binding["password"],
            database=binding["database"],
            ssl="require",
        )
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def ping(binding: dict[str, str]) -> bool:
    with Redis(
        host=binding["host"], port=int(binding["port"]), password=binding["password"], ssl=True, ssl_cert_reqs="none"
    ) as client:
        return bool(client.ping())


@pytest.fixture
def running(shop: Shop) -> Shop:
    shop.deploy(database=RDS, cache=ELASTICACHE, deletionPolicy="Delete")
    eventually(lambda: shop.pods("app"), 90)
    shop.run()
    return shop


def rotated(shop: Shop, token: str, user: str) -> None:
    """Ask for it, and wait until the application has both."""
    before = {of: shop.secret(f"demo-{of}-binding")["password"] for of in ("database", "cache")}
    annotate(shop, ROTATE, token)
    for of, password in before.items():
        eventually(lambda of=of, password=password: shop.secret(f"demo-{of}-binding")["password"] != password, 60)
    eventually(lambda: credentials(shop, "database").get("user") == user, 30)
    eventually(lambda: credentials(shop, "cache").get("rotatedAt"), 30)


def test_an_app_under_load_answers_every_request_through_two_rotations(
    running: Shop, operator: OperatorProcess, tmp_path: Path
) -> None:
    shop = running
    template = shop.get("deployments", "demo-app")["spec"]["template"]
    first = shop.secret("demo-database-binding")
    first_token = shop.secret("demo-cache-binding")
    assert first["username"] == "tracetrack_a"
    assert shop.events("CredentialsRotated") == [], "what is made for the first time is no rotation"

    async def under_load() -> Load:
        load = Load(app.url, device_key(), clients=4)
        await load.start()
        await load.until(50, 60)
        await asyncio.to_thread(rotated, shop, "one", "tracetrack_b")
        await load.until(len(load.acknowledged) + 50, 60)
        annotate(shop, ROTATE, "two")
        await asyncio.to_thread(eventually, lambda: shop.secret("demo-database-credentials")["login"] == "a", 60)
        await asyncio.to_thread(operator.kill)
        await asyncio.to_thread(operator.ensure_running)
        await asyncio.to_thread(eventually, lambda: credentials(shop, "database").get("user") == "tracetrack_a", 60)
        await asyncio.to_thread(eventually, lambda: app.log.count("the changed binding database is taken") == 2, 30)
        await asyncio.to_thread(eventually, lambda: app.log.count("the changed binding cache is taken") == 2, 30)
        # The first token has been dropped by the server before the third was let in.
        await asyncio.to_thread(eventually, lambda: "former" not in shop.secret("demo-cache-credentials"), 60)
        await load.until(len(load.acknowledged) + 50, 60)
        await load.stop()
        return load

    folder = tmp_path / "bindings"
    with Kubelet(shop, folder), AppProcess({"SERVICE_BINDING_ROOT": str(folder)}, tmp_path) as app:
        app.wait_ready()
        load = asyncio.run(under_load())
        log = app.log
    assert load.unknown == {}
    assert set(load.statuses) <= {200, 201}
    for trouble in ("WARNING", "Traceback", "begin anew"):
        assert trouble not in log, log
    assert shop.get("deployments", "demo-app")["spec"]["template"] == template, "no pod was restarted"
    last = shop.secret("demo-database-binding")
    assert last["username"] == "tracetrack_a"
    assert last["password"] != first["password"]
    assert connect(last, "select current_user") == "tracetrack_owner"
    kept = shop.secret("demo-database-credentials")
    former = {**last, "username": "tracetrack_b", "password": kept["password-b"]}
    assert connect(former, "select 1") == 1, "the former login is valid until its turn comes"
    with pytest.raises(asyncpg.InvalidPasswordError):
        connect(first, "select 1")
    assert ping(shop.secret("demo-cache-binding"))
    with pytest.raises(AuthenticationError):
        ping(first_token)
    told = eventually(lambda: shop.events("CredentialsRotated"))
    assert {"The application logs in as tracetrack_b now."} <= {event["message"] for event in told}
    for secret in (first["password"], last["password"], kept["password"], first_token["password"]):
        assert secret not in log
        assert secret not in json.dumps([shop.get("tracetrackdeployments", "demo"), *shop.list("events")])


def test_by_schedule_and_never_twice_for_one_request(running: Shop) -> None:
    shop = running
    rotated(shop, "one", "tracetrack_b")
    shop.change("tracetrackdeployments", "demo", database={"rotation": {"everyDays": 30}})
    status = eventually(lambda: credentials(shop, "database") if "nextRotation" in credentials(shop, "database") else 0)
    assert status["nextRotation"] > status["rotatedAt"]
    # As if thirty days had passed.
    name = "demo-database-credentials"
    secret = shop.get("secrets", name)
    assert secret["metadata"]["annotations"]["tracetrack.io/rotate-honoured"] == "one"
    secret["metadata"]["annotations"]["tracetrack.io/in-force-since"] = "2026-01-01T00:00:00Z"
    shop.control_plane.request("PUT", shop.path("secrets", name), secret)
    eventually(lambda: credentials(shop, "database").get("user") == "tracetrack_a", 40)
    assert len(shop.events("CredentialsRotated")) >= 2


def test_a_master_that_is_refused_is_told_and_set_anew_after_approval(running: Shop, aws: Emulator) -> None:
    shop = running
    name = f"test-{shop.namespace}-demo"
    aws.client("rds").modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword="changed-by-hand")
    before = shop.secret("demo-database-binding")
    annotate(shop, ROTATE, "now")
    told = shop.wait("Synced", "False", "AwaitingApproval", "masterUserPassword", timeout=60)
    assert shop.conditions()["DatabaseReady"]["status"] == "True"
    assert shop.secret("demo-database-binding") == before
    approval = eventually(lambda: shop.get("tracetrackdeployments", "demo")["status"]["database"].get("approval"))
    assert approval in told["message"]
    annotate(shop, "tracetrack.io/approve", approval)
    eventually(lambda: shop.secret("demo-database-binding")["username"] == "tracetrack_b", 60)
    shop.wait("Synced", "True", timeout=60)


def test_what_is_restored_gets_credentials_of_its_own_without_a_word(shop: Shop, aws: Emulator) -> None:
    shop.deploy(database=RDS, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "True", timeout=90)
    snapshot, rds = f"copy-{shop.namespace}", aws.client("rds")
    rds.create_db_snapshot(DBSnapshotIdentifier=snapshot, DBInstanceIdentifier=f"test-{shop.namespace}-demo")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier=snapshot, WaiterConfig={"Delay": 1})
    restored = {**RDS, "restoreFrom": {"snapshotIdentifier": snapshot}}
    shop.deploy("second", database=restored, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "True", name="second", timeout=120)
    theirs, ours = shop.secret("demo-database-credentials"), shop.secret("second-database-credentials")
    assert not {theirs[key] for key in theirs if "password" in key} & {ours[key] for key in ours if "password" in key}
    assert connect(shop.secret("second-database-binding"), "select current_user") == "tracetrack_owner"


def are_had_back_after_the_cluster_was_lost(shop: Shop, aws: Emulator) -> None:
    """With its Secrets and the objects that they were of, and without a word to AWS: by adoption, and new passwords."""
    connect(shop.secret("demo-database-binding"), "create table kept as select 7 as bags")
    shop.change("tracetrackdeployments", "demo", suspend=True)
    shop.wait("Ready", "False", "Suspended")
    lost = shop.get("tracetrackdeployments", "demo")
    lost["metadata"]["finalizers"] = []
    shop.control_plane.request("PUT", shop.path("tracetrackdeployments", "demo"), lost)
    shop.delete("tracetrackdeployments", "demo")
    for of in ("database", "cache"):
        for secret in (f"demo-{of}-credentials", f"demo-{of}-binding"):
            eventually(lambda secret=secret: shop.find("secrets", secret) is None, 60)
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == [], "nobody was there to save them"
    shop.deploy(database=RDS, cache=ELASTICACHE, deletionPolicy="Retain")
    shop.wait("DatabaseReady", "False", "AdoptionRequired", timeout=60)
    annotate(shop, "tracetrack.io/adopt", f"test-{shop.namespace}-demo")

    def approved() -> bool:
        status = shop.get("tracetrackdeployments", "demo")["status"]
        if tokens := [status[of]["approval"] for of in ("database", "cache") if status[of].get("approval")]:
            annotate(shop, "tracetrack.io/approve", ",".join(tokens))
        told = shop.conditions()
        return all(told[type_]["status"] == "True" for type_ in ("DatabaseReady", "CacheReady", "Synced"))

    eventually(approved, 90, 0.5)
    assert connect(shop.secret("demo-database-binding"), "select bags from kept") == 7
    assert ping(shop.secret("demo-cache-binding"))


def test_what_outlives_its_owner_is_taken_up_with_its_credentials(shop: Shop, aws: Emulator) -> None:
    shop.deploy(database=RDS, cache=ELASTICACHE, deletionPolicy="Retain")
    shop.wait("DatabaseReady", "True", timeout=90)
    shop.wait("CacheReady", "True", timeout=90)
    are_had_back_after_the_cluster_was_lost(shop, aws)
    uid = shop.get("tracetrackdeployments", "demo")["metadata"]["uid"]
    kept = {of: shop.secret(f"demo-{of}-credentials") for of in ("database", "cache")}
    aws.faults.add("secretsmanager", "CreateSecret", kind="lost", times=1)
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    before, vault = aws.calls("rds", "ModifyDBInstance"), aws.client("secretsmanager")
    for of, values in kept.items():
        name = f"tracetrack/test/{shop.namespace}/demo/{of}"
        saved = json.loads(vault.get_secret_value(SecretId=name)["SecretString"])
        assert saved == {**values, "host": saved["host"]}
        assert saved["host"]
        tags = {tag["Key"]: tag["Value"] for tag in vault.describe_secret(SecretId=name)["Tags"]}
        assert (tags["tracetrack.io/uid"], tags["tracetrack.io/cluster"]) == (uid, "test")
        assert any(name in event["message"] for event in eventually(lambda: shop.events("CleanedUp")))
        for secret in (f"demo-{of}-credentials", f"demo-{of}-binding"):
            eventually(lambda secret=secret: shop.find("secrets", secret) is None, 60)
    shop.deploy(database=RDS, cache=ELASTICACHE, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "False", "AdoptionRequired", timeout=60)
    annotate(shop, "tracetrack.io/adopt", f"test-{shop.namespace}-demo")
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("CacheReady", "True", timeout=60)
    assert {of: shop.secret(f"demo-{of}-credentials") for of in kept} == kept
    assert aws.calls("rds", "ModifyDBInstance") == before
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    for of in kept:
        assert vault.describe_secret(SecretId=f"tracetrack/test/{shop.namespace}/demo/{of}").get("DeletedDate")


def test_logins_are_mended_that_somebody_spoiled(running: Shop, operator: OperatorProcess) -> None:
    shop = running
    binding = shop.secret("demo-database-binding")
    master = {**binding, **{key: shop.secret("demo-database-credentials")[key] for key in ("username", "password")}}
    connect(master, "alter role tracetrack_a nologin")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        connect(binding, "select 1")

    def works() -> bool:
        try:
            return bool(connect(binding, "select true"))
        except asyncpg.PostgresError:
            return False

    # What worked a moment ago is looked at again after a minute; this one has forgotten it.
    operator.kill()
    operator.ensure_running()
    eventually(works, 60, 1)
