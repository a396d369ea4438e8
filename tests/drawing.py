"""Examples that a strategy can draw."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def some(
    strategy: SearchStrategy[T], condition: Callable[[T], object] = bool, phases: tuple[Phase, ...] = (Phase.generate,)
) -> T:
    """Any that meets the condition."""
    options = settings(max_examples=5_000, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    return find(strategy, lambda value: bool(condition(value)), settings=options, random=random.Random(0))


def least(strategy: SearchStrategy[T], condition: Callable[[T], object] = lambda _: True) -> T:
    """The simplest that meets the condition. Without the phase of explanations, which would leave another behind."""
    return some(strategy, condition, (Phase.generate, Phase.shrink))
