"""What can be encoded decodes to equal headers of the same types and encodes to the same bytes; the rest is refused."""

from __future__ import annotations

import contextlib
import copy
import datetime
import pickle
import struct
import uuid
from typing import Any

import frames

from eventstream import Byte, EncodeError, Long, Short, Timestamp
from fuzz.harness import CALLER, CODEC, CODECS, Draw, Fault, agree, attempt, seen, wire_of

WORDS = [b":message-type", b"exception", b"event", b":error-code", b"\xed\xa0\x80", b"\xc3\xa9"]
SIZED = ((Byte, 2, 1), (Short, 3, 2), (Long, 5, 8), (Timestamp, 8, 8))


class Text(str):
    """A str that lies about its bytes."""

    __slots__ = ()

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        return b"\xff" * 300


class Number(int):
    """An int that lies about its value."""

    def __index__(self) -> int:
        return 2**80

    __int__ = __index__


def integer(draw: Draw) -> int:
    return draw.number(draw.byte() % 11, signed=True)


def number(draw: Draw, class_: type[int]) -> int:
    """Return an integer that may be at the edge of what the class holds, or just in it."""
    value = integer(draw)
    try:
        return class_(value)
    except EncodeError:
        bits = 8 * next(length for candidate, _, length in SIZED if candidate is class_)
        return class_((value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1))


def moment(draw: Draw) -> datetime.datetime:
    zone = draw.one_of(None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=14, microseconds=-1)))
    since = datetime.timedelta(days=draw.number(3) % 3_652_058, microseconds=draw.number(5))
    with contextlib.suppress(OverflowError):
        return datetime.datetime(1, 1, 1, tzinfo=zone) + since
    return datetime.datetime.max.replace(tzinfo=zone)


def value(draw: Draw) -> Any:
    kind = draw.byte() % 24
    if kind < 2:
        return kind == 0
    if kind < 6:
        return number(draw, SIZED[kind - 2][0])
    if kind < 9:
        return integer(draw)
    if kind < 12:
        return draw.text()
    if kind < 14:
        return draw.sized()
    if kind == 14:
        return uuid.UUID(bytes=draw.bytes(16).ljust(16, b"\0"))
    if kind == 15:
        return moment(draw)
    if kind == 16:
        return "é" * (16_370 + draw.byte() % 20)
    if kind == 17:
        return bytes([draw.byte()]) * (32_750 + draw.byte() % 30)
    if kind == 18:
        return memoryview(draw.sized())[:: draw.one_of(1, 2, -1)]
    if kind == 19:
        return bytearray(draw.sized())
    if kind == 20:
        return Text(draw.text())
    if kind == 21:
        return Number(integer(draw))
    return draw.one_of(None, 1.5, (), [], {}, datetime.date(2026, 1, 1), object)


def name(draw: Draw) -> Any:
    kind = draw.byte() % 12
    if kind == 0:
        return draw.one_of(b"bytes", 1, None, ())
    if kind == 1:
        return draw.one_of("x", "é", "€") * (draw.byte() + 1)
    if kind == 2:
        return Text(draw.text())
    return draw.text()


def wire_header(name: str, value: Any) -> bytes:
    """One header's bytes, made without the project's code."""
    raw = str.encode(name)
    if isinstance(value, bool):
        return frames.header(raw, 0 if value else 1)
    if isinstance(value, int):
        for class_, type_, length in SIZED:
            if isinstance(value, class_):
                return frames.header(raw, type_, int.to_bytes(value, length, "big", signed=True))
        return frames.header(raw, 4, int.to_bytes(value, 4, "big", signed=True))
    if isinstance(value, uuid.UUID):
        return frames.header(raw, 9, value.bytes)
    if isinstance(value, datetime.datetime):
        since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return frames.header(raw, 8, struct.pack(">q", since // datetime.timedelta(milliseconds=1)))
    if isinstance(value, str):
        return frames.header(raw, 7, frames.sized(str.encode(value)))
    return frames.header(raw, 6, frames.sized(bytes(value)))


def drawn(data: bytes) -> tuple[dict[str, Any], tuple[int, int, int], Any, Any]:
    draw = Draw(data)
    moved = {
        limit: draw.one_of(None, default, default, default, draw.number(1)) for limit, default in frames.LIMITS.items()
    }
    into = draw.number(2) % 700, draw.number(1, signed=True), draw.byte()
    mapping = {name(draw): value(draw) for _ in range(draw.byte() % 8)}
    return moved, into, mapping, draw.one_of(bytes, bytearray, memoryview)(draw.rest())


def quick(data: bytes) -> None:
    moved, into, mapping, payload = drawn(data)
    wire = attempt(lambda: CODEC.encode(mapping, payload, **moved), *CALLER)
    written, buffer = encode_into(CODEC, mapping, payload, *into)
    if isinstance(wire, Fault):
        return
    assert wire == frames.frame(b"".join([wire_header(*pair) for pair in mapping.items()]), bytes(payload))
    if not isinstance(written, Fault) and into[2] % 4:  # with the payload that is given, and the default limits
        assert buffer[into[1] : into[1] + written] == wire
    decoded = CODEC.decode(wire, **frames.NO_LIMITS)
    assert decoded.encode() == wire
    assert CODEC.encode(dict(decoded.headers), decoded.payload, **frames.NO_LIMITS) == wire


def thorough(data: bytes) -> None:
    moved, into, mapping, payload = drawn(data)
    wire = agree("encode", lambda codec: codec.encode(mapping, payload, **moved), *CALLER)
    made = agree("Headers", lambda codec: codec.Headers(mapping).raw, *CALLER)
    agree("encode_into", lambda codec: encode_into(codec, mapping, payload, *into), *CALLER)
    if isinstance(made, Fault):
        assert isinstance(wire, Fault)
        return
    assert made == b"".join(wire_header(*pair) for pair in mapping.items())
    shown = agree("Message", lambda codec: seen(codec.Message(mapping, payload)))
    assert wire_of(shown) == frames.frame(made, bytes(payload))
    if not isinstance(wire, Fault):
        assert wire == wire_of(shown)
    round_trip(wire_of(shown))


def round_trip(wire: bytes) -> None:
    decoded = agree("decode", lambda codec: seen(codec.decode(wire, **frames.NO_LIMITS)))
    assert wire_of(decoded) == wire
    messages = [codec.decode(wire, **frames.NO_LIMITS) for codec in CODECS]
    first, last = messages[0], messages[-1]
    assert first.headers == last.headers
    assert dict(last.headers) == first.headers
    for message in messages:
        headers = dict(message.headers)
        assert type(message)(headers, message.payload) == message
        for again in (copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
            assert again.encode() == wire


def encode_into(codec: Any, mapping: Any, payload: Any, room: int, offset: int, inside: int) -> Any:
    """Return the result, and the buffer afterwards, in which nothing has changed but the message."""
    buffer = bytearray(range(256)) * 3
    del buffer[room:]
    source = memoryview(buffer)[inside : inside + 9] if inside % 4 == 0 else payload
    before = bytes(buffer)
    result = attempt(lambda: codec.encode_into(buffer, mapping, source, offset), *CALLER)
    if isinstance(result, Fault):
        assert buffer == before, "nothing is written on failure"
    else:
        assert buffer[:offset] + buffer[offset + result :] == before[:offset] + before[offset + result :]
    return result, bytes(buffer)
