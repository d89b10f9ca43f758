"""Requests to the API server with the client library's configuration, credentials and TLS, and none of its models.

Those took more than the requests: 0.9 ms of CPU for an apply through the dynamic client, 0.3 ms like this.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from kubernetes import client
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

REQUEST_SECONDS = 30.0
KEY_SECONDS = 10.0
ASKED_AGAIN = 4
LONGEST_PAUSE = 5.0
FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
"""What `request` and `stream` raise when the API server can't be reached."""
# Compressing what stays inside the cluster costs both sides more than it saves.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}

_Answer = tuple[int, float | None, bytes]


class Transport:
    """Belongs to the event loop that first asks. `connections` bounds concurrent requests; streams don't count."""

    def __init__(self, configuration: client.Configuration, connections: int) -> None:
        self._configuration = configuration
        self._connections = connections
        self._sessions: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None
        self._timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._key: tuple[float, str | None] = (float("-inf"), None)
        way = {
            "proxy": configuration.proxy,
            "proxy_headers": configuration.proxy_headers,
            "server_hostname": configuration.tls_server_name,
        }
        self._way: dict[str, Any] = {key: value for key, value in way.items() if value}

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status code and content.

        One that a server closing its idle connections has cut off is sent again, and so is, as by all clients, one
        that a busy server asks to be sent later.
        """
        status, after, content = await self._twice(method, path, headers, body)
        for _ in range(ASKED_AGAIN):
            if after is None:
                break
            await asyncio.sleep(after)
            status, after, content = await self._twice(method, path, headers, body)
        return status, content

    async def stream(self, path: str, silence: float) -> AsyncIterator[tuple[int, bytes]]:
        """Status code and line for each line as it comes, until the server ends it or `silence` seconds pass."""
        _, session = self._pools()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence)
        async with session.get(self._url(path), headers=self._headers({}), timeout=timeout, **self._way) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield response.status, line
            if rest:
                yield response.status, rest

    async def close(self) -> None:
        for session in self._sessions or ():
            await session.close()
        self._sessions = None

    async def _twice(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> _Answer:
        try:
            return await self._once(method, path, headers, body)
        except aiohttp.ServerDisconnectedError:
            return await self._once(method, path, headers, body)

    async def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> _Answer:
        session, _ = self._pools()
        sent, url = self._headers(headers), self._url(path)
        timeout = self._timeout
        async with session.request(method, url, headers=sent, data=body, timeout=timeout, **self._way) as response:
            return response.status, _later(response), await response.read()

    def _url(self, path: str) -> str:
        return f"{self._configuration.host}{path}"

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        at, key = self._key
        if time.monotonic() - at > KEY_SECONDS:
            key = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            self._key = (time.monotonic(), key)
        return {**_HEADERS, **({"Authorization": key} if key else {}), **more}

    def _pools(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        """For requests, and for streams."""
        if self._sessions is None:
            tls = RESTClientObject(_asynchronous(self._configuration)).ssl_context
            requests = aiohttp.TCPConnector(ssl=tls, limit=self._connections)
            streams = aiohttp.TCPConnector(ssl=tls, limit=0)
            self._sessions = aiohttp.ClientSession(connector=requests), aiohttp.ClientSession(connector=streams)
        return self._sessions


def _later(response: aiohttp.ClientResponse) -> float | None:
    """In how many seconds the server asks for the request again; None where it doesn't."""
    after = response.headers.get("Retry-After", "")
    refused = response.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return min(float(after), LONGEST_PAUSE) if refused and after.isdigit() else None


def _asynchronous(given: client.Configuration) -> Configuration:
    """The same for the library's asynchronous half, which makes the TLS context."""
    made = Configuration(host=given.host, ssl_ca_cert=given.ssl_ca_cert)
    made.cert_file, made.key_file, made.verify_ssl = given.cert_file, given.key_file, given.verify_ssl
    made.disable_strict_ssl_verification = getattr(given, "disable_strict_ssl_verification", False)
    return made
