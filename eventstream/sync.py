"""Clients and servers of any operation for code without asyncio: the names of `eventstream.client`, blocking.

>>> client = Client("us-east-1")
>>> with client.open(OPERATION, request) as stream:
...     stream.send(event)
...     stream.end()
...     for event in stream:
...         print(event)

All clients share one thread with an event loop, which begins with the first stream. So they work where another event
loop already runs, as in notebooks, and a stream's methods may be called from any threads: one may send while another
iterates. A call that is interrupted (Ctrl-C) is cancelled. A stream that nobody closes is closed when it is collected,
and those that are left when the interpreter exits.

A server has a thread of its own, so that its handlers may block without stopping clients:

>>> with serving(Server({OPERATION: handler}, credentials=[credentials])) as server:
...     client = Client("us-east-1", endpoint=server.endpoint, credentials=credentials)
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent import futures
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from eventstream import client as asynchronous
from eventstream._warnings import on_behalf
from eventstream.client import ClientOptions, ConfigurationError, NoCredentials, StartOptions, StreamError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from eventstream._codec import Message
    from eventstream.operation import Operation

__all__ = [
    "BlockingStream",
    "Client",
    "ConfigurationError",
    "NoCredentials",
    "Runner",
    "Stream",
    "StreamError",
    "iterate",
    "serving",
]

_EXIT_TIMEOUT = 2.0
"""Seconds that streams get to close when the interpreter exits."""

_WAKE_UP = 0.1 if sys.platform == "win32" else None
"""Seconds after which a thread that waits looks for signals: on Windows Ctrl-C does not end the wait for a lock."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_T = TypeVar("_T")
_Stream = TypeVar("_Stream", bound=asynchronous.Stream[Any, Any, Any, Any], covariant=True)

_END: Any = object()


class Runner:
    """A thread with an event loop, on which coroutines of other threads run. It begins with the first one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a stream may be collected, or a signal handled, by a thread that holds it
        self._process = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._open: dict[object, Callable[[], Coroutine[Any, Any, None]]] = {}

    def keep(self, opened: object, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Close something when the interpreter exits, unless it is closed before."""
        self._open[opened] = close

    def close(self, opened: object) -> Coroutine[Any, Any, None]:
        """Return what closes something that was kept; for the second time, it does nothing."""
        return self._open.pop(opened, _nothing)()

    def finish(self, opened: object) -> None:
        """Close something that was kept, and wait for that; in a forked process it is its parent's, and stays open."""
        closing = self.close(opened)
        if self._process == os.getpid():
            self.run(closing)
        else:
            closing.close()

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start a coroutine; wait for its result with `run`.

        Raises:
            RuntimeError: the interpreter is exiting, this process was forked, or the runner's own thread calls it.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._running())
        except RuntimeError:
            coroutine.close()
            raise

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of a coroutine; if the wait is interrupted, it is cancelled.

        A daemon thread that still waits when the interpreter exits ends there, without a traceback.
        """
        future = self.start(coroutine)
        try:
            if _WAKE_UP is not None:
                while not futures.wait([future], _WAKE_UP).done:
                    pass
            return future.result()
        except BaseException:
            future.cancel()
            if self._stopped and threading.current_thread().daemon:
                threading.Event().wait()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._stopped:
                raise RuntimeError("the interpreter is exiting: no stream can be used any more")
            if self._loop is None:
                return self._begin()
            # Not whether the thread is alive: a Ctrl-C in that question makes it dead for Python before 3.13.
            if self._process != os.getpid():
                raise RuntimeError("this process was forked: it cannot use its parent's streams")
            if self._thread is threading.current_thread():
                raise RuntimeError("this thread runs the streams: it cannot wait for one")
            return self._loop

    def _begin(self) -> asyncio.AbstractEventLoop:
        """Start the thread. It is kept last, so that a Ctrl-C meanwhile leaves no loop that does not run."""
        atexit.register(self.stop)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=[loop], name="eventstream", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            loop.close()
            raise
        self._process, self._thread, self._loop = os.getpid(), thread, loop
        return loop

    def stop(self) -> None:
        """Cancel what still runs, and end the thread. Nothing runs after that."""
        atexit.unregister(self.stop)
        with self._lock:
            self._stopped = True
            loop, thread = self._loop, self._thread
            self._loop = None
        if loop is None or thread is None or self._process != os.getpid():
            return
        with suppress(RuntimeError, futures.TimeoutError):  # before Python 3.11 another class than TimeoutError
            asyncio.run_coroutine_threadsafe(self._close_all(), loop).result(_EXIT_TIMEOUT)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(_EXIT_TIMEOUT)
        if not thread.is_alive():
            loop.close()

    async def _close_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_EXIT_TIMEOUT / 2)
        await asyncio.gather(*(self.close(opened) for opened in list(self._open)), return_exceptions=True)


async def _nothing() -> None:
    pass


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped. What would end a loop by itself, e.g. ``sys.exit()`` in a coroutine, is raised to
    those who wait for that coroutine.
    """
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue
        return


RUNNER = Runner()


def _forget_runner() -> None:
    """Make a new runner in a forked process, which does not have the thread: it cannot use what its parent has
    opened. Another thread of the parent may have had the lock of the old one, which refuses what is asked of it.
    """
    global RUNNER
    RUNNER._lock = threading.RLock()
    RUNNER = Runner()


if hasattr(os, "register_at_fork"):  # pragma: no branch (Windows has no fork)
    os.register_at_fork(after_in_child=_forget_runner)


def iterate(source: AsyncIterator[_T]) -> Iterator[_T]:
    """Yield what an asynchronous generator yields, blocking; it is closed with this one.

    Args:
        source: an asynchronous generator that nobody has begun to iterate over.
    """
    runner, turns = RUNNER, asyncio.Lock()
    runner.keep(source, partial(_close, source, turns))
    try:
        item = runner.run(on_behalf(partial(_next_in_turn, source, turns)))  # the first step may warn
        while item is not _END:
            yield item
            item = runner.run(_next_in_turn(source, turns))
    finally:
        with suppress(RuntimeError):  # the interpreter is exiting
            runner.finish(source)


async def _next(source: AsyncIterator[_T]) -> _T:
    try:
        return await anext(source)
    except StopAsyncIteration:
        end: _T = _END
        return end


async def _next_in_turn(source: AsyncIterator[_T], turns: asyncio.Lock) -> _T:
    async with turns:
        return await _next(source)


async def _close(source: Any, turns: asyncio.Lock) -> None:
    async with turns:  # a step that was interrupted is still being cancelled
        await source.aclose()


class BlockingStream(Generic[_Stream]):
    """An asynchronous stream, blocking: it opens in a ``with`` statement; events in, events out.

    Any threads may call its methods; one waits while another sends, or takes the next event. It is an iterator over the
    events. What its methods raise, and when, is described in `eventstream.client.Stream`. Their types are those of the
    asynchronous stream's class. `Client.open` makes them, of an asynchronous stream that is not entered yet.
    """

    def __init__(self, opening: AbstractAsyncContextManager[_Stream]) -> None:
        self._runner = RUNNER
        self._opening = opening
        self._stream: _Stream | None = None
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._closing: weakref.finalize[..., Any] | None = None

    def __enter__(self) -> Self:
        """Open the stream."""
        if self._stream is not None:
            raise RuntimeError("the stream was already opened")
        self._stream = self._runner.run(_enter(self._opening))
        # This order, and that of `close`: a Ctrl-C between the two leaves nothing that is kept and never closed.
        self._closing = weakref.finalize(self, _discard, self._runner, self._opening)
        self._closing.atexit = False  # the runner closes what is left
        self._runner.keep(self._opening, partial(_exit, self._opening))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        self.close()

    def close(self) -> None:
        """Close the stream. What has not ended is cancelled; waiting threads get a `StreamError`. In a process that was
        forked since, nothing happens: the stream is its parent's.
        """
        if self._closing is not None and self._closing.alive:
            self._runner.finish(self._opening)
            self._closing.detach()

    @property
    def _opened(self) -> _Stream:
        if self._stream is None:
            raise RuntimeError("the stream is not open: use it in a with statement")
        return self._stream

    @property
    def request(self: BlockingStream[asynchronous.Stream[_Request, Any, Any, Any]]) -> _Request:
        """What was requested."""
        return self._opened.request

    @property
    def response(self: BlockingStream[asynchronous.Stream[Any, _Response, Any, Any]]) -> _Response:
        """What the service answered."""
        return self._opened.response

    def send(self: BlockingStream[asynchronous.Stream[Any, Any, _In, Any]], event: _In) -> None:
        """Send an event. It waits while the service, or the network, takes no more.

        Read the events in another thread meanwhile: a service whose events nobody reads stops taking any, and in the
        end gives up.
        """
        with self._sending:
            self._runner.run(self._opened.send(event))

    def end(self) -> None:
        """End the input; the last events are still to come."""
        with self._sending:
            self._runner.run(self._opened.end())

    def __iter__(self) -> Self:
        """Return the iterator over the events."""
        return self

    def __next__(self: BlockingStream[asynchronous.Stream[Any, Any, Any, _Out]]) -> _Out:
        """Return the next event, once it has come."""
        with self._receiving:
            with suppress(IndexError):
                return self._opened.received()  # an event that is already there needs no switch of threads
            event = self._runner.run(_next(self._opened))
        if event is _END:
            raise StopIteration
        return event


class Stream(BlockingStream[asynchronous.Stream[_Request, _Response, _In, _Out]]):
    """A stream of any operation. See `BlockingStream`."""


async def _enter(opening: AbstractAsyncContextManager[_T]) -> _T:
    return await opening.__aenter__()


async def _exit(opening: AbstractAsyncContextManager[object]) -> None:
    await opening.__aexit__(None, None, None)


def _discard(runner: Runner, opening: AbstractAsyncContextManager[object]) -> None:
    """Close a stream that nobody has closed, without waiting for it."""
    with suppress(RuntimeError):
        runner.start(runner.close(opening))


class Client:
    """Opens streams of any operation, for code without asyncio. Any threads may use it.

    Its arguments are those of `eventstream.client.Client`.
    """

    def __init__(self, region: str | None = None, **options: Unpack[ClientOptions]) -> None:
        self._client = self._make(region, options)

    def _make(self, region: str | None, options: ClientOptions) -> asynchronous.Client:
        return asynchronous.Client(region, **options)

    @property
    def region(self) -> str:
        """The region, as given or found; see `eventstream.client.Client.region`."""
        return self._client.region

    def endpoint_of(self, operation: Operation[Any, Any, Any, Any]) -> str:
        """Return the URL at which an operation is called."""
        return self._client.endpoint_of(operation)

    def presign_url(
        self, operation: Operation[_Request, Any, Any, Any], request: _Request, /, *, expires: int = 300
    ) -> str:
        """Return the URL that opens a WebSocket for a stream; see `eventstream.client.Client.presign_url`."""
        return RUNNER.run(self._client.presign_url(operation, request, expires=expires))

    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        unknown_events: Literal[False] = False,
        **options: Unpack[StartOptions],
    ) -> Stream[_Request, _Response, _In, _Out]: ...
    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        unknown_events: bool,
        **options: Unpack[StartOptions],
    ) -> Stream[_Request, _Response, _In, _Out | Message]: ...
    def open(
        self,
        operation: Operation[_Request, _Response, _In, Any],
        request: _Request,
        /,
        *,
        unknown_events: bool = False,
        **options: Unpack[StartOptions],
    ) -> Stream[_Request, _Response, _In, Any]:
        """Return a stream, which opens in a ``with`` statement; see `eventstream.client.Client.open`."""
        return Stream(self._client.open(operation, request, unknown_events=unknown_events, **options))


@contextmanager
def serving(server: AbstractAsyncContextManager[_T]) -> Iterator[_T]:
    """Run a server in a thread of its own, within a ``with`` statement.

    Args:
        server: an `eventstream.server.Server`, or one that derives from it, such as the emulator of Amazon Transcribe;
            not entered yet.

    Yields:
        The server, which listens. At the end of the block streams that still run are ended, and the thread ends.

    Raises:
        OSError: the address cannot be listened on.
        TypeError: it is not a server, but e.g. its class.
    """
    if not hasattr(type(server), "__aenter__"):
        what = f"the class {server.__name__}" if isinstance(server, type) else type(server).__name__
        raise TypeError(f"expected a server, e.g. Emulator(), not {what}")
    runner = Runner()
    try:
        entered = runner.run(_enter(server))
        runner.keep(server, partial(_exit, server))
        try:
            yield entered
        finally:
            runner.finish(server)
    finally:
        runner.stop()
