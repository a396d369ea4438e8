"""The client's calls are no more than they may be."""

from __future__ import annotations

import asyncio

from benchmarks.client_calls import AT_MOST, count, emulator


def test_chunk_and_an_event_cost_few_calls() -> None:
    with emulator() as running:
        calls, ours = asyncio.run(count(running.endpoint, 20))
    assert 0 < sum(ours.values()) <= AT_MOST
    assert sum(ours.values()) < calls
