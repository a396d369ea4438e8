"""Waiting with a deadline for what another task, or the peer, does; and for functions that block."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

# Not `asyncio.wait_for`, which drops a cancellation before Python 3.12 when what it waits for is done in the same turn:
# the deadline of a caller would be lost.
if sys.version_info >= (3, 11):
    from asyncio import timeout as timeout_after
else:  # pragma: no cover (before Python 3.11)
    from async_timeout import timeout as timeout_after

__all__ = [
    "Deadline",
    "Signal",
    "Worker",
    "deadline_in",
    "in_thread",
    "is_coroutine_function",
    "timeout_after",
    "within",
]

_T = TypeVar("_T")


class Deadline:
    """The time at which a call gives up, however often it is woken before."""

    __slots__ = ("time", "waited")

    def __init__(self, timeout: float) -> None:
        self.time = asyncio.get_running_loop().time() + timeout
        self.waited = False


class Signal:
    """Wakes all waiters."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(True)

    async def wait(self, deadline: Deadline | None, what: str) -> None:
        """Until somebody wakes it, or the loop's clock passes the deadline: then it raises a TimeoutError."""
        loop = asyncio.get_running_loop()
        if deadline is not None:
            # What arrives is handled before timers that are due, so a peer that never pauses would outrun them all. The
            # first wait may begin late: what arrives in the same turn is in time, even if the timeout is 0.
            if deadline.waited and loop.time() >= deadline.time:
                raise TimeoutError(what)
            deadline.waited = True
        future: asyncio.Future[bool] = loop.create_future()
        timer = None if deadline is None else loop.call_at(deadline.time, _resolve, future, False)
        self._waiting.append(future)
        try:
            if not await future:
                raise TimeoutError(what)
        finally:
            self._waiting.remove(future)
            if timer is not None:
                timer.cancel()


def _resolve(future: asyncio.Future[bool], result: bool) -> None:
    if not future.done():
        future.set_result(result)


def deadline_in(timeout: float | None) -> Deadline | None:
    return None if timeout is None else Deadline(timeout)


async def within(timeout: float | None, awaitable: Awaitable[_T], what: str) -> _T:
    try:
        async with timeout_after(timeout):
            return await awaitable
    except asyncio.TimeoutError:  # before Python 3.11 it is another class than TimeoutError
        raise TimeoutError(what) from None


def is_coroutine_function(function: object) -> bool:
    """Return whether what a call returns must be awaited: it, or its class's `__call__`, is a coroutine function."""
    # B004 takes this for a test of whether it is callable.
    call = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


class Worker:
    """A thread for functions of the caller's that may block, called one after the other. It starts with the first.

    It is a daemon. A thread of `asyncio.to_thread` is waited for when the interpreter exits, even if the call was
    cancelled: a function that never returns, e.g. ``queue.get``, would keep the process alive.

    A call that is cancelled goes on in the thread, and later ones wait for it. So does the end of the thread, which
    comes with `close`, or when this object is collected.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._has_started = False

    async def call(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Return what the function returns.

        Raises:
            RuntimeError: it raised StopIteration, which no coroutine can raise; before Python 3.12 nobody would be
                told.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        if not self._has_started:
            threading.Thread(target=_work, args=[self._calls], name="eventstream-call", daemon=True).start()
            self._has_started = True
        self._calls.put(partial(_call, loop, done, partial(copy_context().run, function, *arguments)))
        return await done

    def close(self) -> None:
        """Let the thread end once the call that it is in has returned."""
        self._calls.put(None)

    __del__ = close


async def in_thread(function: Callable[..., _T], *arguments: object) -> _T:
    """Return what a function returns that is called in a thread of its own; see `Worker`."""
    worker = Worker()
    try:
        return await worker.call(function, *arguments)
    finally:
        worker.close()


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()
        del call  # and with it what the caller has given, while nothing is to be done


def _call(loop: asyncio.AbstractEventLoop, done: asyncio.Future[_T], call: Callable[[], _T]) -> None:
    settle: Callable[[], None]
    try:
        settle = partial(done.set_result, call())
    except StopIteration as error:
        stopped = RuntimeError("a function that was called in a thread raised StopIteration")
        stopped.__cause__ = error
        settle = partial(done.set_exception, stopped)
    except BaseException as error:
        settle = partial(done.set_exception, error)
    with suppress(RuntimeError):  # the loop was closed
        loop.call_soon_threadsafe(_settle, done, settle)


def _settle(done: asyncio.Future[_T], settle: Callable[[], None]) -> None:
    if not done.done():  # it was cancelled
        settle()
