"""Events as Structs: there and back, with nulls and unknown fields, and what is refused."""

from __future__ import annotations

import importlib
import sys
import tracemalloc

import msgspec
import pytest
from cases import each
from timing import takes_at_most

from eventstream import EncodeError, Message
from eventstream._text import MAX_JSON_VALUES
from eventstream.operation import Events, InvalidEvent
from eventstream.structs import encode_struct, json_headers, struct_event


class Word(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A part of an event."""

    content: str | None = None
    confidence: float | None = None


class Sentence(msgspec.Struct, rename="pascal", omit_defaults=True):
    """An event."""

    words: list[Word] = msgspec.field(default_factory=list)
    last: Word = msgspec.field(default_factory=Word)


SENTENCE = struct_event("Sentence", Sentence)


def parsed(payload):
    return SENTENCE.parse(Message({":event-type": "Sentence"}, payload))


def test_structs_there_and_back():
    event = Sentence([Word("one", 0.5), Word("two")])
    message = SENTENCE.serialise(event)
    assert message.headers is json_headers("Sentence")
    assert message.payload == b'{"Words":[{"Content":"one","Confidence":0.5},{"Content":"two"}],"Last":{}}'
    assert SENTENCE.parse(message) == event


@each(
    ("payload", "event"),
    [
        (b"{}", Sentence()),
        (b'{"Words": null, "Last": null}', Sentence()),
        (b'{"Words": [null, {"Content": null}], "New": {"deep": [null, 1]}}', Sentence([Word()])),
        (b'{"Words": [{"Content": "a null"}], "Last": null}', Sentence([Word("a null")])),
    ],
)
@each("length", [0, 2_000_000], ids=["short", "long"])
def test_structs_with_nulls_and_unknown_fields(payload, event, length):
    """Long ones are decoded in another way."""
    assert parsed(payload + b" " * length) == event


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"Words": {}}', "$.Words"),
        (b'{"Words": [{"Content": 5}], "Last": null}', "$.Words[0].Content"),
        (b"[]", None),
        (b"", None),
        (b'{"Last": {"Content": "\xff"}}', None),
    ],
)
def test_structs_of_another_shape_are_invalid(payload, path):
    with pytest.raises(InvalidEvent) as raised:
        parsed(payload)
    assert (raised.value.event_type, raised.value.path) == ("Sentence", path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_json_cannot_hold(value):
    with pytest.raises(EncodeError, match=r"^Word: it cannot be written as JSON"):
        encode_struct(Word(confidence=value))
    with pytest.raises(EncodeError, match=r"^Sentence: it cannot be written as JSON"):
        encode_struct(Sentence([Word("\ud800")]))


def test_values_of_other_types_are_a_type_error():
    with pytest.raises(TypeError, match=r"^Word: "):
        encode_struct(Word(content=object()))


def test_missing_msgspec_is_an_error_that_names_the_extra(monkeypatch):
    module = sys.modules["eventstream.structs"]
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, "eventstream.structs")
    with pytest.raises(ModuleNotFoundError, match=r"its extra \[transcribe\]"):
        importlib.import_module("eventstream.structs")
    assert module


def listed(value, count):
    return Message(
        {":event-type": "Sentence", ":message-type": "event"}, b'{"Words":[%s]}' % b",".join([value] * count)
    )


@pytest.mark.parametrize("value", [b"{}", b"null"])
def test_event_of_too_many_values_is_not_parsed(value):
    """Its list would take a hundred times its bytes, and its nulls twice that."""
    events = Events(struct_event("Sentence", Sentence))
    most = (MAX_JSON_VALUES - 1) // (2 if value == b"{}" else 1)
    assert len(events.parse(listed(value, most)).words) == (most if value == b"{}" else 0)
    huge = listed(value, 2_000_000)

    def refuse():
        with pytest.raises(InvalidEvent, match="more than the 65536 values that are allowed"):
            events.parse(huge)

    assert takes_at_most(1, refuse)


def test_event_of_more_values_by_a_switch():
    events = Events(struct_event("Sentence", Sentence))
    assert len(events.limited(200_000).parse(listed(b"{}", 99_000)).words) == 99_000
    with pytest.raises(InvalidEvent, match="more than the 10000 values"):
        events.limited(10_000).parse(listed(b"{}", 6_000))


@pytest.mark.untraced
@pytest.mark.parametrize("value", [b"{}", b'{"Text":"a"}', b"null"])
def test_event_within_the_bound_takes_little_memory(value):
    events = Events(struct_event("Sentence", Sentence))
    message = listed(value, (MAX_JSON_VALUES - 1) // (1 if value == b"null" else 2))
    tracemalloc.start()
    events.parse(message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
