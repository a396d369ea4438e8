"""Wrong calls are TypeErrors that name what was called, and both implementations word those of a class alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from cases import each

from eventstream import Byte, Long, Short, Timestamp

Call = Callable[[Any], object]

CLASSES: list[tuple[Call, str]] = [
    (lambda codec: codec.Headers({}, {}), "Headers() takes at most 1 positional argument (2 given)"),
    (lambda codec: codec.Headers({}, {}, x=1), "Headers() takes at most 1 positional argument (2 given)"),
    (lambda codec: codec.Headers(x=1), "Headers() takes no keyword arguments"),
    (lambda codec: codec.Headers(mapping={}), "Headers() takes no keyword arguments"),
    (
        lambda codec: codec.Headers.__new__(codec.Headers, 1, 2),
        "Headers() takes at most 1 positional argument (2 given)",
    ),
    (lambda codec: codec.Message(1, 2, 3, 4), "Message() takes at most 2 positional arguments (4 given)"),
    (lambda codec: codec.Message(x=1), "Message() got an unexpected keyword argument 'x'"),
    (lambda codec: codec.Message({}, header={}), "Message() got an unexpected keyword argument 'header'"),
    (lambda codec: codec.Message({}, headers={}), "Message() got multiple values for argument 'headers'"),
    (lambda codec: codec.Message({}, b"", payload=b""), "Message() got multiple values for argument 'payload'"),
    (lambda codec: codec.Decoder(max_length=1), "Decoder() got an unexpected keyword argument 'max_length'"),
    (
        lambda codec: codec.Decoder(1000, max_length=1),
        "Decoder() takes only keyword arguments: max_headers_length, max_payload_length, copy; pass bytes to feed()",
    ),
]


@each(("call", "text"), CLASSES)
def test_call_of_a_class(codec, call, text):
    with pytest.raises(TypeError) as raised:
        call(codec)
    assert str(raised.value) == text


@pytest.mark.parametrize("class_", [Byte, Short, Long, Timestamp])
def test_call_of_a_header_value(class_):
    with pytest.raises(TypeError) as raised:
        class_(1, 2)
    assert str(raised.value) == f"{class_.__name__}() takes at most 1 positional argument (2 given)"
    with pytest.raises(TypeError) as raised:
        class_(value=1)
    assert str(raised.value) == f"{class_.__name__}() takes no keyword arguments"


def test_calls_that_give_no_arguments_in_a_dict(codec):
    """Python may hand these on as an empty dict, or as none."""
    nothing = {}
    assert codec.Headers(**nothing) == {}
    assert codec.Headers({"a": 1}, **nothing) == {"a": 1}
    assert codec.Message(**nothing) == codec.Message() == codec.Message({}, b"")
    assert codec.Decoder(**nothing).offset == 0


def test_message_arguments_by_name(codec):
    whole = codec.Message({"a": 1}, b"payload")
    assert codec.Message(payload=b"payload", headers={"a": 1}) == whole
    assert codec.Message({"a": 1}, payload=b"payload") == whole
    assert codec.Message(headers={"a": 1}) == codec.Message({"a": 1})
    assert codec.Message(payload=b"payload") == codec.Message({}, b"payload")


@each(
    ("name", "call"),
    [
        ("encode", lambda codec: codec.encode()),
        ("encode", lambda codec: codec.encode({}, b"", 3)),
        ("encode_into", lambda codec: codec.encode_into(bytearray(99), {}, x=1)),
        ("decode", lambda codec: codec.decode()),
        ("decode", lambda codec: codec.decode(b"", b"")),
        ("decode", lambda codec: codec.decode(b"", limit=1)),
        ("feed", lambda codec: codec.Decoder().feed()),
        ("feed", lambda codec: codec.Decoder().feed(data=b"")),
        ("close", lambda codec: codec.Decoder().close(1)),
        ("get", lambda codec: codec.Headers().get()),
        ("get_as", lambda codec: codec.Headers().get_as("a")),
        ("keys", lambda codec: codec.Headers().keys(1)),
        ("encode", lambda codec: codec.Message().encode(1)),
        ("raise_for_error", lambda codec: codec.Message().raise_for_error(1)),
    ],
)
def test_call_of_a_function_names_it(codec, name, call):
    with pytest.raises(TypeError, match=rf"^(?:\w+\.)?{name}\(\) "):
        call(codec)


def test_signatures_are_those_of_the_classes(reference):
    def shown(class_: type) -> list[str]:
        parameters = inspect.signature(class_).parameters.values()
        return [str(parameter.replace(annotation=parameter.empty)) for parameter in parameters]

    assert shown(reference.Headers) == ["mapping={}"]
    assert shown(reference.Message) == ["headers={}", "payload=b''"]
    assert shown(reference.Decoder) == ["max_headers_length=131072", "max_payload_length=25165824", "copy=True"]
