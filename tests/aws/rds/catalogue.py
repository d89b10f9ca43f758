"""A few of the parameters that RDS for PostgreSQL has, as DescribeDBParameters tells of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

FORCE_SSL = "rds.force_ssl"


@dataclass(frozen=True)
class Parameter:
    """`default` None leaves it to the engine. `real`: set on the real server as well, when it is no formula."""

    name: str
    dynamic: bool
    kind: str
    allowed: str
    default: str | None
    description: str
    real: bool = True

    def accepts(self, value: str) -> bool:
        if value.startswith("{") or "(" in value:
            return self.kind == "integer"
        if self.kind in ("integer", "float"):
            low, high = re.fullmatch(r"(-?\d+)-(\d+)", self.allowed).groups()  # type: ignore[union-attr]
            pattern = r"-?\d+" if self.kind == "integer" else r"-?\d+(\.\d+)?"
            return bool(re.fullmatch(pattern, value)) and float(low) <= float(value) <= float(high)
        if not self.allowed:
            return True
        chosen = value.split(",") if self.kind == "list" else [value]
        return all(one.strip() in self.allowed.split(",") for one in chosen)


_PARAMETERS = (
    Parameter("autovacuum", True, "boolean", "0,1", "1", "Starts the autovacuum subprocess."),
    Parameter(
        "autovacuum_vacuum_scale_factor",
        True,
        "float",
        "0-100",
        "0.1",
        "Number of tuple updates or deletes prior to vacuum as a fraction of reltuples.",
    ),
    Parameter(
        "effective_cache_size",
        True,
        "integer",
        "1-2147483647",
        "{DBInstanceClassMemory/16384}",
        "(8kB) Sets the planners assumption about the size of the disk cache.",
    ),
    Parameter(
        "idle_in_transaction_session_timeout",
        True,
        "integer",
        "0-2147483647",
        "86400000",
        "(ms) Sets the maximum allowed duration of any idling transaction.",
    ),
    Parameter("lock_timeout", True, "integer", "0-2147483647", None, "(ms) Sets the maximum duration of a lock wait."),
    Parameter("log_connections", True, "boolean", "0,1", None, "Logs each successful connection."),
    Parameter(
        "log_min_duration_statement",
        True,
        "integer",
        "-1-2147483647",
        None,
        "(ms) Sets the minimum execution time above which statements will be logged.",
    ),
    Parameter("log_statement", True, "string", "none,ddl,mod,all", None, "Sets the type of statements logged."),
    Parameter(
        "maintenance_work_mem",
        True,
        "integer",
        "1024-2147483647",
        "GREATEST({DBInstanceClassMemory*1024/63963136},65536)",
        "(kB) Sets the maximum memory to be used for maintenance operations.",
    ),
    Parameter(
        "max_connections",
        False,
        "integer",
        "6-8388607",
        "LEAST({DBInstanceClassMemory/9531392},5000)",
        "Sets the maximum number of concurrent connections.",
    ),
    Parameter(
        "max_prepared_transactions",
        False,
        "integer",
        "0-262143",
        "0",
        "Sets the maximum number of simultaneously prepared transactions.",
    ),
    Parameter(
        "password_encryption",
        True,
        "string",
        "md5,scram-sha-256",
        "scram-sha-256",
        "Chooses the algorithm for encrypting passwords.",
    ),
    Parameter(FORCE_SSL, True, "boolean", "0,1", "1", "Force SSL connections.", real=False),
    Parameter("rds.logical_replication", False, "boolean", "0,1", "0", "Enables logical decoding.", real=False),
    Parameter(
        "shared_buffers",
        False,
        "integer",
        "16-1073741823",
        "{DBInstanceClassMemory/32768}",
        "(8kB) Sets the number of shared memory buffers used by the server.",
        real=False,
    ),
    Parameter(
        "shared_preload_libraries",
        False,
        "list",
        "auto_explain,orafce,pgaudit,pglogical,pg_bigm,pg_cron,pg_hint_plan,pg_prewarm,pg_similarity,"
        "pg_stat_statements,pg_tle,pg_transport,plprofiler",
        "pg_stat_statements",
        "Lists shared libraries to preload into server.",
        real=False,
    ),
    Parameter(
        "statement_timeout",
        True,
        "integer",
        "0-2147483647",
        None,
        "(ms) Sets the maximum allowed duration of a statement.",
    ),
    Parameter("timezone", True, "string", "", "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    Parameter("work_mem", True, "integer", "64-2147483647", None, "(kB) Sets the maximum memory for query workspaces."),
)

PARAMETERS = {parameter.name: parameter for parameter in _PARAMETERS}


def default(name: str, family: str) -> str | None:
    """The value that a family's default group has; up to PostgreSQL 14 connections without TLS were taken."""
    if name == FORCE_SSL and family == "postgres14":
        return "0"
    return PARAMETERS[name].default
