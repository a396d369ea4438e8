"""The 24 parameters: their headers, their bounds, and what is said when they are not kept."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import uuid
import warnings
from pathlib import Path

import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

from eventstream.transcribe import (
    InvalidRequest,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
)
from eventstream.transcribe.request import LANGUAGE_CODES, MEDIA_ENCODINGS

CAPTURES = Path(__file__).parent.parent / "captures"
INDEX = json.loads((CAPTURES / "index.json").read_text())

SESSION_ID = "5ff0f4a6-2A3E-4a8f-9d4f-000000000001"

MINIMUM = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}

# Field, header after "x-amzn-transcribe-", a value, its text.
PARAMETERS = [
    ("language_code", "language-code", "en-US", "en-US"),
    ("media_sample_rate_hertz", "sample-rate", 16000, "16000"),
    ("media_encoding", "media-encoding", "pcm", "pcm"),
    ("vocabulary_name", "vocabulary-name", "My.Vocab_1-a", "My.Vocab_1-a"),
    ("session_id", "session-id", SESSION_ID, SESSION_ID),
    ("vocabulary_filter_name", "vocabulary-filter-name", "F", "F"),
    ("vocabulary_filter_method", "vocabulary-filter-method", "mask", "mask"),
    ("show_speaker_label", "show-speaker-label", True, "true"),
    ("enable_channel_identification", "enable-channel-identification", True, "true"),
    ("number_of_channels", "number-of-channels", 2, "2"),
    ("enable_partial_results_stabilization", "enable-partial-results-stabilization", True, "true"),
    ("partial_results_stability", "partial-results-stability", "high", "high"),
    ("content_identification_type", "content-identification-type", "PII", "PII"),
    ("content_redaction_type", "content-redaction-type", "PII", "PII"),
    ("pii_entity_types", "pii-entity-types", ("NAME", "BANK_ROUTING"), "NAME,BANK_ROUTING"),
    ("language_model_name", "language-model-name", "M", "M"),
    ("identify_language", "identify-language", True, "true"),
    ("language_options", "language-options", ("en-US", "de-DE"), "en-US,de-DE"),
    ("preferred_language", "preferred-language", "de-DE", "de-DE"),
    ("identify_multiple_languages", "identify-multiple-languages", True, "true"),
    ("vocabulary_names", "vocabulary-names", ("A", "B"), "A,B"),
    ("vocabulary_filter_names", "vocabulary-filter-names", ("C",), "C"),
    ("session_resume_window", "session-resume-window", 300, "300"),
    ("transcript_format", "transcript-format", "spoken", "spoken"),
]
LANGUAGE_CHOICES = ("language_code", "identify_language", "identify_multiple_languages")
EXACTLY_ONE = "exactly one of language_code, identify_language, identify_multiple_languages"


def request_with(**fields):
    """Return the smallest request, with fields changed; a choice of the language replaces the language code."""
    minimum = dict(MINIMUM)
    if any(name in fields for name in LANGUAGE_CHOICES):
        del minimum["language_code"]
    return StartStreamTranscriptionRequest(**{**minimum, **fields})


def problems_of(make):
    with pytest.raises(InvalidRequest) as caught:
        make()
    return caught.value.problems


# Headers


def test_smallest_request():
    request = StartStreamTranscriptionRequest(**MINIMUM)
    headers = [
        ("x-amzn-transcribe-language-code", "en-US"),
        ("x-amzn-transcribe-sample-rate", "16000"),
        ("x-amzn-transcribe-media-encoding", "pcm"),
    ]
    assert request.to_headers() == headers
    assert StartStreamTranscriptionRequest.from_headers(headers) == request


def test_parameters_are_24_and_each_is_a_field():
    fields = [field.name for field in dataclasses.fields(StartStreamTranscriptionRequest)]
    assert fields == [field for field, *_ in PARAMETERS]
    assert len(fields) == 24
    fields = [field.name for field in dataclasses.fields(StartStreamTranscriptionResponse)]
    assert fields == [*(field for field, *_ in PARAMETERS), "request_id"]


@each(("field", "header", "value", "text"), PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_parameters_there_and_back(field, header, value, text):
    request = request_with(**{field: value})
    headers = request.to_headers()
    assert ("x-amzn-transcribe-" + header, text) in headers
    assert len(headers) == (3 if field in (*MINIMUM, *LANGUAGE_CHOICES) else 4)
    assert StartStreamTranscriptionRequest.from_headers(headers) == request


@each(("field", "header", "value", "text"), PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_parameters_of_a_response(field, header, value, text):
    response = StartStreamTranscriptionResponse(**{field: value})
    headers = [("x-amzn-transcribe-" + header, text)]
    assert response.to_headers() == headers
    assert StartStreamTranscriptionResponse.from_headers(headers) == response
    assert getattr(response, field) == value


def test_headers_stand_in_the_order_of_the_model():
    everything = StartStreamTranscriptionResponse(request_id="r", **{field: value for field, _, value, _ in PARAMETERS})
    assert everything.to_headers() == [
        ("x-amzn-request-id", "r"),
        *(("x-amzn-transcribe-" + header, text) for _, header, _, text in PARAMETERS),
    ]
    assert StartStreamTranscriptionResponse.from_headers(everything.to_headers()) == everything


@each("capture", INDEX, ids=[capture["name"] for capture in INDEX])
def test_recorded_requests(capture):
    request = StartStreamTranscriptionRequest.from_headers(capture["request_headers"])
    assert (request.language_code, request.media_sample_rate_hertz, request.media_encoding) == ("en-US", 16000, "pcm")
    ours = [(name, text) for name, text in capture["request_headers"] if name.startswith("x-amzn-transcribe-")]
    assert sorted(request.to_headers()) == sorted(ours)


def test_recorded_request_with_all_options():
    (capture,) = (capture for capture in INDEX if capture["name"].endswith("all-options"))
    assert StartStreamTranscriptionRequest.from_headers(capture["request_headers"]) == request_with(
        show_speaker_label=True,
        vocabulary_name="MyVocab",
        enable_partial_results_stabilization=True,
        partial_results_stability="high",
        number_of_channels=2,
        session_id="5ff0f4a6-2a3e-4a8f-9d4f-000000000001",
    )


def test_names_are_read_in_any_case_and_others_ignored():
    headers = [
        ("X-Amzn-Transcribe-Language-Code", "en-US"),
        ("X-AMZN-TRANSCRIBE-SAMPLE-RATE", " 8000 "),
        ("x-amzn-transcribe-media-encoding", "pcm"),
        ("x-amzn-transcribe-tomorrow", "?"),
        ("x-amzn-request-id", "?"),
        (":path", "/stream-transcription"),
    ]
    assert StartStreamTranscriptionRequest.from_headers(headers) == request_with(media_sample_rate_hertz=8000)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)]
)
def test_flags_are_read_in_any_case(text, value):
    headers = [*request_with().to_headers(), ("x-amzn-transcribe-show-speaker-label", text)]
    request = StartStreamTranscriptionRequest.from_headers(headers)
    assert request.show_speaker_label is value
    assert (("x-amzn-transcribe-show-speaker-label", "true") in request.to_headers()) is value


def test_header_that_occurs_twice_is_one_list():
    name = "x-amzn-transcribe-vocabulary-names"
    headers = [*request_with().to_headers(), (name, "A, B"), (name, "C")]
    assert StartStreamTranscriptionRequest.from_headers(headers).vocabulary_names == ("A", "B", "C")


def test_header_that_is_no_list_may_not_occur_twice():
    headers = request_with().to_headers()
    problems = problems_of(lambda: StartStreamTranscriptionRequest.from_headers(headers * 2))
    assert list(problems) == ["language_code", "media_sample_rate_hertz", "media_encoding"]
    assert problems["media_encoding"].startswith("'pcm,pcm' ")


@pytest.mark.parametrize("given_as", [["A", "B"], ("A", "B"), "A,B", " A , B "], ids=repr)
def test_lists_may_be_given_as_any_sequence_or_as_text(given_as):
    assert request_with(vocabulary_names=given_as).vocabulary_names == ("A", "B")


@pytest.mark.parametrize("pair", [(b"x-amzn-transcribe-sample-rate", b"8000"), (None, "x")], ids=repr)
def test_headers_that_are_no_text_are_a_type_error(pair):
    with pytest.raises(TypeError):
        StartStreamTranscriptionRequest.from_headers([pair])


# Bounds

VALID = [
    *(("language_code", code) for code in ("en-GB", "en-US", "es-US", "fr-CA", "fr-FR", "kab-DZ", "zh-HK")),
    *(("media_sample_rate_hertz", rate) for rate in (8000, 8001, 44100, 48000)),
    *(("media_encoding", encoding) for encoding in ("pcm", "flac", "ogg-opus", "g711-alaw", "g711-ulaw", "g729")),
    *(
        (field, name)
        for field in ("vocabulary_name", "vocabulary_filter_name", "language_model_name")
        for name in ("a", "Z" * 200, "._-")
    ),
    ("session_id", str(uuid.UUID(int=0))),
    ("session_id", "ABCDEFab-cdef-0123-4567-89abcdefABCD"),
    *(("vocabulary_filter_method", method) for method in ("remove", "mask", "tag")),
    *(("partial_results_stability", level) for level in ("high", "medium", "low")),
    ("pii_entity_types", ("ALL",)),
    ("pii_entity_types", ("A" * 149, "B" * 150)),
    ("language_options", ("en-US",)),
    ("language_options", ("en-US",) * 33),
    ("vocabulary_names", ("a" * 200,) * 14 + ("b" * 186,)),
    ("vocabulary_filter_names", ("a" * 200,) * 14 + ("b" * 186,)),
    ("session_resume_window", 1),
    ("session_resume_window", 300),
    ("transcript_format", "spoken"),
    ("transcript_format", "written"),
]

INVALID = [
    *(("language_code", code) for code in ("", "e", "en_US", "en-US ", "en-", "-US", "en-US\r\nx: y", "en-USüber", 5)),
    *(("media_sample_rate_hertz", rate) for rate in (7999, 48001, 0, -16000, 16000.0, True, "16000")),
    *(("media_encoding", encoding) for encoding in ("", "PCM", "mp3", "opus", 1)),
    *(
        (field, name)
        for field in ("vocabulary_name", "vocabulary_filter_name", "language_model_name")
        for name in ("", "a" * 201, "a b", "a,b", "a/b", "ä", "a\n", b"a")
    ),
    ("session_id", ""),
    ("session_id", "0" * 36),
    ("session_id", "g" + str(uuid.UUID(int=0))[1:]),
    ("session_id", str(uuid.UUID(int=0)) + "\n"),
    ("session_id", uuid.UUID(int=0)),
    ("vocabulary_filter_method", "delete"),
    ("partial_results_stability", "HIGH"),
    ("number_of_channels", 0),
    ("number_of_channels", 1),
    ("number_of_channels", 3),
    ("content_identification_type", "PHI"),
    ("content_redaction_type", "pii"),
    ("pii_entity_types", ("name",)),
    ("pii_entity_types", ("",)),
    ("pii_entity_types", ("A" * 150, "B" * 150)),
    ("language_options", ("en-US", "")),
    ("language_options", ("en-US",) * 34),
    ("language_options", 5),
    ("preferred_language", "?"),
    ("vocabulary_names", ("a" * 201,)),
    ("vocabulary_names", ("a", 5)),
    ("vocabulary_names", ("a" * 200,) * 14 + ("b" * 187,)),
    ("vocabulary_filter_names", ("a b",)),
    ("vocabulary_filter_names", b"a"),
    ("session_resume_window", 0),
    ("session_resume_window", 301),
    ("transcript_format", "WRITTEN"),
    *((field, value) for field in ("show_speaker_label", "identify_multiple_languages") for value in ("yes", 1, 0)),
]


def name_of(value):
    return repr(value)[:40]


@each(("field", "value"), VALID, ids=name_of)
def test_within_the_bounds(field, value):
    request = request_with(**{field: value})
    assert getattr(request, field) == value
    assert StartStreamTranscriptionRequest.from_headers(request.to_headers()) == request


@each(("field", "value"), INVALID, ids=name_of)
def test_out_of_the_bounds(field, value):
    fields = {**MINIMUM, field: value}
    if field == "identify_multiple_languages":
        del fields["language_code"]
    problems = problems_of(lambda: StartStreamTranscriptionRequest(**fields))
    assert list(problems) == [field]
    # The value, or its beginning, and what is allowed.
    assert problems[field].startswith(repr(value)[:20])
    assert "(allowed: " in problems[field]
    if isinstance(getattr(StartStreamTranscriptionRequest, field, None), bool):
        assert problems[field].lower().endswith("(allowed: true or false)")
    assert len(problems[field]) < 300


@each(
    ("header", "text"),
    [
        ("sample-rate", "16k"),
        ("sample-rate", "16000.0"),
        ("sample-rate", "-16000"),
        ("sample-rate", "+16000"),
        ("sample-rate", "\u0661\u0666\u0660\u0660\u0660"),
        ("sample-rate", "1" * 5000),
        ("sample-rate", ""),
        ("number-of-channels", "two"),
        ("session-resume-window", "0x10"),
        ("show-speaker-label", "yes"),
        ("show-speaker-label", ""),
        ("vocabulary-name", ""),
        ("vocabulary-names", ""),
        ("vocabulary-names", "a,,b"),
    ],
    ids=name_of,
)
def test_headers_out_of_the_bounds(header, text):
    name = "x-amzn-transcribe-" + header
    headers = [*(pair for pair in request_with().to_headers() if pair[0] != name), (name, text)]
    problems = problems_of(lambda: StartStreamTranscriptionRequest.from_headers(headers))
    assert len(problems) == 1


# Required parameters, and how the language is chosen


def test_missing_parameters():
    problems = problems_of(lambda: StartStreamTranscriptionRequest.from_headers([]))
    assert problems == {
        "language_code": f"missing (allowed: {EXACTLY_ONE})",
        "media_sample_rate_hertz": "missing (allowed: 8000 to 48000)",
        "media_encoding": "missing (allowed: pcm or flac or ogg-opus or g711-alaw or g711-ulaw or g729)",
    }
    with pytest.raises(TypeError):
        StartStreamTranscriptionRequest(language_code="en-US")


@pytest.mark.parametrize(
    "choice", [{"language_code": "en-US"}, {"identify_language": True}, {"identify_multiple_languages": True}], ids=repr
)
def test_language_is_chosen_in_one_way(choice):
    request_with(**choice)
    request_with(**{"identify_language": False, "identify_multiple_languages": False, **choice})


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        (("language_code", "identify_language"), "identify_language"),
        (("language_code", "identify_multiple_languages"), "identify_multiple_languages"),
        (("identify_language", "identify_multiple_languages"), "identify_multiple_languages"),
        (LANGUAGE_CHOICES, "identify_multiple_languages"),
    ],
    ids=repr,
)
def test_several_choices_of_the_language(chosen, field):
    choices = {name: "en-US" if name == "language_code" else True for name in chosen}
    problems = problems_of(lambda: request_with(**choices))
    assert problems == {
        field: f"given together with {' and '.join(chosen[:-1])} (allowed: {EXACTLY_ONE})",
    }


@each(
    "fields",
    [
        {"number_of_channels": 2},
        {"enable_channel_identification": True},
        {"partial_results_stability": "low"},
        {"content_identification_type": "PII", "content_redaction_type": "PII"},
        {"pii_entity_types": ("NAME",)},
        {"language_options": ("en-US", "en-AU")},
        {"preferred_language": "de-DE"},
        {"identify_language": True, "vocabulary_name": "V", "language_model_name": "M"},
    ],
    ids=repr,
)
def test_combinations_are_left_to_the_service(fields):
    request_with(**fields)


def test_error_says_all_that_is_wrong():
    with pytest.raises(InvalidRequest) as caught:
        StartStreamTranscriptionRequest(
            media_sample_rate_hertz=96000, media_encoding="mp3", vocabulary_name="x" * 201, session_resume_window=0
        )
    assert list(caught.value.problems) == [
        "language_code",
        "media_sample_rate_hertz",
        "media_encoding",
        "vocabulary_name",
        "session_resume_window",
    ]
    assert str(caught.value) == (
        f"language_code: missing (allowed: {EXACTLY_ONE}); "
        "media_sample_rate_hertz: 96000 (allowed: 8000 to 48000); "
        "media_encoding: 'mp3' (allowed: pcm or flac or ogg-opus or g711-alaw or g711-ulaw or g729); "
        f"vocabulary_name: '{'x' * 61}'... (allowed: 1 to 200 of 0-9 A-Z a-z . _ -); "
        "session_resume_window: 0 (allowed: 1 to 300)"
    )


@pytest.mark.parametrize(("digits", "shown"), [(64, "9" * 64), (65, "9" * 61 + "...")])
def test_number_is_shown_up_to_64_digits(digits, shown):
    with pytest.raises(InvalidRequest) as caught:
        request_with(media_sample_rate_hertz=10**digits - 1)
    assert str(caught.value) == f"media_sample_rate_hertz: {shown} (allowed: 8000 to 48000)"


def test_list_is_shown_in_at_most_64_bytes():
    with pytest.raises(InvalidRequest) as caught:
        request_with(vocabulary_names=["語" * 100])
    assert caught.value.problems["vocabulary_names"].startswith(f"('{'語' * 19}... (allowed: ")


def test_number_that_is_allowed_is_named():
    with pytest.raises(InvalidRequest) as caught:
        request_with(number_of_channels=3)
    assert caught.value.problems["number_of_channels"] == "3 (allowed: 2)"


# Languages and encodings of the service


def test_languages_of_the_service():
    assert len(LANGUAGE_CODES) == 99
    assert {"en-GB", "en-US", "es-US", "fr-CA", "fr-FR"} <= LANGUAGE_CODES
    assert {"en-AB", "en-WL", "ckb-IQ", "kab-DZ", "zu-ZA", "zh-TW", "de-CH"} <= LANGUAGE_CODES
    for code in LANGUAGE_CODES:
        assert request_with(language_code=code).language_code == code


def test_encodings_of_the_service():
    assert MEDIA_ENCODINGS == ("pcm", "flac", "ogg-opus", "g711-alaw", "g711-ulaw", "g729")


@pytest.mark.parametrize(
    "fields",
    [
        {"language_code": "tlh-001"},
        {"language_code": "en-us"},
        {"preferred_language": "tlh-001"},
        {"language_options": ("en-US", "tlh-001")},
    ],
    ids=repr,
)
def test_unknown_language_passes_with_a_warning(fields):
    with pytest.warns(UserWarning, match=r"language code '(tlh-001|en-us)' is not known here") as caught:
        request_with(**fields)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("field", ["language_code", "preferred_language", "language_options"])
def test_unknown_language_received_does_not_warn(field):
    """Warnings are errors here."""
    headers = [(f"x-amzn-transcribe-{field.replace('_', '-')}", "tlh-001"), *request_with().to_headers()[1:]]
    if field != "language_code":
        headers.append(("x-amzn-transcribe-identify-language", "true"))
    request = StartStreamTranscriptionRequest.from_headers(headers)
    assert getattr(request, field) in ("tlh-001", ("tlh-001",))
    assert request.media_sample_rate_hertz == 16000
    with pytest.warns(UserWarning, match="language code"):
        assert dataclasses.replace(request) == request


# Requests and responses as values


def test_requests_are_values():
    assert request_with() == request_with()
    assert request_with() != request_with(media_sample_rate_hertz=8000)
    assert hash(request_with(vocabulary_names=["A"])) == hash(request_with(vocabulary_names=("A",)))
    assert dataclasses.replace(request_with(), media_encoding="flac").media_encoding == "flac"
    with pytest.raises(dataclasses.FrozenInstanceError):
        request_with().media_encoding = "flac"
    with pytest.raises(TypeError):
        StartStreamTranscriptionRequest("en-US", 16000, "pcm")


def test_repr_shows_what_is_given():
    assert repr(request_with(show_speaker_label=True)) == (
        "StartStreamTranscriptionRequest(language_code='en-US', media_sample_rate_hertz=16000, media_encoding='pcm', "
        "show_speaker_label=True)"
    )
    assert repr(StartStreamTranscriptionResponse(request_id="r")) == "StartStreamTranscriptionResponse(request_id='r')"


def test_response_repeats_its_request():
    request = request_with(vocabulary_names=["A"], show_speaker_label=True)
    response = StartStreamTranscriptionResponse.from_request(request, request_id="r", session_id=SESSION_ID)
    assert response.to_headers() == [
        ("x-amzn-request-id", "r"),
        *request_with(vocabulary_names=["A"], show_speaker_label=True, session_id=SESSION_ID).to_headers(),
    ]
    assert StartStreamTranscriptionResponse.from_request(request).to_headers() == request.to_headers()
    own = request_with(session_id=str(uuid.UUID(int=0)))
    assert StartStreamTranscriptionResponse.from_request(own, session_id=SESSION_ID).session_id == own.session_id


def test_response_is_the_services_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        response = StartStreamTranscriptionResponse.from_headers(
            [
                (":status", "200"),
                ("X-Amzn-Request-Id", " r "),
                ("x-amzn-transcribe-language-code", "tlh-001"),
                ("x-amzn-transcribe-sample-rate", "many"),
                ("x-amzn-transcribe-media-encoding", "mp9"),
                ("x-amzn-transcribe-show-speaker-label", "maybe"),
                ("x-amzn-transcribe-session-id", "s"),
            ]
        )
    assert response == StartStreamTranscriptionResponse(
        request_id="r", language_code="tlh-001", media_encoding="mp9", session_id="s"
    )
    assert StartStreamTranscriptionResponse.from_headers([]) == StartStreamTranscriptionResponse()


names = st.from_regex("[0-9A-Za-z._-]{1,20}", fullmatch=True)
languages = st.sampled_from(sorted(LANGUAGE_CODES))
requests = st.fixed_dictionaries(
    {"media_sample_rate_hertz": st.integers(8000, 48000), "media_encoding": st.sampled_from(MEDIA_ENCODINGS)},
    optional={
        "vocabulary_name": names,
        "session_id": st.uuids().map(str),
        "show_speaker_label": st.booleans(),
        "enable_channel_identification": st.booleans(),
        "number_of_channels": st.just(2),
        "pii_entity_types": st.lists(st.from_regex("[A-Z_]{1,9}", fullmatch=True), max_size=9),
        "language_options": st.lists(languages, max_size=9),
        "preferred_language": languages,
        "vocabulary_names": st.lists(names, max_size=9),
        "session_resume_window": st.integers(1, 300),
    },
)
choices = st.one_of(
    languages.map(lambda code: {"language_code": code}),
    st.sampled_from([{"identify_language": True}, {"identify_multiple_languages": True}]),
)


@given(requests, choices, st.randoms())
def test_requests_survive_their_headers_in_any_order(fields, choice, random):
    request = StartStreamTranscriptionRequest(**fields, **choice)
    headers = [(random.choice([name, name.upper(), name.title()]), text) for name, text in request.to_headers()]
    random.shuffle(headers)
    assert StartStreamTranscriptionRequest.from_headers(headers) == request


@given(st.lists(st.tuples(st.sampled_from(["x-amzn-transcribe-" + row[1] for row in PARAMETERS]), st.text())))
def test_headers_are_a_request_or_an_invalid_one(headers):
    with contextlib.suppress(InvalidRequest):
        StartStreamTranscriptionRequest.from_headers(headers)
    StartStreamTranscriptionResponse.from_headers(headers)
