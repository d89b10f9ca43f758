"""Settings from the environment and the bindings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracetrack_app.settings import Bindings, Settings, SettingsError

GOOD = {
    "DATABASE_URL": "postgresql://u%40x:p%2Fw@db.example:5433/trace?sslmode=verify-full&sslrootcert=/ca.pem",
    "REDIS_URL": "redis://:pw@cache.example:6380/1",
    "SESSION_SECRET": "0123456789abcdef0123456789abcdef",
}


@pytest.fixture
def bindings(tmp_path: Path) -> Path:
    files = {
        "database": {
            "type": "postgresql",
            "host": "db",
            "port": "5432",
            "database": "tracetrack",
            "username": "app",
            "password": "secret-1",
            "sslmode": "disable",
        },
        "cache": {"type": "redis", "uri": "rediss://:secret-2@cache:6379", "ca.crt": "PEM"},
        "session": {"key": "k" * 43 + "\n"},
        "admin": {"username": "admin", "password": "secret-3"},
    }
    for binding, values in files.items():
        (tmp_path / binding).mkdir()
        for name, value in values.items():
            (tmp_path / binding / name).write_text(value)
    return tmp_path


def test_a_url_is_taken_apart() -> None:
    database = Settings.load(GOOD).bindings.database()
    assert (database.username, database.password) == ("u@x", "p/w")
    assert (database.where, database.sslmode, database.ca_file) == ("db.example:5433/trace", "verify-full", "/ca.pem")


def test_bindings_are_read_and_read_again(bindings: Path) -> None:
    settings = Settings.load({"SERVICE_BINDING_ROOT": str(bindings)})
    assert settings.session_secret == b"k" * 43
    assert settings.bindings.admin() == ("admin", "secret-3")
    assert settings.bindings.cache().ca_file == str(bindings / "cache" / "ca.crt")
    assert settings.bindings.fleets_dir() == bindings / "fleets"
    assert settings.bindings.database().password == "secret-1"
    (bindings / "database" / "password").write_text("rotated")
    assert settings.bindings.database().password == "rotated"


def test_the_environment_wins_over_the_bindings(bindings: Path) -> None:
    environ = {"SERVICE_BINDING_ROOT": str(bindings), **GOOD}
    assert Bindings(environ).database().host == "db.example"
    assert Bindings(environ).cache().where == "cache.example:6380"


def test_a_read_replica_is_found_by_its_own_name_or_not_at_all(bindings: Path) -> None:
    environ = {"SERVICE_BINDING_ROOT": str(bindings)}
    found = Settings.load(environ)
    assert (found.bindings.database_replica(), found.replica_max_lag) == (None, 5)
    folder = bindings / "database-replica"
    folder.mkdir()
    with pytest.raises(SettingsError, match=r"binding 'database-replica' has no 'host': expected the file .*host"):
        found.bindings.database_replica()
    for name, value in {"host": "ro", "database": "d", "username": "u", "password": "secret-4"}.items():
        (folder / name).write_text(value)
    replica = found.bindings.database_replica()
    assert replica is not None
    assert (replica.where, replica.sslmode, replica.password) == ("ro:5432/d", "require", "secret-4")
    (folder / "password").write_text("rotated")
    assert getattr(found.bindings.database_replica(), "password", None) == "rotated"
    assert found.bindings.database().host == "db"
    url = {"DATABASE_REPLICA_URL": "postgresql://u:p@standby:5444/t", "DATABASE_REPLICA_MAX_LAG": "30"}
    given = Settings.load(environ | url)
    assert getattr(given.bindings.database_replica(), "where", None) == "standby:5444/t"
    assert given.replica_max_lag == 30


def test_a_read_replica_may_be_told_of_beside_the_database_whose_login_it_takes(bindings: Path) -> None:
    environ = {"SERVICE_BINDING_ROOT": str(bindings)}
    found = Bindings(environ)
    before, mark = found.content("database"), found.mark("database-replica")
    assert mark == found.mark("database"), "it comes with that binding"
    (bindings / "database" / "replica-host").write_text("ro.example")
    (bindings / "database" / "replica-port").write_text("5444")
    replica, primary = found.database_replica(), found.database()
    assert replica is not None
    assert replica.where == f"ro.example:5444/{primary.database}"
    assert (replica.username, replica.password) == (primary.username, primary.password)
    assert found.mark("database-replica") != mark
    assert found.content("database") == before, "who talks to the primary goes on as before"
    assert Bindings({**environ, **GOOD}).database_replica() is None, "of another database than the environment names"
    (bindings / "database" / "replica-host").unlink()
    assert found.database_replica() is None


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({})
    for name in ("DATABASE_URL", "REDIS_URL", "SESSION_SECRET"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must look like"),
        ({"DATABASE_URL": "postgresql://h:99999/x"}, "DATABASE_URL is not a URL"),
        ({"DATABASE_URL": "postgresql://h/x?sslmode=maybe"}, "sslmode must be one of"),
        ({"DATABASE_REPLICA_URL": "mysql://x"}, "DATABASE_REPLICA_URL must look like postgresql://"),
        ({"DATABASE_REPLICA_URL": "postgresql://h/x?sslmode=maybe"}, "DATABASE_REPLICA_URL: sslmode must be one of"),
        ({"DATABASE_REPLICA_MAX_LAG": "0"}, "DATABASE_REPLICA_MAX_LAG is '0': give a whole number from 1 to 300"),
        ({"DATABASE_REPLICA_MAX_LAG": "2.5"}, "DATABASE_REPLICA_MAX_LAG is '2.5'"),
        ({"REDIS_URL": "http://x"}, "REDIS_URL"),
        ({"SESSION_SECRET": "short"}, "at least 32 bytes"),
        ({"ADMIN_USER": "admin"}, "ADMIN_USER and ADMIN_PASSWORD"),
        ({"TRACETRACK_TIMEZONE": "Mars/Olympus"}, "TRACETRACK_TIMEZONE"),
        ({"TRACETRACK_PARENT_CAPACITY": "many"}, "TRACETRACK_PARENT_CAPACITY"),
        ({"TRACETRACK_LOG_LEVEL": "loud"}, "TRACETRACK_LOG_LEVEL"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.load(GOOD | change)


def test_a_missing_file_of_a_binding_is_named(bindings: Path) -> None:
    (bindings / "database" / "password").unlink()
    with pytest.raises(SettingsError, match=r"binding 'database' has no 'password': expected the file .*password"):
        Settings.load({"SERVICE_BINDING_ROOT": str(bindings)})


def test_no_secret_is_shown_by_repr(bindings: Path) -> None:
    settings = Settings.load({"SERVICE_BINDING_ROOT": str(bindings)})
    shown = repr(settings) + repr(settings.bindings.database()) + repr(settings.bindings.cache())
    assert not any(secret in shown for secret in ("secret-1", "secret-2", "secret-3", "kkkk"))
