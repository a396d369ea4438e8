"""Whatever is called in whatever order, fed in whatever pieces: both decoders do the same, and deliver what was fed."""

from __future__ import annotations

import array
import collections
import itertools
from typing import TYPE_CHECKING, Any

import frames

from eventstream import DecodeError, StateError, TruncatedMessage
from fuzz.harness import CODEC, CODECS, Draw, Fault, allocated, assert_bounded, attempt, bytes_of, same, seen

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = (b"", frames.EVENT_BLOCK, frames.TEN_BLOCK, frames.string(":message-type", "exception"), b"\x01a\x00\x01a\x00")
CAPACITIES = (256, 1, 2, 13, 64, 1000)
LIMITS: tuple[dict[str, Any], ...] = ({}, frames.NO_LIMITS, {"max_headers_length": 64, "max_payload_length": 600})
MAX_STREAM = 100_000


class Calls:
    """The calls of one decoder, what they have in common with what was fed, and the trace of all that they gave.

    `look` gives what is to be equal in the messages of both implementations, and stay as it is.
    """

    def __init__(self, codec: Any, look: Callable[[Any], Any], trace: list[Any], options: dict[str, Any]) -> None:
        self.decoder = codec.Decoder(**options)
        self.look = look
        self.trace = trace
        self.fed = bytearray()
        self.delivered = 0
        self.kept: list[tuple[Any, Any]] = []
        self.dead: Fault | None = None
        self.closed = False

    def count(self, result: Any) -> None:
        offset, buffered = self.decoder.offset, self.decoder.buffered
        self.trace.append((result, offset, buffered))
        assert offset == self.delivered
        assert offset + buffered == len(self.fed)

    def feed(self, piece: Any, content: bytes | None) -> None:
        """Feed a piece; `content` is None for one that is refused."""
        result = attempt(lambda: self.decoder.feed(piece), TypeError, BufferError, StateError, DecodeError)
        if content is None:
            assert isinstance(result, Fault)
        elif self.dead is not None:
            assert result == self.dead, "a dead decoder raises an equal error"
        elif self.closed:
            assert result.type is StateError
        else:
            assert result is self.decoder
            result = None
            self.fed += content
        self.count(result)

    def next(self) -> bool:
        """Take a message; whether there was one."""
        message = attempt(self.decoder.__next__, DecodeError, StopIteration)
        if isinstance(message, Fault):
            if self.dead is not None:
                assert message == self.dead, "a dead decoder raises an equal error"
            elif message.type is not StopIteration:
                self.dead = message
            self.count(message)
            return False
        assert self.dead is None, "a dead decoder delivers nothing"
        wire = message.encode()
        assert self.fed.startswith(wire, self.delivered), "what is delivered is what was fed"
        self.delivered += len(wire)
        self.kept.append((message, self.look(message)))
        self.count(self.kept[-1][1])
        return True

    def close(self) -> None:
        result = attempt(self.decoder.close, DecodeError)
        if self.dead is not None:
            assert result == self.dead, "a dead decoder raises an equal error"
        elif self.closed:
            assert result is None, "a second call does nothing"
        else:
            assert result is None or result.type is TruncatedMessage
        self.closed = True
        self.count(result)

    def check_kept(self) -> None:
        for message, shown in self.kept:
            assert self.look(message) == shown, "a message has changed after it was delivered"


def piece_of(content: bytes, kind: int) -> tuple[Any, bytes | None]:
    """Return the content in a buffer of some kind, and the bytes that are in that."""
    if kind == 1:
        return bytearray(content), content
    if kind == 2:
        return memoryview(content), content
    if kind == 3:  # a part of a larger block, which is not worth keeping
        return memoryview(b"front" + content + bytes(len(content) * 2))[5 : 5 + len(content)], content
    if kind == 4:  # a part that is
        return memoryview(b"front" + content)[5:], content
    if kind == 5:
        return memoryview(bytearray(content)), content
    if kind == 6 and len(content) % 4 == 0:
        return array.array("I", content), content
    if kind == 7:
        return (memoryview(content)[::2], None) if len(content) > 2 else ("text", None)
    if kind == 8:
        view = memoryview(content)
        view.release()
        return view, None
    if kind == 9:
        return None, None
    return content, content


def arrive(draw: Draw) -> bytes:
    """Return the next bytes of the stream: mostly whole frames with right CRCs."""
    kind = draw.byte() % 8
    if kind == 0:
        return draw.sized()
    if kind == 1:
        return frames.prelude(draw.number(draw.one_of(1, 2, 3, 4)), draw.number(draw.one_of(1, 2, 4)))
    if kind == 2:
        return frames.frame(draw.sized(), draw.sized())
    if kind == 3:
        return frames.frame(draw.one_of(*BLOCKS), bytes([draw.byte()]) * (draw.byte() * 200))
    if kind == 4:
        return frames.frame(draw.one_of(*BLOCKS), message_crc=draw.number(1))
    return frames.frame(draw.one_of(*BLOCKS), draw.sized())


def quick(data: bytes) -> None:
    trace(data, CODEC, bytes_of)


def thorough(data: bytes) -> None:
    for step in zip(*(trace(data, codec, seen) for codec in CODECS), strict=True):
        same(list(step), "a call")
    check_memory(Draw(data))


def check_memory(draw: Draw) -> None:
    """Feed messages in pieces, keep nothing else, and see after each piece what the decoder holds."""
    lengths = [draw.number(2) % 20_000 for _ in range(draw.byte() % 8)]
    stream = b"".join(frames.frame(b"", bytes(length)) for length in lengths)
    with allocated() as held:
        decoder = CODEC.Decoder()
        end = 0
        while draw and end < len(stream):
            start, end = end, end + draw.number(draw.one_of(1, 2))
            decoder.feed(stream[start:end])
            assert_bounded(held(), decoder.buffered)
            collections.deque(itertools.islice(decoder, draw.one_of(0, 1, 1, None)), maxlen=0)


def trace(data: bytes, codec: Any, look: Callable[[Any], Any]) -> list[Any]:
    """Return what the calls gave that are drawn from the data, with one decoder after the other."""
    draw = Draw(data)
    gave: list[Any] = []
    set_first_capacity = getattr(codec, "_set_first_capacity", lambda _: None)  # the reference has none
    try:
        while draw:
            set_first_capacity(draw.one_of(*CAPACITIES))
            call(draw, Calls(codec, look, gave, {**draw.one_of(*LIMITS), "copy": draw.byte() % 2 == 0}))
    finally:
        set_first_capacity(CAPACITIES[0])
    return gave


def call(draw: Draw, calls: Calls) -> None:
    """Do what is drawn up to the end of this decoder."""
    coming = b""
    given: list[bytearray] = []
    while draw:
        choice = draw.byte() % 16
        if choice < 5:
            coming = (coming + arrive(draw))[:MAX_STREAM]
        elif choice < 9:
            length = len(coming) if choice == 8 else draw.number(2 if choice == 7 else 1)
            content, coming = coming[:length], coming[length:]
            piece, taken = piece_of(content, draw.byte() % 12)
            calls.feed(piece, taken)
            if isinstance(piece, bytearray):
                given.append(piece)
        elif choice < 11:
            calls.next()
        elif choice < 13:
            while calls.next():
                pass
        elif choice == 13:
            calls.close()
        elif choice == 14:
            for buffer in given:  # nothing holds on to what was copied
                buffer[:] = b"\xaa" * len(buffer)
                buffer.clear()
            given.clear()
            calls.check_kept()
        else:
            break
    while calls.next():
        pass
    calls.close()
    calls.check_kept()
