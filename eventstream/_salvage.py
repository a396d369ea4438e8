"""What is left of a damaged recording: its messages, and the gaps between them.

The strategy: while all is well, a `Decoder` reads at its own speed. At a fault the bytes from there on are searched for
the next prelude whose checksum and lengths are valid, and what it promises is judged:

* A whole message (its checksum and its headers are valid, too) ends the gap.
* A damaged message whose length leads to another valid prelude, or to the end, is a gap of exactly that length. Whole
  messages inside it are its payload, like the event inside a signed message, and are delivered as nested in the gap.
  But messages that reach its end, or go beyond it, cannot be its payload, which ends before its checksum. Then the
  length is a lie, or bytes are missing, and they are messages like any other.
* Otherwise the search continues at the next byte.

Many preludes can promise the same bytes, so computing the checksum of each one's range would take too long. It follows
instead from the checksums of two prefixes, which are kept at every 4,096 bytes of the region that is in doubt. So the
time is linear for any input.
"""

from __future__ import annotations

import zlib
from array import array

from eventstream._codec import crc32_combine, decoder_at, find_prelude
from eventstream._text import MAX_SHOWN
from eventstream.exceptions import DecodeError, MessageChecksumMismatch, TruncatedMessage
from eventstream.wire import (
    CRC,
    CRC_LENGTH,
    DEFAULT_MAX_HEADERS_LENGTH,
    DEFAULT_MAX_PAYLOAD_LENGTH,
    LENGTHS,
    MIN_MESSAGE_LENGTH,
    PRELUDE_LENGTH,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from eventstream._codec import Decoder, Message

__all__ = ["Gap", "salvage"]


class Gap:
    """A stretch of the input that holds no message.

    Attributes:
        offset: its first byte in the input.
        length: how many bytes it has, at least 1.
        error: the `DecodeError` at its first byte.
        nested: the whole messages that lie inside a damaged one, in order, like the event in a signed message.
    """

    __slots__ = ("error", "length", "nested", "offset")
    __match_args__ = ("offset", "length", "error", "nested")

    def __init__(self, offset: int, length: int, error: DecodeError, nested: tuple[Message, ...] = ()) -> None:
        self.offset = offset
        self.length = length
        self.error = error
        self.nested = nested

    def __repr__(self) -> str:
        nested = f", nested={self.nested!r}" if self.nested else ""
        return f"Gap(offset={self.offset}, length={self.length}, error={self.error!r}{nested})"


def salvage(
    data: Buffer,
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> Iterator[Message | Gap]:
    """Return what is left of a damaged stream: its messages in order, and a `Gap` for each stretch that holds none.

    Messages and gaps together cover the input without overlap. Every message delivered is valid: both checksums hold.
    With one byte changed anywhere, every other message is delivered. The time is linear in the input. The memory used
    beside the messages is constant while the input is sound, and at most 1/1000 of a stretch that is in doubt.

    Args:
        data: the whole stream, any C-contiguous buffer, for example a mapped file. It is exported until the iterator is
            exhausted or deleted.
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound. A message over a
            limit is a gap.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.

    Raises:
        TypeError: the data is not a buffer.
        BufferError: the buffer is not C-contiguous.
        ValueError: a limit is negative.
    """
    return salvage_at(0, data, max_headers_length, max_payload_length)


def salvage_at(
    offset: int, data: Buffer, max_headers_length: int | None, max_payload_length: int | None
) -> Iterator[Message | Gap]:
    """Return the same for data that begin at `offset` of the stream, in which gaps and errors are placed."""
    try:
        view = memoryview(data)
    except TypeError:
        what = type(data).__name__
        raise TypeError(
            f"salvage takes bytes, not {what}; read a file in binary mode: open(path, 'rb').read()"
        ) from None
    except ValueError as error:  # as a released memoryview says it
        raise BufferError(str(error)) from None
    if not view.c_contiguous:
        raise BufferError("the buffer is not C-contiguous")
    decoder_at(0, max_headers_length, max_payload_length)  # refuses what is not a limit
    return _parts(_Salvage(offset, view.cast("B"), max_headers_length, max_payload_length))


def _parts(salvage: _Salvage) -> Iterator[Message | Gap]:
    position = 0
    while position < len(salvage.view):
        decoder = salvage.decoder_at(position)
        try:
            if position >= salvage.checksums.reach:
                for piece in salvage.pieces_from(position):
                    for message in decoder.feed(piece):  # `yield from` would close the decoder
                        yield message
                    salvage.check_length(decoder.offset - salvage.offset)
                decoder.close()
                return
            message = salvage.message_at(position)
        except DecodeError as error:
            position = max(decoder.offset - salvage.offset, position)
            end, nested = salvage.end_of_gap(position)
            yield Gap(salvage.offset + position, end - position, error, nested)
            position = end
        else:
            position += length_of(message)
            yield message


def length_of(part: Message | Gap) -> int:
    """Return how many bytes of the wire form a part takes."""
    return part.length if isinstance(part, Gap) else MIN_MESSAGE_LENGTH + len(part.headers.raw) + len(part.payload)


_FIRST_PIECE = 4096
_LAST_PIECE = 262_144


class _Salvage:
    """The input, the limits, and the questions that are asked of them. Positions are those in the input."""

    def __init__(
        self, offset: int, view: memoryview, max_headers_length: int | None, max_payload_length: int | None
    ) -> None:
        self.offset = offset  # of the input in the stream
        self.view = view
        self.limits = max_headers_length, max_payload_length
        self.checksums = _Checksums(view)

    def decoder_at(self, position: int) -> Decoder:
        return decoder_at(self.offset + position, *self.limits)

    def pieces_from(self, position: int) -> Iterator[bytes]:
        """Yield the rest of the input, in pieces that begin small: what was read beyond a fault is read again."""
        size = _FIRST_PIECE
        while position < len(self.view):
            yield bytes(self.view[position : position + size])
            position += size
            size = min(2 * size, _LAST_PIECE)

    def check_length(self, start: int) -> None:
        """Refuse a message that goes beyond the end, where the prelude is valid."""
        available = len(self.view) - start
        prelude = self.prelude_at(start)
        if prelude is not None and prelude[0] > available:
            raise TruncatedMessage(self.offset + start, available, prelude[0])

    def prelude_at(self, start: int) -> tuple[int, int] | None:
        """Return the total and the headers length of a valid prelude that begins here, if one does; without limits."""
        return None if find_prelude(self.view, start, start + 1) < 0 else LENGTHS.unpack_from(self.view, start)

    def faulty_checksum(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the checksum that the message in [start, end) carries, and its bytes' own; None if they are equal."""
        (expected,) = CRC.unpack_from(self.view, end - CRC_LENGTH)
        computed = self.checksums.of(start, end - CRC_LENGTH)
        return None if expected == computed else (expected, computed)

    def is_boundary(self, position: int) -> bool:
        """Whether a message may well have ended here: another one begins, or the input ends."""
        return position == len(self.view) or self.prelude_at(position) is not None

    def holds(self, start: int, end: int) -> bool:
        """Whether the message in [start, end) is there, and its checksum is right."""
        return end <= len(self.view) and self.faulty_checksum(start, end) is None

    def message_at(self, start: int) -> Message:
        """Return the message that begins here, or its error, as a decoder gives them; a false promise costs little."""
        prelude = self.prelude_at(start)
        decoder = self.decoder_at(start)
        decoder.feed(bytes(self.view[start : start + (MAX_SHOWN if prelude is None else PRELUDE_LENGTH)]))
        next(decoder, None)  # raises what is wrong with the prelude, and has too few bytes for a message
        if prelude is None:  # fewer bytes than one has
            decoder.close()
        else:
            self.check_length(start)
            end = start + prelude[0]
            mismatch = self.faulty_checksum(start, end)
            if mismatch is not None:
                raise MessageChecksumMismatch(self.offset + start, *mismatch)
            decoder.feed(bytes(self.view[start + PRELUDE_LENGTH : end]))
        return next(decoder)

    def message_or_none(self, start: int) -> Message | None:
        try:
            return self.message_at(start)
        except DecodeError:
            return None

    def end_of_gap(self, start: int) -> tuple[int, tuple[Message, ...]]:
        """Where the gap that begins here ends, and the messages nested in it."""
        self.checksums.begin(start)
        length = len(self.view)
        position = start
        while (position := find_prelude(self.view, position, length)) >= 0:
            total_length, headers_length = LENGTHS.unpack_from(self.view, position)
            end = position + total_length
            whole = self.holds(position, end)
            if whole and position > start:
                message = self.message_or_none(position)
                if message is not None:
                    if self._is_nested(start, position, end):
                        return end + CRC_LENGTH, (message,)
                    return position, ()
            if whole or (end <= length and self.is_boundary(end)):
                return self._inside(position, end)
            inner = position + PRELUDE_LENGTH + headers_length
            payload = self._message_in(inner, end - CRC_LENGTH)
            if payload is not None:  # and if its checksum is not there, something else may follow at once
                return length if end > length else end - CRC_LENGTH, (payload,)
            position += 1
        return length, ()

    def _message_in(self, start: int, end: int) -> Message | None:
        """Return the message that takes exactly this range, if it is whole."""
        prelude = self.prelude_at(start)
        fits = prelude is not None and start + prelude[0] == end and self.holds(start, end)
        return self.message_or_none(start) if fits else None

    def _is_nested(self, start: int, position: int, end: int) -> bool:
        """Whether the message found was inside one whose prelude, at `start`, is damaged: its checksum follows."""
        fits = position - start >= PRELUDE_LENGTH and end + CRC_LENGTH <= len(self.view)
        return fits and not self.is_boundary(end) and self.is_boundary(end + CRC_LENGTH)

    def _inside(self, start: int, end: int) -> tuple[int, tuple[Message, ...]]:
        """Where the damaged message in [start, end) ends in truth, and the messages inside it."""
        nested: list[Message] = []
        row_start = row_end = start  # of messages that lie next to each other, the last of those found
        row_index = 0  # the number of messages before it
        position = start + 1
        while (position := find_prelude(self.view, position, end)) >= 0:
            stop = position + LENGTHS.unpack_from(self.view, position)[0]
            if not self.holds(position, stop):
                position += 1
                continue
            message = self.message_or_none(position)
            if message is not None:
                if position != row_end:
                    row_start, row_index = position, len(nested)
                if stop >= end:
                    return row_start, tuple(nested[:row_index])
                nested.append(message)
                row_end = stop
            position = stop
        return end, tuple(nested)


_STEP = 4096


class _Checksums:
    """Checksums of any range of a region, in constant time each: it keeps that of a prefix every `_STEP` bytes."""

    reach = 0
    """The end of the region that was in doubt. A decoder would read on from there all over again."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.begin(0)

    def begin(self, start: int) -> None:
        """Say that nothing before `start` is asked for any more."""
        if start >= self.reach:
            self.base = self.reach = start
            self.prefixes = array("I", [0])

    def of(self, start: int, end: int) -> int:
        """Return the checksum of [start, end)."""
        if end - start <= _STEP:
            return zlib.crc32(self.view[start:end])
        self.reach = max(self.reach, end)
        return crc32_combine(self._of_prefix(start), self._of_prefix(end), end - start)

    def _of_prefix(self, end: int) -> int:
        steps, rest = divmod(end - self.base, _STEP)
        while len(self.prefixes) <= steps:
            start = self.base + (len(self.prefixes) - 1) * _STEP
            self.prefixes.append(zlib.crc32(self.view[start : start + _STEP], self.prefixes[-1]))
        return zlib.crc32(self.view[end - rest : end], self.prefixes[steps])
