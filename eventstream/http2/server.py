"""The server's end of connections, and `serve`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from h2.errors import ErrorCodes
from h2.events import RequestReceived
from h2.settings import SettingCodes

from eventstream._text import quote
from eventstream.http2._waiting import within
from eventstream.http2.connection import CLOSE_TIMEOUT, Connection
from eventstream.http2.stream import ServerStream, StreamError, text

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_CONCURRENT_STREAMS = 100
"""Streams of one connection; RFC 9113, 6.5.2, recommends no fewer."""

_log = logging.getLogger(__name__)

Handler: TypeAlias = "Callable[[ServerStream], Coroutine[Any, Any, None]]"


class Server:
    """A server that listens, as `serve` makes it.

    Attributes:
        port: the port that it listens on.
    """

    def __init__(self, handler: Handler, max_concurrent_streams: int, idle_timeout: float | None) -> None:
        self._handler = handler
        self._idle_timeout = idle_timeout
        self._max_concurrent_streams = max_concurrent_streams
        self._connections: set[ServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[asyncio.Task[None]] = set()
        self._closing = False

    async def _listen(self, host: str | None, port: int, ssl: SSLContext | None) -> None:
        if ssl is not None:
            ssl.set_alpn_protocols(["h2"])
        self._server = await asyncio.get_running_loop().create_server(
            lambda: ServerConnection(self),
            *(host, port),
            ssl=ssl,
            ssl_handshake_timeout=self._idle_timeout if ssl is not None else None,
            backlog=1024,
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _start(self, connection: ServerConnection, stream: ServerStream) -> None:
        task = asyncio.get_running_loop().create_task(self._handler(stream))
        self._tasks.add(task)
        task.add_done_callback(partial(self._finish, connection, stream))

    def _finish(self, connection: ServerConnection, stream: ServerStream, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        connection.running -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None and not (isinstance(error, StreamError) and stream._error is not None):
            _log.error("the handler of %s failed", quote(f"{stream.method} {stream.path}"), exc_info=error)
        if stream._ended:
            stream._linger()
        else:
            stream._reset(ErrorCodes.CANCEL if task.cancelled() else ErrorCodes.INTERNAL_ERROR)

    async def close(self, timeout: float | None = None) -> None:
        """Take no more connections and streams, let the handlers finish those there are, and close.

        Who has connected, and not begun or finished TLS, holds it up for 2 s at most. If it is cancelled, the handlers
        go on, and it can be called again.

        Args:
            timeout: seconds until the handlers that still run are cancelled; None: as long as they take.
        """
        self._closing = True
        self._server.close()
        for connection in list(self._connections):
            connection.drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        for task in self._tasks - self._cancelled:  # once each: what it still does then, it can finish
            task.cancel()
        self._cancelled = set(self._tasks)
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._connections:
            await asyncio.gather(*(connection.close() for connection in self._connections))
        self._abort_unfinished_tls()
        with suppress(TimeoutError):
            await within(CLOSE_TIMEOUT, self._server.wait_closed(), "")

    def _abort_unfinished_tls(self) -> None:
        """Before Python 3.13 only the timeout of its handshake ends it."""
        getattr(self._server, "abort_clients", lambda: None)()

    async def _close_at_once(self) -> None:
        """Cancel the handlers, and close; if that is cancelled, do not wait for them."""
        try:
            await self.close(0)
        except asyncio.CancelledError:
            for connection in self._connections:
                connection._transport.abort()
            self._abort_unfinished_tls()
            raise


class ServerConnection(Connection):
    """A connection to a client.

    Attributes:
        running: the handlers that have not finished.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(client=False, settings={SettingCodes.MAX_CONCURRENT_STREAMS: server._max_concurrent_streams})
        self._handlers[RequestReceived] = self._request_received
        self._server = server
        self._idle_timer: asyncio.TimerHandle | None = None
        self.running = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server._connections.add(self)
        self._leaving = self._server._closing
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_idle_timer()
        self._server._connections.discard(self)

    def _request_received(self, event: RequestReceived) -> None:
        # A client that resets its streams at once may open as many again, while their handlers have not noticed.
        if self._leaving or self.running >= 2 * self._server._max_concurrent_streams:
            self.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._stop_idle_timer()
        stream = ServerStream(self, event.stream_id, text(event.headers))
        self._streams[stream.id] = stream
        self.running += 1
        self._server._start(self, stream)

    def drain(self) -> None:
        """Take no more streams, and close when those there are have ended."""
        if self._closed is None and not self._leaving:
            self._leaving = True
            self._h2.go_away()
            self._flush()
            self._rest_if_idle()

    def _rest(self) -> None:
        super()._rest()
        self._stop_idle_timer()
        if self._closed is None and self._server._idle_timeout is not None:
            self._idle_timer = self._loop.call_later(self._server._idle_timeout, self._idle)

    def _idle(self) -> None:
        self._leaving = True
        super()._rest()

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


@asynccontextmanager
async def serve(
    handler: Handler,
    host: str | None = "127.0.0.1",
    port: int = 0,
    *,
    ssl: SSLContext | None = None,
    max_concurrent_streams: int = MAX_CONCURRENT_STREAMS,
    idle_timeout: float | None = 60.0,
    drain_timeout: float | None = 10.0,
) -> AsyncIterator[Server]:
    """A server; on leaving the block it drains, or if that is by an exception or cancelled, closes at once.

    Args:
        handler: is called for each request with its `ServerStream`, as a task of its own, and ends the response before
            it returns. A stream whose response has not ended then is reset, with INTERNAL_ERROR; an exception is
            logged. What the client still sends is dropped. What happens to the stream while it runs, it learns from the
            stream's methods.
        host: the address to listen on; None for all.
        port: 0 for any that is free; see `Server.port`.
        ssl: a context with the server's certificate; its ALPN protocols are set. None: plaintext, HTTP/2 from the first
            byte.
        max_concurrent_streams: of one connection.
        idle_timeout: seconds after which a connection without streams is closed, be it that it never had one; None:
            never.
        drain_timeout: seconds that the handlers are given when the block is left, see `Server.close`.

    Raises:
        OSError: it cannot listen there.
    """
    server = Server(handler, max_concurrent_streams, idle_timeout)
    await server._listen(host, port, ssl)
    try:
        yield server
        await server.close(drain_timeout)
    except BaseException:
        await server._close_at_once()
        raise
