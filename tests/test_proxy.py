"""Proxies: what the environment says of them, and tunnels through them."""

from __future__ import annotations

import asyncio
import base64
import errno
import gc
import os
import re
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from cases import each
from http2.loopback import PREFACE, FakeTransport, echo, exchange, run, server_context
from hyperframe.frame import PingFrame, SettingsFrame
from operations import CREDENTIALS, ECHO

from eventstream import http2, proxy
from eventstream.client import Client
from eventstream.http2 import NotHTTP2, StreamError
from eventstream.http2.connection import FRAMES_PER_TURN
from eventstream.proxy import Proxy, ProxyError, from_environment, named, open_tunnel

REFUSED = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
if sys.platform == "win32":  # whose texts Python does not know
    REFUSED = f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', 1)"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class TunnelProxy:
    """A proxy that makes tunnels, and remembers what it was asked."""

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n", *, piecewise=False):
        self.answer, self.piecewise = answer, piecewise
        self.requests = []

    async def __call__(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request.decode())
        for piece in [self.answer[i : i + 1] for i in range(len(self.answer))] if self.piecewise else [self.answer]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            writer.close()
            return
        host, _, port = request.split()[1].decode().rpartition(":")
        there, back = await asyncio.open_connection(host.strip("[]"), int(port))

        async def copy(source, sink):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

        try:
            await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)
        finally:
            writer.close()
            back.close()


@asynccontextmanager
async def listening(handler, *, tls=None):
    tasks = set()

    async def handle(reader, writer):
        tasks.add(task := asyncio.current_task())
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))


# URLs


@pytest.mark.parametrize(
    ("url", "tls", "host", "port"),
    [
        ("http://proxy.example:3128", False, "proxy.example", 3128),
        ("http://proxy.example:3128/", False, "proxy.example", 3128),
        ("proxy.example:3128", False, "proxy.example", 3128),
        ("proxy.example", False, "proxy.example", 80),
        ("http://[::1]:8080", False, "::1", 8080),
        ("http://m\xfcnchen.example:1", False, "xn--mnchen-3ya.example", 1),
    ],
)
def test_proxy_url(url, tls, host, port):
    proxy = Proxy.parse(url)
    assert (proxy.tls, proxy.host, proxy.port, proxy.authorization) == (tls, host, port, None)


def test_proxy_url_with_tls(monkeypatch):
    monkeypatch.setattr(proxy, "sys", SimpleNamespace(version_info=(3, 13, 0)))
    parsed = Proxy.parse("https://proxy.example")
    assert (parsed.tls, parsed.port) == (True, 443)
    monkeypatch.setattr(proxy, "sys", SimpleNamespace(version_info=(3, 12, 9)))
    with pytest.raises(ValueError, match=r"needs Python 3\.13"):
        Proxy.parse("https://proxy.example")


def test_proxy_password_is_sent_and_not_shown():
    proxy = Proxy.parse("http://us%40er:p%3Aw@proxy.example:1")
    assert base64.b64decode(proxy.authorization.removeprefix("Basic ")) == b"us@er:p:w"
    assert "p%3Aw" not in repr(proxy)
    assert proxy.authorization not in repr(proxy)


def test_proxy_password_is_sent_in_the_bytes_of_the_environment():
    proxy = Proxy.parse("http://user:\udce9@proxy.example")  # as os.environ has a byte that is not UTF-8
    assert base64.b64decode(proxy.authorization.removeprefix("Basic ")) == b"user:\xe9"


@each(
    "url",
    [
        *(
            "socks5://p:1080",
            "http://",
            "http://p:x",
            "http://p/path",
            "http://user:secret@p:99999",
            "://",
            "http://x..y",
        ),
        # What comes before an unencoded # or ? would be taken for a host and its port.
        *("http://user:#secret@p:3128", "http://user:12#secret@p:3128", "user:12?secret@p:3128"),
        *("http://a b", "http://a\x1b[2Jb", "http://a\0b"),
    ],
)
def test_proxy_url_refused(url):
    with pytest.raises(ValueError, match="expected http or https, a host") as raised:
        Proxy.parse(url)
    assert "secret" not in str(raised.value)


# The environment


def test_proxy_of_environment(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert from_environment("https", "service.example").port == 3128
    assert from_environment("http", "service.example") is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3129")
    assert from_environment("http", "service.example").port == 3129


@pytest.mark.parametrize("no_proxy", ["service.example", ".example", "example", "*", "other, service.example"])
def test_proxy_excluded_by_no_proxy(monkeypatch, no_proxy):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert from_environment("https", "service.example") is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_proxy_never_for_loopback(monkeypatch, host):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert from_environment("https", host) is None


# Tunnels


@pytest.mark.parametrize("piecewise", [False, True])
@pytest.mark.parametrize("tls", [False, True])
def test_tunnel(certificate, tls, piecewise):
    server_ssl = server_context(certificate) if tls else None
    client_ssl = ssl.create_default_context(cafile=certificate) if tls else None
    tunnels = TunnelProxy(piecewise=piecewise)

    async def main():
        async with http2.serve(echo, ssl=server_ssl) as server, listening(tunnels) as port:
            way = Proxy.parse(f"http://user:pass@127.0.0.1:{port}")
            async with http2.connect("localhost", server.port, ssl=client_ssl, proxy=way) as connection:
                assert await exchange(connection, b"through") == b"through"
            assert len(tunnels.requests) == 1
            assert tunnels.requests[0].startswith(
                f"CONNECT localhost:{server.port} HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
            )
            assert f"Proxy-Authorization: {way.authorization}\r\n" in tunnels.requests[0]

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asyncio's TLS inside TLS is broken before Python 3.13")
def test_tunnel_to_proxy_with_tls(certificate, monkeypatch):
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    client_ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_ssl.load_verify_locations(certificate)
    server_ssl, proxy_ssl = server_context(certificate), server_context(certificate)

    async def main():
        async with http2.serve(echo, ssl=server_ssl) as server, listening(TunnelProxy(), tls=proxy_ssl) as port:
            way = Proxy.parse(f"https://localhost:{port}")
            async with http2.connect("localhost", server.port, ssl=client_ssl, proxy=way) as connection:
                assert await exchange(connection, b"twice") == b"twice"

    run(main())


@each(
    ("answer", "status", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", 407, "refused: 407 'Proxy Auth"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, "refused: 502 'Bad Gateway'"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", None, "does not speak HTTP/1: it answered 'SSH-2.0"),
        (b"", None, "hung up"),
        (b"HTTP/1.1 2", None, "hung up"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, "refused: 502"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 11, None, "sent more than 10 interim responses"),
    ],
)
def test_tunnel_refused(answer, status, text):
    async def main():
        async with listening(TunnelProxy(answer)) as port:
            with pytest.raises(ProxyError) as raised:
                async with http2.connect("localhost", 1, proxy=Proxy.parse(f"http://127.0.0.1:{port}")):
                    pytest.fail("it was opened")
            assert raised.value.status == status
            assert str(raised.value).startswith(f"the proxy 127.0.0.1:{port} {text}")

    run(main())


@pytest.mark.parametrize(
    ("host", "asked"),
    [("m\xfcnchen.example", "xn--mnchen-3ya.example:1"), ("::1", "[::1]:1"), ("Name.example", "Name.example:1")],
)
def test_tunnel_to_a_host_in_ascii(host, asked):
    async def main():
        proxy = TunnelProxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        async with listening(proxy) as port:
            with pytest.raises(ProxyError):
                await open_tunnel(Proxy.parse(f"http://127.0.0.1:{port}"), host, 1)
        [request] = proxy.requests
        assert request.startswith(f"CONNECT {asked} HTTP/1.1\r\nHost: {asked}\r\n")

    run(main())


@each("host", ["", "a b", "a\r\nb", "a\0b", "a..b", "\ud800"])
def test_tunnel_to_a_host_that_cannot_be(host):
    async def main():
        with pytest.raises(ProxyError, match="neither the name nor the address of a host") as raised:
            await open_tunnel(Proxy.parse("http://127.0.0.1:1"), host, 1)  # where nothing is asked
        assert str(raised.value).isprintable()

    run(main())


def test_tunnel_without_proxy_there():
    async def main():
        async with listening(TunnelProxy()) as port:
            pass
        with pytest.raises(OSError, match=f"the proxy 127.0.0.1:{port}"):
            async with http2.connect("localhost", 1, proxy=Proxy.parse(f"http://127.0.0.1:{port}")):
                pass  # pragma: no cover

    run(main())


def test_tunnel_is_bounded_in_time():
    async def silent(reader, writer):
        await reader.read()

    async def main():
        async with listening(silent) as port:
            way = Proxy.parse(f"http://127.0.0.1:{port}")
            with pytest.raises(TimeoutError, match=r"localhost:1 did not answer in 0\.05 s"):
                async with http2.connect("localhost", 1, proxy=way, connect_timeout=0.05):
                    pytest.fail("it was opened")

    run(main())


# What does not speak HTTP/2


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP/1, not HTTP/2; it began with 'HTTP/1.1 400"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS, not HTTP/2"),
        (b"220 mail.example ESMTP\r\n", "speaks something else, not HTTP/2; it began with '220 mail"),
    ],
)
def test_server_without_http2(answer, text):
    async def handle(reader, writer):
        await reader.read(1)
        for octet in answer:
            writer.write(bytes([octet]))
            await asyncio.sleep(0)
        writer.close()

    async def main():
        async with listening(handle) as port:
            with pytest.raises(NotHTTP2, match=text):
                async with http2.connect("127.0.0.1", port):
                    pytest.fail("it was opened")

    run(main())


def test_server_that_refuses_alpn():
    """By an alert. OpenSSL's name of it is what tells it from other failures."""

    async def handle(reader, writer):
        await reader.read(1)
        writer.write(bytes.fromhex("15 0303 0002 02 78"))  # fatal: no application protocol
        writer.close()

    async def main():
        async with listening(handle) as port:
            with pytest.raises(NotHTTP2, match=r"the server does not speak HTTP/2 \(ALPN\)"):
                async with http2.connect("localhost", port, ssl=ssl.create_default_context()):
                    pytest.fail("it was opened")

    run(main())


def test_server_that_takes_another_protocol(certificate):
    server_ssl = server_context(certificate)
    server_ssl.set_alpn_protocols(["http/1.1"])
    client_ssl = ssl.create_default_context(cafile=certificate)

    async def handle(reader, writer):
        await reader.read()

    async def main():
        async with listening(handle, tls=server_ssl) as port:
            with pytest.raises(NotHTTP2, match=r"the server does not speak HTTP/2 \(ALPN\)"):
                async with http2.connect("localhost", port, ssl=client_ssl):
                    pytest.fail("it was opened")

    run(main())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), REFUSED),
        (socket.gaierror(errno.EPERM, "the name is unknown"), f"[Errno {errno.EPERM}] the name is unknown"),
        (ssl.SSLError(errno.EPERM, "no trust"), "no trust"),
        (OSError("Multiple exceptions: one, two"), "Multiple exceptions: one, two"),
        (OSError(-5, "unknown"), "[Errno -5] unknown"),
    ],
)
def test_errors_have_the_text_of_the_system(monkeypatch, error, text):
    async def fail(*_, **__):
        raise error

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
        with pytest.raises(type(error)) as raised:
            await proxy.connect(asyncio.Protocol, "127.0.0.1", 1, ssl=None)
        assert str(raised.value) == text

    run(main())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "refused"), "[Errno 111] host:1: refused"),
        (OSError("Multiple exceptions: one, two"), "host:1: Multiple exceptions: one, two"),
        (OSError(1, "host:1 is away"), "[Errno 1] host:1 is away"),
        (ConnectionResetError(), "host:1: the connection was closed"),
        (OSError(), "host:1: OSError"),
    ],
)
def test_errors_name_host_and_port(error, text):
    assert str(named(error, "host:1")) == text
    proxy = Proxy.parse("http://user:password@127.0.0.1:3128")
    assert str(named(error, "host:1", proxy)) == f"{text} (through the proxy 127.0.0.1:3128)"
    assert str(named(error, "host:1", proxy)) == f"{text} (through the proxy 127.0.0.1:3128)"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "host.example:443 did not answer in 0.2 s"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "host.example:443: the connection was closed"),
    ],
    ids=["silent", "closed"],
)
def test_client_errors_name_the_proxy(answer, text):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not answer:
            await reader.read()

    async def main():
        async with listening(handle) as port:
            client = Client(
                *("us-east-1",),
                endpoint="https://host.example",
                credentials=CREDENTIALS,
                proxy=f"http://127.0.0.1:{port}",
                connect_timeout=10.0 if answer else 0.2,
            )
            with pytest.raises(OSError, match=f"^{re.escape(f'{text} (through the proxy 127.0.0.1:{port})')}$"):
                await client.open(ECHO, {}).__aenter__()

    run(main())


def test_tunnel_after_an_informational_response():
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n"

    async def main():
        async with listening(TunnelProxy(answer)) as port:
            with pytest.raises(ProxyError, match="403 'Forbidden'"):
                async with http2.connect("localhost", 1, proxy=Proxy.parse(f"http://127.0.0.1:{port}")):
                    pytest.fail("it was opened")

    run(main())


def test_tunnel_without_h11(monkeypatch):
    monkeypatch.setitem(sys.modules, "h11", None)

    async def main():
        with pytest.raises(ModuleNotFoundError, match=r"a proxy needs h11: install eventstream-codec with its extra"):
            async with http2.connect("localhost", 1, proxy=Proxy.parse("http://127.0.0.1:1")):
                pytest.fail("it was opened")

    run(main())


def test_tunnel_keeps_what_comes_with_the_answer():
    """The server's first frames, in one piece with it; all are answered, though they take more than one turn."""
    pings = [PingFrame(0, number.to_bytes(8, "big")).serialize() for number in range(2 * FRAMES_PER_TURN)]
    answers = [PingFrame(0, number.to_bytes(8, "big"), flags=["ACK"]).serialize() for number in range(len(pings))]

    async def speak_first(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + SettingsFrame(0).serialize() + b"".join(pings))
        assert b"".join(answers[:-1]) in await reader.readuntil(answers[-1])
        answered.append(True)

    answered = []

    async def main():
        async with listening(speak_first) as port:
            way = Proxy.parse(f"http://127.0.0.1:{port}")
            async with http2.connect("localhost", 1, proxy=way, idle_frames=None):
                while not answered:
                    await asyncio.sleep(0)

    run(main())


def test_tunnel_is_answered_when_nobody_waits_any_more(monkeypatch):
    """In the same turn of the event loop in which the caller was cancelled."""
    transport, protocols = FakeTransport(), []

    async def connect(make, host, port, *, ssl):
        protocols.append(make())
        protocols[0].connection_made(transport)
        return transport, protocols[0]

    monkeypatch.setattr(proxy, "connect", connect)

    async def main():
        opening = asyncio.create_task(open_tunnel(Proxy.parse("http://proxy.example"), "localhost", 1))
        await asyncio.sleep(0)
        assert transport.written.startswith(b"CONNECT localhost:1 HTTP/1.1")
        opening.cancel()
        protocols[0].data_received(b"HTTP/1.1 200 OK\r\n\r\n")
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert transport.aborted

    run(main())


def test_tunnel_keeps_what_comes_with_the_tls_handshake(certificate):
    """Up to TLS 1.2 the server's last piece of the handshake is the last of all: its first frames may come with it."""
    older = server_context(certificate)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    older.set_alpn_protocols(["h2"])
    begun = []

    async def speak_first(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = older.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        tls.write(SettingsFrame(0).serialize())
        writer.write(outgoing.read())
        incoming.write(await reader.read(65536))
        begun.append(tls.read(len(PREFACE)))

    async def main():
        async with listening(speak_first) as port:
            way = Proxy.parse(f"http://127.0.0.1:{port}")
            async with http2.connect("localhost", 1, ssl=ssl.create_default_context(cafile=certificate), proxy=way):
                while not begun:
                    await asyncio.sleep(0)
        assert begun == [PREFACE]

    run(main())


def test_tunnel_that_is_lost_with_the_end_of_the_handshake(certificate, monkeypatch):
    async def start_tls(transport, protocol, context, *, server_hostname):
        protocol.data_received(SettingsFrame(0).serialize()[:3])
        protocol.connection_lost(None)
        transport.abort()
        return lost

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", start_tls)
        async with listening(answer) as port:
            way = Proxy.parse(f"http://127.0.0.1:{port}")
            with pytest.raises(StreamError, match="the connection was lost"):
                async with http2.connect("localhost", 1, ssl=ssl.create_default_context(), proxy=way):
                    pytest.fail("it was opened")

    class Lost(FakeTransport):
        def set_protocol(self, protocol):
            self.closed = True

    lost = Lost()
    run(main())


def test_tunnel_that_is_cancelled_as_it_connects(monkeypatch):
    """Nobody waits for the proxy's answer, and nothing is logged of it."""

    async def connect(make, host, port, *, ssl):
        protocol = make()
        protocol.connection_made(FakeTransport())
        protocol.connection_lost(None)
        raise asyncio.CancelledError

    monkeypatch.setattr(proxy, "connect", connect)

    async def main():
        with pytest.raises(asyncio.CancelledError):
            await open_tunnel(Proxy.parse("http://proxy.example"), "localhost", 1)
        gc.collect()

    run(main())
