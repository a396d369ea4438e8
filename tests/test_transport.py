"""The seam between a client and what carries its bytes: endpoints, and the transport for HTTP/2."""

from __future__ import annotations

import asyncio

import pytest
from test_operation import TALK, Answer
from test_server import CREDENTIALS, REQUEST, shout

from eventstream.client import Client, ConfigurationError
from eventstream.server import Server
from eventstream.transport import Endpoint, Opened, over_http2


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.com", ("https", "example.com", "example.com", 443)),
        ("http://example.com:80/", ("http", "example.com", "example.com", 80)),
        ("https://[::1]:8443", ("https", "[::1]:8443", "::1", 8443)),
    ],
)
def test_endpoint_of_a_url(url, parts):
    assert Endpoint.parse(url) == parts


@pytest.mark.parametrize("url", ["localhost", "ftp://x", "http://", "http://x:y", "http://x/path", "http://a@b"])
def test_endpoint_that_is_none(url):
    with pytest.raises(ValueError, match="the endpoint"):
        Endpoint.parse(url)


def test_transport_of_ones_own():
    """It gets all that it needs to open the exchange, and says how events are signed."""
    calls = []

    def counted(call):
        calls.append(call)
        return over_http2(call)

    async def main():
        async with Server({TALK: shout}, credentials=[CREDENTIALS]) as server:
            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, transport=counted)
            async with client.open(TALK, REQUEST) as stream:
                await stream.end()
                assert [event async for event in stream] == []

    asyncio.run(asyncio.wait_for(main(), 20))
    [call] = calls
    assert (call.operation, call.region, call.credentials) == (TALK, "us-east-1", CREDENTIALS)
    assert call.parts.labels == {"bot": "b"}
    assert call.endpoint.scheme == "http"


def test_transport_in_memory_without_signatures():
    """A channel needs no network: the client asks it for bytes, and gives it bytes."""
    answer = TALK.outputs.serialise(Answer("hello")).encode()

    class Channel:
        peer_ended = readable = False

        def __init__(self):
            self.sent = []
            self.left = [answer]

        async def response(self, timeout=None):
            return type("Response", (), {"status": 200, "headers": [("x-talk-session", "s")]})

        async def send(self, data, *, timeout=None):
            self.sent.append(data)

        async def end(self):
            pass

        async def receive(self, timeout=None):
            return self.left.pop() if self.left else b""

        async def reset(self):
            pass

    class Opening:
        async def __aenter__(self):
            return Opened(channel, None)

        async def __aexit__(self, *_):
            pass

    async def main():
        client = Client("us-east-1", credentials=CREDENTIALS, transport=lambda call: Opening())
        async with client.open(TALK, REQUEST) as stream:
            assert stream.response == {"session": "s"}
            await stream.end()
            assert [event async for event in stream] == ["hello"]

    channel = Channel()
    asyncio.run(asyncio.wait_for(main(), 20))
    assert len(channel.sent) == 1


def test_transport_that_is_none():
    with pytest.raises(ConfigurationError, match="no transport 'carrier pigeon'"):
        Client("us-east-1", credentials=CREDENTIALS, transport="carrier pigeon")
