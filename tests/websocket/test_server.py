"""The server's end, against the library's own client and against one without manners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from types import SimpleNamespace

import pytest
from http2.loopback import run
from sockets import HANDSHAKE, PLAIN, TELLS_METHODS, Peer, answer_to, client_of, echo, rest
from websockets.asyncio.client import connect as library_client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from eventstream import http2, websocket
from eventstream.http2 import StreamError
from eventstream.websocket import Answer


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


def test_close_that_is_cancelled_leaves_no_connection():
    async def main():
        async def stay(channel):
            try:
                await channel.receive()
            finally:
                ending.set()
                await ended.wait()

        async def serving():
            async with websocket.serve(stay) as server:
                opened.set_result(server)
                await asyncio.Event().wait()

        ending, ended, opened = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serving())
        server = await opened
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with client_of(server) as client:
            while len(server.connections) < 2:
                await asyncio.sleep(0.01)
            task.cancel()
            await ending.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await asyncio.wait_for(reader.read(), 5) == b""  # the connection that never asked for anything
            await asyncio.wait_for(client.wait_closed(), 5)
            writer.close()
        ended.set()
        while server.connections:
            await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize(
    ("message", "text", "code"),
    [
        ("text", b"a text frame; events come in binary frames", 1003),
        ("", b"a text frame; events come in binary frames", 1003),
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
        "the connection was lost" if name in ("cut", "reset") else "the peer violated the WebSocket protocol"
    ]


NOT_ALLOWED = (
    (405, "it sent 'POST', and only GET is answered here")
    if TELLS_METHODS
    else (None, "it did not send an HTTP/1.1 request")
)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"", None, "it did not send an HTTP/1.1 request"),
        (PLAIN[:9], None, "it did not send an HTTP/1.1 request"),
        (b"PRI * HTTP/2.0\r\n", 505, "it did not send an HTTP/1.1 request"),
        (PLAIN.replace(b"GET", b"POST"), *NOT_ALLOWED),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 12"), 426, "its request is not a valid WebSocket handshake"),
        (HANDSHAKE.replace(b"/socket", b"/nowhere"), 404, "nothing is there"),
        (HANDSHAKE, 101, None),
        (PLAIN, 200, None),
    ],
    ids=["nothing", "half a request", "HTTP/2", "POST", "another version", "another path", "handshake", "page"],
)
def test_answers_have_their_headers_and_connections_that_fail_are_logged(caplog, sent, status, said):
    async def main():
        serving = websocket.serve(
            echo,
            routes={"/": lambda *_: Answer(200, [], b"page")},
            refuse=lambda path: None if path == "/socket" else "nothing is there",
            handshake_headers=lambda socket: [("x-id", socket.id)],
        )
        async with serving as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.connections:
                await asyncio.sleep(0.01)
            (socket,) = server.connections
            writer.write(sent)
            head = b"" if status is None else (await reader.readuntil(b"\r\n\r\n")).lower()
            writer.close()
            while server.connections:
                await asyncio.sleep(0.01)
            if status is not None:
                assert head.startswith(b"http/1.1 %d " % status)
                assert b"\r\nx-id: %b\r\n" % socket.id.encode() in head
                assert b"\r\ndate: " in head

    caplog.set_level(logging.INFO, "eventstream.websocket")
    run(main())
    expected = [] if said is None else [f"a connection from 127.0.0.1 failed: {said}"]
    assert [record.getMessage() for record in caplog.records] == expected


def test_connection_that_the_server_drops_is_not_logged(caplog):
    async def main():
        async with websocket.serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.connections:
                await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    caplog.set_level(logging.INFO, "eventstream.websocket")
    run(main())
    assert not caplog.records


# What follows a request


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


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X-Header: " + b"x" * 8_000 + b"\r\n", "its request has more than 65536 bytes"),
        (b"\x16\x03\x01\x00\xa5\x01\r\n\r\n", "it did not send an HTTP/1.1 request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it did not send an HTTP/1.1 request"),
    ],
    ids=["large", "TLS", "HTTP/2"],
)
def test_request_that_is_none_is_dropped_and_logged(caplog, monkeypatch, request_, text):
    caplog.set_level("INFO")
    monkeypatch.setattr("eventstream.websocket.server.OPEN_TIMEOUT", 4)

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


def test_http2_client_learns_what_is_spoken():
    async def main():
        async with websocket.serve(echo) as server:
            with pytest.raises(http2.NotHTTP2, match=r"speaks HTTP/1, not HTTP/2; it began with 'HTTP/1.1 505 "):
                async with http2.connect("127.0.0.1", server.port):
                    pass
            while server.connections:
                await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize("cut", [1, 5, 15])
def test_http2_preface_in_pieces_is_answered(cut):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    async def main():
        async with websocket.serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(preface[:cut])
            while not any(socket._request_length for socket in server.connections):
                await asyncio.sleep(0.01)
            writer.write(preface[cut:])
            assert (await reader.read()).startswith(b"HTTP/1.1 505 ")
            writer.close()

    run(main())


@pytest.mark.parametrize("request_", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_connection_without_a_request_is_dropped(monkeypatch, request_):
    monkeypatch.setattr("eventstream.websocket.server.OPEN_TIMEOUT", 0.1)

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


def test_failures_of_handlers_are_logged_once_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("eventstream.http2.listener.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def fail(channel):
        raise ZeroDivisionError

    async def main():
        async with websocket.serve(fail) as server:
            for after in (0, 0, 0, 1.5):
                now[0] += after
                peer = await Peer.of(server.port)
                assert await peer.reader.readexactly(4) == b"\x88\x02" + struct.pack("!H", 1011)
                peer.writer.close()

    run(main())
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == ("ERROR", "the handler of '/' failed")
    assert first.exc_info[0] is ZeroDivisionError
    assert second.getMessage() == "the handler of '/' failed (and 2 other faults were not logged)"
