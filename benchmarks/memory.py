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


IMPORTED = "array, datetime, enum, functools, math, operator, struct, zlib"
"""What the package imports of Python's own modules, with what these import."""


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, the figure, and its bound."""
    spare = 2 * 20_480  # payloads, which the codec keeps for reuse
    return [
        row("after a prelude that declares 24 MiB: allocated", _after_prelude(), 4_096, " bytes"),
        row("the same: address space", _address_space_after_prelude(), 4_096, " bytes"),
        row("held after a feed, at most, beside twice the bytes not delivered", _held(), 4_096 + spare, " bytes"),
        row(f"{MESSAGES:,} messages: RSS beyond that after 10,000", _growth() // 1024, 1_024, " KiB"),
        row("`import eventstream`, against importing what it takes of Python's own modules", _import_cost(), 2, "×"),
    ]


def row(what: str, measured: float, bound: int, unit: str) -> tuple[str, str, str]:
    """Return both figures with their unit; a bound that is exceeded says so."""
    figure = f"{measured:,.3g}" if isinstance(measured, float) else f"{measured:,}"
    return what, f"{figure}{unit}{' (missed)' if measured > bound else ''}", f"{bound:,}{unit}"


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


def _import_cost() -> float:
    """Return the ratio of the median times, of fresh processes by turns."""
    code = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    samples: dict[str, list[float]] = {"eventstream": [], IMPORTED: []}
    for _ in range(15):
        for modules, seconds in samples.items():
            command = [sys.executable, "-I", "-c", code.format(modules)]
            seconds.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    ours, floor = map(statistics.median, samples.values())
    return ours / floor
