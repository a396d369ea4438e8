"""Whatever several connections send, in any order, a server answers an honest stream, and raises nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from eventstream.http2 import Budget, ServerStream, StreamError
from eventstream.http2._h2 import PREFACE
from eventstream.http2.connection import READ_SIZE
from eventstream.http2.server import ServerConnection, Shared
from fuzz.harness import Draw

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = 4
MAX_STREAMS = 5
TURNS = 60
"""Turns of the event loop within which the honest stream is answered: each connection has its own in each of them."""

REQUEST = b"\x83\x86\x84\x41\x09localhost"
"""POST / over http to localhost; the last header goes into the table."""
EARLY = b"\x83\x86\x44\x06/early\x41\x09localhost"
SETTINGS = SettingsFrame(0).serialize()
WORDS = [PREFACE, SETTINGS, REQUEST, EARLY]


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class World:
    """A server, an honest stream, and connections that send what they like."""

    def __init__(self) -> None:
        self.faults: list[object] = []
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        budget = Budget(20, 0)
        self.shared = Shared(self._handle, max_concurrent_streams=MAX_STREAMS, resets=budget, idle_frames=budget)
        self.connections: list[ServerConnection] = []
        self.honest = self._connect(
            PREFACE + SETTINGS + HeadersFrame(1, data=REQUEST, flags=["END_HEADERS"]).serialize()
        )
        self._parsed = 0

    async def _handle(self, stream: ServerStream) -> None:
        """Answer before the request has ended, or send back what comes."""
        try:
            if stream.path == "/early":
                await stream.respond(403, end=True)
                return
            await stream.respond(200)
            async for data in stream:
                await stream.send(data)
            await stream.end()
        except StreamError:
            pass
        except Exception as error:
            self.faults.append(error)
            raise

    def _connect(self, data: bytes) -> ServerConnection:
        connection = ServerConnection(self.shared)
        connection.connection_made(Transport())
        connection.data_received(data)
        return connection

    def close(self) -> None:
        """End everything; nothing may be left that raised."""
        self.loop.run_until_complete(self.end())
        self.loop.close()
        assert not self.faults, self.faults

    async def end(self) -> None:
        """Lose all connections."""
        for connection in (*self.connections, self.honest):
            connection.connection_lost(None)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not self.shared.tasks, "a handler outlives its stream"
        assert not self.shared.connections

    def chunk(self, data: bytes) -> None:
        """Send this on the honest stream, and get it back."""
        self.loop.run_until_complete(self.exchange(data))

    async def exchange(self, data: bytes) -> None:
        """Send this on the honest stream, and get it back, from within the event loop."""
        self.honest.data_received(DataFrame(1, data=data).serialize())
        received = b""
        for _ in range(TURNS):
            await asyncio.sleep(0)
            for frame in self._answers():
                if isinstance(frame, DataFrame) and frame.data:
                    received += frame.data
                    size = len(frame.data)
                    returned = [WindowUpdateFrame(number, window_increment=size).serialize() for number in (0, 1)]
                    self.honest.data_received(b"".join(returned))
            if len(received) == len(data):
                break
        assert received == data, "the honest stream is answered"
        assert self.honest._closed is None

    def _answers(self) -> list[Frame]:
        transport = self.honest._transport
        assert isinstance(transport, Transport)
        frames = []
        data = bytes(transport.written[self._parsed :])
        while data:
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))
            frame.parse_body(memoryview(data[9 : 9 + length]))
            frames.append(frame)
            data = data[9 + length :]
            self._parsed += 9 + length
        return frames

    def attack(self, draw: Draw) -> None:
        """Do what the bytes say."""
        self.loop.run_until_complete(self.step(draw))
        self.check()

    async def step(self, draw: Draw) -> None:
        """Do what the bytes say, from within the event loop."""
        kind = draw.byte() % 32
        if kind == 0 and len(self.connections) < CONNECTIONS:
            self.connections.append(
                self._connect(PREFACE[: draw.byte() % 40] if draw.byte() % 4 else PREFACE + SETTINGS)
            )
        elif not self.connections:
            self.connections.append(self._connect(PREFACE + SETTINGS))
        else:
            connection = self.connections[draw.byte() % len(self.connections)]
            if kind == 1 or connection._closed is not None:
                self.connections.remove(connection)
                connection.connection_lost(None if draw.byte() % 2 else OSError("gone"))
            elif kind == 2:
                for _ in range(draw.byte() % 8):
                    await asyncio.sleep(0)
            else:
                wire = FRAMES[kind % len(FRAMES)](draw) * (1 if draw.byte() % 4 else draw.byte() % 30)
                cut = draw.byte() % (len(wire) + 1)
                connection.data_received(wire[:cut])
                connection.data_received(wire[cut:])

    def check(self) -> None:
        """Hold everything against its bound."""
        assert not self.faults, self.faults
        for connection in self.connections:
            assert len(connection._flows) <= MAX_STREAMS
            assert connection.running <= 2 * MAX_STREAMS
            assert len(connection._h2._closed_streams) <= 128
            assert len(connection._arrived) <= 4 * READ_SIZE
            assert connection._closed is None or not connection._flows


def _number(draw: Draw) -> int:
    return (0, 1, 1, 3, 3, 5, 7, 9, 2, 2**31 - 1)[draw.byte() % 10]


def _block(draw: Draw) -> bytes:
    return (REQUEST, REQUEST, EARLY, b"\x00\x01a\x01b", b"\xbe", draw.bytes(draw.byte() % 20))[draw.byte() % 6]


def _headers(draw: Draw) -> bytes:
    flags = (["END_HEADERS"], ["END_HEADERS", "END_STREAM"], [], ["END_STREAM"])[draw.byte() % 4]
    return HeadersFrame(_number(draw) or 1, data=_block(draw), flags=flags).serialize()


def _data(draw: Draw) -> bytes:
    data = bytes(draw.number(2) % 16_384) if draw.byte() % 4 == 0 else draw.bytes(draw.byte() % 20)
    return DataFrame(_number(draw) or 1, data=data, flags=["END_STREAM"] if draw.byte() % 4 == 0 else []).serialize()


def _raw(draw: Draw) -> bytes:
    payload = draw.bytes(draw.byte() % 40)
    head = bytes([draw.byte() % 14, draw.byte()]) + _number(draw).to_bytes(4, "big")
    return len(payload).to_bytes(3, "big") + head + payload


FRAMES: tuple[Callable[[Draw], bytes], ...] = (
    _headers,
    _headers,
    _data,
    lambda draw: RstStreamFrame(_number(draw) or 1, error_code=draw.byte()).serialize(),
    lambda draw: WindowUpdateFrame(_number(draw), window_increment=draw.number(4) % 2**31 or 1).serialize(),
    lambda draw: PingFrame(0, opaque_data=bytes(8), flags=["ACK"] if draw.byte() % 2 else []).serialize(),
    lambda draw: SettingsFrame(0, settings={draw.byte() % 10: draw.number(4)}).serialize(),
    lambda draw: PriorityFrame(_number(draw) or 1, depends_on=_number(draw), stream_weight=1).serialize(),
    lambda draw: GoAwayFrame(0, last_stream_id=_number(draw), error_code=draw.byte() % 14).serialize(),
    lambda draw: ContinuationFrame(
        _number(draw) or 1, data=_block(draw), flags=["END_HEADERS"] if draw.byte() % 2 else []
    ).serialize(),
    lambda draw: PushPromiseFrame(
        _number(draw) or 1, data=_block(draw), promised_stream_id=2, flags=["END_HEADERS"]
    ).serialize(),
    _raw,
    lambda draw: draw.bytes(draw.byte()),
)


def check(data: bytes, chunks: int) -> None:
    world = World()
    world.loop.run_until_complete(_attacked(world, Draw(data), chunks))  # once: it takes longer than a step
    world.close()


async def _attacked(world: World, draw: Draw, chunks: int) -> None:
    steps = 0
    while draw:
        await world.step(draw)
        world.check()
        steps += 1
        if steps % chunks == 0:
            await world.exchange(b"beside")
        elif steps % 2:
            await asyncio.sleep(0)
    await world.exchange(b"after")


def quick(data: bytes) -> None:
    check(data, 16)


def thorough(data: bytes) -> None:
    """With a chunk after each step."""
    check(data, 1)
