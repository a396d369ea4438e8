"""Parameters that the service does not take together."""

from __future__ import annotations

import pytest
from cases import each

from eventstream.transcribe import BadRequestException, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator.rules import RULES, check

PCM = {"media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
ENGLISH = {**PCM, "language_code": "en-US"}
TWO = {**PCM, "language_options": ["en-US", "de-DE"]}
CHANNELS = {"enable_channel_identification": True, "number_of_channels": 2}
BROKEN = [
    ("language-options", {**PCM, "identify_language": True}),
    ("language-options", {**PCM, "identify_multiple_languages": True, "language_options": ["en-US"]}),
    ("one-variant", {**PCM, "identify_language": True, "language_options": ["en-US", "de-DE", "en-AU"]}),
    ("identified-language", {**TWO, "identify_language": True, "language_model_name": "mine"}),
    ("identified-language", {**TWO, "identify_multiple_languages": True, "content_redaction_type": "PII"}),
    ("speakers-or-channels", {**ENGLISH, **CHANNELS, "show_speaker_label": True}),
    ("number-of-channels", {**ENGLISH, "enable_channel_identification": True}),
    (
        "identification-or-redaction",
        {**ENGLISH, "content_identification_type": "PII", "content_redaction_type": "PII"},
    ),
    ("pii-entity-types", {**ENGLISH, "pii_entity_types": ["NAME"]}),
]
KEPT = [
    ENGLISH,
    {**TWO, "identify_language": True, "preferred_language": "de-DE", "vocabulary_names": ["a"]},
    {**TWO, "identify_multiple_languages": True, "content_identification_type": "PII"},
    {**ENGLISH, "language_model_name": "mine", "show_speaker_label": True},
    {**ENGLISH, **CHANNELS},
    {**ENGLISH, "number_of_channels": 2, "show_speaker_label": True},
    {**ENGLISH, "content_redaction_type": "PII", "pii_entity_types": ["NAME", "PHONE"]},
]


@each(("name", "parameters"), BROKEN)
def test_rule_that_is_broken(name, parameters):
    request = StartStreamTranscriptionRequest(**parameters)
    with pytest.raises(BadRequestException) as raised:
        check(request)
    assert raised.value.message == RULES[name].text
    check(request, allowed={name})
    with pytest.raises(BadRequestException):
        check(request, allowed=RULES.keys() - {name})


def test_rules_have_their_cases():
    assert {name for name, _ in BROKEN} == RULES.keys()


@each("parameters", KEPT)
def test_request_that_keeps_the_rules(parameters):
    check(StartStreamTranscriptionRequest(**parameters))
