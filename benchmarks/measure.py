"""Interleaved timing: every contestant is timed in every round, so that a noisy machine disturbs all alike.

The clock is that of the thread, which does not count while another process has the processor. Each comparison is made
twice, in `make bench` the second time when all others have been made once, and again where the two disagree: how far
the runs agree says what a figure is worth.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

Work = Callable[[], object]

Timed = Callable[[int], float]
"""Does a work a number of times, here or elsewhere, and returns the seconds that it took."""


@dataclass(frozen=True)
class Loop:
    """A work that is repeated and timed where it is done: in C, in another process, or in a loop of its own.

    A function of Python that is called in a loop can cost as much as the work in it.
    """

    run: Timed

    def __call__(self) -> object:
        return self.run(1)


SAMPLE_SECONDS = 0.0005  # as short as the clock allows: what disturbs a round then disturbs all of it
CONTEST_SECONDS = 0.35  # a contestant, in each run
MIN_ROUNDS = 5
MAX_ROUNDS = 1001
AGREEMENT = 0.1  # runs that differ by more are repeated
MAX_RUNS = 6


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
    """The medians of a row in nanoseconds, and the ratio in each of the two runs."""

    row: Row
    ours: float
    theirs: float
    runs: tuple[float, float]

    @property
    def ratio(self) -> float:
        return statistics.geometric_mean(self.runs)

    @property
    def apart(self) -> float:
        """By what part the larger ratio of the two runs exceeds the smaller."""
        return apart(self.runs)

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


@dataclass(frozen=True)
class Samples:
    """The nanoseconds of one work, by contestant and round."""

    columns: list[list[float]]

    def medians(self) -> list[float]:
        return [statistics.median(column) for column in self.columns]

    def ratio(self, contestant: int, to: int) -> float:
        """Return the median of the ratios in each round, whose contestants were disturbed alike."""
        return statistics.median(a / b for a, b in zip(self.columns[contestant], self.columns[to], strict=True))


def apart(ratios: Sequence[float]) -> float:
    return max(ratios) / min(ratios) - 1


class Result(Protocol):
    """What two runs of a comparison say."""

    @property
    def apart(self) -> float: ...


R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Comparison(Generic[R]):
    """What is measured in several runs, and how the samples of two runs become a result."""

    measure: Callable[[], Samples]
    join: Callable[[Samples, Samples], R]

    def result(self, runs: Sequence[Samples]) -> R:
        """Return that of the two runs that agree best."""
        return min((self.join(*pair) for pair in itertools.combinations(runs, 2)), key=lambda result: result.apart)


def in_runs(comparisons: Sequence[Comparison[R]]) -> list[R]:
    """Make each comparison twice, and again, up to ``MAX_RUNS`` times, while no two of its runs agree."""
    runs: list[list[Samples]] = [[] for _ in comparisons]
    for number in range(MAX_RUNS):
        for comparison, done in zip(comparisons, runs, strict=True):
            if number < 2 or comparison.result(done).apart > AGREEMENT:
                done.append(comparison.measure())
    return [comparison.result(done) for comparison, done in zip(comparisons, runs, strict=True)]


def measure(row: Row) -> Samples:
    """Time both sides of a row in alternation."""
    return contest([timed(row.ours), timed(row.theirs)])


def figure(row: Row, first: Samples, second: Samples) -> Figure:
    """Join the two runs of a row."""
    sides = ((0, 1), (row.per, row.against_per)) if row.at_most is not None else ((1, 0), (row.against_per, row.per))
    (above, below), (over, under) = sides
    ours, theirs = (statistics.mean(pair) for pair in zip(first.medians(), second.medians(), strict=True))
    runs = [samples.ratio(above, below) * under / over for samples in (first, second)]
    return Figure(row, ours / row.per, theirs / row.against_per, (runs[0], runs[1]))


def compared(row: Row) -> Figure:
    """Make a comparison, in two runs or more."""
    return in_runs([Comparison(partial(measure, row), partial(figure, row))])[0]


def contest(contestants: Sequence[Timed]) -> Samples:
    """Time all in rounds, which go through them forwards and backwards in turn."""
    loops = [_loops_for(contestant) for contestant in contestants]
    samples: list[list[float]] = [[] for _ in contestants]
    order = range(len(contestants))
    start = time.perf_counter()
    for round_ in range(MAX_ROUNDS):
        for index in order if round_ % 2 else reversed(order):
            samples[index].append(contestants[index](loops[index]) / loops[index] * 1e9)
        if round_ + 1 >= MIN_ROUNDS and time.perf_counter() - start > CONTEST_SECONDS * len(contestants):
            break
    return Samples(samples)


def timed(work: Work) -> Timed:
    """Return a work of this process."""

    def run(loops: int) -> float:
        start = time.thread_time()
        for _ in itertools.repeat(None, loops):
            work()
        return time.thread_time() - start

    return work.run if isinstance(work, Loop) else run


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of one that never waits: without the cost of an event loop."""
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
