"""A stream from its connection's side: what comes in and what may go out, without waiting."""

from __future__ import annotations

import asyncio
import copy
import re
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from eventstream._text import quote
from eventstream._waiting import Signal
from eventstream.http2.stream import STREAM_WINDOW, Response, StreamError, has_body

if TYPE_CHECKING:
    from eventstream.http2.connection import Connection

LINGER_TIMEOUT = 1.0
"""Seconds for which a client may continue to send when its response has ended, before the stream is reset. RFC 9113,
8.1, allows that at once, but some clients then forget the response."""


class Flow:
    """Both directions of a stream, between its connection and the `Stream` that its user has.

    Attributes:
        id: its number on the connection.
        connection: the connection.
        received: bytes of the body that have arrived and nobody has taken.
        unsent: bytes still to send before the content-length is reached; None: there is none.
        peer_ended: whether the peer has ended its direction.
        ended: whether this side has.
        lingering: whether what the peer still sends is dropped.
        error: why the stream was cut short; None: it was not.
        readable, writable: are woken when something has come, and when the peer may take more.
    """

    def __init__(self, connection: Connection, id: int) -> None:
        self.id = id
        self.connection = connection
        self.received: bytes | bytearray = b""
        self.unsent: int | None = None
        self.peer_ended = False
        self.ended = False
        self.lingering = False
        self.error: StreamError | None = None
        self.readable = Signal()
        self.writable = Signal()
        self._unreturned = 0  # bytes that were taken, or were padding, and for which the window is not yet open again
        self._length = 0  # of the body so far
        self._declared_length: int | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    def check(self) -> None:
        """Raise a copy of the error of the stream, if it was cut short."""
        if self.error is not None:
            raise copy.copy(self.error)

    # Receiving

    def declare_length(self, fields: list[tuple[str, str]]) -> None:
        """Remember the content-length, if the headers have one."""
        for name, value in fields:
            if name == "content-length":
                self._declared_length = int(value)  # h2 has checked that it is a number, and the same if repeated

    def feed(self, data: bytes, flow_controlled_length: int, *, last: bool) -> None:
        """Receive what a frame of DATA carries."""
        self._length += len(data)
        self.peer_ended = last  # already here, as no window can be opened any more
        # Padding, and data that nobody will take, need not be kept.
        if self.lingering:
            data = b""
        if flow_controlled_length > len(data):
            self._return_window(flow_controlled_length - len(data))
        if not self.received:
            self.received = data  # passed on as it is, if it is taken before more comes
        elif isinstance(self.received, bytearray):
            self.received += data
        else:
            self.received = bytearray(self.received)  # one buffer, since a peer may send many tiny frames
            self.received += data
        self.readable.wake()

    def feed_end(self) -> None:
        """Receive the end of the body."""
        # h2 compares where the body ends with DATA. It can also end with the headers, or with trailers.
        if self._declared_length not in (None, self._length):
            code = ErrorCodes.PROTOCOL_ERROR
            if not self.ended:
                self.connection.reset_stream(self.id, code)
            length, declared = self._length, self._declared_length
            reason = f"the body has {length} bytes, but its content-length is {quote(str(declared))}"
            self.fail(StreamError(reason, code, remote=False))
            return
        self.peer_ended = True
        self.readable.wake()
        if self.ended:
            self._leave()

    def take(self) -> bytes:
        """Return what has arrived; the window opens again for it."""
        data, self.received = self.received, b""
        self._return_window(len(data))
        return data if isinstance(data, bytes) else bytes(data)

    def _return_window(self, size: int) -> None:
        self._unreturned += size
        if self._unreturned > STREAM_WINDOW // 2 and not self.peer_ended and self.error is None:
            self.connection.open_window(self.id, self._unreturned)
            self._unreturned = 0

    # Sending

    def send_headers(self, fields: list[tuple[str, str]], *, end: bool) -> None:
        """Send headers; `end`: and nothing after them.

        Raises:
            ValueError: HTTP/2 does not allow them.
        """
        self.connection.send_headers(self.id, fields, end)
        if end:
            self._mark_ended()

    def end(self) -> None:
        """End the body."""
        self.connection.end_stream(self.id)
        self._mark_ended()

    def _mark_ended(self) -> None:
        self.ended = True
        if self.peer_ended:
            self._leave()

    # The end

    def reset(self, code: int, why: str = "this side reset the stream") -> None:
        """Cut the stream short, unless both directions have ended or it was cut before; later calls say why."""
        if self.error is None and not (self.ended and self.peer_ended):
            self.connection.reset_stream(self.id, code)
            self.received = b""
            self.fail(StreamError(why, code, remote=False))

    def linger(self) -> None:
        """Let the peer finish, after this side has; if it takes too long, reset the stream."""
        if not self.peer_ended and self.error is None:
            self.lingering = True
            self.connection.drop(self.id)
            self._return_window(len(self.received))
            self.received = b""
            loop = asyncio.get_running_loop()
            self._linger_timer = loop.call_later(LINGER_TIMEOUT, self.reset, ErrorCodes.NO_ERROR)

    def fail(self, error: StreamError) -> None:
        """Note that the stream was cut short, and why."""
        self.error = error
        self._leave()
        self.readable.wake()
        self.writable.wake()

    def _leave(self) -> None:
        """Leave the connection: neither side will send anything more."""
        if self._linger_timer is not None:
            self._linger_timer.cancel()  # which would keep the stream until it is due
        self.connection.forget(self)


class ClientFlow(Flow):
    """The client's end, to which a response comes.

    Attributes:
        response: the beginning of the response, once it has come.
    """

    def __init__(self, connection: Connection, id: int, method: str) -> None:
        super().__init__(connection, id)
        self._method = method
        self.response: Response | None = None

    def feed_response(self, fields: list[tuple[str, str]]) -> None:
        """Receive the headers of the response."""
        status = dict(fields)[":status"]
        if re.fullmatch("[1-9][0-9][0-9]", status):
            self.response = Response(int(status), [field for field in fields if not field[0].startswith(":")])
            if has_body(self._method, self.response.status):
                self.declare_length(fields)
            self.readable.wake()
        else:
            self.reset(ErrorCodes.PROTOCOL_ERROR)
