"""httpx clients for servers on loopback. httpx reads every authority of the system into each client it makes, for
37 ms of processor time each, where nothing here speaks TLS."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(**options: Any) -> httpx.AsyncClient:
    """An `httpx.AsyncClient` with these options."""
    return httpx.AsyncClient(verify=_TRUSTS_NOBODY, **options)


def http_get(url: str, timeout: float = 10) -> httpx.Response:
    """What a GET is answered; raises httpx.HTTPError. `timeout` in seconds."""
    return httpx.get(url, timeout=timeout, verify=_TRUSTS_NOBODY)
