"""Results as the service sends them, of what a recogniser heard."""

from __future__ import annotations

import uuid

import pytest

from eventstream.transcribe import Alternative, Item, LanguageIdentification, Result, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Hypothesis, Word
from eventstream.transcribe.emulator.results import ChannelResults

SESSION = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
HELLO = Word("hello", 0.1, 0.4)
WORLD = Word("world", 0.4, 0.8000001, confidence=0.912345)
MARK = Word(".", 0.8, 0.8, "punctuation")


def results(channel=None, session_id=SESSION, **parameters):
    parameters = {"language_code": "en-US", **parameters}
    request = StartStreamTranscriptionRequest(media_sample_rate_hertz=16000, media_encoding="pcm", **parameters)
    return ChannelResults(request, session_id, channel)


def test_a_result_has_all_that_is_known():
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


def test_nothing_heard_is_no_result():
    assert results().of([]) == []
    assert results().of([Hypothesis([]), Hypothesis([], is_final=True)]) == []


def test_what_turned_out_to_be_nothing_is_told():
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
def test_an_identified_language(parameters, language):
    [result] = results(language_code=None, **parameters).of([Hypothesis([HELLO])])
    assert result.language_code == language
    assert result.language_identification == [LanguageIdentification(language_code=language, score=1.0)]
