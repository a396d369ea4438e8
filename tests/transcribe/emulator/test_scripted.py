"""The scripted recogniser: the same words for the same time, however the audio is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstream.transcribe import StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Hypothesis, Scripted, Word

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


def test_a_sentence_is_final_when_it_was_spoken():
    heard = recogniser()
    final, following = heard.feed(SECOND)
    assert final.is_final
    assert contents(final) == ["One", "two", ",", "three", "."]
    assert final.words[-1].end == 0.9
    assert following == Hypothesis([Word("Four", 0.9, 1.0)])
    assert list(heard.finish()) == [following._replace(is_final=True)]


def test_the_end_between_two_sentences():
    heard = recogniser()
    assert [hypothesis.is_final for hypothesis in heard.feed(SECOND[:28_800])] == [True]
    assert list(heard.finish()) == []


def test_without_audio_nothing_is_heard():
    assert list(recogniser().finish()) == []


def test_the_script_begins_again():
    heard = list(recogniser().feed(5 * SECOND))
    assert [contents(hypothesis)[0] for hypothesis in heard] == ["One", "Four"] * 4 + ["One"]
    assert [hypothesis.is_final for hypothesis in heard] == [True] * 8 + [False]
    times = [(word.start, word.end) for hypothesis in heard for word in hypothesis.words]
    assert times == sorted(times)


@given(st.lists(st.integers(1, 40_000), max_size=20))
def test_the_cuts_of_the_audio_do_not_matter(lengths):
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


def test_every_stream_begins_at_the_beginning():
    assert list(recogniser().feed(SECOND)) == list(recogniser().feed(SECOND))


def test_a_compressed_second_has_a_usual_length():
    heard = recogniser(media_encoding="ogg-opus")
    assert [contents(hypothesis) for hypothesis in heard.feed(bytes(2_000))] == [["One", "two"]]


def test_other_sample_rates():
    factory = Scripted()
    request = StartStreamTranscriptionRequest(
        language_code="fr-FR", media_sample_rate_hertz=8000, media_encoding="g711-ulaw"
    )
    assert [contents(hypothesis) for hypothesis in factory(request).feed(bytes(8_000))] == [["The", "quick"]]


@pytest.mark.parametrize(
    ("script", "sentences"),
    [
        ("no mark at the end", [["no", "mark", "at", "the", "end"]]),
        ("Really?! Yes... No! Oh.", [["Really", "?"], ["Yes", "."], ["No", "!"], ["Oh", "."]]),
        ("3.5 is, or it isn't: 3.5", [["3.5", "is", ",", "or", "it", "isn't", ":", "3.5"]]),
        (" \n ¿Qué?\n\n日本 。", [["¿Qué", "?"], ["日本", "。"]]),
    ],
)
def test_scripts(script, sentences):
    heard = recogniser(Scripted(script))
    found = [*heard.feed(3 * SECOND), *heard.finish()]
    assert [contents(hypothesis) for hypothesis in found[: len(sentences)]] == sentences


@pytest.mark.parametrize("script", ["", " \n"])
def test_a_script_without_words(script):
    with pytest.raises(ValueError, match=r"^a script without words$"):
        Scripted(script)


def test_it_needs_no_thread_and_no_closing():
    assert Scripted.instant
    recogniser().close()
