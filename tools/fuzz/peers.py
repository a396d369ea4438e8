"""We do as documented, and each peer in Python does what its kinds of disagreement with us say, and nothing else."""

from __future__ import annotations

import reprlib
import struct
import uuid
import zlib
from typing import TYPE_CHECKING, Any

import frames
from peers.cases import CASES, LAST_MOMENT
from peers.kinds import predict
from peers.matrix import pinned, python_peers
from peers.outcomes import Message, shown
from peers.python import Ours

import eventstream
from eventstream import Byte, Long, Short, Timestamp
from fuzz.harness import Draw
from fuzz.roundtrip import integer, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peers.python import Codec

FIRST_MOMENT = -62_135_596_800_000
"""Milliseconds from 1970 back to the beginning of the year 1."""

WORDS = [b"\x07\x80\x00", *sorted({case.given[:12] for case in CASES if isinstance(case.given, bytes)})]


OURS = Ours("ours", eventstream)
INSTALLED = list(python_peers(pinned())[0].values())


def quick(data: bytes) -> None:
    met(data)


thorough = quick  # what the reference does the other targets compare


def met(data: bytes) -> frozenset[str]:
    """Return the kinds of disagreement that this input meets."""
    draw = Draw(data)
    make = draw.one_of(as_it_is, repaired, lying, block, headers, mapping)
    given = make(draw)
    return encoded(given, draw.rest()) if make is mapping else decoded(given)


# What is compared


def decoded(stream: bytes) -> frozenset[str]:
    ours = OURS.decode(stream)
    expected, none = predict("ours", stream)
    assert (ours, none) == (expected, frozenset()), finding("we are not as documented", stream, ours, expected)
    found = set()
    for peer in INSTALLED:
        theirs = peer.decode(stream)
        expected, kinds = predict(peer.name, stream)
        assert theirs == expected, finding(f"{peer.name} disagrees in another way", stream, theirs, expected, kinds)
        if not kinds:
            seen = tuple(Message(tuple(map(peer.view, message.headers)), message.payload) for message in ours.messages)
            assert (theirs.messages, theirs.fault) == (seen, ours.fault), finding(
                f"{peer.name} disagrees, in no way", stream
            )
            if not ours.end:
                agrees_in_encoding(peer, stream)
        found |= kinds
    return frozenset(found)


def agrees_in_encoding(peer: Codec, stream: bytes) -> None:
    """Check that what was decoded is encoded as we do it, if it can be said to the peer."""
    if peer.encodes:
        for message in eventstream.Decoder().feed(stream):
            given = dict(message.headers)
            if sayable(given):
                expected, kinds = predict(peer.name, given, bytes(message.payload))
                theirs = peer.encode(given, bytes(message.payload))
                assert theirs == expected, finding(f"{peer.name} disagrees in another way", given, theirs, expected)
                if not kinds and theirs.wire is not None:
                    assert theirs.wire == message.encode()


def finding(what: str, given: object, *more: object) -> str:
    return "\n".join(
        [what, shown(given) if isinstance(given, bytes) else reprlib.repr(given), *map(reprlib.repr, more)]
    )


def sayable(given: Mapping[str, Any]) -> bool:
    """Return what can be said to peers, which take timestamps as a datetime."""
    return all(FIRST_MOMENT <= value <= LAST_MOMENT for value in given.values() if isinstance(value, Timestamp))


def encoded(given: dict[str, Any], payload: bytes) -> frozenset[str]:
    ours = OURS.encode(given, payload)
    expected, none = predict("ours", given, payload)
    assert (ours, none) == (expected, frozenset()), finding("we are not as documented", given, ours, expected)
    found = set()
    for peer in INSTALLED:
        if peer.encodes:
            theirs = peer.encode(given, payload)
            expected, kinds = predict(peer.name, given, payload)
            assert theirs == expected, finding(f"{peer.name} disagrees in another way", given, theirs, expected, kinds)
            if not kinds:
                assert (theirs.wire, theirs.fault) == (ours.wire, ours.fault), finding(
                    f"{peer.name} disagrees, in no way", given
                )
            found |= kinds
    return frozenset(found)


# What is given


def as_it_is(draw: Draw) -> bytes:
    return draw.rest()


def repaired(draw: Draw) -> bytes:
    return frames.repaired(draw.rest())


def lying(draw: Draw) -> bytes:
    """Lengths of any size, and both checksums right, wherever those lengths say that they are."""
    total, headers_length = draw.number(draw.one_of(1, 1, 2, 4)), draw.number(draw.one_of(1, 1, 2, 4))
    stream = frames.prelude(total, headers_length) + draw.rest()
    if 16 <= total <= len(stream):
        stream = stream[: total - 4] + struct.pack(">I", zlib.crc32(stream[: total - 4])) + stream[total:]
    return stream


def block(draw: Draw) -> bytes:
    """Any header block, in a message, and what follows."""
    return frames.frame(draw.bytes(draw.number(2) % 600), draw.sized()) + draw.rest()


def headers(draw: Draw) -> bytes:
    """Headers that are nearly right."""
    parts = [some_header(draw) for _ in range(draw.byte() % 6)]
    return frames.frame(b"".join(parts)[: -draw.one_of(0, 0, 0, 1, 2, 9) or None], draw.sized()) + draw.rest()


def some_header(draw: Draw) -> bytes:
    name = draw.one_of(b"n", b"n", b":date", b"", "ü".encode(), b"\xff", b"x" * 200, draw.sized())
    type_ = draw.byte() % 11
    size = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.get(type_, 0)
    if type_ == 8:
        value = draw.one_of(LAST_MOMENT, FIRST_MOMENT, 0) + draw.number(draw.byte() % 8, signed=True)
        return frames.header(name, type_, struct.pack(">q", value))
    if type_ in (6, 7):
        raw = draw.one_of(b"", b"v" * 32_767, b"v" * 32_768, draw.sized(), draw.sized(), draw.sized())
        return frames.header(
            name, type_, frames.sized(raw, draw.one_of(None, None, None, len(raw) + 1, draw.number(2)))
        )
    return frames.header(name, type_, draw.bytes(size).ljust(size - draw.one_of(0, 0, 0, 1), b"\0"))


def mapping(draw: Draw) -> dict[str, Any]:
    """Headers to be encoded: no other types than those that all know."""
    return {name(draw): value(draw) for _ in range(draw.byte() % 6)}


def name(draw: Draw) -> str:
    return draw.one_of("", "é" * draw.byte(), draw.text(), draw.text())


def value(draw: Draw) -> Any:
    kind = draw.byte() % 12
    if kind == 0:
        return draw.one_of(True, False)
    if kind == 1:
        return uuid.UUID(bytes=draw.bytes(16).ljust(16, b"\0"))
    if kind == 2:
        return Timestamp(FIRST_MOMENT + draw.number(6) % (LAST_MOMENT - FIRST_MOMENT + 1))
    if kind == 3:
        return Timestamp(draw.number(draw.byte() % 6, signed=True))
    if kind == 4:
        return draw.one_of("v", "é") * (32_760 + draw.byte() % 10)
    if kind == 5:
        return b"v" * (32_760 + draw.byte() % 10)
    if kind < 8:
        return draw.text()
    if kind == 8:
        return draw.sized()
    return integer(draw) if kind == 9 else number(draw, draw.one_of(Byte, Short, Long))
