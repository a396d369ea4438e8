"""Whatever is called in whatever order, fed in whatever pieces: both decoders do the same, and deliver what was fed."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import frames

from eventstream import DecodeError, StateError, TruncatedMessage
from fuzz.harness import CODECS, Draw, Fault, attempt, same, seen, wire_of

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = (b"", frames.EVENT_BLOCK, frames.TEN_BLOCK, frames.string(":message-type", "exception"), b"\x01a\x00\x01a\x00")
CAPACITIES = (256, 1, 2, 13, 64, 1000)
LIMITS: tuple[dict[str, Any], ...] = ({}, frames.NO_LIMITS, {"max_headers_length": 64, "max_payload_length": 600})
MAX_CALLS = 100
MAX_STREAM = 100_000


class Pair:
    """A decoder of each implementation, called together, and what their calls have in common with what was fed."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.decoders = [codec.Decoder(**options) for codec in CODECS]
        self.fed = bytearray()
        self.delivered = bytearray()
        self.kept: list[tuple[Any, tuple[Any, ...]]] = []
        self.dead: Fault | None = None
        self.closed = False

    def call(self, what: str, call: Callable[[Any], Any], *documented: type[Exception]) -> Any:
        result = same([attempt(lambda d=decoder: call(d), *documented) for decoder in self.decoders], what)
        offset, buffered = same([(decoder.offset, decoder.buffered) for decoder in self.decoders], what)
        assert offset == len(self.delivered), what
        return result, offset + buffered

    def feed(self, piece: Any, content: bytes | None) -> None:
        """Feed a piece; `content` is None for one that is refused."""
        documented = (TypeError, BufferError, StateError, DecodeError)
        result, received = self.call("feed", lambda decoder: decoder.feed(piece) is decoder, *documented)
        if content is None:
            assert isinstance(result, Fault)
        elif self.dead is not None:
            assert result == self.dead, "a dead decoder raises an equal error"
        elif self.closed:
            assert result.type is StateError
        else:
            assert result is True
            self.fed += content
        assert received == len(self.fed)

    def next(self) -> bool:
        """Take a message; whether there was one."""
        results = []
        for decoder in self.decoders:
            message = attempt(lambda d=decoder: next(d), DecodeError, StopIteration)
            results.append(message if isinstance(message, Fault) else seen(message))
            if not isinstance(message, Fault):
                self.kept.append((message, results[-1]))
        result = same(results, "next")
        if isinstance(result, Fault):
            if self.dead is not None:
                assert result == self.dead, "a dead decoder raises an equal error"
            elif result.type is not StopIteration:
                self.dead = result
            return False
        assert self.dead is None, "a dead decoder delivers nothing"
        self.delivered += wire_of(result)
        assert self.fed.startswith(self.delivered), "what is delivered is what was fed"
        return True

    def close(self) -> None:
        result, received = self.call("close", lambda decoder: decoder.close(), DecodeError)
        if self.dead is not None:
            assert result == self.dead, "a dead decoder raises an equal error"
        elif self.closed:
            assert result is None, "a second call does nothing"
        else:
            assert result is None or result.type is TruncatedMessage
        self.closed = True
        assert received == len(self.fed)

    def check_kept(self) -> None:
        for message, shown in self.kept:
            assert seen(message) == shown, "a message has changed after it was delivered"


def piece_of(content: bytes, kind: int) -> tuple[Any, bytes | None]:
    """The content in a buffer of some kind, and the bytes that are in that."""
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
    """The next bytes of the stream: mostly whole frames with right CRCs."""
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


def check(data: bytes) -> None:
    try:
        run(Draw(data))
    finally:
        set_first_capacity(CAPACITIES[0])


def set_first_capacity(capacity: int) -> None:
    for codec in CODECS:
        if hasattr(codec, "_set_first_capacity"):
            codec._set_first_capacity(capacity)


def begin(draw: Draw) -> Pair:
    set_first_capacity(draw.one_of(*CAPACITIES))
    return Pair({**draw.one_of(*LIMITS), "copy": draw.byte() % 2 == 0})


def run(draw: Draw) -> None:
    pair = begin(draw)
    coming = b""
    given: list[bytearray] = []
    for _ in range(MAX_CALLS):
        if not draw:
            break
        choice = draw.byte() % 16
        if choice < 5:
            coming = (coming + arrive(draw))[:MAX_STREAM]
        elif choice < 9:
            length = len(coming) if choice == 8 else draw.number(2 if choice == 7 else 1)
            content, coming = coming[:length], coming[length:]
            piece, taken = piece_of(content, draw.byte() % 12)
            pair.feed(piece, taken)
            if isinstance(piece, bytearray):
                given.append(piece)
        elif choice < 11:
            pair.next()
        elif choice < 13:
            while pair.next():
                pass
        elif choice == 13:
            pair.close()
        elif choice == 14:
            for buffer in given:  # nothing holds on to what was copied
                buffer[:] = b"\xaa" * len(buffer)
                buffer.clear()
            given.clear()
            pair.check_kept()
        else:
            pair.check_kept()
            pair, coming = begin(draw), b""
    while pair.next():
        pass
    pair.close()
    pair.check_kept()
