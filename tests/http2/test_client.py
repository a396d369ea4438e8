"""The client's end of a connection."""

from __future__ import annotations

import asyncio
import gc
import ssl

import pytest
from cases import each
from h2.errors import ErrorCodes
from h2.events import DataReceived
from h2.settings import SettingCodes
from http2.loopback import (
    SOON,
    FakeTransport,
    connected_to,
    echo,
    exchange,
    pair,
    raw_server,
    read,
    request,
    run,
    server_context,
    turns,
)
from hyperframe.frame import (
    GoAwayFrame,
    SettingsFrame,
)

from eventstream import http2
from eventstream.http2 import ClientConnection, StreamError
from eventstream.http2._h2 import PREFACE


def test_client_wants_nothing_pushed():
    async def main():
        connection = ClientConnection()
        connection.connection_made(FakeTransport())
        await asyncio.sleep(0)
        written = connection._transport.written.removeprefix(PREFACE)
        assert written[3] == SettingsFrame.type
        settings = written[9 : 9 + int.from_bytes(written[:3], "big")]
        assert bytes([0, SettingCodes.ENABLE_PUSH, 0, 0, 0, 0]) in [
            settings[start : start + 6] for start in range(0, len(settings), 6)
        ]

    run(main())


def test_request_waits_until_the_server_takes_it():
    async def main():
        async with pair(echo, max_concurrent_streams=2) as (_, connection):
            first, _ = [await connection.request(request()) for _ in range(2)]
            with pytest.raises(TimeoutError, match="accepted no more streams"):
                await connection.request(request(), timeout=SOON)
            waiting = asyncio.create_task(connection.request(request()))
            await first.end()
            assert await read(first) == b""
            third = await waiting
            await third.end()
            assert await read(third) == b""

    run(main())


def test_connection_that_the_server_drops():
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


def test_connection_that_was_left_says_so():
    async def main():
        async with pair(echo) as (_, connection):
            stream = await connection.request(request())
        for call in (stream.send(b"more"), stream.receive()):
            with pytest.raises(StreamError, match=r"^this side closed the connection \(CANCEL\)$"):
                await call
        with pytest.raises(StreamError, match=r"^this side closed the connection \(NO_ERROR\)$") as raised:
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


def test_server_that_says_goaway_refuses_what_it_has_not_seen():
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
            with pytest.raises(StreamError, match=r"^the server accepts no more streams on this connection") as raised:
                await connection.request(request())
            assert raised.value.unprocessed
            assert await first.receive() == b"all of it"
            assert await first.receive() == b""
            await first.end()
            await connection._lost  # its last stream has ended

    run(main())


def test_server_that_never_sends():
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


def test_connection_refused():
    async def main():
        async with raw_server(None) as port:
            pass
        with pytest.raises(ConnectionRefusedError):
            async with http2.connect("127.0.0.1", port):
                pass

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_connecting_cancelled_in_any_turn_leaves_no_socket(certificate, tls):
    ours, trusting = server_context(certificate), ssl.create_default_context(cafile=certificate)

    async def connect(port):
        async with http2.connect("127.0.0.1", port, ssl=trusting if tls else None) as connection:
            assert await exchange(connection) == b"hello"

    async def main():
        async with http2.serve(echo, ssl=ours if tls else None) as server:
            finished = False
            for later in range(1_000):
                connecting = asyncio.create_task(connect(server.port))
                await turns(later)
                finished = not connecting.cancel()
                await asyncio.wait([connecting])
                if finished:
                    break
            assert finished
            while server._listener._places:  # until the server has noticed
                await asyncio.sleep(0)

    gc.disable()  # it closes what is lost
    try:
        run(main())
    finally:
        gc.enable()


def test_certificate_that_is_not_trusted(certificate):
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


def test_tls_server_that_does_not_speak_http2(certificate):
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


@each(
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


@pytest.mark.parametrize("name", ["authorization", "x-amz-security-token"])
def test_headers_that_cannot_be_sent_are_named_without_their_values(name):
    async def main():
        async with pair(echo) as (_, connection):
            with pytest.raises(ValueError, match=f"^the header '{name}' cannot be sent") as raised:
                await connection.request([*request(), (name, "secret\udcff")])
            assert "secret" not in str(raised.value)

    run(main())


@pytest.mark.parametrize("header", [("host", "Z" * 1_000), ("x-name", "\udcff")])
def test_request_that_h2_refuses_leaves_the_connection(header):
    """Also what the other side knows of the headers so far."""

    async def handler(stream):
        await stream.respond(200, [("x-seen", dict(stream.headers).get("x-before", ""))], end=True)

    async def main():
        async with pair(handler) as (_, connection):
            with pytest.raises(ValueError, match="cannot be sent") as raised:
                await connection.request([*request(), ("x-before", "not sent"), header])
            assert str(raised.value).count("Z") <= 64
            for value in ("first", "second"):
                stream = await connection.request([*request(), ("x-before", value)])
                assert await stream.response() == (200, [("x-seen", value)])

    run(main())
