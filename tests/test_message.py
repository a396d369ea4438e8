"""Message: an immutable pair of headers and payload, with the reserved headers as properties."""

from __future__ import annotations

import array
import contextlib
import copy
import json
import pickle

import frames
import pytest
from cases import case, each

from eventstream import DecodeError, Headers, ServiceError


def viewed(codec, data=frames.TEN_FRAME):
    """Return the message with a memoryview for a payload."""
    (message,) = codec.Decoder(copy=False).feed(data)
    assert isinstance(message.payload, memoryview)
    return message


def typed(codec, message_type, payload=b"", **others):
    """Return a message of that type; other reserved headers by their names as properties."""
    named = {"message_type": message_type, **others} if message_type is not None else others
    return codec.Message({":" + name.replace("_", "-"): value for name, value in named.items()}, payload)


# Making one


def test_made_of_headers_and_a_payload(codec):
    headers = codec.Headers({"a": 1})
    message = codec.Message(headers, b"payload")
    assert message.headers is headers
    assert message.payload == b"payload"
    assert codec.Message(headers=headers, payload=b"payload") == message
    assert codec.Message({"a": 1}, b"payload") == message


def test_headers_are_made_of_a_mapping(codec):
    message = codec.Message(frames.TEN_HEADERS, b"")
    assert type(message.headers) is codec.Headers
    assert message.headers.raw == frames.TEN_BLOCK


def test_payload_is_empty_by_default(codec):
    assert codec.Message({"a": 1}).payload == b""


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: array.array("H", data)])
def test_payload_given_as_another_buffer_is_copied_to_bytes(codec, make):
    message = codec.Message({}, make(b"AABB"))
    assert type(message.payload) is bytes
    assert message.payload == b"AABB"


def test_payload_changed_afterwards_is_no_matter(codec):
    payload = bytearray(b"before")
    message = codec.Message({}, payload)
    payload[:] = b"after!"
    assert message.payload == b"before"


def test_bytes_payload_is_not_copied(codec):
    payload = b"payload" * 100
    assert codec.Message({}, payload).payload is payload


@pytest.mark.parametrize("payload", [None, "text", 5, [1], object()], ids=frames.type_name)
def test_payload_that_is_no_buffer_is_a_type_error(codec, payload):
    with pytest.raises(TypeError):
        codec.Message({}, payload)


@pytest.mark.parametrize("headers", [None, [("a", 1)], b"raw", 5], ids=repr)
def test_headers_that_are_no_mapping_are_a_type_error(codec, headers):
    with pytest.raises(TypeError):
        codec.Message(headers)


def test_payload_that_is_not_contiguous_is_a_buffer_error(codec):
    with pytest.raises(BufferError):
        codec.Message({}, memoryview(b"abcd")[::2])


# Encoding


def test_decoded_message_round_trips(codec):
    for wire in (frames.TEN_FRAME, frames.EVENT_FRAME, frames.EMPTY_FRAME, frames.TAIL_FRAME):
        assert codec.decode(wire).encode() == wire
        assert viewed(codec, wire).encode() == wire


def test_encode_is_never_limited(codec):
    wire = frames.frame(b"".join(frames.string(f"{i}", "v" * 40_000) for i in range(4)), b"p" * 25_165_825)
    message = codec.decode(wire, **frames.NO_LIMITS)
    assert message.encode() == wire
    assert codec.Message(message.headers, message.payload).encode() == wire


@each("length", [32_768, 40_000, 65_535])
@each("type_", [6, 7])
def test_value_longer_than_encodable_still_round_trips(codec, length, type_):
    wire = frames.frame(frames.header("n", type_, frames.sized(b"v" * length)))
    message = codec.decode(wire)
    assert len(message.headers["n"]) == length
    assert message.encode() == wire
    assert pickle.loads(pickle.dumps(message)).encode() == wire
    assert codec.encode(message.headers) == wire


# The reserved headers

RESERVED = {
    "message_type": ":message-type",
    "event_type": ":event-type",
    "exception_type": ":exception-type",
    "content_type": ":content-type",
    "error_code": ":error-code",
    "error_message": ":error-message",
}


@each(("attribute", "header"), RESERVED.items(), ids=RESERVED)
def test_reserved_header_is_a_property(codec, attribute, header):
    message = codec.Message({header: "value"})
    assert {name: getattr(message, name) for name in RESERVED} == {**dict.fromkeys(RESERVED), attribute: "value"}


@each(("attribute", "header"), RESERVED.items(), ids=RESERVED)
@each("value", [b"bytes", 5, True], ids=repr)
def test_reserved_header_that_is_no_text_counts_as_absent(codec, attribute, header, value):
    assert getattr(codec.Message({header: value}), attribute) is None


@each(
    ("message_type", "others", "exception_type"),
    [
        ("exception", {"event_type": "Fallback"}, "Fallback"),
        ("exception", {"event_type": "Fallback", "exception_type": "Named"}, "Named"),
        ("exception", {}, None),
        ("event", {"event_type": "Event"}, None),
        ("error", {"event_type": "Event"}, None),
        (None, {"event_type": "Event"}, None),
        ("event", {"exception_type": "Named"}, "Named"),
        ("exception", {"event_type": "Fallback", "exception_type": ""}, ""),
    ],
)
def test_exception_type_falls_back_to_the_event_type(codec, message_type, others, exception_type):
    assert typed(codec, message_type, **others).exception_type == exception_type


# raise_for_error


@pytest.mark.parametrize("message_type", ["event", "other", "", "Exception", None])
def test_raise_for_error_passes_events(codec, message_type):
    typed(codec, message_type, b'{"Message":"text"}', error_code="500").raise_for_error()


ERRORS = {
    ":error-message": ({"error_message": "text"}, b"", "text"),
    "Message": ({}, b'{"Message":"text"}', "text"),
    "message": ({}, b'{"message":"text"}', "text"),
    "both": ({}, b'{"message":"no","Message":"text"}', "text"),
    "Message is not text": ({}, b'{"Message":5,"message":"text"}', "text"),
    "the header first": ({"error_message": "text"}, b'{"Message":"no"}', "text"),
    "nothing": ({}, b"", ""),
    "broken JSON": ({}, b'{"Message":"te', ""),
    "a list": ({}, b'["Message"]', ""),
    "a JSON text": ({}, b'"Too many tokens"', "Too many tokens"),
    "plain text": ({}, b"Too many tokens", "Too many tokens"),
    "text with a byte order mark": ({}, b"\xef\xbb\xbf two\r\n\tlines \n", "two\r\n\tlines"),
    "text beyond ASCII": ({}, "zu viele Tökens".encode(), "zu viele Tökens"),
    "XML": ({}, b"<Error><Code>SlowDown</Code></Error>", "<Error><Code>SlowDown</Code></Error>"),
    "white space": ({}, b" \n", ""),
    "a control character": ({}, b"\x1b[31mred", ""),
    "no text": ({}, b"\xff\xfe", ""),
    "a number": ({}, b"404", ""),
    "null": ({}, b"null", ""),
    "other fields": ({}, b'{"Reason":"text"}', ""),
    "no UTF-8": ({}, b'{"Message":"\xff"}', ""),
    "binary": ({}, bytes(range(256)), ""),
    "deeply nested": ({}, b"[" * 200_000, ""),
    "deeply nested objects": ({}, b'{"Message":' * 100_000, ""),
    "a long number": ({}, b'{"Message":' + b"1" * 10_000 + b"}", ""),
    "a lone surrogate": ({}, b'{"Message":"\\ud800"}', "\ud800"),
}


@each(("others", "payload", "text"), ERRORS.values(), ids=ERRORS)
@each("kind", ["exception", "error"])
def test_text_of_a_service_error(codec, kind, others, payload, text):
    message = typed(codec, kind, payload, exception_type="BadRequestException", **others)
    for copied in (message, viewed(codec, message.encode())):
        with pytest.raises(ServiceError) as raised:
            copied.raise_for_error()
        error = raised.value
        assert type(error) is ServiceError
        assert (error.code, error.message) == ("BadRequestException", text)
        assert error.headers == message.headers
        assert error.payload == payload
        assert type(error.payload) is bytes


@pytest.mark.parametrize(
    ("kind", "others", "code"),
    [
        ("exception", {"exception_type": "Named"}, "Named"),
        ("exception", {"event_type": "Fallback"}, "Fallback"),
        ("error", {"error_code": "500"}, "500"),
        ("exception", {}, ""),
        ("error", {}, ""),
    ],
)
def test_code_of_a_service_error(codec, kind, others, code):
    with pytest.raises(ServiceError) as raised:
        typed(codec, kind, **others).raise_for_error()
    assert raised.value.code == code


def test_service_error_pickles(codec):
    with pytest.raises(ServiceError) as raised:
        typed(codec, "exception", b'{"Message":"text"}', exception_type="Named").raise_for_error()
    error = pickle.loads(pickle.dumps(raised.value))
    assert (error.code, error.message, error.payload) == ("Named", "text", b'{"Message":"text"}')
    assert error.headers == {":message-type": "exception", ":exception-type": "Named"}
    assert isinstance(error.headers, Headers)


# Pattern matching, equality, hash, repr


def test_message_matches_patterns(codec):
    assert codec.Message.__match_args__ == ("headers", "payload")
    match codec.decode(frames.EVENT_FRAME):
        case codec.Message({":event-type": "TranscriptEvent"}, payload):
            assert json.loads(payload) == {"Transcript": {"Results": []}}
        case _:
            pytest.fail("no match")
    match codec.Message({"a": 1}):
        case codec.Message(payload=b"", headers={"a": 2}):
            pytest.fail("another value")
        case codec.Message(payload=b"", headers={"a": 1}):
            pass
        case _:
            pytest.fail("no match")


def test_equality_is_of_mappings_and_bytes(codec):
    message = codec.decode(frames.TEN_FRAME)
    backwards = codec.Message(dict(reversed(frames.TEN_HEADERS.items())), b"payload")
    for other in (backwards, viewed(codec), codec.Message(frames.TEN_HEADERS, bytearray(b"payload"))):
        assert message == other
        assert other == message
        assert (message != other) is False
        assert hash(message) == hash(other)
    assert message.encode() != backwards.encode()


def test_message_differs_from_other_things(codec):
    message = codec.Message({"a": 1}, b"payload")
    others = (codec.Message({"a": 2}, b"payload"), codec.Message({"a": 1}, b"other"), codec.Message({}, b"payload"))
    for other in (*others, None, 5, b"payload", {"a": 1}, ({"a": 1}, b"payload")):
        assert message != other
        assert (message == other) is False


def test_message_is_hashable(codec):
    message = codec.decode(frames.TEN_FRAME)
    assert len({message, viewed(codec), codec.Message(frames.TEN_HEADERS, b"payload"), codec.Message({})}) == 2


def test_message_is_not_a_sequence(codec):
    message = codec.Message({"a": 1}, b"payload")
    with pytest.raises(TypeError):
        iter(message)
    with pytest.raises(TypeError):
        len(message)
    with pytest.raises(TypeError):
        message < message  # noqa: B015


def test_repr_shows_headers_and_payload(codec):
    assert repr(codec.Message({"a": 1}, b"payload")) == "Message({'a': 1}, b'payload')"
    assert repr(viewed(codec, frames.frame(b"", b"payload"))) == "Message({}, b'payload')"


def test_repr_shows_up_to_64_bytes_of_a_payload(codec):
    assert repr(codec.Message({}, b"x" * 64)) == f"Message({{}}, {b'x' * 64!r})"
    assert repr(codec.Message({}, b"x" * 65)) == f"Message({{}}, {b'x' * 61!r}... (65 bytes))"


@pytest.mark.parametrize("copied", [True, False], ids=["bytes", "memoryview"])
def test_repr_of_a_huge_payload_is_short(codec, copied):
    (message,) = codec.Decoder(copy=copied).feed(frames.frame(frames.EVENT_BLOCK, b"\x01" * (24 << 20)))
    shown = repr(message)
    assert len(shown) < 500
    assert str(24 << 20) in shown


def test_repr_of_what_was_decoded_never_fails(codec):
    for type_ in range(256):
        data = frames.frame(frames.header("n", type_, frames.sized(bytes(14))), b"x")
        with case(type_):
            try:
                shown = repr(codec.decode(data))
            except DecodeError as error:
                shown = repr(error)
            assert shown


# Immutable, final, copied and pickled


def test_message_cannot_be_mutated(codec):
    message = codec.decode(frames.TEN_FRAME)
    for name in ("headers", "payload", "event_type", "anything", "encode"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(message, name, None)
        with pytest.raises((AttributeError, TypeError)):
            delattr(message, name)
    assert message.encode() == frames.TEN_FRAME


def test_payload_view_is_read_only(codec):
    payload = viewed(codec).payload
    assert payload.readonly
    assert (payload.format, payload.ndim, payload.nbytes) == ("B", 1, 7)
    assert hash(payload) == hash(b"payload")


def test_init_again_changes_nothing(codec):
    message = codec.decode(frames.TEN_FRAME)
    with contextlib.suppress(TypeError):
        message.__init__({"a": 1}, b"other")
    assert message.encode() == frames.TEN_FRAME


def test_message_cannot_be_subclassed(codec):
    with pytest.raises(TypeError):
        type("Mine", (codec.Message,), {})


@each("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_message_pickles(codec, protocol):
    for message in (codec.decode(frames.TEN_FRAME), viewed(codec)):
        restored = pickle.loads(pickle.dumps(message, protocol))
        assert restored.encode() == frames.TEN_FRAME
        assert type(restored.payload) is bytes
        assert frames.same_headers(restored.headers, frames.TEN_HEADERS)


def test_view_pickles_and_copies_without_the_bytes_around_it(codec):
    decoder = codec.Decoder(copy=False)
    messages = list(decoder.feed(frames.frame(b"", b"\xaa" * 100_000) + frames.frame(b"", b"small")))
    assert len(pickle.dumps(messages[1])) < 500


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_message_copies(codec, way):
    for message in (codec.decode(frames.TEN_FRAME), viewed(codec)):
        assert way(message).encode() == frames.TEN_FRAME
        assert frames.same_headers(way(message).headers, frames.TEN_HEADERS)


def test_message_over_the_default_limits_pickles(codec):
    wire = frames.frame(b"".join(frames.string(f"{i}", "v" * 40_000) for i in range(4)))
    message = codec.decode(wire, max_headers_length=None)
    assert pickle.loads(pickle.dumps(message)).encode() == wire


def test_released_payload_is_a_buffer_error_and_never_a_crash(codec):
    message = viewed(codec)
    message.payload.release()
    for use in (message.encode, lambda: hash(message), lambda: pickle.dumps(message), lambda: repr(message)):
        with pytest.raises(BufferError):
            use()
    assert message != codec.decode(frames.TEN_FRAME)


def test_released_payload_of_an_exception_is_a_buffer_error(codec):
    block = frames.string(":message-type", "exception")
    (message,) = codec.Decoder(copy=False).feed(frames.frame(block, b'{"Message": "text"}'))
    message.payload.release()
    with pytest.raises(BufferError):
        message.raise_for_error()


def test_class_can_be_subscripted_for_type_checkers(codec):
    for class_ in (codec.Message, codec.Decoder):
        assert repr(class_[bytes]).endswith(f"{class_.__name__}[bytes]")
    assert isinstance(codec.Message[bytes]({}, b"x"), codec.Message)
