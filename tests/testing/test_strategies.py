"""Strategies for headers, messages and streams keep what they promise, and draw what is short to read."""

from __future__ import annotations

import uuid

import frames
import pytest
from cases import each
from drawing import least, some
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from eventstream import Byte, Headers, Long, Message, Short, Timestamp, testing
from eventstream.testing import CORRUPTION_KINDS, strategies

TYPES = [bool, str, int, bytes, Byte, Short, Long, Timestamp, uuid.UUID]


# Headers and messages


@given(testing.header_names())
def test_names_are_valid(codec, name):
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
    for reserved in strategies._RESERVED_NAMES:
        assert some(testing.header_names(), lambda name, reserved=reserved: name == reserved)
    assert some(testing.header_names(), lambda name: not name.isascii())
    assert least(testing.header_names()) == "0"


@given(testing.header_values())
def test_values_come_back_as_they_were(codec, value):
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

    @settings(max_examples=2 * settings().max_examples, database=None)
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

    @settings(database=None, phases=[Phase.generate])
    @given(st.lists(texts, min_size=20, max_size=20))
    def test(many):
        assert all(len(text.encode()) <= size for text in many)

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
def test_messages_encode_and_decode(codec, message):
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
def test_wires_are_one_message_each(codec, wire):
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


TYPES_EXPECTED = "expected some of bool, str, int, bytes, Byte, Short, Long, Timestamp, UUID"
KINDS_EXPECTED = f"expected some of {', '.join(CORRUPTION_KINDS)}"


@each(
    ("call", "text"),
    [
        (lambda: testing.header_names(max_size=0), "max_size=0: a name has 1 to 255 bytes"),
        (lambda: testing.header_names(max_size=256), "max_size=256: a name has 1 to 255 bytes"),
        (lambda: testing.header_values(max_size=-1), "max_size=-1: a value has at most 32767 bytes"),
        (lambda: testing.header_values(max_size=32_768), "max_size=32768: a value has at most 32767 bytes"),
        (lambda: testing.header_values(types=[]), f"types=[]: {TYPES_EXPECTED}"),
        (lambda: testing.header_values(types=[float]), f"types=[<class 'float'>]: {TYPES_EXPECTED}"),  # type: ignore[list-item]
        (lambda: testing.chunkings(b"", max_size=0), "max_size=0: a stream has at least one piece"),
        (lambda: testing.corruptions(kinds=[]), f"kinds=[]: {KINDS_EXPECTED}"),
        (lambda: testing.corruptions(kinds=["all"]), f"kinds=['all']: {KINDS_EXPECTED}"),
    ],
)
def test_arguments_out_of_range_are_refused(call, text):
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
