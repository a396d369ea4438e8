"""Amazon Transcribe's streaming operations, as tables.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from eventstream.operation import Codes, Events, Operation
from eventstream.parameters import Headers
from eventstream.structs import struct_event
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.call_analytics import (
    CallAnalyticsEvent,
    CategoryEvent,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    UtteranceEvent,
)
from eventstream.transcribe.exceptions import ERRORS, InvalidAudio, TranscribeError
from eventstream.transcribe.medical import (
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
)
from eventstream.transcribe.medical_scribe import (
    END_OF_SESSION,
    MedicalScribeConfigurationEvent,
    MedicalScribeInputEvent,
    MedicalScribeSessionControlEvent,
    MedicalScribeTranscriptEvent,
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
)
from eventstream.transcribe.model import (
    AUDIO_EVENT,
    AUDIO_EVENT_HEADERS,
    CONFIGURATION_EVENT,
    TRANSCRIPT_EVENT,
    AudioEvent,
    AudioStreamEvent,
    ConfigurationEvent,
    TranscriptEvent,
)
from eventstream.transcribe.request import (
    PREFIX,
    CheckedRequest,
    RepeatingResponse,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstream.transcribe.audio.format import Audio

__all__ = [
    "MAX_EVENT_LENGTH",
    "OPERATIONS",
    "START_CALL_ANALYTICS_STREAM_TRANSCRIPTION",
    "START_MEDICAL_SCRIBE_STREAM",
    "START_MEDICAL_STREAM_TRANSCRIPTION",
    "START_STREAM_TRANSCRIPTION",
]

_Request = TypeVar("_Request", bound=CheckedRequest)
_Response = TypeVar("_Response", bound=RepeatingResponse)
_In = TypeVar("_In")
_Out = TypeVar("_Out")

MAX_EVENT_LENGTH = 65_536
"""The most bytes of an event that a server takes: those of the longest chunk of audio twice. What is declared longer is
refused at byte 12, before it is buffered."""

MAX_TRANSCRIPT_LENGTH = 1 << 20
"""The most bytes of an event that a client takes. The service's have some hundred bytes for each word they hold."""

CODES = Codes(
    invalid="BadRequestException",
    throttled="LimitExceededException",
    internal="InternalFailureException",
    unavailable="ServiceUnavailableException",
)
"""What the service calls its refusals."""


def _chunk_check(format: AudioFormat) -> Callable[[bytes | memoryview], None]:
    """Return `AudioFormat.check_chunk` of a format, with its bounds computed once, as every chunk is checked."""
    max_length, sample_length = format.max_chunk_length, format.sample_length

    def check(chunk: bytes | memoryview) -> None:
        if len(chunk) > max_length or len(chunk) % sample_length:
            format.check_chunk(chunk)

    return check


def input_check(request: Audio) -> Callable[[AudioStreamEvent], None]:
    """Return what checks the audio of a request."""
    check_chunk = _chunk_check(AudioFormat.of(request))

    def check(event: AudioStreamEvent) -> None:
        if isinstance(event, AudioEvent):
            check_chunk(event.audio_chunk)

    return check


def _after_configuration(request: StartCallAnalyticsStreamTranscriptionRequest) -> Callable[[AudioStreamEvent], None]:
    """Check that the configuration comes before the audio, and what the audio is."""
    check_audio = input_check(request)
    configured = False

    def check(event: AudioStreamEvent) -> None:
        nonlocal configured
        if isinstance(event, ConfigurationEvent):
            configured = True
        elif event.audio_chunk and not configured:
            raise InvalidAudio("audio before the configuration: a ConfigurationEvent must come first")
        check_audio(event)

    return check


def _within_session(request: StartMedicalScribeStreamRequest) -> Callable[[MedicalScribeInputEvent], None]:
    """Check that the configuration comes before the audio, and nothing after the end of the session."""
    check_chunk = _chunk_check(AudioFormat.of(request))
    configured = ended = False

    def check(event: MedicalScribeInputEvent) -> None:
        nonlocal configured, ended
        if isinstance(event, MedicalScribeConfigurationEvent):
            configured = True
        elif isinstance(event, MedicalScribeSessionControlEvent):
            if event.type != END_OF_SESSION:
                raise ValueError(f"a session control event must have the type {END_OF_SESSION}")
            ended = True
        elif event.audio_chunk:
            if not configured:
                raise InvalidAudio("audio before the configuration: a MedicalScribeConfigurationEvent must come first")
            if ended:
                raise InvalidAudio("audio after the end of the session")
            check_chunk(event.audio_chunk)

    return check


def _operation(
    name: str,
    path: str,
    request: type[_Request],
    response: type[_Response],
    *,
    inputs: Events[_In],
    outputs: Events[_Out],
    check: Callable[[_Request], Callable[[_In], None]],
    has_websocket: bool = True,
) -> Operation[_Request, _Response, _In, _Out]:
    """Return a table of an operation, with what all of them have in common."""
    return Operation(
        name=name,
        service="transcribe-streaming",
        signing_name="transcribe",
        endpoint="transcribestreaming.{region}.{suffix}",
        fips_endpoint="transcribestreaming-fips.{region}.{suffix}",
        path=path,
        websocket_path=f"{path}-websocket" if has_websocket else None,
        websocket_prefix=PREFIX,
        websocket_port=8443,
        max_expires=300,
        request=Headers(request),
        response=Headers(response),
        inputs=inputs,
        outputs=outputs,
        errors=ERRORS,
        error=TranscribeError,
        text_member="Message",
        codes=CODES,
        end=AUDIO_EVENT_HEADERS,
        check=check,
        reply=response.from_request,
        max_event_length=MAX_EVENT_LENGTH,
        max_output_length=MAX_TRANSCRIPT_LENGTH,
        max_duration=4 * 3600,
        streams_per_connection=1,
    )


START_STREAM_TRANSCRIPTION: Operation[
    StartStreamTranscriptionRequest, StartStreamTranscriptionResponse, AudioStreamEvent, TranscriptEvent
] = _operation(
    "StartStreamTranscription",
    "/stream-transcription",
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    inputs=Events(AUDIO_EVENT, CONFIGURATION_EVENT),
    outputs=Events(TRANSCRIPT_EVENT),
    check=input_check,
)

START_MEDICAL_STREAM_TRANSCRIPTION: Operation[
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
    AudioStreamEvent,
    MedicalTranscriptEvent,
] = _operation(
    "StartMedicalStreamTranscription",
    "/medical-stream-transcription",
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
    inputs=Events(AUDIO_EVENT, CONFIGURATION_EVENT),
    outputs=Events(struct_event("TranscriptEvent", MedicalTranscriptEvent)),
    check=input_check,
)

START_CALL_ANALYTICS_STREAM_TRANSCRIPTION: Operation[
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    AudioStreamEvent,
    CallAnalyticsEvent,
] = _operation(
    "StartCallAnalyticsStreamTranscription",
    "/call-analytics-stream-transcription",
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    inputs=Events(AUDIO_EVENT, CONFIGURATION_EVENT),
    outputs=Events(struct_event("UtteranceEvent", UtteranceEvent), struct_event("CategoryEvent", CategoryEvent)),
    check=_after_configuration,
)

START_MEDICAL_SCRIBE_STREAM: Operation[
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
    MedicalScribeInputEvent,
    MedicalScribeTranscriptEvent,
] = _operation(
    "StartMedicalScribeStream",
    "/medical-scribe-stream",
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
    inputs=Events(
        AUDIO_EVENT,
        struct_event("SessionControlEvent", MedicalScribeSessionControlEvent),
        struct_event("ConfigurationEvent", MedicalScribeConfigurationEvent),
    ),
    outputs=Events(struct_event("TranscriptEvent", MedicalScribeTranscriptEvent)),
    check=_within_session,
    has_websocket=False,
)

OPERATIONS: tuple[Operation[Any, Any, Any, Any], ...] = (
    START_STREAM_TRANSCRIPTION,
    START_MEDICAL_STREAM_TRANSCRIPTION,
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    START_MEDICAL_SCRIBE_STREAM,
)
"""All of them."""
