"""Check the example package against what Python says of the same streams, and show what going through C is worth.

Run with an interpreter that has eventstream's wheel and the example package installed.
"""

from __future__ import annotations

import statistics
import sys
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import door

import eventstream
from eventstream import Byte, Decoder, Headers, Long, Message, Short, Timestamp
from eventstream.wire import HeaderType

MESSAGES = 100_000
ROUNDS = 5

HEADERS = {
    "true": True,
    "false": False,
    "byte": Byte(-2),
    "short": Short(-300),
    "integer": -70_000,
    "long": Long(1 << 40),
    "bytes": b"\x00\xff",
    "string": "Grüße",
    "timestamp": Timestamp(1_700_000_000_123),
    "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
}
EVENT = Headers({":message-type": "event", ":event-type": "TranscriptEvent", ":content-type": "application/json"})


def totals(stream: bytes, size: int, decoder: Decoder) -> tuple[int, int, int, int]:
    """As `door.totals`, through the Python API."""
    messages = headers = text = payload = 0
    for start in range(0, len(stream), size):
        for message in decoder.feed(stream[start : start + size]):
            messages += 1
            for value in message.headers.values():
                headers += 1
                if isinstance(value, str):
                    text += len(value.encode())
            payload += len(message.payload)
    return messages, headers, text, payload


def block(name: bytes, type_: int, value: bytes) -> bytes:
    """One header in wire form."""
    sized = type_ in (HeaderType.BYTE_ARRAY, HeaderType.STRING)
    return bytes([len(name)]) + name + bytes([type_]) + (len(value).to_bytes(2, "big") if sized else b"") + value


def raises(error: type[Exception], call: Callable[[], object], text: str) -> None:
    raised: Exception | None = None
    try:
        call()
    except error as caught:
        raised = caught
    assert raised is not None, f"{error.__name__} expected"
    assert text in str(raised), raised


def check() -> None:
    wire = eventstream.encode(HEADERS, b"payload")
    stream = wire + eventstream.encode({}) + eventstream.encode(EVENT, b"x" * 50_000) + wire
    for size in (1, 7, 1000, len(stream)):
        expected = totals(stream, size, Decoder())
        assert door.totals(stream, size, Decoder()) == expected, size
        assert door.totals(bytearray(stream), size, Decoder(copy=False)) == expected, size

    message = eventstream.decode(wire)
    seen = door.fields(message.headers)
    assert [name.decode() for name, _, _ in seen] == list(HEADERS)
    assert [type_ for _, type_, _ in seen] == list(HeaderType)
    assert b"".join(block(*field) for field in seen) == message.headers.raw
    assert door.fields(message.headers, len(message.headers.raw)) == []
    for position in range(1, 2 * len(message.headers.raw)):
        door.fields(message.headers, position)  # any position is safe
    assert door.found(message.headers, "long") == (Long(1 << 40), len(HEADERS), len(message.headers.raw))
    assert door.found(message.headers, "none")[0] is None

    assert door.readdressed(wire, EVENT) == eventstream.encode(EVENT, b"payload")
    (view,) = Decoder(copy=False).feed(wire)
    assert isinstance(view.payload, memoryview)
    assert door.with_headers(view, EVENT) == eventstream.encode(EVENT, b"payload")
    assert door.with_headers(Message(), Headers()) == eventstream.encode({})
    assert door.crc(wire) == zlib.crc32(wire)

    raises(eventstream.MessageChecksumMismatch, lambda: door.readdressed(wire[:-1] + b"?", EVENT), "checksum")
    raises(eventstream.TruncatedMessage, lambda: door.readdressed(wire[:-1], EVENT), "middle of a message")
    raises(eventstream.InvalidLength, lambda: door.totals(eventstream.encode({}) + bad_length(), 5, Decoder()), "16")
    raises(eventstream.DecodeLimitExceeded, lambda: door.totals(wire, 9, Decoder(max_payload_length=6)), "limit is 6")
    dead = Decoder()
    dead.close()
    raises(eventstream.StateError, lambda: door.totals(wire, 9, dead), "after close")


def bad_length() -> bytes:
    lengths = (15).to_bytes(4, "big") + bytes(4)
    return lengths + zlib.crc32(lengths).to_bytes(4, "big")


def compare() -> None:
    payload = b'{"Transcript":{"Results":[]}}'
    stream = b"".join(
        eventstream.encode({**EVENT, ":sequence": number}, payload) for number in range(MESSAGES)
    )  # no two header blocks are alike
    same = eventstream.encode(EVENT, payload) * MESSAGES
    for name, data in ("differ", stream), ("repeat", same):
        ratios = []
        for _ in range(ROUNDS):
            times = []
            for way in totals, door.totals:
                begun = perf_counter()
                messages, *_ = way(data, 65_536, Decoder())
                times.append(perf_counter() - begun)
                assert messages == MESSAGES
            ratios.append(times[0] / times[1])
        print(
            f"{MESSAGES} messages whose headers {name}: through C {times[1] / MESSAGES * 1e9:.0f} ns a message, "
            f"{statistics.median(ratios):.1f} times as fast as through Python"
        )


if __name__ == "__main__":
    installed = Path(eventstream.__file__).parent
    assert installed.is_relative_to(sys.prefix), f"not the wheel, but {installed}"
    assert eventstream.implementation == "native"
    assert not list(installed.rglob("*.h")), "the wheel has headers: the example must do without"
    check()
    compare()
