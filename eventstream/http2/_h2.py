"""h2's connection, with changes where peers could exploit its behaviour.

This module holds every use of parts of h2 and hpack that they do not document. `tests/http2/test_h2.py` names each of
them, and fails when a release drops one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from types import SimpleNamespace

try:
    from h2.config import H2Configuration
    from h2.connection import ConnectionInputs, H2Connection
    from h2.errors import ErrorCodes as ErrorCodes
    from h2.events import ConnectionTerminated, DataReceived, Event, InformationalResponseReceived, StreamReset
    from h2.exceptions import (
        DenialOfServiceError,
        FrameTooLargeError,
        NoSuchStreamError,
        ProtocolError,
        StreamClosedError,
        StreamIDTooLowError,
    )
    from h2.settings import SettingCodes
    from h2.stream import StreamClosedBy, StreamInputs
    from h2.utilities import SizeLimitDict
    from hpack import Decoder, Encoder, HeaderTuple, HPACKDecodingError
    from hyperframe.frame import (
        ContinuationFrame,
        DataFrame,
        Frame,
        GoAwayFrame,
        HeadersFrame,
        PriorityFrame,
        RstStreamFrame,
        SettingsFrame,
        WindowUpdateFrame,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.http2 needs h2: install eventstream-codec with its extra [http2], [client], [server] or "
        "[emulator]",
        name=error.name,
    ) from error

from eventstream.http2.budget import MIN_LATE_SIZE, REFILL, Bucket
from eventstream.http2.stream import STREAM_WINDOW

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""

_HEADER = Struct(">LBL")
"""What is before the payload of a frame: its length and, in the last byte, its type; its flags; its stream (RFC 9113,
4.1)."""

FRAME_HEADER_LENGTH = _HEADER.size

_MAX_STREAM_ID = (1 << 31) - 1

HEADER_TABLE_SIZE = 4_096
"""Bytes that the compressor of headers remembers of those that were sent: HTTP/2's initial size (RFC 9113, 6.5.2)."""

MAX_HEADER_LIST_SIZE = 65_536
"""Bytes of the headers of a request or a response, as SETTINGS_MAX_HEADER_LIST_SIZE counts and says them."""

MAX_HEADERS = 256
"""Headers of a request or a response. Each takes some 200 bytes of memory here beside its text, of which
SETTINGS_MAX_HEADER_LIST_SIZE counts 32."""

MAX_DECODED_HEADER_LIST_SIZE = 2 * MAX_HEADER_LIST_SIZE
"""Bytes of headers, compressed or not, up to which they are decoded to answer that they are too many. Beyond this the
connection ends, since the decompressor's state is lost with headers that are not decoded."""

MAX_TABLE_SIZE_UPDATES = 2
"""At the beginning of a block of headers (RFC 7541, 4.2)."""

MIN_REMEMBERED_STREAMS = 128
"""Closed streams whose late frames are still told from frames of streams that never were."""

MAX_HEADERS_AT_ONCE = 1_024
"""Bytes of compressed headers with which a call of `H2.receive` ends: each of them may be a whole header, and cost its
receiver microseconds."""

_KNOWN_SETTINGS = frozenset(SettingCodes)


_OF_HEADERS = frozenset([HeadersFrame.type, ContinuationFrame.type])

_OF_BODIES = frozenset([DataFrame.type, ContinuationFrame.type])
"""Frames that carry nothing where they are empty."""

_OF_STREAMS = frozenset([WindowUpdateFrame.type, PriorityFrame.type])
"""Frames whose faults are their stream's, and which h2 cannot parse then."""


def _fault_of(frame: bytes) -> ErrorCodes | None:
    """Return what is wrong with a frame of `_OF_STREAMS`; None where nothing is, or it is the connection's fault."""
    payload = frame[FRAME_HEADER_LENGTH:]
    if frame[3] == PriorityFrame.type:
        return None if len(payload) == 5 else ErrorCodes.FRAME_SIZE_ERROR  # RFC 9113, 6.3
    # RFC 9113, 6.9. h2 also refuses an increment with the reserved bit.
    return ErrorCodes.PROTOCOL_ERROR if len(payload) == 4 and not 0 < int.from_bytes(payload, "big") < 1 << 31 else None


class _Decoder(Decoder):
    """Tells how large the last headers were, and whether they were decoded.

    Attributes:
        list_size: bytes of the last headers, as SETTINGS_MAX_HEADER_LIST_SIZE counts them; None if they could not be
            decoded, and the connection is lost.
        count: how many they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.list_size: int | None = 0
        self.count = 0

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        self.list_size = None
        if all(octet & 0xE0 == 0x20 for octet in data[: MAX_TABLE_SIZE_UPDATES + 1]) and len(data) > 2:
            raise HPACKDecodingError("more than the two allowed updates of the table size")
        self.max_header_list_size = MAX_DECODED_HEADER_LIST_SIZE
        headers = list(super().decode(data, raw))
        self.list_size = sum(len(name) + len(value) + 32 for name, value in headers)
        self.count = len(headers)
        return headers


class _Encoder(Encoder):
    """Takes headers that h2 is still checking whole or not at all."""

    def encode(self, headers: Iterable[tuple[bytes, bytes]], huffman: bool = True) -> bytes:  # type: ignore[override]
        return super().encode(list(headers), huffman)


_END_STREAM, _PADDED = 0x01, 0x08
"""Flags of DATA (RFC 9113, 6.1)."""

_FLAGS = (frozenset[str](), frozenset(["END_STREAM"]))
"""The same without padding, as h2 asks for them."""


class Excess(DenialOfServiceError):
    """A peer that has too much of something. The text is the package's own."""


class H2(H2Connection):
    """h2's connection, changed in these ways.

    Any GOAWAY closes h2's connection, whose frames are errors from then on. But GOAWAY with NO_ERROR only says that no
    more streams will be opened, or taken; the open ones continue (RFC 9113, 6.8).

    The events of a piece of data are returned when all of it is processed, and lost if a frame in it is an error. Here
    they are handled frame by frame: so what came before the error counts, and no event speaks of a stream that a later
    frame has closed.

    The length of a frame is compared with its limit when the whole frame is there, up to 16 MiB. Here that is done as
    soon as its header is, so that garbage is recognised, and not kept.

    h2 remembers every setting a peer sends, known or not, and walks all of them on each SETTINGS frame. hpack likewise
    queues every table size until headers are sent, and allows a table of 4 GiB that is searched linearly for each
    header. Here settings that nobody knows are ignored (RFC 9113, 6.5.2), the table has HTTP/2's
    initial size or less, and of the sizes the smallest and the last are sent, as they must be (RFC 7541, 4.2).

    Malformed messages, headers beyond the limit, streams beyond the limit, a WINDOW_UPDATE of 0 and a PRIORITY of any
    length but 5 end the connection. Here they end their stream (RFC 9113, 5.1.2, 6.3, 6.9, 8.1.1 and 10.5.1): streams
    of one connection may be those of strangers to each other, behind a proxy. `handle` gets a request that is too
    large, see `headers_are_too_large`, and streams beyond the limit.

    A PRIORITY that makes a stream depend on itself ends the connection. Here it says nothing, like any other.

    Headers that h2 refuses to send leave half of them in the compressor, which the peer does not know. Here they leave
    nothing.

    A stream that was reset is reset again for each frame that was under way. Here it is not. Data
    that comes late is free up to a window for each such stream, which can have been under way; beyond that its frames
    carry nothing. Nor do small ones, beyond as much, of a stream whose data is dropped.

    65,536 closed streams are remembered, 8 MB. Here it is twice the number that may be open.

    h2 makes several objects of each frame, and writes it out in hexadecimal digits, for a log that is off. Here DATA,
    which nearly all frames are, is parsed and written in a shorter way, within the same states and windows.

    Args:
        config: h2's configuration.
        handle: called with each event.
        max_streams: that the peer may have open; those beyond are for `handle` to refuse.
        resets: a budget for streams that are reset, by the peer or because of what it sent; None: no bound.
        idle: a budget for frames that carry nothing; None: no bound.
    """

    def __init__(
        self,
        config: H2Configuration,
        handle: Callable[[Event], None],
        *,
        max_streams: int,
        resets: Bucket | None,
        idle: Bucket | None,
    ) -> None:
        super().__init__(config)
        self.decoder = self._decompressor = _Decoder()
        self.encoder = _Encoder()
        remembered = max(MIN_REMEMBERED_STREAMS, 2 * max_streams)
        self._closed_streams = SizeLimitDict(size_limit=remembered)
        self._dropping: set[int] = set()  # streams whose data is dropped, until they end
        self._late = 0  # bytes that may be under way on streams that were reset here, or whose data is dropped
        self._max_late = STREAM_WINDOW * remembered
        self._handle = handle
        self._resets = resets
        self._idle = idle
        self._receiving = False
        self.is_over_budget = False  # whether the peer has spent a budget, and should open no more streams
        self._preface = 0 if config.client_side else len(PREFACE)
        self._header_block = 0  # bytes so far of headers that continue

    @property
    def awaits_preface(self) -> bool:
        """Whether a client has not sent all of its first bytes."""
        return self._preface > 0

    @property
    def headers_are_too_large(self) -> bool:
        """Whether the headers that were received last are beyond `MAX_HEADER_LIST_SIZE` or `MAX_HEADERS`."""
        received = self._decompressor
        return (received.list_size or 0) > MAX_HEADER_LIST_SIZE or received.count > MAX_HEADERS

    @property
    def open_inbound_streams(self) -> int:
        """Fewer than the limit, always, so that `handle` gets streams beyond it.

        h2 asks before it decodes headers, and would end the connection. It forgets closed streams when it is asked.
        """
        return min(super().open_inbound_streams, self.local_settings.max_concurrent_streams - 1)

    # Budgets

    def _account(self, kind: int, length: int) -> None:
        """Count a frame by its header; what headers and data carry is known only when they are processed."""
        if kind == RstStreamFrame.type:
            if self._resets is not None:
                self._resets.take()
        elif self._idle is not None and kind != HeadersFrame.type and (kind not in _OF_BODIES or not length):
            self._idle.take()
        if kind == ContinuationFrame.type:
            self._header_block += length
        else:
            self._header_block = length

    def _excess(self) -> ProtocolError | None:
        """Return what the peer has too much of, if the connection must end for it."""
        if self._header_block > MAX_DECODED_HEADER_LIST_SIZE:
            return Excess("a header block that is too long")
        if self._resets is not None and self._resets.is_overdrawn:
            return Excess("too many reset streams")
        if self._idle is not None and self._idle.is_overdrawn:
            return Excess("too many frames that carry nothing")
        return None

    # Receiving

    def receive(self, data: bytes, frames: int) -> tuple[bytes, bool]:
        """Process whole frames of what has come, up to a number of them, and none after `MAX_HEADERS_AT_ONCE`.

        Args:
            data: what came, behind what was left before.
            frames: how many at most.

        Returns:
            The rest: frames beyond these bounds, or the beginning of one that is not whole; and whether a bound was
                reached.

        Raises:
            h2.exceptions.ProtocolError: the connection is over; what is to be sent last is ready.
        """
        end = min(self._preface, len(data))
        self._preface -= end
        error: ProtocolError | None = None
        apart: list[tuple[int, int, ErrorCodes | None]] = []  # frames that h2 does not parse
        headers = 0
        while len(data) - end >= FRAME_HEADER_LENGTH and frames:
            length = _HEADER.unpack_from(data, end)[0] >> 8
            if length > self.max_inbound_frame_size:
                error = FrameTooLargeError(f"a frame of {length} bytes")
                break
            if len(data) - end < FRAME_HEADER_LENGTH + length:
                break
            kind = data[end + 3]
            self._account(kind, length)
            start, end = end, end + FRAME_HEADER_LENGTH + length
            if kind == DataFrame.type:
                apart.append((start, end, None))
            elif kind in _OF_STREAMS and (code := _fault_of(data[start:end])) is not None:
                apart.append((start, end, code))
            frames -= 1
            if kind in _OF_HEADERS:
                headers += length
                if headers > MAX_HEADERS_AT_ONCE:
                    frames = 0
        self._receiving = True
        begin = 0
        try:
            for start, after, code in apart:
                if begin < start:
                    self.receive_data(data[begin:start])
                if code is None:
                    parsed = self._receive_body(data, start, after)
                else:
                    parsed = self._receive_fault(_HEADER.unpack_from(data, start)[2] & _MAX_STREAM_ID, code)
                begin = after if parsed else start
            if begin < end:
                self.receive_data(data[begin:end])
        finally:
            self._receiving = False
        resets, idle = self._resets, self._idle
        self.is_over_budget = (resets is not None and resets.left < 0) or (idle is not None and idle.left < 0)
        if self.is_over_budget or self._header_block > MAX_DECODED_HEADER_LIST_SIZE:
            error = error or self._excess()
        if error is not None:
            self._terminate_connection(error.error_code)
            raise error
        return data[end:], not frames

    def _receive_frame(self, frame: Frame) -> list[Event]:
        for event in super()._receive_frame(frame):
            self._handle(event)
        return []

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        was_reset_here = self._is_reset_here(frame.stream_id)
        idle = self._idle
        try:
            frames, events = super()._receive_headers_frame(frame)
        except (NoSuchStreamError, StreamIDTooLowError):
            if was_reset_here:
                if idle is not None:
                    idle.take()
                return [], []
            raise  # the stream is closed: h2 knows what that means
        except ProtocolError as error:
            if self._decompressor.list_size is None or frame.stream_id not in self.streams:
                raise
            return self._fail_stream(frame.stream_id, error.error_code)
        if idle is not None:
            if isinstance(events[0], InformationalResponseReceived):
                idle.take()
            else:
                idle.give(REFILL)
        return frames, events

    def _receive_data_frame(self, frame: DataFrame | SimpleNamespace) -> tuple[list[Frame], list[Event]]:
        was_reset_here = self._stream_closed_by(frame.stream_id) is StreamClosedBy.SEND_RST_STREAM
        try:
            frames, events = super()._receive_data_frame(frame)  # type: ignore[arg-type]
        except NoSuchStreamError:
            raise
        except ProtocolError as error:
            if self.inbound_flow_control_window < 0 or frame.stream_id not in self.streams:
                raise
            frames, events = self._fail_stream(frame.stream_id, error.error_code)
            # The connection's window is still to be given back.
            length = frame.flow_controlled_length
            return frames, [*events, DataReceived(stream_id=frame.stream_id, data=b"", flow_controlled_length=length)]
        if was_reset_here:
            frames = [answer for answer in frames if not isinstance(answer, RstStreamFrame)]
            if frame.data:
                self._receive_late(frame.flow_controlled_length)
        return frames, events

    def drop(self, stream_id: int) -> None:
        """Note that nobody will take the data of a stream that is still open."""
        self._dropping.add(stream_id)
        self._expect_late()

    def forget(self, stream_id: int) -> None:
        """Note that a stream is over."""
        self._dropping.discard(stream_id)

    def _expect_late(self) -> None:
        self._late = min(self._late + STREAM_WINDOW, self._max_late)

    def _receive_late(self, length: int) -> None:
        """Count data that nobody will take."""
        idle = self._idle
        self._late -= max(length, MIN_LATE_SIZE)
        if self._late < 0:
            self._late = 0
            if idle is not None:
                idle.take()

    def _receive_body(self, data: bytes, start: int, end: int) -> bool:
        """Process a DATA frame; False if h2 is to say what is wrong with it."""
        _, flags, stream_id = _HEADER.unpack_from(data, start)
        begin = start + FRAME_HEADER_LENGTH
        length = end - begin
        if flags & _PADDED:
            if not length or data[begin] >= length:
                return False
            end -= data[begin]
            begin += 1
        stream_id &= _MAX_STREAM_ID
        if not stream_id or self.incoming_buffer._headers_buffer:
            return False
        frame = SimpleNamespace(  # what h2 reads of one
            stream_id=stream_id,
            data=data[begin:end],
            flow_controlled_length=length,
            flags=_FLAGS[flags & _END_STREAM],
        )
        try:
            frames, events = self._receive_data_frame(frame)
        except ProtocolError as error:
            self._terminate_connection(error.error_code)
            raise
        idle = self._idle
        if idle is not None and length:
            if begin == end:  # all of it is padding
                idle.take()
            elif stream_id in self._dropping:
                if length < MIN_LATE_SIZE:  # its window opens again, so there may be more than one under way
                    self._receive_late(length)
            elif events and isinstance(events[0], DataReceived):  # its stream is open
                idle.left = min(idle.left + REFILL, idle.burst)  # as `Bucket.give`, for every frame with data
        if frames:
            self._prepare_for_sending(frames)
        for event in events:
            self._handle(event)
        return True

    def _receive_fault(self, stream_id: int, code: ErrorCodes) -> bool:
        """End a stream for a frame that cannot be parsed; False if that is the connection's fault."""
        if self.incoming_buffer._headers_buffer:
            return False  # no other frame may come between the frames of a header block
        try:
            stream = self._get_stream_by_id(stream_id)
        except StreamClosedError:
            return True
        except NoSuchStreamError:
            return False
        if not stream.closed:
            frames, events = self._fail_stream(stream_id, code)
            self._prepare_for_sending(frames)
            for event in events:
                self._handle(event)
        return True

    def _receive_priority_frame(self, frame: HeadersFrame | PriorityFrame) -> tuple[list[Frame], list[Event]]:
        if isinstance(frame, PriorityFrame):
            return [], []
        return super()._receive_priority_frame(frame)

    def _is_reset_here(self, stream_id: int) -> bool:
        """Whether the peer may not know yet that the stream is over. It is told once (RFC 9113, 5.1)."""
        return self._stream_closed_by(stream_id) is StreamClosedBy.SEND_RST_STREAM

    def _fail_stream(self, stream_id: int, code: ErrorCodes) -> tuple[list[Frame], list[Event]]:
        """End only this stream, for what the peer sent on it."""
        del self.streams[stream_id]
        self._closed_streams[stream_id] = StreamClosedBy.SEND_RST_STREAM
        return [RstStreamFrame(stream_id, error_code=code)], [
            StreamReset(stream_id=stream_id, error_code=code, remote_reset=False)
        ]

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

    # Sending

    def send_body(self, stream_id: int, data: memoryview) -> None:
        """Send bytes of a body, in one frame: `send_data`, in a shorter way.

        Raises:
            h2.exceptions.ProtocolError: they may not be sent, or are more than there is room for.
        """
        stream = self._get_stream_by_id(stream_id)
        size = len(data)
        if size > min(
            self.outbound_flow_control_window, stream.outbound_flow_control_window, self.max_outbound_frame_size
        ):
            self.send_data(stream_id, data)  # says what is wrong
        else:
            self.state_machine.process_input(ConnectionInputs.SEND_DATA)
            stream.state_machine.process_input(StreamInputs.SEND_DATA)
            stream.outbound_flow_control_window -= size
            self.outbound_flow_control_window -= size
            self._data_to_send += _HEADER.pack(size << 8 | DataFrame.type, 0, stream_id)
            self._data_to_send += data
            idle = self._idle
            if idle is not None:
                idle.left = min(idle.left + REFILL, idle.burst)

    def send_fields(self, stream_id: int, fields: Iterable[tuple[str, str]], *, end: bool) -> None:
        """Send headers, which begin a stream here at the client.

        Raises:
            h2.exceptions.ProtocolError: they may not be sent; a stream that they were to begin has not begun.
        """
        begins = stream_id not in self.streams
        try:
            self.send_headers(stream_id, fields, end_stream=end)
        except ProtocolError:
            if begins:
                self.streams.pop(stream_id, None)
            raise

    def go_away(self) -> None:
        """Say that no more streams are opened or taken."""
        self._prepare_for_sending([GoAwayFrame(0, last_stream_id=self.highest_inbound_stream_id)])

    def _prepare_for_sending(self, frames: list[Frame]) -> None:
        super()._prepare_for_sending(frames)
        for frame in frames:
            if isinstance(frame, RstStreamFrame):
                self._expect_late()
                if self._receiving and self._resets is not None:
                    self._resets.take()
