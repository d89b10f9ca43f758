"""Settings from the environment and from service bindings (one directory a dependency, one file a value).

The environment wins over the bindings. Bindings are read again at every connection attempt, so that a password
changed in a mounted Secret is met without a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tracetrack_app import bindingfiles

_SSLMODES = ("disable", "require", "verify-full")
_MAIL_TLS = {"starttls": "587", "tls": "465", "none": "25"}


class SettingsError(ValueError):
    """What is missing or wrong, by name, and what to do about it. Never holds a secret."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where PostgreSQL is and who we are there. sslmode: disable, require (encrypted, unchecked) or verify-full."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    sslmode: str = "disable"
    ca_file: str | None = None

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"

    def tls(self) -> ssl.SSLContext | bool:
        """What asyncpg takes as `ssl`."""
        if self.sslmode == "disable":
            return False
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.sslmode == "require":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where Redis is: a redis:// or rediss:// URL (holds the password) and the CA to check it by."""

    url: str = field(repr=False)
    ca_file: str | None = None

    @property
    def where(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 6379}"

    def tls(self) -> ssl.SSLContext | None:
        """What a connection is encrypted with; None for one in the clear."""
        return ssl.create_default_context(cafile=self.ca_file) if self.url.startswith("rediss:") else None


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The server that mail is handed to. tls: starttls, tls (from the first byte) or none."""

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Sessions, second factors, limits and what the audit log keeps. Durations in seconds; a limit of 0 is none."""

    session_absolute: int = 3600
    session_idle: int = 1800
    previous_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    legacy_secret: bytes = field(default=b"", repr=False)
    require_admin_totp: bool = False
    registration: str = "approval"
    scan_limit: int = 60_000
    reset_limit: int = 10
    registration_limit: int = 10
    totp_limit: int = 5
    audit_address: str = "masked"
    public_url: str = ""


class Bindings:
    """Reads the values of one environment: variables first, then `SERVICE_BINDING_ROOT`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        root = environ.get("SERVICE_BINDING_ROOT")
        self.root = Path(root) if root else None

    def _value(self, binding: str, name: str, default: str | None = None) -> str:
        path = self.root / binding / name if self.root else None
        if path is not None and path.is_file():
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        if default is None:
            raise SettingsError(f"binding {binding!r} has no {name!r}: expected the file {path}")
        return default

    def _require(self, binding: str, variable: str) -> None:
        if self.root is None or not (self.root / binding).is_dir():
            where = self.root / binding if self.root else "SERVICE_BINDING_ROOT (not set)"
            raise SettingsError(f"no {binding}: set {variable}, or mount the binding directory {where}")

    def _ca_file(self, binding: str) -> str | None:
        path = self.root / binding / "ca.crt" if self.root else None
        return str(path) if path is not None and path.is_file() else None

    def database(self) -> DatabaseSettings:
        """Raises SettingsError."""
        url = self._environ.get("DATABASE_URL")
        if url:
            return _database_from_url(url, "DATABASE_URL")
        self._require("database", "DATABASE_URL")
        return self._database_of("database")

    def database_replica(self) -> DatabaseSettings | None:
        """The standby that lists and reports may be read from; None when none is given. Raises SettingsError."""
        url = self._environ.get("DATABASE_REPLICA_URL")
        if url:
            return _database_from_url(url, "DATABASE_REPLICA_URL")
        if self._has_own_replica():
            return self._database_of("database-replica")
        if self.root is None or self._environ.get("DATABASE_URL"):
            return None
        # At once, so that it goes with the login that it is found beside.
        values = bindingfiles.read(self.root / "database")
        if "replica-host" not in values:
            return None
        there = {"host": values["replica-host"], "port": values.get("replica-port", "5432")}
        return self._settings_of("database", {**values, **there})

    @property
    def replica_comes_and_goes(self) -> bool:
        """Whether a standby is told of by what may change while the app runs."""
        return self.root is not None and not self._environ.get("DATABASE_REPLICA_URL")

    def _has_own_replica(self) -> bool:
        return self.root is not None and (self.root / "database-replica").is_dir()

    def _database_of(self, binding: str) -> DatabaseSettings:
        folder = (self.root or Path()) / binding
        # At once, so that a user name never goes with another's password.
        return self._settings_of(binding, bindingfiles.read(folder))

    def _settings_of(self, binding: str, values: Mapping[str, str]) -> DatabaseSettings:
        folder = (self.root or Path()) / binding
        for name in ("host", "database", "username", "password"):
            if name not in values:
                raise SettingsError(f"binding {binding!r} has no {name!r}: expected the file {folder / name}")
        return DatabaseSettings(
            host=values["host"],
            port=_port(values.get("port", "5432"), f"binding {binding!r}: port"),
            database=values["database"],
            username=values["username"],
            password=values["password"],
            sslmode=_sslmode(values.get("sslmode", "require"), f"binding {binding!r}: sslmode"),
            ca_file=self._ca_file(binding),
        )

    def mark(self, binding: str) -> bindingfiles.Mark:
        """Another value once the mounted binding has changed; () where none is mounted, or a variable wins over it."""
        variables = {"cache": "REDIS_URL", "admin": "ADMIN_USER"}
        given = self._environ.get(variables.get(binding, f"{binding.upper().replace('-', '_')}_URL"))
        if given or self.root is None:
            return ()
        if binding == "database-replica" and not self._has_own_replica():
            return self.mark("database")
        return bindingfiles.mark(self.root / binding)

    def content(self, binding: str) -> object:
        """What of a mounted binding those go by who use it: equal where nothing changes for them.

        Raises SettingsError.
        """
        if binding == "database-replica":
            return self.database_replica()
        values = bindingfiles.read((self.root or Path()) / binding)
        return {name: value for name, value in values.items() if not name.startswith("replica-")}

    def cache(self) -> CacheSettings:
        """Raises SettingsError."""
        url = self._environ.get("REDIS_URL")
        if not url:
            self._require("cache", "REDIS_URL")
            url = self._value("cache", "uri")
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise SettingsError("REDIS_URL or binding 'cache': uri must look like redis://:password@host:6379/0")
        return CacheSettings(url, None if self._environ.get("REDIS_URL") else self._ca_file("cache"))

    def session_secret(self) -> bytes:
        """The key that sessions are signed with; at least 32 bytes. Raises SettingsError."""
        secret = self._environ.get("SESSION_SECRET")
        if not secret:
            self._require("session", "SESSION_SECRET")
            secret = self._value("session", "key")
        if len(secret.encode()) < 32:
            raise SettingsError("SESSION_SECRET or binding 'session': key must be at least 32 bytes long")
        return secret.encode()

    def previous_secrets(self) -> tuple[bytes, ...]:
        """Keys that were in use before and still open what they closed."""
        secret = self._environ.get("SESSION_SECRET_PREVIOUS")
        if not secret and self.root is not None and (self.root / "session" / "previous").is_file():
            secret = self._value("session", "previous")
        return (secret.encode(),) if secret else ()

    def mail(self) -> MailSettings | None:
        """None when no mail server is given. Raises SettingsError."""
        environ = self._environ
        if environ.get("SMTP_HOST"):
            given = {name: environ.get(f"SMTP_{name.upper()}", "") for name in ("port", "tls", "username", "password")}
            host, sender, ca_file = environ["SMTP_HOST"], environ.get("SMTP_FROM", ""), environ.get("SMTP_CA_FILE")
        elif self.root is not None and (self.root / "smtp").is_dir():
            given = {name: self._value("smtp", name, "") for name in ("port", "tls", "username", "password")}
            host, sender, ca_file = self._value("smtp", "host"), self._value("smtp", "from", ""), self._ca_file("smtp")
        else:
            return None
        tls = given["tls"] or "starttls"
        if tls not in _MAIL_TLS:
            raise SettingsError(f"SMTP_TLS or binding 'smtp': tls must be one of {', '.join(_MAIL_TLS)}, not {tls!r}")
        if "@" not in sender:
            raise SettingsError("SMTP_FROM or binding 'smtp': from must be the sender's address")
        if bool(given["username"]) != bool(given["password"]):
            raise SettingsError("SMTP_USERNAME and SMTP_PASSWORD (binding 'smtp') must both be set, or neither")
        port = _port(given["port"] or _MAIL_TLS[tls], "SMTP_PORT or binding 'smtp': port")
        return MailSettings(host, port, sender, tls, given["username"], given["password"], ca_file)

    def eod_secret(self) -> str | None:
        """What a scheduler proves itself with to have the end-of-day report sent; None closes that call.

        Raises SettingsError.
        """
        secret = self._environ.get("EOD_SECRET")
        if not secret and self.root is not None and (self.root / "eod").is_dir():
            secret = self._value("eod", "secret")
        if secret and len(secret.encode()) < 16:
            raise SettingsError("EOD_SECRET or binding 'eod': secret must be at least 16 bytes long")
        return secret or None

    def admin(self) -> tuple[str, str] | None:
        """(username, password) of the first admin; None when none is given. Raises SettingsError on half of it."""
        username, password = self._environ.get("ADMIN_USER"), self._environ.get("ADMIN_PASSWORD")
        if bool(username) != bool(password):
            raise SettingsError("ADMIN_USER and ADMIN_PASSWORD must both be set, or neither")
        if username and password:
            return username, password
        if self.root is None or not (self.root / "admin").is_dir():
            return None
        # At once, so that a user name never goes with another's password.
        values = bindingfiles.read(self.root / "admin")
        for name in ("username", "password"):
            if not values.get(name):
                raise SettingsError(f"binding 'admin' has no {name!r}: expected the file {self.root / 'admin' / name}")
        return values["username"], values["password"]

    def fleets_dir(self) -> Path | None:
        """The directory of the fleets' key files; it may come into being later."""
        given = self._environ.get("FLEETS_DIR")
        if given:
            return Path(given)
        return self.root / "fleets" if self.root else None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the app is told from outside. Durations in seconds."""

    bindings: Bindings
    session_secret: bytes = field(repr=False)
    deployment: str = ""
    namespace: str = ""
    timezone: str = "Asia/Kolkata"
    log_level: str = "INFO"
    parent_capacity: int = 30
    host: str = "0.0.0.0"
    port: int = 8080
    cookie_secure: str = "auto"
    trusted_proxies: str = "127.0.0.1"
    scan_timeout: float = 10.0
    queue_limit: int = 4096
    login_limit: int = 10
    address_login_limit: int = 60
    drain_delay: float = 0.0
    accounts: AccountSettings = AccountSettings()
    migration_large_rows: int = 200_000
    migration_large_megabytes: int = 64
    replica_max_lag: int = 5
    replica_settle: int = 120

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The session secret in use, then those before it."""
        return (self.session_secret, *self.accounts.previous_secrets)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Raises SettingsError that lists every missing or wrong setting, not only the first."""
        problems: list[str] = []
        bindings = Bindings(environ)
        secret = b""
        dependencies = (bindings.database, bindings.database_replica, bindings.cache, bindings.mail)
        for read in (*dependencies, bindings.admin, bindings.eod_secret):
            try:
                read()
            except SettingsError as error:
                problems.append(str(error))
        try:
            secret = bindings.session_secret()
        except SettingsError as error:
            problems.append(str(error))
        numbers = {
            "parent_capacity": _number(environ, "TRACETRACK_PARENT_CAPACITY", 30, 1, 1000, problems),
            "port": _number(environ, "TRACETRACK_PORT", 8080, 0, 65535, problems),
            "queue_limit": _number(environ, "TRACETRACK_QUEUE_LIMIT", 4096, 1, 1_000_000, problems),
            "login_limit": _number(environ, "TRACETRACK_LOGIN_LIMIT", 10, 1, 10_000, problems),
            "address_login_limit": _number(environ, "TRACETRACK_ADDRESS_LOGIN_LIMIT", 60, 1, 100_000, problems),
            "replica_max_lag": _number(environ, "DATABASE_REPLICA_MAX_LAG", 5, 1, 300, problems),
            "replica_settle": _number(environ, "DATABASE_REPLICA_SETTLE", 120, 0, 600, problems),
            **_migration_limits(environ, problems),
        }
        scan_timeout = _number(environ, "TRACETRACK_SCAN_TIMEOUT", 10, 1, 300, problems)
        drain_delay = _number(environ, "TRACETRACK_DRAIN_DELAY", 0, 0, 300, problems)
        timezone = environ.get("TRACETRACK_TIMEZONE") or "Asia/Kolkata"
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append(f"TRACETRACK_TIMEZONE {timezone!r} is no time zone: give an IANA name such as Asia/Kolkata")
        level = _choice(environ, "TRACETRACK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), problems)
        secure = _choice(environ, "TRACETRACK_COOKIE_SECURE", "AUTO", ("AUTO", "ALWAYS", "NEVER"), problems)
        accounts = _accounts(environ, bindings, problems)
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            bindings=bindings,
            session_secret=secret,
            deployment=environ.get("TRACETRACK_DEPLOYMENT", ""),
            namespace=environ.get("TRACETRACK_NAMESPACE", ""),
            timezone=timezone,
            log_level=level,
            host=environ.get("TRACETRACK_HOST") or "0.0.0.0",
            cookie_secure=secure.lower(),
            trusted_proxies=environ.get("TRACETRACK_TRUSTED_PROXIES") or "127.0.0.1",
            scan_timeout=float(scan_timeout),
            drain_delay=float(drain_delay),
            accounts=accounts,
            **numbers,
        )


def migration_limits(environ: Mapping[str, str]) -> dict[str, int]:
    """The two fields of Settings that say which table is large, for a command that needs no others.

    Raises SettingsError.
    """
    problems: list[str] = []
    limits = _migration_limits(environ, problems)
    if problems:
        raise SettingsError("; ".join(problems))
    return limits


def _migration_limits(environ: Mapping[str, str], problems: list[str]) -> dict[str, int]:
    return {
        "migration_large_rows": _number(environ, "TRACETRACK_MIGRATION_LARGE_ROWS", 200_000, 1, 10**9, problems),
        "migration_large_megabytes": _number(environ, "TRACETRACK_MIGRATION_LARGE_MB", 64, 1, 10**6, problems),
    }


def _accounts(environ: Mapping[str, str], bindings: Bindings, problems: list[str]) -> AccountSettings:
    limits = {
        name: _number(environ, f"TRACETRACK_{name.upper()}", default, lowest, highest, problems)
        for name, default, lowest, highest in (
            ("scan_limit", 60_000, 0, 10_000_000),
            ("reset_limit", 10, 1, 10_000),
            ("registration_limit", 10, 1, 10_000),
            ("totp_limit", 5, 1, 100),
        )
    }
    absolute = _number(environ, "TRACETRACK_SESSION_SECONDS", 3600, 300, 604_800, problems)
    idle = _number(environ, "TRACETRACK_SESSION_IDLE_SECONDS", 1800, 120, 604_800, problems)
    public_url = environ.get("TRACETRACK_PUBLIC_URL", "").rstrip("/")
    parts = urlsplit(public_url)
    if public_url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        problems.append(f"TRACETRACK_PUBLIC_URL is {public_url!r}: give the address people open, https://host")
    try:
        if bindings.mail() is not None and not public_url:
            problems.append("TRACETRACK_PUBLIC_URL is not set: mail holds links, which must begin with it")
    except SettingsError:
        pass
    legacy = environ.get("LEGACY_SESSION_SECRET", "")
    return AccountSettings(
        session_absolute=absolute,
        session_idle=min(idle, absolute),
        previous_secrets=bindings.previous_secrets(),
        legacy_secret=legacy.encode(),
        require_admin_totp=_choice(environ, "TRACETRACK_REQUIRE_ADMIN_TOTP", "FALSE", ("TRUE", "FALSE"), problems)
        == "TRUE",
        registration=_choice(
            environ, "TRACETRACK_REGISTRATION", "APPROVAL", ("APPROVAL", "OPEN", "OFF"), problems
        ).lower(),
        audit_address=_choice(
            environ, "TRACETRACK_AUDIT_ADDRESS", "MASKED", ("MASKED", "FULL", "NONE"), problems
        ).lower(),
        public_url=public_url,
        **limits,
    )


def _number(environ: Mapping[str, str], name: str, default: int, lowest: int, highest: int, problems: list[str]) -> int:
    text = environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
        return int(text)
    problems.append(f"{name} is {text!r}: give a whole number from {lowest} to {highest}")
    return default


def _choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...], problems: list[str]) -> str:
    value = (environ.get(name) or default).upper()
    if value not in choices:
        problems.append(f"{name} is {value!r}: give one of {', '.join(choices)}")
    return value


def _port(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SettingsError(f"{name} must be a TCP port, not {text!r}")
    return int(text)


def _sslmode(text: str, name: str) -> str:
    if text not in _SSLMODES:
        raise SettingsError(f"{name} must be one of {', '.join(_SSLMODES)}, not {text!r}")
    return text


def _database_from_url(url: str, name: str) -> DatabaseSettings:
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise SettingsError(f"{name} is not a URL") from None
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.path.strip("/"):
        raise SettingsError(f"{name} must look like postgresql://user:password@host:5432/database?sslmode=require")
    query = parse_qs(parts.query)
    return DatabaseSettings(
        host=parts.hostname,
        port=port,
        database=unquote(parts.path.strip("/")),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sslmode=_sslmode(query.get("sslmode", ["disable"])[0], f"{name}: sslmode"),
        ca_file=query.get("sslrootcert", [None])[0],
    )
