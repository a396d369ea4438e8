"""Event streams over WebSockets, with asyncio, for exchanges whose two sides send at once: `connect` and `serve`.

The library ``websockets`` knows the protocol; this module moves its bytes, and gives each end a reader and a writer.
What is sent goes in binary frames, one for each call. What is received is a stream of bytes: one event a frame, or
several, or halves. A server also answers plain GETs on the same port, from a table of paths.

How it stays out of trouble:

- What is received waits until it is taken, at most 64 KiB and one frame of at most `MAX_FRAME`; then nothing is read.
  Fragments are not collected: a message of many frames is delivered frame by frame. Compression is not offered.
- In one turn of the event loop 512 bytes of a connection are processed, so that others have their turn meanwhile.
- Frames that carry nothing, such as pings and empty ones, have a budget; a connection that is over it is closed. Those
  that a peer does not answer cost nothing: no pings are sent. An exchange has timeouts of its own.
- A request must have come within `OPEN_TIMEOUT`, and a connection must close within `CLOSE_TIMEOUT`.
- When the client closes before everything was said, the server says it, and only then closes.

Sources: RFC 6455 (WebSocket), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import asyncio
import copy
import http
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast
from uuid import uuid4

try:
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.frames import CloseCode, Frame, Opcode
    from websockets.http11 import Request
    from websockets.http11 import Response as Handshake
    from websockets.protocol import SEND_EOF, Protocol, State
    from websockets.server import ServerProtocol
    from websockets.uri import parse_uri
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.websocket needs websockets: install eventstream-codec with its extra [websocket]", name=error.name
    ) from error

from eventstream import proxy as proxies
from eventstream._text import quote
from eventstream._waiting import Deadline, Signal, deadline_in, within
from eventstream.http2 import IDLE_FRAMES, Budget, Response, StreamError
from eventstream.http2.budget import REFILL, Bucket
from eventstream.http2.listener import Complaints, Listener, Place
from eventstream.operation import InvalidFrame

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Buffer

    from eventstream.proxy import Proxy

__all__ = ["MAX_FRAME", "Answer", "ClientSocket", "Route", "Server", "ServerSocket", "connect", "serve"]

MAX_FRAME = 262_144
"""Bytes of a frame, and of a message of several frames, that a server takes."""

WINDOW = 65_536
"""Bytes that wait to be taken, from which on nothing is read."""

READ_SIZE = 16_384
"""Bytes that are read of a connection in one turn of the event loop."""

TURN_SIZE = 512
"""Bytes that are processed of a connection in one turn of the event loop: at most 85 frames."""

MAX_REQUEST = 65_536
"""Bytes of the request that opens a connection."""

OPEN_TIMEOUT = 10.0
"""Seconds in which a request must have come."""

CLOSE_TIMEOUT = 2.0
"""Seconds that a connection may take to close, or to read the answer to a plain GET."""

_FRAME_OVERHEAD = 4
"""Bytes of a frame that is sent, beside its data, where these are at most 64 KiB."""

_log = logging.getLogger(__name__)

_library = logging.getLogger(f"{__name__}.websockets")
_library.setLevel(logging.WARNING)  # it logs every connection


class _Connection(asyncio.BufferedProtocol):
    """Either end of a connection, between asyncio's transport, the library, and its readers and writers.

    Attributes:
        peer_ended: whether the peer has closed, as it should; some bytes may still wait for `receive`.
    """

    _transport: asyncio.Transport

    def __init__(self, protocol: Protocol, idle_frames: Budget | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._idle = None if idle_frames is None else Bucket(idle_frames)
        self._buffer = memoryview(b"")
        self._arrived = bytearray()  # and not processed
        self._turn_is_planned = False
        self._received = bytearray()
        self._unread = 0  # bytes of answers to pings, while the peer does not read
        self._error: Exception | None = None
        self._farewell: list[bytes] | None = None  # the answer to the peer's close frame, which is held back
        self._closing = False
        self._write_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._changed = Signal()
        self._lost = self._loop.create_future()
        self.peer_ended = False

    # From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WINDOW)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where asyncio puts what it reads. A connection that is silent has none."""
        self._buffer = memoryview(bytearray(READ_SIZE))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process so many bytes of the buffer."""
        data = bytes(self._buffer[:nbytes])
        self._buffer = memoryview(b"")
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Process it, or in this turn of the event loop its beginning."""
        self._arrived += data
        if not self._turn_is_planned:
            self._take_turn()

    def _take_turn(self) -> None:
        self._turn_is_planned = False
        if self._is_deaf:
            self._arrived.clear()
        if not self._arrived or self._is_full:
            return
        self._take_piece()
        self._plan_turn()
        self._read_or_not()

    def _plan_turn(self) -> None:
        if self._arrived and not self._turn_is_planned:
            self._turn_is_planned = True
            self._loop.call_soon(self._take_turn)

    def _take_piece(self) -> None:
        size = self._piece_size()
        piece = bytes(self._arrived[:size])
        del self._arrived[:size]
        self._protocol.receive_data(piece)
        self._process()

    def _piece_size(self) -> int:
        return TURN_SIZE

    @property
    def _is_deaf(self) -> bool:
        """Whether nothing can be made of what still comes."""
        return isinstance(self._error, StreamError)

    @property
    def _is_full(self) -> bool:
        return len(self._received) >= WINDOW

    def _read_or_not(self) -> None:
        if self._is_full or len(self._arrived) >= READ_SIZE:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def eof_received(self) -> None:
        """Let the transport close: what is needed of the peer has come, or never will."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        try:
            while self._arrived and not self._is_deaf:  # what came before counts
                self._take_piece()
        finally:
            if not self.peer_ended:
                self._fail(StreamError("the connection was lost"))
            self._stop_timer()
            self._transport.close()  # if the peer closed first: TLS of Python 3.10 warns of one that nobody closed
            self._lost.set_result(None)
            self._changed.wake()

    def pause_writing(self) -> None:
        """Wait: the peer does not read what was written."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Go on: the peer reads again."""
        self._write_paused = False
        self._unread = 0
        self._changed.wake()

    # From the peer

    def _process(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame_received(event)
            else:
                self._opened(event)
        self._flush()
        if self._protocol.state in (State.CLOSING, State.CLOSED) and not (self.peer_ended or self._closing):
            self.complain("it broke the WebSocket protocol")
            self._fail(StreamError("the peer broke the WebSocket protocol", remote=False))
            self._close_soon()
        if self._idle is not None and self._idle.is_spent:
            self._give_up("it sends frames that carry nothing, faster than the budget allows")
        if self.readable:
            self._changed.wake()

    def _opened(self, event: Request | Handshake) -> None:
        """Do what the request, or the response, asks for."""

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._close_received(frame)
            return
        if frame.opcode is Opcode.TEXT:
            self._refuse(
                InvalidFrame("a frame of text, where events come in binary frames"), CloseCode.UNSUPPORTED_DATA
            )
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT) and frame.data:
            if self._error is None:
                self._received += frame.data
            if self._idle is not None:
                self._idle.give(REFILL)
        elif self._idle is not None:
            self._idle.take()
        if frame.opcode is Opcode.PING and self._write_paused:
            self._unread += len(frame.data) + _FRAME_OVERHEAD
            if self._unread > WINDOW:
                self._give_up("it does not read the answers to its pings")

    def _close_received(self, frame: Frame) -> None:
        self.peer_ended = True

    def _refuse(self, error: InvalidFrame, code: CloseCode) -> None:
        """Take nothing more, but let a reader say so to the peer."""
        self._fail(error)

    def _give_up(self, reason: str) -> None:
        """Drop a peer that costs too much."""
        if not isinstance(self._error, StreamError):
            self.complain(reason)
        self._error = StreamError(reason, remote=False)
        self._changed.wake()
        self._transport.abort()

    def complain(self, reason: str) -> None:
        """Say why the connection fails, where that is of use."""

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self._changed.wake()

    # To the peer

    def _flush(self) -> None:
        """Write what the library has to say."""
        for data in self._protocol.data_to_send():
            if data == SEND_EOF:
                self._transport.close()  # once everything is written
            elif not self._transport.is_closing():
                self._transport.write(data)

    @property
    def readable(self) -> bool:
        """Whether `receive` would not wait."""
        return bool(self._received) or self.peer_ended or self._error is not None

    async def receive(self, timeout: float | None = None) -> bytes:
        """Return all bytes that have arrived, once there are any; none when the peer has closed.

        Raises:
            InvalidFrame: it sent what is not part of an event stream.
            StreamError: the connection was lost, or the peer broke the protocol.
            TimeoutError: nothing has come in so many seconds.
        """
        deadline = None if timeout is None else Deadline(timeout)
        while not self._received:
            if self._error is not None:
                raise copy.copy(self._error)
            if self.peer_ended:
                return b""
            await self._changed.wait(deadline, f"nothing was received for {timeout} s")
        data = bytes(self._received)
        self._received.clear()
        self._plan_turn()
        self._read_or_not()
        return data

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes in a frame. It waits while the peer takes no more.

        Raises:
            StreamError: the connection was lost, or is closed.
            TimeoutError: the peer has taken nothing in so many seconds.
        """
        deadline = deadline_in(timeout)
        while self._write_paused:
            await self._changed.wait(deadline, f"nothing could be sent for {timeout} s")
        self._check_sending()
        if self._farewell is None:
            self._protocol.send_binary(bytes(data))
            self._flush()
        else:  # the library sends nothing after the answer to a close frame, which is not sent yet
            self._transport.write(Frame(Opcode.BINARY, bytes(data)).serialize(mask=False))

    def _check_sending(self) -> None:
        if isinstance(self._error, StreamError):
            raise copy.copy(self._error)
        if self._closing or self._transport.is_closing():
            raise StreamError("the WebSocket is closed")

    async def reset(self, code: int = 0) -> None:
        """Cut the exchange short; nothing happens if it has ended."""
        self._fail(StreamError("the exchange was cut short", remote=False))
        self._transport.abort()

    def _close(self, code: CloseCode) -> None:
        """Say that nothing more is sent."""
        if self._closing:
            return
        self._closing = True
        if self._farewell is not None:
            farewell, self._farewell = self._farewell, None
            if not self._transport.is_closing():  # e.g. lost, after which Python 3.13 fails here
                self._transport.writelines(farewell)
            self._transport.close()
        elif self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()
        self._close_soon()

    def _close_soon(self) -> None:
        self._set_timer(CLOSE_TIMEOUT, self._transport.abort)

    def _set_timer(self, seconds: float, call: Callable[[], object]) -> None:
        self._stop_timer()
        if not self._lost.done():
            self._timer = self._loop.call_later(seconds, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


# The server's end


class Answer(NamedTuple):
    """The answer to a plain GET.

    Attributes:
        status: e.g. 200.
        headers: names and values; the body's length and the date are added.
        body: as a whole.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def text(cls, status: int, text: str) -> Answer:
        """Return an answer with a sentence for people."""
        return cls(status, [("content-type", "text/plain; charset=utf-8")], f"{text}\n".encode())


Route: TypeAlias = Callable[[str, "list[tuple[str, str]]", str], Answer]
"""Answers plain GETs of one path, given the path with its query, the headers, and the address of the client. It must
not take long."""

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


class ServerSocket(_Connection):
    """The server's end of a WebSocket, or of a plain GET.

    Attributes:
        method, path, headers: of the request, as they were received; the path with its query, names in lower case.
        peer: the address of the client, without its port.
        id: a UUID, by which it is told from others.
    """

    method = "GET"
    path = ""

    def __init__(self, server: Server, place: Place) -> None:
        self._server_protocol = _ServerProtocol(max_size=MAX_FRAME, extensions=None, logger=_library)
        super().__init__(self._server_protocol, server.idle_frames)
        self._server = server
        self._place = place
        self.peer = place.peer
        self._close_code = CloseCode.NORMAL_CLOSURE
        self.headers: list[tuple[str, str]] = []
        self.id = str(uuid4())
        self._request_length = 0
        self._has_request = False

    def _piece_size(self) -> int:
        # The library must not see what follows the request before the request is answered: a piece ends with a line.
        return TURN_SIZE if self._has_request else self._arrived.find(b"\n", 0, TURN_SIZE) + 1 or TURN_SIZE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        super().connection_made(transport)
        self._place.evict = self._transport.abort
        self._server.connections.add(self)
        self._set_timer(OPEN_TIMEOUT, partial(self._give_up, f"it sent no request in {OPEN_TIMEOUT:g} s"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place to others."""
        try:
            super().connection_lost(exc)
        finally:
            self._server.connections.discard(self)
            self._place.leave()

    def _opened(self, event: Request | Handshake) -> None:
        assert isinstance(event, Request)
        self._has_request = True
        self.path = event.path
        self.headers = [(name.lower(), value) for name, value in event.headers.raw_items()]
        method = getattr(event, "method", "GET")  # where the library does not tell it, it takes no other
        answer = self._server.answer(self) if method == "GET" else _not_allowed(method)
        if answer is None:
            response = self._server_protocol.accept(event)
            if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
                for name, value in self._server.handshake_headers(self):
                    response.headers[name] = value
                self._server_protocol.send_response(response)
                self._stop_timer()
                self._place.work()
                self._server.start(self)
                return
            answer = Answer.text(426, "This is the path of a WebSocket: the request must be a handshake of one.")
            answer.headers.append(("upgrade", "websocket"))
        self._server_protocol.send_response(_plain(answer))
        self.peer_ended = self._closing = True
        self._close_soon()

    def data_received(self, data: bytes) -> None:
        """Process it, or in this turn of the event loop its beginning."""
        if not self._has_request:
            self._request_length += len(data)
            if self._request_length > MAX_REQUEST:
                self._give_up(f"its request has more than {MAX_REQUEST} bytes")
                return
        super().data_received(data)

    def _process(self) -> None:
        super()._process()
        if self._server_protocol.handshake_exc is not None and not self._has_request:
            self._give_up("it sent something else than a request of HTTP/1.1")
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
        self._server.complaints(logging.INFO, "a connection from %s failed: %s", self._place.peer, reason)

    @property
    def connection(self) -> object:
        """Itself: a WebSocket carries one exchange."""
        return self

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Do nothing: the handshake was the response."""

    async def end(self) -> None:
        """Close: everything was said."""
        self._close(self._close_code)

    def leave(self, code: CloseCode) -> None:
        """Close if nobody did."""
        if self._protocol.state is State.CONNECTING:
            self._transport.abort()
        elif not self._closing and not self._lost.done():
            self._close(code)

    async def wait_closed(self) -> None:
        """Wait until the connection is lost."""
        if not self._lost.done():
            await asyncio.wait([self._lost])


def _not_allowed(method: str) -> Answer:
    answer = Answer.text(405, "Only GET is answered here.")
    answer.headers.append(("allow", "GET"))
    return answer._replace(body=b"") if method == "HEAD" else answer


def _plain(answer: Answer) -> Handshake:
    headers = Headers([("date", formatdate(usegmt=True)), ("connection", "close")])
    headers["content-length"] = str(len(answer.body))
    for name, value in answer.headers:
        headers[name] = value
    return Handshake(answer.status, http.HTTPStatus(answer.status).phrase, headers, answer.body)


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
                return Answer.text(500, "The server failed; its log says why.")
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
            _log.exception("the handler of %s failed", quote(socket.path))
        finally:
            socket.leave(code)

    async def close(self) -> None:
        """Take no more connections, cancel the handlers that run, and close."""
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for socket in list(self.connections):
            socket.leave(CloseCode.GOING_AWAY)
        await asyncio.gather(*(socket.wait_closed() for socket in list(self.connections)))
        await self._listener.wait_closed()


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
        handler: is called for each WebSocket, as a task of its own, and calls `ServerSocket.end` before it returns; one
            that does not has failed. What the client still sends is dropped then.
        host: the address to listen on; None for all.
        port: 0 for any that is free; see `Server.port`.
        ssl: a context with the server's certificate; None: plaintext.
        refuse: given the path of a request with its query, it says in a sentence why there is no WebSocket, for a 404;
            None: there is one.
        routes: what answers plain GETs, by path; these paths have no WebSocket.
        handshake_headers: what is added to the response that opens a WebSocket.
        max_connections, max_connections_per_peer, backlog: as of `eventstream.http2.serve`.
        idle_frames: a budget for each connection: frames that carry nothing. One that is over it is closed. Each frame
            with data gives some of it back. None: no bound.

    Raises:
        OSError: it cannot listen there.
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


# The client's end


class ClientSocket(_Connection):
    """The client's end of a WebSocket, as `connect` makes it."""

    def __init__(self, url: str, *, max_frame: int | None, idle_frames: Budget | None) -> None:
        self._client_protocol = ClientProtocol(parse_uri(url), max_size=max_frame, logger=_library)
        super().__init__(self._client_protocol, idle_frames)
        self._response: Response | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        super().connection_made(transport)
        self._client_protocol.send_request(self._client_protocol.connect())
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        if self._response is None and not self._arrived:
            self._fail(StreamError("the server hung up without an answer to the handshake of a WebSocket"))
        super().connection_lost(exc)

    def _opened(self, event: Request | Handshake) -> None:
        assert isinstance(event, Handshake)
        headers = [(name.lower(), value) for name, value in event.headers.raw_items()]
        if self._client_protocol.handshake_exc is None:
            self._response = Response(200, headers)
            self._changed.wake()
            return
        # A success that opened no WebSocket must not be taken for one that did.
        self._response = Response(502 if event.status_code < 300 else event.status_code, headers)
        self._received += event.body or b""
        self.peer_ended = self._closing = True
        self._close_soon()

    def _process(self) -> None:
        super()._process()
        if self._client_protocol.handshake_exc is not None and self._response is None:
            self._fail(StreamError("the server does not speak HTTP/1.1, as a WebSocket's does"))

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
            TimeoutError: it has not answered in so many seconds.
        """
        deadline = None if timeout is None else Deadline(timeout)
        while self._response is None:
            if self._error is not None:
                raise copy.copy(self._error)
            await self._changed.wait(deadline, f"there was no response for {timeout} s")
        return self._response

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes in a frame, once the handshake has succeeded. It waits while the server takes no more.

        Raises:
            StreamError: the connection was lost, is closed, or was refused.
            TimeoutError: the server has not answered, or has taken nothing, in so many seconds.
        """
        if self._response is None:
            await self.response(timeout)
        await super().send(data, timeout=timeout)

    async def end(self) -> None:
        """Do nothing: the last event was the end of the input, and the response continues."""

    async def close(self) -> None:
        """Close, and wait until that is done."""
        if not self._lost.done():
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
