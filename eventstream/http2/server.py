"""The server's end of connections, and `serve`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from h2.errors import ErrorCodes
from h2.events import RequestReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from eventstream._text import quote
from eventstream.http2.budget import IDLE_FRAMES, RESETS, Budget
from eventstream.http2.connection import Connection
from eventstream.http2.flow import Flow
from eventstream.http2.listener import Complaints, Listener, Place, foreign
from eventstream.http2.stream import ServerStream, StreamError, text

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_CONCURRENT_STREAMS = 100
"""Streams of one connection; RFC 9113, 6.5.2, recommends no fewer."""

_log = logging.getLogger(__name__)

Handler: TypeAlias = "Callable[[ServerStream], Coroutine[Any, Any, None]]"


class Shared:
    """The state that all connections of a server share.

    Attributes:
        max_concurrent_streams, idle_timeout, resets, idle_frames, refusal_headers: see `serve`.
        connections: the open ones.
        tasks: the handlers that run.
        closing: whether no more streams are taken.
        complaints: about connections that failed.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_concurrent_streams: int = MAX_CONCURRENT_STREAMS,
        idle_timeout: float | None = None,
        resets: Budget | None = RESETS,
        idle_frames: Budget | None = IDLE_FRAMES,
        refusal_headers: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        self._handler = handler
        self._failures = Complaints(_log)
        self.max_concurrent_streams = max_concurrent_streams
        self.idle_timeout = idle_timeout
        self.resets = resets
        self.idle_frames = idle_frames
        self.refusal_headers = refusal_headers
        self.connections: set[ServerConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False
        self.complaints = Complaints(_log)

    def start(self, connection: ServerConnection, flow: Flow, stream: ServerStream) -> None:
        """Start the handler of a stream."""
        connection.running += 1
        task = asyncio.get_running_loop().create_task(self._run(flow, stream))
        self.tasks.add(task)
        task.add_done_callback(partial(self._finish, connection, flow, stream))

    async def _run(self, flow: Flow, stream: ServerStream) -> None:
        """Call the handler, unless the stream was reset as soon as it was opened."""
        if flow.error is None:
            await self._handler(stream)

    def _finish(self, connection: ServerConnection, flow: Flow, stream: ServerStream, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        connection.running -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None and not (isinstance(error, StreamError) and flow.error is not None):
            what = quote(f"{stream.method} {stream.path}")
            self._failures(logging.ERROR, "the handler of %s failed", what, exc_info=error)
        if flow.ended:
            flow.linger()
        else:
            flow.reset(ErrorCodes.CANCEL if task.cancelled() else ErrorCodes.INTERNAL_ERROR)


class Server:
    """A server that listens, as `serve` makes it.

    Attributes:
        port: the port that it listens on.
    """

    def __init__(self, shared: Shared, listener: Listener) -> None:
        self._shared = shared
        self._listener = listener
        self._cancelled: set[asyncio.Task[None]] = set()
        self.port: int = listener.port

    async def close(self, timeout: float | None = None) -> None:
        """Take no more connections and streams, let the handlers finish those there are, and close.

        A client that has not completed its TLS handshake is dropped. If `close` is cancelled, handlers keep running and
        it may be called again.

        Args:
            timeout: seconds until the handlers that still run are cancelled; None: as long as they take.
        """
        shared = self._shared
        shared.closing = True
        self._listener.close()
        for connection in list(shared.connections):
            connection.leave()
        if shared.tasks:
            await asyncio.wait(shared.tasks, timeout=timeout)
        for task in shared.tasks - self._cancelled:  # once each: what it still does then, it can finish
            task.cancel()
        self._cancelled = set(shared.tasks)
        if shared.tasks:
            await asyncio.wait(shared.tasks)
        if shared.connections:
            await asyncio.gather(*(connection.close() for connection in shared.connections))
        await self._listener.wait_closed()


class ServerConnection(Connection):
    """A connection to a client.

    Attributes:
        running: the handlers that have not finished.
    """

    def __init__(self, shared: Shared, place: Place | None = None) -> None:
        super().__init__(
            client=False,
            settings={SettingCodes.MAX_CONCURRENT_STREAMS: shared.max_concurrent_streams},
            resets=shared.resets,
            idle_frames=shared.idle_frames,
        )
        self._handlers[RequestReceived] = self._request_received
        self._shared = shared
        self._place = place
        self._idle_timer: asyncio.TimerHandle | None = None
        self.running = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        ssl = transport.get_extra_info("ssl_object")
        if ssl is not None and ssl.selected_alpn_protocol() != "h2":
            self._shared.connections.add(self)
            self._transport = cast("asyncio.Transport", transport)
            self._fail(StreamError("the client does not speak HTTP/2 (ALPN)"))
            self._complain("the client does not speak HTTP/2 (ALPN)")
            self._transport.abort()
            return
        super().connection_made(transport)
        self._shared.connections.add(self)
        if self._place is not None:
            self._place.begin(self._transport, self._evict)
        self._leaving = self._shared.closing
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        silent = self._h2.awaits_preface
        failed = self._closed is None and (silent or self._arrived or exc is not None)
        super().connection_lost(exc)
        if failed:
            self._complain("it hung up before it spoke HTTP/2" if silent else str(self._closed))
        self._stop_idle_timer()
        self._shared.connections.discard(self)
        if self._place is not None:
            self._place.leave()

    def _request_received(self, event: RequestReceived) -> None:
        # A client that resets its streams at once may open as many again, while their handlers have not noticed.
        bound = self._shared.max_concurrent_streams
        if self._leaving or len(self._flows) >= bound or self.running >= 2 * bound:
            self.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._stop_idle_timer()
        if self._place is not None:
            self._place.work()
        fields = text(event.headers)
        flow = self._flows[event.stream_id] = Flow(self, event.stream_id)
        flow.declare_length(fields)
        if self._h2.headers_are_too_large:
            # Answered with only a status, even if the client is still sending.
            fields = [(":status", "431"), ("date", formatdate(usegmt=True)), *self._shared.refusal_headers()]
            flow.send_headers(fields, end=True)
            flow.linger()
        else:
            self._shared.start(self, flow, ServerStream(flow, fields))

    def _broken(self, error: ProtocolError, words: str = "") -> None:
        if not words and not self._h2.highest_inbound_stream_id and (what := foreign(self._arrived)):
            words = f": it speaks {what}"
        super()._broken(error, words)

    def _over_budget(self) -> None:
        self._complain("it resets streams, or sends frames that carry nothing, faster than the budgets allow")
        super()._over_budget()

    def _fail(self, error: StreamError) -> None:
        if self._closed is None and error.code not in (None, ErrorCodes.NO_ERROR):
            self._complain(str(error))
        super()._fail(error)

    def _complain(self, what: str) -> None:
        address = self._transport.get_extra_info("peername")
        peer = address[0] if isinstance(address, tuple) else "a client"
        self._shared.complaints(logging.INFO, "a connection from %s failed: %s", peer, what)

    def _evict(self) -> None:
        self.leave()
        self._write()
        self._transport.abort()

    def _rest(self) -> None:
        super()._rest()
        self._stop_idle_timer()
        if self._place is not None:
            self._place.rest()
        if self._closed is None and self._shared.idle_timeout is not None:
            self._idle_timer = self._loop.call_later(self._shared.idle_timeout, self._idle)

    def _idle(self) -> None:
        if self._h2.awaits_preface:
            self._complain("it did not speak HTTP/2 in time")
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
    max_connections: int | None = 1_000,
    max_connections_per_peer: int | None = 250,
    backlog: int = 100,
    resets: Budget | None = RESETS,
    idle_frames: Budget | None = IDLE_FRAMES,
    refusal_headers: Callable[[], Iterable[tuple[str, str]]] = tuple,
) -> AsyncIterator[Server]:
    """Start a server. Leaving the block drains it; leaving it by an exception or cancelled closes it at once.

    Args:
        handler: is called for each request with its `ServerStream`, as a task of its own, and ends the response before
            it returns. A stream whose response has not ended then is reset, with INTERNAL_ERROR; an exception is
            logged, in at most one line a second. What the client still sends is dropped. The methods of the stream tell
            the handler what happens to the stream meanwhile.
        host: the address to listen on; None for all.
        port: 0 for any that is free; see `Server.port`.
        ssl: a context with the server's certificate; its ALPN protocols are set. None: plaintext, HTTP/2 from the first
            byte.
        max_concurrent_streams: of one connection.
        idle_timeout: seconds after which a connection with no open stream is closed, including one that never opened
            any. None: never.
        drain_timeout: seconds that the handlers have to finish when the block is left; see `Server.close`.
        max_connections: connections at once. The one that has had no stream for longest gives way to a new one; if all
            have streams, the new one is refused. None: no bound.
        max_connections_per_peer: the same for the connections from one address; a proxy is one, too. A /64 of IPv6
            counts as one address.
        backlog: connections that wait to be accepted.
        resets: budget for each connection: streams that the client resets, or that are reset for what it sent on them.
            A connection over its budget takes no more streams (GOAWAY), and one that spends it twice over is closed.
            None: no bound.
        idle_frames: budget for each connection: frames that carry nothing, such as PING, SETTINGS, WINDOW_UPDATE and
            empty DATA, and data for streams that were reset, beyond what can have been under way. Each other frame with
            data, in either direction, gives some of it back.
        refusal_headers: what is added to a response that no handler gives: that to a request with too many headers.

    Raises:
        OSError: it cannot listen there.
        ValueError: the port is out of range.
        TypeError: the port is not an int.
    """
    if ssl is not None:
        ssl.set_alpn_protocols(["h2"])
    shared = Shared(
        handler,
        max_concurrent_streams=max_concurrent_streams,
        idle_timeout=idle_timeout,
        resets=resets,
        idle_frames=idle_frames,
        refusal_headers=refusal_headers,
    )
    listener = Listener(
        partial(ServerConnection, shared),
        ssl=ssl,
        handshake_timeout=idle_timeout,
        max_connections=max_connections,
        max_connections_per_peer=max_connections_per_peer,
    )
    await listener.listen(host, port, backlog)
    server = Server(shared, listener)
    try:
        yield server
        await server.close(drain_timeout)
    except BaseException:
        await _close_at_once(server, shared)
        raise


async def _close_at_once(server: Server, shared: Shared) -> None:
    """Cancel the handlers, and close; if that is cancelled, do not wait for them."""
    try:
        await server.close(0)
    except asyncio.CancelledError:
        for connection in shared.connections:
            connection.abort()
        raise
