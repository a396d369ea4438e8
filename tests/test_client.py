"""The client of any operation: what is tried again, for how long, and the way through a proxy."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta, timezone

import pytest
from http2.loopback import run
from test_proxy import TunnelProxy, listening

from eventstream import http2
from eventstream.client import Client, ConfigurationError, Retries, retryable
from eventstream.exceptions import IncompleteStream, ServiceError, TruncatedMessage
from eventstream.http2 import NotHTTP2, StreamError
from eventstream.operation import Events, Operation, Strings, json_event
from eventstream.proxy import ProxyError
from eventstream.server import Server
from eventstream.signing import Credentials, utc_now

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret")

ECHO: Operation[dict[str, str], dict[str, str], str, str] = Operation(
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


# The clock


async def echo(request, events):
    async for event in events:
        yield event


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_that_is_wrong_is_corrected(minutes, caplog):
    """By the date of the answer, on the second try; the next stream of the client needs no second one."""

    def clock():
        return utc_now() + timedelta(minutes=minutes)

    async def main():
        async with Server({ECHO: echo}, credentials=[CREDENTIALS], clock=clock) as server:
            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(ECHO, {}):
                    pass
            assert raised.value.status_code == 403
            assert abs(raised.value.clock_skew - timedelta(minutes=minutes)) < timedelta(seconds=10)
            for _ in range(2):
                async with client.open(ECHO, {}) as stream:
                    await stream.send("hello")
                    await stream.end()
                    assert [event async for event in stream] == ["hello"]
            assert server.statistics.refused == 1

            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS)
            async with client.open(ECHO, {}, retries=1) as stream:
                await stream.end()
            assert server.statistics.refused == 2

    run(main())
    lines = [record.getMessage() for record in caplog.records if record.name == "eventstream.client"]
    assert len(lines) == 2
    assert lines[0].startswith("the service's clock is ")


@pytest.mark.parametrize(
    "date",
    [
        *(None, "yesterday", "Thu, 01 Jan 2026 00:00:00", "now"),
        *("Thu, 01 Jan 2026 00:00:00 +" + "9" * 40, "Fri, 31 Dec 9999 23:59:59 -2300"),
    ],
)
def test_clock_is_not_blamed_for_other_refusals(date, caplog):
    now = datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = [] if date is None else [("date", now if date == "now" else date)]

    async def main():
        async def refuse(stream):
            await stream.respond(403, [("x-amzn-errortype", "InvalidSignatureException"), *headers], end=True)

        async with http2.serve(refuse) as server:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{server.port}", credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(ECHO, {}, retries=5):
                    pass
            assert raised.value.code == "InvalidSignatureException"
            assert raised.value.clock_skew is None

    run(main())
    assert not [record for record in caplog.records if record.name == "eventstream.client"]


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


def test_credentials_and_a_profile_are_not_both_taken():
    with pytest.raises(ConfigurationError, match="either credentials or a profile"):
        Client("us-east-1", credentials=CREDENTIALS, profile="mine")
