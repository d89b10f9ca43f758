"""What the audit log may know: personal data masked, secrets never, addresses as the settings allow."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

Details = Mapping[str, Any]

_SECRET = ("password", "secret", "token", "hash", "csrf", "authorization", "cookie", "recovery", "otp")
_PERSONAL = ("email", "phone", "mobile", "address")
HIDDEN = "(hidden)"


def masked(value: Any, name: str = "") -> Any:
    """The value with every text under a secret's name hidden and every text under a personal one masked."""
    if isinstance(value, Mapping):
        return {str(key): masked(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(each, name) for each in value]
    if isinstance(value, str | bytes):
        lower = name.lower()
        if any(word in lower for word in _SECRET):
            return HIDDEN
        if isinstance(value, bytes):
            return value.hex()
        if any(word in lower for word in _PERSONAL):
            return mask_text(value)
    return value


def mask_text(text: str) -> str:
    """`r***@example.com` for an address of mail; the first letter of anything else."""
    local, at, host = text.partition("@")
    return f"{local[:1]}***{at}{host}" if text else text


def kept_address(address: str, how: str) -> str | None:
    """The address as it may be kept: `full`, `masked` (its /24 or /48) or `none`."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if how == "none":
        return None
    if how == "full":
        return str(ip)
    return str(ip_network((ip, 24 if ip.version == 4 else 48), strict=False).network_address)
