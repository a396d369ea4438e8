"""The server's end of connections."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from cases import each
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, PingAckReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import StreamClosedError
from hpack import Decoder, Encoder
from http2.loopback import (
    SOON,
    FakeTransport,
    continued,
    echo,
    exchange,
    headers,
    pair,
    raw_client,
    read,
    request,
    run,
    server_context,
    settled,
    status_of,
    turns,
    written,
)
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
)

from eventstream import http2
from eventstream.http2 import StreamError
from eventstream.http2._h2 import MAX_DECODED_HEADER_LIST_SIZE, MAX_HEADER_LIST_SIZE, MAX_HEADERS, PREFACE
from eventstream.http2.connection import MAX_UNWRITTEN
from eventstream.http2.server import ServerConnection, Shared


def test_close_does_not_wait_for_an_unfinished_handshake(certificate):
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


@pytest.mark.parametrize("how", ["close", "abort"])
def test_connection_that_a_client_drops(how):
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


def test_handler_that_fails(caplog):
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
def test_handler_error_after_a_cut_stream_is_logged(caplog, failure, logged):
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
            while server._shared.tasks:
                await asyncio.sleep(0)

    run(main())
    assert len(caplog.records) == logged


def test_stream_error_of_another_stream_is_logged(caplog):
    async def handler(stream):
        raise StreamError("of another one")

    async def main():
        async with pair(handler) as (_, connection):
            with pytest.raises(StreamError, match="INTERNAL_ERROR"):
                await (await connection.request(request())).response()

    run(main())
    assert len(caplog.records) == 1


def test_log_lines_are_short_and_control_no_terminal(caplog):
    async def handler(stream):
        raise ZeroDivisionError("oops")

    async def main():
        for path in ("/\x1b]0;title\x07\x1b[2J", "/" + "A" * 10_000):
            async with http2.serve(handler) as server, raw_client(server) as peer:
                peer.h2.send_headers(1, [(":method", "P\x1b[31m"), *request(path)[1:]])
                await peer.until(StreamReset)

    run(main())
    short, cut = (record.getMessage() for record in caplog.records)
    assert short == r"the handler of 'P\x1b[31m /\x1b]0;title\x07\x1b[2J' failed"
    assert cut == rf"the handler of 'P\x1b[31m /{'A' * 53}'... failed"


def test_failures_of_handlers_are_logged_once_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("eventstream.http2.listener.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def handler(stream):
        raise ZeroDivisionError("oops")

    async def main():
        async with pair(handler) as (_, connection):
            for after in (0, 0, 0, 1.5):
                now[0] += after
                with pytest.raises(StreamError):
                    await (await connection.request(request())).response()

    run(main())
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == ("ERROR", "the handler of 'POST /echo' failed")
    assert first.exc_info[0] is ZeroDivisionError
    assert second.getMessage() == "the handler of 'POST /echo' failed (and 2 other faults were not logged)"


def test_closing_a_server_drains_it():
    async def main():
        async with pair(echo) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            closing = asyncio.create_task(server.close())
            while not connection._leaving:
                await stream.send(b"hello")
                assert await stream.receive()
            with pytest.raises(StreamError, match=r"^the server accepts no more streams on this connection"):
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


def test_close_waits_for_the_streams_of_a_leaving_client():
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


def test_server_that_drains_takes_no_more_connections():
    """Also none that had been accepted, and is only now begun."""

    async def main():
        async with pair(echo) as (server, connection):
            stream = await connection.request(request())
            await stream.response()
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            late, transport = ServerConnection(server._shared), FakeTransport()
            late.connection_made(transport)
            assert transport.closed
            late.connection_lost(None)
            await stream.end()
            assert await read(stream) == b""
            await closing

    run(main())


def test_server_s_stream_tells_how_its_connection_was_lost():
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
        while connection._shared.tasks:
            await asyncio.sleep(0)

    run(main())
    assert errors == ["the connection was lost (OSError)"]


def test_drained_server_resets_what_comes_late():
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


def test_block_that_fails_closes_its_server_at_once():
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
    """Yield a task that drains a server; the server, with one handler, which cleans up so; and the client's stream."""

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
            assert not server._shared.tasks
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
            assert server._shared.tasks
            with pytest.raises(StreamError):
                await stream.receive()
            while server._shared.connections:
                await asyncio.sleep(0)
            released.set()
            while server._shared.tasks:
                await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize("sent", [b"", PREFACE[:5], "preface"])
def test_client_that_never_sends_is_dropped(sent):
    async def main():
        async with http2.serve(echo, idle_timeout=SOON) as server, raw_client(server) as peer:
            peer.writer.write(peer.h2.data_to_send() if sent == "preface" else sent)
            while await peer.reader.read(65_536):
                pass

    run(main())


def test_connection_with_streams_is_not_idle():
    async def main():
        async with pair(echo) as (server, connection):
            (other_end,) = server._shared.connections
            assert other_end._idle_timer is not None
            assert await exchange(connection) == b"hello"
            assert other_end._idle_timer is not None
            stream = await connection.request(request())
            await stream.response()
            assert other_end._idle_timer is None

    run(main())


def test_resets_at_once_call_no_handler():
    handled = []

    async def handler(stream):
        handled.append(stream.id)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            await peer.flush()
            for stream_id in range(1, 41, 2):
                peer.h2.send_headers(stream_id, request())
                peer.h2.reset_stream(stream_id)
            peer.h2.ping(b"are you?")
            await peer.until(PingAckReceived)
            while server._shared.tasks:
                await asyncio.sleep(0)
            assert handled == []

    run(main())


def test_resets_do_not_pile_up_handlers():
    """A client that resets its streams when their handlers have begun has at most twice as many as it may have open."""

    async def main():
        release = asyncio.Event()
        handled = []

        async def handler(stream):
            handled.append(stream.id)
            await release.wait()

        async with http2.serve(handler, max_concurrent_streams=5) as server, raw_client(server) as peer:
            for stream_id in range(1, 101, 2):
                peer.h2.send_headers(stream_id, request())
                peer.h2.ping(b"are you?")
                await peer.until(PingAckReceived)
                with suppress(StreamClosedError):  # it was refused
                    peer.h2.reset_stream(stream_id)
            peer.h2.ping(b"are you?")
            await peer.until(PingAckReceived)
            assert len(handled) == 10
            release.set()

    run(main())


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


def test_close_drops_clients_in_the_tls_handshake(certificate):
    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server._listener.resting:
                await asyncio.sleep(0)
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


# Limits


@each("end", [True, False])
@each(
    ("size", "status"),
    [(MAX_HEADER_LIST_SIZE, b"200"), (MAX_HEADER_LIST_SIZE + 1, b"431"), (MAX_DECODED_HEADER_LIST_SIZE, b"431")],
)
def test_header_list_over_the_limit_is_answered(size, status, end):
    """On the stream, whose client may finish its request, and the handler is not called."""
    called = []

    async def handler(stream):
        called.append(stream.id)
        await stream.respond(200, end=True)

    async def main():
        fields = [*request(), ("x-large", "")]
        value = "v" * (size - sum(len(name) + len(value) + 32 for name, value in fields))
        wire = continued(1, [*request(), ("x-large", value)])
        if not end:
            wire = wire[:4] + b"\0" + wire[5:]
        options = {"refusal_headers": lambda: [("x-id", "7")]}
        connection = settled(SettingsFrame(0).serialize(), wire, handler=handler, **options)
        await turns()
        (response,) = [frame for frame in written(connection) if isinstance(frame, HeadersFrame)]
        assert (response.stream_id, status_of(response), "END_STREAM" in response.flags) == (1, status, True)
        if status == b"431":
            fields = dict(Decoder().decode(response.data))
            assert abs(parsedate_to_datetime(fields["date"]) - datetime.now(timezone.utc)) < timedelta(minutes=1)
            assert fields["x-id"] == "7"
        assert called == ([1] if status == b"200" else [])
        assert connection._closed is None
        if not end:
            connection.data_received(DataFrame(1, data=b"body", flags=["END_STREAM"]).serialize())
        assert not connection._flows
        connection.connection_lost(None)

    run(main())


@each(("count", "status"), [(MAX_HEADERS, b"200"), (MAX_HEADERS + 1, b"431")])
def test_headers_over_the_limit_of_their_number_are_answered(count, status):
    async def handler(stream):
        await stream.respond(200, end=True)

    async def main():
        fields = [*request(), *[("x-small", "")] * (count - len(request()))]
        connection = settled(SettingsFrame(0).serialize(), headers(1, fields, end=True), handler=handler)
        await turns()
        (response,) = [frame for frame in written(connection) if isinstance(frame, HeadersFrame)]
        assert status_of(response) == status
        assert connection._closed is None
        connection.connection_lost(None)

    run(main())


def test_stream_over_the_limit_is_refused():
    async def main():
        opened = b"".join(headers(stream_id) for stream_id in (1, 3, 5))
        connection = settled(SettingsFrame(0).serialize(), opened, max_concurrent_streams=2)
        await turns()
        frames = written(connection)
        (refused,) = [frame for frame in frames if isinstance(frame, RstStreamFrame)]
        assert (refused.stream_id, refused.error_code) == (5, ErrorCodes.REFUSED_STREAM)
        connection.data_received(DataFrame(1, data=b"hello", flags=["END_STREAM"]).serialize())
        await turns()
        connection.data_received(headers(7))
        await turns()
        answered = [frame.stream_id for frame in written(connection) if isinstance(frame, HeadersFrame)]
        assert answered == [7]
        connection.connection_lost(None)
        await turns()

    run(main())


def test_tls_client_without_alpn_is_refused(certificate, caplog):
    """RFC 9113, 3.2."""

    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            for protocols in ([], ["http/1.1"]):
                trusting = ssl.create_default_context(cafile=certificate)
                if protocols:
                    trusting.set_alpn_protocols(protocols)
                reader, writer = await asyncio.open_connection("localhost", server.port, ssl=trusting)
                writer.write(PREFACE + SettingsFrame(0).serialize())
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            trusting = ssl.create_default_context(cafile=certificate)
            async with http2.connect("localhost", server.port, ssl=trusting) as connection:
                assert await exchange(connection) == b"hello"

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    assert "the client does not speak HTTP/2 (ALPN)" in caplog.text


def test_connection_that_fails_is_logged(caplog, monkeypatch):
    monkeypatch.setattr("eventstream.http2.listener.time", SimpleNamespace(monotonic=lambda: 100.0))

    async def main():
        async with http2.serve(echo) as server:
            for _ in range(3):
                async with raw_client(server) as peer:
                    peer.writer.write(b"GET / HTTP/1.1\r\n\r\n")
                    while await peer.reader.read(65_536):
                        pass

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    (record,) = caplog.records  # and no more in this second
    assert record.getMessage().startswith("a connection from 127.0.0.1 failed: the peer violated HTTP/2")


@pytest.mark.parametrize(
    ("sent", "error", "said"),
    [
        (b"", None, "it hung up before it spoke HTTP/2"),
        (PREFACE[:10], ConnectionResetError(), "it hung up before it spoke HTTP/2"),
        (PREFACE, ConnectionResetError(), "the connection was lost (ConnectionResetError)"),
        (PREFACE + SettingsFrame(0).serialize()[:5], None, "the connection was lost"),
        (
            PREFACE + SettingsFrame(0).serialize() + GoAwayFrame(0, error_code=ErrorCodes.PROTOCOL_ERROR).serialize(),
            None,
            "the peer ended the connection (PROTOCOL_ERROR)",
        ),
        (PREFACE + SettingsFrame(0).serialize() + GoAwayFrame(0).serialize(), None, None),
        (PREFACE + SettingsFrame(0).serialize(), None, None),
    ],
    ids=["nothing", "half a preface", "reset", "half a frame", "error", "goodbye", "hung up"],
)
def test_connection_that_its_client_ends_is_logged_if_it_failed(caplog, sent, error, said):
    async def main():
        connection = ServerConnection(Shared(echo))
        connection.connection_made(FakeTransport())
        connection.data_received(sent)
        connection.connection_lost(error)

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    expected = [] if said is None else [f"a connection from a client failed: {said}"]
    assert [record.getMessage() for record in caplog.records] == expected


def test_connection_that_this_side_ends_is_logged_if_it_failed(caplog):
    async def main():
        async with http2.serve(echo, idle_timeout=SOON) as server, raw_client(server) as peer:
            assert await peer.reader.read(65_536)
            while await peer.reader.read(65_536):
                pass
        connection = settled(SettingsFrame(0).serialize())
        connection._transport.get_write_buffer_size = lambda: MAX_UNWRITTEN + 1
        connection._write()

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    silent, deaf = (record.getMessage().partition(" failed: ")[2] for record in caplog.records)
    assert silent == "it did not speak HTTP/2 in time"
    assert deaf == "the peer is not reading (ENHANCE_YOUR_CALM)"


@pytest.mark.parametrize("status", [HTTPStatus.OK, HTTPStatus.NOT_FOUND])
@pytest.mark.parametrize("end", [False, True])
def test_status_may_be_an_enum_member(status, end):
    async def handler(stream):
        await stream.respond(status, end=end)
        if not end:
            await stream.end()

    async def main():
        async with pair(handler) as (_, connection):
            stream = await connection.request(request())
            await stream.end()
            assert (await stream.response(SOON * 100)).status == status

    run(main())
