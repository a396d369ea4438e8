"""The parameters of StartStreamTranscription, as HTTP headers: a client's request and the service's response.

A request is checked when it is made, against the bounds, patterns and choices of the service model, and all that is
wrong with it is said at once. Of the combinations one is checked, how the language is chosen; the others are left to
the service, which changes its mind about them. A language code that is not in today's list passes, since services grow
faster than clients; who makes such a request is warned, who receives it is not.

A response is the service's word: it is parsed and never refused.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26), and the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartStreamTranscription.html).
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from eventstream._text import shown
from eventstream.transcribe.exceptions import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

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

# How the value of each kind of parameter is written, read and checked. A check gives what is allowed, or None if the
# value is within it.


class _Text(NamedTuple):
    pattern: re.Pattern[str]
    allowed: str

    def read(self, text: str) -> str:
        return text

    def write(self, value: Any) -> str:
        return str(value)

    def check(self, value: object) -> str | None:
        return None if isinstance(value, str) and self.pattern.fullmatch(value) else self.allowed


class _Choice(NamedTuple):
    choices: tuple[str, ...]

    def read(self, text: str) -> str:
        return text

    def write(self, value: Any) -> str:
        return str(value)

    def check(self, value: object) -> str | None:
        return None if value in self.choices else " or ".join(self.choices)


class _Integer(NamedTuple):
    minimum: int
    maximum: int

    def read(self, text: str) -> int | str:
        # What is no number stays text, for the check to refuse.
        return int(text) if re.fullmatch("[0-9]{1,9}", text) else text

    def write(self, value: Any) -> str:
        return str(value)

    def check(self, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum:
            return None
        return str(self.minimum) if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"


class _Boolean(NamedTuple):
    # Clients also write what their language prints, as "True".
    def read(self, text: str) -> bool | str:
        return {"true": True, "false": False}.get(text.lower(), text)

    def write(self, value: Any) -> str:
        return "true"

    def check(self, value: object) -> str | None:
        return None if isinstance(value, bool) else "true or false"


class _List(NamedTuple):
    """Texts, on the wire separated by commas; the length is that of the whole."""

    item: _Text
    maximum: int

    def read(self, text: str) -> tuple[str, ...]:
        return _split(text)

    def write(self, value: Any) -> str:
        return ",".join(value)

    def check(self, value: object) -> str | None:
        if (
            isinstance(value, tuple)
            and not any(map(self.item.check, value))
            and 1 <= len(",".join(value)) <= self.maximum
        ):
            return None
        return f"a list, at most {self.maximum} characters with its commas, each {self.item.allowed}"


_NAME = _Text(re.compile("[0-9A-Za-z._-]{1,200}"), "1 to 200 of 0-9 A-Z a-z . _ -")
_LANGUAGE = _Text(re.compile("[A-Za-z]{2,8}(-[0-9A-Za-z]{1,8}){0,4}"), "a language code, as en-US")
_PII_TYPE = _Text(re.compile("[A-Z_]+"), "ALL, or a type of A-Z and _, as NAME")
_SESSION_ID = _Text(
    re.compile("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"),
    "a UUID: 32 hexadecimal digits as 8-4-4-4-12",
)
_FLAG = _Boolean()

_PREFIX = "x-amzn-transcribe-"
_REQUEST_ID = "x-amzn-request-id"

# The header of a field is its name with hyphens, except for the sample rate.
_PARAMETERS: dict[str, _Text | _Choice | _Integer | _Boolean | _List] = {
    "language_code": _LANGUAGE,
    "media_sample_rate_hertz": _Integer(8000, 48000),
    "media_encoding": _Choice(MEDIA_ENCODINGS),
    "vocabulary_name": _NAME,
    "session_id": _SESSION_ID,
    "vocabulary_filter_name": _NAME,
    "vocabulary_filter_method": _Choice(("remove", "mask", "tag")),
    "show_speaker_label": _FLAG,
    "enable_channel_identification": _FLAG,
    "number_of_channels": _Integer(2, 2),
    "enable_partial_results_stabilization": _FLAG,
    "partial_results_stability": _Choice(("high", "medium", "low")),
    "content_identification_type": _Choice(("PII",)),
    "content_redaction_type": _Choice(("PII",)),
    "pii_entity_types": _List(_PII_TYPE, 300),
    "language_model_name": _NAME,
    "identify_language": _FLAG,
    "language_options": _List(_LANGUAGE, 200),
    "preferred_language": _LANGUAGE,
    "identify_multiple_languages": _FLAG,
    "vocabulary_names": _List(_NAME, 3000),
    "vocabulary_filter_names": _List(_NAME, 3000),
    "session_resume_window": _Integer(1, 300),
    "transcript_format": _Choice(("spoken", "written")),
}
_HEADERS = {
    field: _PREFIX + ("sample-rate" if field == "media_sample_rate_hertz" else field.replace("_", "-"))
    for field in _PARAMETERS
}
_FIELDS = {header: field for field, header in _HEADERS.items()}

_REQUIRED = ("media_sample_rate_hertz", "media_encoding")
_LANGUAGE_CHOICES = ("language_code", "identify_language", "identify_multiple_languages")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


@dataclass(frozen=True, kw_only=True, repr=False)
class _Parameters:
    """What a request says and its response repeats. None, False and an empty list stand for a parameter not given."""

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

    def __post_init__(self) -> None:
        for field, parameter in _PARAMETERS.items():
            if isinstance(parameter, _List):
                value = getattr(self, field)
                if isinstance(value, str):
                    value = _split(value)
                elif isinstance(value, Sequence) and not isinstance(value, bytes):
                    value = tuple(value)
                object.__setattr__(self, field, value)

    def _given(self) -> dict[str, Any]:
        """The fields that are given, in their order."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {field: value for field, value in values.items() if not (value is None or value is False or value == ())}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self._given().items())})"

    def to_headers(self) -> list[tuple[str, str]]:
        """The HTTP headers, names in lower case, in the order of the service model."""
        given = self._given()
        return [
            (header, _PARAMETERS[field].write(given[field])) for field, header in _HEADERS.items() if field in given
        ]


def _read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields that headers give; a header that occurs several times is one, joined by commas (RFC 9110, 5.3)."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        field = _FIELDS.get(str.lower(name))
        if field is not None:
            texts.setdefault(field, []).append(str.strip(text))
    return {field: _PARAMETERS[field].read(",".join(several)) for field, several in texts.items()}


@dataclass(frozen=True, kw_only=True, repr=False)
class StartStreamTranscriptionRequest(_Parameters):
    """The parameters of a transcription: the service's, in snake case. Immutable and hashable.

    Required are `media_sample_rate_hertz`, `media_encoding`, and exactly one of `language_code`, `identify_language`
    and `identify_multiple_languages`.

    Attributes:
        language_code: as ``en-US``; see `LANGUAGE_CODES`. Another one is passed on, with a warning.
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
        pii_entity_types: which kinds of it, as ``NAME``; 300 characters with the commas.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check()
        for code in (self.language_code, self.preferred_language, *(self.language_options or ())):
            if code is not None and code not in LANGUAGE_CODES:
                warnings.warn(f"language code {code!r} is not known here; it is passed on", stacklevel=3)

    def _check(self) -> None:
        given = self._given()
        problems = {
            field: f"missing (allowed: {_PARAMETERS[field].check(None)})" for field in _REQUIRED if field not in given
        }
        for field, value in given.items():
            allowed = _PARAMETERS[field].check(value)
            if allowed is not None:
                problems[field] = f"{shown(value)} (allowed: {allowed})"
        chosen = [field for field in _LANGUAGE_CHOICES if field in given]
        if len(chosen) != 1:
            field = chosen[-1] if chosen else "language_code"
            said = f"given together with {' and '.join(chosen[:-1])}" if chosen else "missing"
            problems.setdefault(field, f"{said} (allowed: exactly one of {', '.join(_LANGUAGE_CHOICES)})")
        if problems:
            raise InvalidRequest({field: problems[field] for field in _PARAMETERS if field in problems})

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """The request that HTTP headers make; of a language code that is not known it does not warn.

        Args:
            pairs: names, in any case, and values; headers that are no parameters are ignored. Flags are read in any
                case, since clients write ``True`` too.

        Raises:
            InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
        """
        # Not by __init__, which warns: each new text of a warning is kept for ever, and these are strangers' texts.
        request = cls.__new__(cls)
        request.__dict__.update(vars(_Parameters(**_read(pairs))))
        request._check()
        return request


@dataclass(frozen=True, kw_only=True, repr=False)
class StartStreamTranscriptionResponse(_Parameters):
    """What the service answers: the parameters of the request, repeated, and the ids that it gave.

    The fields are those of `StartStreamTranscriptionRequest`; any of them may be absent.

    Attributes:
        request_id: ``x-amzn-request-id``, for the service's support.
        session_id: the session, with which it can be resumed.
    """

    request_id: str | None = None

    def to_headers(self) -> list[tuple[str, str]]:
        """The HTTP headers, names in lower case, the request id first."""
        headers = super().to_headers()
        return headers if self.request_id is None else [(_REQUEST_ID, self.request_id), *headers]

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """The response that HTTP headers make. No value is refused: a number or flag that is none counts as absent.

        Args:
            pairs: names, in any case, and values; headers that are no parameters are ignored.
        """
        pairs = list(pairs)
        fields = {
            field: value
            for field, value in _read(pairs).items()
            if not (isinstance(_PARAMETERS[field], (_Integer, _Boolean)) and isinstance(value, str))
        }
        request_id = next((text.strip() for name, text in pairs if name.lower() == _REQUEST_ID), None)
        return cls(request_id=request_id, **fields)

    @classmethod
    def from_request(
        cls, request: StartStreamTranscriptionRequest, *, request_id: str | None = None, session_id: str | None = None
    ) -> Self:
        """The response that repeats a request, as a server sends it.

        Args:
            request: the request.
            request_id: an id of the exchange.
            session_id: an id of the session, for a request that brings none.
        """
        fields = request._given()
        if session_id is not None:
            fields.setdefault("session_id", session_id)
        return cls(request_id=request_id, **fields)
