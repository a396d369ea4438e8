"""Which parameters of a request the service does not take together, each rule with a name, so that it can be left out.

The tables of the operations leave combinations to the service (see `eventstream.transcribe.request`); here is the
service.

Sources: for `language-options`, `one-variant` and `identified-language` the guide, "Language identification with
streaming transcriptions" (https://docs.aws.amazon.com/transcribe/latest/dg/lang-id-stream.html); for the others the
parameters of StartStreamTranscription in the API reference
(https://docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_StartStreamTranscription.html), as AWS's SDKs
quote them. They say that the answer is a BadRequestException (for `number-of-channels` only that the parameter must be
there), and not its words: the words are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, NamedTuple

from eventstream.transcribe.exceptions import BadRequestException

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["RULES", "Rule", "check"]


class Rule(NamedTuple):
    """What a request must not ask for.

    Attributes:
        text: what the client is told.
        is_broken: whether a request breaks it.
    """

    text: str
    is_broken: Callable[[StartStreamTranscriptionRequest], bool]


def _identifies(request: StartStreamTranscriptionRequest) -> bool:
    return request.identify_language or request.identify_multiple_languages


def _has_variants(request: StartStreamTranscriptionRequest) -> bool:
    languages = [code.partition("-")[0].lower() for code in request.language_options]
    return len(languages) != len(set(languages))


RULES: dict[str, Rule] = {
    "language-options": Rule(
        "Language identification needs LanguageOptions with two language codes or more.",
        lambda request: _identifies(request) and len(request.language_options) < 2,
    ),
    "one-variant": Rule(
        "LanguageOptions can have only one variant of a language, e.g. en-US or en-AU.",
        _has_variants,
    ),
    "identified-language": Rule(
        "Language identification can't be combined with LanguageModelName or ContentRedactionType.",
        lambda request: _identifies(request) and bool(request.language_model_name or request.content_redaction_type),
    ),
    "speakers-or-channels": Rule(
        "You can't set both ShowSpeakerLabel and EnableChannelIdentification in the same request.",
        lambda request: request.show_speaker_label and request.enable_channel_identification,
    ),
    "number-of-channels": Rule(
        "EnableChannelIdentification needs NumberOfChannels.",
        lambda request: request.enable_channel_identification and request.number_of_channels is None,
    ),
    "identification-or-redaction": Rule(
        "You can't set both ContentIdentificationType and ContentRedactionType in the same request.",
        lambda request: bool(request.content_identification_type and request.content_redaction_type),
    ),
    "pii-entity-types": Rule(
        "PiiEntityTypes needs ContentIdentificationType or ContentRedactionType.",
        lambda request: bool(
            request.pii_entity_types and not (request.content_identification_type or request.content_redaction_type)
        ),
    ),
}
"""The rules, by their names."""


def check(request: StartStreamTranscriptionRequest, allowed: Container[str] = ()) -> None:
    """Check that a request keeps the rules.

    Args:
        request: the request.
        allowed: names of rules that it may break.

    Raises:
        BadRequestException: it breaks another one.
    """
    for name, rule in RULES.items():
        if name not in allowed and rule.is_broken(request):
            raise BadRequestException(rule.text)
