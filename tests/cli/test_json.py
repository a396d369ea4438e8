"""Messages as JSON: every message comes back to the same bytes."""

from __future__ import annotations

import json
import tracemalloc

import frames
import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

from eventstream import Gap, Message, Timestamp, decode, salvage, testing
from eventstream.cli import _json
from eventstream.cli._json import MAX_DEPTH, InvalidJson, from_gap, from_message, to_message

payloads = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(str.encode),
    testing.wires(),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5).map(
        lambda value: json.dumps({"a": value}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    ),
    st.sampled_from(
        [b'{"a":1.0}', b'{"a": 1}', b'{"a":1,"a":2}', b"[NaN]", b'["\\ud800"]', b'{"a":"\\u00e9"}', b"[1e5]"]
    ),
)


@given(testing.messages(payloads=payloads))
def test_message_comes_back(message):
    text = json.dumps(from_message(message), allow_nan=False)
    assert to_message(json.loads(text)).encode() == message.encode()


def test_headers_with_their_types():
    found = from_message(decode(frames.TEN_FRAME))["headers"]
    assert [header["type"] for header in found.values()] == [
        *("boolean", "boolean", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid")
    ]
    assert found["timestamp"]["value"] == "2023-11-14T22:13:20.123Z"
    assert found["bytes"]["value"] == "AP8="
    assert found["uuid"]["value"] == "00112233-4455-6677-8899-aabbccddeeff"


def test_timestamp_out_of_range_is_a_number():
    message = Message({"t": Timestamp(2**63 - 1)})
    assert from_message(message)["headers"]["t"]["value"] == 2**63 - 1


@each(
    ("payload", "kind", "value"),
    [
        (b"", "text", ""),
        (b'{"a":[1,"\xc3\xa9"]}', "payload", {"a": [1, "é"]}),
        (b"[]", "payload", []),
        (b"[NaN]", "text", "[NaN]"),
        (b"12", "text", "12"),
        (b"line\r\n\tline", "text", "line\r\n\tline"),
        (b"\xff", "base64", "/w=="),
        (b"\0\0", "base64", "AAA="),
        (b"[" * 100_000, "text", "[" * 100_000),
        (b"[" + b"1" * 5000 + b"]", "text", "[" + "1" * 5000 + "]"),
    ],
)
def test_payload_is_what_gives_it_back(payload, kind, value):
    found = from_message(Message({}, payload))
    assert found == {"headers": {}, kind: value}
    assert to_message(found).payload == payload


@each(
    "text", ['{"a": 1}', '{"a":1.50}', ' \n{"a":1}', "[1,1e5]\n", '{"a":"\\u00e9"}', '{"b":1, "a":1.0}', '["\\ud800"]']
)
def test_json_that_is_not_compact_is_also_text(text):
    message = Message({}, text.encode())
    found = from_message(message)
    assert found == {"headers": {}, "payload": json.loads(text), "text": text}
    assert to_message(found) == message


@each(
    ("text", "payload"),
    [
        ('{"b": 1.0, "a": [1]}', {"a": [1], "b": 1}),
        ("[ 1e5]", [100_000]),
        ("[1.50 ]", [1.5]),
        ("[ 1e22]", [10**22]),
        ("[ 1e308]", [1e308]),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_payload_beside_its_text_may_be_rewritten(text, payload):
    """As jq does, which sorts names and shortens numbers."""
    assert to_message({"payload": payload, "text": text}).payload == text.encode()


@each(
    ("text", "payload"),
    [
        ("[ 1]", [2]),
        ("[ 1]", [True]),
        ("[ 1]", [1, 1]),
        ('{"a": 1}', {"b": 1}),
        ("[ 9007199254740993]", [9007199254740992]),
        ("[ 1", [1]),
        ("[NaN]", [float("nan")]),
        ("[" * 100_000, []),
        (1, [1]),
    ],
    ids=str,
)
def test_payload_that_its_text_is_not_is_refused(text, payload):
    with pytest.raises(InvalidJson, match="payload and text differ"):
        to_message({"payload": payload, "text": text})


def test_payload_beside_its_text_is_compared_in_little_memory():
    """The digits of these numbers are fifty times as long."""
    text = f"[ {','.join(['1e308'] * 10_000)}]"
    payload = json.loads(text)
    tracemalloc.start()
    try:
        to_message({"payload": payload, "text": text})
        assert tracemalloc.get_traced_memory()[1] < 40 * len(text)
    finally:
        tracemalloc.stop()


def test_nested_messages_are_unwrapped():
    message = Message({}, b"x")
    for _ in range(MAX_DEPTH + 2):
        message = Message({}, message.encode())
    found = from_message(message)
    depth = 0
    inner = found
    while "message" in inner:
        inner, depth = inner["message"], depth + 1
    assert depth == MAX_DEPTH
    assert "base64" in inner
    assert to_message(found) == message


def test_gap():
    damaged = bytearray(frames.frame(payload=frames.EMPTY_FRAME) + frames.TAIL_FRAME)
    damaged[30] ^= 1
    gap = next(iter(salvage(damaged)))
    assert isinstance(gap, Gap)
    found = from_gap(gap)
    assert found.pop("nested") == [{"headers": {}, "text": ""}]
    assert found == {
        "offset": 0,
        "length": 32,
        "error": "MessageChecksumMismatch",
        "reason": str(gap.error),
    }
    with pytest.raises(InvalidJson, match="gap"):
        to_message(found)


STRING = {"type": "string", "value": "x"}


@each(
    ("value", "reason"),
    [
        ([], "a message must be an object, not list"),
        ({"headers": [], "text": ""}, "headers must be an object"),
        ({"headers": {}}, "one of message, payload, text, base64"),
        ({"text": "", "base64": ""}, "one of message"),
        ({"text": 1}, "text must be a string"),
        ({"text": "\ud800"}, "surrogates"),
        ({"payload": "\ud800"}, "not JSON"),
        ({"payload": float("nan")}, "not JSON"),
        ({"base64": 1}, "base64 must be a string"),
        ({"base64": "?"}, "it is not base64"),
        ({"message": 1}, "an object, not int"),
        ({"headers": {"a": 1}, "text": ""}, "'a': it must have a type and a value"),
        ({"headers": {"a": {"type": "x", "value": 1}}, "text": ""}, "its type must be one of boolean, byte"),
        ({"headers": {"a": {"type": "byte", "value": 200}}, "text": ""}, "8 bits"),
        ({"headers": {"a": {"type": "byte", "value": True}}, "text": ""}, "of type int"),
        ({"headers": {"a": {"type": "boolean", "value": 1}}, "text": ""}, "of type bool"),
        ({"headers": {"a": {"type": "integer", "value": 2**40}}, "text": ""}, "use Long"),
        ({"headers": {"a": {"type": "uuid", "value": "x"}}, "text": ""}, "'a': its value is not a UUID"),
        ({"headers": {"a": {"type": "uuid", "value": 1}}, "text": ""}, "its value must be a string"),
        ({"headers": {"a": {"type": "bytes", "value": "?"}}, "text": ""}, "'a': it is not base64"),
        (
            {"headers": {"a": {"type": "timestamp", "value": "today"}}, "text": ""},
            "'a': its value is not an ISO 8601 timestamp",
        ),
        ({"headers": {"a": {"type": "timestamp", "value": "2020-01-01T00:00:00"}}, "text": ""}, "naive"),
        ({"headers": {"": STRING}, "text": ""}, "0 bytes; 1 to 255"),
        ({"headers": {"a": {"type": "string", "value": "x" * 40_000}}, "text": ""}, "at most 32767"),
    ],
)
def test_json_that_is_not_a_message(value, reason):
    with pytest.raises(InvalidJson, match=reason):
        to_message(value)


def test_nesting_is_bounded():
    value = {"text": ""}
    for _ in range(100):
        value = {"message": value}
    with pytest.raises(InvalidJson, match="8 deep"):
        to_message(value)


def test_header_types_have_names():
    assert {class_ for _, class_ in _json._TYPES} == {type(value) for _, value, _, _ in frames.TEN_TYPES}
