"""HTTP/2 on loopback: both ends against each other, and each against a peer that does what no peer should."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Decoder
from hpack.hpack import encode_integer
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, WindowUpdateFrame

from eventstream import http2
from eventstream.http2 import ClientConnection
from eventstream.http2._h2 import PREFACE
from eventstream.http2.server import ServerConnection, Shared

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
    """Yield a server with this handler, and a connection to it."""
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
        """Return the next event of this kind; the others before it are dropped."""
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
    """Yield the port of a server that behaves so on each connection, until it is lost."""
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
    """Yield a connection to a server that behaves so with a `Peer`."""

    async def with_peer(reader, writer):
        peer = Peer(reader, writer, client=False)
        await peer.flush()
        await behave(peer)

    async with raw_server(with_peer) as port, http2.connect("127.0.0.1", port) as connection:
        yield connection


def opened(transport):
    """Return the windows that were opened, by stream and size, since this was asked before."""
    written, transport.written = transport.written.removeprefix(PREFACE), b""
    found = []
    while written:
        head, body = written[:9], written[9 : 9 + int.from_bytes(written[:3], "big")]
        if head[3] == WindowUpdateFrame.type:
            found.append((int.from_bytes(head[5:], "big"), int.from_bytes(body, "big")))
        written = written[9 + len(body) :]
    return found


class FakeTransport(asyncio.Transport):
    """Remembers what was written; its buffer is as full as one likes."""

    def __init__(self, buffered=0):
        super().__init__()
        self.buffered = buffered
        self.written = b""
        self.closed = self.aborted = False
        self.reading = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

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


def settled(*frames, handler=echo, **options):
    """Return a server's connection that has received these frames, the first of them its client's settings."""
    connection = ServerConnection(Shared(handler, **options))
    connection.connection_made(FakeTransport())
    connection.data_received(PREFACE + b"".join(frames))
    return connection


async def processed(connection):
    """Wait until all that the connection has received had its turn."""
    while not connection._transport.reading and connection._closed is None:
        await asyncio.sleep(0)


def written(connection):
    """Return the frames that were written since this was asked before."""
    connection._write()
    data, connection._transport.written = connection._transport.written.removeprefix(PREFACE), b""
    found = []
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        found.append(frame)
        data = data[9 + length :]
    return found


async def turns(count=20):
    """Let tasks have their turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def status_of(frame):
    """Return the status in HEADERS that are the first of a connection."""
    return dict(Decoder().decode(frame.data, raw=True))[b":status"]


def headers(stream_id, fields=None, *, end=False):
    """Return a HEADERS frame, which needs nothing that was sent before."""
    flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
    block = b"".join(literal(name, value) for name, value in (request() if fields is None else fields))
    return HeadersFrame(stream_id, data=block, flags=flags).serialize()


def continued(stream_id, fields):
    """HEADERS that end their stream, with as many CONTINUATION frames as it takes."""
    block = headers(stream_id, fields)[9:]
    pieces = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
    frames = [HeadersFrame(stream_id, data=pieces[0], flags=["END_STREAM"])]
    frames += [ContinuationFrame(stream_id, data=piece) for piece in pieces[1:]]
    frames[-1].flags.add("END_HEADERS")
    return b"".join(frame.serialize() for frame in frames)


def literal(name, value):
    """Return a header that is not remembered (RFC 7541, 6.2.2)."""
    texts = [text if isinstance(text, bytes) else text.encode() for text in (name, value)]
    return b"\0" + b"".join(bytes(encode_integer(len(text), 7)) + text for text in texts)


def lonely(**options):
    """Return a connection to no server at all, which takes one stream at a time."""
    connection = ClientConnection(**options)
    connection.connection_made(FakeTransport())
    connection.data_received(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x01")  # SETTINGS
    return connection


RESPONSE = b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"
"""HEADERS of the first stream: 200."""


async def answered():
    """Return a `lonely` connection, and its stream, whose response has begun."""
    connection = lonely()
    stream = await connection.request(request())
    connection.data_received(RESPONSE)
    return connection, stream


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
