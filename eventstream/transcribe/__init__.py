"""Amazon Transcribe's StartStreamTranscription: its parameters, events and errors, at both ends."""

try:
    import msgspec as _msgspec  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.transcribe needs msgspec: install eventstream-codec with its extra [transcribe]", name=error.name
    ) from error

from eventstream.transcribe.exceptions import (
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
    Alternative,
    AudioEvent,
    ConfigurationEvent,
    Entity,
    Item,
    LanguageIdentification,
    Result,
    Transcript,
    TranscriptEvent,
)
from eventstream.transcribe.request import StartStreamTranscriptionRequest, StartStreamTranscriptionResponse
from eventstream.transcribe.session import ClientSession, ServerSession

__all__ = [
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
