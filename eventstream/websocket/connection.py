"""Either end of a connection: between asyncio's transport, the library, and its readers and writers."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from eventstream._waiting import Deadline, Signal, deadline_in
from eventstream.http2 import Budget, StreamError
from eventstream.http2.budget import MIN_LATE_SIZE, REFILL, Bucket
from eventstream.http2.connection import LOST_TLS
from eventstream.operation import InvalidFrame
from eventstream.websocket._library import (
    SEND_EOF,
    CloseCode,
    Frame,
    Handshake,
    Opcode,
    Protocol,
    Request,
    State,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

WINDOW = 65_536
"""Bytes that wait to be taken, from which on nothing is read."""

READ_SIZE = 16_384
"""Bytes that are read of a connection in one turn of the event loop."""

TURN_SIZE = 512
"""Bytes that are processed of a connection in one turn of the event loop: at most 85 frames."""

CLOSE_TIMEOUT = 2.0
"""Seconds that a connection may take to close, or to read the answer to a plain GET."""

_FRAME_OVERHEAD = 4
"""Bytes of a frame that is sent, beside its data, where these are at most 64 KiB."""


class Connection(asyncio.BufferedProtocol):
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
        self._unread = 0  # bytes of answers to pings, while the peer is not reading
        self._error: Exception | None = None
        self._farewell: list[bytes] | None = None  # the answer to the peer's close frame, which is held back
        self._closing = False
        self._dropping = False
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
        """Process this many bytes of the buffer."""
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
        if self._transport.is_closing():
            return  # where it is closed, asyncio's TLS fails
        with suppress(LOST_TLS):
            if self._is_full or len(self._arrived) >= READ_SIZE:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def eof_received(self) -> None:
        """Let the transport close: what the peer had to send has come, or never will."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        try:
            while self._arrived and not self._is_deaf:  # what came before counts
                self._take_piece()
            self._ended()
        finally:
            if not self.peer_ended:
                self._fail(StreamError("the connection was lost"))
            self._stop_timer()
            self._transport.close()  # if the peer closed first: TLS of Python 3.10 warns of one that nobody closed
            self._lost.set_result(None)
            self._changed.wake()

    def _ended(self) -> None:
        """Do what an end does when the peer has closed the transport, and all that came is processed."""

    def pause_writing(self) -> None:
        """Wait: the peer is not reading what was written."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Resume writing: the peer reads again."""
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
            self.complain("it violated the WebSocket protocol")
            # In place of an invalid frame, too, after which answers could still be sent.
            self._error = StreamError("the peer violated the WebSocket protocol", remote=False)
            self._changed.wake()
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
            self._refuse(InvalidFrame("a text frame; events come in binary frames"), CloseCode.UNSUPPORTED_DATA)
        # What is dropped after an error carries nothing: it never fills the window, which would stop reading.
        carries = frame.opcode in (Opcode.BINARY, Opcode.CONT) and frame.data and self._error is None
        if carries and not self._dropping:
            self._received += frame.data
            if self._idle is not None:
                self._idle.give(REFILL)
        elif self._idle is not None and not (carries and len(frame.data) >= MIN_LATE_SIZE):
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
            if self._transport.is_closing():
                break  # closed a second time, asyncio's TLS could not be aborted any more
            if data == SEND_EOF:
                self._transport.close()  # once everything is written
            else:
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
            TimeoutError: nothing has come in this time.
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
            TimeoutError: the peer has taken nothing in this time.
        """
        deadline = deadline_in(timeout)
        while self._write_paused:
            self._check_sending()  # a connection that is lost stays paused
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

    def _drop(self) -> None:
        """Drop what has come and what still comes, until the connection is closed: nobody will take it."""
        self._dropping = True
        self._received.clear()
        self._plan_turn()
        self._read_or_not()

    def abort(self) -> None:
        """Close the connection at once, whatever is still to be written."""
        self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is lost."""
        if not self._lost.done():
            await asyncio.wait([self._lost])

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
