"""StartMedicalScribeStream, of AWS HealthScribe: its parameters and events.

A `MedicalScribeConfigurationEvent` comes first. It says who may store what, and who speaks on which of two channels.
Then comes audio, and a `MedicalScribeSessionControlEvent` ends the session. What comes back are the segments of a
transcript; the clinical notes, which are made afterwards, are stored where the configuration says. The table is in
`eventstream.transcribe.operations`.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartMedicalScribeStream.html).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import msgspec

from eventstream.parameters import Choice, Integer, Kind, Parameters
from eventstream.transcribe.model import AudioEvent, written_false, written_list
from eventstream.transcribe.request import LANGUAGE, SESSION_ID, CheckedRequest, RepeatingResponse, in_headers

__all__ = [
    "END_OF_SESSION",
    "ClinicalNoteGenerationSettings",
    "MedicalScribeChannelDefinition",
    "MedicalScribeConfigurationEvent",
    "MedicalScribeContext",
    "MedicalScribeEncryptionSettings",
    "MedicalScribeInputEvent",
    "MedicalScribePatientContext",
    "MedicalScribePostStreamAnalyticsSettings",
    "MedicalScribeSessionControlEvent",
    "MedicalScribeTranscriptEvent",
    "MedicalScribeTranscriptItem",
    "MedicalScribeTranscriptSegment",
    "StartMedicalScribeStreamRequest",
    "StartMedicalScribeStreamResponse",
]

END_OF_SESSION = "END_OF_SESSION"
"""The one type of a `MedicalScribeSessionControlEvent`."""

_KINDS: dict[str, Kind] = {
    "session_id": SESSION_ID,
    "language_code": LANGUAGE,
    "media_sample_rate_hertz": Integer(16000, 48000),
    "media_encoding": Choice(("pcm", "ogg-opus", "flac")),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class _Parameters(Parameters):
    parameters = in_headers(_KINDS)

    session_id: str | None = None
    language_code: str | None = None
    media_sample_rate_hertz: int | None = None
    media_encoding: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class StartMedicalScribeStreamRequest(CheckedRequest, _Parameters):
    """The parameters of a HealthScribe stream: the service's, in snake case. Immutable and hashable.

    Attributes:
        session_id: a UUID; the service makes one if there is none.
        language_code: required; ``en-US`` is what the service supports.
        media_sample_rate_hertz: required; 16000 to 48000.
        media_encoding: required; ``pcm``, ``ogg-opus`` or ``flac``.
        number_of_channels: None; how many there are is told by the configuration event.

    Raises:
        InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
    """

    # field() takes away the defaults of the base.
    language_code: str = dataclasses.field()
    media_sample_rate_hertz: int = dataclasses.field()
    media_encoding: str = dataclasses.field()
    number_of_channels: ClassVar[int | None] = None

    required = ("language_code", "media_sample_rate_hertz", "media_encoding")


@dataclass(frozen=True, kw_only=True, repr=False)
class StartMedicalScribeStreamResponse(RepeatingResponse, _Parameters):
    """What the service answers: the parameters of the request, repeated, and the ids that it gave.

    Attributes:
        request_id: the id of the request, for the service's support, however its header is spelt.
        session_id: the session.
    """


# What a client sends


class MedicalScribeChannelDefinition(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Who speaks on a channel.

    Attributes:
        channel_id: 0 or 1.
        participant_role: ``PATIENT`` or ``CLINICIAN``.
    """

    channel_id: int | None = None
    participant_role: str | None = None


class MedicalScribeEncryptionSettings(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True
):
    """How what is stored is encrypted.

    Attributes:
        kms_encryption_context: names and values that a decryption must give, too.
        kms_key_id: required; the KMS key.
    """

    kms_encryption_context: dict[str, str] = msgspec.field(default_factory=dict)
    kms_key_id: str | None = None


class ClinicalNoteGenerationSettings(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Where clinical notes are stored, and in which form.

    Attributes:
        output_bucket_name: required; the S3 bucket.
        note_template: e.g. ``HISTORY_AND_PHYSICAL`` or ``BEHAVIORAL_SOAP``.
    """

    output_bucket_name: str | None = None
    note_template: str | None = None


class MedicalScribePostStreamAnalyticsSettings(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """What is done after a session.

    Attributes:
        clinical_note_generation_settings: required.
    """

    clinical_note_generation_settings: ClinicalNoteGenerationSettings | None = None


class MedicalScribePatientContext(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """About the patient.

    Attributes:
        pronouns: ``HE_HIM``, ``SHE_HER`` or ``THEY_THEM``.
    """

    pronouns: str | None = None


class MedicalScribeContext(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """About the session.

    Attributes:
        patient_context: about the patient.
    """

    patient_context: MedicalScribePatientContext | None = None


class MedicalScribeConfigurationEvent(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True
):
    """The settings of a session: the first event.

    Attributes:
        vocabulary_name, vocabulary_filter_name, vocabulary_filter_method: see StartStreamTranscription.
        resource_access_role_arn: required; the IAM role that may write to the bucket.
        channel_definitions: who speaks on which of two channels; none: the audio has one channel.
        encryption_settings: how what is stored is encrypted.
        post_stream_analytics_settings: required; what is done after the session.
        medical_scribe_context: about the session.
    """

    vocabulary_name: str | None = None
    vocabulary_filter_name: str | None = None
    vocabulary_filter_method: str | None = None
    resource_access_role_arn: str | None = None
    channel_definitions: list[MedicalScribeChannelDefinition] = msgspec.field(default_factory=list)
    encryption_settings: MedicalScribeEncryptionSettings | None = None
    post_stream_analytics_settings: MedicalScribePostStreamAnalyticsSettings | None = None
    medical_scribe_context: MedicalScribeContext | None = None


class MedicalScribeSessionControlEvent(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """The end of a session, after the audio.

    Attributes:
        type: ``END_OF_SESSION``.
    """

    type: str | None = None


MedicalScribeInputEvent: TypeAlias = AudioEvent | MedicalScribeSessionControlEvent | MedicalScribeConfigurationEvent


# What the service sends


class MedicalScribeTranscriptItem(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A word, or a punctuation mark; see `eventstream.transcribe.model.Item`.

    Attributes:
        begin_audio_time, end_audio_time: seconds from the beginning of the audio.
    """

    begin_audio_time: float | None = None
    end_audio_time: float | None = None
    type: str | None = None
    confidence: float | None = None
    content: str | None = None
    vocabulary_filter_match: bool | None = None


class MedicalScribeTranscriptSegment(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True
):
    """A stretch of audio, transcribed. Partial segments with one id follow each other until one is not partial.

    Attributes:
        segment_id: the same for all events of one stretch.
        begin_audio_time, end_audio_time: seconds from the beginning of the audio.
        content: the text.
        items: its words and punctuation marks; always written.
        is_partial: whether a better segment of the stretch will come; always written.
        channel_id: e.g. ``ch_0``, if the configuration defines channels.
    """

    segment_id: str | None = None
    begin_audio_time: float | None = None
    end_audio_time: float | None = None
    content: str | None = None
    items: list[MedicalScribeTranscriptItem] = msgspec.field(default_factory=written_list)
    is_partial: bool = msgspec.field(default_factory=written_false)
    channel_id: str | None = None


class MedicalScribeTranscriptEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True):
    """What the service sends.

    Attributes:
        transcript_segment: a segment.
    """

    transcript_segment: MedicalScribeTranscriptSegment | None = None
