"""Messages with one fault each, labelled with the error that it must cause.

A corruption begins with a valid message and does one thing to it, from which the error follows: the kinds in
`CORRUPTION_KINDS` together cause every `DecodeError` there is. Checksums are computed here with `zlib`, and header
blocks taken apart by hand, so that these bytes do not depend on the decoder that they are to try.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from eventstream._codec import Headers, decode
from eventstream.exceptions import (
    DecodeError,
    DecodeLimitExceeded,
    DuplicateHeader,
    InvalidHeader,
    InvalidHeaderText,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    TrailingData,
    TruncatedHeader,
    TruncatedMessage,
    UnknownHeaderType,
)
from eventstream.testing._hypothesis import InvalidArgument, assume, st, strategy_of, texts
from eventstream.testing.strategies import header_names, header_values, wires
from eventstream.wire import (
    CRC,
    CRC_LENGTH,
    DEFAULT_MAX_HEADERS_LENGTH,
    DEFAULT_MAX_PAYLOAD_LENGTH,
    FIXED_LENGTHS,
    LENGTHS,
    MAX_MESSAGE_LENGTH,
    MIN_MESSAGE_LENGTH,
    PRELUDE_LENGTH,
    HeaderType,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["CORRUPTION_KINDS", "Corruption", "corruptions"]


@dataclass(frozen=True)
class Corruption:
    """A message with one fault, and the error that a decoder raises for it.

    Attributes:
        kind: what was done, a key of `CORRUPTION_KINDS`.
        error: the class that `decode` raises, exactly.
        offset: that of the error; the message begins at 0.
        wire: the bytes.
    """

    kind: str
    error: type[DecodeError]
    offset: int
    wire: bytes

    @property
    def stream_error(self) -> type[DecodeError]:
        """The class that a `Decoder` raises when fed the bytes, in any chunks, and closed.

        It differs from `error` only for trailing data, which a stream decoder treats as the next message.
        """
        return TruncatedMessage if self.error is TrailingData else self.error


class _Parts(NamedTuple):
    """A valid message, taken apart."""

    wire: bytes
    headers: list[bytes]
    payload: bytes

    @property
    def names(self) -> list[str]:
        return [header[1 : 1 + header[0]].decode() for header in self.headers]

    @property
    def headers_length(self) -> int:
        return sum(map(len, self.headers))


def _parts_of(wire: bytes) -> _Parts:
    total_length, headers_length = LENGTHS.unpack_from(wire)
    end = PRELUDE_LENGTH + headers_length
    split = []
    start = PRELUDE_LENGTH
    while start < end:
        value = start + 1 + wire[start] + 1
        type_ = HeaderType(wire[value - 1])
        if type_ in FIXED_LENGTHS:
            stop = value + FIXED_LENGTHS[type_]
        else:
            stop = value + 2 + int.from_bytes(wire[value : value + 2], "big")
        split.append(wire[start:stop])
        start = stop
    return _Parts(wire, split, wire[end : total_length - CRC_LENGTH])


def _frame(total_length: int, headers_length: int, body: bytes) -> bytes:
    """Return a message with right checksums, even if its lengths are wrong."""
    lengths = LENGTHS.pack(total_length, headers_length)
    message = lengths + CRC.pack(zlib.crc32(lengths)) + body
    return message + CRC.pack(zlib.crc32(message))


_Faulty: TypeAlias = tuple[bytes, int]
"""The bytes, and where their fault is."""

_CORRUPTIONS: dict[str, tuple[type[DecodeError], Callable[[DrawFn, _Parts], _Faulty]]] = {}


def _causes(error: type[DecodeError]) -> Callable[[Callable[[DrawFn, _Parts], _Faulty]], None]:
    """Register the decorated function as a kind of corruption, named after it without the underscore."""

    def register(corrupt: Callable[[DrawFn, _Parts], _Faulty]) -> None:
        _CORRUPTIONS[corrupt.__name__[1:]] = error, corrupt

    return register


def _with_one_byte_changed(draw: DrawFn, wire: bytes, start: int, stop: int) -> _Faulty:
    """No CRC misses a change within as many bits as it has itself."""
    changed = bytearray(wire)
    changed[draw(st.integers(start, stop - 1))] ^= draw(st.integers(1, 255))
    return bytes(changed), 0


@_causes(PreludeChecksumMismatch)
def _changed_prelude(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_one_byte_changed(draw, parts.wire, 0, PRELUDE_LENGTH)


@_causes(MessageChecksumMismatch)
def _changed_message(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_one_byte_changed(draw, parts.wire, PRELUDE_LENGTH, len(parts.wire))


def _with_lengths(parts: _Parts, total_length: int, headers_length: int) -> _Faulty:
    return _frame(total_length, headers_length, parts.wire[PRELUDE_LENGTH:-CRC_LENGTH]), 0


@_causes(InvalidLength)
def _total_length_too_small(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_lengths(parts, draw(st.integers(0, MIN_MESSAGE_LENGTH - 1)), parts.headers_length)


@_causes(InvalidLength)
def _headers_length_too_large(draw: DrawFn, parts: _Parts) -> _Faulty:
    room = len(parts.wire) - MIN_MESSAGE_LENGTH
    return _with_lengths(parts, len(parts.wire), draw(st.integers(room + 1, MAX_MESSAGE_LENGTH)))


@_causes(DecodeLimitExceeded)
def _headers_over_limit(draw: DrawFn, parts: _Parts) -> _Faulty:
    headers_length = draw(st.integers(DEFAULT_MAX_HEADERS_LENGTH + 1, MAX_MESSAGE_LENGTH - MIN_MESSAGE_LENGTH))
    total_length = draw(st.integers(MIN_MESSAGE_LENGTH + headers_length, MAX_MESSAGE_LENGTH))
    return _with_lengths(parts, total_length, headers_length)


@_causes(DecodeLimitExceeded)
def _payload_over_limit(draw: DrawFn, parts: _Parts) -> _Faulty:
    least = MIN_MESSAGE_LENGTH + parts.headers_length + DEFAULT_MAX_PAYLOAD_LENGTH + 1
    return _with_lengths(parts, draw(st.integers(least, MAX_MESSAGE_LENGTH)), parts.headers_length)


_NAMES = header_names()
_SHORT_VALUES = header_values(max_size=20)
_WIRES = wires()


def _inserted(draw: DrawFn, parts: _Parts, header: bytes, after: int = 0) -> _Faulty:
    """Return the message with one more header, after at least this many others; it is the first at fault."""
    position = draw(st.integers(after, len(parts.headers)))
    before = b"".join(parts.headers[:position])
    block = before + header + b"".join(parts.headers[position:])
    assume(len(block) <= DEFAULT_MAX_HEADERS_LENGTH)
    total_length = MIN_MESSAGE_LENGTH + len(block) + len(parts.payload)
    return _frame(total_length, len(block), block + parts.payload), PRELUDE_LENGTH + len(before)


def _new_header(draw: DrawFn, parts: _Parts) -> tuple[bytes, bytes]:
    """Return a valid header that the message does not have: its name with the length, its value with the type."""
    name = draw(_NAMES.filter(lambda name: name not in parts.names))
    raw = Headers({name: draw(_SHORT_VALUES)}).raw
    return raw[: 1 + raw[0]], raw[1 + raw[0] :]


@_causes(InvalidHeader)
def _empty_name(draw: DrawFn, parts: _Parts) -> _Faulty:
    _, value = _new_header(draw, parts)
    return _inserted(draw, parts, b"\0" + value)


@_causes(TruncatedHeader)
def _header_cut_short(draw: DrawFn, parts: _Parts) -> _Faulty:
    header = b"".join(_new_header(draw, parts))
    return _inserted(draw, parts, header[: draw(st.integers(1, len(header) - 1))], after=len(parts.headers))


@_causes(UnknownHeaderType)
def _unknown_type(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, value = _new_header(draw, parts)
    return _inserted(draw, parts, name + bytes([draw(st.integers(max(HeaderType) + 1, 255))]) + value[1:])


@_causes(DuplicateHeader)
def _name_given_twice(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, value = _new_header(draw, parts)
    parts = parts._replace(headers=parts.headers or [name + value])
    first = draw(st.integers(0, len(parts.headers) - 1))
    again = parts.headers[first][: 1 + parts.headers[first][0]] + value
    return _inserted(draw, parts, again, after=first + 1)


_NOT_UTF8 = st.sampled_from(
    [
        b"\xff",  # never in UTF-8
        b"\x80",  # a continuation without a beginning
        b"\xc3",  # a beginning without its continuation
        b"\xc0\x80",  # an overlong encoding
        b"\xed\xa0\x80",  # a surrogate
        b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    ]
)


def _no_text(draw: DrawFn) -> bytes:
    around = texts(0, 20).map(str.encode)
    return draw(around) + draw(_NOT_UTF8) + draw(around)


@_causes(InvalidHeaderText)
def _name_not_utf8(draw: DrawFn, parts: _Parts) -> _Faulty:
    name = _no_text(draw)
    _, value = _new_header(draw, parts)
    return _inserted(draw, parts, bytes([len(name)]) + name + value)


@_causes(InvalidHeaderText)
def _value_not_utf8(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, _ = _new_header(draw, parts)
    text = _no_text(draw)
    return _inserted(draw, parts, name + struct.pack(">BH", HeaderType.STRING, len(text)) + text)


@_causes(TruncatedMessage)
def _message_cut_short(draw: DrawFn, parts: _Parts) -> _Faulty:
    return parts.wire[: draw(st.integers(1, len(parts.wire) - 1))], 0


@_causes(TrailingData)
def _trailing_bytes(draw: DrawFn, parts: _Parts) -> _Faulty:
    # Fewer bytes than a prelude: a stream decoder waits for the rest, which never comes.
    return parts.wire + draw(st.binary(min_size=1, max_size=PRELUDE_LENGTH - 1)), len(parts.wire)


CORRUPTION_KINDS: Mapping[str, type[DecodeError]] = MappingProxyType(
    {kind: error for kind, (error, _) in _CORRUPTIONS.items()}
)
"""What can be done to a message, and the error that it has to cause. Every class of `DecodeError` is there."""


def corruptions(
    wire: bytes | SearchStrategy[bytes] = _WIRES, *, kinds: Collection[str] | None = None
) -> SearchStrategy[Corruption]:
    """Messages with one fault each, labelled with the error that it must cause under the default limits.

    Args:
        wire: a valid message in wire form, or a strategy for such; by default `wires`. When one is drawn that is not
            valid, or not under the default limits, that is an ``InvalidArgument``.
        kinds: which kinds of fault, of `CORRUPTION_KINDS`; None: all of them.
    """
    if kinds is None:
        kinds = CORRUPTION_KINDS
    if not kinds or not set(kinds) <= set(CORRUPTION_KINDS):
        raise InvalidArgument(f"kinds={kinds!r}: expected some of {', '.join(CORRUPTION_KINDS)}")
    return _corruptions(strategy_of(wire), [kind for kind in CORRUPTION_KINDS if kind in kinds])


@st.composite
def _corruptions(draw: DrawFn, wires: SearchStrategy[bytes], kinds: list[str]) -> Corruption:
    kind = draw(st.sampled_from(kinds))
    valid = draw(wires)
    try:
        decode(valid)
    except DecodeError as fault:
        raise InvalidArgument(f"a corruption needs a valid message to begin with: {fault}") from fault
    except TypeError:
        what = type(valid).__name__
        raise InvalidArgument(f"a corruption needs bytes to begin with, such as wires(messages), not {what}") from None
    error, corrupt = _CORRUPTIONS[kind]
    wire, offset = corrupt(draw, _parts_of(valid))
    return Corruption(kind, error, offset, wire)
