"""Amazon Transcribe's streaming operations, as tables.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstream.operation import Codes, Events, Operation
from eventstream.parameters import Headers
from eventstream.structs import struct_event
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.exceptions import ERRORS, TranscribeError
from eventstream.transcribe.medical import (
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
)
from eventstream.transcribe.model import (
    AUDIO_EVENT,
    AUDIO_EVENT_HEADERS,
    CONFIGURATION_EVENT,
    TRANSCRIPT_EVENT,
    AudioEvent,
    AudioStreamEvent,
    TranscriptEvent,
)
from eventstream.transcribe.request import PREFIX, StartStreamTranscriptionRequest, StartStreamTranscriptionResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstream.transcribe.audio import Audio

__all__ = [
    "MAX_EVENT_LENGTH",
    "OPERATIONS",
    "START_MEDICAL_STREAM_TRANSCRIPTION",
    "START_STREAM_TRANSCRIPTION",
    "chunk_check",
]

MAX_EVENT_LENGTH = 65_536
"""The most bytes of an event that a server takes: those of the longest chunk of audio twice. What is declared longer is
refused at byte 12, before it is buffered."""

CODES = Codes(
    invalid="BadRequestException",
    throttled="LimitExceededException",
    internal="InternalFailureException",
    unavailable="ServiceUnavailableException",
)
"""What the service calls its refusals."""


def chunk_check(format: AudioFormat) -> Callable[[bytes | memoryview], None]:
    """Return `AudioFormat.check_chunk` of a format, with its bounds computed once, as every chunk is checked."""
    max_length, sample_length = format.max_chunk_length, format.sample_length

    def check(chunk: bytes | memoryview) -> None:
        if len(chunk) > max_length or len(chunk) % sample_length:
            format.check_chunk(chunk)

    return check


def input_check(request: Audio) -> Callable[[AudioStreamEvent], None]:
    """Return what checks the audio of a request."""
    check_chunk = chunk_check(AudioFormat.of(request))

    def check(event: AudioStreamEvent) -> None:
        if isinstance(event, AudioEvent):
            check_chunk(event.audio_chunk)

    return check


START_STREAM_TRANSCRIPTION: Operation[
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    AudioStreamEvent,
    TranscriptEvent,
] = Operation(
    name="StartStreamTranscription",
    service="transcribe-streaming",
    signing_name="transcribe",
    endpoint="transcribestreaming.{region}.{suffix}",
    path="/stream-transcription",
    websocket_path="/stream-transcription-websocket",
    websocket_prefix=PREFIX,
    request=Headers(StartStreamTranscriptionRequest),
    response=Headers(StartStreamTranscriptionResponse),
    inputs=Events(AUDIO_EVENT, CONFIGURATION_EVENT),
    outputs=Events(TRANSCRIPT_EVENT),
    errors=ERRORS,
    error=TranscribeError,
    codes=CODES,
    end=AUDIO_EVENT_HEADERS,
    check=input_check,
    reply=StartStreamTranscriptionResponse.from_request,
    max_event_length=MAX_EVENT_LENGTH,
    max_duration=4 * 3600,
    streams_per_connection=1,
)

START_MEDICAL_STREAM_TRANSCRIPTION: Operation[
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
    AudioStreamEvent,
    MedicalTranscriptEvent,
] = Operation(
    name="StartMedicalStreamTranscription",
    service="transcribe-streaming",
    signing_name="transcribe",
    endpoint="transcribestreaming.{region}.{suffix}",
    path="/medical-stream-transcription",
    websocket_path="/medical-stream-transcription-websocket",
    websocket_prefix=PREFIX,
    request=Headers(StartMedicalStreamTranscriptionRequest),
    response=Headers(StartMedicalStreamTranscriptionResponse),
    inputs=Events(AUDIO_EVENT, CONFIGURATION_EVENT),
    outputs=Events(struct_event("TranscriptEvent", MedicalTranscriptEvent)),
    errors=ERRORS,
    error=TranscribeError,
    codes=CODES,
    end=AUDIO_EVENT_HEADERS,
    check=input_check,
    reply=StartMedicalStreamTranscriptionResponse.from_request,
    max_event_length=MAX_EVENT_LENGTH,
    max_duration=4 * 3600,
    streams_per_connection=1,
)

OPERATIONS: tuple[Operation[Any, Any, Any, Any], ...] = (START_STREAM_TRANSCRIPTION, START_MEDICAL_STREAM_TRANSCRIPTION)
"""All of them."""
