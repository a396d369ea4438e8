"""botocore's errors for what a service says in mid-stream."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

from adapters.clients import (
    LIMIT,
    answering,
    begin,
    chunk,
    once,
    serving,
)
from botocore.exceptions import (
    EventStreamError,
)

from eventstream import Message

EVENT_STREAM = ("content-type", "application/vnd.amazon.eventstream")

pytestmark = pytest.mark.usefixtures("methods")


@pytest.mark.parametrize("call", ["next", "send", "end"])
def test_exception_in_mid_stream(call):
    with serving(faults=["exception:ValidationException@2"]) as server:
        client = once(server)
        with begin(client) as stream:
            stream.send(chunk(b"a"))
            assert next(stream) == chunk(b"A")
            stream.send(chunk(b"b"))
            for _ in range(2):
                with pytest.raises(client.exceptions.ValidationException) as caught:
                    _until_it_fails(stream, call)
    assert isinstance(caught.value, EventStreamError)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["message"] == caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"] == stream["ResponseMetadata"]


def _until_it_fails(stream, call):
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        if call == "next":
            next(stream)
        elif call == "send":
            stream.send(chunk(b"c"))
        else:
            time.sleep(0.2)
            stream.end()


def test_exception_in_mid_stream_with_its_members():
    async def handler(channel):
        await channel.respond(200, [EVENT_STREAM])
        headers = {":message-type": "exception", ":exception-type": "modelStreamErrorException"}
        body = b'{"message": "why", "originalStatusCode": 500, "later": 1}'
        await channel.send(Message(headers, body).encode())
        await channel.end()

    with answering(handler) as server:
        client = once(server)
        with begin(client) as stream, pytest.raises(client.exceptions.ModelStreamErrorException) as caught:
            next(stream)
    assert caught.value.response["originalStatusCode"] == 500
    assert "later" not in caught.value.response


@pytest.mark.parametrize(
    ("headers", "payload", "code", "text"),
    [
        (
            {":message-type": "exception", ":exception-type": "NewException"},
            b'{"message": "why"}',
            "NewException",
            "why",
        ),
        ({":message-type": "error", ":error-code": "Odd", ":error-message": "text"}, b"", "Odd", "text"),
        ({":message-type": "exception", ":exception-type": "validationException"}, b"[", "ValidationException", ""),
    ],
)
def test_exceptions_that_the_model_has_not(headers, payload, code, text):
    async def handler(channel):
        await channel.respond(200, [EVENT_STREAM])
        await channel.send(Message(headers, payload).encode())
        await channel.end()

    with answering(handler) as server, begin(once(server)) as stream, pytest.raises(EventStreamError) as caught:
        next(stream)
    assert caught.value.response["Error"] == {"Code": code, "Message": text}
