"""The client of any operation: what is tried again, for how long, and the way through a proxy."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from http2.loopback import run
from test_proxy import TunnelProxy, listening

from eventstream.client import Client, ConfigurationError, Retries, retryable
from eventstream.exceptions import IncompleteStream, ServiceError, TruncatedMessage
from eventstream.http2 import NotHTTP2, StreamError
from eventstream.operation import Events, Operation, Strings, json_event
from eventstream.proxy import ProxyError
from eventstream.server import Server
from eventstream.signing import Credentials

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret")

ECHO = Operation(
    name="Echo",
    service="echo",
    signing_name="echo",
    endpoint="echo.{region}.{suffix}",
    path="/echo",
    request=Strings(),
    response=Strings(),
    inputs=Events(json_event("Word", str)),
    outputs=Events(json_event("Word", str)),
)


def test_proxy_argument(monkeypatch):
    proxy = TunnelProxy()

    async def handler(request, events):
        async for event in events:
            yield event

    async def main():
        async with Server({ECHO: handler}, credentials=[CREDENTIALS]) as server, listening(proxy) as port:
            client = Client(
                "us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, proxy=f"http://127.0.0.1:{port}"
            )
            async with client.open(ECHO, {}) as stream:
                await stream.send("hello")
                await stream.end()
                assert [event async for event in stream] == ["hello"]
            assert len(proxy.requests) == 1

            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            for other in (None, False):  # loopback is reached directly
                client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, proxy=other)
                async with client.open(ECHO, {}) as stream:
                    await stream.end()
            assert len(proxy.requests) == 1

    run(main())


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
            with pytest.raises(ConfigurationError, match="it must be http or https"):
                await client.open(ECHO, {}).__aenter__()

    run(main())


def test_proxy_argument_is_checked_at_once():
    with pytest.raises(ConfigurationError, match="it must be http or https"):
        Client("us-east-1", credentials=CREDENTIALS, proxy="socks5://localhost:1080")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StreamError("lost"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (IncompleteStream(0), True),
        (ssl.SSLEOFError(), True),
        (ssl.SSLSyscallError(), True),
        (ServiceError("ExpiredTokenException", ""), True),
        (ServiceError("ThrottlingException", ""), True),
        (ProxyError("gone"), True),
        (ProxyError("busy", 502), True),
        (ProxyError("who are you", 407), False),
        (NotHTTP2("HTTP/1"), False),
        (ssl.SSLCertVerificationError(), False),
        (ssl.SSLError(), False),
        (ServiceError("ValidationException", ""), False),
        (TruncatedMessage(0, 3, 16), False),
        (ValueError(), False),
    ],
)
def test_retryable_errors(error, expected):
    assert retryable(error) is expected


# The deadline


def test_retries_end_with_the_deadline(monkeypatch):
    pauses = []
    monkeypatch.setattr("random.random", lambda: 1.0)

    async def sleep(seconds):
        pauses.append(seconds)

    async def main():
        monkeypatch.setattr(asyncio, "sleep", sleep)
        retries = Retries(100, None, deadline=5.0)
        while await retries.again(OSError()):
            pass
        assert pauses == [1.0, 2.0, 4.0]  # eight more seconds there are not
        pauses.clear()
        retries.reset()
        assert await retries.again(OSError())
        assert pauses == [1.0]

    run(main())


def test_deadline_cuts_a_try():
    async def silent(reader, writer):
        await reader.read()

    async def main():
        async with listening(silent) as port:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{port}", credentials=CREDENTIALS)
            with pytest.raises(TimeoutError, match=r"the stream did not begin in 0\.05 s, with all tries"):
                await client.open(ECHO, {}, retries=100, deadline=0.05).__aenter__()

    run(main())


def test_deadline_is_shared_with_a_single_try():
    async def main():
        retries = Retries(3, None, deadline=0.05)
        single = retries.once()
        with pytest.raises(TimeoutError, match="with all tries"):
            await single.within(asyncio.sleep(60))
        assert not await single.again(OSError())
        assert not await retries.again(OSError())
        assert await Retries(1, None).once().within(asyncio.sleep(0, "no deadline")) == "no deadline"

    run(main())


def test_deadline_leaves_other_timeouts_alone():
    async def late():
        raise asyncio.TimeoutError("its own")

    async def main():
        with pytest.raises(asyncio.TimeoutError, match="its own"):
            await Retries(0, None, deadline=60).within(late())

    run(main())
