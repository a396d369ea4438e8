"""What a connection does with a stream: windows, lengths, lingering, and what is left of it."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingAckReceived, ResponseReceived, StreamEnded, StreamReset
from http2.loopback import (
    answered,
    connected_to,
    echo,
    exchange,
    opened,
    pair,
    raw_client,
    read,
    request,
    run,
)
from hyperframe.frame import DataFrame

from eventstream import http2
from eventstream.http2 import StreamError, flow


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
            for _ in range(500):  # 128,000 bytes of window
                while peer.h2.local_flow_control_window(1) < 256:
                    await peer.flush()
                    peer.h2.receive_data(await peer.reader.read(65_536))
                peer.h2.send_data(1, b"", pad_length=255)
            peer.h2.end_stream(1)
            assert (await peer.until(DataReceived)).data == b"0"

    run(main())


def test_flow_control_returns_only_the_padding():
    async def main():
        connection, stream = await answered()
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


def test_lingering_stream_keeps_nothing():
    async def main():
        connection, stream = await answered()
        connection.data_received(DataFrame(1, data=bytes(10)).serialize())
        stream._flow.linger()
        connection.data_received(DataFrame(1, data=bytes(10)).serialize())
        assert stream._flow.received == b""
        assert stream._flow._unreturned == 20
        stream._flow._linger_timer.cancel()

    run(main())


def test_last_frame_of_a_request_that_nobody_reads():
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


def test_length_of_a_request_that_ends_wrongly_after_response():
    """Its trailers end it. Both sides have ended, so there is nothing to reset."""
    streams = []

    async def handler(stream):
        streams.append(stream)
        await stream.respond(403, end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, [*request(), ("content-length", "5")])
            await peer.until(StreamEnded)
            peer.h2.send_headers(1, [("checksum", "none")], end_stream=True)
            peer.h2.ping(b"are you?")
            await peer.until(PingAckReceived)
            with pytest.raises(StreamError, match="the body has 0 bytes, but its content-length is '5'"):
                await streams[0].receive()

    run(main())


def test_request_that_never_ends_after_its_response(monkeypatch):
    monkeypatch.setattr(flow, "LINGER_TIMEOUT", 0.0)

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


def test_timeout_does_not_keep_an_ended_stream():
    streams = []

    async def handler(stream):
        streams.append(stream)
        await stream.respond(403, end=True)

    async def main():
        async with pair(handler) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            await stream.reset()
            (other,) = server._shared.connections
            while other._flows:
                await asyncio.sleep(0)
            assert streams[0]._flow._linger_timer.cancelled()

    run(main())


def test_stream_whose_request_has_ended_is_not_waited_for():
    streams = []

    async def handler(stream):
        assert await read(stream) == b""
        streams.append(stream)
        await stream.respond(200, end=True)

    async def main():
        async with pair(handler) as (server, connection):
            assert await exchange(connection, b"") == b""
            while server._shared.tasks:
                await asyncio.sleep(0)
            assert streams[0]._flow._linger_timer is None

    run(main())


def test_status_that_is_none():
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
