"""How a server accepts connections."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
import ssl
import sys
from contextlib import AsyncExitStack, suppress

import pytest
from cases import each
from http2.loopback import LIMIT, SOON, echo, exchange, pair, raw_client, request, run, server_context, turns
from hyperframe.frame import SettingsFrame

from eventstream import http2
from eventstream.http2 import StreamError
from eventstream.http2._h2 import PREFACE
from eventstream.http2.listener import (
    ACCEPT_PAUSE,
    Complaints,
    Listener,
    _check_begins_with_tls,
    _fault,
    _next,
    _readable,
)


async def silent(server):
    """Return a connection that says nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    return reader, writer


async def is_dropped(reader):
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    return True


@pytest.mark.parametrize(
    "options",
    [{"max_connections": 3}, {"max_connections_per_peer": 3}, {"max_connections": 3, "max_connections_per_peer": 3}],
    ids=["in all", "per peer", "both"],
)
def test_connection_over_the_bound_replaces_a_silent_one(options):
    """Of the one that has been silent for longest; those with streams stay. For both bounds one gives way, not two."""

    async def main():
        async with http2.serve(echo, **options) as server, AsyncExitStack() as stack:
            busy = await stack.enter_async_context(http2.connect("127.0.0.1", server.port))
            stream = await busy.request(request())
            await stream.response()
            first, second, third = [await silent(server) for _ in range(3)]
            assert await is_dropped(first[0])
            assert len(server._listener._places) == 3
            async with http2.connect("127.0.0.1", server.port) as connection:
                assert await is_dropped(second[0])
                assert await exchange(connection) == b"hello"
            assert not third[0].at_eof()
            await stream.send(b"still there")
            assert await stream.receive() == b"still there"
            for _, writer in (first, second, third):
                writer.close()

    run(main())


@pytest.mark.parametrize(
    ("peers", "dropped"),
    [
        (["2001:db8::1", "2001:db8::ffff:1:2", "2001:db8::2"], True),
        (["2001:db8::1", "2001:db8:0:1::1", "2001:db8::2"], False),
        (["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"], True),
        (["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"], False),
        (["fe80::1%lo", "fe80::2%lo", "fe80::3"], True),
        (["::1", "2001:db8::1", "192.0.2.1"], False),
    ],
)
def test_peer_of_ipv6_is_its_network(monkeypatch, peers, dropped):
    """One host has 2 ** 64 addresses."""
    left = peers.copy()

    async def from_afar(listening):
        accepted, _ = await _next(listening)
        return accepted, (left.pop(0), 1)

    async def main():
        monkeypatch.setattr("eventstream.http2.listener._next", from_afar)
        async with http2.serve(echo, max_connections_per_peer=2) as server:
            first, *others = [await silent(server) for _ in peers]
            while left:
                await asyncio.sleep(0)
            if dropped:
                assert await is_dropped(first[0])
            assert sorted(place.peer for place in server._listener._places) == sorted(peers[dropped:])
            for _, writer in (first, *others):
                writer.close()

    run(main())


@pytest.mark.parametrize("option", ["max_connections", "max_connections_per_peer"])
@pytest.mark.parametrize("greeting", [b"", PREFACE + SettingsFrame(0).serialize()])
def test_bound_of_connections_holds_for_ever(option, greeting):
    """One that has had to give way has no place to give any more, whether it has said anything or not."""

    async def main():
        async with http2.serve(echo, **{option: 2}) as server:
            clients = []
            for _ in range(12):
                reader, writer = await silent(server)
                writer.write(greeting)
                clients.append((reader, writer))
                await turns()
                assert len(server._listener._places) <= 2
                assert server._listener.resting.keys() <= server._listener._places
            assert all([await is_dropped(reader) for reader, _ in clients[:-2]])
            assert not any(reader.at_eof() for reader, _ in clients[-2:])
            for _, writer in clients:
                writer.close()

    run(main())


@pytest.mark.parametrize("option", ["max_connections", "max_connections_per_peer"])
def test_connection_over_the_bound_is_refused_if_all_busy(option, caplog):
    async def main():
        async with http2.serve(echo, **{option: 2}) as server, AsyncExitStack() as stack:
            streams = []
            for _ in range(2):
                connection = await stack.enter_async_context(http2.connect("127.0.0.1", server.port))
                streams.append(await connection.request(request()))
                await streams[-1].response()
            with pytest.raises(StreamError, match="lost"):
                async with http2.connect("127.0.0.1", server.port):
                    pass
            await streams[0].end()
            assert await streams[0].receive() == b""
            async with http2.connect("127.0.0.1", server.port) as connection:
                assert await exchange(connection) == b"hello"

    run(main())
    (record,) = caplog.records
    assert record.getMessage() == "a connection from 127.0.0.1 was refused: 2 are open"


def test_connections_can_be_unbounded():
    async def main():
        async with http2.serve(echo, max_connections=None, max_connections_per_peer=None) as server:
            guests = [await silent(server) for _ in range(300)]
            while len(server._shared.connections) < 300:
                await asyncio.sleep(0)
            for _, writer in guests:
                writer.close()
            while server._shared.connections:
                await asyncio.sleep(0)
            assert not server._listener._places
            assert not server._listener._by_network

    run(main())


def test_connection_in_the_tls_handshake_gives_way(certificate):
    async def main():
        import ssl

        trusting = ssl.create_default_context(cafile=certificate)
        async with http2.serve(echo, ssl=server_context(certificate), max_connections=2) as server:
            guests = [await silent(server) for _ in range(2)]
            while len(server._listener.resting) < 2:
                await asyncio.sleep(0)
            async with http2.connect("localhost", server.port, ssl=trusting) as connection:
                assert await is_dropped(guests[0][0])
                assert await exchange(connection) == b"hello"
            for _, writer in guests:
                writer.close()

    run(main())


def test_silent_tls_client_costs_no_buffers(certificate, monkeypatch):
    """Asyncio takes 256 KiB for TLS, which begins when the client has said something."""

    async def main():
        loop = asyncio.get_running_loop()
        begun, connect = [], loop.connect_accepted_socket

        async def counted(*arguments, **options):
            begun.append(arguments)
            return await connect(*arguments, **options)

        monkeypatch.setattr(loop, "connect_accepted_socket", counted)
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            _, writer = await silent(server)
            while not server._listener.resting:
                await asyncio.sleep(0)
            await asyncio.sleep(SOON)
            assert not begun
            writer.write(b"\x16")
            while not begun:
                await asyncio.sleep(0)
            writer.close()

    run(main())


def test_failed_handshake_gives_its_place_back(certificate, caplog):
    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            for _ in range(5):
                async with raw_client(server) as peer:
                    peer.writer.write(b"no TLS at all, but long enough")
                    assert await is_dropped(peer.reader)
            while server._listener._places:
                await asyncio.sleep(0)

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    assert caplog.records[0].getMessage().startswith("a connection from 127.0.0.1 failed: ")


def refuses(certificate, why):
    """Return what sends an alert in place of the rest of a handshake: a client that does not trust the certificate."""
    context = ssl.create_default_context(cafile=None if why == "authority" else certificate)

    def handshake(port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            context.wrap_socket(connection, server_hostname="other.test" if why == "name" else "localhost")

    async def attempt(server):
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(handshake, server.port)

    return attempt


def sends(data):
    async def attempt(server):
        async with raw_client(server) as peer:
            peer.writer.write(data)
            if data.startswith(b"\x16"):
                peer.writer.write_eof()
            assert await is_dropped(peer.reader)

    return attempt


async def hangs_up(server):
    async with raw_client(server) as peer:
        peer.writer.write_eof()
        assert await is_dropped(peer.reader)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (sends(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "it speaks HTTP/1 in plaintext, and this port TLS"),
        (sends(PREFACE), "it speaks something else in plaintext, and this port TLS"),
        (sends(b"\x16\x03\x01\x00"), "it hung up during the TLS handshake"),
        (sends(b"\x16\x03\x01\x00\x05hello"), "the TLS handshake failed ("),
        (hangs_up, "it hung up before the TLS handshake"),
        ("authority", "it does not trust this server's certificate"),
        ("name", "it does not trust this server's certificate"),
    ],
    ids=["HTTP/1", "HTTP/2", "half a handshake", "no handshake", "nothing", "unknown authority", "other name"],
)
def test_failed_handshake_is_logged_with_its_reason(certificate, attempt, said, caplog):
    async def main():
        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            await (refuses(certificate, attempt) if isinstance(attempt, str) else attempt)(server)
            while server._listener._places:
                await asyncio.sleep(0.001)

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    [record] = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage().startswith(f"a connection from 127.0.0.1 failed: {said}")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (OSError("no room"), "no room"),
        (asyncio.TimeoutError(), "it did not finish the TLS handshake in time"),
        (ssl.SSLError(), "the TLS handshake failed (SSLError)"),
    ],
)
def test_fault_of_a_connection_is_told_in_our_words(error, said):
    assert _fault(error) == said


def test_client_that_has_sent_nothing_may_still_speak_tls():
    """Where an event loop cannot tell that something has come."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert _check_begins_with_tls(ours) is None
        theirs.send(b"\x16")
        assert _check_begins_with_tls(ours) is None
        assert ours.recv(1) == b"\x16", "it is still there for the handshake"


def test_handshake_that_takes_too_long_is_logged(certificate, caplog):
    async def main():
        serving = http2.serve(echo, ssl=server_context(certificate), idle_timeout=SOON)
        async with serving as server, raw_client(server) as peer:
            assert await is_dropped(peer.reader)

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    [record] = caplog.records
    assert record.getMessage() == "a connection from 127.0.0.1 failed: it did not finish the TLS handshake in time"


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        (b"POST /stream-transcription HTTP/1.1\r\n\r\n", "it speaks HTTP/1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(30), "it speaks TLS, and this port plaintext"),
        (bytes(24), None),
    ],
    ids=["HTTP/1", "TLS", "unknown"],
)
def test_client_of_another_protocol_is_logged(begun, said, caplog):
    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.writer.write(begun)
            with suppress(ConnectionError):
                await peer.reader.read()

    caplog.set_level(logging.INFO, "eventstream.http2")
    run(main())
    [record] = caplog.records
    words = "the peer violated HTTP/2" + (f": {said}" if said else "")
    assert record.getMessage() == f"a connection from 127.0.0.1 failed: {words} (PROTOCOL_ERROR)"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_while_there_are_no_descriptors(code, caplog, monkeypatch):
    async def main():
        loop = asyncio.get_running_loop()
        attempts = []

        async def failing(listening):
            if not attempts or loop.time() < attempts[0] + 3.5 * ACCEPT_PAUSE:
                attempts.append(loop.time())
                raise OSError(code, os.strerror(code))
            return await _next(listening)

        monkeypatch.setattr("eventstream.http2.listener._next", failing)
        async with http2.serve(echo) as server, http2.connect("127.0.0.1", server.port) as connection:
            assert await exchange(connection) == b"hello"
        assert 1 <= len(attempts) <= 4

    run(main())
    assert 1 <= len(caplog.records) <= 2  # on a busy machine it takes more than a second
    for record in caplog.records:
        assert os.strerror(code) in record.getMessage()
        assert record.exc_info is None


def test_accepting_goes_on_after_a_client_that_was_gone(monkeypatch):
    async def main():
        failures = [ConnectionAbortedError(), ConnectionResetError()]

        async def failing(listening):
            if failures:
                raise failures.pop()
            return await _next(listening)

        monkeypatch.setattr("eventstream.http2.listener._next", failing)
        async with http2.serve(echo) as server, http2.connect("127.0.0.1", server.port) as connection:
            assert await exchange(connection) == b"hello"

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are bounded by setrlimit")
def test_out_of_descriptors_writes_a_line_a_second(caplog):
    import resource

    async def main():
        async with http2.serve(echo, max_connections=None, max_connections_per_peer=None) as server:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 64
            clients = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
            try:
                with suppress(OSError):
                    while True:
                        client = socket.socket()
                        clients.append(client)
                        client.setblocking(False)
                        with suppress(BlockingIOError):
                            client.connect(("127.0.0.1", server.port))
                await asyncio.sleep(5 * ACCEPT_PAUSE)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            async with http2.connect("127.0.0.1", server.port) as connection:
                assert await exchange(connection) == b"hello"
            for client in clients:
                client.close()

    run(main())
    assert 1 <= len(caplog.records) <= 2
    assert all(record.exc_info is None for record in caplog.records)
    assert caplog.records[0].getMessage().startswith("connections are not accepted for 0.1 s: ")


def test_listening_on_every_address_of_a_host():
    async def main():
        async with http2.serve(echo, None) as server:
            for address in ("127.0.0.1", "::1") if socket.has_ipv6 else ("127.0.0.1",):
                ports = [s.getsockname()[1] for s in server._listener._sockets]
                families = [s.family for s in server._listener._sockets]
                if ":" in address and socket.AF_INET6 not in families:
                    continue
                port = ports[families.index(socket.AF_INET6 if ":" in address else socket.AF_INET)]
                async with http2.connect(address, port) as connection:
                    assert await exchange(connection) == b"hello"

    run(main())


def test_listening_on_what_names_no_host():
    async def main():
        for host in ("x..y", "x" * 64):
            with pytest.raises(OSError, match=f"'{host}' is not the name of a host"):
                async with http2.serve(echo, host):
                    pytest.fail("it listens")

    run(main())


@pytest.mark.parametrize(
    ("port", "error", "said"),
    [
        *((port, ValueError, rf"{port} is out of range \(0 to 65535\)") for port in (-1, 65_536, 65_536 + 8_080)),
        *((port, TypeError, f"must be an int, not {type(port).__name__}") for port in ("8080", None, 80.0)),
    ],
)
def test_listening_on_what_is_not_a_port(port, error, said):
    """Of one out of range the system would take its lowest 16 bits."""

    async def main():
        with pytest.raises(error, match=f"^the port {said}$"):
            async with http2.serve(echo, port=port):
                pytest.fail("it listens")

    run(main())


def test_listening_twice_fails():
    async def main():
        async with http2.serve(echo) as server:
            with pytest.raises(OSError, match=f"the address 127.0.0.1, port {server.port}: ") as raised:
                async with http2.serve(echo, "127.0.0.1", server.port):
                    pass
            assert raised.value.errno == errno.EADDRINUSE

    run(main())


def test_complaints_are_one_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    complaints = Complaints(logging.getLogger("eventstream.test"))
    for _ in range(640):
        complaints(logging.WARNING, "no %s", "room")
        now[0] += 1 / 128
    now[0] += 1
    complaints(logging.WARNING, "no %s", "room")
    texts = [record.getMessage() for record in caplog.records]
    assert texts == ["no room", *["no room (and 127 other faults were not logged)"] * 5]


class Taken(asyncio.Protocol):
    """A protocol that closes its connection when it is told to."""

    def __init__(self, place):
        self.place = place

    def connection_made(self, transport):
        self.place.begin(transport, transport.close)

    def connection_lost(self, exc):
        self.place.leave()


def test_connection_cancelled_when_tls_has_begun_is_closed(certificate, monkeypatch):
    """By its transport: if its socket was closed under it, the next one with that descriptor could not be used."""

    async def main():
        loop = asyncio.get_running_loop()
        accept = loop.connect_accepted_socket

        async def cancelled(*arguments, **options):
            """Be cancelled in the turn in which the connection has begun."""
            _, protocol = await accept(*arguments, **options)
            protocol._transport.close()
            raise asyncio.CancelledError

        def shake_hands(client):
            trusting = ssl.create_default_context(cafile=certificate)
            trusting.set_alpn_protocols(["h2"])
            return trusting.wrap_socket(client, server_hostname="localhost")  # and it never ends TLS

        async with http2.serve(echo, ssl=server_context(certificate)) as server:
            with monkeypatch.context() as patch, socket.create_connection(("127.0.0.1", server.port), LIMIT) as client:
                patch.setattr(loop, "connect_accepted_socket", cancelled)
                with await loop.run_in_executor(None, shake_hands, client) as secured:
                    await turns()
                    assert not server._listener._places
                    secured.settimeout(LIMIT)
                    with suppress(OSError):  # reset
                        while await loop.run_in_executor(None, secured.recv, 1_000):
                            pass
            trusting = ssl.create_default_context(cafile=certificate)
            async with http2.connect("localhost", server.port, ssl=trusting) as connection:
                assert await exchange(connection) == b"hello"

    run(main())


@each("later", range(8))
def test_close_drops_what_was_accepted_just_then(later):
    """In whichever turn of the event loop; nobody else closes a connection whose task has not begun."""

    async def main():
        listener = Listener(
            Taken, ssl=None, handshake_timeout=None, max_connections=None, max_connections_per_peer=None
        )
        await listener.listen("127.0.0.1", 0, 1)
        await turns()
        with socket.create_connection(("127.0.0.1", listener.port), LIMIT) as client:
            await turns(later)
            listener.close()
            await listener.wait_closed()
            for place in listener.resting:
                place.evict()
            await turns()
            assert not listener.resting
            client.settimeout(1)
            with suppress(ConnectionError):
                assert client.recv(1) == b""

    run(main())


def test_port_is_free_after_accepting_has_failed(monkeypatch):
    """By an error that nobody expects."""

    async def failing(_):
        raise ZeroDivisionError

    async def main():
        monkeypatch.setattr("eventstream.http2.listener._next", failing)
        listener = Listener(
            Taken, ssl=None, handshake_timeout=None, max_connections=None, max_connections_per_peer=None
        )
        await listener.listen("127.0.0.1", 0, 1)
        with pytest.raises(ZeroDivisionError):
            await asyncio.gather(*listener._tasks)
        await turns()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        listener.close()
        await listener.wait_closed()

    run(main())


def test_listening_on_all_addresses_or_none(monkeypatch):
    """Those that it listened on are closed when another fails."""

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))]
            found += [(socket.AF_INET, socket.SOCK_STREAM, 0, "", taken.getsockname())]

            async def getaddrinfo(*_, **__):
                return found

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
            listener = Listener(
                Taken, ssl=None, handshake_timeout=None, max_connections=None, max_connections_per_peer=None
            )
            with pytest.raises(OSError, match="the address 127"):
                await listener.listen(None, 0, 1)
            assert [listening.fileno() for listening in listener._sockets] == [-1]

    run(main())


def test_connection_is_dropped_after_a_fault_of_ours():
    def failing(place):
        raise ZeroDivisionError

    async def main():
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))
        listener = Listener(
            failing, ssl=None, handshake_timeout=None, max_connections=None, max_connections_per_peer=None
        )
        await listener.listen("127.0.0.1", 0, 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert await is_dropped(reader)
        writer.close()
        await turns()
        assert not listener._places
        listener.close()
        await listener.wait_closed()
        gc.collect()
        assert [type(fault) for fault in faults] == [ZeroDivisionError]

    run(main())


def test_sockets_that_cannot_be_watched(monkeypatch):
    """As on Windows: asyncio accepts there, and TLS does not wait for its first byte."""

    def add_reader(*_):
        raise NotImplementedError

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
        accepted, other = socket.socketpair()
        with accepted, other:
            assert not await asyncio.wait_for(_readable(accepted, None), SOON)
        async with pair(echo) as (_, connection):
            assert await exchange(connection) == b"hello"

    run(main())
