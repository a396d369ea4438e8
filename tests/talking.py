"""Servers and clients of the operations that are made by hand, on loopback."""

from __future__ import annotations

import asyncio

from operations import CREDENTIALS, REQUEST, TALK, Answer, Text

from eventstream.client import Client
from eventstream.server import Server

LIMIT = 20
"""Seconds that a test may take."""


def run(main):
    return asyncio.run(asyncio.wait_for(main(), LIMIT))


async def shout(request, events):
    async for event in events:
        yield Answer(f"{event.upper()} ({request['language']})")


async def echo(request, events):
    async for event in events:
        yield event


def server(handler=shout, *, operation=TALK, credentials=(CREDENTIALS,), **options):
    return Server({operation: handler}, credentials=credentials, **options)


def client_of(server, **options):
    return Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, **options)


async def talk(client, texts=("hello", "again")):
    """Return the answers, one after the other."""
    answers = []
    async with client.open(TALK, REQUEST) as stream:
        for text in texts:
            await stream.send(Text(text))
            answers.append(await anext(stream))
        await stream.end()
        answers += [answer async for answer in stream]
    return answers
