"""What a fake service sends."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from eventstream import Decoder, Message, MessageChecksumMismatch, ServiceError, decode
from eventstream.testing import corrupted, cut, error, event, exception, slow
from eventstream.testing.events import Pause


@pytest.mark.parametrize(
    ("payload", "content_type", "wire"),
    [
        (b"\0\1", "application/octet-stream", b"\0\1"),
        ("Grüße", "text/plain", "Grüße".encode()),
        ({"a": [1, None]}, "application/json", b'{"a": [1, null]}'),
        ([], "application/json", b"[]"),
        ({"at": datetime(2026, 1, 1, 0, 0, 1, 500_000, timezone.utc)}, "application/json", b'{"at": 1767225601.5}'),
        ({"bytes": b"Hi", "more": [bytearray(b"!")]}, "application/json", b'{"bytes": "SGk=", "more": ["IQ=="]}'),
    ],
)
def test_events(payload, content_type, wire):
    headers = {":message-type": "event", ":event-type": "chunk", ":content-type": content_type}
    assert event("chunk", payload) == Message(headers, wire)


def test_event_without_payload():
    assert event("Cont").payload == b""


def test_payload_that_json_cannot_say():
    with pytest.raises(TypeError) as caught:
        event("chunk", {"a": {1}})
    # Its text only: from Python 3.14 on json adds notes, which `match` would compare, too.
    assert str(caught.value) == "a set cannot be written as JSON"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "a number is not finite, or a value contains itself: JSON has neither"),
        (datetime(2026, 1, 1), "naive datetime: attach a time zone"),
    ],
)
def test_payload_that_json_has_no_value_for(value, text):
    for make in (lambda: event("chunk", {"a": [value]}), lambda: exception("gone", a=value)):
        with pytest.raises(ValueError, match=f"^{text}$"):
            make()


def test_exceptions():
    message = exception("throttlingException", "slow down", seconds=3)
    assert (message.message_type, message.exception_type) == ("exception", "throttlingException")
    assert json.loads(message.payload) == {"message": "slow down", "seconds": 3}
    with pytest.raises(ServiceError, match=r"^throttlingException: slow down$"):
        message.raise_for_error()


def test_errors():
    with pytest.raises(ServiceError, match=r"^InternalError: oh$"):
        error("InternalError", "oh").raise_for_error()


def test_faults():
    message = event("chunk", b"payload")
    with pytest.raises(MessageChecksumMismatch):
        decode(corrupted(message))
    half = cut(message)
    assert message.encode().startswith(half)
    decoder = Decoder()
    assert list(decoder.feed(half)) == []
    assert decoder.buffered == len(half) == len(message.encode()) // 2
    assert slow(1.5) == Pause(1.5)
    for seconds in (-1, float("nan")):
        with pytest.raises(ValueError, match=rf"^slow\({seconds}\): 0 seconds or more are needed$"):
            slow(seconds)
