"""What the codec holds in memory, and what importing it costs. Printed, and compared with the promised bounds."""

from __future__ import annotations

import collections
import resource
import statistics
import subprocess
import sys
import tracemalloc
from pathlib import Path

import eventstream
from benchmarks.codec import wire_of

MESSAGES = 10_000_000
PRELUDE_OF_24_MIB = eventstream.encode({}, bytes(24 << 20))[:12]


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, the figure, and its bound."""
    return [
        ("after a prelude that declares 24 MiB: allocated", f"{_after_prelude()} bytes", "4,096"),
        ("the same: address space", f"{_address_space_after_prelude()} bytes", "4,096"),
        ("held after a feed, at most, beside twice the bytes not delivered", f"{_held()} bytes", "4,096"),
        (f"{MESSAGES:,} messages: RSS beyond that after 10,000", f"{_growth() / 1024:.0f} KiB", "1,024 KiB"),
        ("`import eventstream`", f"{_import_milliseconds():.1f} ms", "10 ms"),
    ]


def resident_set() -> int:
    """In bytes, now."""
    return _pages(1)


def _after_prelude() -> int:
    eventstream.Decoder()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        decoder = eventstream.Decoder()
        for _ in decoder.feed(PRELUDE_OF_24_MIB):
            pass
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def _held() -> int:
    """Return the most over many feeds of pieces of all sizes; what the chunk itself takes is the caller's."""
    stream = b"".join(wire_of(length) for length in (0, 100, 5000, 20_000, 300_000, 3_000_000))
    worst = 0
    for size in (7, 1000, 65_536, 1_000_000):
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        decoder = eventstream.Decoder()
        collections.deque(decoder.feed(stream), 0)
        tracemalloc.start()
        for piece in pieces:
            collections.deque(decoder.feed(piece), 0)
            worst = max(worst, tracemalloc.get_traced_memory()[0] - 2 * decoder.buffered)
        tracemalloc.stop()
    return worst


def _pages(field: int) -> int:
    """Return a field of /proc/self/statm in bytes: 0 is the address space, 1 the resident set."""
    return int(Path("/proc/self/statm").read_text().split()[field]) * resource.getpagesize()


def _address_space_after_prelude() -> int:
    """For one of a thousand decoders, since address space grows by whole arenas."""
    before = _pages(0)
    decoders = [eventstream.Decoder().feed(PRELUDE_OF_24_MIB) for _ in range(1000)]
    for decoder in decoders:
        for _ in decoder:
            pass
    return (_pages(0) - before) // len(decoders)


def _growth() -> int:
    decoder = eventstream.Decoder()
    chunk = wire_of(142) * 1000
    resident = 0
    for i in range(MESSAGES // 1000):
        for _ in decoder.feed(chunk):
            pass
        if i == 9:
            resident = resident_set()
    return resident_set() - resident


def _import_milliseconds() -> float:
    """Return what the import adds to a bare interpreter: the median difference of fresh processes."""
    code = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    samples = [
        float(
            subprocess.run(
                [sys.executable, "-I", "-c", code.format("import eventstream")], capture_output=True, check=True
            ).stdout
        )
        for _ in range(15)
    ]
    return statistics.median(samples) * 1000
