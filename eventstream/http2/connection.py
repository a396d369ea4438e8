"""Either end of a connection, between asyncio's transport, h2 and the streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from eventstream.http2._h2 import H2, MAX_HEADER_LIST_SIZE, Excess
from eventstream.http2.budget import Bucket, Budget
from eventstream.http2.flow import Flow
from eventstream.http2.stream import STREAM_WINDOW, StreamError

CONNECTION_WINDOW = 1 << 20
"""Bytes that a peer may have under way on all streams together, until they arrive here."""

WRITE_SIZE = 65_536
"""Bytes after which is written what was sent so far in this turn of the event loop; asyncio's own high-water mark."""

MAX_UNWRITTEN = 1 << 20
"""Bytes waiting for a peer that does not read, above which it is dropped. Senders wait much earlier: the answers to
its frames are what grows."""

CLOSE_TIMEOUT = 2.0
"""Seconds that a connection may take to write its last bytes and close."""

READ_SIZE = 16_384
"""Bytes that are read of a connection in one turn of the event loop. asyncio would read 262,144."""

FRAMES_PER_TURN = 64
"""Frames of a connection that are processed in one turn of the event loop, so that others have their turn meanwhile."""

LOST_TLS = AttributeError
"""What asyncio's TLS raises before Python 3.11 once it has lost the connection, which it tells a turn later."""

_CLOSED = "this side closed the connection"
_NO_BUFFER = memoryview(b"")


class Connection(asyncio.BufferedProtocol):
    """Either end of a connection: between asyncio's transport, h2, and the streams."""

    _transport: asyncio.Transport

    def __init__(
        self, *, client: bool, settings: dict[SettingCodes, int], resets: Budget | None, idle_frames: Budget | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._h2 = H2(
            H2Configuration(client_side=client),
            self._handle,
            max_streams=settings.get(SettingCodes.MAX_CONCURRENT_STREAMS, 0),
            resets=None if resets is None else Bucket(resets),
            idle=None if idle_frames is None else Bucket(idle_frames),
        )
        settings = {SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST_SIZE, **settings}
        self._h2.local_settings = Settings(client=client, initial_values=settings)
        self._buffer = _NO_BUFFER
        self._arrived = b""  # and not processed
        self._waits_for_turn = False
        self._flows: dict[int, Flow] = {}
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            DataReceived: self._data_frame_received,
            WindowUpdated: self._window_updated,
            StreamEnded: self._stream_ended,
            StreamReset: self._stream_reset,
            TrailersReceived: self._trailers_received,
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

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for what asyncio reads; a silent connection has none."""
        self._buffer = memoryview(bytearray(READ_SIZE))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process this many bytes of the buffer."""
        data = bytes(self._buffer[:nbytes])
        self._buffer = _NO_BUFFER
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Process it, or in this turn of the event loop its first frames."""
        if self._closed is None:
            self._arrived += data
            if not self._waits_for_turn:
                self._take_turn()

    def _take_turn(self) -> None:
        if self._closed is not None:
            return
        waited, self._waits_for_turn = self._waits_for_turn, False
        try:
            self._arrived, more = self._h2.receive(self._arrived, FRAMES_PER_TURN)
        except Excess as excess:
            self._broken(excess, f": {excess}")
            return
        except ProtocolError as error:
            # Its text differs between versions of h2, and may quote the peer at any length.
            self._broken(error)
            return
        if not self._write_planned:
            self._flush()
        if self._closed is not None:
            return
        if self._h2.is_over_budget and not self._leaving:
            self._over_budget()
        if more:
            self._waits_for_turn = True
            if not waited:
                with suppress(LOST_TLS):
                    self._transport.pause_reading()
            self._loop.call_soon(self._take_turn)
        elif waited:
            with suppress(LOST_TLS):
                self._transport.resume_reading()

    def _broken(self, error: ProtocolError, words: str = "") -> None:
        """End the connection with a peer that broke the rules; h2 has prepared the GOAWAY."""
        fault = StreamError(f"the peer violated HTTP/2{words}", error.error_code, remote=False)
        fault.__cause__ = error
        self._disconnect(fault)

    def _over_budget(self) -> None:
        """Take no more streams, and let the open ones continue; `H2.receive` closes a peer that continues as well."""
        self.leave()

    def leave(self) -> None:
        """Accept no more streams, and close once the open ones have ended."""
        if self._closed is None and not self._leaving:
            self._leaving = True
            self._h2.go_away()
            self._flush()
            self._rest_if_idle()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake_senders()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(StreamError("the connection was lost" + (f" ({type(exc).__name__})" if exc else "")))
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
        flow = self._flows.get(event.stream_id)
        if flow is not None:
            flow.feed(event.data, event.flow_controlled_length, last=event.stream_ended is not None)

    def _window_updated(self, event: WindowUpdated) -> None:
        if event.stream_id == 0:
            self._wake_senders()
        elif event.stream_id in self._flows:
            self._flows[event.stream_id].writable.wake()

    def _stream_ended(self, event: StreamEnded) -> None:
        flow = self._flows.get(event.stream_id)
        if flow is not None:
            flow.feed_end()

    def _stream_reset(self, event: StreamReset) -> None:
        flow = self._flows.get(event.stream_id)
        if flow is not None:
            reason = "the stream was reset by the peer" if event.remote_reset else "the peer violated HTTP/2"
            flow.fail(StreamError(reason, event.error_code, remote=event.remote_reset))

    def _trailers_received(self, event: TrailersReceived) -> None:
        flow = self._flows.get(event.stream_id)
        if flow is not None and self._h2.headers_are_too_large:
            flow.reset(ErrorCodes.ENHANCE_YOUR_CALM)

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
        """Return how many bytes of data can be sent on the stream now, in one frame; a frame need not have the maximum
        length.
        """
        if self._paused:
            return 0
        return max(0, min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size, WRITE_SIZE))

    def send_headers(self, stream_id: int, fields: list[tuple[str, str]], end: bool) -> None:
        try:
            self._h2.send_fields(stream_id, fields, end=end)
        except ProtocolError as error:
            raise ValueError("these headers cannot be sent over HTTP/2") from error
        self._flush()

    def send_data(self, stream_id: int, data: memoryview) -> None:
        self._h2.send_body(stream_id, data)
        self._unwritten += len(data)
        if self._unwritten >= WRITE_SIZE:
            self._write()  # the limit must also stop a task that sends without ever waiting
        elif not self._write_planned:
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

    def drop(self, stream_id: int) -> None:
        """Note that nobody will take what still comes on a stream."""
        self._h2.drop(stream_id)

    def forget(self, flow: Flow) -> None:
        """Drop a stream on which neither side will send anything more."""
        del self._flows[flow.id]
        self._h2.forget(flow.id)
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
            size = 0
            with suppress(LOST_TLS):
                size = self._transport.get_write_buffer_size()
            if size > MAX_UNWRITTEN:
                self._fail(StreamError("the peer is not reading", ErrorCodes.ENHANCE_YOUR_CALM, remote=False))
                self._transport.abort()

    def _wake_senders(self) -> None:
        for flow in self._flows.values():
            flow.writable.wake()

    # The end

    def _rest_if_idle(self) -> None:
        if not self._flows:
            self._rest()

    def _rest(self) -> None:
        """Close a connection that is leaving, now that no stream is open."""
        if self._leaving and self._closed is None:
            self._h2.go_away()
            self._disconnect(StreamError("the connection was closed", ErrorCodes.NO_ERROR))

    def _fail(self, error: StreamError) -> None:
        """End the connection and all its streams."""
        if self._closed is None:
            self._closed = error
            self._arrived = b""
        for flow in list(self._flows.values()):
            flow.fail(error)

    def _disconnect(self, error: StreamError) -> None:
        """Fail the streams, write what is to be written, and close."""
        self._fail(error)
        self._write()
        self._transport.close()
        self._close_timer = self._loop.call_later(CLOSE_TIMEOUT, self._transport.abort)

    def abort(self) -> None:
        """Close the connection at once, whatever is still to be written."""
        self._transport.abort()

    async def close(self) -> None:
        """Cancel the streams that are open, say goodbye, and wait until the connection is closed, at most 2 s."""
        for flow in list(self._flows.values()):
            flow.reset(ErrorCodes.NO_ERROR if flow.lingering else ErrorCodes.CANCEL, _CLOSED)
        if self._closed is None:
            self._h2.go_away()
            self._disconnect(StreamError(_CLOSED, ErrorCodes.NO_ERROR, remote=False))
        try:
            await asyncio.wait([self._lost])
        except asyncio.CancelledError:
            self._transport.abort()
            raise
