"""Waiting with a deadline, and for functions that block."""

from __future__ import annotations

import asyncio

import pytest

from eventstream._waiting import in_thread, within


def test_result_that_comes_in_time():
    async def main():
        assert await within(10, asyncio.sleep(0, "it"), "too late") == "it"
        assert await within(None, asyncio.sleep(0, "it"), "too late") == "it"

    asyncio.run(main())


def test_timeout_says_what_was_waited_for():
    async def main():
        with pytest.raises(TimeoutError, match="too late"):
            await within(0.01, asyncio.Event().wait(), "too late")

    asyncio.run(main())


def test_cancellation_in_the_turn_of_the_result_is_kept():
    async def main():
        result = asyncio.get_running_loop().create_future()

        async def wait():
            await within(10, result, "too late")
            await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        result.set_result(None)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done
        assert task.cancelled()

    asyncio.run(main())


def test_function_in_a_thread_that_raises_stop_iteration():
    """No future takes it, and before Python 3.12 nobody would ever be woken."""

    async def main():
        assert await asyncio.wait_for(in_thread(next, iter([5])), 5) == 5
        with pytest.raises(RuntimeError, match="called in a thread raised StopIteration"):
            await asyncio.wait_for(in_thread(next, iter([])), 5)

    asyncio.run(main())
