"""Amazon Transcribe's StartStreamTranscription: its parameters, events and errors, at both ends."""

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
