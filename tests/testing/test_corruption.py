"""Corruptions cause the error that they say, on both implementations."""

from __future__ import annotations

from typing import Any

import frames
import pytest
from drawing import draw_until, least, some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from eventstream import DecodeError, DecodeLimitExceeded, testing
from eventstream.testing import CORRUPTION_KINDS, Corruption


def subclasses(class_: type[DecodeError]) -> set[type[DecodeError]]:
    return {class_}.union(*map(subclasses, class_.__subclasses__()))


def test_kinds_cover_every_error_of_decoding():
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
        *([frames.byte_by_byte(wire)] if len(wire) <= 999 else []),
    ):
        outcome = frames.read(codec, chunks)
        assert type(outcome.raised) is corruption.stream_error
        assert outcome.raised.offset == corruption.offset
        assert bool(outcome.messages) == (corruption.kind == "trailing_bytes")


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_kinds_cause_their_errors(codec, kind):
    @settings(max_examples=settings().max_examples // 2)
    @given(testing.corruptions(kinds=[kind]), st.data())
    def test(corruption, data):
        assert corruption.kind == kind
        assert_causes_its_error(codec, corruption, data)

    test()


@pytest.mark.parametrize(
    ("kind", "places"), [("changed_prelude", range(12)), ("changed_message", range(12, len(frames.EVENT_FRAME)))]
)
def test_changed_byte_may_be_any(kind, places):
    def changed(corruption: Corruption) -> list[int]:
        return [
            place
            for place, (ours, theirs) in enumerate(zip(corruption.wire, frames.EVENT_FRAME, strict=True))
            if ours != theirs
        ]

    corrupted = testing.corruptions(frames.EVENT_FRAME, kinds=[kind])
    for place in (places[0], places[-1]):
        assert some(corrupted, lambda corruption, place=place: changed(corruption) == [place])

    @settings(max_examples=2 * settings().max_examples, database=None)
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
def test_faulty_header_is_inserted_anywhere(kind):
    before = frames.TEN_FRAME

    @settings(max_examples=2 * settings().max_examples, database=None)
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
def test_length_at_fault_leaves_the_rest_as_it_was(kind):
    @settings(max_examples=20, database=None)
    @given(testing.corruptions(frames.TEN_FRAME, kinds=[kind]))
    def test(corruption):
        assert corruption.wire[12:-4] == frames.TEN_FRAME[12:-4]

    test()


@pytest.mark.parametrize("part", ["headers", "payload"])
def test_limits_are_named(codec, part):
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


def framed(*headers: bytes, **lengths: Any) -> bytes:
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
def test_kinds_shrink_to_their_simplest(kind):
    assert least(testing.corruptions(kinds=[kind])).wire == LEAST[kind]


def test_kinds_are_all_found():
    corruptions = testing.corruptions()
    seen: set[str] = set()
    draw_until(corruptions, lambda corruption: seen.add(corruption.kind) or seen == set(CORRUPTION_KINDS))
    assert seen == set(CORRUPTION_KINDS)
    for kind in ("message_cut_short", "trailing_bytes"):
        assert least(corruptions, lambda corruption, kind=kind: corruption.kind == kind).wire == LEAST[kind]


def test_corruption_says_what_it_is():
    corruption = least(testing.corruptions(kinds=["name_given_twice"]))
    shown = repr(corruption)
    assert shown.startswith(
        "Corruption(kind='name_given_twice', error=<class 'eventstream.exceptions.DuplicateHeader'>, "
    )
    assert f"offset=15, wire={corruption.wire!r}" in shown


def test_corruption_of_a_message_that_is_not_encoded_is_refused():
    expected = r"^a corruption needs bytes to begin with, such as wires\(messages\), not Message"
    with pytest.raises(InvalidArgument, match=expected):
        least(testing.corruptions(testing.messages()))


def test_corruption_of_what_is_not_valid_is_refused():
    for wire in (b"", EMPTY[:-1], 2 * EMPTY, testing.streams(min_size=2, max_size=2)):
        with pytest.raises(InvalidArgument, match="needs a valid message to begin with: "):
            least(testing.corruptions(wire))
