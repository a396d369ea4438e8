"""A stream of the client, once it is open."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from operations import REQUEST, TALK, Answer, Text
from talking import client_of, run, server

from eventstream import ServiceError, StateError
from eventstream.client import StreamError
from eventstream.operation import Completion
from eventstream.server import Limits


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
