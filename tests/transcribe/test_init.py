"""The names that `eventstream.transcribe` exports, pinned literally."""

from __future__ import annotations

import eventstream.transcribe

NAMES = [
    "Alternative",
    "AudioEvent",
    "BadRequestException",
    "ClientSession",
    "ConfigurationEvent",
    "ConflictException",
    "Entity",
    "InternalFailureException",
    "InvalidAudio",
    "InvalidEvent",
    "InvalidRequest",
    "Item",
    "LanguageIdentification",
    "LimitExceededException",
    "Result",
    "ServerSession",
    "ServiceUnavailableException",
    "StartStreamTranscriptionRequest",
    "StartStreamTranscriptionResponse",
    "TranscribeError",
    "Transcript",
    "TranscriptEvent",
]


def test_the_exported_names():
    assert eventstream.transcribe.__all__ == NAMES


def test_every_exported_name_is_there():
    for name in NAMES:
        assert hasattr(eventstream.transcribe, name), name
