"""GET /api/v1/events: live events by WebSocket."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import Caller, identify, require
from tracetrack_app.http.frames import writer_of
from tracetrack_app.http.replies import ProblemError
from tracetrack_app.store.feed import Feed
from tracetrack_app.store.writer import UnavailableError

CHECK_EVERY = 15.0
_UNAUTHORIZED, _FORBIDDEN, _AGAIN = 4401, 4403, 1013


async def events(socket: WebSocket) -> None:
    """Each frame is a JSON array of events; `[{"type": "resync"}]` tells that some were missed: read anew.

    Closed with 4401 when whoever watches is no longer logged in, 4403 when he may not, 1013 to try again.
    """
    # What tells who calls reads a request's headers and cookies, and a socket's opening has the same.
    request = Request({**socket.scope, "type": "http", "method": "GET"})
    try:
        caller = await _watcher(request)
    except (ProblemError, UnavailableError) as error:
        await socket.accept()
        await socket.close(_closing(error), str(error)[:120])
        return
    feed: Feed = request.app.state.service.feed
    subscriber = feed.subscribe(caller.principal, writer_of(socket.scope))
    try:
        await socket.accept()
        async with asyncio.TaskGroup() as group:
            checking = group.create_task(_check(socket, request, caller))
            await _until_closed(socket)
            checking.cancel()
    except* WebSocketDisconnect:
        pass
    finally:
        feed.unsubscribe(subscriber)


async def _watcher(request: Request) -> Caller:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise ProblemError(403, "forbidden", "Another site's page", "Open this socket from a page of this service.")
    caller = await identify(request)
    await require(request, caller, Permission.LOOKUP)
    return caller


def _closing(error: ProblemError | UnavailableError) -> int:
    if isinstance(error, UnavailableError):
        return _AGAIN
    return _UNAUTHORIZED if error.status == 401 else _FORBIDDEN


async def _check(socket: WebSocket, request: Request, caller: Caller) -> None:
    """Part with one whose session, key, role or area is not what it was."""
    while True:
        await asyncio.sleep(CHECK_EVERY)
        try:
            if (await _watcher(request)).scope == caller.scope:
                continue
            code = _AGAIN
        except ProblemError as error:
            code = _closing(error)
        except UnavailableError:
            continue
        await socket.close(code)
        return


async def _until_closed(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


ROUTES = [WebSocketRoute("/api/v1/events", events)]
