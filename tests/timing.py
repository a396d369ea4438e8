"""Processor time, as far as a test may depend on it: to tell linear from quadratic, or parsed from not parsed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def takes_at_most(seconds: float, work: Callable[[], object], tries: int = 5) -> bool:
    """Whether one of some runs takes at most so much of this thread's time: a busy machine slows some of them down."""
    for _ in range(tries):
        began = time.thread_time()
        work()
        if time.thread_time() - began <= seconds:
            return True
    return False
