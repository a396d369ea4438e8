"""Rows of typed events: from wire to `TranscriptEvent`, against amazon-transcribe's parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
from amazon_transcribe.deserialize import TranscribeStreamingEventParser
from amazon_transcribe.eventstream import EventStreamBuffer

import eventstream
from benchmarks.measure import Row, Work
from eventstream.transcribe.model import TRANSCRIPT_EVENT_HEADERS, event_from_message

SPEECH = Path(__file__).parent.parent / "tests/captures/amazon-transcribe-0.6.4-speech.response.bin"

PAYLOAD_LENGTH = 918
"""The length of an event of six words."""


def payload_of_six_words() -> bytes:
    """JSON as services write it, with spaces; the id is as long as it takes for the length."""
    words = ["he", "might", "even", "have", "been", "made"]
    items = [
        {
            "StartTime": 0.2 + 0.25 * i,
            "EndTime": 0.44 + 0.25 * i,
            "Type": "pronunciation",
            "Content": word,
            "VocabularyFilterMatch": False,
        }
        for i, word in enumerate(words)
    ]
    result = {
        "ResultId": "",
        "StartTime": 0.2,
        "EndTime": 1.69,
        "IsPartial": True,
        "Alternatives": [{"Transcript": " ".join(words), "Items": items}],
    }
    event = {"Transcript": {"Results": [result]}}
    result["ResultId"] = "-" * (PAYLOAD_LENGTH - len(json.dumps(event)))
    return json.dumps(event).encode()


def ours(stream: bytes) -> Work:
    decoder = eventstream.Decoder()

    def work() -> object:
        event = None
        for message in decoder.feed(stream):
            event = event_from_message(message)
        return event

    return work


def theirs(stream: bytes) -> Work:
    buffer = EventStreamBuffer()
    parser = TranscribeStreamingEventParser()

    def work() -> object:
        event = None
        buffer.add_data(stream)
        for message in buffer:
            event = parser.parse(message)
        return event

    return work


def rows() -> Iterator[Row]:
    payload = payload_of_six_words()
    assert len(payload) == PAYLOAD_LENGTH
    wire = eventstream.encode(TRANSCRIPT_EVENT_HEADERS, payload)
    peer = "amazon-transcribe's buffer and parser"
    what = "wire to `TranscriptEvent`, 918 B"
    yield Row(what, peer, ours(wire), theirs(wire), at_least=8)
    yield Row(what, "msgspec's bare parsing", ours(wire), partial(msgspec.json.decode, payload), at_most=1.05)

    speech = SPEECH.read_bytes()
    count = sum(1 for _ in eventstream.Decoder().feed(speech))
    work = f"the same, {count} recorded events, each"
    yield Row(work, peer, ours(speech), theirs(speech), at_least=8, per=count, against_per=count)
