"""The client's end: `connect`, and the WebSocket that it opens."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, cast

from eventstream import proxy as proxies
from eventstream._text import quote
from eventstream._waiting import Deadline, within
from eventstream.http2 import IDLE_FRAMES, Budget, Response, StreamError
from eventstream.websocket._library import (
    LOG,
    ClientProtocol,
    CloseCode,
    Frame,
    Handshake,
    Request,
    parse_uri,
)
from eventstream.websocket.connection import Connection

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Buffer

    from eventstream.proxy import Proxy


_HTTP_1_0 = b"HTTP/1.0 "


class ClientSocket(Connection):
    """The client's end of a WebSocket, as `connect` makes it."""

    def __init__(self, url: str, *, max_frame: int | None, idle_frames: Budget | None) -> None:
        self._client_protocol = ClientProtocol(parse_uri(url), max_size=max_frame, logger=LOG)
        super().__init__(self._client_protocol, idle_frames)
        self._response: Response | None = None
        self._begun: bytes | None = b""  # the beginning of the response, until it says which HTTP that is

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        super().connection_made(transport)
        self._client_protocol.send_request(self._client_protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Process it. What a server of HTTP/1.0 refuses is read, too, which the library would not do."""
        if self._begun is not None:
            data = self._begun + data
            if _HTTP_1_0.startswith(data):
                self._begun = data
                return
            self._begun = None
            if data.startswith((_HTTP_1_0 + b"3", _HTTP_1_0 + b"4", _HTTP_1_0 + b"5")):
                data = b"HTTP/1.1 " + data[len(_HTTP_1_0) :]
        super().data_received(data)

    def _ended(self) -> None:
        if self._response is None and not self._is_deaf:
            self._protocol.receive_eof()  # which ends a body without a length
            for event in self._protocol.events_received():
                self._opened(cast("Handshake", event))
            if self._response is None:
                self._fail(StreamError("the server hung up without answering the WebSocket handshake"))

    def _opened(self, event: Request | Handshake) -> None:
        assert isinstance(event, Handshake)
        headers = [(name.lower(), value) for name, value in event.headers.raw_items()]
        if self._client_protocol.handshake_exc is None:
            self._response = Response(200, headers)
            self._changed.wake()
            return
        # A success status without a WebSocket must not be taken for one with it.
        self._response = Response(502 if event.status_code < 300 else event.status_code, headers)
        self._received += event.body or b""
        self.peer_ended = self._closing = True
        self._close_soon()

    def _process(self) -> None:
        super()._process()
        if self._client_protocol.handshake_exc is not None and self._response is None:
            self._fail(StreamError("the server does not speak HTTP/1.1, which a WebSocket needs"))

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
        deadline = None if timeout is None else Deadline(timeout)
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
        """Close, and wait until that is done."""
        if not self._lost.done():
            self._drop()
            self._close(CloseCode.NORMAL_CLOSURE)
            self._close_soon()
            await asyncio.wait([self._lost])


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
