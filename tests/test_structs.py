"""Events as Structs: there and back, with nulls and unknown fields, and what is refused."""

from __future__ import annotations

import datetime
import importlib
import sys
import tracemalloc
from typing import Annotated, Any, Literal, Optional

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


class Tagged(msgspec.Struct, tag="tagged"):
    number: int = 0


class Other(msgspec.Struct, tag="other"):
    number: int = 0


class Row(msgspec.Struct, array_like=True):
    number: int = 0


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    number: int = 0


class Tree(msgspec.Struct):
    children: list[Tree] = []


MOMENT = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
OF_ANY_TYPE = [
    (Optional[str], '"a"', "a"),  # noqa: UP045
    (Optional[list[str]], '["a"]', ["a"]),  # noqa: UP045
    (int | str, '"a"', "a"),
    (Any, '{"a": [5]}', {"a": [5]}),
    (Literal["a"], '"a"', "a"),
    (datetime.datetime, '"2026-01-01T00:00:00Z"', MOMENT),
    (tuple[int, ...], "[1, null]", (1,)),
    (dict[int, str], '{"1": "a", "2": null}', {1: "a"}),
    (dict[str, list[int]], '{"a": [null], "b": null}', {"a": []}),
    (Annotated[int, msgspec.Meta(ge=0)], "5", 5),
    (Tagged, '{"type": "tagged", "number": null}', Tagged()),
    (Tagged | Other, '{"type": "other", "number": null}', Other()),
    (Row, "[5]", Row(5)),
    (Closed, '{"number": null}', Closed()),
    (Tree, '{"children": [{"children": null}, null]}', Tree([Tree()])),
]


@each(("type", "json", "value"), OF_ANY_TYPE)
def test_members_of_any_type_that_msgspec_knows(type, json, value):
    event = msgspec.defstruct(
        "Event",
        [("value", type | None, None), ("words", list[str], msgspec.field(default_factory=list))],
        rename="kebab",
    )
    kind = struct_event("Event", event)

    def parse(text):
        return kind.parse(Message({":event-type": "Event"}, text.encode()))

    for words in ("null", '["a", null]', '["a"]'):
        assert parse(f'{{"value": {json}, "words": {words}}}') == event(value, [] if words == "null" else ["a"])
    assert parse('{"value": null, "words": null}') == event()
    for null in ("", ', "unknown": null'):
        with pytest.raises(InvalidEvent, match=r"expected an array, got an integer at \$\.words"):
            parse(f'{{"value": {json}, "words": 5{null}}}')


def test_names_of_members_need_not_be_identifiers():
    event = msgspec.defstruct(
        "Event", [("a", list[str], msgspec.field(default_factory=list)), ("b", int, 0)], rename={"a": "x-y", "b": "1"}
    )
    kind = struct_event("Event", event)
    assert kind.parse(Message({":event-type": "Event"}, b'{"x-y": null, "1": 5}')) == event(b=5)


def test_nesting_that_is_too_deep():
    kind = struct_event("Tree", Tree)
    deep = b'{"children": [' * 450 + b"5" + b"]}" * 450
    with pytest.raises(InvalidEvent):
        kind.parse(Message({":event-type": "Tree"}, deep))


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
