"""The oracle: two implementations that must agree, errors that must be documented, memory that must be bounded.

The documented errors of a call are named where it is made; any other goes through, and is the finding. Of an error of
the codec the class, the text and all attributes must agree, of Python's own the class.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from eventstream import CodecError, DecodeError, PreludeChecksumMismatch, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    T = TypeVar("T")


def _codecs() -> tuple[ModuleType, ...]:
    """Return the implementations to be compared; the native one is left out where it was not built or is not wanted."""
    names = ["eventstream._native"] if os.environ.get("EVENTSTREAM_PURE_PYTHON", "0") in ("", "0") else []
    found = []
    for name in (*names, "eventstream._reference"):
        with contextlib.suppress(ImportError):
            found.append(importlib.import_module(name))
    return tuple(found)


CODECS = _codecs()
CODEC: Any = CODECS[0]
"""The one under test; the others are its oracle."""

CALLER = (CodecError, TypeError, ValueError, BufferError)
"""What the codec may say of a caller's arguments."""


class Fault(NamedTuple):
    """What must be equal in two equal errors."""

    type: type[BaseException]
    args: tuple[Any, ...] = ()
    attributes: tuple[tuple[str, Any], ...] = ()


def attempt(call: Callable[[], T], *documented: type[Exception]) -> T | Fault:
    """Return what the call gives, or the documented error that it raises."""
    try:
        return call()
    except documented as error:
        if isinstance(error, (CodecError, ServiceError)):
            str(error), repr(error)
            return Fault(type(error), error.args, tuple(vars(error).items()))
        return Fault(type(error))


def same(results: list[T], what: str) -> T:
    """Return the result, which is the same in all implementations."""
    for codec, result in zip(CODECS, results, strict=True):
        if result != results[0]:
            shown = "\n".join(f"{codec.__name__}: {result!r}" for codec, result in zip(CODECS, results, strict=True))
            raise AssertionError(f"{what}: the implementations disagree\n{shown}")
    return results[0]


def agree(what: str, call: Callable[[ModuleType], T], *documented: type[Exception]) -> T | Fault:
    """Return what the call gives with each implementation, or its documented error: the same for all."""
    return same([attempt(lambda codec=codec: call(codec), *documented) for codec in CODECS], what)


_PROPERTIES = ("message_type", "event_type", "exception_type", "content_type", "error_code", "error_message")


def seen(message: Any) -> tuple[Any, ...]:
    """All that a message shows."""
    headers = message.headers
    return (
        message.encode(),
        headers.raw,
        [(name, value, type(value)) for name, value in headers.items()],
        hash(headers),
        hash(message),
        repr(headers),
        repr(message),
        bytes(message.payload),
        type(message.payload),
        [getattr(message, name) for name in _PROPERTIES],
        attempt(message.raise_for_error, ServiceError),
    )


def bytes_of(message: Any) -> bytes:
    """Return the least that a message shows, in the place of `seen`."""
    return message.encode()


def wire_of(seen_: tuple[Any, ...]) -> bytes:
    """Return the wire form of a message that was seen."""
    wire = seen_[0]
    assert type(wire) is bytes
    return wire


def read(codec: ModuleType, pieces: list[Any], documented: type[Exception], **options: Any) -> tuple[Any, ...]:
    """Feed the pieces and close: what the messages show, the error if there is one, the offset; and what was buffered.

    The last depends on the pieces, of which those behind a fault are not received.
    """
    decoder = codec.Decoder(**options)
    messages: list[tuple[Any, ...]] = []

    def run() -> None:
        for piece in pieces:
            messages.extend(map(seen, decoder.feed(piece)))
        decoder.close()

    fault = attempt(run, documented)
    return messages, fault, decoder.offset, decoder.buffered


def unsplit(outcome: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the messages, the error and the offset of `read`, without what depends on the pieces.

    That is how much had arrived of what is not a prelude, which the error shows.
    """
    messages, fault, offset = outcome[:3]
    if isinstance(fault, Fault) and fault.type is PreludeChecksumMismatch:
        attributes = dict(fault.attributes)
        return messages, Fault(fault.type, (), tuple(prelude_alone(attributes).items())), offset
    return messages, fault, offset


def prelude_alone(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an error as if no more than the prelude had arrived."""
    received = attributes.get("received")
    return attributes if received is None else {**attributes, "received": received[:12]}


def delivered(decoder: Any, pieces: Iterable[Any]) -> tuple[list[bytes], tuple[type, dict[str, Any]] | None]:
    """Return the wire forms of the messages, and the error's class and attributes: `read` in a hurry."""
    wires = []
    try:
        for piece in pieces:
            for message in decoder.feed(piece):
                wires.append(message.encode())  # noqa: PERF401 (those before a fault are kept)
        decoder.close()
    except DecodeError as error:
        return wires, (type(error), prelude_alone(error.__dict__))
    return wires, None


# Memory


@contextlib.contextmanager
def allocated() -> Iterator[Callable[[], int]]:
    """Yield what tells how many bytes were allocated in this context and are held still."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


SPARES = 2 * (20_480 + 64)
"""The bytes of the last two small payloads, which the codec as a whole keeps for reuse."""


def assert_bounded(held: int, pending: int) -> None:
    assert held <= 2 * pending + 4096 + SPARES, f"{held} bytes are held for {pending} bytes that are not delivered"


# What is drawn


class Draw:
    """Choices drawn from the fuzzer's bytes, from the front; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def __bool__(self) -> bool:
        return self.position < len(self.data)

    def bytes(self, length: int) -> bytes:
        taken = self.data[self.position : self.position + length]
        self.position += len(taken)
        return taken

    def rest(self) -> bytes:
        return self.bytes(len(self.data))

    def byte(self) -> int:
        return (self.bytes(1) or b"\0")[0]

    def number(self, length: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.bytes(length), "big", signed=signed)

    def sized(self) -> bytes:
        """As many bytes as the next one says."""
        return self.bytes(self.byte())

    def text(self, *, errors: str = "surrogatepass") -> str:
        """Return a text, perhaps with lone surrogates; what is not UTF-8 is taken for Latin-1."""
        raw = self.sized()
        try:
            return raw.decode("utf-8", errors)
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    def one_of(self, *choices: T) -> T:
        return choices[self.byte() % len(choices)]


def lines(data: bytes) -> list[tuple[str, str]]:
    """Names and values, as HTTP/1 writes headers; anything may stand in them, lone surrogates too."""
    pairs = (line.partition(":") if line[:1] != ":" else _pseudo(line) for line in _text(data).split("\n") if line)
    return [(name, value) for name, _, value in pairs]


def _pseudo(line: str) -> tuple[str, str, str]:
    name, colon, value = line[1:].partition(":")
    return ":" + name, colon, value


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def split_of(data: bytes) -> int:
    """Where to cut the data: any position, but for the same data the same."""
    return zlib.adler32(data) % (len(data) + 1)
