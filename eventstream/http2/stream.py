"""A stream: one request and its response, from either end."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Iterable
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple

from h2.errors import ErrorCodes

from eventstream._text import quote
from eventstream._waiting import Deadline, Signal, deadline_in
from eventstream.exceptions import StateError

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from eventstream.http2.connection import Connection

STREAM_WINDOW = 65_535
"""Bytes that a peer may send on a stream before somebody takes them: HTTP/2's initial window (RFC 9113, 6.9.2)."""

LINGER_TIMEOUT = 1.0
"""Seconds for which a client may continue to send when its response has ended, before the stream is reset. RFC 9113,
8.1, allows that at once, but some clients then forget the response."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\0\r\n\ud800-\udfff]*")


class StreamError(ConnectionError):
    """A stream ended before its end: it was reset, its connection was lost, or the peer does not speak HTTP/2.

    Args:
        reason: what happened.
        code: HTTP/2's error code (RFC 9113, section 7), if one was said.
        remote: whether the peer is the one who ended it.

    Attributes:
        code: an ``ErrorCodes`` or an unknown code as int; None if the connection broke without one.
        remote: whether the peer ended it; False if it was this side.
    """

    code: int | None
    remote: bool

    def __init__(self, reason: str, code: int | None = None, *, remote: bool = True) -> None:
        with suppress(ValueError):
            code = code if code is None else ErrorCodes(code)
        name = getattr(code, "name", code)
        super().__init__(reason if name is None else f"{reason} ({name})")
        self.code = code
        self.remote = remote

    @property
    def unprocessed(self) -> bool:
        """Whether the peer promises that it did nothing with the request, which can safely be sent again."""
        return self.remote and self.code == ErrorCodes.REFUSED_STREAM


class NotHTTP2(StreamError):
    """The peer does not speak HTTP/2. Trying again does not help."""


class Response(NamedTuple):
    """The beginning of a response.

    Attributes:
        status: e.g. 200.
        headers: names, in lower case, and values, without the pseudo-header.
    """

    status: int
    headers: list[tuple[str, str]]


class Stream:
    """Either end of a stream. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    def __init__(self, connection: Connection, id: int) -> None:
        self.id = id
        self._connection = connection
        self._received: bytes | bytearray = b""
        self._unreturned = 0  # bytes that were taken, or were padding, and for which the window is not yet open again
        self._length = 0  # of the body so far
        self._declared_length: int | None = None
        self._unsent: int | None = None  # bytes of the body that its content-length still lacks; None: it has none
        self.peer_ended = False
        self._responded = True  # a server's stream is not, until `respond` is called
        self._ended = False
        self._sending = False
        self._lingering = False
        self._linger_timer: asyncio.TimerHandle | None = None
        self._error: StreamError | None = None
        self._readable = Signal()
        self._writable = Signal()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def readable(self) -> bool:
        """Whether `receive` would not wait: bytes have arrived, or the end, or the stream was cut short."""
        return bool(self._received) or self.peer_ended or self._error is not None

    # Receiving

    async def receive(self, timeout: float | None = None) -> bytes:
        """All bytes of the body that have arrived, once there are any.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Returns:
            At most 65,535 bytes; none at the end of the body, and whenever it is called after that.

        Raises:
            StreamError: the stream was cut short. What had arrived before has been returned.
            TimeoutError: nothing came; the stream remains usable.
        """
        if not self._received:
            deadline = None if timeout is None else Deadline(timeout)
            while not self._received:
                if self.peer_ended:
                    return b""
                if self._error is not None:
                    self._check()
                await self._readable.wait(deadline, f"nothing was received for {timeout} s")
        data, self._received = self._received, b""
        self._return_window(len(data))
        return data if isinstance(data, bytes) else bytes(data)

    def __aiter__(self) -> Self:
        """Iterate over the body, in the pieces that `receive` returns."""
        return self

    async def __anext__(self) -> bytes:
        data = await self.receive()
        if not data:
            raise StopAsyncIteration
        return data

    def _feed(self, data: bytes, flow_controlled_length: int, *, last: bool) -> None:
        self._length += len(data)
        self.peer_ended = last  # already here, as no window can be opened any more
        # What is padding, or what nobody will take, is done with.
        if self._lingering:
            data = b""
        if flow_controlled_length > len(data):
            self._return_window(flow_controlled_length - len(data))
        if not self._received:
            self._received = data  # handed on as it is, if it is taken before more comes
        elif isinstance(self._received, bytearray):
            self._received += data
        else:
            self._received = bytearray(self._received)  # one buffer, since a peer may send many tiny frames
            self._received += data
        self._readable.wake()

    def _return_window(self, size: int) -> None:
        self._unreturned += size
        if self._unreturned > STREAM_WINDOW // 2 and not self.peer_ended and self._error is None:
            self._connection.open_window(self.id, self._unreturned)
            self._unreturned = 0

    def _declare_length(self, fields: list[tuple[str, str]]) -> None:
        for name, value in fields:
            if name == "content-length":
                self._declared_length = int(value)  # h2 has checked that it is a number, and the same if repeated

    def _feed_end(self) -> None:
        # h2 compares where the body ends with DATA. It can also end with the headers, or with trailers.
        if self._declared_length not in (None, self._length):
            code = ErrorCodes.PROTOCOL_ERROR
            if not self._ended:
                self._connection.reset_stream(self.id, code)
            length, declared = self._length, self._declared_length
            reason = f"the body has {length} bytes, and its content-length is {quote(str(declared))}"
            self._fail(StreamError(reason, code, remote=False))
            return
        self.peer_ended = True
        self._readable.wake()
        if self._ended:
            self._connection.forget(self)

    # Sending

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes of the body, in DATA frames; it waits while the peer, or the network, takes no more.

        Args:
            data: any C-contiguous buffer; an empty one sends nothing.
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the stream was cut short.
            TimeoutError: not all could be sent; as some of it may have been, the stream is only good for `reset`.
            StateError: `end` was called, another task is sending, or the body would be longer than its
                ``content-length``; then nothing of the data is sent.
        """
        if self._error is not None or self._ended or self._sending or not self._responded:
            self._check_sending()
        view = memoryview(data).cast("B")
        if self._unsent is not None:
            if len(view) > self._unsent:
                raise StateError(f"{len(view)} bytes to send, and the body's content-length leaves {self._unsent}")
            self._unsent -= len(view)
        deadline = None
        while True:
            size = min(len(view), self._connection.room(self.id))
            if size:
                self._connection.send_data(self.id, view[:size])
                if self._error is not None:
                    self._check()  # the peer may have been dropped, as one that does not read
                view = view[size:]
            if not view:
                return
            if deadline is None:
                deadline = deadline_in(timeout)
            if not size:
                self._sending = True
                try:
                    await self._writable.wait(deadline, f"the peer has taken no more data for {timeout} s")
                finally:
                    self._sending = False
                self._check()

    async def end(self) -> None:
        """End the body. The other direction stays open until the peer ends it.

        Raises:
            StreamError: the stream was cut short.
            StateError: it was called before, another task is sending, or the body is shorter than its
                ``content-length``.
        """
        self._check_sending()
        if self._unsent:
            raise StateError(f"the body ends {self._unsent} bytes before its content-length")
        self._connection.end_stream(self.id)
        self._mark_ended()

    def _mark_ended(self) -> None:
        self._ended = True
        if self.peer_ended:
            self._connection.forget(self)

    async def reset(self, code: int = ErrorCodes.CANCEL) -> None:
        """Cut the stream short in both directions; nothing happens if both have ended, or it was cut before.

        Args:
            code: HTTP/2's error code (RFC 9113, section 7): why.
        """
        self._reset(code)

    def _reset(self, code: int) -> None:
        if self._error is None and not (self._ended and self.peer_ended):
            self._connection.reset_stream(self.id, code)
            self._received = b""
            self._fail(StreamError("the stream was reset here", code, remote=False))

    def _linger(self) -> None:
        """All is said here: let the peer finish, or if it takes too long, reset the stream."""
        if not self.peer_ended and self._error is None:
            self._lingering = True
            self._return_window(len(self._received))
            self._received = b""
            loop = asyncio.get_running_loop()
            self._linger_timer = loop.call_later(LINGER_TIMEOUT, self._reset, ErrorCodes.NO_ERROR)

    def _fail(self, error: StreamError) -> None:
        self._error = error
        self._connection.forget(self)
        self._readable.wake()
        self._writable.wake()

    def _check(self) -> None:
        if self._error is not None:
            raise copy.copy(self._error)

    def _check_sending(self) -> None:
        if self._error is not None:
            self._check()
        if self._ended:
            raise StateError("nothing can be sent after the end of the body")
        if self._sending:
            raise StateError("another task is sending on this stream")


class ClientStream(Stream):
    """A request and its response; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    def __init__(self, connection: Connection, id: int, method: str) -> None:
        super().__init__(connection, id)
        self._method = method
        self._response: Response | None = None

    async def response(self, timeout: float | None = None) -> Response:
        """Return the beginning of the response, once it has come; the body of the request may still be on its way.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the stream was cut short before.
            TimeoutError: it did not come; the stream remains usable.
        """
        deadline = deadline_in(timeout)
        while self._response is None:
            self._check()
            await self._readable.wait(deadline, f"the peer has not responded for {timeout} s")
        return self._response

    def _feed_response(self, fields: list[tuple[str, str]]) -> None:
        status = dict(fields)[":status"]
        if re.fullmatch("[1-9][0-9][0-9]", status):
            self._response = Response(int(status), [field for field in fields if not field[0].startswith(":")])
            if has_body(self._method, self._response.status):
                self._declare_length(fields)
            self._readable.wake()
        else:
            self._reset(ErrorCodes.PROTOCOL_ERROR)


class ServerStream(Stream):
    """A request that a handler answers; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
        method: e.g. ``POST``.
        path: as it was sent, with its query if it has one.
        headers: names, in lower case, and values, the pseudo-headers among them.
    """

    def __init__(self, connection: Connection, id: int, fields: list[tuple[str, str]]) -> None:
        super().__init__(connection, id)
        self.headers = fields
        self._declare_length(fields)
        by_name = dict(fields)
        self.method = by_name[":method"]
        self.path = by_name.get(":path", "")  # CONNECT has none
        self._responded = False

    @property
    def connection(self) -> object:
        """What tells the streams of one connection from those of another."""
        return self._connection

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Send the beginning of the response.

        Args:
            status: 200 to 999.
            headers: names and values, without pseudo-headers.
            end: whether the response has no body, and ends with it.

        Raises:
            ValueError: HTTP does not allow such a status or header, or a ``content-length`` is not that of no body.
            StreamError: the stream was cut short.
            StateError: it was called before.
        """
        if not 200 <= status <= 999:
            raise ValueError(f"status {status} is out of range (200 to 999)")
        # As a number: before Python 3.11 an ``HTTPStatus`` is its name in a string.
        fields = [(":status", f"{status:d}"), *checked(headers)]
        super()._check_sending()
        if self._responded:
            raise StateError("the response was begun before")
        if has_body(self.method, status):
            self._unsent = declared_length(fields)
            if end and self._unsent:
                raise ValueError(f"a response without a body has the content-length {self._unsent}")
        self._connection.send_headers(self.id, fields, end)
        self._responded = True
        if end:
            self._mark_ended()

    def _refuse(self, status: int) -> None:
        """Answer with only a status, even if the client is still sending."""
        fields = [(":status", f"{status:d}"), ("date", formatdate(usegmt=True))]
        self._connection.send_headers(self.id, fields, True)
        self._responded = True
        self._mark_ended()
        self._linger()

    def _check_sending(self) -> None:
        super()._check_sending()
        if not self._responded:
            raise StateError("the response has not begun: call respond")


def has_body(method: str, status: int) -> bool:
    """Whether a response has a body, of which ``content-length`` tells (RFC 9110, 8.6)."""
    return method != "HEAD" and status not in (204, 304)


def declared_length(fields: Iterable[tuple[str, str]]) -> int | None:
    """Return the ``content-length`` of headers that are to be sent; None if there is none.

    Raises:
        ValueError: it is not a number, or there are several that differ.
    """
    values = {value for name, value in fields if name == "content-length"}
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch("[0-9]{1,18}", value := values.pop()):
        raise ValueError("the content-length is not one number")
    return int(value)


def checked(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers, if they may be sent. What only h2 finds out is found out when a response has begun."""
    fields = [(name.lower(), value.strip(" \t")) for name, value in headers]
    for name, value in fields:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name == "te":
            raise ValueError(f"the header {quote(f'{name}: {value}')} cannot be sent over HTTP/2")
    return fields


def text(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as they were received; bytes that are not UTF-8 become surrogates."""
    return [
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")) for name, value in fields
    ]
