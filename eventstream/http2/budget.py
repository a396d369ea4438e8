"""Budgets for what costs a peer nothing: token buckets, like those of nghttp2 and Node."""

from __future__ import annotations

import time
from typing import NamedTuple


class Budget(NamedTuple):
    """How much a peer may do at once, and how fast it may continue.

    Attributes:
        burst: what it may do at once.
        rate: how much of that comes back in a second.
    """

    burst: int
    rate: float


RESETS = Budget(1_000, 33)
"""Streams of a connection that are reset: nghttp2's and Node's budget for CVE-2023-44487."""

IDLE_FRAMES = Budget(1_000, 33)
"""Frames of a connection that carry nothing; frames with data give some of it back, see `REFILL`."""

REFILL = 4
"""Idle frames that come with one frame of data, or of headers, at most: a peer may return two windows for each, ask
how long it took, and change its settings."""

MIN_LATE_SIZE = 1_024
"""Bytes that each frame of data counts as, at least, if nobody will take it, as after a reset. Honest peers send
frames of kilobytes."""


class Bucket:
    """What is left of a budget.

    Below zero, the peer should be told; below minus the burst, it should be dropped.

    Attributes:
        left: how much is left.
        burst: how much there is at most.
    """

    __slots__ = ("_budget", "_time", "burst", "left")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.burst = budget.burst
        self.left: float = budget.burst
        self._time = time.monotonic()

    def take(self) -> None:
        """Take one. What has come back is counted only when needed, which for most peers is never."""
        if self.left < 1:
            now = time.monotonic()
            self.give((now - self._time) * self._budget.rate)
            self._time = now
        self.left -= 1

    def give(self, amount: float) -> None:
        """Give some back, up to the burst."""
        self.left = min(self.left + amount, self.burst)

    @property
    def is_spent(self) -> bool:
        """Whether more was taken than there was."""
        return self.left < 0

    @property
    def is_overdrawn(self) -> bool:
        """Whether the peer went on until it had taken twice the burst."""
        return self.left < -self.burst
