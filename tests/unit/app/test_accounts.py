"""What accounts' fields and passwords must be, the existing system's hashes and cookies, masking, one-time codes."""

from __future__ import annotations

import time
from typing import Any

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_app.domain import passwords
from tracetrack_app.domain.accounts import AccountError, clean_area, clean_email, clean_username
from tracetrack_app.domain.people import PERMISSIONS, Permission, Principal, Role
from tracetrack_app.http.auth.legacycookies import LegacyCookies
from tracetrack_app.http.auth.passwords import verify_password
from tracetrack_app.http.auth.totp import qr_code, recovery_codes, recovery_hash, uri
from tracetrack_app.keys import Cipher, derive
from tracetrack_app.settings import Settings, SettingsError
from tracetrack_app.store.masking import HIDDEN, kept_address, masked

GOOD = {
    "DATABASE_URL": "postgresql://u:p@db/trace",
    "REDIS_URL": "redis://cache",
    "SESSION_SECRET": "0123456789abcdef0123456789abcdef",
}
# Flask 3.1 with the secret "the-old-systems-secret-key" made this one.
FLASK = (
    ".eJwdjMEKwjAYg1-l_OdOskFb6dGLIOzk7qXMIgXtXPdP0LF3tzUEcki-bDSuOYfE7uX_MWeydD2hqCVJD7-w8yPHd-RPaTp0ukHbQA04WigL1NV0j8lxfAay"
    "rdFGVxwHSOIv2Y3EraD9lKSAEhefRL0R9QDF4twPtEtal5BdLFOz_wA_zypK.awPkIw.TeEdNanqZiUPBezQX_spAmvwooA"
)


@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("Str0ng!pass", []),
        ("Ünïcode1!", []),
        ("", ["at least 8", "upper", "lower", "digit", "special"]),
        ("Sh0rt!", ["at least 8"]),
        ("lower1!lower", ["upper"]),
        ("UPPER1!UPPER", ["lower"]),
        ("NoDigits!", ["digit"]),
        ("NoSpecial1 a", ["special"]),
    ],
)
def test_what_a_password_lacks_is_named(password: str, lacks: list[str]) -> None:
    found = passwords.missing(password)
    assert len(found) == len(lacks)
    assert all(word in each for word, each in zip(lacks, found, strict=True))


def test_a_password_is_not_the_user_name() -> None:
    assert "user name" in str(passwords.problem("Ravi.2026x", "rAVI.2026X"))
    assert "too long" in str(passwords.problem("Aa1!" * 300, "ravi"))
    assert passwords.problem("Str0ng!pass", "ravi") is None


@pytest.mark.parametrize("text", ["", " ", "a", "-dash", "a\u200bb", "x" * 65, "a\nb\x00", "<script>", "a,b"])
def test_user_names_that_will_not_do(text: str) -> None:
    with pytest.raises(AccountError) as caught:
        clean_username(text)
    assert caught.value.field == "username"


def test_user_names_are_cleaned() -> None:
    assert clean_username("  Ravi   Kumar ") == "Ravi Kumar"
    assert clean_username("r\u0101vi@x.com") == "r\u0101vi@x.com"
    assert clean_username("राम") == "राम"


@given(st.text(max_size=80))
def test_whatever_passes_as_a_user_name_stays_as_it_is(text: str) -> None:
    try:
        clean = clean_username(text)
    except AccountError:
        return
    assert clean_username(clean) == clean
    assert clean.isprintable()
    assert 2 <= len(clean) <= 64


def test_mail_addresses_and_areas() -> None:
    assert clean_email("  ") is None
    assert clean_email(" r@example.com ") == "r@example.com"
    for text in ("r", "r@x", "r@x.com\r\nBcc: a@b.c", "a@b.c, d@e.f", "<r@x.com>", "r@x.com\x00", "r" * 120 + "@x.com"):
        with pytest.raises(AccountError):
            clean_email(text)
    assert clean_area("Sri Ganganagar", Role.DISPATCHER) == "sri_ganganagar"
    assert clean_area("lucknow", Role.ADMIN) is None
    with pytest.raises(AccountError):
        clean_area(" ", Role.DISPATCHER)


def test_roles_and_scopes() -> None:
    assert PERMISSIONS[Role.DISPATCHER] < PERMISSIONS[Role.BILLER] < PERMISSIONS[Role.ADMIN]
    token = Principal(1, "a", Role.BILLER, scopes=frozenset({Permission.SCAN, Permission.USERS}))
    assert (token.may(Permission.SCAN), token.may(Permission.LOOKUP), token.may(Permission.USERS)) == (
        True,
        False,
        False,
    )
    assert (Principal(1, "a", Role.DISPATCHER, "hisar").scope, Principal(1, "a", Role.ADMIN, "hisar").scope) == (
        "hisar",
        None,
    )


@pytest.mark.parametrize(
    "hashed",
    [
        "scrypt:32768:8:1$",
        "scrypt:32768:8$salt$00",
        "scrypt:-1:8:1$salt$00",
        "scrypt:1048576:8:64$salt$00",
        "scrypt:x:8:1$salt$00",
        "pbkdf2:sha256:0$salt$00",
        "pbkdf2:sha256:99999999999$salt$00",
        "pbkdf2:md5:1000$salt$00",
        "pbkdf2$salt$00",
        "pbkdf2:sha256:1000$salt",
        "plain$salt$x",
        "!",
        "",
    ],
)
async def test_hashes_that_are_none_are_no_password(hashed: str) -> None:
    assert await verify_password(hashed, "x") == (False, None)


def test_a_cookie_that_flask_made_is_read() -> None:
    found = LegacyCookies(b"the-old-systems-secret-key").read(FLASK)
    assert found is not None
    assert (found.user_id, found.parent, found.began, found.seen) == (7, "SB00001", 1767600000.0, 1767600300.0)
    assert LegacyCookies(b"another").read(FLASK) is None
    for text in ("", ".", "a.b.c", FLASK[:-1], FLASK + "x", "é"):
        assert LegacyCookies(b"the-old-systems-secret-key").read(text) is None


@given(st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_hostile_cookies_are_nobody(text: str) -> None:
    assert LegacyCookies(b"the-old-systems-secret-key").read(text) is None


def test_what_the_audit_log_may_know() -> None:
    told: dict[str, Any] = {
        "username": "ravi",
        "email": "ravi@example.com",
        "new_password": "x",
        "must_change_password": True,
        "deep": [{"totp_secret": b"x", "phone": "12345"}],
        "count": 3,
    }
    assert masked(told) == {
        "username": "ravi",
        "email": "r***@example.com",
        "new_password": HIDDEN,
        "must_change_password": True,
        "deep": [{"totp_secret": HIDDEN, "phone": "1***"}],
        "count": 3,
    }


@pytest.mark.parametrize(
    ("address", "how", "kept"),
    [
        ("192.0.2.77", "masked", "192.0.2.0"),
        ("2001:db8:1:2::3", "masked", "2001:db8:1::"),
        ("192.0.2.77", "full", "192.0.2.77"),
        ("192.0.2.77", "none", None),
        ("unix:", "full", None),
    ],
)
def test_addresses_are_kept_as_the_setting_says(address: str, how: str, kept: str | None) -> None:
    assert kept_address(address, how) == kept


def test_what_is_encrypted_opens_for_its_user_with_the_key_or_the_one_before() -> None:
    old, new = b"o" * 32, b"n" * 32
    closed = Cipher([old], "totp").close(b"secret", "7")
    assert b"secret" not in closed
    assert closed != Cipher([old], "totp").close(b"secret", "7")
    assert Cipher([new, old], "totp").open(closed, "7") == b"secret"
    assert Cipher([new], "totp").open(closed, "7") is None
    assert Cipher([old], "totp").open(closed, "8") is None
    assert Cipher([old], "audit").open(closed, "7") is None
    assert derive(old, "a") != derive(old, "b")


def test_recovery_codes_are_told_apart_by_user_not_by_how_they_are_typed() -> None:
    codes = recovery_codes()
    assert len(set(codes)) == 10
    typed = codes[0].lower().replace("-", " ")
    assert recovery_hash(1, typed) == recovery_hash(1, codes[0])
    assert recovery_hash(2, codes[0]) != recovery_hash(1, codes[0])


def test_the_qr_code_is_of_the_uri_that_apps_read() -> None:
    secret = pyotp.random_base32()
    text = uri(secret, "ravi kumar")
    parsed = pyotp.parse_uri(text)
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.issuer, parsed.name) == ("TraceTrack", "ravi kumar")
    assert parsed.at(int(time.time())) == pyotp.TOTP(secret).at(int(time.time()))
    assert qr_code(text).startswith("data:image/svg+xml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SMTP_HOST": "mail"}, "SMTP_FROM"),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "a@b.c"}, "TRACETRACK_PUBLIC_URL"),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "a@b.c", "SMTP_TLS": "maybe"}, "SMTP_TLS"),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "a@b.c", "SMTP_USERNAME": "x"}, "SMTP_PASSWORD"),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "a@b.c", "SMTP_PORT": "x"}, "SMTP_PORT"),
        ({"TRACETRACK_PUBLIC_URL": "trace.example.com"}, "TRACETRACK_PUBLIC_URL"),
        ({"TRACETRACK_REQUIRE_ADMIN_TOTP": "yes"}, "TRACETRACK_REQUIRE_ADMIN_TOTP"),
        ({"TRACETRACK_REGISTRATION": "maybe"}, "TRACETRACK_REGISTRATION"),
        ({"TRACETRACK_AUDIT_ADDRESS": "half"}, "TRACETRACK_AUDIT_ADDRESS"),
        ({"TRACETRACK_SCAN_LIMIT": "-1"}, "TRACETRACK_SCAN_LIMIT"),
        ({"TRACETRACK_SESSION_SECONDS": "5"}, "TRACETRACK_SESSION_SECONDS"),
    ],
)
def test_a_wrong_setting_of_accounts_is_named(change: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.load(GOOD | change)


def test_the_settings_of_accounts() -> None:
    more = {"SMTP_HOST": "mail", "SMTP_FROM": "TraceTrack <a@b.c>", "TRACETRACK_PUBLIC_URL": "https://t.example/"}
    more |= {"SMTP_USERNAME": "u", "SMTP_PASSWORD": "mail-secret", "LEGACY_SESSION_SECRET": "legacy-secret"}
    more |= {"SESSION_SECRET_PREVIOUS": "previous-secret", "TRACETRACK_REQUIRE_ADMIN_TOTP": "true"}
    settings = Settings.load(GOOD | more)
    mail = settings.bindings.mail()
    assert mail is not None
    assert (mail.where, mail.tls) == ("mail:587", "starttls")
    assert settings.accounts.public_url == "https://t.example"
    assert settings.secrets == (GOOD["SESSION_SECRET"].encode(), b"previous-secret")
    assert settings.accounts.require_admin_totp
    assert not any(secret in repr(settings) + repr(mail) for secret in ("mail-secret", "legacy-", "previous-"))
