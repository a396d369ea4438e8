"""Real clients' streams: they decode, their nested audio events too, and encode to the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import frames
import pytest
from cases import each

from eventstream import ServiceError, Timestamp

CAPTURES = Path(__file__).parent / "captures"
INDEX = json.loads((CAPTURES / "index.json").read_text(encoding="utf-8"))
NAMES = [entry["name"] for entry in INDEX]
ENTRIES = {entry["name"]: entry for entry in INDEX}
FILES = sorted(path.name for path in CAPTURES.glob("*.bin"))


def stream(name):
    return (CAPTURES / name).read_bytes()


def messages_of(codec, data, size=None, **options):
    decoder = codec.Decoder(**options)
    messages = []
    for start in range(0, len(data), size or len(data)):
        messages += decoder.feed(data[start : start + (size or len(data))])
    decoder.close()
    return messages


def test_index_names_the_files():
    expected = [f"{name}.request.bin" for name in NAMES]
    expected += [f"{name}.response.bin" for name in NAMES if ENTRIES[name]["response"]]
    assert sorted(expected) == FILES


@pytest.mark.untraced
@each("size", [None, 1, 7, 1000, 4096], ids=lambda size: f"{size or 'all'} at a time")
@each("name", FILES)
def test_capture_round_trips(codec, name, size):
    data = stream(name)
    for options in ({}, {"copy": False}):
        messages = messages_of(codec, data, size, **options)
        assert messages
        assert b"".join(message.encode() for message in messages) == data
        assert b"".join(codec.encode(dict(message.headers), message.payload) for message in messages) == data


@each("name", FILES)
def test_single_messages_decode_alone(codec, name):
    for message in messages_of(codec, stream(name)):
        assert codec.decode(message.encode()) == message


@each("name", NAMES)
def test_request_is_signed_messages_with_audio_events_inside(codec, name):
    entry = ENTRIES[name]
    data = stream(f"{name}.request.bin")
    assert len(data) == entry["request_body_length"]
    signed = messages_of(codec, data)
    assert len(signed) == entry["messages"]
    for message, signature in zip(signed, entry["chunk_signatures"], strict=True):
        assert set(message.headers) == {":date", ":chunk-signature"}
        assert type(message.headers[":date"]) is Timestamp
        assert message.headers[":date"].datetime.year == 2026
        assert message.headers[":chunk-signature"].hex() == signature
    *audio, end = signed
    assert end.payload == b""
    assert len(end.encode()) == 83
    for message in audio:
        event = codec.decode(message.payload)
        assert event.message_type == "event"
        assert event.event_type == "AudioEvent"
        assert event.content_type == "application/octet-stream"
        assert 0 < len(event.payload) <= 32_768
        assert event.encode() == message.payload
        assert type(event.encode()) is bytes


@each("name", [name for name in NAMES if ENTRIES[name]["response"]])
def test_response_is_transcript_events_or_an_exception(codec, name):
    messages = messages_of(codec, stream(f"{name}.response.bin"))
    for message in messages:
        body = json.loads(bytes(message.payload))
        if message.message_type == "exception":
            assert name.endswith("limit-exceeded")
            with pytest.raises(ServiceError) as raised:
                message.raise_for_error()
            assert raised.value.code == message.exception_type == "LimitExceededException"
            assert raised.value.message == body["Message"]
        else:
            message.raise_for_error()
            assert (message.message_type, message.event_type) == ("event", "TranscriptEvent")
            assert message.content_type == "application/json"
            assert isinstance(body["Transcript"]["Results"], list)


def test_headers_of_a_response_are_shared(codec):
    messages = messages_of(codec, stream("amazon-transcribe-0.6.4-speech.response.bin"))
    assert len(messages) > 5
    assert len({id(message.headers) for message in messages}) == 1


def test_capture_cut_anywhere_is_truncated(codec):
    data = stream("capo-0.11.0.response.bin")
    ends = [0]
    for message in messages_of(codec, data):
        ends.append(ends[-1] + len(message.encode()))
    for length in range(len(data) + 1):
        outcome = frames.read(codec, [data[:length]])
        whole = max(end for end in ends if end <= length)
        assert b"".join(outcome.messages) == data[:whole]
        assert (outcome.raised is None) == (whole == length)
        if outcome.raised:
            assert outcome.raised.offset == whole
