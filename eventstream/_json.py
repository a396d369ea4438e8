"""Why JSON is not an event, and why an event is not JSON, in the package's own words.

The parser refuses what does not fit. Its texts and most of its classes change with its versions, so the fault is looked
for again here, by the standard library's parser. This is only done after the parser has refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import isclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin

import msgspec

from eventstream._text import quote

__all__ = ["is_object", "reason_not_decoded", "reason_not_encoded"]

MAX_EXPLAINED = 131_072
"""Bytes of JSON that are parsed again at most, since that takes up to 30 times their size."""

_MISSHAPEN = "its JSON does not have the shape of the event"
_EXPECTED: dict[Any, str] = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


class _Object(tuple[tuple[str, Any], ...]):
    """The members of a JSON object. A name may come twice."""


class _Integer(float):
    """A JSON number without a fraction and an exponent."""


def reason_not_decoded(payload: bytes, type: type[msgspec.Struct], fault: Exception) -> tuple[str, str | None]:
    """Return why `payload` is not an event of this type, and the path of the fault in the JSON.

    Args:
        payload: JSON that the parser has refused.
        type: a Struct. Faults are found in Structs, lists, dicts, texts, numbers and flags; any of these may be null.
        fault: what the parser raised. Only its class counts.
    """
    if isinstance(fault, RecursionError):
        return "its JSON is nested too deeply", None
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "its JSON is not UTF-8", None
    if len(payload) > MAX_EXPLAINED:
        return _MISSHAPEN, None
    try:
        content = json.loads(text, object_pairs_hook=_Object, parse_int=_Integer, parse_constant=_refuse)
        reason, path = next(_misfits(content, type, "$"), (_MISSHAPEN, "$"))
    except json.JSONDecodeError as error:
        return f"its JSON is malformed at byte {len(text[: error.pos].encode('utf-8', 'surrogatepass'))}", None
    except ValueError:
        return "its JSON has a number that is not finite", None
    except RecursionError:
        return "its JSON is nested too deeply", None
    if content is None:
        return "expected an object, got null", None
    return reason, None if path == "$" else path


def reason_not_encoded(event: msgspec.Struct) -> str | None:
    """Return why JSON cannot hold an event; None if no text or number of it is the reason."""
    return next(_unsayable(event), None)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _misfits(value: Any, type: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if get_origin(type) in (Union, UnionType):
        members = [member for member in get_args(type) if member is not NoneType]
        if len(members) > 1:  # which of them was meant, nobody knows
            return
        (type,) = members
    if get_origin(type) is list:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _misfits(item, get_args(type)[0], f"{path}[{index}]")
            return
        expected = "an array"
    elif type in _EXPECTED:
        if isinstance(value, {int: _Integer}.get(type, type)):
            if fault := next(_unsayable(value), None):
                yield fault, path
            return
        expected = _EXPECTED[type]
    elif isinstance(value, _Object) and get_origin(type) is dict:
        for name, member in value:
            yield from _misfits(member, get_args(type)[1], f"{path}[{quote(name)}]")
        return
    elif get_origin(type) is not dict and not is_object(type):
        return
    elif isinstance(value, _Object):
        types = {field.encode_name: field.type for field in msgspec.structs.fields(type)}
        for name, member in value:
            if name in types:
                yield from _misfits(member, types[name], f"{path}.{name}")
        return
    else:
        expected = "an object"
    yield f"expected {expected}, got {_kind(value)}", path


def is_object(type: Any) -> bool:
    """Return whether a type, any that msgspec knows, is a Struct whose JSON is an object of its fields."""
    if not isclass(type) or get_origin(type) is not None or not issubclass(type, msgspec.Struct):
        return False
    return not type.__struct_config__.array_like


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds = ((_Object, "an object"), (list, "an array"), (str, "a string"), (_Integer, "an integer"))
    return next((kind for class_, kind in kinds if isinstance(value, class_)), "a number")


def _unsayable(value: object) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _unsayable(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _unsayable(item)
    elif isinstance(value, dict):
        yield from _unsayable([*value, *value.values()])
    elif isinstance(value, float):
        if not isfinite(value):
            yield "a number is not finite"
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield "a text has a lone surrogate"
