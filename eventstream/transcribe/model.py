"""The events of a transcription: what a client sends (audio) and what it is sent (results).

They are msgspec Structs with the service's names in snake case; on the wire they have its own names. Anything may be
absent or null there: a text, number or flag is then None, a list empty; what is unknown is skipped. Times are seconds
from the beginning of the audio.

Decoding has a fast path, on which msgspec goes from the payload to the Structs in one pass; it refuses a null where a
list or an object belongs. Only then, and only if the payload says ``null`` at all, it is decoded a second time, to
Structs that take a null everywhere and skip what is unknown as the others do; the nulls are dropped, and what remains
is converted.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and what its clients and servers send.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Any, TypeAlias, TypeVar, get_args, get_origin

import msgspec

from eventstream._codec import Headers, Message
from eventstream._text import quote
from eventstream.exceptions import EncodeError
from eventstream.transcribe._json import reason_not_decoded, reason_not_encoded
from eventstream.transcribe.exceptions import InvalidEvent, TranscribeError

__all__ = [
    "AUDIO_EVENT_HEADERS",
    "CONFIGURATION_EVENT_HEADERS",
    "TRANSCRIPT_EVENT_HEADERS",
    "Alternative",
    "AudioEvent",
    "ChannelDefinition",
    "ConfigurationEvent",
    "Entity",
    "Event",
    "Item",
    "LanguageIdentification",
    "PostCallAnalyticsSettings",
    "Result",
    "Transcript",
    "TranscriptEvent",
    "event_from_message",
    "event_to_message",
]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


# msgspec leaves out of the JSON what equals its default, and an empty list whose default is made by `list` itself. Made
# by these, a value is always written: some clients cannot do without it.


def _empty() -> list[Any]:
    return []


def _false() -> bool:
    return False


# What the service sends


class Item(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """A word, or a punctuation mark.

    Attributes:
        start_time, end_time: seconds from the beginning of the audio.
        type: ``pronunciation`` or ``punctuation``.
        content: the word or the mark.
        vocabulary_filter_match: whether the word matches the vocabulary filter of the request.
        speaker: a label as ``0``, if the request asked for speakers.
        confidence: 0 to 1.
        stable: whether later partial results keep the item, if the request asked for stabilization.
    """

    start_time: float | None = None
    end_time: float | None = None
    type: str | None = None
    content: str | None = None
    vocabulary_filter_match: bool | None = None
    speaker: str | None = None
    confidence: float | None = None
    stable: bool | None = None


class Entity(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """Words that identify a person, if the request asked for content identification or redaction.

    Attributes:
        start_time, end_time: seconds from the beginning of the audio.
        category: ``PII``.
        type: as ``NAME`` or ``CREDIT_DEBIT_NUMBER``.
        content: the words.
        confidence: 0 to 1.
    """

    start_time: float | None = None
    end_time: float | None = None
    category: str | None = None
    type: str | None = None
    content: str | None = None
    confidence: float | None = None


class LanguageIdentification(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A language that may be the one spoken.

    Attributes:
        language_code: as ``en-US``.
        score: 0 to 1, how probable it is.
    """

    language_code: str | None = None
    score: float | None = None


class Alternative(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """One reading of a stretch of audio.

    Attributes:
        transcript: the text.
        items: its words and punctuation marks; always written.
        entities: words in it that identify a person.
    """

    transcript: str | None = None
    items: list[Item] = msgspec.field(default_factory=_empty)
    entities: list[Entity] = msgspec.field(default_factory=list)


class Result(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """A stretch of audio, transcribed. Partial results with one id follow each other until one is not partial.

    Attributes:
        result_id: the same for all results of one stretch.
        start_time, end_time: seconds from the beginning of the audio.
        is_partial: whether a better result of the stretch will come; always written.
        alternatives: its readings, the best first; always written.
        channel_id: as ``ch_0``, if the request asked for channel identification.
        language_code: the language spoken, if the request asked to identify it.
        language_identification: the languages that it may be, if the request asked to identify it.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool = msgspec.field(default_factory=_false)
    alternatives: list[Alternative] = msgspec.field(default_factory=_empty)
    channel_id: str | None = None
    language_code: str | None = None
    language_identification: list[LanguageIdentification] = msgspec.field(default_factory=list)


class Transcript(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """The results of one event.

    Attributes:
        results: none or more; always written.
    """

    results: list[Result] = msgspec.field(default_factory=_empty)


class TranscriptEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True):
    """What the service sends.

    Attributes:
        transcript: the results.
    """

    transcript: Transcript = msgspec.field(default_factory=Transcript)


# What a client sends


class AudioEvent(msgspec.Struct, frozen=True, gc=False):
    """A chunk of audio: the payload of its message as it is, without JSON.

    Attributes:
        audio_chunk: at most 32,768 bytes, in the media encoding of the request.
    """

    audio_chunk: bytes = b""


class ChannelDefinition(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Who speaks on a channel.

    Attributes:
        channel_id: 0 or 1; always written.
        participant_role: ``AGENT`` or ``CUSTOMER``.
    """

    channel_id: int | None = None
    participant_role: str | None = None


class PostCallAnalyticsSettings(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """What is done after a call.

    Attributes:
        output_location: where the transcript is stored, as ``s3://BUCKET/FOLDER/``.
        data_access_role_arn: the IAM role that may write there.
        content_redaction_output: ``redacted`` or ``redacted_and_unredacted``.
        output_encryption_kms_key_id: the KMS key that encrypts it.
    """

    output_location: str | None = None
    data_access_role_arn: str | None = None
    content_redaction_output: str | None = None
    output_encryption_kms_key_id: str | None = msgspec.field(default=None, name="OutputEncryptionKMSKeyId")


class ConfigurationEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """Settings of call analytics; the model allows it in every audio stream, before the audio.

    Attributes:
        channel_definitions: who speaks on which channel.
        post_call_analytics_settings: what is done after the call.
    """

    channel_definitions: list[ChannelDefinition] = msgspec.field(default_factory=list)
    post_call_analytics_settings: PostCallAnalyticsSettings | None = None


# Messages

Event: TypeAlias = AudioEvent | ConfigurationEvent | TranscriptEvent


def _headers(event_type: str, content_type: str) -> Headers:
    return Headers({":message-type": "event", ":event-type": event_type, ":content-type": content_type})


AUDIO_EVENT_HEADERS = _headers("AudioEvent", "application/octet-stream")
CONFIGURATION_EVENT_HEADERS = _headers("ConfigurationEvent", "application/json")
TRANSCRIPT_EVENT_HEADERS = _headers("TranscriptEvent", "application/json")

_ENCODER = msgspec.json.Encoder()
_TRANSCRIPT_EVENT = msgspec.json.Decoder(TranscriptEvent)
_CONFIGURATION_EVENT = msgspec.json.Decoder(ConfigurationEvent)
# Wider than what msgspec raises today for JSON that it refuses: the class differs between its versions.
_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def event_from_message(message: Message) -> Event | Message:
    """The typed event that a message holds; the message itself if its event type is another.

    Raises:
        TranscribeError: the message is an ``exception`` or an ``error``.
        InvalidEvent: its ``:message-type`` is missing or none of the three, an event has no ``:event-type``, or its
            JSON has not the shape of the event.
    """
    if message.message_type != "event":
        raise _not_an_event(message)
    event_type = message.event_type
    if event_type == "TranscriptEvent":
        return _decode(_TRANSCRIPT_EVENT, TranscriptEvent, message)
    if event_type == "AudioEvent":
        return AudioEvent(bytes(message.payload))
    if event_type == "ConfigurationEvent":
        return _decode(_CONFIGURATION_EVENT, ConfigurationEvent, message)
    if event_type is None:
        raise InvalidEvent(None, "it has no :event-type")
    return message


def event_to_message(event: Event) -> Message:
    """The message that holds an event; `event_from_message` gives an equal event back.

    Raises:
        EncodeError: the event holds what JSON cannot say, as text with lone surrogates.
        TypeError: it is no such event, or holds values of other types.
        BufferError: the audio is a buffer that is not C-contiguous.
    """
    if isinstance(event, AudioEvent):
        return Message(AUDIO_EVENT_HEADERS, event.audio_chunk)
    if isinstance(event, TranscriptEvent):
        return Message(TRANSCRIPT_EVENT_HEADERS, _encode(event))
    if isinstance(event, ConfigurationEvent):
        return Message(CONFIGURATION_EVENT_HEADERS, _encode(event))
    raise TypeError(f"a {type(event).__name__} is no event of a transcription")


def _not_an_event(message: Message) -> TranscribeError | InvalidEvent:
    message_type = message.message_type
    if message_type in ("exception", "error"):
        return TranscribeError.from_message(message)
    if message_type is None:
        return InvalidEvent(message.event_type, "it has no :message-type")
    return InvalidEvent(message.event_type, f"unknown :message-type {quote(message_type)}")


def _decode(decoder: msgspec.json.Decoder[_Struct], type: type[_Struct], message: Message) -> _Struct:
    try:
        return decoder.decode(message.payload)
    except _UNDECODABLE as error:
        payload, fault = bytes(message.payload), error
    if b"null" in payload:
        try:
            event = _with_nulls(type).decode(payload)
            converted: _Struct = msgspec.convert(_without_nulls(msgspec.to_builtins(event)), type)
            return converted
        except _UNDECODABLE as error:
            fault = error
    raise InvalidEvent(message.event_type, *reason_not_decoded(payload, type, fault)) from None


@cache
def _with_nulls(type: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_nullable(type))


def _nullable(type: Any) -> Any:
    """The same type, with None allowed in every place."""
    origin, arguments = get_origin(type), [_nullable(argument) for argument in get_args(type)]
    if origin is list:
        type = origin[arguments[0]]
    elif arguments:
        type = reduce(or_, arguments)
    elif issubclass(type, msgspec.Struct):
        fields = msgspec.structs.fields(type)
        type = msgspec.defstruct(type.__name__, [(field.encode_name, _nullable(field.type), None) for field in fields])
    return type | None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value if member is not None]
    return value


def _encode(event: msgspec.Struct) -> bytes:
    name = type(event).__name__
    reason: str | None
    try:
        payload = _ENCODER.encode(event)
    except TypeError:
        raise TypeError(f"{name}: a value has a type that its JSON does not have") from None
    except (msgspec.MsgspecError, ValueError, OverflowError):
        reason = reason_not_encoded(event) or "a number is out of range"
    else:
        # msgspec writes null for a number that is not finite.
        if b"null" not in payload or (reason := reason_not_encoded(event)) is None:
            return payload
    raise EncodeError(f"{name}: JSON cannot say it ({reason})")
