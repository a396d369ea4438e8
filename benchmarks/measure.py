"""Interleaved timing: every contestant is timed in every round, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], object]

Timed = Callable[[int], float]
"""Does a work so many times, here or in another process; the seconds that it took."""

SAMPLE_SECONDS = 0.004
CONTEST_SECONDS = 1.5
MIN_ROUNDS = 5
MAX_ROUNDS = 41


@dataclass(frozen=True)
class Row:
    """One comparison: the same work, ours and theirs.

    With `at_least`, the ratio is their time over ours (a speed-up); with `at_most`, ours over theirs (a cost against a
    floor). `per` divides ours, `against_per` theirs, where one call does the work of several.
    """

    work: str
    against: str
    ours: Work
    theirs: Work
    at_least: float | None = None
    at_most: float | None = None
    per: int = 1
    against_per: int = 1


@dataclass(frozen=True)
class Figure:
    """The medians of a row in nanoseconds, and their ratio."""

    row: Row
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours if self.row.at_most is None else self.ours / self.theirs

    @property
    def reached(self) -> bool:
        if self.row.at_most is not None:
            return self.ratio <= self.row.at_most
        return self.row.at_least is None or self.ratio >= self.row.at_least

    @property
    def target(self) -> str:
        if self.row.at_most is not None:
            return f"≤ {self.row.at_most:g}×"
        return "" if self.row.at_least is None else f"≥ {self.row.at_least:g}×"


def measure(row: Row) -> Figure:
    """Time both sides of a row in alternation."""
    ours, theirs = medians([timed(row.ours), timed(row.theirs)])
    return Figure(row, ours / row.per, theirs / row.against_per)


def medians(contestants: Sequence[Timed]) -> list[float]:
    """The median nanoseconds of one work of each; the rounds go through them forwards and backwards in turn."""
    loops = [_loops_for(contestant) for contestant in contestants]
    samples: list[list[float]] = [[] for _ in contestants]
    order = range(len(contestants))
    start = time.perf_counter()
    for round_ in range(MAX_ROUNDS):
        for index in order if round_ % 2 else reversed(order):
            samples[index].append(contestants[index](loops[index]) / loops[index])
        if round_ + 1 >= MIN_ROUNDS and time.perf_counter() - start > CONTEST_SECONDS / 2 * len(contestants):
            break
    return [statistics.median(column) * 1e9 for column in samples]


def timed(work: Work) -> Timed:
    """A work of this process."""

    def run(loops: int) -> float:
        start = time.perf_counter()
        for _ in range(loops):
            work()
        return time.perf_counter() - start

    return run


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of one that never waits: without the cost of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("it waits")


def _loops_for(contestant: Timed) -> int:
    loops = 1
    while (elapsed := contestant(loops)) < SAMPLE_SECONDS:
        loops = max(loops * 2, int(loops * SAMPLE_SECONDS / elapsed)) if elapsed > 0 else loops * 2
    return loops


def duration(nanoseconds: float) -> str:
    """As text with a unit, of three digits."""
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds < 1000 * size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"


def times(ratio: float) -> str:
    """As text: a ratio under 10 with two decimals."""
    return f"{ratio:.{2 if ratio < 10 else 0}f}×"
