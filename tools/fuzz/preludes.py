"""A prelude with a valid CRC is judged by its two lengths and the limits alone, at byte 12, and costs no memory."""

from __future__ import annotations

import collections
import contextlib
import struct
import zlib
from typing import Any

import frames

from eventstream import DecodeError, DecodeLimitExceeded, InvalidLength, TruncatedMessage
from fuzz.harness import (
    CODEC,
    Draw,
    Fault,
    agree,
    allocated,
    assert_bounded,
    delivered,
    read,
    split_of,
    unsplit,
    wire_of,
)

MAX = 2**32 - 1
LIMITS: tuple[dict[str, Any], ...] = (
    {},
    frames.NO_LIMITS,
    {"max_headers_length": 0, "max_payload_length": 0},
    {"max_headers_length": 20, "max_payload_length": None},
    {"max_headers_length": None, "max_payload_length": 20},
)
WORDS = [struct.pack(">I", length) for length in (0, 12, 15, 16, 17, 24, 131_072, 131_073, 25_165_824, 2**31, MAX)]


def expected(total: int, headers: int, options: dict[str, Any]) -> Fault | None:
    """Return the error of the prelude, made here from the specification; only its class and numbers."""
    limits = [options.get(name, default) for name, default in frames.LIMITS.items()]
    max_headers, max_payload = (MAX if limit is None else limit for limit in limits)
    if total < 16 or headers > total - 16:
        return Fault(InvalidLength, (total, headers))
    if headers > max_headers:
        return Fault(DecodeLimitExceeded, ("headers", headers, max_headers))
    if total - headers - 16 > max_payload:
        return Fault(DecodeLimitExceeded, ("payload", total - headers - 16, max_payload))
    return None


def stream_of(total: int, headers: int, rest: bytes) -> bytes:
    """Return a prelude with these lengths, and what follows; of a whole message the CRC is made right."""
    stream = frames.prelude(total, headers) + rest
    if 16 <= total <= len(stream):
        body = stream[: total - 4]
        stream = body + struct.pack(">I", zlib.crc32(body)) + stream[total:]
    return stream


def drawn(data: bytes) -> tuple[dict[str, Any], bytes, Fault | None]:
    draw = Draw(data)
    options = draw.one_of(*LIMITS)
    total, headers = draw.number(4), draw.number(4)
    return options, stream_of(total, headers, draw.rest()), expected(total, headers, options)


def quick(data: bytes) -> None:
    options, stream, fault = drawn(data)
    cut = split_of(stream)
    decoder = CODEC.Decoder(**options)
    whole = delivered(decoder, (stream,))
    if fault is not None:
        seen_at_12 = delivered(CODEC.Decoder(**options), (stream[: min(cut, 12)], stream[min(cut, 12) : 12]))
        assert whole == seen_at_12, "the fault of a prelude, seen at byte 12"
        wires, error = whole
        assert not wires
        assert error is not None
        assert Fault(error[0], tuple(error[1].values())[1:]) == fault
        return
    assert delivered(CODEC.Decoder(**options), (stream[:cut], stream[cut:])) == whole, "the split makes a difference"
    wires, error = whole
    offset = decoder.offset
    assert b"".join(wires) == stream[:offset], "what was delivered encodes to the same bytes"
    assert (error is None) == (offset == len(stream)), "all bytes are accounted for"


def thorough(data: bytes) -> None:
    options, stream, fault = drawn(data)
    if fault is not None:
        seen_at_12 = agree("next", lambda codec: next(codec.Decoder(**options).feed(stream[:12])), DecodeError)
        attributes = dict(seen_at_12.attributes)
        assert attributes.pop("offset") == 0
        assert Fault(seen_at_12.type, tuple(attributes.values())) == fault, "the fault of a prelude, seen at byte 12"
    whole = agree("fed whole", lambda codec: read(codec, [stream], DecodeError, **options))[:3]
    for cut in (12, 12 + split_of(stream[12:]), split_of(stream)):
        pieces = [stream[:cut], stream[cut:]]
        split = agree("split", lambda codec, pieces=pieces: read(codec, pieces, DecodeError, **options))
        assert unsplit(split) == unsplit(whole), "the split makes a difference"
    messages, error, _ = whole
    assert b"".join(map(wire_of, messages)) == stream[: sum(len(wire_of(message)) for message in messages)]
    if fault is not None:
        assert not messages
    elif struct.unpack_from(">I", stream)[0] > len(stream):
        assert error is not None
        assert error.type is TruncatedMessage
    pieces = [stream[:5], stream[5:12], stream[12:]]
    with allocated() as held:
        decoder = CODEC.Decoder(**options)
        for piece in pieces:
            with contextlib.suppress(DecodeError):
                collections.deque(decoder.feed(piece), maxlen=0)
        assert_bounded(held(), len(stream))  # and not what it declares
