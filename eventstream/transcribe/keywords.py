"""The parameters of the operations as keyword arguments, so that editors and type checkers know them.

What they mean and which values are allowed is in the classes of the requests. A method that starts a stream takes the
parameters of its operation and `eventstream.client.StartOptions`, which together are its keywords.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from eventstream.client import StartOptions


class StartStreamTranscriptionParameters(TypedDict, total=False):
    """The fields of a `StartStreamTranscriptionRequest`."""

    language_code: str | None
    media_sample_rate_hertz: int
    media_encoding: str
    vocabulary_name: str | None
    session_id: str | None
    vocabulary_filter_name: str | None
    vocabulary_filter_method: str | None
    show_speaker_label: bool
    enable_channel_identification: bool
    number_of_channels: int | None
    enable_partial_results_stabilization: bool
    partial_results_stability: str | None
    content_identification_type: str | None
    content_redaction_type: str | None
    pii_entity_types: Sequence[str]
    language_model_name: str | None
    identify_language: bool
    language_options: Sequence[str]
    preferred_language: str | None
    identify_multiple_languages: bool
    vocabulary_names: Sequence[str]
    vocabulary_filter_names: Sequence[str]
    session_resume_window: int | None
    transcript_format: str | None


class StartMedicalStreamTranscriptionParameters(TypedDict, total=False):
    """The fields of a `StartMedicalStreamTranscriptionRequest`."""

    language_code: str
    media_sample_rate_hertz: int
    media_encoding: str
    vocabulary_name: str | None
    specialty: str
    type: str
    show_speaker_label: bool
    session_id: str | None
    enable_channel_identification: bool
    number_of_channels: int | None
    content_identification_type: str | None


class StartCallAnalyticsStreamTranscriptionParameters(TypedDict, total=False):
    """The fields of a `StartCallAnalyticsStreamTranscriptionRequest`."""

    language_code: str | None
    media_sample_rate_hertz: int
    media_encoding: str
    vocabulary_name: str | None
    session_id: str | None
    vocabulary_filter_name: str | None
    vocabulary_filter_method: str | None
    language_model_name: str | None
    identify_language: bool
    language_options: Sequence[str]
    preferred_language: str | None
    vocabulary_names: Sequence[str]
    vocabulary_filter_names: Sequence[str]
    enable_partial_results_stabilization: bool
    partial_results_stability: str | None
    content_identification_type: str | None
    content_redaction_type: str | None
    pii_entity_types: Sequence[str]


class StartMedicalScribeStreamParameters(TypedDict, total=False):
    """The fields of a `StartMedicalScribeStreamRequest`."""

    session_id: str | None
    language_code: str
    media_sample_rate_hertz: int
    media_encoding: str


class StartStreamTranscriptionKeywords(StartStreamTranscriptionParameters, StartOptions, total=False):
    """The parameters and `StartOptions`."""


class StartMedicalStreamTranscriptionKeywords(StartMedicalStreamTranscriptionParameters, StartOptions, total=False):
    """The parameters and `StartOptions`."""


class StartCallAnalyticsStreamTranscriptionKeywords(
    StartCallAnalyticsStreamTranscriptionParameters, StartOptions, total=False
):
    """The parameters and `StartOptions`."""


class StartMedicalScribeStreamKeywords(StartMedicalScribeStreamParameters, StartOptions, total=False):
    """The parameters and `StartOptions`."""
