"""The names that `eventstream.transcribe` exports, pinned literally."""

from __future__ import annotations

import eventstream.transcribe

NAMES = [
    "AUDIO_EVENT",
    "AUDIO_EVENT_HEADERS",
    "Alternative",
    "AudioEvent",
    "AudioSession",
    "AudioStreamEvent",
    "BadRequestException",
    "CONFIGURATION_EVENT",
    "CONFIGURATION_EVENT_HEADERS",
    "ChannelDefinition",
    "ClientSession",
    "ConfigurationEvent",
    "ConflictException",
    "ERRORS",
    "Entity",
    "Event",
    "InternalFailureException",
    "InvalidAudio",
    "InvalidEvent",
    "InvalidRequest",
    "Item",
    "LANGUAGE_CODES",
    "LanguageIdentification",
    "LimitExceededException",
    "MEDIA_ENCODINGS",
    "PostCallAnalyticsSettings",
    "Result",
    "START_CALL_ANALYTICS_STREAM_TRANSCRIPTION",
    "START_MEDICAL_SCRIBE_STREAM",
    "START_MEDICAL_STREAM_TRANSCRIPTION",
    "START_STREAM_TRANSCRIPTION",
    "ServerSession",
    "ServiceUnavailableException",
    "StartStreamTranscriptionRequest",
    "StartStreamTranscriptionResponse",
    "TRANSCRIPT_EVENT",
    "TRANSCRIPT_EVENT_HEADERS",
    "TranscribeError",
    "Transcript",
    "TranscriptEvent",
    "event_from_message",
    "event_to_message",
]


def test_exported_names():
    assert sorted(eventstream.transcribe.__all__) == sorted(NAMES)


def test_exported_names_are_there():
    for name in NAMES:
        assert hasattr(eventstream.transcribe, name), name
