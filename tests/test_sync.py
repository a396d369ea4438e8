"""The blocking client of any operation: from any threads, beside a running loop, and when it is abandoned."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from operations import CREDENTIALS, REQUEST, TALK, Answer, Text
from programs import AWAY
from talking import LIMIT, shout

from eventstream import ServiceError, sync
from eventstream.exceptions import IncompleteStream, StateError
from eventstream.server import Server
from eventstream.sync import Client, Runner, StreamError, iterate


def serving(handler=shout, **options):
    return sync.serving(Server({TALK: handler}, credentials=[CREDENTIALS], **options))


def client_of(server, **options):
    return Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, **options)


def test_stream_in_one_thread():
    with serving() as server, client_of(server).open(TALK, REQUEST) as stream:
        assert stream.request == REQUEST
        assert stream.response == {}
        stream.send(Text("hello"))
        assert next(stream) == "HELLO (en)"
        stream.send(Text("again"))
        stream.end()
        assert list(stream) == ["AGAIN (en)"]
        assert list(stream) == []


def test_stream_in_many_threads():
    with serving() as server, client_of(server).open(TALK, REQUEST) as stream:
        answers = []
        receiving = [threading.Thread(target=lambda: answers.extend(stream)) for _ in range(3)]
        sending = [threading.Thread(target=stream.send, args=[Text(f"{number}")]) for number in range(20)]
        for thread in receiving + sending:
            thread.start()
        for thread in sending:
            thread.join(LIMIT)
        stream.end()
        for thread in receiving:
            thread.join(LIMIT)
        assert sorted(answers) == sorted(f"{number} (en)" for number in range(20))


def test_stream_where_a_loop_runs_already():
    async def main():
        with client_of(server).open(TALK, REQUEST) as stream:
            stream.send(Text("hello"))
            stream.end()
            return list(stream)

    with serving() as server:
        assert asyncio.run(main()) == ["HELLO (en)"]


def test_errors_are_raised_here():
    with serving(faults=["exception:Odd@0*1", "early-end@1*1"]) as server:
        client = client_of(server)
        with pytest.raises(ServiceError, match="Odd"), client.open(TALK, REQUEST):
            pass
        with client.open(TALK, REQUEST) as stream:
            stream.send(Text("hello"))
            for _ in range(2):
                with pytest.raises(IncompleteStream):
                    next(stream)
        with client.open(TALK, REQUEST) as stream:
            with pytest.raises(TypeError, match="an event must be one of Text"):
                stream.send(5)
            stream.end()
            with pytest.raises(StateError):
                stream.send(Text("late"))


def test_stream_that_is_not_open():
    with serving() as server:
        stream = client_of(server).open(TALK, REQUEST)
        with pytest.raises(RuntimeError, match="use it in a with statement"):
            stream.send(Text("early"))
        with stream:
            stream.end()
        with pytest.raises(RuntimeError, match="already opened"), stream:
            pass


def test_events_that_were_received_need_no_other_thread():
    with serving() as server, client_of(server).open(TALK, REQUEST) as stream:
        runner, stream._runner = stream._runner, None
        stream._stream._events.append("there")
        assert next(stream) == "there"
        stream._runner = runner
        with pytest.raises(IndexError):
            stream._stream.received()


def test_closing_wakes_a_thread_that_waits():
    raised = []

    def wait():
        try:
            next(stream)
        except StreamError as error:
            raised.append(error)

    with serving() as server:
        stream = client_of(server).open(TALK, REQUEST)
        with stream:
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(0.1)
            stream.close()
            stream.close()
            thread.join(LIMIT)
        assert not thread.is_alive()
        assert len(raised) == 1


def test_abandoned_stream_is_closed_when_it_is_collected():
    with serving() as server:
        client_of(server).open(TALK, REQUEST).__enter__()
        gc.collect()
        end = time.monotonic() + LIMIT
        while server.statistics.failed < 1:
            assert time.monotonic() < end
            time.sleep(0.01)


def interrupt(runner, begun):
    """Let the wait for the runner's next coroutine be interrupted, once that has begun."""
    started = runner.start

    def start(coroutine):
        runner.start, future = started, started(coroutine)
        assert begun.wait(LIMIT)

        class Interrupted:
            def result(self):
                raise KeyboardInterrupt

            def cancel(self):
                return future.cancel()

        return Interrupted()

    runner.start = start


def test_interrupted_call_is_cancelled():
    runner, begun, cancelled = Runner(), threading.Event(), threading.Event()

    async def long():
        try:
            begun.set()
            await asyncio.sleep(LIMIT)
        finally:
            cancelled.set()

    interrupt(runner, begun)
    with pytest.raises(KeyboardInterrupt):
        runner.run(long())
    assert cancelled.wait(LIMIT)
    runner.stop()


def test_interrupted_iteration_waits_until_it_is_closed(monkeypatch):
    runner, begun, closed = Runner(), threading.Event(), threading.Event()
    monkeypatch.setattr(sync, "RUNNER", runner)

    async def slow():
        try:
            begun.set()
            await asyncio.sleep(LIMIT)
            yield 1
        finally:
            await asyncio.sleep(0.05)
            closed.set()

    interrupt(runner, begun)
    with pytest.raises(KeyboardInterrupt):
        next(iterate(slow()))
    assert closed.is_set()
    runner.stop()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="a signal cannot be sent to a thread")
@pytest.mark.parametrize("wakes_up", [None, 0.01], ids=["woken by the signal", "wakes up"])
def test_ctrl_c_ends_a_wait(wakes_up, monkeypatch):
    """The second runs on Windows, where a signal does not wake the main thread; nor does it in another thread here."""
    monkeypatch.setattr(sync, "_WAKE_UP", wakes_up)
    runner, begun, cancelled = Runner(), threading.Event(), threading.Event()
    waiting = threading.main_thread()

    async def long():
        try:
            begun.set()
            await asyncio.sleep(LIMIT)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt():
        begun.wait(LIMIT)
        time.sleep(0.1)  # until the main thread waits
        thread = threading.current_thread() if wakes_up else waiting
        signal.pthread_kill(thread.ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        runner.run(long())
    thread.join()
    assert cancelled.wait(LIMIT / 2)
    runner.stop()


def test_runner_that_has_stopped_runs_nothing():
    async def nothing():
        return 5

    runner = Runner()
    assert runner.run(nothing()) == 5
    runner.stop()
    runner.stop()
    with pytest.raises(RuntimeError, match="the interpreter is exiting"):
        runner.run(nothing())
    idle = Runner()
    idle.stop()


def test_wait_that_wakes_up_gets_its_result(monkeypatch):
    monkeypatch.setattr(sync, "_WAKE_UP", 0.01)
    runner = Runner()
    assert runner.run(asyncio.sleep(0.05, "done")) == "done"
    runner.stop()


def test_runner_that_is_blocked_is_left(monkeypatch):
    """A coroutine holds its thread up. The interpreter's exit does not wait for it."""
    monkeypatch.setattr(sync, "_EXIT_TIMEOUT", 0.05)
    runner, blocked, released = Runner(), threading.Event(), threading.Event()

    async def block():
        blocked.set()
        released.wait(LIMIT)

    runner.start(block())
    assert blocked.wait(LIMIT)
    loop, thread = runner._loop, runner._thread
    runner.stop()
    assert thread.is_alive()
    released.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    for _ in range(2):  # what was still planned
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()


def test_runner_closes_what_it_keeps_once():
    runner, closed = Runner(), []

    async def close():
        closed.append(True)

    runner.keep("a stream", close)
    for _ in range(2):
        runner.run(runner.close("a stream"))
    assert closed == [True]
    runner.stop()


def test_runners_own_thread_cannot_wait():
    runner = Runner()

    async def nothing():
        pass

    async def wait():
        runner.run(nothing())

    with pytest.raises(RuntimeError, match="it cannot wait for one"):
        runner.run(wait())
    runner.stop()


async def _five():
    return 5


def test_runner_survives_what_ends_a_loop():
    """Those who wait for the coroutine get it; nobody else notices."""
    runner = Runner()

    async def leave(kind):
        await asyncio.sleep(0)
        raise kind

    for kind in (SystemExit, KeyboardInterrupt):
        with pytest.raises(kind):
            runner.start(leave(kind)).result(LIMIT)
        assert runner.start(_five()).result(LIMIT) == 5
    runner.stop()


def test_runner_survives_a_ctrl_c_in_any_question(monkeypatch):
    """Python before 3.13 takes a thread for dead if the question whether it is alive is interrupted."""
    runner = Runner()
    assert runner.run(_five()) == 5
    with monkeypatch.context() as patched:
        patched.setattr(runner._thread, "is_alive", lambda: False)
        assert runner.run(_five()) == 5
    runner.stop()


def test_runner_begins_again_where_it_could_not(monkeypatch):
    runner = Runner()

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            runner.run(_five())
    assert runner.run(_five()) == 5
    runner.stop()


@pytest.mark.parametrize(("what", "name"), [(Server, "the class Server"), ("Emulator", "str")])
def test_serving_what_is_not_a_server(what, name):
    with (
        pytest.raises(TypeError, match=rf"^expected a server, e\.g\. Emulator\(\), not {name}$"),
        sync.serving(what),
    ):
        raise AssertionError("it was served")


def test_stream_is_collected_by_a_thread_that_starts_another(monkeypatch):
    """Python collects garbage, and handles signals, in the middle of anything."""
    runner = Runner()
    monkeypatch.setattr(sync, "RUNNER", runner)
    with serving() as server:
        streams = [client_of(server).open(TALK, REQUEST).__enter__()]

        def collect():
            with runner._lock:
                streams.clear()
                gc.collect()

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        thread.join(LIMIT)
        assert not thread.is_alive()
    runner.stop()


@pytest.mark.parametrize("interrupted", ["opening", "closing"])
def test_interrupted_stream_is_closed_when_it_is_collected(monkeypatch, interrupted):
    def interrupt(*_):
        raise KeyboardInterrupt

    with serving() as server:
        kept = len(sync.RUNNER._open)
        stream = client_of(server).open(TALK, REQUEST)
        with monkeypatch.context() as patched:
            if interrupted == "opening":
                patched.setattr(sync.weakref, "finalize", interrupt)
            else:
                patched.setattr(sync.RUNNER, "close", interrupt)
            with pytest.raises(KeyboardInterrupt), stream:
                pass
        del stream
        end = time.monotonic() + LIMIT
        while server.statistics.failed < 1:
            gc.collect()
            assert time.monotonic() < end
            time.sleep(0.01)
        assert len(sync.RUNNER._open) == kept


def test_iterate_closes_what_it_iterates_over():
    closed = threading.Event()

    async def numbers():
        try:
            for number in range(5):
                yield number
        finally:
            closed.set()

    assert list(iterate(numbers())) == list(range(5))
    assert closed.is_set()
    closed.clear()
    some = iterate(numbers())
    assert next(some) == 0
    some.close()
    assert closed.is_set()


BEGIN = """
import os, signal, sys, threading, warnings
sys.path.insert(0, sys.argv[2])
from operations import CREDENTIALS, REQUEST, TALK, Text
from eventstream import sync
from eventstream.sync import Client
client = Client("us-east-1", endpoint=sys.argv[1], credentials=CREDENTIALS)

def opened():
    return client.open(TALK, REQUEST).__enter__()

def talk(stream, text):
    stream.send(Text(text))
    print(next(stream), flush=True)

stream = opened()
talk(stream, "hello")
"""
"""Of a program that has opened a stream."""


def printed_by(program):
    """Return what a program prints, after its beginning; nothing is printed as an error."""
    with serving() as server:
        arguments = [sys.executable, "-c", BEGIN + textwrap.dedent(program), server.endpoint, str(AWAY)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True, cwd=AWAY)
    assert done.stderr == ""
    first, *others = done.stdout.splitlines()
    assert first == "HELLO (en)"
    return others


def test_exit_with_open_streams_is_quiet_and_quick():
    """Nobody closed them, in the main thread and in another."""
    assert printed_by("threading.Thread(target=lambda: list(stream), daemon=True).start()") == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_process_has_streams_of_its_own():
    """Those of its parent are refused there, whoever had the lock, and go on in the parent when it has ended."""
    program = """
        def hold():
            with sync.RUNNER._lock:
                held.set()
                forked.wait()

        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, since Python 3.12
        held, forked = threading.Event(), threading.Event()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        child = os.fork()
        forked.set()
        if child == 0:
            signal.alarm(15)
            try:
                talk(stream, "here")
            except RuntimeError as error:
                print(error, flush=True)
            talk(opened(), "child")
            try:
                sys.exit()
            finally:
                stream.close()
        assert os.waitpid(child, 0)[1] == 0
        talk(stream, "parent")
    """
    refused = "this process was forked: it cannot use its parent's streams"
    assert printed_by(program) == [refused, "CHILD (en)", "PARENT (en)"]


def server_threads():
    return [thread for thread in threading.enumerate() if thread.name == "eventstream"]


def test_serving_ends_with_its_block():
    before = server_threads()
    with serving() as server:
        stream = client_of(server).open(TALK, REQUEST)
        stream.__enter__()
        stream.send(Text("hello"))
        assert next(stream) == "HELLO (en)"
    with pytest.raises(ServiceError, match="The server is shutting down"):
        next(stream)
    stream.close()
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", int(server.endpoint.rpartition(":")[2])), LIMIT)
    assert len(server_threads()) <= max(1, len(before))


def test_serving_lets_a_handler_block():
    """It stops its own server, but neither clients nor another server."""
    asked = threading.Event()

    async def patient(request, events):
        async for text in events:
            assert asked.wait(LIMIT)
            yield Answer(text)

    with serving(patient) as server, serving() as other, client_of(server).open(TALK, REQUEST) as stream:
        stream.send(Text("hello"))
        with client_of(other).open(TALK, REQUEST) as second:
            second.send(Text("meanwhile"))
            assert next(second) == "MEANWHILE (en)"
        asked.set()
        assert next(stream) == "hello"


def test_serving_tells_an_error_of_the_block_and_of_listening():
    with serving() as server:
        port = int(server.endpoint.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)), serving(port=port):
            pytest.fail("nobody can listen there")
    with pytest.raises(ZeroDivisionError), serving():
        1 / 0  # noqa: B018


def test_urls_of_an_operation():
    """The endpoint, and the URL that opens a WebSocket: its parameters are the request's, and signed."""
    client = Client("us-east-1", endpoint="http://127.0.0.1:1", credentials=CREDENTIALS)
    assert client.endpoint_of(TALK) == "http://127.0.0.1:1"
    url = urlsplit(client.presign_url(TALK, REQUEST, expires=60))
    assert (url.scheme, url.netloc) == ("ws", "127.0.0.1:1")
    query = dict(parse_qsl(url.query))
    assert query["X-Amz-Expires"] == "60"
    assert len(query["X-Amz-Signature"]) == 64
