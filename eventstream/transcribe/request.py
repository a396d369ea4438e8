"""The parameters of StartStreamTranscription, as HTTP headers: a client's request and the service's response.

A request is checked when it is made, against the bounds, patterns and choices of the service model, and every problem
is reported at once. Only one combination is checked, the choice of language; the others are left to the service, whose
rules change. Unknown language codes are accepted, because the service gains languages faster than clients are released.
Constructing such a request emits a warning; receiving one does not.

A response is parsed leniently and never refused.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartStreamTranscription.html).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventstream._warnings import warn
from eventstream.operation import request_id_of
from eventstream.parameters import Boolean, Choice, Integer, Kind, Parameter, Parameters, Text, TextList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

__all__ = ["LANGUAGE_CODES", "MEDIA_ENCODINGS", "StartStreamTranscriptionRequest", "StartStreamTranscriptionResponse"]

LANGUAGE_CODES = frozenset(
    """
    af-ZA am-ET ar-AE ar-SA be-BY bg-BG bn-IN bs-BA ca-ES ckb-IQ ckb-IR cs-CZ cy-WL da-DK de-CH de-DE el-GR en-AB
    en-AU en-GB en-IE en-IN en-NZ en-US en-WL en-ZA es-ES es-MX es-US et-ET eu-ES fa-AF fa-IR fi-FI fr-CA fr-FR
    gl-ES gu-IN he-IL hi-IN hr-HR ht-HT hu-HU hy-AM id-ID is-IS it-IT ja-JP jv-ID ka-GE kab-DZ kk-KZ km-KH kn-IN
    ko-KR lg-IN lt-LT lv-LV mk-MK ml-IN mr-IN ms-MY my-MM ne-NP nl-NL no-NO or-IN pa-IN pl-PL ps-AF pt-BR pt-PT
    ro-RO ru-RU si-LK sk-SK sl-SI so-SO sq-AL sr-RS su-ID sv-SE sw-BI sw-KE sw-RW sw-TZ sw-UG ta-IN te-IN th-TH
    tl-PH tr-TR uk-UA uz-UZ vi-VN zh-CN zh-HK zh-TW zu-ZA
    """.split()  # noqa: SIM905 (shorter to read)
)
"""The languages of today's service; the original API had en-GB, en-US, es-US, fr-CA and fr-FR."""

MEDIA_ENCODINGS = ("pcm", "flac", "ogg-opus", "g711-alaw", "g711-ulaw", "g729")
"""The encodings of today's service; the original API had ``pcm``: 16 bits, signed, little-endian."""

NAME = Text(re.compile("[0-9A-Za-z._-]{1,200}"), "1 to 200 of 0-9 A-Z a-z . _ -")
LANGUAGE = Text(re.compile("[A-Za-z]{2,8}(-[0-9A-Za-z]{1,8}){0,4}"), "a language code, e.g. en-US")
_PII_TYPE = Text(re.compile("[A-Z_]+"), "ALL, or a type of A-Z and _, e.g. NAME")
SESSION_ID = Text(
    re.compile("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"),
    "a UUID: 32 hexadecimal digits as 8-4-4-4-12",
)
_FLAG = Boolean()

PREFIX = "x-amzn-transcribe-"
"""What the headers of parameters begin with, and their names in the query of a WebSocket do not."""

_REQUEST_ID = "x-amzn-request-id"


def in_headers(kinds: Mapping[str, Kind]) -> dict[str, Parameter]:
    """Return parameters of these kinds: the header of a field is its name with hyphens, except for the sample rate."""
    return {
        field: Parameter(
            kind, PREFIX + ("sample-rate" if field == "media_sample_rate_hertz" else field.replace("_", "-"))
        )
        for field, kind in kinds.items()
    }


_KINDS: dict[str, Kind] = {
    "language_code": LANGUAGE,
    "media_sample_rate_hertz": Integer(8000, 48000),
    "media_encoding": Choice(MEDIA_ENCODINGS),
    "vocabulary_name": NAME,
    "session_id": SESSION_ID,
    "vocabulary_filter_name": NAME,
    "vocabulary_filter_method": Choice(("remove", "mask", "tag")),
    "show_speaker_label": _FLAG,
    "enable_channel_identification": _FLAG,
    "number_of_channels": Integer(2, 2),
    "enable_partial_results_stabilization": _FLAG,
    "partial_results_stability": Choice(("high", "medium", "low")),
    "content_identification_type": Choice(("PII",)),
    "content_redaction_type": Choice(("PII",)),
    "pii_entity_types": TextList(_PII_TYPE, 300),
    "language_model_name": NAME,
    "identify_language": _FLAG,
    "language_options": TextList(LANGUAGE, 200),
    "preferred_language": LANGUAGE,
    "identify_multiple_languages": _FLAG,
    "vocabulary_names": TextList(NAME, 3000),
    "vocabulary_filter_names": TextList(NAME, 3000),
    "session_resume_window": Integer(1, 300),
    "transcript_format": Choice(("spoken", "written")),
}


class CheckedRequest(Parameters):
    """Base of the requests: they are checked when they are made.

    Attributes:
        required: the fields that must be given.
        exactly_one_of: exactly one of these fields must be given.
    """

    required: ClassVar[Sequence[str]]
    exactly_one_of: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(self.required, self.exactly_one_of)

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Return the request that HTTP headers make.

        Args:
            pairs: names, in any case, and values; headers that are not parameters are ignored. Flags are read in any
                case, since clients write ``True`` too.

        Raises:
            InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
        """
        return cls(**{**dict.fromkeys(cls.required), **cls.read(pairs)})


@dataclass(frozen=True, kw_only=True, repr=False)
class RepeatingResponse(Parameters):
    """Base of the responses: they repeat the parameters of the request, and tell the ids that the service gave.

    Attributes:
        request_id: the id of the request, for the service's support, however its header is spelt.
    """

    request_id: str | None = None

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Return the response that HTTP headers make. An invalid number or flag counts as absent.

        Args:
            pairs: names, in any case, and values; headers that are not parameters are ignored.
        """
        pairs = list(pairs)
        return cls(request_id=request_id_of(pairs), **cls.read_leniently(pairs))

    @classmethod
    def from_request(cls, request: Parameters, *, request_id: str | None = None, session_id: str | None = None) -> Self:
        """Return the response that repeats a request, as a server sends it.

        Args:
            request: the request.
            request_id: an id of the exchange.
            session_id: an id of the session, for a request that brings none.
        """
        fields = request.given()
        if session_id is not None:
            fields.setdefault("session_id", session_id)
        return cls(request_id=request_id, **fields)


@dataclass(frozen=True, kw_only=True, repr=False)
class _Parameters(Parameters):
    """What a request says and its response repeats. None, False and an empty list mean that a parameter is not
    given.
    """

    parameters = in_headers(_KINDS)

    language_code: str | None = None
    media_sample_rate_hertz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    session_id: str | None = None
    vocabulary_filter_name: str | None = None
    vocabulary_filter_method: str | None = None
    show_speaker_label: bool = False
    enable_channel_identification: bool = False
    number_of_channels: int | None = None
    enable_partial_results_stabilization: bool = False
    partial_results_stability: str | None = None
    content_identification_type: str | None = None
    content_redaction_type: str | None = None
    pii_entity_types: Sequence[str] = ()
    language_model_name: str | None = None
    identify_language: bool = False
    language_options: Sequence[str] = ()
    preferred_language: str | None = None
    identify_multiple_languages: bool = False
    vocabulary_names: Sequence[str] = ()
    vocabulary_filter_names: Sequence[str] = ()
    session_resume_window: int | None = None
    transcript_format: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class StartStreamTranscriptionRequest(CheckedRequest, _Parameters):
    """The parameters of a transcription: the service's, in snake case. Immutable and hashable.

    Required are `media_sample_rate_hertz`, `media_encoding`, and exactly one of `language_code`, `identify_language`
    and `identify_multiple_languages`.

    Attributes:
        language_code: e.g. ``en-US``; see `LANGUAGE_CODES`. Another one is passed on, with a warning.
        media_sample_rate_hertz: 8000 to 48000; 8000 is suggested for low, 16000 for high quality.
        media_encoding: one of `MEDIA_ENCODINGS`.
        vocabulary_name: 1 to 200 of ``0-9 A-Z a-z . _ -``.
        session_id: a UUID; the service makes one if there is none.
        vocabulary_filter_name: 1 to 200 of ``0-9 A-Z a-z . _ -``.
        vocabulary_filter_method: ``remove``, ``mask`` or ``tag``.
        show_speaker_label: label the speakers.
        enable_channel_identification: transcribe each channel on its own.
        number_of_channels: 2, or None for one.
        enable_partial_results_stabilization: keep the words of partial results.
        partial_results_stability: ``high``, ``medium`` or ``low``.
        content_identification_type: ``PII``: mark what identifies a person.
        content_redaction_type: ``PII``: remove it.
        pii_entity_types: which kinds of it, e.g. ``NAME``; 300 characters with the commas.
        language_model_name: 1 to 200 of ``0-9 A-Z a-z . _ -``.
        identify_language: find out the language.
        language_options: the language codes it may be; 200 characters with the commas.
        preferred_language: the one of them that it probably is.
        identify_multiple_languages: find out the languages of audio that has several.
        vocabulary_names: names as above; 3,000 characters with the commas.
        vocabulary_filter_names: names as above; 3,000 characters with the commas.
        session_resume_window: 1 to 300 minutes, during which the session can be resumed.
        transcript_format: ``spoken`` or ``written``: how numbers and dates are rendered.

    The four lists may be given as any sequence, or as one string with commas, and are kept as tuples.

    Raises:
        InvalidRequest: it names every parameter that is invalid, with its value and what is allowed.
    """

    # field() takes away the defaults of the base.
    media_sample_rate_hertz: int = dataclasses.field()
    media_encoding: str = dataclasses.field()

    required = ("media_sample_rate_hertz", "media_encoding")
    exactly_one_of = ("language_code", "identify_language", "identify_multiple_languages")

    def __post_init__(self) -> None:
        super().__post_init__()
        for code in (self.language_code, self.preferred_language, *(self.language_options or ())):
            if code is not None and code not in LANGUAGE_CODES:
                warn(f"language code {code!r} is not known here; it is passed on")

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Return the request of HTTP headers. It does not warn of a language code that is not known.

        Args:
            pairs: names, in any case, and values; headers that are not parameters are ignored. Flags are read in any
                case, since clients write ``True`` too.

        Raises:
            InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
        """
        # Not by __init__, which warns: Python keeps the text of each new warning for ever, and these texts are
        # untrusted.
        request = cls.__new__(cls)
        request.__dict__.update(vars(_Parameters(**cls.read(pairs))))
        request.check(cls.required, cls.exactly_one_of)
        return request


@dataclass(frozen=True, kw_only=True, repr=False)
class StartStreamTranscriptionResponse(RepeatingResponse, _Parameters):
    """What the service answers: the parameters of the request, repeated, and the ids that it gave.

    The fields are those of `StartStreamTranscriptionRequest`; any of them may be absent.

    Attributes:
        request_id: the id of the request, for the service's support, however its header is spelt.
        session_id: the session, with which it can be resumed.
    """

    def to_headers(self) -> list[tuple[str, str]]:
        """Return the HTTP headers, names in lower case, the request id first."""
        headers = super().to_headers()
        return headers if self.request_id is None else [(_REQUEST_ID, self.request_id), *headers]
