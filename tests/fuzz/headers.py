"""A header block in a frame with right CRCs is accepted and encodes to the same bytes, or its fault is named, alike."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import frames

from eventstream import DecodeError, InvalidHeader
from fuzz.harness import Draw, Fault, agree, read, repaired, seen, split_of, wire_of

if TYPE_CHECKING:
    from collections.abc import Callable


def check(data: bytes) -> None:
    one = agree("decode", lambda codec: seen(codec.decode(data)), DecodeError)
    cut = split_of(data)
    for copy in (True, False):
        pieces = [data, data] if copy else [data[:cut], data[cut:] + data]  # again: from the cache of header blocks
        stream = agree("a decoder", lambda codec, c=copy, p=pieces: read(codec, p, DecodeError, copy=c))
        if isinstance(one, tuple) and not isinstance(one, Fault):
            assert [message[0] for message in stream[0]] == [data, data]
    if isinstance(one, Fault):
        offset = dict(one.attributes)["offset"]
        if issubclass(one.type, InvalidHeader):
            assert 12 <= offset < 12 + struct.unpack(">I", data[4:8])[0], "the fault lies in the header block"
        return
    assert wire_of(one) == data
    headers = agree("headers", lambda codec: dict(codec.decode(data).headers))
    again = agree("encode", lambda codec: codec.encode(headers, codec.decode(data).payload, **frames.NO_LIMITS))
    assert again == data, "the headers encode to the bytes that they came in"


# The mutator


def mutate(data: bytes, max_size: int, seed: int, change: Callable[[bytes, int], bytes]) -> bytes:
    """Another block in a whole frame; sometimes lengths that lie, with CRCs that do not."""
    rng = random.Random(seed)
    if len(data) < 16:
        return frames.frame(data[: max_size - 16])
    if rng.random() < 0.1:
        return repaired(change(data, max_size))
    length = min(struct.unpack(">I", data[4:8])[0], len(data) - 16)
    block, payload = data[12 : 12 + length], data[12 + length : -4]
    choice = rng.randrange(8)
    if choice == 0:
        payload = change(payload, max(max_size - 16 - len(block), 1))
    elif choice == 1:
        block = changed_header(rng, block)
    elif choice == 2:
        block += new_header(rng)
    elif choice == 3 and block:
        block = block[: rng.randrange(len(block))]
    else:
        block = change(block, max(max_size - 16 - len(payload), 1))
    return frames.frame(block, payload)[:max_size] if len(block) + len(payload) + 16 <= max_size else data


def new_header(rng: random.Random) -> bytes:
    """A header of any type, its length often the wrong one by a little."""
    type_ = rng.choice([*range(11), 255])
    size = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.get(type_, rng.choice([0, 1, 5, 127]))
    value = rng.randbytes(max(size + rng.choice([0, 0, 0, 0, -1, 1]), 0))
    if type_ in (6, 7):
        value = frames.sized(rng.choice([value, b"text", "é".encode()]), rng.choice([None, None, 0, 32_768, 65_535]))
    name = rng.choice([b"n", b":date", "ü".encode(), b"\xff", b"x" * 127, b"x" * 255, b":event-type", b""])
    return frames.header(name, type_, value)


def changed_header(rng: random.Random, block: bytes) -> bytes:
    """One header of the block twice, left out, or of another type."""
    starts = [0]
    draw = Draw(block)
    while draw:
        draw.sized()
        type_ = draw.byte()
        draw.bytes(draw.number(2) if type_ in (6, 7) else {2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.get(type_, 0))
        starts.append(draw.position)
    which = rng.randrange(len(starts) - 1) if len(starts) > 1 else 0
    start, end = starts[which], starts[min(which + 1, len(starts) - 1)]
    header = block[start:end]
    choice = rng.randrange(3)
    if choice == 0:
        return block[:start] + block[end:]
    if choice == 1:
        return block + header
    name = header[:1] + header[1 : 1 + (header or b"\0")[0]]
    return block[:start] + name + bytes([rng.randrange(12)]) + header[len(name) + 1 :] + block[end:]
