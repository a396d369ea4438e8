"""What is salvaged from any bytes is valid, in order and all there is; one changed byte costs one message at most."""

from __future__ import annotations

import struct
from typing import Any

import frames

from eventstream import CodecError, Gap, _salvage, salvage
from fuzz.harness import CODEC, Draw, agree, seen

FRAMES = (frames.EMPTY_FRAME, frames.TEN_FRAME, frames.EVENT_FRAME, frames.TAIL_FRAME)
WORDS = [
    *FRAMES,
    frames.prelude(16, 0),
    frames.prelude(28, 0),
    frames.prelude(24 << 20, 0),
    frames.prelude(2**32 - 1, 0),
]
PRIMITIVES = ("crc32_combine", "decoder_at", "find_prelude")


def parts_of(codec: Any, data: bytes) -> list[Any]:
    """Return what is salvaged with the primitives of that implementation."""
    kept = {name: getattr(_salvage, name) for name in PRIMITIVES}
    try:
        for name in PRIMITIVES:
            setattr(_salvage, name, getattr(codec, name))
        return list(salvage(data))
    finally:
        for name, primitive in kept.items():
            setattr(_salvage, name, primitive)


def check_cover(data: bytes, parts: list[Any]) -> None:
    position = 0
    for part in parts:
        if isinstance(part, Gap):
            assert part.offset == position
            assert part.length > 0
            assert isinstance(part.error, CodecError)
            gap = data[position : position + part.length]
            for message in part.nested:
                assert message.encode() in gap, "what is nested in a gap lies inside it"
            position += part.length
        else:
            wire = part.encode()
            assert data[position : position + len(wire)] == wire, "a message is a part of the input"
            assert frames.repaired(wire) == wire, "its checksums hold"
            position += len(wire)
    assert position == len(data), "all bytes are accounted for"


def wrapped(frame: bytes) -> bytes:
    return frames.frame(frames.header("s", 6, frames.sized(b"\xa5" * 32)), frame)


def drawn(data: bytes) -> tuple[bytes, list[bytes] | None]:
    """Return the input; and if it is a stream with one byte changed, the messages that must come out at least."""
    draw = Draw(data)
    kind = draw.byte()
    if kind % 4 == 0:
        return draw.rest(), None
    stream = [draw.one_of(*FRAMES, *map(wrapped, FRAMES)) for _ in range(draw.byte() % 8 + 1)]
    whole = bytearray(b"".join(stream))
    if kind % 4 == 1:
        at, change = draw.number(2) % len(whole), draw.byte()
        whole[at] ^= change
        ends = [len(b"".join(stream[: count + 1])) for count in range(len(stream))]
        damaged = next(index for index, end in enumerate(ends) if at < end)
        return bytes(whole), stream if not change else stream[:damaged] + stream[damaged + 1 :]
    while draw:
        at, length = draw.number(2) % (len(whole) + 1), draw.byte()
        promise = frames.prelude(draw.number(4), draw.byte())
        whole[at : at + length] = draw.one_of(b"", promise, draw.sized(), bytes(whole[:at]))[:4096]
    return bytes(whole), None


def quick(data: bytes) -> None:
    stream, expected = drawn(data)
    parts = parts_of(CODEC, stream)
    check_cover(stream, parts)
    if expected is not None:
        messages = [part.encode() for part in parts if not isinstance(part, Gap)]
        assert messages == expected, "one changed byte costs one message"


def shown(part: Any) -> Any:
    if not isinstance(part, Gap):
        return seen(part)
    error = type(part.error), part.error.args, tuple(vars(part.error).items())
    return part.offset, part.length, error, [seen(message) for message in part.nested]


def thorough(data: bytes) -> None:
    stream, _ = drawn(data)
    agree("salvage", lambda codec: [shown(part) for part in parts_of(codec, stream)])
    for start in range(min(len(stream), 40)):
        agree("find_prelude", lambda codec, start=start: codec.find_prelude(stream, start, start + 20))
    if len(stream) >= 9:
        first, second, length = struct.unpack_from(">IIB", stream)
        agree("crc32_combine", lambda codec: codec.crc32_combine(first, second, length))
