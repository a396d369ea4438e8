"""botocore's errors for what a service says in mid-stream."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

from adapters.clients import EVENT_STREAM, LIMIT, answering, begin, chunk, once, serving
from botocore.exceptions import EventStreamError

from eventstream import Message

pytestmark = pytest.mark.usefixtures("methods")


def test_exception_in_mid_stream():
    with serving(faults=["exception:ValidationException@2"]) as server:
        client = once(server)
        with begin(client) as stream:
            stream.send(chunk(b"a"))
            assert next(stream) == chunk(b"A")
            stream.send(chunk(b"b"))
            for call in (stream.__next__, stream.__next__, stream.end, lambda: stream.send(chunk(b"c"))):
                with pytest.raises(client.exceptions.ValidationException) as caught:
                    call()
                assert isinstance(caught.value, EventStreamError)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["message"] == caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"] == stream["ResponseMetadata"]


def test_exception_of_the_service_while_nobody_reads():
    """Sending tells of it, too."""
    with serving(faults=["exception:ValidationException@1"]) as server:
        client = once(server)
        with begin(client) as stream, pytest.raises(client.exceptions.ValidationException):
            _send_until_it_fails(stream)


def _send_until_it_fails(stream):
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        stream.send(chunk(b"a"))


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
