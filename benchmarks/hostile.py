"""``python -m benchmarks.hostile``: what the dearest bytes cost that a sender can choose; twice as many cost twice.

Each shape is a stream, a header block, a document or a list of HTTP headers made to be slow: as many pieces as its
bytes allow, faults as late as possible, caches that never hit, what invites to scan again what was scanned before. Each
is run at `LENGTH` bytes, twice and four times that, all limits lifted; the sizes take turns, with a `zlib.crc32` of as
many bytes as the floor, and the fastest of all rounds counts, since noise only adds. The collector of cycles is off: it
would add what depends on all that the program holds. A growth above `MAX_GROWTH` that three attempts confirm makes the
exit status 1: what is quadratic grows by 4, and noise does not do that to the fastest of so many rounds.

`EVENTSTREAM_PURE_PYTHON=1` runs the reference. The names of shapes as arguments run these alone.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import itertools
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import eventstream
from eventstream import CodecError, Decoder, Headers, Message, ServiceError, Timestamp
from eventstream.signing import Credentials, EventSigner, EventVerifier, sign_request, verify_request
from eventstream.transcribe import (
    InvalidEvent,
    InvalidRequest,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    TranscribeError,
)
from eventstream.transcribe.model import TRANSCRIPT_EVENT_HEADERS, event_from_message

LENGTH = 65_536
ROUNDS = 7
MAX_GROWTH = 3.2
ATTEMPTS = 3
NO_LIMITS: dict[str, Any] = {"max_headers_length": None, "max_payload_length": None}

Work = Callable[[], object]
SHAPES: dict[str, Callable[[int], Work]] = {}
"""By name, what makes the work on about this many bytes."""


def shape(name: str) -> Callable[[Callable[[int], Work]], Callable[[int], Work]]:
    def register(make: Callable[[int], Work]) -> Callable[[int], Work]:
        SHAPES[name] = make
        return make

    return register


def filled(length: int, parts: Iterable[bytes]) -> bytes:
    """As many of the parts as that length takes."""
    taken = bytearray()
    for part in parts:
        taken += part
        if len(taken) >= length:
            break
    return bytes(taken)


# Frames and blocks, built by hand


def frame(block: bytes = b"", payload: bytes = b"", message_crc: int | None = None) -> bytes:
    head = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = head + struct.pack(">I", zlib.crc32(head)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body) if message_crc is None else message_crc)


def names() -> Iterator[bytes]:
    """Distinct names, the shortest first."""
    letters = [bytes([byte]) for byte in range(128)]
    for size in itertools.count(1):
        yield from map(b"".join, itertools.product(letters, repeat=size))


def header(name: bytes, type_: int = 0, value: bytes = b"") -> bytes:
    return bytes([len(name)]) + name + bytes([type_]) + value


def small_headers(length: int) -> bytes:
    """As many headers as fit: three to five bytes each."""
    return filled(length, map(header, names()))


def alike_headers(length: int) -> bytes:
    """Names of 255 bytes that differ at their ends only, so that each is compared with the first ones to the end."""
    return filled(length, (header(b"%0255d" % i) for i in itertools.count()))


def text(length: int, last: bytes = b"") -> bytes:
    value = ("€" * 20_000).encode() + last
    one = struct.pack(">H", len(value)) + value
    return filled(length, (header(b"%d" % i, 7, one) for i in itertools.count()))


# What is done with them


def tried(call: Callable[[], object]) -> Work:
    """Return what the call gives, which the bytes may make fail, as documented."""

    def work() -> object:
        with contextlib.suppress(CodecError, InvalidEvent, InvalidRequest, ServiceError):
            return call()
        return None

    return work


def decoded(wire: bytes) -> Work:
    return tried(lambda: eventstream.decode(wire, **NO_LIMITS))


def drained(messages: Iterable[Message]) -> None:
    collections.deque(messages, maxlen=0)


def streamed(pieces: list[bytes], *, at_once: bool = False, copy: bool = True) -> Work:
    """Feed the pieces, taking the messages after each, or only after the last."""

    def call() -> None:
        decoder = Decoder(copy=copy, **NO_LIMITS)
        for piece in pieces:
            if at_once:
                decoder.feed(piece)
            else:
                drained(decoder.feed(piece))
        drained(decoder)
        decoder.close()

    return tried(call)


def cut(stream: bytes, *sizes: int) -> list[bytes]:
    """Return the stream in pieces of these sizes, over and over."""
    pieces = []
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(stream):
            return pieces
        pieces.append(stream[start : start + size])
        start += size
    raise AssertionError


for _name, _make in {
    "smallest headers": small_headers,
    "smallest headers, the last a duplicate": lambda n: small_headers(n) + header(b"\0"),
    "smallest headers, the last of an unknown type": lambda n: small_headers(n) + header(b"last", 10),
    "smallest headers, the last cut short": lambda n: small_headers(n) + header(b"last", 9, bytes(15)),
    "names alike but for the end": alike_headers,
    "text outside ASCII": text,
    "text, not UTF-8 at the end": lambda n: text(n) + text(1, b"\xff"),
}.items():
    SHAPES[_name] = lambda n, make=_make: decoded(frame(make(n)))


@shape("smallest headers, looked at in every way")
def _looked_at(n: int) -> Work:
    wire = frame(small_headers(n))

    def work() -> object:
        message = eventstream.decode(wire, **NO_LIMITS)
        found = message.event_type, message.error_code, message.content_type
        return found, repr(message), hash(message), message == eventstream.decode(wire, **NO_LIMITS)

    return work


@shape("smallest headers, encoded")
def _encoded(n: int) -> Work:
    headers = dict(eventstream.decode(frame(small_headers(n)), **NO_LIMITS).headers)
    return lambda: Headers(headers)


@shape("empty messages")
def _empty(n: int) -> Work:
    return streamed([frame() * (n // 16)])


@shape("empty messages, views")
def _views(n: int) -> Work:
    return streamed([frame() * (n // 16)], copy=False)


@shape("empty messages, unread until the end")
def _unread(n: int) -> Work:
    return streamed(cut(frame() * (n // 16), 16), at_once=True)


@shape("empty messages, cut in every prelude")
def _cut_preludes(n: int) -> Work:
    return streamed(cut(frame() * (n // 16), 11, 5))


@shape("empty messages, unread, then closed")
def _closed(n: int) -> Work:
    stream = frame() * (n // 16) + b"\0"
    return tried(lambda: Decoder().feed(stream[:5]).feed(stream[5:]).close())


@shape("one message taken for each fed, behind a backlog")
def _backlog(n: int) -> Work:
    stream = frame() * (n // 16)
    piece = frame()

    def work() -> None:
        decoder = Decoder().feed(stream[:5]).feed(stream[5:])
        for _ in range(n // 16):
            next(decoder.feed(piece))

    return work


@shape("header blocks that no cache holds")
def _no_cache(n: int) -> Work:
    return streamed([filled(n, (frame(header(b"%09d" % i)) for i in itertools.count()))])


@shape("header blocks that look the same to the cache")
def _thrashed(n: int) -> Work:
    value = bytearray(900)
    blocks = []
    for i in range(9):  # one more than it holds; they differ in a byte that its key leaves out
        value[300] = i
        blocks.append(frame(header(b"n", 6, struct.pack(">H", len(value)) + value)))
    return streamed([filled(n, itertools.cycle(blocks))])


def prelude(total_length: int) -> bytes:
    lengths = struct.pack(">II", total_length, 0)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def salvaged(data: bytes) -> Work:
    return lambda: collections.deque(eventstream.salvage(data), maxlen=0)


for _name, _make in {
    "salvage: zeros": bytes,
    "salvage: preludes that promise all the rest": lambda n: prelude(n // 2) * (n // 24) + bytes(n // 2),
    "salvage: such preludes, and a message behind each": lambda n: (
        (prelude(n // 2) + frame()) * (n // 56) + bytes(n // 2)
    ),
    "salvage: preludes that lead from one to the next": lambda n: prelude(24) * (n // 12),
    "salvage: messages with wrong checksums": lambda n: frame(message_crc=1) * (n // 16),
}.items():
    SHAPES[_name] = lambda n, make=_make: salvaged(make(n))


@shape("a large message, byte by byte")
def _byte_by_byte(n: int) -> Work:
    return streamed(cut(frame(b"", bytes(n)), 1))


@shape("a large message, byte by byte, read at the end")
def _byte_by_byte_at_once(n: int) -> Work:
    return streamed(cut(frame(b"", bytes(n)), 1), at_once=True)


@shape("large headers, byte by byte")
def _headers_byte_by_byte(n: int) -> Work:
    return streamed(cut(frame(small_headers(n)), 1))


@shape("a large message in pieces of 1 and 1000 bytes")
def _uneven(n: int) -> Work:
    return streamed(cut(frame(b"", bytes(n)), 1, 1000))


@shape("a large message, its checksum wrong")
def _wrong_checksum(n: int) -> Work:
    return streamed(cut(frame(b"", bytes(n), message_crc=0), 1000))


@shape("a prelude that declares 4 GiB, then byte by byte")
def _declared(n: int) -> Work:
    return streamed([prelude(2**32 - 1), *cut(bytes(n), 1)])


@shape("byte by byte into a dead decoder")
def _dead(n: int) -> Work:
    pieces = cut(bytes(n), 1)

    def work() -> None:
        decoder = Decoder()
        with contextlib.suppress(CodecError):
            drained(decoder.feed(bytes(12)))
        for piece in pieces:
            with contextlib.suppress(CodecError):
                decoder.feed(piece)

    return work


# Signatures

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
CREDENTIALS = Credentials("AKIDEXAMPLE", "secret")
SCOPE = "us-east-1", "transcribe"


def clock() -> datetime:
    return NOW


@shape("signed events, as small as they can be")
def _signed(n: int) -> Work:
    signer = EventSigner(CREDENTIALS, *SCOPE, bytes(32), clock=clock)
    messages = [eventstream.decode(signer.sign(frame())) for _ in range(n // 99)]

    def work() -> None:
        verifier = EventVerifier(CREDENTIALS, *SCOPE, bytes(32), clock=clock)
        for message in messages:
            verifier.verify(message)

    return work


@shape("one large signed event, its signature wrong")
def _unsigned(n: int) -> Work:
    message = Message({":date": Timestamp.from_datetime(NOW), ":chunk-signature": bytes(32)}, bytes(n))
    return tried(lambda: EventVerifier(CREDENTIALS, *SCOPE, bytes(32), clock=clock).verify(message))


def request(path: str, pairs: list[tuple[str, str]]) -> Work:
    """Verify a signed request, all of whose parts are the client's."""
    signed, _ = sign_request(CREDENTIALS, *SCOPE, "POST", path, [("host", "h"), *pairs], clock=clock)
    return lambda: verify_request(CREDENTIALS, *SCOPE, "POST", path, signed, clock=clock)


@shape("HTTP headers, one name over and over")
def _repeated(n: int) -> Work:
    return request("/", [("x", "")] * (n // 2))


@shape("HTTP headers, all distinct")
def _distinct(n: int) -> Work:
    return request("/", [(f"x{i}", " ") for i in range(n // 12)])  # each name is in the authorization too


@shape("a path of dots")
def _dots(n: int) -> Work:
    return request("/a/.." * (n // 5), [])


@shape("a query of escapes")
def _query(n: int) -> Work:
    return request("/?" + "%ff&" * (n // 4), [])


@shape("an authorization of spaces")
def _authorization(n: int) -> Work:
    pairs = [("authorization", "AWS4-HMAC-SHA256 Credential=a/20260102/r/s/aws4_request" + " ," * (n // 2))]
    return tried(lambda: verify_request(CREDENTIALS, None, None, "POST", "/", pairs, clock=clock))


# Transcribe


def event(payload: bytes) -> Work:
    return tried(lambda: event_from_message(Message(TRANSCRIPT_EVENT_HEADERS, payload)))


def service_error(payload: bytes) -> Work:
    message = Message({":message-type": "exception", ":exception-type": "x"}, payload)
    return lambda: TranscribeError.from_message(message)


RESULTS = b'{"Transcript":{"Results":[%s]}}'

for _name, _payload in {
    "JSON: the smallest results": lambda n: RESULTS % b",".join([b"{}"] * (n // 3)),
    "JSON: results of null": lambda n: RESULTS % b",".join([b"null"] * (n // 5)),
    "JSON: lists in lists, skipped": lambda n: b'{"x":' + b"[" * n,
    "JSON: objects in objects, skipped": lambda n: b'{"x":' + b'{"":' * (n // 4),
    "JSON: members that are not known": lambda n: b"{" + b",".join([b'"":0'] * (n // 5)) + b"}",
    "JSON: a number of digits": lambda n: RESULTS % (b'{"StartTime":' + b"9" * n + b"}"),
    "JSON: a fraction of digits": lambda n: RESULTS % (b'{"StartTime":0.' + b"1" * n + b"}"),
    "JSON: escapes": lambda n: RESULTS % (b'{"ResultId":"' + b"\\u00e9" * (n // 6) + b'"}'),
    "JSON: a fault at the end": lambda n: RESULTS % b",".join([b"{}"] * (n // 3)) + b"]",
}.items():
    SHAPES[_name] = lambda n, payload=_payload: event(payload(n))
    SHAPES[_name.replace("JSON", "JSON of an exception")] = lambda n, payload=_payload: service_error(payload(n))


@shape("request headers, one name over and over")
def _parameters(n: int) -> Work:
    pairs = [("x-amzn-transcribe-vocabulary-names", "a")] * (n // 35)
    return tried(lambda: StartStreamTranscriptionRequest.from_headers(pairs))


@shape("response headers, a list of many")
def _list(n: int) -> Work:
    pairs = [("x-amzn-transcribe-vocabulary-names", "," * n)]
    return tried(lambda: StartStreamTranscriptionResponse.from_headers(pairs).to_headers())


# Measuring


@dataclass(frozen=True)
class Cost:
    """The fastest times in seconds at each size, and those of the floor."""

    name: str
    sizes: tuple[int, ...]
    ours: list[float]
    floor: list[float]

    @property
    def per_byte(self) -> float:
        """Nanoseconds for a byte of the largest."""
        return self.ours[-1] / self.sizes[-1] * 1e9

    @property
    def is_linear(self) -> bool:
        return max(self.growth) <= MAX_GROWTH

    @property
    def growth(self) -> list[float]:
        return [after / before for before, after in itertools.pairwise(self.ours)]


def timed(work: Work, loops: int) -> float:
    gc.collect()
    gc.disable()
    start = time.thread_time_ns()
    for _ in range(loops):
        work()
    elapsed = time.thread_time_ns() - start
    gc.enable()
    return elapsed / loops / 1e9


def cost(name: str, length: int = LENGTH, rounds: int = ROUNDS) -> Cost:
    sizes = length, 2 * length, 4 * length
    works = [SHAPES[name](size) for size in sizes]
    floors = [lambda size=size: zlib.crc32(bytes(size)) for size in sizes]
    loops = [max(1, int(0.003 / max(timed(work, 1), 1e-7))) for work in works]
    columns: list[list[float]] = [[] for _ in (*works, *floors)]
    for _ in range(rounds):
        for column, work, count in zip(columns, (*works, *floors), (*loops, 50, 50, 50), strict=True):
            column.append(timed(work, count))
    fastest = [min(column) for column in columns]
    return Cost(name, sizes, fastest[: len(sizes)], fastest[len(sizes) :])


def confirmed(name: str, length: int) -> Cost:
    """Return the first attempt at which the cost is linear, or the last."""
    for _ in range(ATTEMPTS):
        found = cost(name, length)
        if found.is_linear:
            break
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help="(all)")
    parser.add_argument("--length", type=int, default=LENGTH, help="bytes of the smallest size (%(default)s)")
    options = parser.parse_args()
    costs = [confirmed(name, options.length) for name in options.shapes or SHAPES]
    print(f"{eventstream.implementation}; {options.length:,} bytes and twice, four times as many\n")
    print("| hostile bytes | ns a byte | times a zlib.crc32 | at 2n | at 4n, against 2n |\n|---|--:|--:|--:|--:|")
    for one in sorted(costs, key=lambda one: -one.per_byte):
        first, second = one.growth
        print(f"| {one.name} | {one.per_byte:.3g} | {one.ours[-1] / one.floor[-1]:,.0f} | {first:.2f} | {second:.2f} |")
    worse = [one.name for one in costs if not one.is_linear]
    for name in worse:
        print(f"{name}: grows by more than {MAX_GROWTH} where the bytes double", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
