"""The scripted recogniser: the same words for the same time, however the audio is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstream.transcribe import ConflictException, LimitExceededException, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Analysis, Hypothesis, Mention, Scripted, Word

SECOND = bytes(32_000)
SCRIPT = Scripted("One two, three. Four!")


def recogniser(factory=SCRIPT, media_encoding="pcm", **parameters):
    return factory(
        StartStreamTranscriptionRequest(
            language_code="en-US", media_sample_rate_hertz=16000, media_encoding=media_encoding, **parameters
        )
    )


def contents(hypothesis):
    return [word.content for word in hypothesis.words]


def test_words_come_one_after_the_other():
    heard = recogniser()
    assert list(heard.feed(SECOND[:3200])) == [Hypothesis([Word("One", 0.0, 0.1)])]
    assert list(heard.feed(SECOND[:9600])) == [Hypothesis([Word("One", 0.0, 0.3, stable=True), Word("two", 0.3, 0.4)])]
    assert list(heard.feed(SECOND[:6400])) == [
        Hypothesis(
            [
                Word("One", 0.0, 0.3, stable=True),
                Word("two", 0.3, 0.6, stable=True),
                Word(",", 0.6, 0.6, "punctuation", stable=True),
            ]
        )
    ]


def test_sentence_is_final_when_it_was_spoken():
    heard = recogniser()
    final, following = heard.feed(SECOND)
    assert final.is_final
    assert contents(final) == ["One", "two", ",", "three", "."]
    assert final.words[-1].end == 0.9
    assert following == Hypothesis([Word("Four", 0.9, 1.0)])
    assert list(heard.finish()) == [following._replace(is_final=True)]


def test_end_between_two_sentences():
    heard = recogniser()
    assert [hypothesis.is_final for hypothesis in heard.feed(SECOND[:28_800])] == [True]
    assert list(heard.finish()) == []


def test_transcript_of_no_audio_is_empty():
    assert list(recogniser().finish()) == []


def test_script_begins_again():
    heard = list(recogniser().feed(5 * SECOND))
    assert [contents(hypothesis)[0] for hypothesis in heard] == ["One", "Four"] * 4 + ["One"]
    assert [hypothesis.is_final for hypothesis in heard] == [True] * 8 + [False]
    times = [(word.start, word.end) for hypothesis in heard for word in hypothesis.words]
    assert times == sorted(times)


@given(st.lists(st.integers(1, 40_000), max_size=20))
def test_cuts_of_the_audio_do_not_matter(lengths):
    whole, pieces = recogniser(), recogniser()
    length = sum(lengths)
    expected = [hypothesis for hypothesis in whole.feed(bytes(length)) if hypothesis.is_final]
    heard = []
    for piece in lengths:
        answer = list(pieces.feed(bytes(piece)))
        assert answer, "every piece of audio has a hypothesis"
        heard += [hypothesis for hypothesis in answer if hypothesis.is_final]
    assert heard == expected
    assert list(pieces.finish()) == list(whole.finish())


def test_stream_begins_at_the_beginning_of_the_script():
    assert list(recogniser().feed(SECOND)) == list(recogniser().feed(SECOND))


def test_compressed_second_has_a_usual_length():
    heard = recogniser(media_encoding="ogg-opus")
    assert [contents(hypothesis) for hypothesis in heard.feed(bytes(2_000))] == [["One", "two"]]


def test_other_sample_rates():
    factory = Scripted()
    request = StartStreamTranscriptionRequest(
        language_code="fr-FR", media_sample_rate_hertz=8000, media_encoding="g711-ulaw"
    )
    assert [contents(hypothesis) for hypothesis in factory(request).feed(bytes(8_000))] == [["The", "quick"]]


@pytest.mark.parametrize(
    ("script", "text"), [("", "a script without words"), ("a\n@at b", "line 2: 'b' is not a number")]
)
def test_wrong_script_is_refused(script, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        Scripted(script)


def test_script_that_is_not_a_text_is_refused():
    with pytest.raises(TypeError, match=r"^a script must be a str, not list; Scripted\(\) is the default one$"):
        Scripted(["Hello."])


def test_revised_words_are_not_stable_before():
    heard = recogniser(Scripted("[nice beach|speech] now."))
    [hypothesis] = heard.feed(SECOND[:16_000])
    assert hypothesis == Hypothesis([Word("nice", 0.0, 0.3), Word("beach", 0.3, 0.5)])
    [hypothesis] = heard.feed(SECOND[:6400])
    assert hypothesis == Hypothesis([Word("speech", 0.0, 0.6, stable=True), Word("now", 0.6, 0.7)])
    assert [contents(hypothesis) for hypothesis in heard.finish()] == [["speech", "now"]]


def test_confidence_and_entities_are_of_final_results():
    heard = recogniser(Scripted("@confidence 0.5\nI am {NAME Jane Doe}."))
    [partial] = heard.feed(SECOND[:32_000])
    assert [word.confidence for word in partial.words] == [None] * 4
    assert partial.mentions == ()
    final, _ = heard.feed(SECOND)
    assert [word.confidence for word in final.words] == [0.5] * 4 + [None]
    assert final.mentions == (Mention("NAME", 2, 4, 0.5),)


def test_entity_that_is_cut_off_is_not_told():
    heard = recogniser(Scripted("I am {NAME Jane Doe}."))
    list(heard.feed(SECOND[:28_800]))
    [final] = heard.finish()
    assert contents(final) == ["I", "am", "Jane"]
    assert final.mentions == ()


def test_analysis_is_of_final_results():
    hearing = recogniser(Scripted("@sentiment MIXED\n@category sale\nOne {ISSUE two three} four."))
    heard = [*hearing.feed(bytes(32_000)), *hearing.feed(bytes(6_400))]
    partial, final = heard[:-1], heard[-1]
    assert [hypothesis.analysis for hypothesis in partial] == [None] * len(partial)
    assert final.analysis == Analysis("MIXED", ("sale",), [(1, 3)])
    hearing = recogniser(Scripted("@sentiment MIXED\nOne {ISSUE two three} four."))
    list(hearing.feed(bytes(16_000)))
    assert [hypothesis.analysis for hypothesis in hearing.finish()] == [Analysis("MIXED", (), [])], "it was cut off"


def test_language_is_told():
    heard = recogniser(Scripted("Yes.\n@language de-DE 0.75\nJa."))
    *finals, partial = heard.feed(SECOND)
    assert [(hypothesis.language, hypothesis.language_score) for hypothesis in finals] == [
        (None, None),
        ("de-DE", 0.75),
        (None, None),
    ]
    assert contents(partial) == ["Ja"]


def test_pause_has_no_words():
    heard = recogniser(Scripted("One.\n@pause 0.3\ntwo"))
    assert [contents(hypothesis) for hypothesis in heard.feed(SECOND[:16_000])] == [["One", "."]]
    assert list(heard.feed(SECOND[:1600])) == []
    assert [hypothesis.words for hypothesis in heard.feed(SECOND[:3200])] == [[Word("two", 0.6, 0.65)]]


def test_error_ends_the_stream_at_its_time():
    heard = recogniser(Scripted("One.\n@at 0.5\n@error LimitExceededException Enough."))
    assert [contents(hypothesis) for hypothesis in heard.feed(SECOND[:12_800])] == [["One", "."]]
    assert list(heard.finish()) == []
    feeding = heard.feed(SECOND[:3200])
    with pytest.raises(LimitExceededException) as raised:
        list(feeding)
    assert raised.value.message == "Enough."


def test_words_before_an_error_come_first():
    feeding = recogniser(Scripted("One.\n@error ConflictException")).feed(SECOND)
    assert contents(next(feeding)) == ["One", "."]
    with pytest.raises(ConflictException):
        next(feeding)


def test_scripted_needs_no_thread_and_no_closing():
    assert Scripted.instant
    assert Scripted.compressed
    recogniser().close()
