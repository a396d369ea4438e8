"""Examples that a strategy can draw."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def some(
    strategy: SearchStrategy[T], condition: Callable[[T], object] = bool, phases: tuple[Phase, ...] = (Phase.generate,)
) -> T:
    """Any that meets the condition."""
    options = settings(max_examples=5_000, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    return find(strategy, lambda value: bool(condition(value)), settings=options, random=random.Random(0))


def least(strategy: SearchStrategy[T], condition: Callable[[T], object] = lambda _: True) -> T:
    """Return the simplest that meets the condition. Explanations are off, as they would leave another behind."""
    return some(strategy, condition, (Phase.generate, Phase.shrink))


def draw_until(strategy: SearchStrategy[T], enough: Callable[[T], bool]) -> None:
    """Draw until `enough` says so, and at most 2,000 times: what is seen by then is checked by the caller."""

    class Enough(Exception):
        pass

    @settings(max_examples=2_000, database=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
    @given(strategy)
    def draw(value: T) -> None:
        if enough(value):
            raise Enough

    with contextlib.suppress(Enough):
        draw()
