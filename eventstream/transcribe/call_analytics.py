"""StartCallAnalyticsStreamTranscription: its parameters and events. The table is in `operations`.

The audio has two channels, an agent's and a customer's. A `ConfigurationEvent`, which says who is on which, comes
before the audio. What comes back are the utterances of both, and the categories that the call matches.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartCallAnalyticsStreamTranscription.html).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import msgspec

from eventstream.parameters import Parameters
from eventstream.transcribe.model import LanguageIdentification, written_false, written_list
from eventstream.transcribe.request import CheckedRequest, RepeatingResponse, StartStreamTranscriptionRequest

__all__ = [
    "CallAnalyticsEntity",
    "CallAnalyticsEvent",
    "CallAnalyticsItem",
    "CategoryEvent",
    "CharacterOffsets",
    "IssueDetected",
    "PointsOfInterest",
    "StartCallAnalyticsStreamTranscriptionRequest",
    "StartCallAnalyticsStreamTranscriptionResponse",
    "TimestampRange",
    "UtteranceEvent",
]

_FIELDS = (
    "language_code",
    "media_sample_rate_hertz",
    "media_encoding",
    "vocabulary_name",
    "session_id",
    "vocabulary_filter_name",
    "vocabulary_filter_method",
    "language_model_name",
    "identify_language",
    "language_options",
    "preferred_language",
    "vocabulary_names",
    "vocabulary_filter_names",
    "enable_partial_results_stabilization",
    "partial_results_stability",
    "content_identification_type",
    "content_redaction_type",
    "pii_entity_types",
)
# Each is what StartStreamTranscription has under that name.
_PARAMETERS = {field: StartStreamTranscriptionRequest.parameters[field] for field in _FIELDS}


@dataclass(frozen=True, kw_only=True, repr=False)
class _Parameters(Parameters):
    parameters = _PARAMETERS

    language_code: str | None = None
    media_sample_rate_hertz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    session_id: str | None = None
    vocabulary_filter_name: str | None = None
    vocabulary_filter_method: str | None = None
    language_model_name: str | None = None
    identify_language: bool = False
    language_options: Sequence[str] = ()
    preferred_language: str | None = None
    vocabulary_names: Sequence[str] = ()
    vocabulary_filter_names: Sequence[str] = ()
    enable_partial_results_stabilization: bool = False
    partial_results_stability: str | None = None
    content_identification_type: str | None = None
    content_redaction_type: str | None = None
    pii_entity_types: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class StartCallAnalyticsStreamTranscriptionRequest(CheckedRequest, _Parameters):
    """The parameters of call analytics: the service's, in snake case. Immutable and hashable.

    They are what `eventstream.transcribe.StartStreamTranscriptionRequest` has under the same names. Required are
    `media_sample_rate_hertz`, `media_encoding`, and either `language_code` or `identify_language`.

    Attributes:
        number_of_channels: 2, always: an agent's and a customer's, with their samples in turn.

    Raises:
        InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
    """

    # field() takes away the defaults of the base.
    media_sample_rate_hertz: int = dataclasses.field()
    media_encoding: str = dataclasses.field()
    number_of_channels: ClassVar[int] = 2

    required = ("media_sample_rate_hertz", "media_encoding")
    exactly_one_of = ("language_code", "identify_language")


@dataclass(frozen=True, kw_only=True, repr=False)
class StartCallAnalyticsStreamTranscriptionResponse(RepeatingResponse, _Parameters):
    """What the service answers: the parameters of the request, repeated, and the ids that it gave.

    Attributes:
        request_id: the id of the request, for the service's support, however its header is spelt.
        session_id: the session.
    """


# Events. Times are milliseconds from the beginning of the audio.


class CallAnalyticsItem(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A word, or a punctuation mark; see `eventstream.transcribe.model.Item`.

    Attributes:
        begin_offset_millis, end_offset_millis: milliseconds from the beginning of the audio.
    """

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    type: str | None = None
    content: str | None = None
    confidence: float | None = None
    vocabulary_filter_match: bool | None = None
    stable: bool | None = None


class CallAnalyticsEntity(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Words that identify a person; see `eventstream.transcribe.model.Entity`.

    Attributes:
        begin_offset_millis, end_offset_millis: milliseconds from the beginning of the audio.
    """

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    category: str | None = None
    type: str | None = None
    content: str | None = None
    confidence: float | None = None


class CharacterOffsets(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A stretch of a transcript, in characters from its beginning."""

    begin: int | None = None
    end: int | None = None


class IssueDetected(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Words in which the customer says what the call is about.

    Attributes:
        character_offsets: where they are in the transcript.
    """

    character_offsets: CharacterOffsets | None = None


class UtteranceEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """What one of the two has said. Partial events with one id follow each other until one is not partial.

    Attributes:
        utterance_id: the same for all events of one utterance.
        is_partial: whether a better event of the utterance will come; always written.
        participant_role: ``AGENT`` or ``CUSTOMER``.
        begin_offset_millis, end_offset_millis: milliseconds from the beginning of the audio.
        transcript: the text.
        items: its words and punctuation marks; always written.
        entities: words in it that identify a person, if the request asked for them.
        sentiment: ``POSITIVE``, ``NEGATIVE``, ``MIXED`` or ``NEUTRAL``; of a final event.
        issues_detected: what the call is about.
        language_code: the language spoken, if the request asked to identify it.
        language_identification: the languages that it may be, if the request asked to identify it.
    """

    utterance_id: str | None = None
    is_partial: bool = msgspec.field(default_factory=written_false)
    participant_role: str | None = None
    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    transcript: str | None = None
    items: list[CallAnalyticsItem] = msgspec.field(default_factory=written_list)
    entities: list[CallAnalyticsEntity] = msgspec.field(default_factory=list)
    sentiment: str | None = None
    issues_detected: list[IssueDetected] = msgspec.field(default_factory=list)
    language_code: str | None = None
    language_identification: list[LanguageIdentification] = msgspec.field(default_factory=list)


class TimestampRange(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A stretch of the audio, in milliseconds from its beginning."""

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None


class PointsOfInterest(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """Where in the audio a category was matched.

    Attributes:
        timestamp_ranges: the stretches.
    """

    timestamp_ranges: list[TimestampRange] = msgspec.field(default_factory=list)


class CategoryEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """Categories of the account's rules that the call matches.

    Attributes:
        matched_categories: their names.
        matched_details: where in the audio each of them was matched, by name.
    """

    matched_categories: list[str] = msgspec.field(default_factory=list)
    matched_details: dict[str, PointsOfInterest] = msgspec.field(default_factory=dict)


CallAnalyticsEvent: TypeAlias = UtteranceEvent | CategoryEvent
