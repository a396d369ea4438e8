"""Interleaved timing: every contestant of a row is timed in every round, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], object]

SAMPLE_SECONDS = 0.004
ROW_SECONDS = 1.5
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
    works = (row.ours, row.theirs)
    loops = [_loops_for(work) for work in works]
    samples: list[list[float]] = [[], []]
    start = time.perf_counter()
    for round_ in range(MAX_ROUNDS):
        for index in (0, 1) if round_ % 2 else (1, 0):
            samples[index].append(_sample(works[index], loops[index]))
        if round_ + 1 >= MIN_ROUNDS and time.perf_counter() - start > ROW_SECONDS:
            break
    ours, theirs = (statistics.median(column) * 1e9 for column in samples)
    return Figure(row, ours / row.per, theirs / row.against_per)


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table; a ratio that misses its target is marked."""
    lines = ["| work | against | ours | theirs | ratio | target |", "|---|---|--:|--:|--:|--:|"]
    for figure in figures:
        mark = "" if figure.reached else " (missed)"
        lines.append(
            f"| {figure.row.work} | {figure.row.against} | {_time(figure.ours)} | {_time(figure.theirs)} "
            f"| {figure.ratio:.{2 if figure.ratio < 10 else 0}f}×{mark} | {figure.target} |"
        )
    return "\n".join(lines)


def _sample(work: Work, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        work()
    return (time.perf_counter() - start) / loops


def _loops_for(work: Work) -> int:
    loops = 1
    while (elapsed := _sample(work, loops) * loops) < SAMPLE_SECONDS:
        loops = max(loops * 2, int(loops * SAMPLE_SECONDS / elapsed)) if elapsed > 0 else loops * 2
    return loops


def _time(nanoseconds: float) -> str:
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds < 1000 * size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"
