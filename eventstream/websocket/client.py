"""The client's end: `connect`, and the WebSocket that it opens."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from eventstream import proxy as proxies
from eventstream._text import quote
from eventstream._waiting import deadline_in, within
from eventstream.http2 import IDLE_FRAMES, Budget, Response, StreamError
from eventstream.http2.stream import text
from eventstream.websocket._library import (
    LOG,
    ClientProtocol,
    CloseCode,
    Frame,
    Handshake,
    HTTPConnection,
    HTTPData,
    HTTPEnd,
    HTTPError,
    HTTPInterim,
    HTTPResponse,
    Request,
    asked_for_websocket,
    parse_uri,
    wire_of,
)
from eventstream.websocket.connection import Connection

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Buffer

    from eventstream.proxy import Proxy


MAX_HEAD = 65_536
"""Bytes of the status line and headers that a server answers with."""

_HTTP_1 = b"HTTP/1."
_HTTP_1_1 = b"HTTP/1.1"
_NOT_HTTP_1 = "the server does not speak HTTP/1.1, which a WebSocket needs"
_BAD_HEAD = f"the head of the server's answer is malformed, or too long (at most {MAX_HEAD >> 10} KiB)"


class ClientSocket(Connection):
    """The client's end of a WebSocket, as `connect` makes it.

    Until the server agrees to a WebSocket, h11 reads what it says: the status and headers of a refusal are told as soon
    as they are there, even if its body is cut, long or slow.
    """

    def __init__(self, url: str, *, max_frame: int | None, idle_frames: Budget | None) -> None:
        self._client_protocol = ClientProtocol(parse_uri(url), max_size=max_frame, logger=LOG)
        super().__init__(self._client_protocol, idle_frames)
        self._response: Response | None = None
        self._http: HTTPConnection | None = asked_for_websocket(MAX_HEAD)  # None once the server has agreed
        self._beginning = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        super().connection_made(transport)
        self._client_protocol.send_request(self._client_protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Process it."""
        if self._http is not None:
            data = self._http_received(self._http, data)
        if data:
            super().data_received(data)

    def _ended(self) -> None:
        if self._http is not None:
            self._http_received(self._http, b"")

    def _http_received(self, http: HTTPConnection, data: bytes) -> bytes:
        """Process what came over HTTP, or with no bytes its end; return how the WebSocket begins, if it does."""
        if self.peer_ended or self._error is not None:
            return b""
        self._beginning += data[: len(_HTTP_1_1) - len(self._beginning)]
        try:
            http.receive_data(data)
            while isinstance(event := http.next_event(), (HTTPInterim, HTTPResponse, HTTPData)):
                if isinstance(event, HTTPData):
                    self._received += event.data
                elif isinstance(event, HTTPResponse):
                    self._refused(event)
                elif event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                    self._http = None
                    return wire_of(event) + http.trailing_data[0]
                elif self._idle is not None:
                    self._idle.take()
            self.peer_ended = isinstance(event, HTTPEnd)
            if self._response is None and not _HTTP_1.startswith(http.trailing_data[0][: len(_HTTP_1)]):
                self._fail(StreamError(_NOT_HTTP_1))
        except HTTPError:
            self._fail(StreamError(self._fault(hung_up=not data)))
        if self._idle is not None and self._idle.is_spent:
            self._give_up("it sends interim responses, faster than the budget allows")
        elif self.peer_ended or self._error is not None:
            self._transport.close()
            self._close_soon()
        self._changed.wake()
        self._read_or_not()
        return b""

    def _refused(self, response: HTTPResponse) -> None:
        # A success status without a WebSocket must not be taken for one with it.
        status = 502 if response.status_code < 300 else response.status_code
        self._response = Response(status, text(response.headers))
        self._closing = True

    def _fault(self, *, hung_up: bool) -> str:
        """Return what is wrong with an answer that h11 cannot read any further."""
        if self._response is not None:
            return "the server broke off its answer" if hung_up else "the body of the server's answer is malformed"
        return "the server hung up without answering the WebSocket handshake" if hung_up else self._head_fault()

    def _head_fault(self) -> str:
        return _BAD_HEAD if self._beginning == _HTTP_1_1 else _NOT_HTTP_1

    def _opened(self, event: Request | Handshake) -> None:
        assert isinstance(event, Handshake)
        headers = [(name.lower(), value) for name, value in event.headers.raw_items()]
        if self._client_protocol.handshake_exc is None:
            self._response = Response(200, headers)
            self._changed.wake()
            return
        self._response = Response(502, headers)  # the server switches to another protocol
        self.peer_ended = self._closing = True
        self._close_soon()

    def _process(self) -> None:
        super()._process()
        if self._client_protocol.handshake_exc is not None and self._response is None:
            self._fail(StreamError(self._head_fault()))

    def _close_received(self, frame: Frame) -> None:
        close = self._protocol.close_rcvd
        if close is None or close.code in (CloseCode.NORMAL_CLOSURE, CloseCode.NO_STATUS_RCVD):
            super()._close_received(frame)
        else:
            self._fail(StreamError(f"the server closed the WebSocket: {close.code} {quote(close.reason)}"))
        self._closing = True
        self._close_soon()

    async def response(self, timeout: float | None = None) -> Response:
        """Return the status and headers of the handshake; the status is 200 if it succeeded.

        Raises:
            StreamError: the server hung up, or does not speak HTTP.
            TimeoutError: it has not answered in this time.
        """
        deadline = deadline_in(timeout)
        while self._response is None:
            if self._error is not None:
                raise copy.copy(self._error)
            await self._changed.wait(deadline, f"the server did not respond for {timeout} s")
        return self._response

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes in a frame, once the handshake has succeeded. It waits while the server takes no more.

        Raises:
            StreamError: the connection was lost, is closed, or was refused.
            TimeoutError: the server has not answered, or has taken nothing, in this time.
        """
        if self._response is None:
            await self.response(timeout)
        await super().send(data, timeout=timeout)

    async def end(self) -> None:
        """Do nothing: the last event was the end of the input, and the response continues."""

    async def close(self) -> None:
        """Close, and wait until that is done; if the wait is cancelled, it is closed at once."""
        if not self._lost.done():
            if self._http is not None:
                self.abort()  # there is no WebSocket, which could be closed
            self._drop()
            self._close(CloseCode.NORMAL_CLOSURE)
            self._close_soon()
            try:
                await self.wait_closed()
            except asyncio.CancelledError:
                self.abort()
                raise


@asynccontextmanager
async def connect(
    url: str,
    host: str,
    port: int,
    *,
    ssl: SSLContext | None = None,
    proxy: Proxy | None = None,
    connect_timeout: float | None = 10.0,
    max_frame: int | None = None,
    idle_frames: Budget | None = IDLE_FRAMES,
) -> AsyncIterator[ClientSocket]:
    """Open a WebSocket; on leaving the block it is closed. The response may still come: see `ClientSocket.response`.

    Args:
        url: with ``ws`` or ``wss``, signed.
        host: a name or an address, that of the URL.
        port: e.g. 8443.
        ssl: the certificates that are trusted; None for plaintext.
        proxy: an HTTP proxy through which the server is reached.
        connect_timeout: seconds until the connection is established; None: as long as it takes.
        max_frame: bytes of a frame that are taken; None: any number.
        idle_frames: a budget for the server's frames that carry nothing; see `serve`.

    Raises:
        OSError: the server cannot be reached, or with TLS not be trusted (``ssl.SSLCertVerificationError``).
        TimeoutError: it did not answer in time.
        ProxyError: the proxy refused.
    """
    if ssl is not None:
        ssl.set_alpn_protocols(["http/1.1"])
    make = partial(ClientSocket, url, max_frame=max_frame, idle_frames=idle_frames)
    what = f"{host}:{port} did not answer in {connect_timeout} s"
    socket: ClientSocket
    _, socket = await within(connect_timeout, proxies.connect(make, host, port, ssl=ssl, proxy=proxy), what)
    try:
        yield socket
    finally:
        with suppress(OSError):
            await socket.close()
