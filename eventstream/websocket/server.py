"""The server's end: `serve`, and what it does with each connection."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from eventstream._text import quote
from eventstream.http2 import IDLE_FRAMES, Budget, StreamError
from eventstream.http2.listener import Complaints, Listener, Place
from eventstream.operation import InvalidFrame
from eventstream.websocket._library import (
    LOG,
    SEND_EOF,
    CloseCode,
    Frame,
    Handshake,
    Request,
    ServerProtocol,
    State,
)
from eventstream.websocket.answers import Answer, Route, not_allowed, response_of
from eventstream.websocket.connection import TURN_SIZE, Connection

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_FRAME = 262_144
"""Bytes of a frame, and of a message of several frames, that a server takes."""

MAX_REQUEST = 65_536
"""Bytes of the request that opens a connection."""

OPEN_TIMEOUT = 10.0
"""Seconds in which a request must have come."""

_HTTP2 = b"PRI * HTTP/2.0\r\n"
"""How a client of HTTP/2 begins (RFC 9113, 3.4)."""

_NO_REQUEST = "it did not send an HTTP/1.1 request"

_log = logging.getLogger("eventstream.websocket")

Handler: TypeAlias = "Callable[[ServerSocket], Coroutine[Any, Any, None]]"


class _ServerProtocol(ServerProtocol):
    """The library's server, which leaves it to a reader to answer a frame that is too large."""

    too_large = False

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Close the connection for what the peer did."""
        if code == CloseCode.MESSAGE_TOO_BIG:
            self.too_large = True
        else:
            super().fail(code, reason)


class ServerSocket(Connection):
    """The server's end of a WebSocket, or of a plain GET.

    Attributes:
        method, path, headers: of the request, as they were received; the path with its query, names in lower case.
        peer: the address of the client, without its port.
        id: a UUID, by which it is told from others.
    """

    method = "GET"
    path = ""

    def __init__(self, server: Server, place: Place) -> None:
        self._server_protocol = _ServerProtocol(max_size=MAX_FRAME, extensions=None, logger=LOG)
        super().__init__(self._server_protocol, server.idle_frames)
        self._server = server
        self._place = place
        self.peer = place.peer
        self._close_code = CloseCode.NORMAL_CLOSURE
        self.headers: list[tuple[str, str]] = []
        self.id = str(uuid4())
        self._begun = b""  # the beginning of the request
        self._request_length = 0
        self._has_request = False
        self._hung_up = False
        self._complained = False

    def _piece_size(self) -> int:
        # The library must not see what follows the request before the request is answered: a piece ends with a line.
        return TURN_SIZE if self._has_request else self._arrived.find(b"\n", 0, TURN_SIZE) + 1 or TURN_SIZE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        super().connection_made(transport)
        self._place.begin(self._transport, self._transport.abort)
        self._server.connections.add(self)
        self._set_timer(OPEN_TIMEOUT, partial(self._give_up, f"it sent no request in {OPEN_TIMEOUT:g} s"))

    def eof_received(self) -> None:
        """Note that the client has hung up."""
        self._hung_up = True
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place to others."""
        try:
            super().connection_lost(exc)
            if not self._has_request and (self._hung_up or exc is not None) and not self._complained:
                self.complain(_NO_REQUEST)
        finally:
            self._server.connections.discard(self)
            self._place.leave()

    def _opened(self, event: Request | Handshake) -> None:
        assert isinstance(event, Request)
        self._has_request = True
        self.path = event.path
        self.headers = [(name.lower(), value) for name, value in event.headers.raw_items()]
        method = getattr(event, "method", "GET")  # where the library does not tell it, it takes no other
        if method == "GET":
            answer = self._server.answer(self)
        else:
            self.complain(f"it sent {quote(method)}, and only GET is answered here")
            answer = not_allowed(method)
        if answer is None:
            response = self._server_protocol.accept(event)
            if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
                self._server_protocol.send_response(self._with_headers(response))
                self._stop_timer()
                self._place.work()
                self._server.start(self)
                return
            self.complain("its request is not a valid WebSocket handshake")
            answer = Answer.text(426, "This path takes WebSockets: the request must be a WebSocket handshake.")
            answer.headers.append(("upgrade", "websocket"))
        self._server_protocol.send_response(self._with_headers(response_of(answer)))
        self.peer_ended = self._closing = True
        self._close_soon()

    def _with_headers(self, response: Handshake) -> Handshake:
        for name, value in self._server.handshake_headers(self):
            response.headers[name] = value
        return response

    def data_received(self, data: bytes) -> None:
        """Process it, or in this turn of the event loop its beginning."""
        if not self._has_request:
            if len(self._begun) < len(_HTTP2):
                self._begun += data[: len(_HTTP2) - len(self._begun)]
                if self._begun == _HTTP2:
                    self._refuse_http2()
            self._request_length += len(data)
            if self._request_length > MAX_REQUEST:
                self._give_up(f"its request has more than {MAX_REQUEST} bytes")
                return
        super().data_received(data)

    def _refuse_http2(self) -> None:
        """Answer a client of HTTP/2 so that it knows what is spoken here; it takes any HTTP/1 response for that."""
        answer = Answer.text(505, "This port takes WebSockets, over HTTP/1.1.")
        self._transport.write(self._with_headers(response_of(answer)).serialize())
        self.complain(_NO_REQUEST)
        self._fail(StreamError(_NO_REQUEST, remote=False))
        self._transport.close()

    def _process(self) -> None:
        super()._process()
        if self._server_protocol.handshake_exc is not None and not self._has_request:
            self._give_up(_NO_REQUEST)
        if self._server_protocol.too_large:
            error = InvalidFrame(f"a frame of more than {MAX_FRAME} bytes", too_large=True)
            self._refuse(error, CloseCode.MESSAGE_TOO_BIG)

    @property
    def _is_deaf(self) -> bool:
        return self._server_protocol.too_large or super()._is_deaf

    def _close_received(self, frame: Frame) -> None:
        super()._close_received(frame)
        if not self._closing:
            self._farewell = [data for data in self._protocol.data_to_send() if data != SEND_EOF]

    def _refuse(self, error: InvalidFrame, code: CloseCode) -> None:
        super()._refuse(error, code)
        self._close_code = code

    def complain(self, reason: str) -> None:
        self._complained = True
        self._server.complaints(logging.INFO, "a connection from %s failed: %s", self._place.peer, reason)

    @property
    def connection(self) -> object:
        """Return itself: a WebSocket carries one exchange."""
        return self

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Do nothing: the handshake was the response."""

    async def end(self) -> None:
        """Close: everything was said."""
        self._close(self._close_code)

    def leave(self, code: CloseCode) -> None:
        """Drop what still comes, and close if nobody did."""
        if self._protocol.state is State.CONNECTING:
            self._transport.abort()
        elif not self._lost.done():
            self._drop()
            if not self._closing:
                self._close(code)


class Server:
    """A server that listens, as `serve` makes it.

    Attributes:
        port: the port that it listens on.
        connections: those that are open.
    """

    port: int

    def __init__(
        self,
        handler: Handler,
        refuse: Callable[[str], str | None],
        routes: Mapping[str, Route],
        handshake_headers: Callable[[ServerSocket], Iterable[tuple[str, str]]],
        idle_frames: Budget | None,
    ) -> None:
        self._handler = handler
        self._refuse = refuse
        self._routes = routes
        self.handshake_headers = handshake_headers
        self.idle_frames = idle_frames
        self.connections: set[ServerSocket] = set()
        self.complaints = Complaints(_log)
        self._failures = Complaints(_log)
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str | None, port: int, *, backlog: int, **bounds: Any) -> None:
        """Listen; see `serve`."""
        self._listener = Listener(partial(ServerSocket, self), handshake_timeout=OPEN_TIMEOUT, **bounds)
        await self._listener.listen(host, port, backlog)
        self.port = self._listener.port

    def answer(self, socket: ServerSocket) -> Answer | None:
        """Return the answer to a request; None for that of a WebSocket."""
        path = socket.path.partition("?")[0]
        route = self._routes.get(path)
        if route is not None:
            try:
                return route(socket.path, socket.headers, socket.peer)
            except Exception:
                self._failures(logging.ERROR, "GET %s failed", quote(path), exc_info=True)
                return Answer.text(500, "The server failed; see its log.")
        reason = self._refuse(socket.path)
        if reason is None:
            return None
        socket.complain(reason)
        return Answer.text(404, reason)

    def start(self, socket: ServerSocket) -> None:
        """Call the handler with a WebSocket."""
        task = asyncio.get_running_loop().create_task(self._run(socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, socket: ServerSocket) -> None:
        code = CloseCode.INTERNAL_ERROR
        try:
            await self._handler(socket)
        except StreamError:
            pass  # it is lost
        except asyncio.CancelledError:
            code = CloseCode.GOING_AWAY
            raise
        except Exception:
            self._failures(logging.ERROR, "the handler of %s failed", quote(socket.path), exc_info=True)
        finally:
            socket.leave(code)

    async def close(self) -> None:
        """Take no more connections, cancel the handlers that run, and close; if that is cancelled, at once."""
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
            for socket in list(self.connections):
                socket.leave(CloseCode.GOING_AWAY)
            await asyncio.gather(*(socket.wait_closed() for socket in list(self.connections)))
            await self._listener.wait_closed()
        except asyncio.CancelledError:
            for socket in list(self.connections):
                socket.abort()
            raise


def _no_headers(_: ServerSocket) -> Iterable[tuple[str, str]]:
    return ()


@asynccontextmanager
async def serve(
    handler: Handler,
    host: str | None = "127.0.0.1",
    port: int = 0,
    *,
    ssl: SSLContext | None = None,
    refuse: Callable[[str], str | None] = lambda path: None,
    routes: Mapping[str, Route] = {},
    handshake_headers: Callable[[ServerSocket], Iterable[tuple[str, str]]] = _no_headers,
    max_connections: int | None = 1_000,
    max_connections_per_peer: int | None = 250,
    backlog: int = 100,
    idle_frames: Budget | None = IDLE_FRAMES,
) -> AsyncIterator[Server]:
    """Listen for WebSockets; on leaving the block, handlers that still run are cancelled.

    Args:
        handler: is called for each WebSocket, as a task of its own. It must call `ServerSocket.end` before it returns;
            otherwise it has failed. What the client still sends is then dropped.
        host: the address to listen on; None for all.
        port: 0 for any that is free; see `Server.port`.
        ssl: a context with the server's certificate; None: plaintext.
        refuse: given the path of a request with its query, it returns a sentence for a 404 if no WebSocket is there,
            else None.
        routes: what answers plain GETs, by path; these paths have no WebSocket.
        handshake_headers: what is added to the response that opens a WebSocket, and to every other one.
        max_connections, max_connections_per_peer, backlog: see `eventstream.http2.serve`.
        idle_frames: a budget for each connection: frames that carry nothing, that are dropped after an error, or that
            have less than 1 KiB and come after the handler has returned. One that is over it is closed. Each other
            frame with data that the handler can take gives some of it back. None: no bound.

    Raises:
        OSError: it cannot listen there.
        ValueError: the port is out of range.
        TypeError: the port is not an int.
    """
    server = Server(handler, refuse, routes, handshake_headers, idle_frames)
    await server.listen(
        *(host, port),
        ssl=ssl,
        backlog=backlog,
        max_connections=max_connections,
        max_connections_per_peer=max_connections_per_peer,
    )
    try:
        yield server
    finally:
        await server.close()
