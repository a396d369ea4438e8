"""Any bytes give the same messages and the same `DecodeError` in both implementations, however they are split."""

from __future__ import annotations

import frames

import eventstream
from eventstream import DecodeError
from fuzz.harness import (
    CODEC,
    agree,
    allocated,
    assert_bounded,
    attempt,
    delivered,
    read,
    seen,
    split_of,
    unsplit,
    wire_of,
)

WORDS = [frames.EMPTY_FRAME, frames.EMPTY_FRAME[:12], frames.TEN_FRAME[:12], b"\0\0\0\x10\0\0\0\0"]


def quick(data: bytes) -> None:
    cut = split_of(data)
    whole = CODEC.Decoder(copy=False)
    split = CODEC.Decoder()
    wires, fault = delivered(whole, (data,))
    assert (wires, fault) == delivered(split, (data[:cut], data[cut:])), "the split makes a difference"
    offset = whole.offset
    assert offset == split.offset
    assert b"".join(wires) == data[:offset], "what was delivered encodes to the same bytes"
    assert (fault is None) == (offset == len(data)), "all bytes are accounted for"


def thorough(data: bytes) -> None:
    one = agree("decode", lambda codec: seen(codec.decode(data)), DecodeError)
    whole = agree("fed whole", lambda codec: read(codec, [data], DecodeError))[:3]
    cut = split_of(data)
    for pieces in ([data[:cut], data[cut:]], [*frames.byte_by_byte(data[:20]), data[20:]]):
        split = agree("fed in pieces", lambda codec, pieces=pieces: read(codec, pieces, DecodeError))
        assert unsplit(split) == unsplit(whole), "the split makes a difference"
    messages, fault, offset = whole
    assert b"".join(map(wire_of, messages)) == data[:offset], "what was delivered encodes to the same bytes"
    assert (fault is None) == (offset == len(data)), "all bytes are accounted for"
    if fault is None and len(messages) == 1:
        assert one == messages[0]
    found = []
    attempt(lambda: found.extend(map(seen, eventstream.iter_messages(data))), DecodeError)
    assert found == messages, "iter_messages"
    with allocated() as held:
        decoder = CODEC.Decoder().feed(data[:cut]).feed(data[cut:])
        assert_bounded(held(), decoder.buffered)
