"""The strategies: that what they promise is so, on both implementations, and that what they find is short to read."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import os
import random
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta, timezone
from itertools import pairwise
from typing import Any, TypeVar

import frames
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.strategies import SearchStrategy

import eventstream
from eventstream import (
    Byte,
    DecodeError,
    DecodeLimitExceeded,
    Decoder,
    Headers,
    Long,
    Message,
    Short,
    Timestamp,
    testing,
)
from eventstream.signing import Credentials, EventVerifier
from eventstream.testing import CORRUPTION_KINDS, Corruption, SignedStream

T = TypeVar("T")

TYPES = [bool, str, int, bytes, Byte, Short, Long, Timestamp, uuid.UUID]


def some(
    strategy: SearchStrategy[T], condition: Callable[[T], object] = bool, phases: tuple[Phase, ...] = (Phase.generate,)
) -> T:
    """Any that meets the condition."""
    options = settings(max_examples=5_000, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    return find(strategy, lambda value: bool(condition(value)), settings=options, random=random.Random(0))


def least(strategy: SearchStrategy[T], condition: Callable[[T], object] = lambda _: True) -> T:
    """The simplest that meets the condition. Without the phase of explanations, which would leave another behind."""
    return some(strategy, condition, (Phase.generate, Phase.shrink))


def test_the_example_of_the_documentation():
    failed, attempted = doctest.testmod(testing)
    assert attempted >= 8
    assert not failed


def test_the_exported_names():
    public = {name for name, value in vars(testing).items() if getattr(value, "__module__", None) == testing.__name__}
    assert {name for name in public if not name.startswith("_")} | {"CORRUPTION_KINDS"} == set(testing.__all__)
    assert sorted(testing.__all__) == sorted(set(testing.__all__))


def test_every_strategy_can_be_drawn_from_without_arguments():
    """With every health check on, and no example thrown away."""
    strategies = [getattr(testing, name)() for name in testing.__all__ if name[0].islower()]

    @settings(max_examples=50, database=None, suppress_health_check=[])
    @given(st.tuples(*strategies))
    def draw(values: tuple[object, ...]) -> None:
        assert len(values) == len(strategies)

    draw()


# Headers and messages


@given(testing.header_names())
def test_every_name_is_one(codec, name):
    headers = codec.decode(codec.encode({name: True})).headers
    assert list(headers) == [name]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 13, 254, 255])
def test_names_are_as_long_as_they_may_be(size):
    names = testing.header_names(max_size=size)
    assert some(names, lambda name: len(name.encode()) == size)

    @given(names)
    def test(name):
        assert 1 <= len(name.encode()) <= size

    test()


def test_names_are_reserved_ones_and_any_text():
    for reserved in testing._RESERVED_NAMES:
        assert some(testing.header_names(), lambda name, reserved=reserved: name == reserved)
    assert some(testing.header_names(), lambda name: not name.isascii())
    assert least(testing.header_names()) == "0"


@given(testing.header_values())
def test_every_value_comes_back_as_it_was(codec, value):
    (found,) = codec.decode(codec.encode({"name": value})).headers.values()
    assert frames.same_value(found, value)


@pytest.mark.parametrize("type_", TYPES)
def test_values_are_of_the_types_asked_for(type_):
    @given(testing.header_values(types=[type_]))
    def test(value):
        assert type(value) is type_

    test()
    assert type(some(testing.header_values(), lambda value: type(value) is type_)) is type_


def test_texts_are_those_of_services_too():
    for common in ("event", "exception", "error", "application/json"):
        assert some(testing.header_values(types=[str]), lambda value, common=common: value == common)


@pytest.mark.parametrize(("type_", "bits"), [(Byte, 8), (Short, 16), (int, 32), (Long, 64), (Timestamp, 64)])
def test_integers_reach_both_ends_of_their_type(type_, bits):
    values = testing.header_values(types=[type_])
    least, most = -1 << bits - 1, (1 << bits - 1) - 1
    for end in (least, most):
        assert some(values, lambda value, end=end: value == end) == end

    @settings(max_examples=100, database=None)
    @given(values)
    def test(value):
        assert least <= value <= most

    test()


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 200, 32_767])
def test_values_are_not_longer_than_asked_for(size):
    @given(testing.header_values(types=[str, bytes], max_size=size))
    def test(value):
        assert len(value.encode() if isinstance(value, str) else value) <= size

    test()


@pytest.mark.parametrize("strategy", [testing.header_names, lambda **size: testing.header_values(types=[str], **size)])
@pytest.mark.parametrize("size", [1, 4, 8])
def test_texts_have_few_long_or_many_short_characters(strategy, size):
    texts = strategy(max_size=size)
    assert some(texts, lambda text: len(text) == size)
    if size >= 4:
        assert some(texts, lambda text: len(text.encode()) >= size and not text.isascii())

    @settings(max_examples=1_000, database=None, phases=[Phase.generate])
    @given(texts)
    def test(text):
        assert len(text.encode()) <= size

    test()


@given(testing.headers(min_size=2, max_size=3))
def test_headers_are_as_many_as_asked_for(codec, mapping):
    assert 2 <= len(mapping) <= 3
    assert frames.same_headers(codec.Headers(mapping), mapping)


def test_headers_of_given_names_and_values():
    @given(testing.headers(names=st.sampled_from(["a", "b"]), values=testing.header_values(types=[Byte])))
    def test(mapping):
        assert set(mapping) <= {"a", "b"}
        assert {type(value) for value in mapping.values()} <= {Byte}

    test()


def test_headers_are_within_the_default_limit():
    value = b"x" * 32_767
    kept = testing.headers(names=st.sampled_from("abcde"), values=st.just(value), min_size=3, max_size=5)

    @settings(suppress_health_check=[HealthCheck.filter_too_much])
    @given(kept)
    def test(mapping):
        assert len(Headers(mapping).raw) <= frames.LIMITS["max_headers_length"]

    test()


@given(testing.messages())
def test_every_message_encodes_and_decodes(codec, message):
    wire = message.encode()
    again = codec.decode(wire)
    assert again.encode() == wire
    assert (dict(again.headers), again.payload) == (dict(message.headers), message.payload)


def test_messages_are_of_every_kind():
    for message_type in ("event", "exception", "error"):
        assert some(testing.messages(), lambda message, type_=message_type: message.message_type == type_)
    assert some(testing.messages(), lambda message: message.event_type is not None).event_type
    assert some(testing.messages(), lambda message: message.error_code and message.error_message)
    assert some(testing.messages(), lambda message: message.exception_type and message.content_type)
    assert least(testing.messages()) == Message()


def test_messages_of_given_parts():
    message = least(testing.messages(headers=st.just({":event-type": "Ping"}), payloads=st.just(b"pong")))
    assert message == Message({":event-type": "Ping"}, b"pong")
    assert least(testing.wires(st.just(message))) == message.encode()
    assert least(testing.streams(st.just(message), min_size=2)) == 2 * message.encode()


@given(testing.wires())
def test_every_wire_is_one_message(codec, wire):
    assert codec.decode(wire).encode() == wire


@given(testing.streams(min_size=1, max_size=2))
def test_streams_have_as_many_messages_as_asked_for(codec, stream):
    outcome = frames.read(codec, [stream])
    assert 1 <= len(outcome.messages) <= 2
    assert b"".join(outcome.messages) == stream
    assert outcome.error is None


# Chunks


@given(testing.chunkings())
def test_chunks_join_to_a_stream(codec, chunks):
    whole = frames.read(codec, [b"".join(chunks)])
    assert whole.error is None
    assert frames.read(codec, chunks) == whole


@pytest.mark.parametrize("size", [1, 3, 20, None])
@pytest.mark.parametrize("stream", [b"", bytes(range(10))], ids=len)
@pytest.mark.parametrize("allow_empty", [True, False])
def test_chunks_are_as_many_as_asked_for(size, stream, allow_empty):
    @given(testing.chunkings(stream, max_size=size, allow_empty=allow_empty))
    def test(chunks):
        assert b"".join(chunks) == stream
        assert size is None or len(chunks) <= size
        assert allow_empty or b"" not in chunks
        assert chunks or not stream

    test()


def test_streams_are_cut_in_every_way():
    stream = bytes(range(50))
    chunkings = testing.chunkings(stream)
    assert least(chunkings) == [stream]
    assert least(chunkings, lambda chunks: len(chunks) > 1) == [stream[:-1], stream[-1:]]
    assert least(chunkings, lambda chunks: len(chunks) == 50 and b"" not in chunks) == frames.byte_by_byte(stream)
    assert least(chunkings, lambda chunks: chunks[0] == b"") == [b"", stream]
    assert len(least(chunkings, lambda chunks: len({len(chunk) for chunk in chunks}) > 2)) == 3


# Corruptions


def subclasses(class_: type[DecodeError]) -> set[type[DecodeError]]:
    return {class_}.union(*map(subclasses, class_.__subclasses__()))


def test_the_kinds_cover_every_error_of_decoding():
    public = {class_ for class_ in subclasses(DecodeError) if not class_.__name__.startswith("_")} - {DecodeError}
    assert set(CORRUPTION_KINDS.values()) == public
    with pytest.raises(TypeError):
        CORRUPTION_KINDS["more"] = DecodeError


def assert_causes_its_error(codec: Any, corruption: Corruption, data: st.DataObject) -> None:
    wire = corruption.wire
    assert CORRUPTION_KINDS[corruption.kind] is corruption.error
    one = frames.read_one(codec, wire).raised
    assert type(one) is corruption.error
    assert one.offset == corruption.offset
    for chunks in (
        [wire],
        data.draw(testing.chunkings(wire, max_size=100)),
        *[frames.byte_by_byte(wire)][len(wire) > 999 :],
    ):
        outcome = frames.read(codec, chunks)
        assert type(outcome.raised) is corruption.stream_error
        assert outcome.raised.offset == corruption.offset
        assert bool(outcome.messages) == (corruption.kind == "trailing_bytes")


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_each_kind_causes_its_error(codec, kind):
    @settings(max_examples=settings().max_examples // 2)
    @given(testing.corruptions(kinds=[kind]), st.data())
    def test(corruption, data):
        assert corruption.kind == kind
        assert_causes_its_error(codec, corruption, data)

    test()


@pytest.mark.parametrize(
    ("kind", "places"), [("changed_prelude", range(12)), ("changed_message", range(12, len(frames.EVENT_FRAME)))]
)
def test_any_byte_may_be_the_one_that_is_changed(kind, places):
    def changed(corruption: Corruption) -> list[int]:
        return [
            place
            for place, (ours, theirs) in enumerate(zip(corruption.wire, frames.EVENT_FRAME, strict=True))
            if ours != theirs
        ]

    corrupted = testing.corruptions(frames.EVENT_FRAME, kinds=[kind])
    for place in (places[0], places[-1]):
        assert some(corrupted, lambda corruption, place=place: changed(corruption) == [place])

    @settings(max_examples=100, database=None)
    @given(corrupted)
    def test(corruption):
        [place] = changed(corruption)
        assert place in places

    test()


INSERTED = [
    "empty_name",
    "header_cut_short",
    "unknown_type",
    "name_given_twice",
    "name_not_utf8",
    "value_not_utf8",
]


@pytest.mark.parametrize("kind", INSERTED)
def test_a_header_at_fault_is_inserted_anywhere_and_the_rest_is_as_it_was(kind):
    before = frames.TEN_FRAME

    @settings(max_examples=100, database=None)
    @given(testing.corruptions(before, kinds=[kind]))
    def test(corruption):
        wire, at = corruption.wire, corruption.offset
        assert wire[12:at] + wire[at + len(wire) - len(before) : -4] == before[12:-4]

    test()
    end = 12 + len(frames.TEN_BLOCK)
    name_given_first = frames.header(frames.TEN_TYPES[0][0], 0)
    first = {"header_cut_short": end, "name_given_twice": 12 + len(name_given_first)}.get(kind, 12)
    for at in {first, end}:
        assert some(testing.corruptions(before, kinds=[kind]), lambda corruption, at=at: corruption.offset == at)


@pytest.mark.parametrize(
    "kind", ["total_length_too_small", "headers_length_too_large", "headers_over_limit", "payload_over_limit"]
)
def test_where_a_length_is_at_fault_the_rest_is_as_it_was(kind):
    @settings(max_examples=20, database=None)
    @given(testing.corruptions(frames.TEN_FRAME, kinds=[kind]))
    def test(corruption):
        assert corruption.wire[12:-4] == frames.TEN_FRAME[12:-4]

    test()


@pytest.mark.parametrize("part", ["headers", "payload"])
def test_each_limit_is_named(codec, part):
    @given(testing.corruptions(kinds=[f"{part}_over_limit"]))
    def test(corruption):
        with pytest.raises(DecodeLimitExceeded) as raised:
            codec.decode(corruption.wire)
        assert raised.value.part == part

    test()


@pytest.mark.parametrize(
    "wire",
    [
        frames.TEN_FRAME,
        frames.frame(frames.string("n" * 255, b"v" * 40_000)),
        frames.frame(frames.string("first", b"v" * 65_535) + frames.string("second", b"v" * 65_516)),
    ],
    ids=["ten types", "longer than is encoded", "full"],
)
def test_corruptions_of_a_message_of_the_users(codec, wire):
    codec.decode(wire)

    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(testing.corruptions(wire), st.data())
    def test(corruption, data):
        assert corruption.wire != wire
        assert_causes_its_error(codec, corruption, data)

    test()


def framed(*headers: bytes, **lengths: int) -> bytes:
    return frames.frame(b"".join(headers), **lengths)


EMPTY = frames.EMPTY_FRAME
LEAST = {
    "changed_prelude": b"\x01" + EMPTY[1:],
    "changed_message": EMPTY[:12] + bytes([EMPTY[12] ^ 1]) + EMPTY[13:],
    "total_length_too_small": framed(total_length=0),
    "headers_length_too_large": framed(headers_length=1),
    "headers_over_limit": framed(headers_length=131_073, total_length=131_089),
    "payload_over_limit": framed(total_length=25_165_841),
    "empty_name": framed(frames.header("", 1)),
    "header_cut_short": framed(b"\x01"),
    "unknown_type": framed(frames.header("0", 10)),
    "name_given_twice": framed(frames.header("0", 1), frames.header("0", 1)),
    "name_not_utf8": framed(frames.header(b"\xff", 1)),
    "value_not_utf8": framed(frames.string("0", b"\xff")),
    "message_cut_short": EMPTY[:1],
    "trailing_bytes": EMPTY + b"\0",
}


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_each_kind_shrinks_to_its_simplest(kind):
    assert least(testing.corruptions(kinds=[kind])).wire == LEAST[kind]


def test_every_kind_is_found():
    corruptions = testing.corruptions()
    for kind in CORRUPTION_KINDS:
        assert some(corruptions, lambda corruption, kind=kind: corruption.kind == kind)
    for kind in ("message_cut_short", "trailing_bytes"):
        assert least(corruptions, lambda corruption, kind=kind: corruption.kind == kind).wire == LEAST[kind]


def test_a_corruption_says_what_it_is():
    corruption = least(testing.corruptions(kinds=["name_given_twice"]))
    shown = repr(corruption)
    assert shown.startswith(
        "Corruption(kind='name_given_twice', error=<class 'eventstream.exceptions.DuplicateHeader'>, "
    )
    assert f"offset=15, wire={corruption.wire!r}" in shown


def test_a_corruption_of_what_is_not_valid_is_refused():
    for wire in (b"", EMPTY[:-1], 2 * EMPTY, testing.streams(min_size=2, max_size=2)):
        with pytest.raises(InvalidArgument, match="begins with a valid message, not this: "):
            least(testing.corruptions(wire))


# Signed streams


@given(testing.signed_streams(), st.data())
def test_signed_streams_verify(stream, data):
    verifier = EventVerifier(
        stream.credentials, stream.region, stream.service, stream.seed_signature, max_clock_skew=None
    )
    decoder = Decoder()
    found = []
    for chunk in data.draw(testing.chunkings(stream.wire)):
        found += [verifier.verify(message) for message in decoder.feed(chunk)]
    decoder.close()
    assert found == list(stream.expected)
    assert verifier.ended
    dates = [eventstream.decode(chunk).headers[":date"].datetime for chunk in stream.chunks]
    assert dates == list(stream.dates)
    assert all(date.tzinfo is timezone.utc for date in stream.dates)


def test_signed_streams_of_given_parts():
    message = Message({"a": 1}, b"b")
    by = Credentials("AKIDEXAMPLE", "secret")
    streams = testing.signed_streams(
        st.just(message),
        credentials=st.just(by),
        regions=st.just("region"),
        services=st.just("service"),
        min_size=2,
        max_size=2,
    )
    stream = least(streams)
    assert (stream.credentials, stream.region, stream.service) == (by, "region", "service")
    assert stream.expected == (message, message, None)
    assert len(stream.chunks) == 3
    assert stream.seed_signature == bytes(32)


def test_signed_streams_shrink_to_the_end_alone():
    stream = least(testing.signed_streams())
    assert stream.expected == (None,)
    assert stream.credentials == Credentials("AKIA", "0")
    assert stream.dates[0].isoformat() == "2000-01-01T00:00:00+00:00"
    assert len(stream.wire) == 83


def test_signed_streams_are_of_every_kind():
    streams = testing.signed_streams()
    assert some(streams, lambda stream: stream.credentials.session_token is not None)

    def gaps(stream: SignedStream) -> list[timedelta]:
        return [after - at for at, after in pairwise(stream.dates)]

    assert some(streams, lambda stream: timedelta(days=1) in gaps(stream)), "over midnight"
    assert some(streams, lambda stream: min(gaps(stream), default=timedelta()) < timedelta()), "back"


# Transcripts


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


def test_what_is_in_transcripts():
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

    @settings(max_examples=1_000, database=None, derandomize=True, phases=[Phase.generate])
    @given(testing.transcripts())
    def collect(event: Any) -> None:
        look("Transcript", event.transcript)

    collect()
    some_time, some_text, some_flag = {None, float}, {None, str}, {None, True, False}
    assert seen == {
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


def test_times_go_on_from_item_to_item_and_from_result_to_result():
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
    first, second, third = testing._completed(drawn)
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


def test_what_is_not_given():
    """The signatures say it in the documentation."""
    given = {
        name: {
            parameter.name: parameter.default
            for parameter in inspect.signature(getattr(testing, name)).parameters.values()
            if not isinstance(parameter.default, SearchStrategy)
        }
        for name in testing.__all__
        if name[0].islower()
    }
    assert given == {
        "chunkings": {"max_size": None, "allow_empty": True},
        "corruptions": {"kinds": None},
        "credentials": {},
        "header_names": {"max_size": 255},
        "header_values": {"types": None, "max_size": 100},
        "headers": {"min_size": 0, "max_size": 8},
        "messages": {},
        "signed_streams": {"min_size": 0, "max_size": 4},
        "streams": {"min_size": 0, "max_size": 4},
        "transcripts": {"min_size": 0, "max_size": 2, "max_items": 4, "is_partial": None},
        "wires": {},
    }


def test_credentials_are_of_aws_s_characters():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    @settings(max_examples=200, database=None, derandomize=True)
    @given(testing.credentials())
    def test(key: Credentials) -> None:
        assert set(key.access_key) <= set(letters + "234567")
        assert key.access_key.startswith("AKIA")
        assert len(key.access_key) <= 20
        for secret in (key.secret_key, key.session_token or "x"):
            assert set(secret) <= set(letters + letters.lower() + "0123456789+/")
            assert 1 <= len(secret) <= 40

    test()
    assert some(testing.credentials(), lambda key: len(key.access_key) == 20)
    assert some(testing.credentials(), lambda key: key.session_token is None)
    assert some(testing.credentials(), lambda key: key.session_token)


# Arguments


TYPES_EXPECTED = "some of bool, str, int, bytes, Byte, Short, Long, Timestamp, UUID are expected"
KINDS_EXPECTED = f"some of {', '.join(CORRUPTION_KINDS)} are expected"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: testing.header_names(max_size=0), "max_size=0: a name has 1 to 255 bytes"),
        (lambda: testing.header_names(max_size=256), "max_size=256: a name has 1 to 255 bytes"),
        (lambda: testing.header_values(max_size=-1), "max_size=-1: a value has at most 32767 bytes"),
        (lambda: testing.header_values(max_size=32_768), "max_size=32768: a value has at most 32767 bytes"),
        (lambda: testing.header_values(types=[]), f"types=[]: {TYPES_EXPECTED}"),
        (lambda: testing.header_values(types=[float]), f"types=[<class 'float'>]: {TYPES_EXPECTED}"),
        (lambda: testing.chunkings(b"", max_size=0), "max_size=0: a stream is at least one piece"),
        (lambda: testing.corruptions(kinds=[]), f"kinds=[]: {KINDS_EXPECTED}"),
        (lambda: testing.corruptions(kinds=["all"]), f"kinds=['all']: {KINDS_EXPECTED}"),
    ],
)
def test_arguments_that_cannot_be_are_refused_with_those_that_can(call, text):
    with pytest.raises(InvalidArgument) as raised:
        call()
    assert str(raised.value) == text


@pytest.mark.parametrize(
    "call",
    [
        lambda: least(testing.headers(min_size=2, max_size=1)),
        lambda: least(testing.streams(min_size=2, max_size=1)),
        lambda: least(testing.signed_streams(max_size=-1)),
        lambda: least(testing.transcripts(max_items=-1)),
    ],
)
def test_arguments_out_of_bounds_are_refused(call):
    with pytest.raises(InvalidArgument):
        call()


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=os.path.dirname(__file__),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_transcripts_alone_need_msgspec():
    done = run(
        "import sys\nsys.modules['msgspec'] = None\nfrom eventstream import testing\n"
        "testing.corruptions().validate()\n"
        "try:\n    testing.transcripts()\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    assert done.startswith("eventstream.transcribe needs msgspec: ")


def test_without_hypothesis_the_error_names_the_extra(monkeypatch):
    module = importlib.util.find_spec("eventstream.testing")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs hypothesis: .* with its extra \[testing\]") as raised:
        module.loader.exec_module(importlib.util.module_from_spec(module))
    assert raised.value.name == "hypothesis"


def test_the_package_does_not_import_hypothesis():
    assert run("import sys, eventstream, eventstream.signing; print('hypothesis' in sys.modules)").strip() == "False"
