"""Messages as JSON, and back to the same bytes.

A message is ``{"headers": {NAME: {"type": TYPE, "value": VALUE}}, ...}`` with its payload: as ``"message"``, where it
is a message itself, as ``"payload"``, where it is a JSON object or array, as ``"text"``, where it is other UTF-8
without control characters, or else as ``"base64"``. An object or array that compact dumping does not give back byte by
byte is there twice: as ``"payload"`` for those who read it, and as ``"text"``, which is what is encoded.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eventstream import Byte, CodecError, DecodeError, EncodeError, Long, Message, Short, Timestamp, decode
from eventstream._text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstream import Gap
    from eventstream.values import HeaderValue

MAX_DEPTH = 8
"""How deep messages are unwrapped."""

_TYPES: list[tuple[str, type]] = [
    ("boolean", bool),
    ("byte", Byte),
    ("short", Short),
    ("long", Long),
    ("timestamp", Timestamp),
    ("integer", int),
    ("bytes", bytes),
    ("string", str),
    ("uuid", uuid.UUID),
]
"""By the name in JSON; `int` comes after those that are derived from it."""

NO_LIMITS: dict[str, Any] = {"max_headers_length": None, "max_payload_length": None}


class InvalidJson(ValueError):
    """The JSON is not that of a message."""


def loads(data: bytes | str, hint: str = "") -> Any:
    """Return what JSON holds.

    Args:
        data: in UTF-8.
        hint: is appended to the text of the error for what is not JSON.

    Raises:
        InvalidJson: it is not JSON.
    """
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"invalid JSON at character {error.pos + 1}{hint}") from None
    except UnicodeDecodeError:
        raise InvalidJson("invalid JSON: it is not UTF-8") from None
    except ValueError:
        raise InvalidJson("it has a number that is too long") from None
    except RecursionError:
        raise InvalidJson("it is nested too deeply") from None


def nested_in(payload: bytes | memoryview) -> Message | None:
    """Return the message that the payload is."""
    if len(payload) < 16:
        return None
    try:
        return decode(payload, **NO_LIMITS)
    except DecodeError:
        return None


def from_message(message: Message, depth: int = 0) -> dict[str, Any]:
    """Return the message as what JSON can hold."""
    found: dict[str, Any] = {"headers": {name: _from_header(value) for name, value in message.headers.items()}}
    payload = bytes(message.payload)
    inner = nested_in(payload) if depth < MAX_DEPTH else None
    if inner is not None:
        return {**found, "message": from_message(inner, depth + 1)}
    text = _text_of(payload)
    if text is None:
        return {**found, "base64": base64.b64encode(payload).decode()}
    value, exact = _json_of(text)
    if value is not _NONE:
        found["payload"] = value
    return found if exact else {**found, "text": text}


def _text_of(payload: bytes) -> str | None:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def from_gap(gap: Gap) -> dict[str, Any]:
    """Return the gap as what JSON can hold."""
    found = {"offset": gap.offset, "length": gap.length, "error": type(gap.error).__name__, "reason": str(gap.error)}
    return {**found, "nested": [from_message(message) for message in gap.nested]} if gap.nested else found


def _from_header(value: HeaderValue) -> dict[str, Any]:
    name = next(name for name, class_ in _TYPES if isinstance(value, class_))
    if isinstance(value, Timestamp):
        return {"type": name, "value": timestamp_text(value)}
    if isinstance(value, bytes):
        return {"type": name, "value": base64.b64encode(value).decode()}
    return {"type": name, "value": str(value) if isinstance(value, uuid.UUID) else value}


def timestamp_text(value: Timestamp) -> str | int:
    """Return the moment in ISO 8601, to the millisecond; its number where a datetime cannot hold it."""
    try:
        return value.datetime.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return int(value)


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACES = " \t\r\n"
_NONE = object()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _json_of(text: str) -> tuple[Any, bool]:
    """Return the object or array that the text is, or `_NONE`; and whether its compact JSON is exactly this text."""
    if text.lstrip(_SPACES)[:1] not in ("{", "["):
        return _NONE, False
    try:
        value = json.loads(text, parse_constant=_refuse)
        return value, _compact(value) == text
    except (ValueError, RecursionError):
        return _NONE, False


def _sum_of(text: str) -> str:
    """Return what stays the same where another program writes the JSON: neither spaces, nor order, nor 1.0 for 1."""
    return json.dumps(json.loads(text, parse_float=_number), sort_keys=True)


def _number(text: str) -> float:
    number = float(text)
    # All digits of 1e308 would take sixty times the memory of its text.
    return int(number) if number.is_integer() and abs(number) < 1e40 else number


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_message(value: object, depth: int = 0) -> Message:
    """Return the message that was turned into this.

    Raises:
        InvalidJson: it is not a message.
    """
    if not isinstance(value, dict):
        raise InvalidJson(f"a message must be an object, not {type(value).__name__}")
    if "error" in value and "length" in value:
        raise InvalidJson("it is a gap: its bytes are not in the JSON")
    for name in value:
        if name not in _MEMBERS:
            raise InvalidJson(f"a message has no member {name!r}{suggestion(name, _MEMBERS)}")
    headers = value.get("headers", {})
    if not isinstance(headers, dict):
        raise InvalidJson("headers must be an object")
    kinds = [kind for kind in _PAYLOADS if kind in value]
    if kinds == ["payload", "text"]:
        _check_same(value["payload"], value["text"])
        kinds = ["text"]
    if len(kinds) != 1:
        raise InvalidJson(f"a message must have exactly one of {', '.join(_PAYLOADS)}")
    if kinds[0] == "message":
        if depth > MAX_DEPTH:
            raise InvalidJson(f"messages are nested more than {MAX_DEPTH} deep")
        payload = to_message(value["message"], depth + 1).encode()
    else:
        payload = _PAYLOADS[kinds[0]](value[kinds[0]])
    try:
        return Message({name: _to_header(name, header) for name, header in headers.items()}, payload)
    except EncodeError as error:
        raise InvalidJson(str(error)) from None


def _check_same(payload: object, text: object) -> None:
    try:
        if isinstance(text, str) and _sum_of(_compact(payload)) == _sum_of(text):
            return
    except (ValueError, RecursionError):
        pass
    raise InvalidJson("payload and text differ: remove the one that is out of date")


def _payload_of_text(value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidJson("text must be a string")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidJson("text has lone surrogates") from None


def _payload_of_json(value: object) -> bytes:
    try:
        return _compact(value).encode()
    except (ValueError, RecursionError):
        raise InvalidJson("the payload is not JSON") from None


def _payload_of_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidJson("base64 must be a string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidJson("it is not base64") from None


_PAYLOADS: dict[str, Callable[[Any], bytes]] = {
    "message": bytes,
    "payload": _payload_of_json,
    "text": _payload_of_text,
    "base64": _payload_of_base64,
}

_MEMBERS = ("offset", "headers", *_PAYLOADS)


def _to_header(name: str, header: object) -> HeaderValue:
    if not isinstance(header, dict) or set(header) != {"type", "value"}:
        raise InvalidJson(f"header {name!r}: it must have a type and a value")
    class_ = next((class_ for known, class_ in _TYPES if known == header["type"]), None)
    if class_ is None:
        raise InvalidJson(f"header {name!r}: its type must be one of {', '.join(known for known, _ in _TYPES)}")
    value = header["value"]
    try:
        return _to_value(class_, value)
    except (InvalidJson, CodecError) as error:
        raise InvalidJson(f"header {name!r}: {error}") from None


def _to_value(class_: type, value: object) -> HeaderValue:
    if class_ is Timestamp and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise InvalidJson("its value is not an ISO 8601 timestamp") from None
        return Timestamp.from_datetime(moment)
    if class_ in (bytes, uuid.UUID):
        if not isinstance(value, str):
            raise InvalidJson("its value must be a string")
        if class_ is bytes:
            return _payload_of_base64(value)
        try:
            return uuid.UUID(value)
        except ValueError:
            raise InvalidJson("its value is not a UUID") from None
    kind = int if issubclass(class_, int) and class_ is not bool else class_
    if type(value) is not kind:
        raise InvalidJson(f"its value must be of type {kind.__name__}")
    converted: HeaderValue = class_(value)
    return converted
