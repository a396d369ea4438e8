"""Waiting with a deadline, and for functions that block."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import ContextVar

import pytest
from programs import finished

from eventstream._waiting import Worker, in_thread, within

LIMIT = 60


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


def test_thread_gets_the_context_and_gives_errors():
    context = ContextVar("context", default="none")

    async def main():
        context.set("the caller's")
        assert await in_thread(context.get) == "the caller's"
        with pytest.raises(ZeroDivisionError):
            await in_thread(divmod, 1, 0)

    asyncio.run(main())


def test_thread_that_outlasts_its_loop_is_quiet():
    """Pytest would turn the traceback of a thread into a warning."""
    threads = {}

    def wait(goes_on):
        threads["waiting"] = threading.current_thread()
        assert goes_on.wait(LIMIT)

    async def main(goes_on, outlasts):
        waiting = asyncio.create_task(in_thread(wait, goes_on))
        while "waiting" not in threads:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not outlasts:
            goes_on.set()
            threads["waiting"].join(LIMIT)
            await asyncio.sleep(0)

    for outlasts in (False, True):
        threads.clear()
        goes_on = threading.Event()
        asyncio.run(main(goes_on, outlasts))
        goes_on.set()
        threads["waiting"].join(LIMIT)
        assert not threads["waiting"].is_alive()


def test_worker_calls_one_after_the_other_in_one_thread():
    """Also what comes after a call that was cancelled, which goes on."""
    goes_on, calls = threading.Event(), []

    def call(number):
        if number == 1:
            assert goes_on.wait(LIMIT)
        calls.append(number)
        return threading.current_thread()

    async def main():
        worker = Worker()
        first = await worker.call(call, 0)
        second = asyncio.create_task(worker.call(call, 1))
        await asyncio.sleep(0)
        second.cancel()
        third = asyncio.create_task(worker.call(call, 2))
        await asyncio.sleep(0)
        assert calls == [0]
        goes_on.set()
        assert await third is first
        assert second.cancelled()
        assert calls == [0, 1, 2]
        return worker, first

    worker, thread = asyncio.run(main())
    assert thread.is_alive()
    worker.close()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_worker_that_is_collected_ends_its_thread():
    async def main():
        return await Worker().call(threading.current_thread)

    thread = asyncio.run(main())
    gc.collect()  # where it is not collected at once
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_worker_without_a_call_has_no_thread():
    before = threading.active_count()
    Worker()
    assert threading.active_count() == before


def test_thread_that_waits_forever_does_not_keep_the_process():
    program = """if True:
        import asyncio, contextlib, threading
        from eventstream._waiting import in_thread

        async def main():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(in_thread(threading.Event().wait), 0.1)

        asyncio.run(main())
        print("the end")
    """
    done = finished(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")
