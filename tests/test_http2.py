"""HTTP/2 on loopback: both ends against each other, and each against a peer that does what no peer should."""

from __future__ import annotations

import asyncio
import copy
import pickle
import ssl
import sys
from contextlib import asynccontextmanager, suppress

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, PingAckReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hpack import Encoder
from hpack.hpack import encode_integer
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from eventstream import http2
from eventstream.exceptions import StateError
from eventstream.http2 import StreamError

LIMIT = 20.0
"""Seconds after which a test that hangs fails."""

SOON = 0.05
"""Seconds after which a test believes that something is stuck which must be."""


def run(main):
    """Run a test, which fails also by what asyncio can only log."""
    logged = []

    async def limited():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        return await asyncio.wait_for(main, LIMIT)

    result = asyncio.run(limited(), debug=False)  # in debug mode asyncio also logs handshakes that fail
    assert not logged
    return result


def request(path="/echo"):
    return [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]


@asynccontextmanager
async def pair(handler, **options):
    """A server with this handler, and a connection to it."""
    async with http2.serve(handler, **options) as server, http2.connect("127.0.0.1", server.port) as connection:
        yield server, connection


async def echo(stream):
    await stream.respond(200, [("content-type", "text/plain")])
    async for data in stream:
        await stream.send(data)
    await stream.end()


async def read(stream):
    return b"".join([data async for data in stream])


async def exchange(connection, body=b"hello", path="/echo"):
    """One request, sent and received at once."""
    stream = await connection.request(request(path))
    reading = asyncio.create_task(read(stream))
    await stream.send(body)
    await stream.end()
    return await reading


class Peer:
    """The other side, frame by frame: h2, a socket, and no manners."""

    def __init__(self, reader, writer, *, client):
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=client))
        self.h2.initiate_connection()
        self.events = []

    async def flush(self):
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def until(self, kind):
        """The next event of this kind; the others before it are dropped."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, kind):
                    return event
            await self.flush()
            data = await self.reader.read(65_536)
            assert data, f"the connection was closed before {kind.__name__}"
            self.events += self.h2.receive_data(data)

    async def until_closed(self):
        """Read on until the other side has closed the connection."""
        with suppress(ConnectionError):
            while data := await self.reader.read(65_536):
                self.events += self.h2.receive_data(data)

    def close(self):
        self.writer.close()


@asynccontextmanager
async def raw_client(server):
    peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port), client=True)
    try:
        yield peer
    finally:
        peer.close()
        with suppress(ConnectionError):
            await peer.writer.wait_closed()


@asynccontextmanager
async def raw_server(behave):
    """The port of a server that behaves so on each connection, until it is lost."""
    tasks = []

    async def connected(reader, writer):
        tasks.append(asyncio.current_task())
        try:
            with suppress(ConnectionError):
                await behave(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*tasks)
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def connected_to(behave):
    """A connection to a server that behaves so with a `Peer`."""

    async def with_peer(reader, writer):
        peer = Peer(reader, writer, client=False)
        await peer.flush()
        await behave(peer)

    async with raw_server(with_peer) as port, http2.connect("127.0.0.1", port) as connection:
        yield connection


# Exchanges


def test_request_and_response():
    async def handler(stream):
        assert (stream.method, stream.path) == ("POST", "/echo?a=b")
        assert dict(stream.headers) == {**dict(request("/echo?a=b")), "x-name": "Jürgen"}
        body = await read(stream)
        await stream.respond(201, [("X-Length", str(len(body)))])
        await stream.send(body.upper())
        await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request([*request("/echo?a=b"), ("X-Name", " Jürgen ")])
            await stream.send(b"hel")
            await stream.send(memoryview(bytearray(b"lo")))
            await stream.end()
            response = await stream.response()
            assert response.status == 201
            assert response.headers == [("x-length", "5")]
            assert await read(stream) == b"HELLO"
            assert await stream.receive() == b""

    run(main())


def test_both_directions_flow_at_once():
    async def main():
        async with pair(echo) as (_, connection):
            stream = await connection.request(request())
            assert (await stream.response()).status == 200
            for number in range(5):
                await stream.send(b"%d" % number)
                assert await stream.receive() == b"%d" % number
            await stream.end()
            assert await stream.receive() == b""

    run(main())


@pytest.mark.parametrize("status", [204, 403])
def test_a_response_without_a_body(status):
    async def handler(stream):
        await stream.respond(status, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            assert await stream.response() == (status, [])
            assert await stream.receive() == b""

    run(main())


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 65_536, 3_000_000])
def test_bodies_larger_than_all_windows(size):
    body = bytes(range(256)) * (size // 256 + 1)

    async def main():
        async with pair(echo) as (_, connection):
            assert await exchange(connection, body[:size]) == body[:size]

    run(main())


def test_many_streams_at_once():
    async def main():
        async with pair(echo) as (_, connection):
            bodies = [bytes([number]) * 100_000 for number in range(100)]
            assert await asyncio.gather(*(exchange(connection, body) for body in bodies)) == bodies

    run(main())


def test_tiny_frames_are_one_body():
    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            for number in range(10_000):
                peer.h2.send_data(1, number.to_bytes(4, "big"))
            peer.h2.end_stream(1)
            received = b""
            while len(received) < 40_000:
                received += (await peer.until(DataReceived)).data
            assert received == b"".join(number.to_bytes(4, "big") for number in range(10_000))
            await peer.until(StreamEnded)

    run(main())


def test_padding_gives_its_window_back():
    async def handler(stream):
        await stream.respond(200)
        await stream.send(str(len(await read(stream))).encode())
        await stream.end()

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(ResponseReceived)
            for _ in range(1_000):  # 256,000 bytes of window
                while peer.h2.local_flow_control_window(1) < 256:
                    await peer.flush()
                    peer.h2.receive_data(await peer.reader.read(65_536))
                peer.h2.send_data(1, b"", pad_length=255)
            peer.h2.end_stream(1)
            assert (await peer.until(DataReceived)).data == b"0"

    run(main())


def opened(transport):
    """The windows that were opened, by stream and size, since this was asked before."""
    written, transport.written = transport.written.removeprefix(http2.PREFACE), b""
    found = []
    while written:
        head, body = written[:9], written[9 : 9 + int.from_bytes(written[:3], "big")]
        if head[3] == WindowUpdateFrame.type:
            found.append((int.from_bytes(head[5:], "big"), int.from_bytes(body, "big")))
        written = written[9 + len(body) :]
    return found


def test_windows_open_again_for_what_was_taken_when_that_is_enough():
    """A stream's, when it is more than half of it; a connection's, when it is more than a quarter."""

    async def main():
        connection = lonely()
        await asyncio.sleep(0)
        assert opened(connection._transport) == [(0, http2.CONNECTION_WINDOW - http2.STREAM_WINDOW)]
        stream = await connection.request(request())
        connection.data_received(RESPONSE)

        async def take(size):
            for start in range(0, size, 16_384):
                connection.data_received(DataFrame(1, data=bytes(min(16_384, size - start))).serialize())
                await stream.receive()
            await asyncio.sleep(0)
            return opened(connection._transport)

        half, quarter = http2.STREAM_WINDOW // 2, http2.CONNECTION_WINDOW // 4
        for _ in range(2):
            assert await take(half) == []
            assert await take(1) == [(1, half + 1)]
        left = quarter - 2 * (half + 1)
        assert [number for number, _ in await take(left)] == [1] * (left // (half + 1))
        assert (0, quarter + 1) in await take(1)
        assert 0 not in [number for number, _ in await take(quarter)]
        assert (0, quarter + 1) in await take(1)

    run(main())


def test_of_padding_a_window_opens_again_for_the_padding_alone():
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(RESPONSE)
        await asyncio.sleep(0)
        opened(connection._transport)
        padded = DataFrame(1, data=bytes(10), pad_length=255, flags=["PADDED"]).serialize()  # and a byte for the length
        for _ in range(127):
            connection.data_received(padded)
        await asyncio.sleep(0)
        assert opened(connection._transport) == []
        connection.data_received(padded)
        await asyncio.sleep(0)
        assert opened(connection._transport) == [(1, 128 * 256)]
        assert await stream.receive() == bytes(1280)

    run(main())


def test_of_a_stream_that_lingers_nothing_is_kept():
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(RESPONSE)
        connection.data_received(DataFrame(1, data=bytes(10)).serialize())
        stream._linger()
        connection.data_received(DataFrame(1, data=bytes(10)).serialize())
        assert stream._received == b""
        assert stream._unreturned == 20
        stream._linger_timer.cancel()

    run(main())


def test_a_stream_that_was_reset_here_says_so():
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        await stream.reset()
        for call in (stream.receive(), stream.send(b"more"), stream.response()):
            with pytest.raises(StreamError) as raised:
                await call
            assert str(raised.value) == "the stream was reset here (CANCEL)"
            assert raised.value.remote is False

    run(main())


def test_values_that_are_no_utf_8_are_passed_on():
    async def handler(stream):
        await stream.respond(200, [("x-value", ascii(dict(stream.headers)["x-raw"]))], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, [*request(), (b"x-raw", b"\xff \xc3\xa9")])
            headers = dict((await peer.until(ResponseReceived)).headers)
            assert headers[b"x-value"] == b"'\\udcff \\xe9'"

    run(main())


def test_a_client_wants_nothing_pushed():
    async def main():
        connection = http2.ClientConnection()
        connection.connection_made(FakeTransport())
        await asyncio.sleep(0)
        written = connection._transport.written.removeprefix(http2.PREFACE)
        assert written[3] == SettingsFrame.type
        settings = written[9 : 9 + int.from_bytes(written[:3], "big")]
        assert bytes([0, SettingCodes.ENABLE_PUSH, 0, 0, 0, 0]) in [
            settings[start : start + 6] for start in range(0, len(settings), 6)
        ]

    run(main())


def test_connect_has_no_path():
    async def handler(stream):
        await stream.respond(200, [("x-path", repr(stream.path))], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.config.validate_outbound_headers = False
            peer.h2.send_headers(1, [(":method", "CONNECT"), (":authority", "localhost")])
            headers = dict((await peer.until(ResponseReceived)).headers)
            assert headers[b"x-path"] == b"''"

    run(main())


@pytest.mark.parametrize("status", [199, 1000])
def test_the_bounds_of_a_status(status):
    async def handler(stream):
        with pytest.raises(ValueError, match=f"^the status {status}; 200 to 999 are allowed$"):
            await stream.respond(status)
        await stream.respond(999, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            assert (await (await connection.request(request())).response()).status == 999

    run(main())


def test_who_never_finishes_the_handshake_is_left(certificate):
    """After the time that a connection without streams has."""

    async def main():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        async with http2.serve(echo, ssl=context, idle_timeout=SOON) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(main())


def test_bodies_that_nobody_reads_give_the_connection_its_window_back():
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


# Back-pressure


def test_a_slow_reader_stops_its_own_stream_alone():
    async def main():
        go_on = asyncio.Event()
        streams = []

        async def handler(stream):
            if stream.path == "/slow":
                streams.append(stream)
                await go_on.wait()
            await echo(stream)

        async with pair(handler) as (_, connection):
            slow = await connection.request(request("/slow"))
            with pytest.raises(TimeoutError, match=r"taken no more data for 0\.05 s"):
                await slow.send(bytes(1_000_000), timeout=SOON)
            while len(streams[0]._received) < http2.STREAM_WINDOW:
                await asyncio.sleep(0)
            assert await exchange(connection, bytes(1_000_000)) == bytes(1_000_000)

            other = await connection.request(request("/slow"))
            sending = asyncio.create_task(other.send(bytes(200_000)))
            reading = asyncio.create_task(read(other))
            assert await exchange(connection) == b"hello"
            assert not sending.done()
            go_on.set()
            await sending
            await other.end()
            assert await reading == bytes(200_000)

    run(main())


def test_a_client_that_does_not_read_stops_its_own_stream_alone():
    async def main():
        failed = asyncio.get_running_loop().create_future()

        async def handler(stream):
            if stream.path == "/echo":
                return await echo(stream)
            await stream.respond(200)
            try:
                await stream.send(bytes(1_000_000), timeout=SOON)
            except TimeoutError as error:
                failed.set_result(str(error))
                raise StreamError("given up") from None

        async with pair(handler) as (_, connection):
            stream = await connection.request(request("/unread"))
            await stream.response()
            assert "taken no more data" in await failed
            assert len(stream._received) <= http2.STREAM_WINDOW
            assert await exchange(connection) == b"hello"

    run(main())


def test_a_peer_whose_socket_is_full():
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
            assert connection._transport.get_write_buffer_size() < 2 * http2.WRITE_SIZE
            sending = asyncio.create_task(other.send(bytes(100_000)))
            await asyncio.sleep(0)
            assert not sending.done()
            filled.set()
            await sending

    run(main())


class FakeTransport(asyncio.Transport):
    """Remembers what was written; its buffer is as full as one likes."""

    def __init__(self, buffered=0):
        super().__init__()
        self.buffered = buffered
        self.written = b""
        self.closed = self.aborted = False

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def get_write_buffer_size(self):
        return self.buffered

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True


def test_a_peer_that_asks_and_does_not_read_the_answers_is_dropped():
    async def main():
        server = http2.Server(echo, 100, None)
        connection = http2._ServerConnection(server)
        transport = FakeTransport(buffered=http2.MAX_UNWRITTEN + 1)
        connection.connection_made(transport)
        ping = PingFrame(0)
        ping.opaque_data = bytes(8)
        connection.data_received(http2.PREFACE + ping.serialize())
        await asyncio.sleep(0)
        assert transport.aborted
        assert connection._closed.code == ErrorCodes.ENHANCE_YOUR_CALM

    run(main())


def test_who_waits_for_the_connections_window_goes_on_when_it_opens():
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


@pytest.mark.parametrize("size", [http2.WRITE_SIZE, 10 * http2.WRITE_SIZE])
def test_who_sends_to_a_peer_that_is_dropped_meanwhile_learns_it(size):
    """Also with its last bytes."""

    async def main():
        connection = lonely()
        transport = connection._transport
        connection.data_received(SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}).serialize())
        connection.data_received(WindowUpdateFrame(0, window_increment=2**30).serialize())
        stream = await connection.request(request())
        transport.buffered = http2.MAX_UNWRITTEN + 1
        with pytest.raises(StreamError, match="the peer does not read"):
            await stream.send(bytes(size))
        assert transport.aborted

    run(main())


def test_a_peer_that_takes_large_frames_is_sent_what_it_reads():
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


# Settings


def size_update(size):
    """As headers begin with it (RFC 7541, 6.3)."""
    first, *rest = encode_integer(size, 5)
    return bytes([0x20 | first, *rest])


def settled(*frames, handler=echo):
    """A server's connection that has received these frames, the first of them its client's settings."""
    connection = http2._ServerConnection(http2.Server(handler, 100, None))
    connection.connection_made(FakeTransport())
    connection.data_received(http2.PREFACE + b"".join(frames))
    return connection


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([], []),
        ([4096], []),
        ([5000], [4096]),
        ([100], [100]),
        ([100, 100], [100]),
        ([100, 200], [100, 200]),
        ([200, 100], [100]),
        ([100, 2**32 - 1], [100, 4096]),
        ([2**31, 300, 50, 200], [50, 200]),
        ([5000, 6000] * 1000, [4096]),
    ],
    ids=lambda sizes: f"{len(sizes)} up to {max(sizes, default=0)}",
)
def test_of_the_sizes_of_the_headers_table_the_smallest_and_the_last_are_said(sizes, said):
    """Before the next headers, and once."""

    async def main():
        others = [SettingsFrame(0).serialize(), SettingsFrame(0, flags=["ACK"]).serialize()]
        connection = settled(*(SettingsFrame(0, settings={1: size}).serialize() for size in sizes), *others)
        assert connection._closed is None
        encoder = connection._h2.encoder
        assert encoder.encode([]) == b"".join(size_update(size) for size in said)
        assert encoder.encode([]) == b""

    run(main())


@pytest.mark.parametrize("sizes", [[0], [100], [100, 200], [200, 100], [5000, 60], [2**32 - 1, 0]], ids=str)
def test_a_peer_chooses_a_smaller_headers_table(sizes):
    async def handler(stream):
        await stream.respond(200, [("x-name", "value")], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            for number, size in enumerate([*sizes, *sizes]):
                peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
                if number >= len(sizes) - 1:
                    peer.h2.send_headers(2 * number + 1, request(), end_stream=True)
                    assert (b"x-name", b"value") in (await peer.until(ResponseReceived)).headers

    run(main())


def test_a_peer_cannot_make_the_headers_table_grow():
    """It understands all the same what it is sent."""

    async def handler(stream):
        await stream.respond(200, [("x-request-id", f"{stream.id:0100}")], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
            for number in range(1, 201, 2):
                peer.h2.send_headers(number, request(), end_stream=True)
                response = await peer.until(ResponseReceived)
                assert dict(response.headers)[b"x-request-id"] == b"%0100d" % number
            (connection,) = server._connections
            assert connection._h2.encoder.header_table._current_size <= http2.HEADER_TABLE_SIZE

    run(main())


def test_settings_that_nobody_knows_are_not_kept():
    unknown = b"".join(code.to_bytes(2, "big") + bytes(4) for code in range(0x100, 0xA00))
    frame = len(unknown).to_bytes(3, "big") + b"\4\0" + bytes(4) + unknown

    async def main():
        connection = settled(SettingsFrame(0).serialize(), frame)
        assert connection._closed is None
        assert set(connection._h2.remote_settings) <= set(SettingCodes)

    run(main())


# Waiting


def test_a_request_waits_until_the_server_takes_it():
    async def main():
        async with pair(echo, max_concurrent_streams=2) as (_, connection):
            first, _ = [await connection.request(request()) for _ in range(2)]
            with pytest.raises(TimeoutError, match="taken no more streams"):
                await connection.request(request(), timeout=SOON)
            waiting = asyncio.create_task(connection.request(request()))
            await first.end()
            assert await read(first) == b""
            third = await waiting
            await third.end()
            assert await read(third) == b""

    run(main())


def test_timeouts_leave_the_stream_as_it_is():
    async def main():
        respond = asyncio.Event()

        async def handler(stream):
            await respond.wait()
            await echo(stream)

        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            with pytest.raises(TimeoutError, match=r"has not responded for 0\.05 s"):
                await stream.response(timeout=SOON)
            respond.set()
            await stream.response(timeout=LIMIT)
            with pytest.raises(TimeoutError, match=r"nothing was received for 0\.05 s"):
                await stream.receive(timeout=SOON)
            await stream.send(b"hello", timeout=LIMIT)
            assert await stream.receive(timeout=LIMIT) == b"hello"

    run(main())


def lonely():
    """A connection to no server at all, which takes one stream at a time."""
    connection = http2.ClientConnection()
    connection.connection_made(FakeTransport())
    connection.data_received(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x01")  # SETTINGS
    return connection


RESPONSE = b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"
"""HEADERS of the first stream: 200."""


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
def test_a_flood_holds_up_no_timeout(call, frame):
    async def flood(connection):
        while True:
            connection.data_received(frame)
            await asyncio.sleep(0)

    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(RESPONSE)
        flooding = asyncio.create_task(flood(connection))
        with pytest.raises(TimeoutError, match=r"for 0\.05 s"):
            await call(connection, stream)
        assert connection._closed is None
        flooding.cancel()
        connection.connection_lost(None)

    run(main())


@pytest.mark.parametrize("timeout", [0, -1, 1e-9])
def test_what_arrives_in_the_same_turn_is_in_time(timeout):
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        data = RESPONSE + b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello"
        asyncio.get_running_loop().call_soon(connection.data_received, data)
        assert await stream.receive(timeout) == b"hello"
        with pytest.raises(TimeoutError):
            await stream.receive(timeout)
        connection.connection_lost(None)

    run(main())


def test_a_stream_is_readable_when_receive_does_not_wait():
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(RESPONSE)
        assert not stream.readable
        connection.data_received(b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello")
        assert stream.readable
        assert await stream.receive() == b"hello"
        assert not stream.readable
        connection.data_received(b"\x00\x00\x00\x00\x01\x00\x00\x00\x01")  # END_STREAM
        assert stream.readable
        assert await stream.receive() == b""
        await stream.end()
        stream = await connection.request(request())
        assert not stream.readable
        connection.connection_lost(None)
        assert stream.readable
        with pytest.raises(StreamError, match="lost"):
            await stream.receive()

    run(main())


# Streams that end before their end


@pytest.mark.parametrize(
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
            "the peer broke the rules of HTTP/2 (FLOW_CONTROL_ERROR)",
            ErrorCodes.FLOW_CONTROL_ERROR,
            False,
        ),
        (
            lambda connection: connection.data_received(GoAwayFrame(0, last_stream_id=0).serialize()),
            "the server closes the connection, and did not look (REFUSED_STREAM)",
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
        (lambda connection: connection.connection_lost(OSError("gone")), "the connection was lost: gone", None, True),
    ],
    ids=["reset", "window", "not seen", "GOAWAY", "lost", "broken"],
)
def test_what_cut_a_stream_short(happen, text, code, remote):
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


def test_a_reset_by_the_client_is_no_end():
    async def main():
        seen = asyncio.get_running_loop().create_future()
        arrived = asyncio.Event()

        async def handler(stream):
            if stream.path == "/echo":
                return await echo(stream)
            assert await stream.receive() == b"half"
            arrived.set()
            try:
                await stream.receive()
            except StreamError as error:
                seen.set_result(error)
                raise

        async with pair(handler) as (_, connection):
            stream = await connection.request(request("/half"))
            await stream.send(b"half")
            await arrived.wait()
            await stream.reset()
            error = await seen
            assert (error.code, error.remote) == (ErrorCodes.CANCEL, True)
            for call in (stream.receive(), stream.response(), stream.send(b""), stream.end()):
                with pytest.raises(StreamError, match="reset here") as raised:
                    await call
                assert not raised.value.remote
            await stream.reset()  # once more does nothing
            assert await exchange(connection) == b"hello"

    run(main())


def test_a_reset_by_the_server_is_no_end():
    async def handler(stream):
        await stream.respond(200)
        await stream.send(b"half")
        await stream.receive()
        await stream.reset(ErrorCodes.ENHANCE_YOUR_CALM)

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            assert await stream.receive() == b"half"
            await stream.send(b"go on")
            with pytest.raises(StreamError, match="ENHANCE_YOUR_CALM") as raised:
                await stream.receive()
            assert (raised.value.code, raised.value.remote) == (ErrorCodes.ENHANCE_YOUR_CALM, True)
            with pytest.raises(StreamError):
                await stream.send(b"more")

    run(main())


def test_what_came_before_a_reset_is_delivered():
    async def behave(peer):
        await peer.until(StreamEnded)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"half")
        peer.h2.reset_stream(1, 0x1234)
        await peer.flush()
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.end()
            assert (await stream.response()).status == 200
            assert await stream.receive() == b"half"
            with pytest.raises(StreamError, match="4660") as raised:
                await stream.receive()
            assert raised.value.code == 0x1234

    run(main())


def test_what_came_before_a_broken_frame_is_delivered():
    async def behave(peer):
        await peer.until(StreamEnded)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"half")
        peer.writer.write(peer.h2.data_to_send() + b"\x00\x00\x01\x06\x00\x00\x00\x00\x00.")  # a PING of one byte
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.end()
            assert await stream.receive() == b"half"
            with pytest.raises(StreamError, match="broke the rules"):
                await stream.receive()
            with pytest.raises(StreamError, match="broke the rules"):
                await connection.request(request())

    run(main())


def test_broken_rules_are_quoted_in_short():
    async def main():
        quoted = asyncio.get_running_loop().create_future()

        async def handler(stream):
            try:
                await stream.receive()
            except StreamError as error:
                quoted.set_result(str(error))

        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.config.normalize_outbound_headers = peer.h2.config.validate_outbound_headers = False
            peer.h2.send_headers(1, request())
            peer.h2.send_headers(3, [*request(), ("X" * 9_000, "value")])
            await peer.flush()
            text = await quoted
            assert "broke the rules of HTTP/2" in text
            assert 0 < text.count("X") <= 64
            await peer.until_closed()

    run(main())


def test_a_connection_that_the_server_drops():
    async def behave(peer):
        await peer.until(DataReceived)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"half")
        await peer.flush()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.send(b"hello")
            assert await stream.receive() == b"half"
            for _ in range(2):
                with pytest.raises(StreamError, match="lost") as raised:
                    await stream.receive()
                assert raised.value.code is None
            with pytest.raises(StreamError, match="lost"):
                await stream.send(b"hello")
            with pytest.raises(StreamError, match="lost"):
                await connection.request(request())

    run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_connection_that_a_client_drops(how):
    async def main():
        seen = asyncio.get_running_loop().create_future()

        async def handler(stream):
            if stream.path == "/echo":
                return await echo(stream)
            await stream.respond(200)
            try:
                async for _ in stream:
                    pass
            except StreamError as error:
                seen.set_result(error)

        async with pair(handler) as (server, connection):
            async with raw_client(server) as peer:
                peer.h2.send_headers(1, request("/half"))
                await peer.until(ResponseReceived)
                getattr(peer.writer.transport, how)()
                error = await seen
                assert error.code is None
                assert error.remote
            assert await exchange(connection) == b"hello"

    run(main())


def test_a_handler_that_fails(caplog):
    async def handler(stream):
        if stream.path == "/echo":
            await echo(stream)
        elif stream.path == "/failing":
            await stream.respond(200)
            raise ZeroDivisionError("oops")

    async def main():
        async with pair(handler) as (_, connection):
            streams = [await connection.request(request(path)) for path in ("/failing", "/forgetful")]
            for stream in streams:
                with pytest.raises(StreamError) as raised:
                    await read(stream)
                assert raised.value.code == ErrorCodes.INTERNAL_ERROR
            assert await exchange(connection) == b"hello"

    run(main())
    assert [record.getMessage() for record in caplog.records] == ["the handler of 'POST /failing' failed"]
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(("failure", "logged"), [(ZeroDivisionError("oops"), 1), (StreamError("of this one"), 0)])
def test_of_a_handler_whose_stream_was_cut_another_error_is_logged(caplog, failure, logged):
    async def handler(stream):
        await stream.respond(200)
        try:
            await stream.receive()
        except StreamError:
            raise failure from None

    async def main():
        async with pair(handler) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            await stream.reset()
            while server._tasks:
                await asyncio.sleep(0)

    run(main())
    assert len(caplog.records) == logged


def test_a_stream_error_of_another_stream_is_logged(caplog):
    async def handler(stream):
        raise StreamError("of another one")

    async def main():
        async with pair(handler) as (_, connection):
            with pytest.raises(StreamError, match="INTERNAL_ERROR"):
                await (await connection.request(request())).response()

    run(main())
    assert len(caplog.records) == 1


def test_what_is_logged_is_short_and_controls_no_terminal(caplog):
    async def handler(stream):
        raise ZeroDivisionError("oops")

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            for stream_id, path in ((1, "/\x1b]0;title\x07\x1b[2J"), (3, "/" + "A" * 10_000)):
                peer.h2.send_headers(stream_id, [(":method", "P\x1b[31m"), *request(path)[1:]])
                await peer.until(StreamReset)

    run(main())
    short, cut = (record.getMessage() for record in caplog.records)
    assert short == r"the handler of 'P\x1b[31m /\x1b]0;title\x07\x1b[2J' failed"
    assert cut == rf"the handler of 'P\x1b[31m /{'A' * 53}'... failed"


def test_a_response_that_ends_before_the_request():
    """The client may finish what it has begun to send."""

    async def handler(stream):
        await stream.respond(403)
        await stream.send(b"no")
        await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            await stream.send(bytes(30_000))
            assert (await stream.response()).status == 403
            assert await read(stream) == b"no"
            assert stream.peer_ended
            await stream.send(bytes(1_000_000))
            await stream.end()
            assert await stream.receive() == b""

    run(main())


def test_the_last_frame_of_a_request_that_nobody_reads():
    """It opens no window any more: the stream is closed, and the connection goes on."""

    async def handler(stream):
        await stream.respond(403, end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(StreamEnded)
            for last in (False, False, True):
                peer.h2.send_data(1, bytes(16_000), pad_length=100, end_stream=last)
            peer.h2.ping(b"are you?")
            await peer.until(PingAckReceived)

    run(main())


def test_a_request_that_never_ends_after_its_response(monkeypatch):
    monkeypatch.setattr(http2, "LINGER_TIMEOUT", 0.0)

    async def handler(stream):
        await stream.respond(403)
        await stream.send(b"no")
        await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            assert (await stream.response()).status == 403
            assert await read(stream) == b"no"
            with pytest.raises(StreamError, match="NO_ERROR"):  # noqa: PT012 (which send meets it, is open)
                while True:
                    await stream.send(bytes(1_000))
                    await asyncio.sleep(0)
            assert await stream.receive() == b""

    run(main())


def test_a_stream_that_has_ended_is_not_kept_until_its_time_is_up():
    streams = []

    async def handler(stream):
        streams.append(stream)
        await stream.respond(403, end=True)

    async def main():
        async with pair(handler) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            await stream.reset()
            (other,) = server._connections
            while other._streams:
                await asyncio.sleep(0)
            assert streams[0]._linger_timer.cancelled()

    run(main())


def test_a_stream_whose_request_has_ended_is_not_waited_for():
    streams = []

    async def handler(stream):
        assert await read(stream) == b""
        streams.append(stream)
        await stream.respond(200, end=True)

    async def main():
        async with pair(handler) as (server, connection):
            assert await exchange(connection, b"") == b""
            while server._tasks:
                await asyncio.sleep(0)
            assert streams[0]._linger_timer is None

    run(main())


def test_a_connection_that_was_left_says_so():
    async def main():
        async with pair(echo) as (_, connection):
            pass
        with pytest.raises(StreamError, match=r"^the connection was closed here \(NO_ERROR\)$") as raised:
            await connection.request(request())
        assert not raised.value.remote

    run(main())


def test_leaving_the_block_cancels_what_is_open():
    async def main():
        seen = asyncio.get_running_loop().create_future()
        started = asyncio.Event()

        async def handler(stream):
            started.set()
            try:
                await stream.receive()
            except StreamError as error:
                seen.set_result(error)

        async def client(port):
            async with http2.connect("127.0.0.1", port) as connection:
                stream = await connection.request(request())
                await stream.response()

        async with http2.serve(handler) as server:
            task = asyncio.create_task(client(server.port))
            await started.wait()
            task.cancel()
            assert (await seen).code == ErrorCodes.CANCEL
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


def test_a_window_that_grows_too_far_ends_the_stream_alone():
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


# GOAWAY


def test_a_client_that_says_goaway_goes_on_with_its_streams():
    """As the AWS SDK for JavaScript does; h2 alone would break them."""

    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(ResponseReceived)
            peer.writer.write(GoAwayFrame(0, last_stream_id=0).serialize())
            peer.h2.send_data(1, b"hello")
            assert (await peer.until(DataReceived)).data == b"hello"
            peer.h2.send_data(1, b"bye", end_stream=True)
            assert (await peer.until(DataReceived)).data == b"bye"
            await peer.until(StreamEnded)
            await peer.until(ConnectionTerminated)
            await peer.until_closed()

    run(main())


def test_a_server_that_says_goaway_refuses_what_it_has_not_seen():
    async def behave(peer):
        await peer.until(DataReceived)
        await peer.until(DataReceived)
        peer.writer.write(GoAwayFrame(0, last_stream_id=1).serialize())
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"all of it", end_stream=True)
        await peer.flush()
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            first, second = [await connection.request(request()) for _ in range(2)]
            await first.send(b"hello")
            await second.send(b"hello")
            with pytest.raises(StreamError, match="REFUSED_STREAM") as raised:
                await second.response()
            assert raised.value.unprocessed
            with pytest.raises(StreamError, match=r"^the server takes no more streams on this connection") as raised:
                await connection.request(request())
            assert raised.value.unprocessed
            assert await first.receive() == b"all of it"
            assert await first.receive() == b""
            await first.end()
            await connection._lost  # its last stream has ended

    run(main())


def test_what_comes_on_streams_that_a_goaway_has_refused_is_passed_over():
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


def test_a_server_that_ends_the_connection_for_a_reason():
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


def test_closing_a_server_drains_it():
    async def main():
        async with pair(echo) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            closing = asyncio.create_task(server.close())
            while not connection._leaving:
                await stream.send(b"hello")
                assert await stream.receive()
            with pytest.raises(StreamError, match=r"^the server takes no more streams on this connection"):
                await connection.request(request())
            with pytest.raises(OSError):  # noqa: PT011 (refused, or reset)
                async with http2.connect("127.0.0.1", server.port):
                    pass
            assert not closing.done()
            await stream.send(b"bye")
            await stream.end()
            assert await read(stream) == b"bye"
            await closing

    run(main())


def test_closing_a_server_waits_for_the_streams_of_a_client_that_is_leaving():
    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(ResponseReceived)
            peer.writer.write(GoAwayFrame(0, last_stream_id=0).serialize())
            peer.h2.ping(b"got that")
            await peer.until(PingAckReceived)
            closing = asyncio.create_task(server.close())
            peer.h2.send_data(1, b"bye", end_stream=True)
            assert (await peer.until(DataReceived)).data == b"bye"
            await peer.until(StreamEnded)
            await closing

    run(main())


def test_a_server_that_drains_takes_no_more_connections():
    """Also none that had been accepted, and is only now begun."""

    async def main():
        async with pair(echo) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            late, transport = http2._ServerConnection(server), FakeTransport()
            late.connection_made(transport)
            assert transport.closed
            late.connection_lost(None)
            await stream.end()
            assert await read(stream) == b""
            await closing

    run(main())


def test_a_server_s_stream_tells_how_its_connection_was_lost():
    errors = []

    async def handler(stream):
        await stream.respond(200)
        try:
            await stream.receive()
        except StreamError as error:
            errors.append(str(error))
            raise

    async def main():
        headers = HeadersFrame(1, data=Encoder().encode(request()), flags=["END_HEADERS"])
        connection = settled(SettingsFrame(0).serialize(), headers.serialize(), handler=handler)
        await asyncio.sleep(SOON)
        connection.connection_lost(OSError("gone"))
        while connection._server._tasks:
            await asyncio.sleep(0)

    run(main())
    assert errors == ["the connection was lost: gone"]


def test_a_drained_server_resets_what_comes_late():
    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(ResponseReceived)
            closing = asyncio.create_task(server.close())
            peer.h2._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], [ConnectionTerminated()])
            await peer.until(ConnectionTerminated)
            peer.h2.send_headers(3, request())
            assert (await peer.until(StreamReset)).error_code == ErrorCodes.REFUSED_STREAM
            peer.h2.end_stream(1)
            await peer.until(StreamEnded)
            await closing

    run(main())


def test_handlers_that_take_too_long_are_cancelled():
    async def main():
        cancelled = []

        async def handler(stream):
            await stream.respond(200)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(stream.id)
                raise

        async with pair(handler) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            await server.close(timeout=SOON)
            assert cancelled == [1]
            with pytest.raises(StreamError) as raised:
                await stream.receive()
            assert raised.value.code == ErrorCodes.CANCEL

    run(main())


def test_a_block_that_fails_closes_its_server_at_once():
    finished = []

    async def main():
        async def handler(stream):
            await stream.respond(200)
            await asyncio.sleep(0.9)
            finished.append(stream)

        async def fail():
            async with pair(handler) as (_, connection):
                streams.append(await connection.request(request()))
                await streams[0].response()
                raise ZeroDivisionError

        streams = []
        with pytest.raises(ZeroDivisionError):
            await fail()
        with pytest.raises(StreamError):
            await streams[0].receive()
        assert not finished

    run(main())


@asynccontextmanager
async def draining(cleanup):
    """A task that drains a server; the server, with one handler, which cleans up so; and the client's stream."""

    async def handler(stream):
        await stream.respond(200)
        try:
            await asyncio.Event().wait()
        finally:
            await cleanup()

    async def serving():
        async with http2.serve(handler, drain_timeout=None) as server:
            started.set_result(server)
            await left.wait()

    started, left = asyncio.get_running_loop().create_future(), asyncio.Event()
    task = asyncio.create_task(serving())
    server = await started
    async with http2.connect("127.0.0.1", server.port) as connection:
        stream = await connection.request(request())
        await stream.response()
        left.set()
        while not connection._leaving:
            await asyncio.sleep(0)
        yield task, server, stream


def test_draining_that_is_cancelled_closes_at_once():
    """The handlers are cancelled once, and may clean up."""
    cleaned = []

    async def cleanup():
        await asyncio.sleep(SOON)
        cleaned.append(True)

    async def main():
        async with draining(cleanup) as (task, server, stream):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert cleaned == [True]
            assert not server._tasks
            with pytest.raises(StreamError, match="CANCEL"):
                await stream.receive()

    run(main())


def test_closing_at_once_can_be_cancelled():
    """Then nobody waits for the handlers, whose connections are gone."""

    async def main():
        cleaning, released = asyncio.Event(), asyncio.Event()

        async def cleanup():
            cleaning.set()
            await released.wait()

        async with draining(cleanup) as (task, server, stream):
            task.cancel()
            await cleaning.wait()
            await asyncio.sleep(SOON)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server._tasks
            with pytest.raises(StreamError):
                await stream.receive()
            while server._connections:
                await asyncio.sleep(0)
            released.set()
            while server._tasks:
                await asyncio.sleep(0)

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


# Peers that are none


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        bytes(100),
        http2.PREFACE + b"\xff" * 100,
        http2.PREFACE[:10] + b"?" * 50,
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
            with pytest.raises(StreamError, match="broke the rules" if garbage else "lost"):
                async with http2.connect("127.0.0.1", port):
                    pass

    run(main())


@pytest.mark.parametrize("size", [1, 8, 9, 10, 1_000])
def test_a_frame_that_is_too_long_is_refused_at_its_header(size):
    wire = http2.PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"

    async def main():
        connection = http2._ServerConnection(http2.Server(echo, 100, None))
        connection.connection_made(FakeTransport())
        for start in range(0, len(wire), size):
            assert connection._closed is None
            connection.data_received(wire[start : start + size])
        assert connection._closed.code == ErrorCodes.FRAME_SIZE_ERROR
        connection.connection_lost(None)

    run(main())


def test_a_status_that_is_none():
    async def behave(peer):
        await peer.until(StreamEnded)
        peer.h2.send_headers(1, [(":status", "fine")])
        assert (await peer.until(StreamReset)).error_code == ErrorCodes.PROTOCOL_ERROR
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.end()
            with pytest.raises(StreamError, match="PROTOCOL_ERROR"):
                await stream.response()

    run(main())


def test_a_server_that_never_sends():
    async def main():
        done = asyncio.Event()

        async def behave(reader, writer):
            await done.wait()

        async with raw_server(behave) as port:
            with pytest.raises(TimeoutError, match=r"did not answer in 0\.05 s"):
                async with http2.connect("127.0.0.1", port, connect_timeout=SOON):
                    pass
            done.set()

    run(main())


def test_nobody_listens():
    async def main():
        async with raw_server(None) as port:
            pass
        with pytest.raises(ConnectionRefusedError):
            async with http2.connect("127.0.0.1", port):
                pass

    run(main())


@pytest.mark.parametrize("sent", [b"", http2.PREFACE[:5], "preface"])
def test_a_client_that_never_sends_is_dropped(sent):
    async def main():
        async with http2.serve(echo, idle_timeout=SOON) as server, raw_client(server) as peer:
            peer.writer.write(peer.h2.data_to_send() if sent == "preface" else sent)
            while await peer.reader.read(65_536):
                pass

    run(main())


def test_a_connection_with_streams_is_not_idle():
    async def main():
        async with pair(echo) as (server, connection):
            (other_end,) = server._connections
            assert other_end._idle_timer is not None
            assert await exchange(connection) == b"hello"
            assert other_end._idle_timer is not None
            stream = await connection.request(request())
            await stream.response()
            assert other_end._idle_timer is None

    run(main())


def test_streams_that_are_reset_at_once_do_not_pile_up():
    async def main():
        release = asyncio.Event()
        handled = []

        async def handler(stream):
            handled.append(stream.id)
            await release.wait()

        async with http2.serve(handler, max_concurrent_streams=5) as server, raw_client(server) as peer:
            for stream_id in range(1, 101, 2):
                peer.h2.send_headers(stream_id, request())
                peer.h2.reset_stream(stream_id)
            peer.h2.ping(b"are you?")
            await peer.until(PingAckReceived)
            assert len(handled) == 10
            release.set()

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
def test_no_bytes_break_a_connection_otherwise(wire, is_client, size):
    """Whatever comes, the connection goes on or is closed; no exception reaches the event loop."""

    async def main():
        if is_client:
            connection = http2.ClientConnection()
            first = H2Connection(H2Configuration(client_side=False))
        else:
            connection = http2._ServerConnection(http2.Server(echo, 100, None))
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


# TLS


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_over_tls(certificate):
    trusting = ssl.create_default_context(cafile=certificate)

    async def main():
        async with (
            http2.serve(echo, ssl=server_context(certificate)) as server,
            http2.connect("localhost", server.port, ssl=trusting) as connection,
        ):
            assert await exchange(connection, bytes(300_000)) == bytes(300_000)
            assert connection._transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"

    run(main())


def test_a_certificate_that_is_not_trusted(certificate):
    trusting = ssl.create_default_context(cafile=certificate)

    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            for host, context in (("localhost", ssl.create_default_context()), ("127.0.0.1", trusting)):
                with pytest.raises(ssl.SSLCertVerificationError):
                    async with http2.connect(host, server.port, ssl=context):
                        pass
            async with http2.connect("localhost", server.port, ssl=trusting) as connection:
                assert await exchange(connection) == b"hello"

    run(main())


def test_a_tls_server_that_does_not_speak_http2(certificate):
    trusting = ssl.create_default_context(cafile=certificate)

    async def main():
        async def connected(reader, writer):
            await reader.read()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_context(certificate))
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StreamError, match=r"^the server does not speak HTTP/2 \(ALPN\)$"):
            async with http2.connect("localhost", port, ssl=trusting):
                pass
        server.close()
        await server.wait_closed()

    run(main())


def test_closing_a_tls_server_does_not_wait_for_who_never_begins_tls(certificate, monkeypatch):
    accepted = asyncio.Event()

    class Accepted(http2._ServerConnection):
        def __init__(self, server):
            super().__init__(server)
            accepted.set()

    monkeypatch.setattr(http2, "_ServerConnection", Accepted)
    drops = sys.version_info >= (3, 13)
    monkeypatch.setattr(http2, "CLOSE_TIMEOUT", 2 * LIMIT if drops else SOON)

    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await accepted.wait()
        if drops:
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    run(main())


def test_plaintext_to_a_tls_server_and_the_reverse(certificate):
    trusting = ssl.create_default_context(cafile=certificate)

    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            with pytest.raises(StreamError):
                async with http2.connect("127.0.0.1", server.port):
                    pass
            async with http2.connect("localhost", server.port, ssl=trusting) as connection:
                assert await exchange(connection) == b"hello"
        async with http2.serve(echo) as server:
            with pytest.raises(OSError):  # noqa: PT011 (an SSLError, or the connection was lost)
                async with http2.connect("localhost", server.port, ssl=trusting):
                    pass

    run(main())


# The caller's mistakes


@pytest.mark.parametrize(
    "headers",
    [
        [],
        request()[1:],
        [*request(), ("name", "line\nbreak")],
        [*request(), ("na me", "value")],
        [*request(), ("", "value")],
        [*request(), (":path", "/twice")],
        [("name", "value"), *request()],
        [*request(), ("te", "gzip")],
        [*request()[:3], (":path", "/\r\n")],
    ],
)
def test_headers_that_cannot_be_sent(headers):
    async def main():
        async with pair(echo) as (_, connection):
            with pytest.raises(ValueError, match=r"^the headers? "):
                await connection.request(headers)
            assert await exchange(connection) == b"hello"

    run(main())


@pytest.mark.parametrize("header", [("x" * 100, "x" * 100 + "\n"), ("x-name\n", "x" * 100), ("x" * 100 + " ", "")])
def test_headers_that_cannot_be_sent_are_quoted_in_short(header):
    async def main():
        async with pair(echo) as (_, connection):
            with pytest.raises(ValueError, match="cannot be sent") as raised:
                await connection.request([*request(), header])
            assert 0 < str(raised.value).count("x") <= 64

    run(main())


def test_headers_that_only_h2_refuses_end_the_connection():
    """They are half compressed by then, and what the other side knows of them is nothing."""

    async def main():
        async with pair(echo) as (_, connection):
            with pytest.raises(ValueError, match="cannot be sent"):
                await connection.request([*request(), ("host", "Z" * 1_000)])
            with pytest.raises(StreamError, match="compressed") as raised:
                await connection.request(request())
            assert str(raised.value).count("Z") <= 64

    run(main())


def test_responses_that_cannot_be_sent():
    async def main():
        async def handler(stream):
            with pytest.raises(ValueError, match="the status 100"):
                await stream.respond(100)
            with pytest.raises(ValueError, match="':status: 300'"):
                await stream.respond(200, [(":status", "300")])
            with pytest.raises(StateError, match=r"^the response has not begun: call respond$"):
                await stream.send(b"hello")
            with pytest.raises(StateError, match=r"^the response has not begun: call respond$"):
                await stream.end()
            await stream.respond(200)
            with pytest.raises(StateError, match=r"^the response was begun before$"):
                await stream.respond(200)
            await stream.end()
            for call in (stream.send(b""), stream.end(), stream.respond(200)):
                with pytest.raises(StateError, match="after the end"):
                    await call

        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            await stream.end()
            assert await read(stream) == b""

    run(main())


def test_two_tasks_cannot_send_at_once():
    async def main():
        go_on = asyncio.Event()

        async def handler(stream):
            await go_on.wait()
            await echo(stream)

        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            sending = asyncio.create_task(stream.send(bytes(100_000)))
            await asyncio.sleep(0)
            for call in (stream.send(b""), stream.end()):
                with pytest.raises(StateError, match=r"^another task is sending on this stream$"):
                    await call
            reading = asyncio.create_task(read(stream))
            go_on.set()
            await sending
            await stream.end()
            assert await reading == bytes(100_000)

    run(main())


def test_errors_copy_and_pickle():
    for error in (
        StreamError("lost"),
        StreamError("reset", ErrorCodes.CANCEL),
        StreamError("reset", 0x1234, remote=False),
    ):
        for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(again) is StreamError
            assert (str(again), again.code, again.remote) == (str(error), error.code, error.remote)
    assert str(StreamError("reset", 8)) == "reset (CANCEL)"
    assert StreamError("reset", 7).unprocessed
    assert not StreamError("reset", 7, remote=False).unprocessed


def test_names():
    assert sorted(http2.__all__) == http2.__all__
    assert all(hasattr(http2, name) for name in http2.__all__)
    assert repr(http2.ClientStream(None, 3)) == "<ClientStream 3>"
