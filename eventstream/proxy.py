"""Connections through an HTTP proxy: the proxy settings of the environment, and a tunnel made with CONNECT.

The proxy sees the name and port of the service, and then only bytes; with TLS they are encrypted from end to end.

Source: RFC 9110, 9.3.6 (CONNECT).
"""

from __future__ import annotations

import asyncio
import base64
import errno
import ipaddress
import os
import re
import socket
import ssl
import sys
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from eventstream._text import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Proxy", "ProxyError", "connect", "from_environment", "open_tunnel"]

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address of a host is tried beside the last one (RFC 8305, 8: the recommended value)."""

MAX_INTERIM = 10
"""Interim responses, e.g. ``100 Continue``, that a proxy may send before its answer: thousands fit into one piece."""


class ProxyError(ConnectionError):
    """The proxy cannot be used, or refused to connect.

    Attributes:
        status: its HTTP status, e.g. 407; None if it did not answer with one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: as it was given; with the password, if there is one.
        tls: whether the connection to it uses TLS.
        host: its name or address.
        port: its port.
        authorization: the value of ``Proxy-Authorization``; None if there is none.
    """

    url: str = field(repr=False)
    tls: bool
    host: str
    port: int
    authorization: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """What errors call it, without user and password."""
        return f"the proxy {self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Return the proxy of a URL, e.g. ``http://user:password@proxy.example:3128``; without a scheme it is http.

        Raises:
            ValueError: it is not such a URL. The text does not show the user and the password.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        host = ascii_host(parts.hostname)
        # A password with ? or # that is not encoded ends what is taken for host and port.
        more = parts.path not in ("", "/") or parts.query or parts.fragment
        if parts.scheme not in ("http", "https") or host is None or more:
            raise ValueError(
                f"the proxy {quote(without_password(url))}: expected http or https, a host and optionally a port"
            )
        # asyncio's TLS inside TLS fails with a traceback where a side hangs up, before that release.
        if parts.scheme == "https" and sys.version_info < (3, 13):
            raise ValueError("a proxy over TLS needs Python 3.13 or newer")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
        default = 443 if parts.scheme == "https" else 80
        return cls(url, parts.scheme == "https", host, port or default, authorization)


def without_password(url: str) -> str:
    """Return a URL for the text of an error: without what is before its host, which may be a user and a password."""
    _, at, rest = url.rpartition("@")
    return f"...@{rest}" if at else url


def ascii_host(name: str | None) -> str | None:
    """Return an address as it is, and a name in the ASCII in which it is looked up; None if no host can have it."""
    try:
        host = (name or "").encode("idna").decode()
    except UnicodeError:  # a part between dots is empty, or has more than 63 bytes
        return None
    return host if _HOST.fullmatch(host) else None


_HOST = re.compile("[!-~]+")
"""ASCII without spaces and control characters."""


def from_environment(scheme: str, host: str) -> Proxy | None:
    """Return the proxy that the environment names: ``HTTPS_PROXY`` or ``HTTP_PROXY``, unless ``NO_PROXY`` excludes it.

    Loopback is never proxied. On Windows and macOS the system's settings count where these variables are not set.

    Args:
        scheme: of the endpoint, ``https`` or ``http``.
        host: its name or address.

    Raises:
        ValueError: the variable does not hold the URL of an HTTP proxy.
    """
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    url = urllib.request.getproxies().get(scheme)
    return Proxy.parse(url) if url else None


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def connect(
    protocol: Callable[[], Any], host: str, port: int, *, ssl: ssl.SSLContext | None, proxy: Proxy | None = None
) -> tuple[asyncio.Transport, Any]:
    """Return a connection; the addresses of the host are tried in parallel (RFC 8305, "happy eyeballs").

    Args:
        protocol: a function that makes asyncio's protocol.
        host: a name or an address.
        port: e.g. 443.
        ssl: the certificates that are trusted; None for plaintext.
        proxy: an HTTP proxy through which the host is reached, and which then resolves its name.

    Returns:
        The transport, and the protocol that was made.

    Raises:
        OSError: the host, or the proxy, cannot be reached or trusted.
        ProxyError: the proxy refused.
    """
    if proxy is not None:
        return await _tunnelled(protocol(), host, port, ssl, proxy)
    loop = asyncio.get_running_loop()
    # Other event loops have no such argument. An address by itself has nothing to race against; and asyncio, when it is
    # cancelled, does not close what has just won.
    races = isinstance(loop, asyncio.BaseEventLoop) and not _is_address(host)
    racing: Mapping[str, Any] = {"happy_eyeballs_delay": ATTEMPT_DELAY} if races else {}
    try:
        return await loop.create_connection(protocol, host, port, ssl=ssl, **racing)
    except OSError as error:
        if (reason := _reason(error)) is not None:
            error.strerror = reason
        raise


def _reason(error: OSError) -> str | None:
    """Return the system's text for an error's number, in place of asyncio's, which repeats the address as a tuple.

    None if the number is a library's own, or on Windows, where Python has no text for it.
    """
    if isinstance(error, (ssl.SSLError, socket.gaierror)) or sys.platform == "win32":
        return None
    number = error.errno
    return None if number is None or number not in errno.errorcode else os.strerror(number)


async def _tunnelled(
    protocol: Any, host: str, port: int, ssl: ssl.SSLContext | None, proxy: Proxy
) -> tuple[asyncio.Transport, Any]:
    transport, received = await open_tunnel(proxy, host, port)
    if ssl is None:
        _hand_over(transport, protocol, received)
        transport.resume_reading()
        return transport, protocol
    early = _Early()
    loop = asyncio.get_running_loop()
    secured = cast("asyncio.Transport", await loop.start_tls(transport, early, ssl, server_hostname=host))
    _hand_over(secured, protocol, bytes(early.received))
    if early.lost is not None:
        protocol.connection_lost(early.lost.exception)
    return secured, protocol


def _hand_over(transport: asyncio.Transport, protocol: Any, received: bytes) -> None:
    """Let a protocol begin on a transport that has received something already."""
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if received:
        protocol.data_received(received)


class _Lost(NamedTuple):
    exception: Exception | None


class _Early(asyncio.Protocol):
    """Keeps what comes with the end of a TLS handshake, e.g. a server's settings: the task that takes the transport has
    not had its turn then.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost: _Lost | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = _Lost(exc)


async def open_tunnel(proxy: Proxy, host: str, port: int) -> tuple[asyncio.Transport, bytes]:
    """Return a connection through a proxy, which does not read until it has got a protocol, and what it has received.

    Raises:
        OSError: the proxy cannot be reached, or with TLS not be trusted.
        ProxyError: it refused, or does not speak HTTP; or no host has this name.
        ModuleNotFoundError: h11 is not installed.
    """
    try:
        import h11
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a proxy needs h11: install eventstream-codec with its extra [client]", name=error.name
        ) from error
    name = proxy.name
    target = ascii_host(host)
    if target is None:
        raise ProxyError(
            f"{name} cannot be asked for {quote(host)}, which is neither the name nor the address of a host"
        )
    authority = f"[{target}]:{port}" if ":" in target else f"{target}:{port}"
    headers = [("Host", authority)]
    if proxy.authorization is not None:
        headers.append(("Proxy-Authorization", proxy.authorization))

    class Tunnel(asyncio.Protocol):
        def __init__(self) -> None:
            self.http = h11.Connection(h11.CLIENT)
            self.interim = 0
            self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            request = h11.Request(method="CONNECT", target=authority, headers=headers)
            self.transport.write((self.http.send(request) or b"") + (self.http.send(h11.EndOfMessage()) or b""))

        def data_received(self, data: bytes) -> None:
            if self.answered.done():
                return
            self.http.receive_data(data)
            try:
                event = self.http.next_event()
                while isinstance(event, h11.InformationalResponse):
                    self.interim += 1
                    if self.interim > MAX_INTERIM:
                        self.fail(ProxyError(f"{name} sent more than {MAX_INTERIM} interim responses"))
                        return
                    event = self.http.next_event()
            except h11.RemoteProtocolError:
                self.fail(ProxyError(f"{name} does not speak HTTP/1: it answered {quote(data.decode('latin-1'))}"))
                return
            if isinstance(event, h11.Response) and 200 <= event.status_code < 300:
                self.transport.pause_reading()
                self.answered.set_result(self.http.trailing_data[0])
            elif isinstance(event, h11.Response):
                reason = event.reason.decode("latin-1")
                self.fail(ProxyError(f"{name} refused: {event.status_code} {quote(reason)}", event.status_code))

        def connection_lost(self, exc: Exception | None) -> None:
            self.fail(ProxyError(f"{name} hung up"))

        def fail(self, error: ProxyError) -> None:
            if not self.answered.done():
                self.answered.set_exception(error)
                self.answered.exception()  # nobody waits for it where the connection was cancelled

    trust = ssl.create_default_context() if proxy.tls else None
    try:
        transport, protocol = await connect(Tunnel, proxy.host, proxy.port, ssl=trust)
    except OSError as error:
        raise named(error, name) from None
    try:
        return transport, await protocol.answered
    except BaseException:
        transport.abort()
        raise


def named(error: OSError, name: str, proxy: Proxy | None = None) -> OSError:
    """Return the error with the name of what could not be reached in its text, and the proxy on the way to it, unless
    they are there. asyncio's errors for a peer that hangs up in the TLS handshake have no text of their own.
    """
    text = error.strerror if isinstance(error.strerror, str) else str(error)
    if not text:
        text = "the connection was closed" if isinstance(error, ConnectionError) else type(error).__name__
    if name not in text:
        text = f"{name}: {text}"
    if proxy is not None and proxy.name not in text:
        text = f"{text} (through {proxy.name})"
    if isinstance(error.strerror, str):
        error.strerror = text
    else:
        error.args = (text,)
    return error
