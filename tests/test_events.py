"""Events: kinds, how they are told apart, and what an error of one says."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from operations import TALK, Answer, Text

from eventstream import EncodeError, Message
from eventstream.events import EventKind, Events, InvalidEvent, InvalidFrame, json_event


def event(name, payload=b'{"text": "hello"}'):
    return Message({":message-type": "event", ":event-type": name}, payload)


def test_events_there_and_back():
    message = TALK.inputs.serialise(Text("hello"))
    assert message.headers == {":message-type": "event", ":event-type": "Text", ":content-type": "application/json"}
    assert TALK.parse_input(message) == "hello"
    assert type(TALK.parse_output(TALK.outputs.serialise(Answer("so")))) is Answer


def test_events_that_are_dictionaries():
    def kind(name):
        return EventKind(name, dict, lambda m: {m.event_type: m.payload}, lambda e: event(*next(iter(e.items()))))

    events = Events(kind("a"), kind("b"), select=lambda value: next(iter(value)))
    message = events.serialise({"b": b"payload"})
    assert (message.event_type, message.payload) == ("b", b"payload")
    assert events.parse(message) == {"b": b"payload"}
    with pytest.raises(TypeError, match="an event must be one of a, b, not 'c'"):
        events.serialise({"c": b""})


@pytest.mark.parametrize(
    ("kind", "what"),
    [([json_event("A", str)], "a list"), (str, "the class str"), ("A", "a str")],
    ids=["list", "class", "str"],
)
def test_events_of_something_else_are_refused(kind, what):
    with pytest.raises(TypeError, match=f"^each kind of event must be an EventKind, .*, not {what}$"):
        Events(kind)


def test_events_of_one_class_need_select():
    kinds = json_event("A", str), json_event("B", str)
    with pytest.raises(ValueError, match=r"^the events 'A' and 'B' have the same class, str: give select$"):
        Events(*kinds)
    events = Events(*kinds, select=lambda value: value[0].upper())
    assert [events.serialise(value).event_type for value in ("apple", "bean")] == ["A", "B"]


@pytest.mark.parametrize("select", [None, lambda value: "A"])
def test_events_of_one_name_are_refused(select):
    with pytest.raises(ValueError, match=r"^two kinds of events have the name 'A'$"):
        Events(json_event("A", str), json_event("A", int), select=select)


def test_events_of_another_class_are_a_type_error():
    with pytest.raises(TypeError, match=r"^an event must be one of Text, not Answer$"):
        TALK.inputs.serialise(Answer("so"))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), [-float("inf")]])
def test_json_event_refuses_numbers_that_are_not_finite(number):
    """Python's JSON writes and reads them, but no other does."""
    kind = json_event("N", object)
    with pytest.raises(EncodeError, match=r"^N: it cannot be written as JSON \(a number is not finite, or a value "):
        kind.serialise(number)
    with pytest.raises(InvalidEvent, match=r"^event 'N': its JSON has another shape: "):
        kind.parse(event("N", json.dumps(number).encode()))


def test_unknown_events_are_their_messages():
    message = event("Weather")
    assert TALK.parse_input(message) is message
    assert TALK.parse_output(message) is message


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("$.a[0].b", "$.a[0].b"),
        ("$.\x1b]0;owned\x07\nERROR root: fake", r"$.\x1b]0;owned\x07\nERROR root: fake"),
        ("$." + "x" * 62, "$." + "x" * 62),
        ("$." + "k" * 500_000, "$." + "k" * 59 + "..."),
    ],
)
def test_paths_are_shown_escaped_and_cut(path, shown):
    error = InvalidEvent("Text", "wrong", path)
    assert str(error) == f"event 'Text': wrong at {shown}"
    assert error.path == path


def test_invalid_frame_stays_what_it_is_in_copies():
    error = InvalidFrame("a frame of more than 1 byte", too_large=True)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(again), again.too_large, again.event_type) == ("a frame of more than 1 byte", True, None)
    assert not InvalidFrame("a text frame").too_large
