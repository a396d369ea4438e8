"""Transcripts hold together."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from drawing import draw_until, least, some
from hypothesis import given

from eventstream import testing
from eventstream.testing import transcript


@given(testing.transcripts(min_size=1, max_items=3))
def test_transcripts_hold_together(event):
    assert 1 <= len(event.transcript.results) <= 2
    ended = 0.0
    for result in event.transcript.results:
        begun = ended
        for alternative in result.alternatives:
            assert len(alternative.items) <= 3
            times = [
                time for item in alternative.items for time in (item.start_time, item.end_time) if time is not None
            ]
            assert [begun, *times] == sorted([begun, *times]), "items follow each other, and the results before"
            ended = max([ended, *times])
            words = [item.content or "" for item in alternative.items]
            if alternative.transcript is not None:
                assert alternative.transcript.replace(" ", "") == "".join(words).replace(" ", "")
        assert result.start_time is None or result.start_time >= begun
        assert result.end_time is None or result.end_time >= ended
        ended = result.end_time or ended


def test_transcripts_are_partial_as_asked_for():
    for partial in (True, False):
        event = least(testing.transcripts(is_partial=partial), lambda event: event.transcript.results)
        assert [result.is_partial for result in event.transcript.results] == [partial]
        assert least(
            testing.transcripts(),
            lambda event, partial=partial: any(result.is_partial is partial for result in event.transcript.results),
        )


def test_transcripts_have_as_many_results_as_asked_for():
    assert len(least(testing.transcripts(min_size=1)).transcript.results) == 1
    assert len(least(testing.transcripts(min_size=2)).transcript.results) == 2


def test_transcripts_are_of_every_kind():
    from eventstream.transcribe.model import Alternative, Item, Result, Transcript, TranscriptEvent

    def with_result(condition: Callable[[Result], object]) -> Callable[[TranscriptEvent], bool]:
        return lambda event: any(map(condition, event.transcript.results))

    def with_alternative(condition: Callable[[Alternative], object]) -> Callable[[TranscriptEvent], bool]:
        return with_result(lambda result: any(map(condition, result.alternatives)))

    events = testing.transcripts()
    assert least(events) == TranscriptEvent(Transcript(results=[]))
    (result,) = least(events, with_alternative(lambda alternative: alternative.transcript)).transcript.results
    (alternative,) = result.alternatives
    assert result == Result(alternatives=[alternative])
    assert alternative in [
        Alternative(transcript=text, items=[Item(type=type_, content=text)])
        for type_, text in (("pronunciation", "0"), ("punctuation", ","))
    ]
    assert some(events, with_result(lambda result: result.language_identification))
    assert some(events, with_alternative(lambda alternative: alternative.entities))
    for missing in ("content", "start_time"):
        for present in (True, False):
            assert some(
                events,
                with_alternative(
                    lambda alternative, name=missing, present=present: any(
                        (getattr(item, name) is not None) is present for item in alternative.items
                    )
                ),
            )


ENUMERATED = {"type", "speaker", "category", "channel_id", "language_code"}


def test_transcript_contents():
    """Of each field the values that it has, or of what may be anything the type; of lists how long they are."""
    seen: dict[str, set[object]] = defaultdict(set)

    def look(name: str, struct: Any) -> None:
        for field in struct.__struct_fields__:
            value = getattr(struct, field)
            key = f"{name}.{field}"
            if isinstance(value, list):
                seen[key].add(len(value))
                for each in value:
                    name_of_each = each.type if hasattr(each, "vocabulary_filter_match") else type(each).__name__
                    look(name_of_each, each)
            elif value is None or isinstance(value, bool) or field in ENUMERATED or key == "punctuation.content":
                seen[key].add(value)
            else:
                seen[key].add(type(value))
            if field in ("confidence", "score"):
                assert value is None or 0 <= value <= 1
            elif field == "result_id":
                assert value is None or str(uuid.UUID(value)) == value

    some_time, some_text, some_flag = {None, float}, {None, str}, {None, True, False}
    expected: dict[str, set[object]] = {
        "Transcript.results": {0, 1, 2},
        "Result.result_id": some_text,
        "Result.start_time": some_time,
        "Result.end_time": some_time,
        "Result.is_partial": {True, False},
        "Result.alternatives": {0, 1, 2},
        "Result.channel_id": {None, "ch_0", "ch_1"},
        "Result.language_code": {None, "en-US", "de-DE", "fr-CA"},
        "Result.language_identification": {0, 1, 2},
        "LanguageIdentification.language_code": {"en-US", "de-DE", "fr-CA"},
        "LanguageIdentification.score": some_time,
        "Alternative.transcript": some_text,
        "Alternative.items": {0, 1, 2, 3, 4},
        "Alternative.entities": {0, 1},
        "Entity.start_time": {float},
        "Entity.end_time": {float},
        "Entity.category": {"PII"},
        "Entity.type": {None, "NAME", "PHONE"},
        "Entity.content": {str},
        "Entity.confidence": some_time,
        "pronunciation.start_time": some_time,
        "pronunciation.end_time": some_time,
        "pronunciation.type": {"pronunciation"},
        "pronunciation.content": some_text,
        "pronunciation.vocabulary_filter_match": some_flag,
        "pronunciation.speaker": {None, "0", "1"},
        "pronunciation.confidence": some_time,
        "pronunciation.stable": some_flag,
        "punctuation.start_time": some_time,
        "punctuation.end_time": {None},
        "punctuation.type": {"punctuation"},
        "punctuation.content": {",", ".", "?"},
        "punctuation.vocabulary_filter_match": {None},
        "punctuation.speaker": {None},
        "punctuation.confidence": {None},
        "punctuation.stable": some_flag,
    }

    def is_complete(event: Any) -> bool:
        look("Transcript", event.transcript)
        for name, values in seen.items():
            assert values <= expected.get(name, set()), name
        return seen == expected

    draw_until(testing.transcripts(), is_complete)
    assert seen == expected


def test_times_continue_from_item_to_item():
    from eventstream.transcribe.model import Alternative, Entity, Item, Result

    def word(content: str | None, *times: float | None) -> Item:
        return Item(type="pronunciation", content=content, start_time=times[0], end_time=times[1])

    def mark(content: str, time: float | None) -> Item:
        return Item(type="punctuation", content=content, start_time=time)

    drawn = [
        Result(
            start_time=0,
            alternatives=[
                Alternative(
                    transcript="",
                    items=[
                        word("a", 100, 200),
                        mark(",", 50),
                        word(None, None, 1),
                        word("b", 3, None),
                        mark(".", None),
                    ],
                    entities=[Entity()],
                ),
                Alternative(items=[word("c", 1, 1_000)], entities=[Entity(), Entity()]),
                Alternative(transcript="", items=[mark("?", 7)]),
            ],
        ),
        Result(alternatives=[Alternative(items=[word("d", 1_000, 3)], entities=[Entity()])]),
        Result(start_time=0),
    ]
    first, second, third = transcript._completed(drawn)
    assert (first.start_time, first.end_time) == (0.0, 1.001)
    assert (second.start_time, second.end_time) == (None, None)
    assert (third.start_time, third.end_time) == (2.004, 2.004)
    one, two, three = first.alternatives
    assert [alternative.transcript for alternative in first.alternatives] == ["a, b.", None, "?"]
    assert [(item.start_time, item.end_time) for item in one.items] == [
        (0.1, 0.3),
        (0.35, None),
        (None, 0.351),
        (0.354, None),
        (None, None),
    ]
    assert [(item.start_time, item.end_time) for item in two.items + three.items] == [(0.001, 1.001), (0.007, None)]
    assert [(item.start_time, item.end_time) for item in second.alternatives[0].items] == [(2.001, 2.004)]
    assert [(entity.start_time, entity.end_time) for entity in one.entities + two.entities] == [
        (0.0, 0.354),
        (0.0, 1.001),
        (0.0, 1.001),
    ]
    assert second.alternatives[0].entities == [Entity(start_time=1.001, end_time=2.004)]
