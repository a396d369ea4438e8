"""Streams: exchanges, back-pressure, waiting, and streams that end before their end."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest
from cases import each
from h2.errors import ErrorCodes
from h2.events import ResponseReceived, StreamEnded
from http2.loopback import (
    LIMIT,
    RESPONSE,
    SOON,
    answered,
    connected_to,
    echo,
    exchange,
    lonely,
    pair,
    raw_client,
    read,
    request,
    run,
)

from eventstream import http2
from eventstream.exceptions import StateError
from eventstream.http2 import StreamError
from eventstream.http2.stream import STREAM_WINDOW, text


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


def test_headers_that_are_repeated_take_no_memory_of_their_own():
    """A peer can repeat one of 4 KiB with a single byte."""
    repeated = (b"x-name", "Jürgen".encode() * 600)
    first, other, again = text([repeated, (b"x-other", b"\xff"), (repeated[0], bytes(bytearray(repeated[1])))])
    assert first == ("x-name", "Jürgen" * 600)
    assert other == ("x-other", "\udcff")
    assert again is first


def test_directions_flow_at_once():
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
def test_response_without_a_body(status):
    async def handler(stream):
        await stream.respond(status, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            assert await stream.response() == (status, [])
            assert await stream.receive() == b""

    run(main())


@each("size", [0, 1, 16_384, 65_535, 65_536, 3_000_000])
def test_bodies_larger_than_all_windows(size):
    body = bytes(range(256)) * (size // 256 + 1)

    async def main():
        async with pair(echo) as (_, connection):
            assert await exchange(connection, body[:size]) == body[:size]

    run(main())


def test_stream_that_was_reset_here_says_so():
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        await stream.reset()
        for call in (stream.receive(), stream.send(b"more"), stream.response()):
            with pytest.raises(StreamError) as raised:
                await call
            assert str(raised.value) == "this side reset the stream (CANCEL)"
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
def test_bounds_of_a_status(status):
    async def handler(stream):
        with pytest.raises(ValueError, match=rf"^status {status} is out of range \(200 to 999\)$"):
            await stream.respond(status)
        await stream.respond(999, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            assert (await (await connection.request(request())).response()).status == 999

    run(main())


def test_slow_reader_stops_its_own_stream_alone():
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
            with pytest.raises(TimeoutError, match=r"took no more data for 0\.05 s"):
                await slow.send(bytes(1_000_000), timeout=SOON)
            while len(streams[0]._flow.received) < STREAM_WINDOW:
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


def test_client_that_does_not_read_stops_its_own_stream_alone():
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
            assert "took no more data" in await failed
            assert len(stream._flow.received) <= STREAM_WINDOW
            assert await exchange(connection) == b"hello"

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


@pytest.mark.parametrize("timeout", [0, -1, 1e-9])
def test_timeout_allows_what_arrives_in_the_same_turn(timeout):
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


def test_stream_is_readable_when_receive_does_not_wait():
    async def main():
        connection, stream = await answered()
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


def test_stream_tells_its_connection_from_others():
    seen = []

    async def handler(stream):
        seen.append(stream.connection)
        await echo(stream)

    async def main():
        async with pair(handler) as (server, connection), http2.connect("127.0.0.1", server.port) as other:
            for each in (connection, other, connection):
                assert await exchange(each) == b"hello"
        assert seen[0] is seen[2]
        assert seen[0] is not seen[1]

    run(main())


def test_reset_by_the_client_is_no_end():
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
                with pytest.raises(StreamError, match="this side reset the stream") as raised:
                    await call
                assert not raised.value.remote
            await stream.reset()  # once more does nothing
            assert await exchange(connection) == b"hello"

    run(main())


def test_reset_by_the_server_is_no_end():
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


def test_reset_delivers_what_came_before():
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


def test_response_that_ends_before_the_request():
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


def test_responses_that_cannot_be_sent():
    async def main():
        async def handler(stream):
            with pytest.raises(ValueError, match="status 100"):
                await stream.respond(100)
            with pytest.raises(ValueError, match="':status'"):
                await stream.respond(200, [(":status", "300")])
            with pytest.raises(StateError, match=r"^the response has not begun: call respond$"):
                await stream.send(b"hello")
            with pytest.raises(StateError, match=r"^the response has not begun: call respond$"):
                await stream.end()
            await stream.respond(200)
            with pytest.raises(StateError, match=r"^the response has already begun$"):
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


def test_send_by_two_tasks_at_once_is_an_error():
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


# Bodies that are sent are as long as their content-length


def test_content_length_of_a_request_that_is_sent():
    async def main():
        async with pair(echo) as (_, connection):
            stream = await connection.request([*request(), ("Content-Length", "5")])
            with pytest.raises(StateError, match="cannot send 6 bytes: the body's content-length leaves 5"):
                await stream.send(b"hello!")
            await stream.send(b"hel")
            with pytest.raises(StateError, match="ends 2 bytes before its content-length"):
                await stream.end()
            await stream.send(b"lo")
            with pytest.raises(StateError, match="cannot send 1 bytes: the body's content-length leaves 0"):
                await stream.send(b"!")
            await stream.end()
            assert await read(stream) == b"hello"

    run(main())


def test_content_length_of_a_response_that_is_sent():
    async def handler(stream):
        await stream.respond(200, [("content-length", "5")])
        with pytest.raises(StateError, match="cannot send 6 bytes"):
            await stream.send(b"hello!")
        await stream.send(b"hel")
        with pytest.raises(StateError, match="ends 2 bytes before"):
            await stream.end()
        await stream.send(b"lo")
        await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            assert await exchange(connection) == b"hello"

    run(main())


@each(
    ("method", "status", "lengths", "is_right"),
    [
        ("POST", 200, ["0"], True),
        ("POST", 200, ["00"], True),
        ("POST", 200, ["5"], False),
        ("POST", 200, ["0", "0"], True),
        ("POST", 200, ["0", "1"], False),
        ("POST", 200, ["-0"], False),
        ("POST", 200, [""], False),
        ("POST", 200, ["\u0663"], False),
        ("POST", 200, ["9" * 5_000], False),
        ("POST", 204, ["5"], True),
        ("POST", 304, ["5"], True),
        ("HEAD", 200, ["5"], True),
    ],
    ids=lambda value: str(value)[:20],
)
def test_content_length_of_a_response_that_ends_at_once(method, status, lengths, is_right):
    """It may tell how long the body would be (RFC 9110, 8.6)."""
    given = [("content-length", length) for length in lengths]

    async def handler(stream):
        if not is_right:
            with pytest.raises(ValueError, match="content-length"):
                await stream.respond(status, given, end=True)
            given.clear()  # nothing was sent
        await stream.respond(status, given, end=True)

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request([(":method", method), *request()[1:]])
            await stream.end()
            response = await stream.response()
            assert (response.status, response.headers) == (status, given)
            assert await read(stream) == b""

    run(main())


def test_content_length_that_is_not_a_number_begins_no_request():
    async def main():
        async with pair(echo) as (_, connection):
            with pytest.raises(ValueError, match="content-length"):
                await connection.request([*request(), ("content-length", "many")])
            assert await exchange(connection) == b"hello"

    run(main())


def test_content_length_that_a_handler_misses_resets_its_stream(caplog):
    async def handler(stream):
        await stream.respond(200, [("content-length", "9")])
        await echo_rest(stream)

    async def echo_rest(stream):
        async for data in stream:
            await stream.send(data)
        await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            with pytest.raises(StreamError) as raised:
                await exchange(connection)
            assert raised.value.code == ErrorCodes.INTERNAL_ERROR
            assert "the handler of 'POST /echo' failed" in caplog.text

    run(main())
