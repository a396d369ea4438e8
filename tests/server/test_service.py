"""What all streams of a server share: its operations, and who is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from operations import REQUEST, TALK, Answer, Text
from talking import LIMIT, client_of, run, server, shout, talk

from eventstream import ServiceError
from eventstream.server import Server


def test_handler_of_each_operation():
    other = replace(TALK, name="Other", path="/other/{bot}")

    async def whisper(request, events):
        async for event in events:
            yield Answer(event.lower())

    async def main():
        async with Server({TALK: shout, other: whisper}, credentials=None) as serving:
            assert await talk(client_of(serving), ["Aa"]) == ["AA (en)"]
            async with client_of(serving).open(other, REQUEST) as stream:
                await stream.send(Text("Aa"))
                await stream.end()
                assert [answer async for answer in stream] == ["aa"]

    run(main)


def test_server_without_an_operation():
    with pytest.raises(ValueError, match="needs at least one operation"):
        Server({}, credentials=None)


async def _one(conversation): ...
async def _two(request, events): ...
async def _none(): ...
async def _yielding(request):
    yield request


class _Called:
    async def __call__(self, request, events):
        yield request


@pytest.mark.parametrize(
    "handler",
    [_one, shout, _Called(), partial(_two, None), lambda conversation: None, max],
)
def test_handlers_that_are_taken(handler):
    Server({TALK: handler}, credentials=None)


@pytest.mark.parametrize(
    "handler",
    [
        _two,
        _none,
        _yielding,
        partial(_one, None),
        partial(shout, events=None),
        lambda request, events: shout(request, events),
        1,
    ],
)
def test_handlers_that_are_refused(handler):
    with pytest.raises(TypeError, match=r"must be an asynchronous generator function of .* or a coroutine "):
        Server({TALK: handler}, credentials=None)


def test_draining_lets_streams_end_and_refuses_new_ones():
    async def main():
        async with server() as serving:
            client = client_of(serving)
            async with client.open(TALK, REQUEST) as stream:
                draining = asyncio.create_task(serving.drain(LIMIT))
                await asyncio.sleep(0)
                with pytest.raises(ServiceError, match="The server is shutting down"):
                    async with client.open(TALK, REQUEST):
                        pass
                await stream.send(Text("last"))
                await stream.end()
                assert [answer async for answer in stream] == ["LAST (en)"]
            await draining

    run(main)
