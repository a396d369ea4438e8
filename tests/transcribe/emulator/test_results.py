"""Results as the service sends them, of what a recogniser heard."""

from __future__ import annotations

import uuid

import pytest
from cases import each

from eventstream.transcribe import (
    Alternative,
    Entity,
    Item,
    LanguageIdentification,
    Result,
    StartStreamTranscriptionRequest,
)
from eventstream.transcribe.emulator import Analysis, Hypothesis, Mention, Word
from eventstream.transcribe.emulator.results import ChannelResults

SESSION = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
HELLO = Word("hello", 0.1, 0.4)
WORLD = Word("world", 0.4, 0.8000001, confidence=0.912345)
MARK = Word(".", 0.8, 0.8, "punctuation")


def results(channel=None, session_id=SESSION, **parameters):
    parameters = {"language_code": "en-US", **parameters}
    request = StartStreamTranscriptionRequest(media_sample_rate_hertz=16000, media_encoding="pcm", **parameters)
    return ChannelResults(request, session_id, channel)


def test_result_has_all_that_is_known():
    [result] = results().of([Hypothesis([HELLO, WORLD, MARK], is_final=True)])
    assert uuid.UUID(result.result_id)
    assert result == Result(
        result_id=result.result_id,
        start_time=0.1,
        end_time=0.8,
        is_partial=False,
        alternatives=[
            Alternative(
                transcript="hello world.",
                items=[
                    item("hello", 0.1, 0.4),
                    item("world", 0.4, 0.8, confidence=0.9123),
                    item(".", 0.8, 0.8, type="punctuation"),
                ],
            )
        ],
    )


def item(content, start, end, type="pronunciation", **fields):
    return Item(start_time=start, end_time=end, type=type, content=content, vocabulary_filter_match=False, **fields)


def test_times_are_rounded_to_milliseconds():
    [result] = results().of([Hypothesis([Word("hello", 0.12345, 0.67891)], is_final=True)])
    assert (result.start_time, result.end_time) == (0.123, 0.679)
    assert result.alternatives[0].items == [item("hello", 0.123, 0.679)]


def test_results_of_an_utterance_have_one_id():
    channel = results()
    first, second = channel.of([Hypothesis([HELLO]), Hypothesis([HELLO, WORLD], is_final=True)])
    [third] = channel.of([Hypothesis([HELLO])])
    assert (first.is_partial, second.is_partial, third.is_partial) == (True, False, True)
    assert first.result_id == second.result_id != third.result_id


def test_ids_belong_to_session_channel_and_place():
    def ids(*arguments):
        channel = results(*arguments)
        return [result.result_id for result in channel.of([Hypothesis([HELLO], is_final=True)] * 3)]

    assert ids() == ids()
    every = ids() + ids(0) + ids(1) + ids(None, str(uuid.uuid4()))
    assert len(set(every)) == len(every)


def test_results_need_something_heard():
    assert results().of([]) == []
    assert results().of([Hypothesis([]), Hypothesis([], is_final=True)]) == []


def test_empty_utterance_is_told():
    first, last = results().of([Hypothesis([HELLO]), Hypothesis([], is_final=True)])
    assert first.result_id == last.result_id
    assert not last.is_partial
    assert (last.start_time, last.end_time) == (0.0, 0.0)
    assert last.alternatives == [Alternative(transcript="", items=[])]


def test_channels():
    [result] = results(1).of([Hypothesis([HELLO])])
    assert result.channel_id == "ch_1"


def test_speakers():
    [result] = results(show_speaker_label=True).of([Hypothesis([HELLO, MARK])])
    assert [item.speaker for item in result.alternatives[0].items] == ["0", None]


def test_stabilized_partial_results():
    words = [HELLO._replace(stable=True), WORLD]
    partial, final = results(enable_partial_results_stabilization=True).of(
        [Hypothesis(words), Hypothesis(words, is_final=True)]
    )
    assert [item.stable for item in partial.alternatives[0].items] == [True, False]
    assert [item.stable for item in final.alternatives[0].items] == [True, True]


@pytest.mark.parametrize(
    ("parameters", "language"),
    [
        ({"identify_language": True}, "en-US"),
        ({"identify_language": True, "language_options": ["fr-FR", "de-DE"]}, "fr-FR"),
        ({"identify_language": True, "language_options": ["fr-FR", "de-DE"], "preferred_language": "de-DE"}, "de-DE"),
        ({"identify_multiple_languages": True, "language_options": "es-US,en-US"}, "es-US"),
    ],
)
def test_identified_language(parameters, language):
    [result] = results(language_code=None, **parameters).of([Hypothesis([HELLO])])
    assert result.language_code == language
    assert result.language_identification == [LanguageIdentification(language_code=language, score=1.0)]


def test_language_that_the_recogniser_tells():
    heard = [Hypothesis([HELLO], language="de-DE", language_score=0.75), Hypothesis([HELLO], language="es-US")]
    first, second = results(language_code=None, identify_multiple_languages=True).of(heard)
    assert first.language_code == "de-DE"
    assert first.language_identification == [LanguageIdentification(language_code="de-DE", score=0.75)]
    assert second.language_identification == [LanguageIdentification(language_code="es-US", score=1.0)]
    [result] = results().of(heard[:1])
    assert (result.language_code, result.language_identification) == (None, []), "the request does not ask"


def test_speakers_that_the_recogniser_tells():
    words = [HELLO._replace(speaker="1"), WORLD, MARK._replace(speaker="1")]
    [result] = results(show_speaker_label=True).of([Hypothesis(words)])
    assert [item.speaker for item in result.alternatives[0].items] == ["1", "0", None]
    [result] = results().of([Hypothesis(words)])
    assert [item.speaker for item in result.alternatives[0].items] == [None] * 3


RUDE = [HELLO, Word("darn", 0.4, 0.5, filters={"rude"}), Word("heck", 0.5, 0.6, filters={"mild", "rude"}), MARK]


@each(
    ("parameters", "transcript", "matches"),
    [
        ({}, "hello darn heck.", [False, False, False, False]),
        ({"vocabulary_filter_name": "other"}, "hello darn heck.", [False, False, False, False]),
        ({"vocabulary_filter_name": "rude"}, "hello *** ***.", [False, True, True, False]),
        ({"vocabulary_filter_name": "mild"}, "hello darn ***.", [False, False, True, False]),
        (
            {"vocabulary_filter_names": "other,mild", "vocabulary_filter_method": "mask"},
            "hello darn ***.",
            [False, False, True, False],
        ),
        ({"vocabulary_filter_name": "rude", "vocabulary_filter_method": "remove"}, "hello.", [False, False]),
        (
            {"vocabulary_filter_name": "rude", "vocabulary_filter_method": "tag"},
            "hello darn heck.",
            [False, True, True, False],
        ),
    ],
)
@each("is_final", [False, True])
def test_vocabulary_filters(parameters, transcript, matches, is_final):
    [result] = results(**parameters).of([Hypothesis(RUDE, is_final)])
    [alternative] = result.alternatives
    assert alternative.transcript == transcript
    assert [item.vocabulary_filter_match for item in alternative.items] == matches


NAMED = [
    HELLO,
    Word(",", 0.4, 0.4, "punctuation"),
    Word("Jane", 0.4, 0.6, confidence=0.9, speaker="1", filters={"rude"}),
    Word("Doe", 0.6, 0.7),
    Word("of", 0.7, 0.8),
    Word("Here", 0.8, 0.9),
    Word(".", 0.9, 0.9, "punctuation"),
]
MENTIONS = [Mention("NAME", 2, 4, 0.912345), Mention("ADDRESS", 5, 6)]
JANE = Entity(start_time=0.4, end_time=0.7, category="PII", type="NAME", content="Jane Doe", confidence=0.9123)
HERE = Entity(start_time=0.8, end_time=0.9, category="PII", type="ADDRESS", content="Here")


@pytest.mark.parametrize(
    ("parameters", "entities"),
    [
        ({}, []),
        ({"content_identification_type": "PII"}, [JANE, HERE]),
        ({"content_identification_type": "PII", "pii_entity_types": "ALL"}, [JANE, HERE]),
        ({"content_identification_type": "PII", "pii_entity_types": "ADDRESS,PHONE"}, [HERE]),
    ],
)
def test_entities_are_identified(parameters, entities):
    partial, final = results(**parameters).of([Hypothesis(NAMED, False, MENTIONS), Hypothesis(NAMED, True, MENTIONS)])
    assert partial.alternatives[0].entities == []
    assert final.alternatives[0].entities == entities
    assert final.alternatives[0].transcript == "hello, Jane Doe of Here."


def test_entities_are_redacted_in_final_results():
    channel = results(content_redaction_type="PII", show_speaker_label=True, vocabulary_filter_name="rude")
    partial, final = channel.of([Hypothesis(NAMED, False, MENTIONS), Hypothesis(NAMED, True, MENTIONS)])
    assert partial.alternatives[0].transcript == "hello, *** Doe of Here."
    [alternative] = final.alternatives
    assert alternative.transcript == "hello, [NAME] of [ADDRESS]."
    assert alternative.items[2] == item("[NAME]", 0.4, 0.7, speaker="1", confidence=0.9)
    assert alternative.entities == [
        Entity(start_time=0.4, end_time=0.7, category="PII", type="NAME", content="[NAME]", confidence=0.9123),
        Entity(start_time=0.8, end_time=0.9, category="PII", type="ADDRESS", content="[ADDRESS]"),
    ]


SAID = ["Well", "my", "damn", "phone", "is", "broken"]
BROKEN = [Word(content, place / 10, (place + 1) / 10) for place, content in enumerate(SAID)]


@pytest.mark.parametrize(
    ("parameters", "text", "issue"),
    [
        ({}, "Well, my damn phone is broken.", "my damn phone is broken"),
        ({"vocabulary_filter_method": "remove"}, "Well, my phone is broken.", "my phone is broken"),
        ({"vocabulary_filter_method": "mask"}, "Well, my *** phone is broken.", "my *** phone is broken"),
    ],
)
def test_issues_are_told_by_their_characters(parameters, text, issue):
    words = [BROKEN[0], Word(",", 0.1, 0.1, "punctuation"), *BROKEN[1:], Word(".", 0.6, 0.6, "punctuation")]
    words[3] = words[3]._replace(filters=frozenset({"rude"}))
    analysed = {}
    request = StartStreamTranscriptionRequest(
        language_code="en-US",
        media_sample_rate_hertz=16000,
        media_encoding="pcm",
        vocabulary_filter_name="rude" if parameters else None,
        **parameters,
    )
    analysis = Analysis("NEGATIVE", ["complaint"], [(2, 7)])
    partial, final = ChannelResults(request, SESSION, analysed=analysed).of(
        [Hypothesis(words[:2], analysis=analysis), Hypothesis(words, is_final=True, analysis=analysis)]
    )
    assert partial.result_id == final.result_id
    assert final.alternatives[0].transcript == text
    [begin, end] = analysed[final.result_id].issues[0]
    assert text[begin:end] == issue
    assert analysed == {final.result_id: Analysis("NEGATIVE", ["complaint"], [(begin, end)])}


def test_issues_whose_words_are_removed_are_not_told():
    words = [BROKEN[0], BROKEN[2]._replace(filters=frozenset({"rude"}))]
    analysed = {}
    request = StartStreamTranscriptionRequest(
        language_code="en-US",
        media_sample_rate_hertz=16000,
        media_encoding="pcm",
        vocabulary_filter_name="rude",
        vocabulary_filter_method="remove",
    )
    heard = Hypothesis(words, is_final=True, analysis=Analysis(issues=[(1, 2)]))
    [result] = ChannelResults(request, SESSION, analysed=analysed).of([heard])
    assert analysed == {result.result_id: Analysis(issues=[])}


def test_types_that_are_not_asked_for_are_not_redacted():
    [final] = results(content_redaction_type="PII", pii_entity_types="NAME").of([Hypothesis(NAMED, True, MENTIONS)])
    assert final.alternatives[0].transcript == "hello, [NAME] of Here."
