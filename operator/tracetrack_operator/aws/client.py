"""boto3 behind one asynchronous call: listed, paced, in a thread pool of its own, its errors sorted."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, Protocol

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client import Counter, Histogram

from ..engine.errors import ReconcileError
from .calls import CALLS, Call, pace
from .errors import THROTTLES, AwsThrottled, sort_client_error, sort_core_error
from .pacing import TokenBucket

THREADS = 16
AWS_CALLS = Counter(
    "tracetrack_operator_aws_calls_total", "AWS calls by outcome code.", ["service", "operation", "code"]
)
AWS_THROTTLES = Counter(
    "tracetrack_operator_aws_throttles_total",
    "Answers of AWS that refused a call for the account's rate; a call that is repeated may have several.",
    ["service", "operation"],
)
AWS_SECONDS = Histogram("tracetrack_operator_aws_call_seconds", "Duration of AWS calls.", ["service", "operation"])
AWS_PACED = Histogram(
    "tracetrack_operator_aws_paced_seconds",
    "Time that calls waited for their turn, by operation.",
    ["service", "operation"],
    buckets=(0.001, 0.01, 0.1, 1, 10, 60, 600),
)


class AwsPort(Protocol):
    """AWS by boto3's names: `await aws.call("iot", "create_thing", thingName="…")`."""

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """The answer of one call. Raises kinds of `ReconcileError` (see `aws.errors`)."""

    def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """The members of `items` over all pages, each page paced as a call of its own."""


class AwsClient:
    """`AwsPort` over boto3. Clients are built once per (service, region); `region` defaults to the environment's."""

    def __init__(self, region: str | None = None) -> None:
        self._session = boto3.session.Session(region_name=region)
        self._clients: dict[tuple[str, str | None, bool], Any] = {}
        self._buckets: dict[tuple[str, str | None], TokenBucket] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._building = Lock()

    @property
    def region(self) -> str:
        """The default region; empty when the environment names none."""
        return self._session.region_name or ""

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        listed = CALLS.get((service, operation))
        if listed is None:
            raise PermissionError(f"{service}.{operation} is not in the table of AWS calls (aws/calls.py)")
        region = region or self._session.region_name
        if (service, region, listed.repeatable) not in self._clients:
            # Building takes long: calls that had their turn meanwhile would come out all at once.
            await asyncio.get_running_loop().run_in_executor(
                self._pool, self._client, service, region, listed.repeatable
            )
        waited = await self._bucket(listed, region).acquire()
        AWS_PACED.labels(service, operation).observe(waited)
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._send, service, operation, region, listed.repeatable, parameters
        )

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        client = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._client, service, region or self._session.region_name
        )
        paging = client.get_paginator(operation)._pagination_cfg
        given, taken = paging["input_token"], paging["output_token"]
        token: str | None = None
        while True:
            page = await self.call(service, operation, region=region, **parameters, **({given: token} if token else {}))
            for item in page.get(items, []):
                yield item
            token = page.get(taken)
            if not token:
                return

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _send(
        self, service: str, operation: str, region: str | None, repeatable: bool, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        failure: ReconcileError
        try:
            with AWS_SECONDS.labels(service, operation).time():
                answer: dict[str, Any] = getattr(self._client(service, region, repeatable), operation)(**parameters)
        except ClientError as error:
            failure = sort_client_error(error, service, operation)
            code = "Throttled" if isinstance(failure, AwsThrottled) else error.response["Error"].get("Code", "Unknown")
            AWS_CALLS.labels(service, operation, code).inc()
            raise failure from error
        except BotoCoreError as error:
            AWS_CALLS.labels(service, operation, type(error).__name__).inc()
            raise sort_core_error(error, service, operation) from error
        AWS_CALLS.labels(service, operation, "ok").inc()
        return answer

    def _client(self, service: str, region: str | None, repeatable: bool = True) -> Any:
        with self._building:
            client = self._clients.get((service, region, repeatable))
            if client is None:
                retries: Any = {"mode": "standard", "total_max_attempts": 3 if repeatable else 1}
                client = self._session.client(
                    service,  # type: ignore[call-overload]
                    region_name=region,
                    config=Config(retries=retries, connect_timeout=5, read_timeout=30, max_pool_connections=THREADS),
                )
                client.meta.events.register("response-received", partial(_count_throttle, service))
                self._clients[service, region, repeatable] = client
            return client

    def _bucket(self, call: Call, region: str | None) -> TokenBucket:
        name, quota = pace(call)
        bucket = self._buckets.get((name, region))
        if bucket is None:
            bucket = self._buckets[name, region] = TokenBucket(quota.rate, quota.burst)
        return bucket


def _count_throttle(service: str, *, parsed_response: dict[str, Any] | None, event_name: str, **_: Any) -> None:
    """Of every attempt: what boto3 repeats with success is a throttled call all the same."""
    if ((parsed_response or {}).get("Error") or {}).get("Code") in THROTTLES:
        AWS_THROTTLES.labels(service, xform_name(event_name.rpartition(".")[2])).inc()
