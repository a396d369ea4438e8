"""The client's end of a connection, and `connect`."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from ssl import SSLError
from typing import TYPE_CHECKING, cast

from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, RemoteSettingsChanged, ResponseReceived
from h2.settings import SettingCodes

from eventstream import proxy as proxies
from eventstream._text import MAX_SHOWN, quote_bytes
from eventstream._waiting import Signal, deadline_in, within
from eventstream.http2._h2 import FRAME_HEADER_LENGTH
from eventstream.http2.budget import IDLE_FRAMES, RESETS, Budget
from eventstream.http2.connection import Connection
from eventstream.http2.flow import ClientFlow, Flow
from eventstream.http2.stream import ClientStream, NotHTTP2, StreamError, checked, declared_length, text

if TYPE_CHECKING:
    from ssl import SSLContext

    from eventstream.proxy import Proxy

_REQUEST_FIELDS = [":authority", ":method", ":path", ":scheme"]


class ClientConnection(Connection):
    """A client's connection, as `connect` makes it."""

    def __init__(self, *, resets: Budget | None = RESETS, idle_frames: Budget | None = IDLE_FRAMES) -> None:
        super().__init__(client=True, settings={SettingCodes.ENABLE_PUSH: 0}, resets=resets, idle_frames=idle_frames)
        self._handlers[ResponseReceived] = self._response_received
        self._ready = False
        self._changed = Signal()

    def data_received(self, data: bytes) -> None:
        """Process it, if it is HTTP/2: a server begins with its settings (RFC 9113, 3.4)."""
        if not self._ready and self._closed is None:
            begun = self._arrived + data
            if begun.startswith(b"HTTP/") and b"\n" not in begun and len(begun) < MAX_SHOWN:
                self._arrived = begun  # its first line says more
                return
            what = _foreign(begun)
            if what is not None:
                self._disconnect(NotHTTP2(f"the server {what}, not HTTP/2; it began with {quote_bytes(begun)}"))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        while self._waits_for_turn and self._closed is None:  # what came before counts
            self._take_turn()
        super().connection_lost(exc)

    async def request(self, headers: Iterable[tuple[str, str]], *, timeout: float | None = None) -> ClientStream:
        """Begin a request, whose body is then sent on the stream. It waits while the server takes no more streams.

        Args:
            headers: names and values; first the pseudo-headers ``:method``, ``:scheme``, ``:authority`` and ``:path``
                in any order, then the others.
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the connection was lost or closed, or the server is closing it; the request was not sent.
            TimeoutError: the server takes no more streams.
            ValueError: HTTP/2 does not allow such headers, or a ``content-length`` is not a number.
        """
        given = list(headers)
        count = len(_REQUEST_FIELDS)
        if sorted(name for name, _ in given[:count]) != _REQUEST_FIELDS:
            raise ValueError("the headers of a request begin with :method, :scheme, :authority and :path")
        fields = [(name, *checked([(name[1:], value)])[0][1:]) for name, value in given[:count]]
        fields += checked(given[count:])
        length = declared_length(fields)
        deadline = deadline_in(timeout)
        while True:
            self._check_open()
            if len(self._flows) < self._h2.remote_settings.max_concurrent_streams:
                break
            await self._changed.wait(deadline, f"the server accepted no more streams for {timeout} s")
        flow = ClientFlow(self, self._h2.get_next_available_stream_id(), dict(fields)[":method"])
        flow.unsent = length
        flow.send_headers(fields, end=False)
        self._flows[flow.id] = flow
        return ClientStream(flow)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise copy.copy(self._closed)
        if self._leaving:
            raise StreamError("the server accepts no more streams on this connection", ErrorCodes.REFUSED_STREAM)

    async def _opened(self) -> None:
        """Wait for the server's settings: they say that it speaks HTTP/2, and how many streams it takes."""
        ssl = self._transport.get_extra_info("ssl_object")
        if ssl is not None and ssl.selected_alpn_protocol() != "h2":
            raise NotHTTP2("the server does not speak HTTP/2 (ALPN)")
        while not self._ready:
            self._check_open()
            await self._changed.wait(None, "")

    def _settings_received(self, event: RemoteSettingsChanged) -> None:
        super()._settings_received(event)
        self._ready = True
        self._changed.wake()

    def _response_received(self, event: ResponseReceived) -> None:
        flow = self._flows.get(event.stream_id)
        if isinstance(flow, ClientFlow) and self._h2.headers_are_too_large:
            flow.reset(ErrorCodes.ENHANCE_YOUR_CALM)
        elif isinstance(flow, ClientFlow):
            flow.feed_response(text(event.headers))

    def _going_away(self, event: ConnectionTerminated) -> None:
        if event.error_code == ErrorCodes.NO_ERROR:
            error = StreamError("the server closed the connection without processing it", ErrorCodes.REFUSED_STREAM)
            for flow in list(self._flows.values()):
                if flow.id > cast("int", event.last_stream_id):
                    flow.fail(error)
        super()._going_away(event)
        self._changed.wake()

    def forget(self, flow: Flow) -> None:
        """Drop a stream on which neither side will send anything more."""
        super().forget(flow)
        self._changed.wake()

    def _fail(self, error: StreamError) -> None:
        super()._fail(error)
        self._changed.wake()


def _foreign(begun: bytes) -> str | None:
    """Return what a server speaks whose first bytes are not a frame of settings; None if they are, or too few."""
    if begun.startswith(b"HTTP/"):
        return "speaks HTTP/1"
    if begun.startswith(b"\x15\x03"):  # an alert (RFC 8446, 5.1)
        return "speaks TLS"
    if len(begun) >= FRAME_HEADER_LENGTH and begun[3:FRAME_HEADER_LENGTH] != _SETTINGS:
        return "speaks something else"
    return None


_SETTINGS = bytes([4, 0, 0, 0, 0, 0])
"""Type, flags and stream of the first frame of a server (RFC 9113, 6.5)."""


@asynccontextmanager
async def connect(
    host: str,
    port: int,
    *,
    ssl: SSLContext | None = None,
    proxy: Proxy | None = None,
    connect_timeout: float | None = 10.0,
    resets: Budget | None = RESETS,
    idle_frames: Budget | None = IDLE_FRAMES,
) -> AsyncIterator[ClientConnection]:
    """Connect to a server. Leaving the block cancels the streams that are still open, and closes the connection.

    Args:
        host: a name or an address; with TLS also the name that the certificate must have.
        port: e.g. 443.
        ssl: a context with the certificates that are trusted; its ALPN protocols are set. None: plaintext, HTTP/2 from
            the first byte.
        proxy: an HTTP proxy through which the server is reached.
        connect_timeout: seconds until the server has said that it speaks HTTP/2; None: as long as it takes.
        resets: a budget for streams that the server resets, or that are reset for what it sent on them; see `serve`.
        idle_frames: a budget for its frames that carry nothing.

    Raises:
        OSError: the server cannot be reached, or with TLS not be trusted (``ssl.SSLCertVerificationError``).
        TimeoutError: it did not answer in time.
        NotHTTP2: it does not speak HTTP/2.
        StreamError: it hung up.
        ProxyError: the proxy refused.
    """
    what = f"{host}:{port} did not answer in {connect_timeout} s"
    make = partial(ClientConnection, resets=resets, idle_frames=idle_frames)
    connection = await within(connect_timeout, _open(make, host, port, ssl, proxy), what)
    try:
        yield connection
    finally:
        await connection.close()


async def _open(
    make: Callable[[], ClientConnection], host: str, port: int, ssl: SSLContext | None, proxy: Proxy | None
) -> ClientConnection:
    if ssl is not None:
        ssl.set_alpn_protocols(["h2"])
    try:
        connection: ClientConnection
        _, connection = await proxies.connect(make, host, port, ssl=ssl, proxy=proxy)
    except SSLError as error:
        if _NO_ALPN not in f"{error.reason} {error}".lower().replace("_", " "):
            raise
        raise NotHTTP2("the server does not speak HTTP/2 (ALPN)") from None
    try:
        await connection._opened()
    except BaseException:
        await connection.close()
        raise
    return connection


_NO_ALPN = "alert no application protocol"
"""OpenSSL's name for the alert of a server that takes none of the protocols (RFC 7301, 3.2). Some builds of Python give
it as the reason, in capitals, and others only in the text."""
