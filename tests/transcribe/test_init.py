"""The names that `eventstream.transcribe` exports, pinned literally."""

from __future__ import annotations

import subprocess
import sys

from programs import AWAY

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


def test_missing_extra_is_named():
    program = "import sys; sys.modules['msgspec'] = None; import eventstream.transcribe"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=AWAY)
    assert done.returncode == 1
    assert (
        "eventstream.transcribe needs msgspec: install eventstream-codec with its extra [transcribe], " in done.stderr
    )
    assert "[client] or [emulator]" in done.stderr
