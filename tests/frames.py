"""Frames built by hand, with `struct` and `zlib` alone, and the ways to feed them to a decoder.

Nothing here encodes with the project's own code, so that a frame may say anything: its checksums are right unless a
test gives others.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventstream import Byte, Long, PreludeChecksumMismatch, Short, Timestamp, TrailingData, TruncatedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

PRELUDE = 12
CRC = 4
LIMITS = {"max_headers_length": 131_072, "max_payload_length": 25_165_824}
NO_LIMITS: dict[str, Any] = {"max_headers_length": None, "max_payload_length": None}


# Building


def header(name: bytes | str, type_: int, value: bytes = b"", *, name_length: int | None = None) -> bytes:
    """One header's bytes; `value` is all that follows the type byte."""
    raw = name.encode() if isinstance(name, str) else name
    return bytes([len(raw) if name_length is None else name_length]) + raw + bytes([type_]) + value


def sized(value: bytes, length: int | None = None) -> bytes:
    """Return the value of a string or byte array header: a u16 length, true or not, and the bytes."""
    return struct.pack(">H", len(value) if length is None else length) + value


def string(name: bytes | str, value: bytes | str) -> bytes:
    """Return a string header's bytes."""
    return header(name, 7, sized(value.encode() if isinstance(value, str) else value))


def prelude(total_length: int, headers_length: int, *, crc: int | None = None) -> bytes:
    """Return the first 12 bytes of a message."""
    lengths = struct.pack(">II", total_length, headers_length)
    return lengths + struct.pack(">I", zlib.crc32(lengths) if crc is None else crc)


def frame(
    headers: bytes = b"",
    payload: bytes = b"",
    *,
    total_length: int | None = None,
    headers_length: int | None = None,
    prelude_crc: int | None = None,
    message_crc: int | None = None,
) -> bytes:
    """One message; lengths and checksums are the right ones unless given."""
    message = prelude(
        PRELUDE + len(headers) + len(payload) + CRC if total_length is None else total_length,
        len(headers) if headers_length is None else headers_length,
        crc=prelude_crc,
    )
    message += headers + payload
    return message + struct.pack(">I", zlib.crc32(message) if message_crc is None else message_crc)


def repaired(message: bytes | bytearray) -> bytes:
    """Return the frame with both checksums made right again, whatever its lengths say."""
    if len(message) < PRELUDE + CRC:
        return bytes(message)
    body = bytes(message[:8]) + struct.pack(">I", zlib.crc32(message[:8])) + bytes(message[PRELUDE:-CRC])
    return body + struct.pack(">I", zlib.crc32(body))


TEN_TYPES: tuple[tuple[str, Any, int, bytes], ...] = (
    ("true", True, 0, b""),
    ("false", False, 1, b""),
    ("byte", Byte(-2), 2, bytes.fromhex("fe")),
    ("short", Short(-300), 3, bytes.fromhex("fed4")),
    ("integer", -70_000, 4, bytes.fromhex("fffeee90")),
    ("long", Long(1 << 40), 5, bytes.fromhex("0000010000000000")),
    ("bytes", b"\x00\xff", 6, bytes.fromhex("000200ff")),
    ("string", "Grüße", 7, bytes.fromhex("00074772c3bcc39f65")),
    ("timestamp", Timestamp(1_700_000_000_123), 8, bytes.fromhex("0000018bcfe5687b")),
    ("uuid", uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), 9, bytes.fromhex("00112233445566778899aabbccddeeff")),
)
"""One header of each type: name, Python value, type byte, bytes of the value."""

TEN_HEADERS = {name: value for name, value, _, _ in TEN_TYPES}
TEN_BLOCK = b"".join(header(name, type_, value) for name, _, type_, value in TEN_TYPES)
TEN_FRAME = frame(TEN_BLOCK, b"payload")
"""A message with headers of all ten types."""

EVENT_BLOCK = (
    string(":message-type", "event")
    + string(":event-type", "TranscriptEvent")
    + string(":content-type", "application/json")
)
EVENT_FRAME = frame(EVENT_BLOCK, b'{"Transcript":{"Results":[]}}')
EMPTY_FRAME = frame()
TAIL_FRAME = frame(string("tail", "yes"), b"tail")


# Comparing


def type_name(value: object) -> str:
    """Return the id of a test with a value whose repr is another one in each run."""
    return type(value).__name__


def same_value(first: object, second: object) -> bool:
    """Equal, and of the same wire type."""
    return type(first) is type(second) and first == second


def same_headers(first: Any, second: Any) -> bool:
    """Equal in names, values, value types and order."""
    return list(first) == list(second) and all(same_value(first[name], second[name]) for name in second)


def prelude_alone(error: BaseException) -> BaseException:
    """Return the error as if only the prelude had arrived. How much did, which it shows, depends on the pieces."""
    if not isinstance(error, PreludeChecksumMismatch):
        return error
    return PreludeChecksumMismatch(error.offset, error.expected, error.computed, error.received[:12])


def fault(error: BaseException) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
    """Return what must be equal in two equal errors: the class, the text and the attributes."""
    return type(error), error.args, dict(vars(error))


@dataclass(frozen=True)
class Outcome:
    """What a stream gave: its messages' wire forms, and the error after them."""

    messages: tuple[bytes, ...]
    error: tuple[type, tuple[Any, ...], dict[str, Any]] | None
    raised: Exception | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and (self.messages, self.error) == (other.messages, other.error)

    __hash__ = None  # type: ignore[assignment]


# Feeding


def read(codec: ModuleType, pieces: Iterable[Any], *, at_once: bool = False, **options: Any) -> Outcome:
    """Feed the pieces and close, taking the messages after each piece, or only after the last."""
    decoder = codec.Decoder(**options)
    messages: list[bytes] = []
    try:
        for piece in pieces:
            if at_once:
                decoder.feed(piece)
            else:
                messages.extend(message.encode() for message in decoder.feed(piece))
        if at_once:
            messages.extend(message.encode() for message in decoder)
        decoder.close()
    except Exception as error:
        return Outcome(tuple(messages), fault(prelude_alone(error)), error)
    return Outcome(tuple(messages), None)


def read_one(codec: ModuleType, data: Any, **options: Any) -> Outcome:
    """Return what `decode` gives, in the form of `read`."""
    try:
        return Outcome((codec.decode(data, **options).encode(),), None)
    except Exception as error:
        return Outcome((), fault(prelude_alone(error)), error)


def two_way_splits(data: bytes, step: int = 1) -> Iterator[list[bytes]]:
    for position in range(0, len(data) + 1, step):
        yield [data[:position], data[position:]]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


def read_all_ways(codec: ModuleType, data: bytes, *, step: int = 1, **options: Any) -> Outcome:
    """Feed the data whole, byte by byte, at every two-way split (or every `step`-th) and with trailing data.

    The outcome, which is returned, is asserted to be the same each time; also through `decode`, from other kinds of
    buffer, without copying, and after a valid message, where offsets move by its length.
    """
    whole = read(codec, [data], **options)
    assert read(codec, byte_by_byte(data), **options) == whole, "byte by byte"
    assert read(codec, byte_by_byte(data), at_once=True, **options) == whole, "byte by byte, iterated over at the end"
    for pieces in two_way_splits(data, step):
        assert read(codec, pieces, **options) == whole, f"split at {len(pieces[0])}"
    middle = len(data) // 2
    assert read(codec, [bytearray(data)], **options) == whole, "a bytearray"
    assert read(codec, [memoryview(data)[:middle], memoryview(data)[middle:]], **options) == whole, "views"
    for pieces in ([data], [data[:middle], data[middle:]], byte_by_byte(data)):
        assert read(codec, pieces, copy=False, **options) == whole, "copy=False"
    _assert_tail(codec, data, whole, options)
    _assert_after_a_message(codec, data, whole, options)
    _assert_decode(codec, data, whole, options)
    return whole


def _assert_tail(codec: ModuleType, data: bytes, whole: Outcome, options: dict[str, Any]) -> None:
    """Assert that what follows a fault is not looked at; what follows the last message is the next one."""
    if whole.error is None:
        expected = Outcome((*whole.messages, TAIL_FRAME), None)
    elif whole.error[0] is TruncatedMessage:
        return  # the tail would be taken for the rest of the message
    else:
        expected = whole
    options = dict.fromkeys(options, None) if whole.error is None else options  # the tail has its own lengths
    assert read(codec, [data + TAIL_FRAME], **options) == expected, "with a tail"
    if whole.error is None:
        assert read(codec, [data, TAIL_FRAME], **options) == expected, "with a tail of its own"


def _assert_after_a_message(codec: ModuleType, data: bytes, whole: Outcome, options: dict[str, Any]) -> None:
    moved = read(codec, [EMPTY_FRAME + data], **options)
    split = read(codec, [EMPTY_FRAME[:5], EMPTY_FRAME[5:] + data], **options)
    assert moved == split, "after a message"
    assert moved.messages == (EMPTY_FRAME, *whole.messages), "messages before the fault are delivered"
    assert without_offset(moved, len(EMPTY_FRAME)) == without_offset(whole), "after a message"


def _assert_decode(codec: ModuleType, data: bytes, whole: Outcome, options: dict[str, Any]) -> None:
    one = read_one(codec, data, **options)
    assert read_one(codec, bytearray(data), **options) == one, "decode of a bytearray"
    if whole.messages and (len(whole.messages) > 1 or whole.error):
        assert isinstance(one.raised, TrailingData)
        assert one.raised.offset == len(whole.messages[0])
    elif data:
        assert one == whole, "decode"
    else:
        assert isinstance(one.raised, TruncatedMessage)


def without_offset(outcome: Outcome, moved: int = 0) -> Any:
    """Return the error's class and attributes, its offset counted from `moved`."""
    if outcome.error is None:
        return None
    class_, _, attributes = outcome.error
    return class_, {**attributes, "offset": attributes["offset"] - moved}
