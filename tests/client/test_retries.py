"""What is tried again after an error, how often, and for how long."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from functools import partial

import pytest
from cases import each
from operations import CREDENTIALS, ECHO
from talking import run
from test_proxy import listening

from eventstream.client import Client, ConfigurationError, Retries, StartOptions, retries, retryable
from eventstream.exceptions import IncompleteStream, InvalidLength, ServiceError, TruncatedMessage
from eventstream.http2 import NotHTTP2, StreamError
from eventstream.proxy import ProxyError


@each(
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
        (TruncatedMessage(0, 3, 12, b"\0\0\0"), True),
        (TruncatedMessage(0, 13, 16), True),
        (TruncatedMessage(0, 9, 12, b"Forbidden"), False),
        (InvalidLength(0, 1, 2), False),
        (ValueError(), False),
    ],
)
def test_retryable_errors(error, expected):
    assert retryable(error) is expected


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

    run(main)


def test_deadline_cuts_a_try():
    async def silent(reader, writer):
        await reader.read()

    async def main():
        async with listening(silent) as port:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{port}", credentials=CREDENTIALS)
            with pytest.raises(TimeoutError, match=r"the stream did not begin in 0\.05 s, with all tries"):
                await client.open(ECHO, {}, retries=100, deadline=0.05).__aenter__()

    run(main)


def test_deadline_is_shared_with_a_single_try():
    async def main():
        retries = Retries(3, None, deadline=0.05)
        single = retries.once()
        with pytest.raises(TimeoutError, match="with all tries"):
            await single.within(asyncio.sleep(60))
        assert not await single.again(OSError())
        assert not await retries.again(OSError())
        assert await Retries(1, None).once().within(asyncio.sleep(0, "no deadline")) == "no deadline"

    run(main)


def test_deadline_begins_anew_once_started(monkeypatch):
    """A stream that lasted longer than the deadline leaves all of it to the next; the count continues."""

    async def main():
        loop = asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)
        retries = Retries(1, None, deadline=60)
        assert await retries.once().within(asyncio.sleep(0, "begun")) == "begun"
        retries.started()
        now += 61
        assert await retries.once().within(asyncio.sleep(0, "begun again")) == "begun again"
        retries._attempt = 1
        retries.started()
        assert not await retries.again(OSError())

    run(main)


def test_deadline_leaves_other_timeouts_alone():
    async def late():
        raise asyncio.TimeoutError("its own")

    async def main():
        with pytest.raises(asyncio.TimeoutError, match="its own"):
            await Retries(0, None, deadline=60).within(late())

    run(main)


@pytest.mark.parametrize("retries", [-1, None, 1.5, "3"])
def test_retries_that_cannot_be_counted(retries):
    client = Client("us-east-1", credentials=CREDENTIALS)
    with pytest.raises(ConfigurationError, match=f"^retries must be an int that is not negative, not {retries!r}$"):
        client.open(ECHO, {}, retries=retries)


@pytest.mark.parametrize("deadline", [0, -1, "1"])
def test_deadline_that_is_over_at_once(deadline):
    client = Client("us-east-1", credentials=CREDENTIALS)
    expected = f"^deadline must be more than 0 seconds, or None for no bound, not {deadline!r}$"
    with pytest.raises(ConfigurationError, match=expected):
        client.open(ECHO, {}, deadline=deadline)


async def _never(error): ...


class _Never:
    async def __call__(self, error): ...


@each(
    ("retry_on", "said"),
    [
        (5, "a function, not int"),
        (_never, "a plain function, not a coroutine function: it is not awaited"),
        (partial(_never), "a plain function, not a coroutine function: it is not awaited"),
        (_Never(), "a plain function, not a coroutine function: it is not awaited"),
    ],
)
def test_retry_on_that_is_not_a_plain_function(retry_on, said):
    """A coroutine would be true: each error would be followed by a retry."""
    client = Client("us-east-1", credentials=CREDENTIALS)
    with pytest.raises(TypeError, match=f"^retry_on must be {said}$"):
        client.open(ECHO, {}, retry_on=retry_on)


def test_pauses_grow(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    monkeypatch.setattr(retries.random, "random", lambda: 1.0)
    for attempt in range(7):
        asyncio.run(retries._pause(attempt, 60))
    assert slept == [1, 2, 4, 8, 16, 20, 20]


def test_options_of_a_start_are_those_of_retries():
    assert list(StartOptions.__annotations__) == list(inspect.signature(Retries).parameters)
    assert not StartOptions.__required_keys__
