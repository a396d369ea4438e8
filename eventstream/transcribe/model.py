"""The events of a transcription: what a client sends (audio) and what it receives (results).

They are msgspec Structs with the service's names in snake case; on the wire they have its own names. Anything may be
absent or null there: a text, number or flag is then None, a list empty; what is unknown is skipped. Times are seconds
from the beginning of the audio.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and what its clients and servers send.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from eventstream._codec import Headers, Message
from eventstream.operation import EventKind, Events, not_an_event
from eventstream.structs import json_headers, struct_event
from eventstream.transcribe.exceptions import TranscribeError

__all__ = [
    "AUDIO_EVENT",
    "AUDIO_EVENT_HEADERS",
    "CONFIGURATION_EVENT",
    "CONFIGURATION_EVENT_HEADERS",
    "TRANSCRIPT_EVENT",
    "TRANSCRIPT_EVENT_HEADERS",
    "Alternative",
    "AudioEvent",
    "AudioStreamEvent",
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


# msgspec leaves out of the JSON what equals its default, and an empty list whose default is made by `list` itself. Made
# by these, a value is always written: some clients cannot do without it.


def written_list() -> list[Any]:
    return []


def written_false() -> bool:
    return False


# What the service sends


class Item(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """A word, or a punctuation mark.

    Attributes:
        start_time, end_time: seconds from the beginning of the audio.
        type: ``pronunciation`` or ``punctuation``.
        content: the word or the mark.
        vocabulary_filter_match: whether the word matches the vocabulary filter of the request.
        speaker: a label such as ``0``, if the request asked for speakers.
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
        type: e.g. ``NAME`` or ``CREDIT_DEBIT_NUMBER``.
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
        language_code: e.g. ``en-US``.
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
    items: list[Item] = msgspec.field(default_factory=written_list)
    entities: list[Entity] = msgspec.field(default_factory=list)


class Result(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """A stretch of audio, transcribed. Partial results with one id follow each other until one is not partial.

    Attributes:
        result_id: the same for all results of one stretch.
        start_time, end_time: seconds from the beginning of the audio.
        is_partial: whether a better result of the stretch will come; always written.
        alternatives: its readings, the best first; always written.
        channel_id: e.g. ``ch_0``, if the request asked for channel identification.
        language_code: the language spoken, if the request asked to identify it.
        language_identification: the languages that it may be, if the request asked to identify it.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool = msgspec.field(default_factory=written_false)
    alternatives: list[Alternative] = msgspec.field(default_factory=written_list)
    channel_id: str | None = None
    language_code: str | None = None
    language_identification: list[LanguageIdentification] = msgspec.field(default_factory=list)


class Transcript(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """The results of one event.

    Attributes:
        results: none or more; always written.
    """

    results: list[Result] = msgspec.field(default_factory=written_list)


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
        output_location: where the transcript is stored, e.g. ``s3://BUCKET/FOLDER/``.
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

AudioStreamEvent: TypeAlias = AudioEvent | ConfigurationEvent
Event: TypeAlias = AudioEvent | ConfigurationEvent | TranscriptEvent

AUDIO_EVENT_HEADERS = Headers(
    {":message-type": "event", ":event-type": "AudioEvent", ":content-type": "application/octet-stream"}
)
CONFIGURATION_EVENT_HEADERS = json_headers("ConfigurationEvent")
TRANSCRIPT_EVENT_HEADERS = json_headers("TranscriptEvent")

AUDIO_EVENT = EventKind(
    "AudioEvent",
    AudioEvent,
    lambda message: AudioEvent(bytes(message.payload)),
    lambda event: Message(AUDIO_EVENT_HEADERS, event.audio_chunk),
)
CONFIGURATION_EVENT = struct_event("ConfigurationEvent", ConfigurationEvent)
TRANSCRIPT_EVENT = struct_event("TranscriptEvent", TranscriptEvent)

_EVENTS: Events[Event] = Events(AUDIO_EVENT, CONFIGURATION_EVENT, TRANSCRIPT_EVENT)


def event_from_message(message: Message) -> Event | Message:
    """Return the typed event that a message holds; the message itself if its event type is another.

    Raises:
        TranscribeError: the message is an ``exception`` or an ``error``.
        InvalidEvent: its ``:message-type`` is missing or none of the three, an event has no ``:event-type``, or its
            JSON does not have the shape of the event.
    """
    if message.message_type != "event":
        if message.message_type in ("exception", "error"):
            raise TranscribeError.from_message(message)
        raise not_an_event(message)
    return _EVENTS.parse(message)


def event_to_message(event: Event) -> Message:
    """Return the message that holds an event; `event_from_message` gives an equal event back.

    Raises:
        EncodeError: the event holds what JSON cannot represent, e.g. text with lone surrogates.
        TypeError: it is another object, or holds values of other types.
        BufferError: the audio is a buffer that is not C-contiguous.
    """
    return _EVENTS.serialise(event)
