"""Events whose payload is JSON, as msgspec Structs: `struct_event` makes an `EventKind` of a Struct.

Anything may be absent or null on the wire: what is absent takes its default, what is null counts as absent, and what is
unknown is skipped.

Decoding has a fast path, on which msgspec goes from the payload to the Structs in one pass; it refuses a null where a
list or an object belongs. Only then, and only if the payload says ``null`` at all, it is decoded a second time, to
Structs that take a null everywhere and skip what is unknown as the others do; the nulls are dropped, and what remains
is converted. A long payload that says ``null`` is only decoded in this way, since twice would take too long.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

try:
    import msgspec
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.structs needs msgspec: install eventstream-codec with its extra [transcribe] or [client]",
        name=error.name,
    ) from error

from eventstream._codec import Headers, Message
from eventstream._json import is_object, reason_not_decoded, reason_not_encoded
from eventstream._text import MAX_JSON_VALUES
from eventstream.exceptions import EncodeError
from eventstream.operation import EventKind, InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["encode_struct", "json_headers", "struct_decoder", "struct_event"]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_ENCODER = msgspec.json.Encoder()
# Wider than what msgspec raises today for JSON that it refuses: the class differs between its versions.
_UNDECODABLE: tuple[type[Exception], ...] = (msgspec.MsgspecError, ValueError, RecursionError)

_MAX_DECODED_TWICE = 1 << 20
"""Bytes of JSON that are decoded a second time at most. Transcribe's events have no more."""


@cache
def json_headers(event_type: str) -> Headers:
    """Return the headers of an event with JSON."""
    return Headers({":message-type": "event", ":event-type": event_type, ":content-type": "application/json"})


def struct_event(name: str, type: type[_Struct]) -> EventKind[_Struct]:
    """Return the kind of an event whose payload is the JSON of a Struct.

    Args:
        name: its ``:event-type``.
        type: the Struct; every field of it has a default.
    """
    headers = json_headers(name)
    return EventKind(
        name, type, struct_decoder(type), lambda event: Message(headers, encode_struct(event)), MAX_JSON_VALUES
    )


def struct_decoder(type: type[_Struct]) -> Callable[[Message], _Struct]:
    """Return what makes a Struct of a message's JSON. It raises an `InvalidEvent` if that has another shape."""
    decode = msgspec.json.Decoder(type).decode

    def parse(message: Message) -> _Struct:
        payload = message.payload
        has_nulls = len(payload) > _MAX_DECODED_TWICE and b"null" in (payload := bytes(payload))
        if not has_nulls:
            try:
                return decode(payload)
            except _UNDECODABLE as error:
                payload, fault = bytes(payload), error
            has_nulls = b"null" in payload
        if has_nulls:
            try:
                event = _with_nulls(type).decode(payload)
                converted: _Struct = msgspec.convert(_without_nulls(msgspec.to_builtins(event)), type, str_keys=True)
                return converted
            except _UNDECODABLE as error:
                fault = error
        raise InvalidEvent(message.event_type, *reason_not_decoded(payload, type, fault)) from None

    return parse


@cache
def _with_nulls(type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_nullable(type))


def _nullable(type: Any, around: tuple[Any, ...] = ()) -> Any:
    """Return a type of the same JSON, with None allowed in every place. What it is used for checks the rest."""
    origin, arguments = get_origin(type), [each for each in get_args(type) if each is not NoneType]
    if origin is list:
        return origin[_nullable(arguments[0], around)] | None
    if origin is dict and arguments[0] is str:
        return origin[str, _nullable(arguments[1], around)] | None
    if origin in (Union, UnionType) and len(arguments) == 1:
        return _nullable(arguments[0], around)
    if type in (bool, int, float, str):
        return type | None
    if not is_object(type) or type in around or _is_special(type.__struct_config__):
        return Any
    members = msgspec.structs.fields(type)
    names = {f"m{number}": member.encode_name for number, member in enumerate(members)}  # which need not be identifiers
    types = [_nullable(member.type, (*around, type)) for member in members]
    fields = [(name, each, None) for name, each in zip(names, types, strict=True)]
    # Most nulls are gone at once, as defaults.
    return msgspec.defstruct(type.__name__, fields, rename=names, omit_defaults=True) | None


def _is_special(config: Any) -> bool:
    """Return whether the JSON of a Struct must have, or must not have, more than its fields."""
    return config.tag is not None or config.forbid_unknown_fields


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value if member is not None]
    return value


def encode_struct(event: msgspec.Struct) -> bytes:
    """Return the JSON of a Struct.

    Raises:
        EncodeError: it holds what JSON cannot represent, e.g. text with lone surrogates.
        TypeError: it holds values of other types.
    """
    name = type(event).__name__
    reason: str | None
    try:
        payload = _ENCODER.encode(event)
    except TypeError:
        raise TypeError(f"{name}: a value has a type that the event's JSON does not have") from None
    except (msgspec.MsgspecError, ValueError, OverflowError):
        reason = reason_not_encoded(event) or "a number is out of range"
    else:
        # msgspec writes null for a number that is not finite.
        if b"null" not in payload or (reason := reason_not_encoded(event)) is None:
            return payload
    raise EncodeError(f"{name}: it cannot be written as JSON ({reason})")
