"""The client of any operation: credentials, and the way through a proxy."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from operations import CREDENTIALS, ECHO
from talking import echo, run
from test_proxy import TunnelProxy, listening

from eventstream import Message
from eventstream.client import Client, ClientOptions, ConfigurationError, StreamError
from eventstream.operation import Parts
from eventstream.proxy import ProxyError
from eventstream.server import Server


def test_options_of_a_client_are_its_keywords():
    _, *keywords = inspect.signature(Client).parameters.values()
    assert {keyword.name: keyword.annotation for keyword in keywords} == {
        name: annotation.__forward_arg__ for name, annotation in ClientOptions.__annotations__.items()
    }
    assert not ClientOptions.__required_keys__


@pytest.mark.parametrize("name", ["send", "end", "response"])
def test_stream_that_is_not_open_says_how(name):
    opening = Client("us-east-1", credentials=CREDENTIALS).open(ECHO, {})
    expected = f"the stream is not open, and has no '{name}' yet: use it in an async with statement"
    with pytest.raises(AttributeError, match=f"^{expected}$"):
        getattr(opening, name)


def test_stream_that_is_awaited_says_how():
    async def main():
        await Client("us-east-1", credentials=CREDENTIALS).open(ECHO, {})

    with pytest.raises(TypeError, match=r"^a stream is opened by an async with statement, not by await$"):
        asyncio.run(main())


def test_open_refuses_an_unknown_option():
    expected = (
        "open() got an unexpected keyword argument 'timeout' (allowed: unknown_events, retries, retry_on, deadline)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(expected)}$"):
        Client("us-east-1", credentials=CREDENTIALS).open(ECHO, {}, timeout=1)


def test_stream_opens_once():
    async def main():
        async with Server({ECHO: echo}, credentials=[CREDENTIALS]) as server:
            opening = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS).open(ECHO, {})
            async with opening:
                with pytest.raises(RuntimeError, match=r"^the stream was already opened$"):
                    await opening.__aenter__()
            with pytest.raises(RuntimeError, match=r"^the stream was already opened$"):
                await opening.__aenter__()

    run(main)


def test_proxy_argument(monkeypatch, closed_port):
    proxy = TunnelProxy()

    async def main():
        async with Server({ECHO: echo}, credentials=[CREDENTIALS]) as server, listening(proxy) as port:
            client = Client(
                "us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, proxy=f"http://127.0.0.1:{port}"
            )
            async with client.open(ECHO, {}) as stream:
                await stream.send("hello")
                await stream.end()
                assert [event async for event in stream] == ["hello"]
            assert len(proxy.requests) == 1

            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
            for other in (None, False):  # loopback is reached directly
                client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, proxy=other)
                async with client.open(ECHO, {}) as stream:
                    await stream.end()
            assert len(proxy.requests) == 1

    run(main)


def test_proxy_of_environment_is_used(monkeypatch):
    proxy = TunnelProxy(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def main():
        async with listening(proxy) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            client = Client("us-east-1", credentials=CREDENTIALS)
            with pytest.raises(ProxyError, match="refused: 403"):
                await client.open(ECHO, {}, retries=3).__aenter__()
            assert [request.split()[1] for request in proxy.requests] == ["echo.us-east-1.amazonaws.com:443"]

            monkeypatch.setenv("HTTPS_PROXY", "socks5://localhost:1080")
            with pytest.raises(ConfigurationError, match="expected http or https"):
                await client.open(ECHO, {}).__aenter__()

    run(main)


def test_credentials_and_a_profile_are_not_both_taken():
    with pytest.raises(ConfigurationError, match="either credentials or a profile"):
        Client("us-east-1", credentials=CREDENTIALS, profile="mine")


@pytest.mark.parametrize("limit", [None, 5, 1 << 26])
def test_transport_is_told_the_limits_of_the_client(limit):
    """With them a WebSocket bounds frames."""
    told = []

    @asynccontextmanager
    async def transport(call):
        told.append(call.operation.max_output_length)
        raise StreamError("enough")
        yield

    async def main():
        client = Client("us-east-1", credentials=CREDENTIALS, transport=transport, max_event_length=limit)
        with pytest.raises(StreamError, match="enough"):
            await client.open(ECHO, {}).__aenter__()

    run(main)
    assert told == [ECHO.max_output_length if limit is None else limit]


class InFirstMessage:
    """A request, or response, that comes in the first message, as in RPC protocols."""

    def __init__(self, event_type):
        self.event_type = event_type

    def write(self, value):
        headers = {":message-type": "event", ":event-type": self.event_type}
        return Parts(initial=Message(headers, json.dumps(value).encode()))

    def read(self, parts):
        return {} if parts.initial is None else json.loads(parts.initial.payload)


def test_request_in_the_first_message():
    operation = replace(
        ECHO,
        request=InFirstMessage("initial-request"),
        response=InFirstMessage("initial-response"),
        reply=lambda request: {"greeting": f"hello {request['name']}"},
        initial_messages=True,
    )

    async def main():
        async with Server({operation: echo}, credentials=[CREDENTIALS]) as server:
            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS)
            async with client.open(operation, {"name": "you"}) as stream:
                await stream.send("word")
                assert await anext(stream) == "word"
                assert json.loads(stream._session.initial.payload) == {"greeting": "hello you"}
                await stream.end()
                assert [event async for event in stream] == []

    run(main)


@pytest.mark.parametrize("operation", ["Echo", None, Client])
def test_operation_that_is_none(operation):
    client = Client("us-east-1", credentials=CREDENTIALS)
    expected = f"^the operation must be an eventstream.operation.Operation, not {type(operation).__name__}; "
    with pytest.raises(TypeError, match=expected):
        client.open(operation, {})
    with pytest.raises(TypeError, match=expected):
        client.endpoint_of(operation)
    with pytest.raises(TypeError, match=expected):
        asyncio.run(client.presign_url(operation, {}))
