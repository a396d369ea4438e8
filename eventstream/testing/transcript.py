"""Events of Amazon Transcribe, in which what the service may leave out is sometimes missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstream.testing._hypothesis import st, texts

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from eventstream.transcribe.model import Item, Result, TranscriptEvent

__all__ = ["transcripts"]

_WORDS = texts(1, 40, "hello", "world")
_MARKS = st.sampled_from([",", ".", "?"])
_LANGUAGES = st.sampled_from(["en-US", "de-DE", "fr-CA"])
_FRACTIONS = st.none() | st.floats(0, 1)
_FLAGS = st.none() | st.booleans()
_GAPS = st.none() | st.integers(0, 1_000)


def transcripts(
    *, min_size: int = 0, max_size: int = 2, max_items: int = 4, is_partial: bool | None = None
) -> SearchStrategy[TranscriptEvent]:
    """Events of Amazon Transcribe, in which what the service may leave out is sometimes missing.

    Times never go back, and a transcript is the text of its items. Needs the extra ``transcribe``.

    Args:
        min_size, max_size: how many results an event has.
        max_items: how many words and punctuation marks an alternative has at most.
        is_partial: whether the results are; None: some are.
    """
    from eventstream.transcribe import model  # here, as tests of only the codec need no msgspec

    # A time is at first the milliseconds since the one before, and a transcript empty.
    items = st.one_of(
        st.builds(
            model.Item,
            start_time=_GAPS,
            end_time=_GAPS,
            type=st.just("pronunciation"),
            content=_WORDS | st.none(),
            vocabulary_filter_match=_FLAGS,
            speaker=st.sampled_from([None, "0", "1"]),
            confidence=_FRACTIONS,
            stable=_FLAGS,
        ),
        st.builds(model.Item, start_time=_GAPS, type=st.just("punctuation"), content=_MARKS, stable=_FLAGS),
    )
    entities = st.builds(
        model.Entity,
        category=st.just("PII"),
        type=st.sampled_from([None, "NAME", "PHONE"]),
        content=_WORDS,
        confidence=_FRACTIONS,
    )
    alternatives = st.builds(
        model.Alternative,
        transcript=st.sampled_from([None, ""]),
        items=st.lists(items, max_size=max_items),
        entities=st.lists(entities, max_size=1),
    )
    results = st.builds(
        model.Result,
        start_time=st.sampled_from([None, 0]),
        result_id=st.none() | st.uuids().map(str),
        is_partial=st.booleans() if is_partial is None else st.just(is_partial),
        alternatives=st.lists(alternatives, max_size=2),
        channel_id=st.sampled_from([None, "ch_0", "ch_1"]),
        language_code=st.none() | _LANGUAGES,
        language_identification=st.lists(
            st.builds(model.LanguageIdentification, language_code=_LANGUAGES, score=_FRACTIONS), max_size=2
        ),
    )
    lists = st.lists(results, min_size=min_size, max_size=max_size)
    return lists.map(lambda drawn: model.TranscriptEvent(model.Transcript(results=_completed(drawn))))


def _completed(results: list[Result]) -> list[Result]:
    """With true times, in seconds, and the texts of transcripts."""
    begun = 0.0
    for result in results:
        ended = begun
        for alternative in result.alternatives:
            now = begun  # the alternatives are of the same stretch
            for item in alternative.items:
                if item.start_time is not None:
                    item.start_time = now = round(now + item.start_time / 1000, 3)
                if item.end_time is not None:
                    item.end_time = now = round(now + item.end_time / 1000, 3)
            for entity in alternative.entities:
                entity.start_time, entity.end_time = begun, now
            if alternative.transcript is not None:
                alternative.transcript = _text_of(alternative.items)
            ended = max(ended, now)
        if result.start_time is not None:
            result.start_time, result.end_time = begun, ended
        begun = ended
    return results


def _text_of(items: list[Item]) -> str:
    """Return the words, separated by spaces, with the marks after them."""
    text = ""
    for item in items:
        if item.content is not None:
            space = " " if text and item.type == "pronunciation" else ""
            text += space + item.content
    return text
