"""The client's end, against the library's own server and against servers that speak no WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest
from http2.loopback import LIMIT, run
from websockets.asyncio.server import serve as library_server
from websockets.utils import accept_key

from eventstream import websocket
from eventstream.http2 import Budget, StreamError
from eventstream.websocket.connection import READ_SIZE, WINDOW


@contextlib.asynccontextmanager
async def connected(server_port, path="/", **options):
    url = f"ws://127.0.0.1:{server_port}{path}"
    async with websocket.connect(url, "127.0.0.1", server_port, **options) as channel:
        yield channel


@contextlib.asynccontextmanager
async def answered(*pieces, **options):
    """Yield the channel of a client whose server answers with these bytes, one piece after the other, and hangs up."""

    async def page(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.01)
            writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server, connected(server.sockets[0].getsockname()[1], **options) as channel:
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
                assert (await channel.response(LIMIT)).status == 200
                assert await channel.receive(LIMIT) == b"one"
                await channel.send(bytearray(b"end"))
                await channel.end()
                assert await channel.receive(LIMIT) == b"end"
                assert await channel.receive(LIMIT) == b""
                assert channel.peer_ended
                assert channel.readable
                with pytest.raises(StreamError):
                    await channel.send(b"more")

    run(main())


def test_close_that_is_cancelled_is_over_at_once(monkeypatch):
    monkeypatch.setattr("eventstream.websocket.connection.CLOSE_TIMEOUT", 2 * LIMIT)

    async def main():
        begun, lost = asyncio.Event(), asyncio.Event()

        async def never_close(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)[1].decode()
            accepted = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}"
            writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{accepted}\r\n\r\n".encode())
            await reader.readexactly(8)  # the client's close frame
            begun.set()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            lost.set()

        async def client(port):
            async with connected(port) as channel:
                assert (await channel.response(LIMIT)).status == 200

        server = await asyncio.start_server(never_close, "127.0.0.1", 0)
        async with server:
            task = asyncio.create_task(client(server.sockets[0].getsockname()[1]))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await lost.wait()

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
                    await channel.send(b"at once", timeout=LIMIT)
                assert (await channel.response(LIMIT)).status == 403
                assert await channel.receive(LIMIT) == b"not you"
                assert await channel.receive(LIMIT) == b""
            async with connected(port) as channel:
                with pytest.raises(StreamError, match="the server closed the WebSocket: 1011 'out of order'"):
                    await channel.receive(LIMIT)
                await channel.reset()

    run(main())


@pytest.mark.waits
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
            (silent, TimeoutError, "the server did not respond for 0.05 s"),
        ):
            async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                with pytest.raises(error, match=text):
                    async with connected(port) as channel:
                        await channel.response(0.05 if handler is silent else LIMIT)

    run(main())


@pytest.mark.parametrize(
    ("status", "told"),
    [("200 OK", 502), ("204 No Content", 502), ("101 Switching Protocols", 502), ("302 Found", 302), ("403 No", 403)],
)
def test_client_takes_no_other_answer_for_a_websocket(status, told):
    async def main():
        async with answered(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as channel:
            assert (await channel.response(LIMIT)).status == told
            with pytest.raises(StreamError):
                await channel.send(b"x")

    run(main())


@pytest.mark.parametrize(("status", "told"), [("404 Not Found", 404), ("302 Found", 302), ("200 OK", 502)])
@pytest.mark.parametrize("cut", [0, 5, 9, 12])
def test_client_takes_a_refusal_of_http_1_0(status, told, cut):
    async def main():
        wire = f"HTTP/1.0 {status}\r\nContent-Type: text/plain\r\n\r\nnot here".encode()
        async with answered(wire[:cut], wire[cut:]) as channel:
            response = await channel.response(LIMIT)
            assert (response.status, dict(response.headers)) == (told, {"content-type": "text/plain"})
            assert await channel.receive(LIMIT) == b"not here"

    run(main())


def test_client_takes_no_websocket_of_http_1_0():
    async def main():
        async with answered(b"HTTP/1.0 101 Switching Protocols\r\n\r\n") as channel:
            with pytest.raises(StreamError, match=r"does not speak HTTP/1[.]1"):
                await channel.response(LIMIT)

    run(main())


def test_client_takes_a_refusal_that_ends_with_the_connection():
    """Its body says no length, as in HTTP/1.0."""

    async def main():
        async with answered(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nnot you") as channel:
            assert await channel.response(LIMIT) == (403, [("content-type", "text/plain")])
            assert await channel.receive(LIMIT) == b"not you"
            assert await channel.receive(LIMIT) == b""

    run(main())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 403", b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n"])
def test_client_tells_a_server_that_hangs_up(answer):
    async def main():
        async with answered(answer) as channel:
            with pytest.raises(StreamError, match="the server hung up without answering"):
                await channel.response(LIMIT)

    run(main())


@pytest.mark.parametrize(
    ("framing", "body", "arrived", "error"),
    [
        ("Content-Length: 5", b"ab", b"ab", "the server broke off its answer"),
        ("Content-Length: 2000000", b"ab", b"ab", "the server broke off its answer"),
        ("Transfer-Encoding: chunked", b"2\r\nab\r\n", b"ab", "the server broke off its answer"),
        ("Transfer-Encoding: chunked", b"4\r\nab", b"ab", "the server broke off its answer"),
        ("Transfer-Encoding: chunked", b"2\r\nab\r\nand so on\r\n", b"ab", "the body of .* is malformed"),
        ("Transfer-Encoding: chunked", b"2\r\nab\r\n0\r\n\r\n", b"ab", None),
        ("Content-Length: 2", b"ab, and more", b"ab", None),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_refusal_keeps_its_status_whatever_its_body_is(framing, body, arrived, error, version):
    async def main():
        head = f"HTTP/{version} 403 No\r\nX-Amzn-Errortype: Denied\r\n{framing}\r\n\r\n".encode()
        async with answered(head, body) as channel:
            response = await channel.response(LIMIT)
            assert (response.status, dict(response.headers)["x-amzn-errortype"]) == (403, "Denied")
            assert await channel.receive(LIMIT) == arrived
            for _ in range(2):
                if error is None:
                    assert await channel.receive(LIMIT) == b""
                else:
                    with pytest.raises(StreamError, match=error):
                        await channel.receive(LIMIT)

    run(main())


@pytest.mark.parametrize("chunked", [False, True])
def test_refusal_with_a_large_body(chunked):
    """Of which no more waits than a window, and what was just read."""
    size = 3 << 20

    async def main():
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else bytes(size)
        async with answered(b"HTTP/1.1 503 Busy\r\n" + framing + b"\r\n\r\n" + body) as channel:
            assert (await channel.response(LIMIT)).status == 503
            received = 0
            while data := await channel.receive(LIMIT):
                assert len(data) < WINDOW + READ_SIZE
                received += len(data)
            assert received == size

    run(main())


def test_refusal_whose_body_never_ends(monkeypatch):
    """The status is told at once, and nobody waits for the rest when the block is left."""
    monkeypatch.setattr("eventstream.websocket.connection.CLOSE_TIMEOUT", 60.0)

    async def main():
        async def page(reader, writer):
            writer.write(b"HTTP/1.1 429 Slow Down\r\nContent-Length: 100\r\n\r\nplease")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(page, "127.0.0.1", 0)
        async with server, connected(server.sockets[0].getsockname()[1]) as channel:
            assert (await channel.response(LIMIT)).status == 429
            assert await channel.receive(LIMIT) == b"please"
            with pytest.raises(StreamError, match="the WebSocket is closed"):
                await channel.send(b"x")

    run(main())


def test_interim_responses_are_no_answer():
    async def main():
        async with answered(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 403 No\r\n\r\nno") as channel:
            assert await channel.response(LIMIT) == (403, [])
            assert await channel.receive(LIMIT) == b"no"
        for count, budget in ((100, Budget(100, 0)), (2_000, None)):
            async with answered(b"HTTP/1.1 103 .\r\n\r\n" * count, idle_frames=budget) as channel:
                with pytest.raises(StreamError, match="hung up without answering"):
                    await channel.response(LIMIT)
        async with answered(b"HTTP/1.1 103 .\r\n\r\n" * 101, idle_frames=Budget(100, 0)) as channel:
            with pytest.raises(StreamError, match="interim responses, faster than the budget allows"):
                await channel.response(LIMIT)

    run(main())


def test_interim_response_before_a_websocket():
    async def main():
        async def switch(reader, writer):
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", await reader.readuntil(b"\r\n\r\n"))[1]
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            writer.write(b"HTTP/1.1 101 .\r\nUpgrade: websocket\r\nConnection: upgrade\r\n")
            writer.write(b"Sec-WebSocket-Accept: %b\r\nX-Id: 1\r\n\r\n\x82\x02hi" % accept_key(key.decode()).encode())
            writer.write(b"\x88\x02\x03\xe8")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(switch, "127.0.0.1", 0)
        async with server, connected(server.sockets[0].getsockname()[1]) as channel:
            response = await channel.response(LIMIT)
            assert (response.status, dict(response.headers)["x-id"]) == (200, "1")
            assert await channel.receive(LIMIT) == b"hi"
            assert await channel.receive(LIMIT) == b""

    run(main())


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 403 No\r\nX: " + b"x" * 100_000],
        [b"HT", b"TP/1.1", b" 403 No\r\nno header\r\n\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 403 No\r\nno header\r\n\r\n"],
        [b"HTTP/1.1 101 .\r\nX: " + b"x" * 9_000 + b"\r\n\r\n"],
    ],
)
def test_answer_whose_head_is_malformed_or_too_long(pieces):
    async def main():
        async with answered(*pieces) as channel:
            text = r"^the head of the server's answer is malformed, or too long \(at most 64 KiB\)$"
            with pytest.raises(StreamError, match=text):
                await channel.response(LIMIT)

    run(main())
