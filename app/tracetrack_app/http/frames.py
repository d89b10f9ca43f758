"""Uvicorn's WebSocket protocol with a way to write one frame to many sockets: made once, and no task for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

_EXTENSION = "tracetrack.frames"

WriteFrame = Callable[[bytes], bool]


def text_frame(text: bytes) -> bytes:
    """The WebSocket frame of a text message, as a server sends it (RFC 6455, 5.2)."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class FramesProtocol(WebSocketsSansIOProtocol):
    """What the server is started with."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            cast(dict[str, Any], self.scope["extensions"])[_EXTENSION] = {"write": self.write_frame}

    def write_frame(self, frame: bytes) -> bool:
        """Write a whole frame. False when the socket is not open, or the one before still waits to be taken."""
        if not self.handshake_complete or self.close_sent or not self.writable.is_set() or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True


def writer_of(scope: Any) -> WriteFrame:
    """What writes frames to the socket of this ASGI scope."""
    write: WriteFrame = scope["extensions"][_EXTENSION]["write"]
    return write
