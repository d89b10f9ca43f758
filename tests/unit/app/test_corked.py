"""Head and body of an answer leave in one write, and nothing stays behind."""

import asyncio

from tracetrack_app.http.corked import CorkedTransport

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"ok"


class Wire(asyncio.Transport):
    """Keeps what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0


def corked() -> tuple[Wire, CorkedTransport]:
    wire = Wire()
    return wire, CorkedTransport(wire, asyncio.get_running_loop())


async def test_head_and_body_are_one_write() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    assert wire.writes == []
    assert transport.get_write_buffer_size() == len(HEAD)
    transport.write(BODY)
    transport.write(HEAD)
    transport.write(BODY)
    assert wire.writes == [HEAD + BODY] * 2
    await asyncio.sleep(0)
    assert wire.writes == [HEAD + BODY] * 2


async def test_a_head_whose_body_takes_its_time_goes_ahead() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]
    transport.write(BODY)
    assert wire.writes == [HEAD, BODY]


async def test_what_is_held_is_sent_before_the_end() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    transport.close()
    assert wire.writes == [HEAD]
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]


async def test_what_is_no_head_is_not_held() -> None:
    wire, transport = corked()
    transport.write(b"\x81\x02ok")
    transport.writelines([b"\x81", b"\x00"])
    assert wire.writes == [b"\x81\x02ok", b"\x81\x00"]
