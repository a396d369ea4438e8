"""A stream of the client, once it is open."""

from __future__ import annotations

import asyncio
import errno
import re
from dataclasses import replace

import pytest
from operations import REQUEST, TALK, Answer, Text
from talking import client_of, run, server

from eventstream import ServiceError, StateError
from eventstream.client import Stream, StreamError
from eventstream.http2 import ErrorCodes
from eventstream.operation import Completion
from eventstream.server import Limits
from eventstream.session import ClientSession


def test_events_come_before_the_error_which_stays():
    async def fail(request, events):
        yield Answer("one")
        yield Answer("two")
        raise ServiceError("ThrottlingException", "not now")

    async def main():
        async with server(fail) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            assert [await anext(stream), await anext(stream)] == ["one", "two"]
            for _ in range(2):
                with pytest.raises(ServiceError, match="not now"):
                    await anext(stream)
            with pytest.raises(ServiceError, match="not now"):
                await stream.send(Text("more"))

    run(main)


@pytest.mark.parametrize("message_type", ["exception", "error"])
def test_request_id_of_an_error_in_the_stream(message_type):
    operation = TALK if message_type == "exception" else replace(TALK, exception_types={})

    async def fail(request, events):
        yield Answer("one")
        raise ServiceError("ThrottlingException", "not now")

    async def main():
        async with server(fail, operation=operation) as serving, client_of(serving).open(operation, REQUEST) as stream:
            assert await anext(stream) == "one"
            ids = set()
            for call in (stream.__anext__, stream.__anext__, stream.end):
                with pytest.raises(ServiceError, match="not now") as raised:
                    await call()
                ids.add(raised.value.request_id)
            assert len(ids) == 1
            assert None not in ids

    run(main)


def test_received_events_are_taken_without_waiting():
    async def main():
        async with server() as serving, client_of(serving).open(TALK, REQUEST) as stream:
            with pytest.raises(IndexError):
                stream.received()
            await stream.send(Text("a"))
            await stream.send(Text("b"))
            await stream.end()
            with pytest.raises(StateError):
                await stream.end()
            assert await anext(stream) == "A (en)"
            assert [event async for event in stream] == ["B (en)"]

    run(main)


def test_abort_is_what_later_calls_raise():
    async def main():
        async with server() as serving, client_of(serving).open(TALK, REQUEST) as stream:
            await stream.abort(ValueError("mine"))
            for call in (stream.__anext__, stream.end):
                with pytest.raises(ValueError, match="mine"):
                    await asyncio.wait_for(call(), 5)

    run(main)


def test_sending_after_a_response_that_may_end_early(monkeypatch):
    """The service wants no more, and says so: the events have ended well, but the rest cannot be sent."""
    monkeypatch.setattr("eventstream.http2.flow.LINGER_TIMEOUT", 0.0)
    operation = replace(TALK, complete=Completion(after_input=False))

    async def answer_at_once(request, events):
        yield Answer("enough")

    async def main():
        async with (
            server(answer_at_once, operation=operation) as serving,
            client_of(serving).open(operation, REQUEST) as stream,
        ):
            with pytest.raises(StreamError, match="NO_ERROR"):  # noqa: PT012 (which send meets it, is open)
                while True:
                    await stream.send(Text("more"))
                    await asyncio.sleep(0)
            assert [answer async for answer in stream] == ["enough"]

    run(main)


@pytest.mark.waits
@pytest.mark.parametrize(
    ("idle_timeout", "input_timeout", "error"), [(1.0, 60.0, TimeoutError), (60.0, 1.0, StreamError)]
)
def test_sending_without_reading_says_the_remedy(idle_timeout, input_timeout, error):
    async def main():
        limits = Limits(input_timeout=input_timeout)
        async with (
            server(limits=limits) as serving,
            client_of(serving, idle_timeout=idle_timeout).open(TALK, REQUEST) as stream,
        ):
            with pytest.raises(error, match="events have come that nobody has read; read them while you send"):  # noqa: PT012
                while True:
                    await stream.send(Text("a" * 10_000))
            received = 0
            with pytest.raises(error, match="that nobody has read"):  # noqa: PT012
                async for _ in stream:
                    received += 1
            assert received

    run(main)


def test_failure_with_all_events_read_says_no_remedy():
    async def main():
        async with server() as serving, client_of(serving).open(TALK, REQUEST) as stream:
            await stream.abort(TimeoutError("too late"))
            with pytest.raises(TimeoutError, match=r"^too late$"):
                await anext(stream)

    run(main)


class LastEvent:
    """The client's end of an exchange whose service sends one last event, while a sender waits, and then gives up."""

    def __init__(self, error):
        self.error = error
        self.peer_ended = self.readable = False
        self.arrived = [TALK.outputs.serialise(Answer("last")).encode()]
        self.woken = asyncio.Event()

    async def send(self, data, *, timeout=None):
        """Fail before a reader has come, which is woken only now."""
        self.peer_ended = self.readable = True
        self.woken.set()
        raise self.error

    async def receive(self, timeout=None):
        await self.woken.wait()
        if self.arrived:
            return self.arrived.pop()
        self.readable = False
        raise self.error

    async def reset(self):
        pass


class AtOnce:
    """A channel on which a number of events comes in one piece, when it is told so, and then nothing."""

    peer_ended = readable = False

    def __init__(self, number):
        self.pieces = asyncio.Queue()
        self.events = TALK.outputs.serialise(Answer("same")).encode() * number

    async def receive(self, timeout):
        return await self.pieces.get()

    def come(self):
        self.pieces.put_nowait(self.events)


def test_events_of_one_piece_are_for_all_tasks_that_wait():
    async def main():
        channel = AtOnce(3)
        stream = Stream(channel, ClientSession(TALK, REQUEST), [], None)
        readers = [asyncio.create_task(anext(stream)) for _ in range(5)]
        await asyncio.sleep(0)
        readers[0].cancel()  # it was the one that received: another takes its place
        channel.come()
        for _ in range(20):  # turns of the loop: nothing here waits for time
            await asyncio.sleep(0)
        *done, last = sorted(readers, key=asyncio.Task.done, reverse=True)
        assert [task.cancelled() or task.result() for task in done] == [True, *["same"] * 3]
        assert not last.done()
        channel.come()
        assert await asyncio.wait_for(last, 5) == "same"
        assert [await asyncio.wait_for(anext(stream), 5) for _ in range(2)] == ["same", "same"]

    run(main)


GIVEN_UP = StreamError("the stream was reset", ErrorCodes.CANCEL)
REMEDY = ": events have come that nobody has read; read them while you send"


@pytest.mark.parametrize("error", [GIVEN_UP, TimeoutError("it took no more")], ids=["reset", "timeout"])
@pytest.mark.parametrize("reading", [True, False])
def test_sending_says_the_remedy_unless_a_task_reads(error, reading):
    async def main():
        stream = Stream(LastEvent(error), ClientSession(TALK, REQUEST), [], None)
        reader = asyncio.create_task(anext(stream)) if reading else None
        await asyncio.sleep(0)
        expected = f"{error}{'' if reading else REMEDY}"
        with pytest.raises(type(error), match=f"^{re.escape(expected)}$") as raised:
            await stream.send(Text("more"))
        assert raised.value.args == (expected,)
        assert await (anext(stream) if reader is None else reader) == "last"
        with pytest.raises(type(error), match=f"^{re.escape(expected)}$") as again:
            await anext(stream)
        assert vars(again.value) == vars(error)
        assert not str(error).endswith(REMEDY)  # whoever holds it sees no change

    run(main)


def test_sending_after_a_reader_is_cancelled_says_the_remedy():
    async def main():
        stream = Stream(LastEvent(GIVEN_UP), ClientSession(TALK, REQUEST), [], None)
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        with pytest.raises(StreamError, match=REMEDY):
            await stream.send(Text("more"))

    run(main)


def test_timeout_of_the_system_says_no_remedy():
    """The network is to blame; its number and text are kept."""
    error = OSError(errno.ETIMEDOUT, "Connection timed out")

    async def main():
        stream = Stream(LastEvent(error), ClientSession(TALK, REQUEST), [], None)
        with pytest.raises(TimeoutError) as raised:
            await stream.send(Text("more"))
        assert raised.value.args == error.args == (errno.ETIMEDOUT, "Connection timed out")

    run(main)
