"""``python -m benchmarks.threads``: what a second thread adds, where each has its own decoder. No peer is needed.

A ratio of two is two cores' worth. SHA-256 of the standard library, which also works without the GIL, shows what the
machine has to give at the moment.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import eventstream
from benchmarks.measure import Loop, Row, Work, duration, figure, measure, times

HEADERS = {":message-type": "event", ":event-type": "TranscriptEvent", ":content-type": "application/json"}
KIB = 1024
THREADS = 2
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
BATCH_SECONDS = 0.02  # of one thread: what starting it costs is lost in that

Make = Callable[[bytes], Work]
"""From a payload, the work of one thread."""


def decode(payload: bytes) -> Work:
    wire = eventstream.encode(HEADERS, payload)
    return lambda: eventstream.decode(wire)


def feed(payload: bytes) -> Work:
    wire = eventstream.encode(HEADERS, payload)
    decoder = eventstream.Decoder()

    def work() -> None:
        for _ in decoder.feed(wire):
            pass

    return work


def encode(payload: bytes) -> Work:
    headers = eventstream.Headers(HEADERS)
    return lambda: eventstream.encode(headers, payload)


def sha256(payload: bytes) -> Work:
    return lambda: hashlib.sha256(payload)


def rows() -> Iterator[Row]:
    pools = [ThreadPoolExecutor(1) for _ in range(THREADS)]
    yield _row(pools, "SHA-256", sha256, 256 * KIB, None)
    targets: dict[int, float | None]
    if HAS_GIL:  # it is held for a message below 64 KiB: then two threads should be about as fast as one
        targets = {918: None, 32 * KIB: 0.9, 64 * KIB: 1.4, 128 * KIB: 1.8, 256 * KIB: 1.8, 1024 * KIB: 1.8}
    else:
        targets = dict.fromkeys((142, 918, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 1024 * KIB), 1.8)
    for length, at_least in targets.items():
        for name, make in (("`decode`", decode), ("`Decoder`", feed), ("`encode`", encode)):
            yield _row(pools, name, make, length, at_least)


def _row(pools: list[ThreadPoolExecutor], name: str, make: Make, length: int, at_least: float | None) -> Row:
    # Each thread makes its own objects: those of two threads then share no line of the processor's cache.
    works = [pool.submit(make, os.urandom(length)).result() for pool in pools]
    count = _calls_in(works[0], BATCH_SECONDS)

    def batch(work: Work) -> None:
        for _ in range(count):
            work()

    def run(threads: int, loops: int) -> float:
        start = time.perf_counter()  # of all threads
        for _ in range(loops):
            for done in [pool.submit(batch, work) for pool, work in zip(pools[:threads], works[:threads], strict=True)]:
                done.result()
        return time.perf_counter() - start

    return Row(
        f"{name}, {length:,} B, {THREADS} threads",
        "one thread",
        Loop(partial(run, THREADS)),
        Loop(partial(run, 1)),
        at_least,
        per=THREADS * count,
        against_per=count,
    )


def _calls_in(work: Work, seconds: float) -> int:
    count = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        work()
        count += 1
    return count


def main() -> int:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {'with' if HAS_GIL else 'without'} the GIL\n")
    print(f"| work | {THREADS} threads | one thread | ratio | target |\n|---|--:|--:|--:|--:|")
    for row in rows():
        found = figure(row, measure(row), measure(row))
        times_ = (duration(found.ours), duration(found.theirs), times(found.ratio))
        print(f"| {row.work} | {' | '.join(times_)} | {found.target} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
