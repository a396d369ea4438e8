"""HTTP/2 with asyncio, for exchanges whose two sides send at once: `connect` and `serve`.

h2 knows the protocol; this module moves its bytes, and gives each stream a reader and a writer. Over TLS (ALPN ``h2``),
or in plaintext with prior knowledge (``h2c``).

How it stays out of trouble:

- Flow control is by stream. What a stream receives is kept until somebody takes it, at most 65,535 bytes, and only then
  its window opens again; the connection's own window opens at once. So who does not read stops one stream, and no
  other, and the memory held for a peer is bounded by its streams.
- Who sends waits while the stream's window, the connection's, or the socket's buffer is full. Everything that the tasks
  send in one turn of the event loop is written in one piece.
- No task is made for a chunk: a stream that waits costs one future, and a timer if there is a timeout.
- The end of a stream is what the peer said was its end. Resets, GOAWAY, lost connections and bytes that are no HTTP/2
  raise a `StreamError` instead, after what was received before them.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK).
"""

from __future__ import annotations

import asyncio
import copy
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.errors import ErrorCodes
    from h2.events import (
        ConnectionTerminated,
        DataReceived,
        Event,
        RemoteSettingsChanged,
        RequestReceived,
        ResponseReceived,
        StreamEnded,
        StreamReset,
        WindowUpdated,
    )
    from h2.exceptions import FrameTooLargeError, ProtocolError
    from h2.settings import SettingCodes, Settings
    from hyperframe.frame import Frame, GoAwayFrame, SettingsFrame
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.http2 needs h2: install eventstream-codec with its extra [http2], [client] or [emulator]",
        name=error.name,
    ) from error

from eventstream.exceptions import StateError, _quote

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Buffer, Self

__all__ = [
    "ClientConnection",
    "ClientStream",
    "ErrorCodes",
    "Response",
    "Server",
    "ServerStream",
    "StreamError",
    "connect",
    "serve",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""

FRAME_HEADER_LENGTH = 9
"""Bytes before the payload of a frame; its length is in the first three (RFC 9113, 4.1)."""

STREAM_WINDOW = 65_535
"""Bytes that a peer may send on a stream before somebody takes them: HTTP/2's initial window (RFC 9113, 6.9.2)."""

CONNECTION_WINDOW = 1 << 20
"""Bytes that a peer may have under way on all streams together, until they arrive here."""

HEADER_TABLE_SIZE = 4_096
"""Bytes that the compressor of headers remembers of those that were sent: HTTP/2's initial size (RFC 9113, 6.5.2)."""

MAX_CONCURRENT_STREAMS = 100
"""Streams of one connection; RFC 9113, 6.5.2, recommends no fewer."""

WRITE_SIZE = 65_536
"""Bytes after which is written what was sent so far in this turn of the event loop; asyncio's own high-water mark."""

MAX_UNWRITTEN = 1 << 20
"""Bytes waiting for a peer that does not read, above which it is dropped. Senders wait much earlier: the answers to
its frames are what grows."""

CLOSE_TIMEOUT = 2.0
"""Seconds that a connection may take to write its last bytes and close."""

LINGER_TIMEOUT = 1.0
"""Seconds for which a client may go on sending when its response has ended, before the stream is reset. RFC 9113, 8.1,
allows that at once, but some clients then forget the response."""

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_KNOWN_SETTINGS = frozenset(SettingCodes)
_SETTINGS = {SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE}
_REQUEST_FIELDS = [":authority", ":method", ":path", ":scheme"]
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\0\r\n]*")


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


class Response(NamedTuple):
    """The beginning of a response.

    Attributes:
        status: as 200.
        headers: names, in lower case, and values, without the pseudo-header.
    """

    status: int
    headers: list[tuple[str, str]]


class _Deadline:
    """When a call gives up, however often it is woken until then."""

    __slots__ = ("time", "waited")

    def __init__(self, timeout: float) -> None:
        self.time = asyncio.get_running_loop().time() + timeout
        self.waited = False


class _Signal:
    """Wakes all who wait for it."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    def wake(self) -> None:
        for future in self._waiting:
            _resolve(future, True)

    async def wait(self, deadline: _Deadline | None, what: str) -> None:
        """Until somebody wakes it, or the loop's clock passes the deadline: then it raises a TimeoutError."""
        loop = asyncio.get_running_loop()
        if deadline is not None:
            # What arrives is handled before timers that are due, so a peer that never pauses would outrun them all. The
            # first wait alone may begin late: what arrives in the same turn is in time, even if the timeout is 0.
            if deadline.waited and loop.time() >= deadline.time:
                raise TimeoutError(what)
            deadline.waited = True
        future: asyncio.Future[bool] = loop.create_future()
        timer = None if deadline is None else loop.call_at(deadline.time, _resolve, future, False)
        self._waiting.append(future)
        try:
            if not await future:
                raise TimeoutError(what)
        finally:
            self._waiting.remove(future)
            if timer is not None:
                timer.cancel()


def _resolve(future: asyncio.Future[bool], result: bool) -> None:
    if not future.done():
        future.set_result(result)


def _deadline(timeout: float | None) -> _Deadline | None:
    return None if timeout is None else _Deadline(timeout)


async def _within(timeout: float | None, awaitable: Awaitable[_T], what: str) -> _T:
    try:
        return await asyncio.wait_for(awaitable, timeout)
    except asyncio.TimeoutError:  # before Python 3.11 it is another class than TimeoutError
        raise TimeoutError(what) from None


# Streams


class _Stream:
    """Either end of a stream. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    def __init__(self, connection: _Connection, id: int) -> None:
        self.id = id
        self._connection = connection
        self._received = bytearray()
        self._unreturned = 0  # bytes that were taken, or were padding, and for which the window is not yet open again
        self._peer_ended = False
        self._ended = False
        self._sending = False
        self._lingering = False
        self._linger_timer: asyncio.TimerHandle | None = None
        self._error: StreamError | None = None
        self._readable = _Signal()
        self._writable = _Signal()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def peer_ended(self) -> bool:
        """Whether all of the peer's body has arrived; some of it may still wait for `receive`, which does not."""
        return self._peer_ended

    @property
    def readable(self) -> bool:
        """Whether `receive` would not wait: bytes have arrived, or the end, or the stream was cut short."""
        return bool(self._received) or self._peer_ended or self._error is not None

    # Receiving

    async def receive(self, timeout: float | None = None) -> bytes:
        """All bytes of the body that have arrived, once there are any.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Returns:
            At most 65,535 bytes; none at the end of the body, and whenever it is called after that.

        Raises:
            StreamError: the stream was cut short. What had arrived before has been returned.
            TimeoutError: nothing came; the stream goes on.
        """
        received = self._received
        if not received:
            deadline = _deadline(timeout)
            while not received:
                if self._peer_ended:
                    return b""
                self._check()
                await self._readable.wait(deadline, f"nothing was received for {timeout} s")
        data = bytes(received)
        received.clear()
        self._return_window(len(data))
        return data

    def __aiter__(self) -> Self:
        """The body, in the pieces that `receive` returns."""
        return self

    async def __anext__(self) -> bytes:
        data = await self.receive()
        if not data:
            raise StopAsyncIteration
        return data

    def _feed(self, data: bytes, flow_controlled_length: int, *, last: bool) -> None:
        self._peer_ended = last  # already here, as no window can be opened any more
        # What is padding, or what nobody will take, is done with.
        if self._lingering:
            data = b""
        if flow_controlled_length > len(data):
            self._return_window(flow_controlled_length - len(data))
        self._received += data  # in one buffer, since a peer may send many tiny frames
        self._readable.wake()

    def _return_window(self, size: int) -> None:
        self._unreturned += size
        if self._unreturned > STREAM_WINDOW // 2 and not self._peer_ended and self._error is None:
            self._connection.open_window(self.id, self._unreturned)
            self._unreturned = 0

    def _feed_end(self) -> None:
        self._peer_ended = True
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
            StateError: `end` was called, or another task is sending.
        """
        self._check_sending()
        view = memoryview(data).cast("B")
        deadline = None
        while True:
            size = min(len(view), self._connection.room(self.id))
            if size:
                self._connection.send_data(self.id, view[:size])
                self._check()  # the peer may have been dropped, as one that does not read
                view = view[size:]
            if not view:
                return
            if deadline is None:
                deadline = _deadline(timeout)
            if not size:
                self._sending = True
                try:
                    await self._writable.wait(deadline, f"the peer has taken no more data for {timeout} s")
                finally:
                    self._sending = False
                self._check()

    async def end(self) -> None:
        """End the body. The other direction goes on until the peer ends it.

        Raises:
            StreamError: the stream was cut short.
            StateError: it was called before, or another task is sending.
        """
        self._check_sending()
        self._connection.end_stream(self.id)
        self._mark_ended()

    def _mark_ended(self) -> None:
        self._ended = True
        if self._peer_ended:
            self._connection.forget(self)

    async def reset(self, code: int = ErrorCodes.CANCEL) -> None:
        """Cut the stream short in both directions; nothing happens if both have ended, or it was cut before.

        Args:
            code: HTTP/2's error code (RFC 9113, section 7): why.
        """
        self._reset(code)

    def _reset(self, code: int) -> None:
        if self._error is None and not (self._ended and self._peer_ended):
            self._connection.reset_stream(self.id, code)
            self._received.clear()
            self._fail(StreamError("the stream was reset here", code, remote=False))

    def _linger(self) -> None:
        """All is said here: let the peer finish, or if it takes too long, reset the stream."""
        if not self._peer_ended and self._error is None:
            self._lingering = True
            self._return_window(len(self._received))
            self._received.clear()
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
        self._check()
        if self._ended:
            raise StateError("nothing can be sent after the end of the body")
        if self._sending:
            raise StateError("another task is sending on this stream")


class ClientStream(_Stream):
    """A request and its response; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    def __init__(self, connection: _Connection, id: int) -> None:
        super().__init__(connection, id)
        self._response: Response | None = None

    async def response(self, timeout: float | None = None) -> Response:
        """The beginning of the response, once it has come; the body of the request may still be on its way.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the stream was cut short before.
            TimeoutError: it did not come; the stream goes on.
        """
        deadline = _deadline(timeout)
        while self._response is None:
            self._check()
            await self._readable.wait(deadline, f"the peer has not responded for {timeout} s")
        return self._response

    def _feed_response(self, fields: list[tuple[str, str]]) -> None:
        status = dict(fields)[":status"]
        if re.fullmatch("[1-9][0-9][0-9]", status):
            self._response = Response(int(status), [field for field in fields if not field[0].startswith(":")])
            self._readable.wake()
        else:
            self._reset(ErrorCodes.PROTOCOL_ERROR)


class ServerStream(_Stream):
    """A request that a handler answers; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
        method: as ``POST``.
        path: as it was sent, with its query if it has one.
        headers: names, in lower case, and values, the pseudo-headers among them.
    """

    def __init__(self, connection: _Connection, id: int, fields: list[tuple[str, str]]) -> None:
        super().__init__(connection, id)
        self.headers = fields
        by_name = dict(fields)
        self.method = by_name[":method"]
        self.path = by_name.get(":path", "")  # CONNECT has none
        self._responded = False

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Send the beginning of the response.

        Args:
            status: 200 to 999.
            headers: names and values, without pseudo-headers.
            end: whether the response has no body, and ends with it.

        Raises:
            ValueError: HTTP does not allow such a status or header.
            StreamError: the stream was cut short.
            StateError: it was called before.
        """
        if not 200 <= status <= 999:
            raise ValueError(f"the status {status}; 200 to 999 are allowed")
        fields = [(":status", str(status)), *_checked(headers)]
        super()._check_sending()
        if self._responded:
            raise StateError("the response was begun before")
        self._connection.send_headers(self.id, fields, end)
        self._responded = True
        if end:
            self._mark_ended()

    def _check_sending(self) -> None:
        super()._check_sending()
        if not self._responded:
            raise StateError("the response has not begun: call respond")


def _checked(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers, if they may be sent. h2 finds out while it compresses them, when it is too late to go back."""
    fields = [(name.lower(), value.strip(" \t")) for name, value in headers]
    for name, value in fields:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name == "te":
            raise ValueError(f"the header {_quote(f'{name}: {value}')} cannot be sent over HTTP/2")
    return fields


def _text(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as they were received; bytes that are no UTF-8 become surrogates."""
    return [
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")) for name, value in fields
    ]


# Connections


class _H2(H2Connection):
    """h2's connection, with four of its habits changed.

    Any GOAWAY closes h2's connection, whose frames are errors from then on. But GOAWAY with NO_ERROR only says that no
    more streams will be opened, or taken; those there are go on (RFC 9113, 6.8).

    The events of a piece of data are returned when all of it is processed, and lost if a frame in it is an error. Here
    they are handled frame by frame: so what came before the error counts, and no event speaks of a stream that a later
    frame has closed.

    The length of a frame is compared with its limit when the whole frame is there, up to 16 MiB. Here that is done as
    soon as its header is, so that garbage is recognised, and not kept.

    Whatever settings a peer makes up are kept, and gone through with each frame of them; so is every size that it ever
    gave the table of our compressor of headers, until headers are sent; and that table, which is searched for each
    header, may have 4 GiB. Here settings that nobody knows are ignored (RFC 9113, 6.5.2), the table has HTTP/2's
    initial size or less, and of the sizes the smallest and the last are said, as they must be (RFC 7541, 4.2).
    """

    def __init__(self, config: H2Configuration, handle: Callable[[Event], None]) -> None:
        super().__init__(config)
        self._handle = handle
        self._skip = 0 if config.client_side else len(PREFACE)
        self._header = b""

    def receive_data(self, data: Buffer) -> list[Event]:
        super().receive_data(data)
        # Go from frame header to frame header; one may come in pieces.
        received = self._header + data
        position = self._skip
        while position + FRAME_HEADER_LENGTH <= len(received):
            length = int.from_bytes(received[position : position + 3], "big")
            if length > self.max_inbound_frame_size:
                self._terminate_connection(ErrorCodes.FRAME_SIZE_ERROR)
                raise FrameTooLargeError(f"a frame of {length} bytes")
            position += FRAME_HEADER_LENGTH + length
        self._header = received[position:]
        self._skip = max(0, position - len(received))
        return []

    def go_away(self) -> None:
        """Say that no more streams are opened or taken."""
        self._prepare_for_sending([GoAwayFrame(0, last_stream_id=self.highest_inbound_stream_id)])

    def _receive_frame(self, frame: Frame) -> list[Event]:
        for event in super()._receive_frame(frame):
            self._handle(event)
        return []

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        frame.settings = {code: value for code, value in frame.settings.items() if code in _KNOWN_SETTINGS}
        received = super()._receive_settings_frame(frame)
        encoder = self.encoder
        if encoder.header_table_size > HEADER_TABLE_SIZE:
            encoder.header_table_size = HEADER_TABLE_SIZE
        sizes = encoder.table_size_changes
        if sizes:
            sizes[:] = sorted({min(sizes), sizes[-1]})
            encoder.header_table.resized = True  # or hpack, told the same size again, says none of them
        return received

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        return [], [event]


class _Connection(asyncio.Protocol):
    """Either end of a connection: between asyncio's transport, h2, and the streams."""

    _transport: asyncio.Transport

    def __init__(self, *, client: bool, settings: dict[SettingCodes, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._h2 = _H2(H2Configuration(client_side=client), self._handle)
        self._h2.local_settings = Settings(client=client, initial_values={**_SETTINGS, **settings})
        self._streams: dict[int, _Stream] = {}
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            DataReceived: self._data_frame_received,
            WindowUpdated: self._window_updated,
            StreamEnded: self._stream_ended,
            StreamReset: self._stream_reset,
            RemoteSettingsChanged: self._settings_received,
            ConnectionTerminated: self._going_away,
        }
        self._unreturned = 0
        self._unwritten = 0
        self._write_planned = False
        self._paused = False
        self._leaving = False  # GOAWAY was sent or received
        self._closed: StreamError | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._lost = self._loop.create_future()

    # From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_SIZE)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._closed is not None:
            return
        try:
            self._h2.receive_data(data)
        except ProtocolError as error:
            # h2 has prepared the GOAWAY. What its error says may quote the peer at any length.
            reason = f"the peer broke the rules of HTTP/2: {_quote(str(error))}"
            self._disconnect(StreamError(reason, error.error_code, remote=False))
        else:
            self._flush()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake_senders()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(StreamError("the connection was lost" if exc is None else f"the connection was lost: {exc}"))
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._lost.set_result(None)

    # From h2

    def _handle(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None and self._closed is None:
            handler(event)

    def _data_frame_received(self, event: DataReceived) -> None:
        self._unreturned += event.flow_controlled_length
        if self._unreturned > CONNECTION_WINDOW // 4:
            self._h2.increment_flow_control_window(self._unreturned)
            self._unreturned = 0
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream._feed(event.data, event.flow_controlled_length, last=event.stream_ended is not None)

    def _window_updated(self, event: WindowUpdated) -> None:
        if event.stream_id == 0:
            self._wake_senders()
        elif event.stream_id in self._streams:
            self._streams[event.stream_id]._writable.wake()

    def _stream_ended(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream._feed_end()

    def _stream_reset(self, event: StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            reason = "the stream was reset by the peer" if event.remote_reset else "the peer broke the rules of HTTP/2"
            stream._fail(StreamError(reason, event.error_code, remote=event.remote_reset))

    def _settings_received(self, event: RemoteSettingsChanged) -> None:
        self._wake_senders()  # the windows of the streams may have grown

    def _going_away(self, event: ConnectionTerminated) -> None:
        code = cast("int", event.error_code)
        if code != ErrorCodes.NO_ERROR:
            self._disconnect(StreamError("the peer ended the connection", code))
        else:
            self._leaving = True
            self._rest_if_idle()

    # From the streams

    def room(self, stream_id: int) -> int:
        """How many bytes of data can be sent on the stream now, in one frame, which need not be as long as it may."""
        if self._paused:
            return 0
        return max(0, min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size, WRITE_SIZE))

    def send_headers(self, stream_id: int, fields: list[tuple[str, str]], end: bool) -> None:
        try:
            self._h2.send_headers(stream_id, fields, end_stream=end)
        except ProtocolError as error:
            # What is left of it in the compressor, the peer's decompressor does not know.
            self._h2.go_away()
            reason = _quote(str(error))
            self._disconnect(StreamError(f"headers could not be compressed: {reason}", remote=False))
            raise ValueError(f"the headers cannot be sent over HTTP/2: {reason}") from None
        self._flush()

    def send_data(self, stream_id: int, data: memoryview) -> None:
        self._h2.send_data(stream_id, data)
        self._unwritten += len(data)
        if self._unwritten >= WRITE_SIZE:
            self._write()  # a task that sends without ever waiting must meet the limit, too
        else:
            self._flush()

    def end_stream(self, stream_id: int) -> None:
        self._h2.end_stream(stream_id)
        self._flush()

    def reset_stream(self, stream_id: int, code: int) -> None:
        self._h2.reset_stream(stream_id, code)
        self._flush()

    def open_window(self, stream_id: int, size: int) -> None:
        self._h2.increment_flow_control_window(size, stream_id)
        self._flush()

    def forget(self, stream: _Stream) -> None:
        """Neither side will say anything more on the stream."""
        del self._streams[stream.id]
        if stream._linger_timer is not None:
            stream._linger_timer.cancel()  # which would keep the stream until it is due
        self._rest_if_idle()

    # To the transport

    def _flush(self) -> None:
        """Write what h2 has to send when all tasks have had their turn."""
        if not self._write_planned:
            self._write_planned = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._write_planned = False
        self._unwritten = 0
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > MAX_UNWRITTEN:
                self._fail(StreamError("the peer does not read", ErrorCodes.ENHANCE_YOUR_CALM, remote=False))
                self._transport.abort()

    def _wake_senders(self) -> None:
        for stream in self._streams.values():
            stream._writable.wake()

    # The end

    def _rest_if_idle(self) -> None:
        if not self._streams:
            self._rest()

    def _rest(self) -> None:
        """No stream is open."""
        if self._leaving and self._closed is None:
            self._h2.go_away()
            self._disconnect(StreamError("the connection was closed", ErrorCodes.NO_ERROR))

    def _fail(self, error: StreamError) -> None:
        """The connection is no longer good for anything, nor are its streams."""
        if self._closed is None:
            self._closed = error
        for stream in list(self._streams.values()):
            stream._fail(error)

    def _disconnect(self, error: StreamError) -> None:
        """Fail the streams, write what is to be written, and close."""
        self._fail(error)
        self._write()
        self._transport.close()
        self._close_timer = self._loop.call_later(CLOSE_TIMEOUT, self._transport.abort)

    async def close(self) -> None:
        """Cancel the streams that are open, say goodbye, and wait until the connection is closed, at most 2 s."""
        for stream in list(self._streams.values()):
            stream._reset(ErrorCodes.NO_ERROR if stream._lingering else ErrorCodes.CANCEL)
        if self._closed is None:
            self._h2.go_away()
            self._disconnect(StreamError("the connection was closed here", ErrorCodes.NO_ERROR, remote=False))
        try:
            await asyncio.wait([self._lost])
        except asyncio.CancelledError:
            self._transport.abort()
            raise


# The client


class ClientConnection(_Connection):
    """A client's connection, as `connect` makes it."""

    def __init__(self) -> None:
        super().__init__(client=True, settings={SettingCodes.ENABLE_PUSH: 0})
        self._handlers[ResponseReceived] = self._response_received
        self._ready = False
        self._changed = _Signal()

    async def request(self, headers: Iterable[tuple[str, str]], *, timeout: float | None = None) -> ClientStream:
        """Begin a request, whose body is then sent on the stream. It waits while the server takes no more streams.

        Args:
            headers: names and values; first the pseudo-headers ``:method``, ``:scheme``, ``:authority`` and ``:path``
                in any order, then the others.
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the connection was lost or closed, or the server is closing it; the request was not sent.
            TimeoutError: the server takes no more streams.
            ValueError: HTTP/2 does not allow such headers.
        """
        given = list(headers)
        count = len(_REQUEST_FIELDS)
        if sorted(name for name, _ in given[:count]) != _REQUEST_FIELDS:
            raise ValueError("the headers of a request begin with :method, :scheme, :authority and :path")
        fields = [(name, *_checked([(name[1:], value)])[0][1:]) for name, value in given[:count]]
        fields += _checked(given[count:])
        deadline = _deadline(timeout)
        while True:
            self._check_open()
            if len(self._streams) < self._h2.remote_settings.max_concurrent_streams:
                break
            await self._changed.wait(deadline, f"the server has taken no more streams for {timeout} s")
        stream = ClientStream(self, self._h2.get_next_available_stream_id())
        self.send_headers(stream.id, fields, end=False)
        self._streams[stream.id] = stream
        return stream

    def _check_open(self) -> None:
        if self._closed is not None:
            raise copy.copy(self._closed)
        if self._leaving:
            raise StreamError("the server takes no more streams on this connection", ErrorCodes.REFUSED_STREAM)

    async def _opened(self) -> None:
        """Wait for the server's settings: they say that it speaks HTTP/2, and how many streams it takes."""
        ssl = self._transport.get_extra_info("ssl_object")
        if ssl is not None and ssl.selected_alpn_protocol() != "h2":
            raise StreamError("the server does not speak HTTP/2 (ALPN)")
        while not self._ready:
            self._check_open()
            await self._changed.wait(None, "")

    def _settings_received(self, event: RemoteSettingsChanged) -> None:
        super()._settings_received(event)
        self._ready = True
        self._changed.wake()

    def _response_received(self, event: ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if isinstance(stream, ClientStream):
            stream._feed_response(_text(event.headers))

    def _going_away(self, event: ConnectionTerminated) -> None:
        if event.error_code == ErrorCodes.NO_ERROR:
            error = StreamError("the server closes the connection, and did not look", ErrorCodes.REFUSED_STREAM)
            for stream in list(self._streams.values()):
                if stream.id > cast("int", event.last_stream_id):
                    stream._fail(error)
        super()._going_away(event)
        self._changed.wake()

    def forget(self, stream: _Stream) -> None:
        """Neither side will say anything more on the stream."""
        super().forget(stream)
        self._changed.wake()

    def _fail(self, error: StreamError) -> None:
        super()._fail(error)
        self._changed.wake()


@asynccontextmanager
async def connect(
    host: str, port: int, *, ssl: SSLContext | None = None, connect_timeout: float | None = 10.0
) -> AsyncIterator[ClientConnection]:
    """A connection to a server; on leaving the block, streams that are still open are cancelled, and it is closed.

    Args:
        host: a name or an address; with TLS also the name that the certificate must have.
        port: as 443.
        ssl: a context with the certificates that are trusted; its ALPN protocols are set. None: plaintext, HTTP/2 from
            the first byte.
        connect_timeout: seconds until the server has said that it speaks HTTP/2; None: as long as it takes.

    Raises:
        OSError: the server cannot be reached, or with TLS not be trusted (``ssl.SSLCertVerificationError``).
        TimeoutError: it did not answer in time.
        StreamError: it does not speak HTTP/2, or hung up.
    """
    what = f"{host}:{port} did not answer in {connect_timeout} s"
    connection = await _within(connect_timeout, _open(host, port, ssl), what)
    try:
        yield connection
    finally:
        await connection.close()


async def _open(host: str, port: int, ssl: SSLContext | None) -> ClientConnection:
    if ssl is not None:
        ssl.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(ClientConnection, host, port, ssl=ssl)
    try:
        await connection._opened()
    except BaseException:
        await connection.close()
        raise
    return connection


# The server

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
        self._connections: set[_ServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[asyncio.Task[None]] = set()
        self._closing = False

    async def _listen(self, host: str | None, port: int, ssl: SSLContext | None) -> None:
        if ssl is not None:
            ssl.set_alpn_protocols(["h2"])
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _ServerConnection(self),
            *(host, port),
            ssl=ssl,
            ssl_handshake_timeout=self._idle_timeout if ssl is not None else None,
            backlog=1024,
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _start(self, connection: _ServerConnection, stream: ServerStream) -> None:
        task = asyncio.get_running_loop().create_task(self._handler(stream))
        self._tasks.add(task)
        task.add_done_callback(partial(self._finish, connection, stream))

    def _finish(self, connection: _ServerConnection, stream: ServerStream, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        connection.running -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None and not (isinstance(error, StreamError) and stream._error is not None):
            _log.error("the handler of %s failed", _quote(f"{stream.method} {stream.path}"), exc_info=error)
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
            await _within(CLOSE_TIMEOUT, self._server.wait_closed(), "")

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


class _ServerConnection(_Connection):
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
        stream = ServerStream(self, event.stream_id, _text(event.headers))
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
