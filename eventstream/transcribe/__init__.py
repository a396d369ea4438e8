"""Amazon Transcribe's streaming operations, at both ends.

Here are the parameters, events and errors of StartStreamTranscription. The other operations are in `medical`,
`call_analytics` and `medical_scribe`, the clients of all four in `client` and `sync`.
"""

try:
    import msgspec as _msgspec  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.transcribe needs msgspec: install eventstream-codec with its extra [transcribe], or with [client] "
        "or [emulator] to use these",
        name=error.name,
    ) from error

from eventstream.transcribe.exceptions import (
    ERRORS,
    BadRequestException,
    ConflictException,
    InternalFailureException,
    InvalidAudio,
    InvalidEvent,
    InvalidRequest,
    LimitExceededException,
    ServiceUnavailableException,
    TranscribeError,
)
from eventstream.transcribe.model import (
    AUDIO_EVENT,
    AUDIO_EVENT_HEADERS,
    CONFIGURATION_EVENT,
    CONFIGURATION_EVENT_HEADERS,
    TRANSCRIPT_EVENT,
    TRANSCRIPT_EVENT_HEADERS,
    Alternative,
    AudioEvent,
    AudioStreamEvent,
    ChannelDefinition,
    ConfigurationEvent,
    Entity,
    Event,
    Item,
    LanguageIdentification,
    PostCallAnalyticsSettings,
    Result,
    Transcript,
    TranscriptEvent,
    event_from_message,
    event_to_message,
)
from eventstream.transcribe.operations import (
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    START_MEDICAL_SCRIBE_STREAM,
    START_MEDICAL_STREAM_TRANSCRIPTION,
    START_STREAM_TRANSCRIPTION,
)
from eventstream.transcribe.request import (
    LANGUAGE_CODES,
    MEDIA_ENCODINGS,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
)
from eventstream.transcribe.session import (
    AudioSession,
    ClientSession,
    ServerSession,
)

__all__ = [
    "AUDIO_EVENT",
    "AUDIO_EVENT_HEADERS",
    "CONFIGURATION_EVENT",
    "CONFIGURATION_EVENT_HEADERS",
    "ERRORS",
    "LANGUAGE_CODES",
    "MEDIA_ENCODINGS",
    "START_CALL_ANALYTICS_STREAM_TRANSCRIPTION",
    "START_MEDICAL_SCRIBE_STREAM",
    "START_MEDICAL_STREAM_TRANSCRIPTION",
    "START_STREAM_TRANSCRIPTION",
    "TRANSCRIPT_EVENT",
    "TRANSCRIPT_EVENT_HEADERS",
    "Alternative",
    "AudioEvent",
    "AudioSession",
    "AudioStreamEvent",
    "BadRequestException",
    "ChannelDefinition",
    "ClientSession",
    "ConfigurationEvent",
    "ConflictException",
    "Entity",
    "Event",
    "InternalFailureException",
    "InvalidAudio",
    "InvalidEvent",
    "InvalidRequest",
    "Item",
    "LanguageIdentification",
    "LimitExceededException",
    "PostCallAnalyticsSettings",
    "Result",
    "ServerSession",
    "ServiceUnavailableException",
    "StartStreamTranscriptionRequest",
    "StartStreamTranscriptionResponse",
    "TranscribeError",
    "Transcript",
    "TranscriptEvent",
    "event_from_message",
    "event_to_message",
]
