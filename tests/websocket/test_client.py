"""The client's end, against the library's own server and against servers that speak no WebSocket."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from http2.loopback import LIMIT, run
from websockets.asyncio.server import serve as library_server

from eventstream import websocket
from eventstream.http2 import StreamError


@contextlib.asynccontextmanager
async def connected(server_port, path="/", **options):
    url = f"ws://127.0.0.1:{server_port}{path}"
    async with websocket.connect(url, "127.0.0.1", server_port, **options) as channel:
        yield channel


@contextlib.asynccontextmanager
async def answered(*pieces):
    """Yield the channel of a client whose server answers with these bytes, one piece after the other, and hangs up."""

    async def page(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.01)
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server, connected(server.sockets[0].getsockname()[1]) as channel:
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


@pytest.mark.parametrize(("status", "told"), [("404 Not Found", 404), ("302 Found", 302), ("503 Busy", 503)])
@pytest.mark.parametrize("cut", [0, 5, 9, 12])
def test_client_takes_a_refusal_of_http_1_0(status, told, cut):
    async def main():
        wire = f"HTTP/1.0 {status}\r\nContent-Type: text/plain\r\n\r\nnot here".encode()
        async with answered(wire[:cut], wire[cut:]) as channel:
            response = await channel.response(LIMIT)
            assert (response.status, dict(response.headers)) == (told, {"content-type": "text/plain"})
            assert await channel.receive(LIMIT) == b"not here"

    run(main())


@pytest.mark.parametrize("status", ["200 OK", "101 Switching Protocols"])
def test_client_takes_no_websocket_of_http_1_0(status):
    async def main():
        async with answered(f"HTTP/1.0 {status}\r\n\r\n".encode()) as channel:
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


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 403", b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nab"])
def test_client_tells_a_server_that_hangs_up(answer):
    async def main():
        async with answered(answer) as channel:
            with pytest.raises(StreamError, match="the server hung up without answering"):
                await channel.response(LIMIT)

    run(main())
