"""Lines that one writes naturally, as type checkers see them. `make lint` checks this file, and the tests run it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import eventstream
from eventstream import Decoder, Message, Timestamp

if TYPE_CHECKING:
    from typing_extensions import assert_type

    from eventstream import sync
    from eventstream.operation import Operation
    from eventstream.transcribe.medical_scribe import (
        MedicalScribeInputEvent,
        MedicalScribeTranscriptEvent,
        StartMedicalScribeStreamRequest,
        StartMedicalScribeStreamResponse,
    )
    from eventstream.transcribe.sync import MedicalScribeStream, TranscribeClient
else:

    def assert_type(value: object, _: object) -> object:
        return value


WIRE = Message(
    {":message-type": "event", ":date": Timestamp(5), "count": 3, "yes": True, "id": uuid.UUID(int=1)}, b'{"a": 1}'
).encode()


def test_payload_is_bytes() -> None:
    for message in eventstream.iter_messages(WIRE, last=None):
        assert_type(message, Message[bytes])
        assert json.loads(message.payload) == {"a": 1}
        assert message.payload.decode() == '{"a": 1}'
    assert_type(eventstream.decode(WIRE).payload, bytes)
    assert_type(Message({}, memoryview(b"")).payload, bytes)
    assert_type(Decoder(), Decoder[bytes])
    for message in Decoder().feed(WIRE):
        assert json.loads(message.payload) == {"a": 1}


def test_payload_of_a_view_is_either() -> None:
    views = Decoder(copy=False).feed(WIRE + WIRE)
    assert_type(next(views).payload, bytes | memoryview)
    assert bytes(next(views).payload) == b'{"a": 1}'
    copied = bool(WIRE)
    assert_type(next(Decoder(copy=copied).feed(WIRE)), Message[bytes | memoryview])


def payload_of(message: Message[bytes | memoryview]) -> bytes | memoryview:
    match message:
        case Message(headers, payload):
            assert headers["count"] == 3
            assert_type(payload, bytes | memoryview)
            return payload


def test_message_of_bytes_is_one_of_either() -> None:
    assert payload_of(eventstream.decode(WIRE)) == payload_of(next(Decoder(copy=False).feed(WIRE))) == b'{"a": 1}'


def test_header_of_a_type() -> None:
    headers = eventstream.decode(WIRE).headers
    assert_type(headers.get_as(":date", Timestamp), Timestamp | None)
    assert_type(headers.get_as("count", int), int | None)
    assert_type(headers.get_as("yes", bool), bool | None)
    assert_type(headers.get_as("id", uuid.UUID), uuid.UUID | None)
    moment = headers.get_as(":date", Timestamp)
    assert moment is not None
    assert moment.datetime.year == 1970
    assert (headers.get_as(":message-type", str) or "").upper() == "EVENT"


def test_payload_lines_of_either() -> None:
    assert [line.split(":") for line in eventstream.iter_payload_lines(eventstream.iter_messages(WIRE))]
    assert [line.split(":") for line in eventstream.iter_payload_lines(Decoder(copy=False).feed(WIRE))]


def test_service_error_attributes() -> None:
    error = eventstream.ServiceError("Throttled", "slow down")
    assert_type(error.retryable, bool | None)
    assert_type(error.status_code, int | None)
    assert_type(error.request_id, str | None)


def blocking_stream(client: sync.Client, operation: Operation[bool, str, int, bytes]) -> list[bytes]:
    """Nobody calls this, or the next one: here only type checkers look at what they open."""
    with client.open(operation, True) as stream:
        assert_type(stream, sync.Stream[bool, str, int, bytes])
        assert_type(stream.request, bool)
        assert_type(stream.response, str)
        stream.send(1)
        return list(stream)


def blocking_audio(client: TranscribeClient, control: MedicalScribeInputEvent) -> list[MedicalScribeTranscriptEvent]:
    with client.start_medical_scribe_stream(language_code="en-US", session_id=None, retries=1) as stream:
        assert_type(stream, MedicalScribeStream)
        assert_type(stream.request, StartMedicalScribeStreamRequest)
        assert_type(stream.response, StartMedicalScribeStreamResponse)
        stream.send_audio(b"")
        stream.send(control)
        assert_type(next(stream), MedicalScribeTranscriptEvent)
        return list(stream)
