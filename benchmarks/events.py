"""``python -m benchmarks.events``: what the dearest events within the bound of their values cost a client.

Each event has 24 MB, as many as a message may, and at most as many values as are parsed by default. Printed are the
processor time, which should be under 250 ms, and the memory beyond the event itself. If that is over 64 MiB and five
times the event, the exit status is 1: Python's decoder of UTF-8 takes as much for one text with an emoji.
"""

from __future__ import annotations

import contextlib
import sys
import time
import tracemalloc
from collections.abc import Iterator

from eventstream import Message
from eventstream.operation import Events, InvalidEvent
from eventstream.structs import struct_event
from eventstream.transcribe.model import TRANSCRIPT_EVENT_HEADERS, TranscriptEvent

LENGTH = 24_000_000
RESULTS = 31_000  # with two values each, just below the bound
ROUNDS = 3
MAX_MEMORY = (64 << 20) + 5 * LENGTH

EVENTS = Events(struct_event("TranscriptEvent", TranscriptEvent))


def results(*parts: bytes) -> bytes:
    return b'{"Transcript":{"Results":[%s]}}' % b",".join(parts)


def many(part: bytes) -> bytes:
    """As many results as the bound takes, and a null, for which events are decoded in another way."""
    return results(*[part] * RESULTS, b"null")


def shapes() -> Iterator[tuple[str, bytes]]:
    yield "commas", b"," * LENGTH
    yield "spaces", results(b" " * LENGTH)
    for name, text in {
        "letters": b"a" * LENGTH,
        "escapes": b"\\u00e9" * (LENGTH // 6),
        "short escapes": b"\\n" * (LENGTH // 2),
        "UTF-8": "é€a😀".encode() * (LENGTH // 10),
    }.items():
        yield f"a text of {name}", results(b'{"ResultId":"%s"}' % text)
        yield f"a text of {name}, and a null", results(b'{"ResultId":"%s"}' % text, b"null")
        yield f"a name of {name}, and a null", b'{"%s":null,%s' % (text, results(b"null")[1:])
    yield "a text that is not UTF-8", results(b'{"ResultId":"%s\xff"}' % (b"a" * LENGTH))
    yield "a fraction", results(b'{"StartTime":0.%s}' % (b"1" * LENGTH))
    yield "results with fractions", many(b'{"StartTime":1.%se-300}' % (b"1" * 750))
    yield "results with escapes", many(b'{"ResultId":"%s"}' % (b"\\u00e9" * 125))
    yield "results with what is not known", many(b'{"x":"%s"}' % (b"\\n" * 375))


def parse(message: Message) -> None:
    with contextlib.suppress(InvalidEvent):
        EVENTS.parse(message)


def main() -> int:
    print("| event | ms | MiB |\n|---|--:|--:|")
    worst = 0
    for name, payload in shapes():
        message = Message(TRANSCRIPT_EVENT_HEADERS, payload)
        times = []
        for _ in range(ROUNDS):
            began = time.thread_time()
            parse(message)
            times.append(time.thread_time() - began)
        tracemalloc.start()
        parse(message)
        memory = max(0, tracemalloc.get_traced_memory()[1] - len(payload))
        tracemalloc.stop()
        worst = max(worst, memory)
        print(f"| {name} | {min(times) * 1000:.0f} | {memory / (1 << 20):.1f} |", flush=True)
    if worst > MAX_MEMORY:
        print("an event takes more memory than is promised", file=sys.stderr)
    return int(worst > MAX_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
