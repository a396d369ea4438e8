"""WebSockets on loopback: each end against the library's own, and against a peer without manners."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import socket
import struct

import pytest
from http2.loopback import run
from sockets import Peer
from websockets.asyncio.client import connect as library_client
from websockets.asyncio.server import serve as library_server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request
from websockets.utils import accept_key

from eventstream import websocket
from eventstream.http2 import Budget, StreamError
from eventstream.operation import InvalidFrame
from eventstream.websocket import Answer


async def echo(channel):
    """Send back what comes, in the same pieces; what is refused is said, too."""
    try:
        while data := await channel.receive():
            await channel.send(data)
    except InvalidFrame as error:
        await channel.send(str(error).encode())
    await channel.end()


@contextlib.asynccontextmanager
async def client_of(server, path="/", **options):
    async with library_client(f"ws://127.0.0.1:{server.port}{path}", compression=None, **options) as client:
        yield client


async def rest(client):
    """All that still comes, and the code with which the server closes."""
    received = b""
    with contextlib.suppress(ConnectionClosed):
        while True:
            received += await client.recv()
    return received, client.close_code


# A server, and a client that is not ours


def test_server_exchanges_bytes():
    async def main():
        async with websocket.serve(echo) as server, client_of(server) as client:
            await client.send(b"one")
            assert await client.recv() == b"one"
            await client.send([b"in ", b"", b"fragments"])
            received = b""
            while len(received) < 12:
                received += await client.recv()
            assert received == b"in fragments"
            await client.send(b"x" * websocket.MAX_FRAME)
            received = b""
            while len(received) < websocket.MAX_FRAME:
                received += await client.recv()
            await client.ping()
            await client.close()
            assert client.close_code == 1000

    run(main())


def test_server_says_the_rest_after_the_peers_close():
    async def main():
        async def late(channel):
            assert await channel.receive() == b"last words"
            assert await channel.receive() == b""
            assert await channel.receive() == b""
            await channel.send(b"answer")
            await asyncio.sleep(0.01)
            await channel.send(b" and more")
            await channel.end()
            await channel.end()
            with pytest.raises(StreamError, match="is closed"):
                await channel.send(b"too late")

        async with websocket.serve(late) as server:
            peer = await Peer.of(server.port)
            peer.frame(2, b"last words")
            peer.frame(8, struct.pack("!H", 1000))
            assert await peer.frames() == [(2, b"answer"), (2, b" and more"), (8, struct.pack("!H", 1000))]

    run(main())


def test_server_closes_what_its_handler_leaves(caplog):
    async def main():
        async def forget(channel):
            await channel.receive()

        async def fail(channel):
            await channel.receive()
            raise ZeroDivisionError

        for handler in (forget, fail):
            async with websocket.serve(handler) as server, client_of(server) as client:
                await client.send(b"1")
                assert await rest(client) == (b"", 1011)
        async with websocket.serve(echo) as server, client_of(server) as client:
            await client.send(b"1")
            assert await client.recv() == b"1"
            await asyncio.wait_for(server.close(), 5)
            assert await rest(client) == (b"", 1001)

    run(main())
    assert caplog.text.count("the handler of '/' failed") == 1


@pytest.mark.parametrize(
    ("message", "text", "code"),
    [
        ("text", b"a frame of text, where events come in binary frames", 1003),
        ("", b"a frame of text, where events come in binary frames", 1003),
        (
            b"x" * (websocket.MAX_FRAME + 1),
            b"a frame of more than 262144 bytes",
            1009,
        ),
        ([b"x" * 200_000, b"x" * 200_000], b"a frame of more than 262144 bytes", 1009),
    ],
    ids=["text", "empty text", "large", "large fragments"],
)
def test_server_answers_frames_it_does_not_take(message, text, code):
    async def main():
        async with websocket.serve(echo) as server, client_of(server) as client:
            await client.send(b"before")
            assert await client.recv() == b"before"
            with contextlib.suppress(ConnectionClosed):
                await client.send(message)
            received, closed = await asyncio.wait_for(rest(client), 8)
            assert text in received
            assert closed == code

    run(main())


@pytest.mark.parametrize("name", ["reset", "unmasked", "reserved bit", "unknown opcode", "cut"])
def test_server_breaks_off_with_a_peer_that_does(name):
    errors = []

    async def record(channel):
        try:
            await channel.receive()
        except StreamError as error:
            errors.append(str(error))
            assert channel.connection is channel
            with pytest.raises(StreamError):
                await channel.send(b"to nobody")
            await channel.end()
            raise

    async def main():
        async with websocket.serve(record) as server:
            peer = await Peer.of(server.port)
            if name == "unmasked":
                peer.writer.write(b"\x82\x01x")
            elif name == "reserved bit":
                peer.frame(2, b"x", rsv=0x40)
            elif name == "unknown opcode":
                peer.frame(5, b"x")
            elif name == "cut":
                peer.writer.write(b"\x82")
            if name in ("cut", "reset"):
                peer.writer.transport.abort() if name == "reset" else peer.writer.close()
            frames = await peer.frames()
            assert name in ("cut", "reset") or frames == [(8, frames[0][1])]
            while not errors:
                await asyncio.sleep(0.01)

    run(main())
    assert errors == [
        "the connection was lost" if name in ("cut", "reset") else "the peer broke the WebSocket protocol"
    ]


# Plain GETs, and refusals


def get(port, path="/", method="GET", headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_server_answers_plain_gets(caplog):
    caplog.set_level("INFO")
    seen = []

    def page(path, headers, peer):
        seen.append((path, dict(headers)["x-test"], peer))
        return Answer(200, [("content-type", "text/html"), ("cache-control", "no-store")], b"<p>")

    def broken(path, headers, peer):
        raise ZeroDivisionError

    async def main():
        def refuse(path):
            return None if path.startswith("/socket") else f"There is nothing at {path}."

        routes = {"/": page, "/broken": broken}
        async with websocket.serve(echo, refuse=refuse, routes=routes) as server:
            status, headers, body = await asyncio.to_thread(get, server.port, "/?a=1", headers=[("X-Test", "1")])
            assert (status, body) == (200, b"<p>")
            assert headers["content-type"] == "text/html"
            assert headers["content-length"] == "3"
            assert headers["date"].endswith("GMT")
            status, _, body = await asyncio.to_thread(get, server.port, "/broken")
            assert (status, body) == (500, b"The server failed; its log says why.\n")
            status, headers, body = await asyncio.to_thread(get, server.port, "/other")
            assert (status, body) == (404, b"There is nothing at /other.\n")
            status, headers, body = await asyncio.to_thread(get, server.port, "/socket?a=1")
            assert (status, headers["upgrade"]) == (426, "websocket")
            assert b"handshake" in body
            with pytest.raises(InvalidStatus):
                async with client_of(server, "/other"):
                    pass
            async with client_of(server, "/socket?a=1") as client:
                await client.send(b"x")
                assert await client.recv() == b"x"

    run(main())
    assert seen == [("/?a=1", "1", "127.0.0.1")]
    assert "GET '/broken' failed" in caplog.text
    assert "a connection from 127.0.0.1 failed: There is nothing at /other." in caplog.messages


TELLS_METHODS = "method" in {field.name for field in dataclasses.fields(Request)}


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "get"])
@pytest.mark.parametrize("path", ["/", "/socket"])
def test_server_answers_gets_only(path, method):
    """Where the library does not tell the method, it refuses all others itself."""
    asked = []

    async def main():
        def page(*request):
            asked.append(request)
            return Answer(200, [], b"page")

        async with websocket.serve(echo, routes={"/": page}) as server:
            line = f"{method} {path} ".encode()
            head, _, body = (await answer_to(server, line + HANDSHAKE.partition(b"/socket ")[2])).partition(b"\r\n\r\n")
            assert body == (b"" if method == "HEAD" or not TELLS_METHODS else b"Only GET is answered here.\n")
            if TELLS_METHODS:
                assert head.startswith(b"HTTP/1.1 405 ")
                assert b"\r\nallow: GET" in head
            else:
                assert b" 101 " not in head

    run(main())
    assert not asked


def test_failures_of_plain_gets_are_logged_once_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("eventstream.http2.listener.time.monotonic", lambda: now[0])

    def broken(path, headers, peer):
        raise ZeroDivisionError

    async def main():
        async with websocket.serve(echo, routes={"/": broken}) as server:
            for after in (0, 0, 0, 1.5):
                now[0] += after
                assert (await answer_to(server, PLAIN)).startswith(b"HTTP/1.1 500 ")

    run(main())
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == ("ERROR", "GET '/' failed")
    assert first.exc_info[0] is ZeroDivisionError
    assert second.getMessage() == "GET '/' failed (and 2 other faults were not logged)"


# What follows a request


HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PLAIN = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer_to(server, data):
    """All that the server sends for these bytes, and that it then forgets the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65_536), 5):
            received += piece
    writer.close()
    while server.connections:
        await asyncio.sleep(0.01)
    return received


@pytest.mark.parametrize(
    "more",
    [PLAIN, b"\x82\x01x", b"\xf2\x81aaaax", b"\x00" * 600, Peer.bytes_of(8), Peer.bytes_of(2, b"x")],
    ids=["a request", "an unmasked frame", "reserved bits", "zeros", "a close frame", "a frame"],
)
def test_request_is_answered_whatever_follows_it(caplog, more):
    async def main():
        async with websocket.serve(echo, routes={"/": lambda *_: Answer(200, [], b"page")}) as server:
            received = await answer_to(server, PLAIN + more)
            assert received.startswith(b"HTTP/1.1 200 ")
            assert received.count(b"HTTP/1.1") == 1
            assert received.endswith(b"\r\n\r\npage")

    run(main())
    assert not caplog.records


@pytest.mark.parametrize(
    ("more", "frames"),
    [
        (Peer.bytes_of(8, struct.pack("!H", 1000)), b"\x88\x02\x03\xe8"),
        (Peer.bytes_of(2, b"x") + Peer.bytes_of(8, struct.pack("!H", 1000)), b"\x82\x01x\x88\x02\x03\xe8"),
        (b"\x82\x01x", b"\x88"),
    ],
    ids=["a close frame", "a frame", "an unmasked frame"],
)
def test_handshake_is_answered_before_the_frames_after_it(caplog, more, frames):
    async def main():
        async with websocket.serve(echo) as server:
            head, _, rest = (await answer_to(server, HANDSHAKE + more)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert rest.startswith(frames)

    run(main())
    assert not caplog.records


@pytest.mark.parametrize("more", [PLAIN, b"\x82\x01x" * 400, Peer.bytes_of(8)], ids=["a request", "frames", "a close"])
@pytest.mark.parametrize("request_", [PLAIN, HANDSHAKE])
def test_request_of_a_lost_connection_leaves_no_trace(caplog, request_, more):
    """What arrived and was not processed counts when the connection is lost."""

    async def main():
        async with websocket.serve(echo, routes={"/": lambda *_: Answer(200, [], b"page")}) as server:
            long = request_[:-2] + b"x: " + b"y" * 8000 + b"\r\n\r\n"
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.connections:
                await asyncio.sleep(0.01)
            (channel,) = server.connections
            writer.close()
            channel.data_received(long + more)
            channel._transport.abort()
            while server.connections:
                await asyncio.sleep(0.01)
            assert channel.path == ("/" if request_ is PLAIN else "/socket")
            await asyncio.wait_for(server.close(), 5)

    run(main())
    assert not caplog.records


def test_connection_is_forgotten_even_if_the_library_fails():
    async def main():
        loop = asyncio.get_running_loop()
        failures = []
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        async with websocket.serve(echo) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.connections:
                await asyncio.sleep(0.01)
            (channel,) = server.connections
            channel._arrived += b"x"

            def fail():
                raise ZeroDivisionError

            channel._process = fail
            writer.close()
            while server.connections:
                await asyncio.sleep(0.01)
            await asyncio.wait_for(channel.wait_closed(), 5)
        assert [type(failure) for failure in failures] == [ZeroDivisionError]

    run(main())


def test_receive_plans_one_turn_at_most():
    async def main():
        turns = []

        class Counted(websocket.ServerSocket):
            def _take_turn(self):
                turns.append(self)
                super()._take_turn()

        async def handler(channel):
            channel._arrived += Peer.bytes_of(2, bytes(100)) * 100
            channel._plan_turn()
            for _ in range(10):
                channel._received += b"x"
                await channel.receive()
            turns.clear()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(len(turns))
            await channel.end()

        seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(websocket, "ServerSocket", Counted)
            async with websocket.serve(handler) as server:
                await answer_to(server, HANDSHAKE)
        assert seen[0] <= 2

    run(main())


# A client, and a server that is not ours


@contextlib.asynccontextmanager
async def connected(server_port, path="/", **options):
    url = f"ws://127.0.0.1:{server_port}{path}"
    async with websocket.connect(url, "127.0.0.1", server_port, **options) as channel:
        yield channel


def test_client_exchanges_bytes():
    async def main():
        async def handler(peer):
            assert peer.request.path == "/?signed=1"
            async for message in peer:
                await peer.send(message)
                if message == b"end":
                    break

        async with library_server(handler, "127.0.0.1", 0, compression=None) as server:
            port = server.sockets[0].getsockname()[1]
            async with connected(port, "/?signed=1") as channel:
                await channel.send(b"one")  # once there is a response
                assert (await channel.response(5)).status == 200
                assert await channel.receive(5) == b"one"
                await channel.send(bytearray(b"end"))
                await channel.end()
                assert await channel.receive(5) == b"end"
                assert await channel.receive(5) == b""
                assert channel.peer_ended
                assert channel.readable
                with pytest.raises(StreamError):
                    await channel.send(b"more")

    run(main())


def test_client_tells_what_the_server_answers():
    async def main():
        async def handler(peer):
            await peer.close(1011, "out of order")

        def process(connection, request):
            return connection.respond(403, "not you") if request.path == "/refused" else None

        async with library_server(handler, "127.0.0.1", 0, process_request=process) as server:
            port = server.sockets[0].getsockname()[1]
            async with connected(port, "/refused") as channel:
                with pytest.raises(StreamError, match="the WebSocket is closed"):
                    await channel.send(b"at once", timeout=5)
                assert (await channel.response(5)).status == 403
                assert await channel.receive(5) == b"not you"
                assert await channel.receive(5) == b""
            async with connected(port) as channel:
                with pytest.raises(StreamError, match="the server closed the WebSocket: 1011 'out of order'"):
                    await channel.receive(5)
                await channel.reset()

    run(main())


def test_client_tells_a_server_that_is_none():
    async def main():
        async def other(reader, writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        async def silent(reader, writer):
            await reader.read()
            writer.close()

        for handler, error, text in (
            (other, StreamError, "does not speak HTTP/1.1"),
            (silent, TimeoutError, "no response for 0.05 s"),
        ):
            async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                with pytest.raises(error, match=text):
                    async with connected(port) as channel:
                        await channel.response(0.05 if handler is silent else 5)

    run(main())


@pytest.mark.parametrize(
    ("status", "told"),
    [("200 OK", 502), ("204 No Content", 502), ("101 Switching Protocols", 502), ("302 Found", 302), ("403 No", 403)],
)
def test_client_takes_no_other_answer_for_a_websocket(status, told):
    async def main():
        async def page(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()

        async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connected(port) as channel:
                assert (await channel.response(5)).status == told
                with pytest.raises(StreamError):
                    await channel.send(b"x")

    run(main())


# A client without manners


@pytest.mark.parametrize(
    ("opcode", "data", "fin"),
    [(9, b"", True), (9, b"x" * 125, True), (10, b"", True), (0, b"", False)],
    ids=["pings", "long pings", "pongs", "empty fragments"],
)
def test_flood_of_frames_that_carry_nothing_is_cut(opcode, data, fin):
    ended = []

    async def main():
        async def handler(channel):
            try:
                await echo(channel)
            except StreamError as error:
                ended.append(str(error))
                raise

        async with websocket.serve(handler, idle_frames=Budget(200, 1)) as server:
            peer = await Peer.of(server.port)
            if not fin:
                peer.frame(2, b"", fin=False)
            flood = peer.bytes_of(opcode, data, fin=fin) * 1000
            with contextlib.suppress(ConnectionError):
                for _ in range(50):
                    peer.writer.write(flood)
                    await peer.writer.drain()
                peer.frame(8, struct.pack("!H", 1000))
            assert len(await peer.frames()) <= 2_000
            async with client_of(server) as honest:
                for _ in range(500):  # what an honest client does, has no bound
                    await honest.send(b"data")
                    await honest.recv()
                    await honest.ping()
                    await honest.pong()

    run(main())
    assert ended == ["it sends frames that carry nothing, faster than the budget allows"]


def test_pings_whose_answers_are_not_read_are_cut():
    """Even if data beside them gives the budget back."""
    ended = []

    async def main():
        async def deaf(channel):
            try:
                while True:
                    await channel.receive()
            except StreamError as error:
                ended.append(str(error))
                raise

        async with websocket.serve(deaf) as server:
            peer = await Peer.of(server.port)
            peer.reader._transport.pause_reading()
            piece = peer.bytes_of(2, b"x") + peer.bytes_of(9, bytes(125)) * 3
            with contextlib.suppress(ConnectionError):
                for _ in range(1_000):
                    peer.writer.write(piece * 100)
                    await peer.writer.drain()
            while not ended:
                await asyncio.sleep(0.01)
            peer.writer.close()

    run(main())
    assert ended == ["it does not read the answers to its pings"]


def test_turn_is_bounded():
    """An honest stream goes on beside one that sends as much as it can, in frames as small as can be."""

    async def main():
        async def swallow(channel):
            while await channel.receive():
                pass
            await channel.end()

        async with websocket.serve(swallow) as server, websocket.serve(echo) as other:
            peer = await Peer.of(server.port)
            flood = peer.bytes_of(2, b"x") * 10_000
            sizes = []
            receive = websocket.ServerProtocol.receive_data

            def counted(protocol, data):
                sizes.append(len(data))
                receive(protocol, data)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(websocket.ServerProtocol, "receive_data", counted)
                peer.writer.write(flood)
                peer.frame(8, struct.pack("!H", 1000))
                async with client_of(other) as honest:
                    await honest.send(b"1")
                    assert await honest.recv() == b"1"
                assert await peer.frames() == [(8, struct.pack("!H", 1000))]
            assert max(sizes) <= websocket.TURN_SIZE
            assert len(sizes) > 60

    run(main())


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X-Header: " + b"x" * 8_000 + b"\r\n", "its request has more than 65536 bytes"),
        (b"\x16\x03\x01\x00\xa5\x01\r\n\r\n", "it sent something else than a request of HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it sent something else than a request of HTTP/1.1"),
    ],
    ids=["large", "TLS", "HTTP/2"],
)
def test_request_that_is_none_is_dropped_and_logged(caplog, monkeypatch, request_, text):
    caplog.set_level("INFO")
    monkeypatch.setattr(websocket, "OPEN_TIMEOUT", 4)

    async def main():
        async with websocket.serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            line = request_.partition(b"\r\n")[2]
            writer.write(request_ + line * (20 if b"X-Header" in line else 0))
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            while server.connections:
                await asyncio.sleep(0.01)

    run(main())
    assert f"a connection from 127.0.0.1 failed: {text}" in caplog.messages


def test_slow_reader_makes_the_sender_wait():
    waits = asyncio.Event()

    async def main():
        async def talk(channel):
            async def send():
                while True:
                    await channel.send(bytes(65_536), timeout=0.2)

            with pytest.raises(TimeoutError, match=r"nothing could be sent for 0.2 s"):
                await send()
            assert channel._transport.get_write_buffer_size() <= 4 * websocket.WINDOW
            waits.set()
            await channel.reset()

        async with websocket.serve(talk) as server:
            peer = await Peer.of(server.port)
            await asyncio.wait_for(waits.wait(), 10)
            peer.writer.close()

    run(main())


def test_slow_reader_gets_all_in_the_end():
    async def main():
        async def talk(channel):
            for _ in range(100):
                await channel.send(bytes(65_536), timeout=10)
            await channel.end()

        async with websocket.serve(talk, idle_frames=None) as server, client_of(server) as client:
            await client.send(b"nobody counts this, or pings")
            await client.ping()
            await asyncio.sleep(0.1)
            received, code = await rest(client)
            assert (received.count(0), code) == (100 * 65_536, 1000)

    run(main())


def test_what_came_before_the_connection_was_lost_counts():
    class Transport(asyncio.Transport):
        def set_write_buffer_limits(self, high=None, low=None): ...

        def pause_reading(self): ...

        def resume_reading(self): ...

        def is_closing(self):
            return False

        def write(self, data): ...

        def close(self): ...

    async def main():
        channel = websocket.ClientSocket("ws://localhost/", max_frame=None, idle_frames=Budget(10, 1))
        channel.connection_made(Transport())
        accept = accept_key(channel._client_protocol.key)
        answer = (
            f"HTTP/1.1 101 .\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        channel.data_received(answer.encode() + b"\x82\x7e" + struct.pack("!H", 5_000))
        channel.data_received(bytes(2_500))
        channel.data_received(bytes(2_500))
        assert not channel.readable
        channel.connection_lost(ConnectionResetError())
        assert await channel.receive() == bytes(5_000)
        with pytest.raises(StreamError, match="the connection was lost"):
            await channel.receive()

    run(main())


def test_server_that_closes_drops_peers_without_a_request():
    async def main():
        async with websocket.serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.connections:
                await asyncio.sleep(0.01)
            await asyncio.wait_for(server.close(), 1)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(main())


def test_unread_input_is_bounded():
    async def main():
        sockets = []
        over = asyncio.Event()

        async def deaf(channel):
            sockets.append(channel)
            await over.wait()
            taken = 0
            while data := await channel.receive():
                taken += len(data)
            assert taken == 65_536 * 200
            await channel.end()

        async with websocket.serve(deaf) as server:
            peer = await Peer.of(server.port)
            piece = peer.bytes_of(2, bytes(65_536))

            async def send():
                for _ in range(200):
                    peer.writer.write(piece)
                    await peer.writer.drain()
                peer.frame(8, struct.pack("!H", 1000))

            sending = asyncio.create_task(send())
            await asyncio.sleep(0.3)
            (channel,) = sockets
            assert not sending.done()
            held = len(channel._received) + len(channel._arrived)
            assert websocket.WINDOW <= held <= websocket.WINDOW + websocket.MAX_FRAME
            over.set()
            await sending
            assert await peer.frames() == [(8, struct.pack("!H", 1000))]

    run(main())


def test_declared_length_reserves_nothing():
    async def main():
        async with websocket.serve(echo) as server:
            peer = await Peer.of(server.port)
            peer.writer.write(b"\x82\xff" + struct.pack("!Q", 1 << 62))
            frames = await peer.frames()
            assert [opcode for opcode, _ in frames] == [2, 8]
            assert b"more than 262144" in frames[0][1]
            assert frames[1][1][:2] == struct.pack("!H", 1009)

    run(main())


def test_compression_is_not_offered():
    async def main():
        async with websocket.serve(echo) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            async with library_client(url, compression="deflate") as client:
                assert "sec-websocket-extensions" not in client.response.headers
            peer = await Peer.of(server.port)
            peer.frame(2, b"\x4a\x84\x00\x00", rsv=0x40)  # deflated
            assert [opcode for opcode, _ in await peer.frames()] == [8]

    run(main())


@pytest.mark.parametrize("request_", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_connection_without_a_request_is_dropped(monkeypatch, request_):
    monkeypatch.setattr(websocket, "OPEN_TIMEOUT", 0.1)

    async def main():
        async with websocket.serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) is not None
            writer.close()
            while server.connections:
                await asyncio.sleep(0.01)

    run(main())


def test_peer_that_never_closes_is_dropped(monkeypatch):
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT", 0.1)

    async def main():
        async def end(channel):
            await channel.end()

        def page(path, headers, peer):
            return Answer(200, [], bytes(1 << 24))

        async with websocket.serve(end, routes={"/page": page}) as server:
            peer = await Peer.of(server.port)
            other = socket.create_connection(("127.0.0.1", server.port))
            other.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and reads nothing
            await asyncio.sleep(0.05)
            while server.connections:
                await asyncio.sleep(0.01)
            assert [opcode for opcode, _ in await peer.frames()] == [8]
            other.close()

    run(main())


def test_connections_are_bounded():
    async def main():
        async with websocket.serve(echo, max_connections_per_peer=2) as server:
            async with client_of(server) as first, client_of(server):
                with pytest.raises((OSError, EOFError, ConnectionClosed, InvalidStatus, Exception)):
                    async with client_of(server):
                        pass
                await first.send(b"1")
                assert await first.recv() == b"1"
            async with client_of(server) as later:
                await later.send(b"2")
                assert await later.recv() == b"2"

    run(main())
