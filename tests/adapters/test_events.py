"""Events of a model's shapes: each trait's place in a message, there and back, and what is refused."""

from __future__ import annotations

import contextlib
import datetime
import json

import pytest
from cases import each

pytest.importorskip("botocore", reason="botocore is not installed")

from adapters import models
from adapters.test_shapes import JSON_VALUE, ON_WIRE
from botocore.exceptions import ParamValidationError
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st

from eventstream import Long, Message, Timestamp
from eventstream._text import MAX_JSON_VALUES
from eventstream.adapters._events import events_of, validate
from eventstream.operation import InvalidEvent

STREAM = ServiceModel(models.REST, "every-trait").shape_for("Stream")
EVENTS = events_of(STREAM, "application/json")
STRICT = events_of(STREAM, "application/json", strict=True)
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc)

CASES = [
    ("json", JSON_VALUE, {}, "application/json", ON_WIRE),
    ("json", {"text": "x"}, {}, "application/json", {"T": "x"}),
    (
        "headers",
        {"flag": False, "number": 7, "large": 2**40, "data": b"d", "text": "t", "moment": MOMENT, "rest": "r"},
        {
            "flag": False,
            "number": 7,
            "large": Long(2**40),
            "data": b"d",
            "text": "t",
            "moment": Timestamp(1767323045678),
        },
        "application/json",
        {"rest": "r"},
    ),
    ("headers", {"text": "t"}, {"text": "t"}, "application/json", {}),
    ("raw", {"data": b"\x00\xff", "text": "t"}, {"text": "t"}, "application/octet-stream", b"\x00\xff"),
    ("raw", {"data": b""}, {}, "application/octet-stream", b""),
    ("text", {"text": "ä"}, {}, "text/plain", "ä".encode()),
    ("nested", {"node": {"value": b"1"}}, {}, "application/json", {"v": "MQ=="}),
    ("nested", {}, {}, "application/json", b""),
    ("empty", {}, {}, "application/json", {}),
]


@each(("name", "members", "headers", "content_type", "payload"), CASES)
def test_events_there_and_back(name, members, headers, content_type, payload):
    event = {name: members}
    message = EVENTS.serialise(event)
    fixed = {":message-type": "event", ":event-type": name, ":content-type": content_type}
    assert dict(message.headers) == {**fixed, **headers}
    assert {key: type(value) for key, value in message.headers.items() if key in headers} == {
        key: type(value) for key, value in headers.items()
    }
    body = bytes(message.payload)
    assert (json.loads(body) if isinstance(payload, dict) else body) == payload
    assert EVENTS.parse(message) == event
    assert STRICT.parse(message) == event


def test_json_is_compact_utf8():
    assert EVENTS.serialise({"json": {"text": "ä", "number": 1}}).payload == '{"T":"ä","number":1}'.encode()


def test_events_keep_their_headers_between_two():
    first, second = EVENTS.serialise({"json": {"text": "a"}}), EVENTS.serialise({"json": {"text": "b"}})
    assert first.headers is second.headers


@each(
    ("event", "said"),
    [
        ({"json": {"text": 1}}, "json.text"),
        ({"json": {"text": "x", "node": {"children": [{}, {"value": 1}]}}}, "json.node.children[1].value"),
        ({"json": {}}, "text"),
        ({"json": {"text": "x", "new": 1}}, "new"),
        ({"headers": {"text": "x", "moment": "yesterday, or so"}}, "headers.moment"),
        ({"raw": {"data": 1}}, "raw.data"),
        ({"json": {"text": "x", "either": {}}}, "json.either"),
        ({"later": {}}, "later"),
        ({}, "one of the keys json, headers, raw, text, nested, empty"),
        ({"raw": {}, "empty": {}}, "one of the keys"),
        ({"busy": {}}, "busy is an exception"),
        ([], "list"),
        (b"audio", "bytes"),
    ],
)
def test_invalid_events_are_not_serialised(event, said):
    with pytest.raises(ParamValidationError) as caught:
        EVENTS.serialise(event)
    assert said in str(caught.value)


def message(name, payload, **headers):
    return Message({":message-type": "event", ":event-type": name, **headers}, payload)


def test_unknown_members_are_left_out():
    assert EVENTS.parse(message("json", b'{"T": "x", "later": {"a": 1}}', other="header")) == {"json": {"text": "x"}}


def test_unknown_events_are_their_messages():
    later = message("later", b"{}")
    assert EVENTS.parse(later) is later


def test_exceptions_are_no_events():
    assert "busy" not in EVENTS.kinds
    sent_as_event = message("busy", b"{}")
    assert EVENTS.parse(sent_as_event) is sent_as_event


@pytest.mark.parametrize("payload", [b"", b"{}"])
def test_payload_of_nothing_is_an_empty_object(payload):
    assert EVENTS.parse(message("json", payload)) == {"json": {}}
    assert EVENTS.parse(message("empty", payload)) == {"empty": {}}
    with pytest.raises(InvalidEvent, match="no text"):
        STRICT.parse(message("json", payload))


@each(
    ("name", "payload", "path", "said"),
    [
        ("json", b"{", None, "not JSON: '{'"),
        ("json", b"\xff", None, "not JSON"),
        ("json", b"[" * 50_000, None, "not JSON"),
        ("json", b"[]", "$", "not an object"),
        ("json", b'{"node": {"children": [{"v": "?"}]}}', "$.node.children[0].v", "not base64"),
        ("text", b"\xff", None, "not UTF-8"),
        ("json", b'{"node":' + b'{"child":' * 300 + b"{}" + b"}" * 301, None, ""),
    ],
)
def test_messages_of_another_shape(name, payload, path, said):
    if said:
        with pytest.raises(InvalidEvent, match=said) as caught:
            EVENTS.parse(message(name, payload))
        assert (caught.value.event_type, caught.value.path) == (name, path)
    else:  # deep, and allowed
        assert EVENTS.parse(message(name, payload))["json"]["node"]


def test_nesting_that_is_too_deep():
    deep = b'{"node":' + b'{"child":' * 900 + b"{}" + b"}" * 901
    with pytest.raises(InvalidEvent, match="nested too deeply") as caught:
        EVENTS.parse(message("json", deep))
    assert caught.value.path is None


@pytest.mark.parametrize("events", [EVENTS, STRICT], ids=["client", "server"])
def test_keys_of_maps_are_shown_escaped_and_cut(events):
    for key in ("\x1b]0;owned\x07\nERROR root: fake", "k" * 500_000, "\U0001f600" * 500):
        payload = json.dumps({"T": "", "data": "", "map": {key: "?"}}).encode()
        with pytest.raises(InvalidEvent) as caught:
            events.parse(message("json", payload))
        text = str(caught.value)
        assert text.startswith("event 'json': not base64 at $.map['")
        assert text.isprintable()
        assert len(text.encode()) < 130


@pytest.mark.parametrize("events", [EVENTS, STRICT], ids=["client", "server"])
def test_timestamp_that_is_long_is_refused(events):
    payload = json.dumps({"T": "", "data": "", "seconds": " " * 1_000_000 + "x"}).encode()
    with pytest.raises(InvalidEvent, match=r"not a timestamp at \$.seconds$"):
        events.parse(message("json", payload))


def test_values_of_json_are_counted():
    many = b'{"T":"' + b"," * MAX_JSON_VALUES + b',"}'
    with pytest.raises(InvalidEvent, match="more than"):
        EVENTS.parse(message("json", many))
    assert EVENTS.parse(message("raw", many)) == {"raw": {"data": many}}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "no header 'text'"),
        ({"text": 1}, "does not have the type"),
        ({"text": "t", "number": "7"}, "does not have the type"),
        ({"text": "t", "moment": 2**31 - 1}, "does not have the type"),
        ({"text": "t", "moment": Long(2**63 - 1)}, "does not have the type"),
        ({"text": "t", "moment": "9" * 30_000}, "does not have the type"),
        ({"text": "t", "moment": "2020-01-01"}, "does not have the type"),
    ],
)
def test_headers_are_checked_strictly(headers, said):
    plain = message("headers", b"{}", **headers)
    with pytest.raises(InvalidEvent, match=said):
        STRICT.parse(plain)
    assert EVENTS.parse(plain) == {"headers": headers}


@each("value", [2**63 - 1, -(2**63), 10**30])
def test_number_that_is_no_timestamp(value):
    with pytest.raises(ParamValidationError):
        validate({"headers": {"text": "t", "moment": value}}, STREAM)


def test_value_that_is_nested_too_deeply():
    node = {}
    for _ in range(10_000):
        node = {"child": node}
    with pytest.raises(ParamValidationError):
        validate({"nested": {"node": node}}, STREAM)


def test_header_timestamp_that_no_datetime_has():
    with pytest.raises(InvalidEvent, match="'moment' is not a timestamp"):
        EVENTS.parse(message("headers", b"{}", moment=Timestamp(2**62)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = st.dictionaries(st.sampled_from(sorted(ON_WIRE)), JSON, max_size=4)


@given(MEMBERS.map(json.dumps), st.sampled_from(["json", "nested", "headers", "text", "raw", "empty"]))
def test_json_of_any_shape_is_an_event_or_invalid(payload, name):
    for events in (EVENTS, STRICT):
        with contextlib.suppress(InvalidEvent):
            assert list(events.parse(message(name, payload.encode()))) == [name]


@given(st.sampled_from(sorted(ON_WIRE)), JSON)
def test_json_that_is_read_strictly_is_valid(member, value):
    try:
        event = STRICT.parse(message("json", json.dumps({"T": "x", member: value}).encode()))
    except InvalidEvent:
        return
    if "SDK_UNKNOWN_MEMBER" not in repr(event):
        validate(event, STREAM)
