"""Connections: windows, floods, GOAWAY, and peers that are none."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from cases import each
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from http2.loopback import (
    RESPONSE,
    SOON,
    FakeTransport,
    Peer,
    connected_to,
    echo,
    exchange,
    headers,
    lonely,
    opened,
    pair,
    processed,
    raw_client,
    raw_server,
    read,
    request,
    run,
    settled,
    status_of,
    turns,
    written,
)
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from eventstream import http2
from eventstream.http2 import ClientConnection, StreamError
from eventstream.http2._h2 import PREFACE
from eventstream.http2.budget import Budget
from eventstream.http2.connection import CONNECTION_WINDOW, FRAMES_PER_TURN, MAX_UNWRITTEN, READ_SIZE, WRITE_SIZE
from eventstream.http2.server import ServerConnection, Shared
from eventstream.http2.stream import STREAM_WINDOW


def test_many_streams_at_once():
    async def main():
        async with pair(echo) as (_, connection):
            bodies = [bytes([number]) * 100_000 for number in range(100)]
            assert await asyncio.gather(*(exchange(connection, body) for body in bodies)) == bodies

    run(main())


def test_flow_control_returns_windows_in_larger_steps():
    """A stream's, when it is more than half of it; a connection's, when it is more than a quarter."""

    async def main():
        connection = lonely()
        await asyncio.sleep(0)
        assert opened(connection._transport) == [(0, CONNECTION_WINDOW - STREAM_WINDOW)]
        stream = await connection.request(request())
        connection.data_received(RESPONSE)

        async def take(size):
            for start in range(0, size, 16_384):
                connection.data_received(DataFrame(1, data=bytes(min(16_384, size - start))).serialize())
                await stream.receive()
            await asyncio.sleep(0)
            return opened(connection._transport)

        half, quarter = STREAM_WINDOW // 2, CONNECTION_WINDOW // 4
        for _ in range(2):
            assert await take(half) == []
            assert await take(1) == [(1, half + 1)]
        left = quarter - 2 * (half + 1)
        assert [number for number, _ in await take(left)] == [1] * (left // (half + 1))
        assert (0, quarter + 1) in await take(1)
        assert 0 not in [number for number, _ in await take(quarter)]
        assert (0, quarter + 1) in await take(1)

    run(main())


def test_flow_control_returns_unread_bodies_to_the_connection():
    async def handler(stream):
        if stream.path == "/echo":
            await echo(stream)
        else:
            await stream.respond(200, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            for _ in range(40):  # 2.6 MB, more than two windows of the connection
                stream = await connection.request(request("/unread"))
                with suppress(StreamError):
                    await stream.send(bytes(65_535))
                await stream.response()
                assert await stream.receive() == b""
            assert await exchange(connection) == b"hello"

    run(main())


def test_peer_whose_socket_is_full():
    """What is sent waits for the socket too, not only for HTTP/2's windows."""

    async def main():
        filled = asyncio.Event()

        async def behave(reader, writer):
            peer = Peer(reader, writer, client=False)
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
            peer.h2.increment_flow_control_window(2**30)
            await peer.flush()
            await filled.wait()
            while await reader.read(65_536):
                pass

        async with raw_server(behave) as port, http2.connect("127.0.0.1", port) as connection:
            stuck, other = [await connection.request(request()) for _ in range(2)]
            with pytest.raises(TimeoutError):
                await stuck.send(bytes(100_000_000), timeout=0.2)
            assert connection._transport.get_write_buffer_size() < 2 * WRITE_SIZE
            sending = asyncio.create_task(other.send(bytes(100_000)))
            await asyncio.sleep(0)
            assert not sending.done()
            filled.set()
            await sending

    run(main())


def test_peer_that_does_not_read_answers_is_dropped():
    async def main():
        shared = Shared(echo)
        connection = ServerConnection(shared)
        transport = FakeTransport(buffered=MAX_UNWRITTEN + 1)
        connection.connection_made(transport)
        ping = PingFrame(0)
        ping.opaque_data = bytes(8)
        connection.data_received(PREFACE + ping.serialize())
        await asyncio.sleep(0)
        assert transport.aborted
        assert connection._closed.code == ErrorCodes.ENHANCE_YOUR_CALM

    run(main())


def test_send_continues_when_the_connection_window_opens():
    async def main():
        connection = lonely()
        connection.data_received(SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}).serialize())
        stream = await connection.request(request())
        sending = asyncio.create_task(stream.send(bytes(100_000)))
        await asyncio.sleep(SOON)
        assert not sending.done()
        connection.data_received(WindowUpdateFrame(0, window_increment=100_000).serialize())
        await sending

    run(main())


@pytest.mark.parametrize("size", [WRITE_SIZE, 10 * WRITE_SIZE])
def test_send_raises_when_peer_is_dropped(size):
    """Also with its last bytes."""

    async def main():
        connection = lonely()
        transport = connection._transport
        connection.data_received(SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}).serialize())
        connection.data_received(WindowUpdateFrame(0, window_increment=2**30).serialize())
        stream = await connection.request(request())
        transport.buffered = MAX_UNWRITTEN + 1
        with pytest.raises(StreamError, match="the peer is not reading"):
            await stream.send(bytes(size))
        assert transport.aborted

    run(main())


def test_peer_that_takes_large_frames_is_sent_what_it_reads():
    size = 8 << 20

    async def handler(stream):
        await stream.respond(200)
        await stream.send(bytes(size))
        await stream.end()

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            large = {SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1, SettingCodes.MAX_FRAME_SIZE: 2**24 - 1}
            peer.h2.update_settings(large)
            peer.h2.increment_flow_control_window(2**30)
            peer.h2.send_headers(1, request(), end_stream=True)
            received = 0
            while received < size:
                received += len((await peer.until(DataReceived)).data)
            await peer.until(StreamEnded)
            assert received == size

    run(main())


@pytest.mark.parametrize(
    ("call", "frame"),
    [
        (lambda connection, stream: stream.receive(SOON), b"\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
        (
            lambda connection, stream: stream.send(bytes(100_000), timeout=SOON),
            b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + b"\x00\x00\x00\x01",
        ),
        (
            lambda connection, stream: connection.request(request(), timeout=SOON),
            b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        ),
    ],
    ids=["receive, empty DATA", "send, WINDOW_UPDATE", "request, SETTINGS"],
)
def test_flood_holds_up_no_timeout(call, frame):
    """Even without the budget for such frames, which a fast machine would exceed in that time."""

    async def flood(connection):
        while True:
            connection.data_received(frame)
            await asyncio.sleep(0)

    async def main():
        connection = lonely(idle_frames=None)
        stream = await connection.request(request())
        connection.data_received(RESPONSE)
        flooding = asyncio.create_task(flood(connection))
        with pytest.raises(TimeoutError, match=r"for 0\.05 s"):
            await call(connection, stream)
        assert connection._closed is None
        flooding.cancel()
        connection.connection_lost(None)

    run(main())


@each(
    ("happen", "text", "code", "remote"),
    [
        (
            lambda connection: connection.data_received(RstStreamFrame(1, error_code=8).serialize()),
            "the stream was reset by the peer (CANCEL)",
            ErrorCodes.CANCEL,
            True,
        ),
        (
            lambda connection: connection.data_received(WindowUpdateFrame(1, window_increment=2**31 - 1).serialize()),
            "the peer violated HTTP/2 (FLOW_CONTROL_ERROR)",
            ErrorCodes.FLOW_CONTROL_ERROR,
            False,
        ),
        (
            lambda connection: connection.data_received(GoAwayFrame(0, last_stream_id=0).serialize()),
            "the server closed the connection without processing it (REFUSED_STREAM)",
            ErrorCodes.REFUSED_STREAM,
            True,
        ),
        (
            lambda connection: connection.data_received(GoAwayFrame(0, last_stream_id=1, error_code=12).serialize()),
            "the peer ended the connection (INADEQUATE_SECURITY)",
            ErrorCodes.INADEQUATE_SECURITY,
            True,
        ),
        (lambda connection: connection.connection_lost(None), "the connection was lost", None, True),
        (
            lambda connection: connection.connection_lost(OSError("gone")),
            "the connection was lost (OSError)",
            None,
            True,
        ),
    ],
    ids=["reset", "window", "not seen", "GOAWAY", "lost", "broken"],
)
def test_stream_error_says_what_cut_the_stream(happen, text, code, remote):
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection._write()
        happen(connection)
        for call in (stream.response(), stream.send(b""), stream.receive()):
            with pytest.raises(StreamError) as raised:
                await call
            assert (str(raised.value), raised.value.code, raised.value.remote) == (text, code, remote)

    run(main())


def test_window_that_grows_too_far_ends_the_stream_alone():
    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            for stream_id in (1, 3):
                peer.h2.send_headers(stream_id, request())
            await peer.until(ResponseReceived)
            peer.writer.write(b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x7f\xff\xff\xff")
            reset = await peer.until(StreamReset)
            assert (reset.stream_id, reset.error_code) == (1, ErrorCodes.FLOW_CONTROL_ERROR)
            peer.h2.send_data(3, b"hello")
            assert (await peer.until(DataReceived)).data == b"hello"

    run(main())


def test_goaway_ignores_frames_of_refused_streams():
    async def behave(peer):
        for _ in range(3):
            await peer.until(DataReceived)
        peer.writer.write(GoAwayFrame(0, last_stream_id=1).serialize())
        peer.h2.send_headers(3, [(":status", "200")])
        peer.h2.send_data(3, b"too late")
        peer.h2.increment_flow_control_window(10, 3)
        peer.h2.end_stream(3)
        peer.h2.reset_stream(5)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"in time", end_stream=True)
        await peer.flush()
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            streams = [await connection.request(request()) for _ in range(3)]
            for stream in streams:
                await stream.send(b"hello")
            assert await streams[0].receive() == b"in time"
            await streams[0].end()
            for stream in streams[1:]:
                with pytest.raises(StreamError, match="REFUSED_STREAM"):
                    await stream.response()

    run(main())


def test_server_that_ends_the_connection_for_a_reason():
    async def behave(peer):
        await peer.until(DataReceived)
        peer.h2.close_connection(ErrorCodes.INADEQUATE_SECURITY)
        await peer.flush()
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.send(b"hello")
            with pytest.raises(StreamError, match="INADEQUATE_SECURITY") as raised:
                await stream.receive()
            assert raised.value.code == ErrorCodes.INADEQUATE_SECURITY

    run(main())


def test_closing_a_connection_can_be_cancelled():
    """To a peer that does not read, there is always something left to write."""

    async def main():
        done = asyncio.Event()

        async def behave(reader, writer):
            peer = Peer(reader, writer, client=False)
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
            peer.h2.increment_flow_control_window(2**30)
            await peer.flush()
            await done.wait()

        async def client(port):
            async with http2.connect("127.0.0.1", port) as connection:
                connections.append(connection)
                stream = await connection.request(request())
                with pytest.raises(TimeoutError):
                    await stream.send(bytes(100_000_000), timeout=0.2)

        connections = []
        async with raw_server(behave) as port:
            task = asyncio.create_task(client(port))
            while not (connections and connections[0]._closed):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await connections[0]._lost
            done.set()

    run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        bytes(100),
        PREFACE + b"\xff" * 100,
        PREFACE[:10] + b"?" * 50,
    ],
)
def test_garbage_from_a_client(garbage):
    async def main():
        async with pair(echo) as (server, connection):
            async with raw_client(server) as peer:
                peer.writer.write(garbage)
                while await peer.reader.read(65_536):
                    pass
            assert await exchange(connection) == b"hello"

    run(main())


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", bytes(100), b"\xff" * 100, b""]
)
def test_garbage_from_a_server(garbage):
    async def behave(reader, writer):
        await reader.read(1)
        writer.write(garbage)
        with suppress(ConnectionError):
            while garbage and await reader.read(65_536):
                pass

    async def main():
        async with raw_server(behave) as port:
            with pytest.raises(StreamError, match="not HTTP/2; it began with" if garbage else "lost"):
                async with http2.connect("127.0.0.1", port):
                    pass

    run(main())


@st.composite
def frames(draw):
    """Frames of any type, with any flags and content, on few streams."""
    wire = b""
    for _ in range(draw(st.integers(1, 8))):
        payload = draw(st.binary(max_size=40))
        kind = draw(st.integers(0, 12))
        flags = draw(st.sampled_from([0, 1, 4, 5, 8, 9, 32, 255]))
        stream_id = draw(st.integers(0, 5))
        wire += len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload
    return wire


@given(frames(), st.booleans(), st.integers(1, 60))
def test_connection_survives_or_closes_for_any_bytes(wire, is_client, size):
    """Whatever comes, the connection goes on or is closed; no exception reaches the event loop."""

    async def main():
        if is_client:
            connection = ClientConnection()
            first = H2Connection(H2Configuration(client_side=False))
        else:
            connection = ServerConnection(Shared(echo))
            first = H2Connection(H2Configuration(client_side=True))
        connection.connection_made(FakeTransport())
        first.initiate_connection()
        if is_client:
            streams = [await connection.request(request()) for _ in range(2)]
        else:
            for stream_id in (1, 3):
                first.send_headers(stream_id, request())
        data = first.data_to_send() + wire
        for start in range(0, len(data), size):
            connection.data_received(data[start : start + size])
        await asyncio.sleep(0)
        connection.connection_lost(None)
        if is_client:
            for stream in streams:
                with suppress(StreamError):
                    await read(stream)
        else:
            while connection.running:
                await asyncio.sleep(0)
        if connection._close_timer:
            assert connection._close_timer.cancelled()

    run(main())


# Budgets


def ping(data=bytes(8)):
    return PingFrame(0, opaque_data=data).serialize()


SETTINGS = SettingsFrame(0).serialize()

IDLE = {
    "PING": ping(),
    "SETTINGS": SETTINGS,
    "PRIORITY": PriorityFrame(1, depends_on=0, stream_weight=1).serialize(),
    "empty DATA": DataFrame(1).serialize(),
    "DATA of padding": DataFrame(1, pad_length=2, flags=["PADDED"]).serialize(),
    "DATA of no padding": DataFrame(1, pad_length=0, flags=["PADDED"]).serialize(),
    "WINDOW_UPDATE": WindowUpdateFrame(0, window_increment=1).serialize(),
    "WINDOW_UPDATE of a stream": WindowUpdateFrame(1, window_increment=1).serialize(),
    "unknown": b"\0\0\1\x77\0\0\0\0\0?",
}
RESETS = {
    "RST_STREAM": lambda number: headers(number) + RstStreamFrame(number, error_code=8).serialize(),
    "RST_STREAM alone": lambda number: RstStreamFrame(1, error_code=8).serialize(),
    "window": lambda number: headers(number) + WindowUpdateFrame(number, window_increment=2**31 - 1).serialize(),
    "data after the end": lambda number: headers(number, end=True) + DataFrame(number, data=b"more").serialize(),
    "trailers": lambda number: headers(number) + headers(number, [("x-trailer", "")]),
    "malformed": lambda number: headers(number, [("Name", "value")]),
}


async def flooded(connection, wires):
    """How many of these were sent until a GOAWAY came, and until the connection was closed."""
    goodbye = None
    for number, wire in enumerate(wires, 1):
        connection.data_received(wire)
        await processed(connection)
        if goodbye is None and any(isinstance(frame, GoAwayFrame) for frame in written(connection)):
            goodbye = number
        if connection._transport.closed:
            return goodbye, number
    return goodbye, None


async def waiting(stream):
    """Answer at the end of the request."""
    await read(stream)
    await stream.respond(200, end=True)


@asynccontextmanager
async def begun(*frames, handler=waiting, **budgets):
    """Yield a server's connection that has received these frames, and called its handlers. It is lost in the end."""
    connection = settled(SETTINGS, *frames, handler=handler, **budgets)
    await turns()
    try:
        yield connection
    finally:
        connection.connection_lost(None)
        await turns()


@pytest.mark.parametrize("frame", IDLE.values(), ids=IDLE)
def test_budget_of_idle_frames(frame, caplog):
    """Beyond it no stream is taken, those there are go on, and a flood that goes on ends the connection."""

    async def main():
        async with begun(headers(1), idle_frames=Budget(100, 0)) as connection:
            assert await flooded(connection, [frame] * 99) == (None, None)
            assert await flooded(connection, [frame] * 10) == (2, None)
            connection.data_received(headers(3, end=True))
            (refused,) = [frame for frame in written(connection) if isinstance(frame, RstStreamFrame)]
            assert (refused.stream_id, refused.error_code) == (3, ErrorCodes.REFUSED_STREAM)
            connection.data_received(DataFrame(1, data=b"end", flags=["END_STREAM"]).serialize())
            await turns()
            assert status_of(written(connection)[0]) == b"200"
            assert connection._transport.closed  # its last stream has ended

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    assert "faster than the budgets allow" in caplog.text


@each("frame", IDLE.values(), ids=IDLE)
def test_flood_of_idle_frames_ends_the_connection(frame):
    async def main():
        async with begun(headers(1), idle_frames=Budget(100, 0)) as connection:
            goodbye, closed = await flooded(connection, [frame] * 300)
            assert 100 <= goodbye <= 106
            assert 200 <= closed <= 210
            assert connection._closed.code == ErrorCodes.ENHANCE_YOUR_CALM

    run(main())


def test_flood_of_empty_continuations_ends_the_connection():
    async def main():
        async with begun(headers(1), idle_frames=Budget(10, 0)) as connection:
            connection.data_received(HeadersFrame(3, data=headers(3)[9:]).serialize())
            _, closed = await flooded(connection, [ContinuationFrame(3).serialize()] * 50)
            assert 20 <= closed <= 26

    run(main())


@pytest.mark.parametrize("wire", RESETS.values(), ids=RESETS)
def test_budget_of_resets(wire):
    """Of either side: what a client makes us reset counts as what it resets."""

    async def main():
        async with begun(headers(1), resets=Budget(50, 0), idle_frames=None) as connection:
            goodbye, closed = await flooded(connection, [wire(id) for id in range(3, 403, 2)])
            assert goodbye == 51
            assert closed is not None
            assert closed <= 102

    run(main())


def test_budgets_can_be_switched_off():
    async def main():
        async with begun(headers(1), resets=None, idle_frames=None) as connection:
            wires = [ping() + RESETS["RST_STREAM"](id) for id in range(3, 10_003, 2)]
            assert await flooded(connection, wires) == (None, None)

    run(main())


@pytest.mark.parametrize("ours", [True, False], ids=["it receives", "it sends"])
def test_budget_is_not_met_by_windows_that_are_returned(ours):
    """By a peer that returns both windows for each frame of data, and asks for an answer to each."""
    idle = [IDLE["WINDOW_UPDATE"], IDLE["WINDOW_UPDATE of a stream"], ping(), SETTINGS]

    async def handler(stream):
        await stream.respond(200)
        for _ in range(1_000 if ours else 0):
            await stream.send(b"data")
            await asyncio.sleep(0)
        await read(stream)

    async def main():
        async with begun(headers(1), handler=handler, idle_frames=Budget(100, 0)) as connection:
            for _ in range(1_000):
                await asyncio.sleep(0)
                if not ours:
                    connection.data_received(DataFrame(1, data=b"data").serialize())
                connection.data_received(b"".join(idle))
            assert not connection._leaving

    run(main())


LATE = {
    "headers": (headers(3, [("x-trailer", "")]), 0),
    "empty data": (DataFrame(3).serialize(), 0),
    "data": (DataFrame(3, data=b"x").serialize(), 63),
    "padded data": (DataFrame(3, data=b"x", pad_length=100, flags=["PADDED"]).serialize(), 63),
    "much data": (DataFrame(3, data=bytes(16_384)).serialize(), 3),
}
"""Frames, and how many of them may have been under way when the stream was reset."""


@pytest.mark.parametrize(("late", "free"), LATE.values(), ids=LATE)
def test_budget_is_not_met_by_a_stream_that_was_reset(late, free):
    """What comes late carries nothing for anybody."""

    async def main():
        async with begun(headers(1), RESETS["malformed"](3), idle_frames=Budget(100, 0)) as connection:
            goodbye, closed = await flooded(connection, [late] * 300)
            assert 95 <= goodbye - free <= 106
            assert 195 <= closed - free <= 210

    run(main())


def test_budget_is_not_met_by_data_that_is_dropped():
    """That of a client that goes on to send after the response."""

    async def main():
        async with begun(headers(1), handler=answering, idle_frames=Budget(100, 0)) as connection:
            goodbye, closed = await flooded(connection, [DataFrame(1, data=b"x").serialize()] * 1_000)
            assert 160 <= goodbye <= 235
            assert 260 <= closed <= 335

    run(main())


def test_budget_is_kept_by_large_data_that_is_dropped():
    """A client that sends a file needs a moment to see that it was refused."""

    async def main():
        async with begun(headers(1), handler=answering, idle_frames=Budget(2, 0)) as connection:
            assert await flooded(connection, [DataFrame(1, data=bytes(16_384)).serialize()] * 1_000) == (None, None)
            connection.data_received(RstStreamFrame(1, error_code=8).serialize())
            assert not connection._h2._dropping
            assert not connection._h2.is_over_budget

    run(main())


async def answering(stream):
    """Answer before the request has ended."""
    await stream.respond(200, end=True)


def test_budget_is_kept_by_data_under_way_to_a_reset_stream():
    """Up to a whole window of each stream, in frames of kilobytes."""
    sizes = [1_024] * 48 + [16_383]
    assert sum(sizes) == STREAM_WINDOW

    async def main():
        async with begun(idle_frames=Budget(2, 0)) as connection:
            numbers = range(1, 61, 2)
            for number in numbers:
                connection.data_received(RESETS["malformed"](number))
            late = [DataFrame(number, data=bytes(size)).serialize() for number in numbers for size in sizes]
            assert await flooded(connection, late) == (None, None)
            assert not connection._h2.is_over_budget

    run(main())


def test_budget_of_late_data_does_not_grow_without_bound():
    """However many streams were reset, as many windows are free as closed streams are remembered."""

    async def main():
        async with begun(resets=None, idle_frames=Budget(100, 0)) as connection:
            for number in range(1, 2_001, 2):
                connection.data_received(RESETS["malformed"](number))
                await processed(connection)
            free = len(connection._h2._closed_streams) * STREAM_WINDOW // 1_024
            late = DataFrame(1_999, data=b"x").serialize() * 10
            goodbye, _ = await flooded(connection, [late] * (free // 10 + 20))
            assert free <= 10 * (goodbye - 10) + 10 <= free + 20

    run(main())


def test_late_data_where_there_is_no_budget():
    async def main():
        async with begun(headers(1), RESETS["malformed"](3), idle_frames=None) as connection:
            assert await flooded(connection, [DataFrame(3, data=b"x").serialize()] * 300) == (None, None)

    run(main())


@pytest.mark.parametrize("frame", [ping(), headers(1, [(":status", "103")])], ids=["PING", "interim responses"])
def test_budgets_of_a_client(frame):
    async def main():
        connection = lonely(idle_frames=Budget(100, 0))
        stream = await connection.request(request())
        goodbye, closed = await flooded(connection, [frame] * 300)
        assert 100 <= goodbye <= 105
        assert 200 <= closed <= 210
        with pytest.raises(StreamError, match="too many frames that carry nothing") as raised:
            await stream.response()
        assert raised.value.code == ErrorCodes.ENHANCE_YOUR_CALM
        connection.connection_lost(None)

    run(main())


# Turns


def test_turn_processes_a_bounded_number_of_frames():
    """Meanwhile nothing more is read."""

    async def main():
        connection = settled(SETTINGS, idle_frames=None)
        await turns()
        written(connection)
        frames = 3 * 64 + 10
        connection.data_received(b"".join(ping(number.to_bytes(8, "big")) for number in range(frames)))
        answered = []
        while not connection._transport.reading:
            answered.append(len(written(connection)))
            await asyncio.sleep(0)
        answered.append(len(written(connection)))
        assert answered == [64] * 3 + [10]
        connection.connection_lost(None)

    run(main())


def test_turn_processes_few_requests_of_many_headers():
    """Compressed, a header has a byte; to check it, and to answer, takes microseconds."""

    async def main():
        connection = settled(SETTINGS)
        block = headers(1)[9:] + b"\x93" * 1_000  # a header of the static table
        connection.data_received(
            b"".join(HeadersFrame(number, data=block, flags=["END_HEADERS"]).serialize() for number in range(1, 31, 2))
        )
        begun = [len(connection._flows)]
        while not connection._transport.reading:
            await asyncio.sleep(0)
            begun.append(len(connection._flows))
        assert begun[0] == 1
        assert max(later - before for before, later in pairwise(begun)) == 1
        assert begun[-1] == 15
        connection.connection_lost(None)

    run(main())


def test_turn_keeps_what_came_before_the_connection_was_lost():
    """At the client, which wants to know what was answered."""

    async def main():
        connection = lonely()
        stream = await connection.request(request())
        body = b"".join(DataFrame(1, data=b"%03d" % number).serialize() for number in range(3 * FRAMES_PER_TURN))
        connection.data_received(RESPONSE + body)
        assert not connection._transport.reading
        connection.connection_lost(OSError("gone"))
        assert await stream.receive() == b"".join(b"%03d" % number for number in range(3 * FRAMES_PER_TURN))
        with pytest.raises(StreamError, match=r"^the connection was lost \(OSError\)$"):
            await stream.receive()

    run(main())


def test_turn_takes_what_arrives_while_it_is_waited_for():
    """A transport may still deliver what it had read when it was paused."""

    async def main():
        connection = settled(SETTINGS, idle_frames=None)
        await turns()
        written(connection)
        numbers = [number.to_bytes(8, "big") for number in range(3 * FRAMES_PER_TURN)]
        for part in (numbers[: 2 * FRAMES_PER_TURN], numbers[2 * FRAMES_PER_TURN :]):
            connection.data_received(b"".join(ping(number) for number in part))
            assert not connection._transport.reading
        assert len(written(connection)) == FRAMES_PER_TURN  # the second part began no turn of its own
        await processed(connection)
        assert [frame.opaque_data for frame in written(connection)] == numbers[FRAMES_PER_TURN:]
        connection.connection_lost(None)

    run(main())


def test_goodbye_that_nobody_takes_has_an_end(monkeypatch):
    """A connection that does not close is dropped."""
    monkeypatch.setattr("eventstream.http2.connection.CLOSE_TIMEOUT", SOON)

    async def main():
        connection = settled(SETTINGS)
        transport = connection._transport
        connection._disconnect(StreamError("over"))
        assert transport.closed
        assert not transport.aborted
        await asyncio.sleep(2 * SOON)
        assert transport.aborted
        connection.connection_lost(None)

    run(main())


class LostTransport(FakeTransport):
    """TLS of Python 3.10 in the turn in which it has lost its connection."""

    def _fail(self):
        raise AttributeError("'NoneType' object has no attribute")

    pause_reading = resume_reading = get_write_buffer_size = _fail


def test_turn_in_which_tls_has_lost_the_connection():
    async def main():
        async with begun(headers(1)) as connection:
            connection._transport = LostTransport()
            connection.data_received(ping() * (2 * FRAMES_PER_TURN))
            await turns()
            assert sum(isinstance(frame, PingFrame) for frame in written(connection)) == 2 * FRAMES_PER_TURN

    run(main())


def test_turn_that_is_due_after_the_end_does_nothing():
    async def main():
        connection = settled(SETTINGS, idle_frames=None)
        connection.data_received(ping() * 3 * FRAMES_PER_TURN)
        connection._disconnect(StreamError("over"))
        written(connection)
        await turns()
        assert written(connection) == []
        connection.connection_lost(None)

    run(main())


def test_read_is_bounded():
    """Asyncio asks for a buffer for each read of a socket, in one turn of its loop."""

    async def main():
        connection = settled(SETTINGS)
        for _ in range(2):
            buffer = connection.get_buffer(-1)
            assert len(buffer) == READ_SIZE
            buffer[:17] = ping()
            connection.buffer_updated(17)
            assert len(connection._buffer) == 0
        assert [type(frame) for frame in written(connection)][-2:] == [PingFrame] * 2
        connection.connection_lost(None)

    run(main())


def test_flood_beside_a_stream_leaves_it_its_turns():
    """In plaintext on real sockets: while one connection floods, another exchanges."""

    async def main():
        async with pair(echo, idle_frames=None) as (server, connection), raw_client(server) as peer:
            peer.writer.write(peer.h2.data_to_send() + ping() * 60_000)
            for _ in range(5):
                assert await exchange(connection) == b"hello"
            peer.writer.transport.abort()

    run(main())
