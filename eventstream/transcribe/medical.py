"""StartMedicalStreamTranscription: its parameters and events; its table is in `eventstream.transcribe.operations`.

The audio, its events and the exceptions are those of StartStreamTranscription. The model allows what both operations
have in common; what medical transcription supports of it (English of the USA, PCM, FLAC and Ogg Opus) is left to the
service.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartMedicalStreamTranscription.html).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import msgspec

from eventstream.parameters import Boolean, Choice, Integer, Kind, Parameters
from eventstream.transcribe.model import written_false, written_list
from eventstream.transcribe.request import (
    LANGUAGE,
    MEDIA_ENCODINGS,
    NAME,
    SESSION_ID,
    CheckedRequest,
    RepeatingResponse,
    in_headers,
)

__all__ = [
    "SPECIALTIES",
    "MedicalAlternative",
    "MedicalEntity",
    "MedicalItem",
    "MedicalResult",
    "MedicalTranscript",
    "MedicalTranscriptEvent",
    "StartMedicalStreamTranscriptionRequest",
    "StartMedicalStreamTranscriptionResponse",
]

SPECIALTIES = ("PRIMARYCARE", "CARDIOLOGY", "NEUROLOGY", "ONCOLOGY", "RADIOLOGY", "UROLOGY")
"""The medical specialties of today's service."""

_KINDS: dict[str, Kind] = {
    "language_code": LANGUAGE,
    "media_sample_rate_hertz": Integer(8000, 48000),
    "media_encoding": Choice(MEDIA_ENCODINGS),
    "vocabulary_name": NAME,
    "specialty": Choice(SPECIALTIES),
    "type": Choice(("CONVERSATION", "DICTATION")),
    "show_speaker_label": Boolean(),
    "session_id": SESSION_ID,
    "enable_channel_identification": Boolean(),
    "number_of_channels": Integer(2, 2),
    "content_identification_type": Choice(("PHI",)),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class _MedicalParameters(Parameters):
    parameters = in_headers(_KINDS)

    language_code: str | None = None
    media_sample_rate_hertz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    specialty: str | None = None
    type: str | None = None
    show_speaker_label: bool = False
    session_id: str | None = None
    enable_channel_identification: bool = False
    number_of_channels: int | None = None
    content_identification_type: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class StartMedicalStreamTranscriptionRequest(CheckedRequest, _MedicalParameters):
    """The parameters of a medical transcription: the service's, in snake case. Immutable and hashable.

    Attributes:
        language_code: required; ``en-US`` is what the service supports.
        media_sample_rate_hertz: required; 8000 to 48000; the service supports 16000 and more.
        media_encoding: required; one of `eventstream.transcribe.request.MEDIA_ENCODINGS`; the service supports ``pcm``,
            ``flac`` and ``ogg-opus``.
        vocabulary_name: 1 to 200 of ``0-9 A-Z a-z . _ -``.
        specialty: required; one of `SPECIALTIES`.
        type: required; ``CONVERSATION`` or ``DICTATION``.
        show_speaker_label: label the speakers.
        session_id: a UUID; the service makes one if there is none.
        enable_channel_identification: transcribe each channel on its own.
        number_of_channels: 2, or None for one.
        content_identification_type: ``PHI``: mark what is health information of a person.

    Raises:
        InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
    """

    # field() takes away the defaults of the base.
    language_code: str = dataclasses.field()
    media_sample_rate_hertz: int = dataclasses.field()
    media_encoding: str = dataclasses.field()
    specialty: str = dataclasses.field()
    type: str = dataclasses.field()

    required = ("language_code", "media_sample_rate_hertz", "media_encoding", "specialty", "type")


@dataclass(frozen=True, kw_only=True, repr=False)
class StartMedicalStreamTranscriptionResponse(RepeatingResponse, _MedicalParameters):
    """What the service answers: the parameters of the request, repeated, and the ids that it gave.

    Attributes:
        request_id: the id of the request, for the service's support, however its header is spelt.
        session_id: the session.
    """


# Events


class MedicalItem(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """A word, or a punctuation mark; see `eventstream.transcribe.model.Item`."""

    start_time: float | None = None
    end_time: float | None = None
    type: str | None = None
    content: str | None = None
    confidence: float | None = None
    speaker: str | None = None


class MedicalEntity(
    msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """Words that are health information of a person.

    Attributes:
        start_time, end_time: seconds from the beginning of the audio.
        category: the kind of information.
        content: the words.
        confidence: 0 to 1.
    """

    start_time: float | None = None
    end_time: float | None = None
    category: str | None = None
    content: str | None = None
    confidence: float | None = None


class MedicalAlternative(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """One reading of a stretch of audio.

    Attributes:
        transcript: the text.
        items: its words and punctuation marks; always written.
        entities: words in it that are health information.
    """

    transcript: str | None = None
    items: list[MedicalItem] = msgspec.field(default_factory=written_list)
    entities: list[MedicalEntity] = msgspec.field(default_factory=list)


class MedicalResult(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """A stretch of audio, transcribed. Partial results with one id follow each other until one is not partial.

    Attributes:
        result_id: the same for all results of one stretch.
        start_time, end_time: seconds from the beginning of the audio.
        is_partial: whether a better result of the stretch will come; always written.
        alternatives: its readings, the best first; always written.
        channel_id: e.g. ``ch_0``, if the request asked for channel identification.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool = msgspec.field(default_factory=written_false)
    alternatives: list[MedicalAlternative] = msgspec.field(default_factory=written_list)
    channel_id: str | None = None


class MedicalTranscript(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """The results of one event.

    Attributes:
        results: none or more; always written.
    """

    results: list[MedicalResult] = msgspec.field(default_factory=written_list)


class MedicalTranscriptEvent(msgspec.Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True):
    """What the service sends.

    Attributes:
        transcript: the results.
    """

    transcript: MedicalTranscript = msgspec.field(default_factory=MedicalTranscript)
