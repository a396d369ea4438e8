"""What a fake service sends: events, exceptions and errors, and faults of the stream."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from eventstream._codec import Message

__all__ = ["Pause", "corrupted", "cut", "error", "event", "exception", "slow"]


class Pause(NamedTuple):
    """A pause of this many seconds."""

    seconds: float


def event(type: str, payload: Mapping[str, object] | Sequence[object] | str | bytes = b"") -> Message:
    """Make an event as a service sends it.

    Args:
        type: its name in the service's model, such as ``contentBlockDelta``.
        payload: an object or array becomes JSON, in which ``bytes`` are base64 and a ``datetime`` is in seconds since
            1970, as AWS's protocols have it; a ``str`` is plain text, ``bytes`` are sent as they are.

    Raises:
        TypeError, ValueError: the payload cannot be written as JSON, e.g. a number is not finite, or a ``datetime``
            has no time zone.
    """
    if isinstance(payload, bytes):
        content_type = "application/octet-stream"
    elif isinstance(payload, str):
        content_type, payload = "text/plain", payload.encode()
    else:
        content_type, payload = "application/json", _json(payload)
    return Message({":message-type": "event", ":event-type": type, ":content-type": content_type}, payload)


def exception(type: str, message: str = "", **members: object) -> Message:
    """Make an exception that the service's model knows, or any other: the stream ends with it.

    Args:
        type: its name, such as ``throttlingException``.
        message: its text.
        members: what else its payload has.
    """
    headers = {":message-type": "exception", ":exception-type": type, ":content-type": "application/json"}
    return Message(headers, _json({"message": message, **members}))


def error(code: str, message: str = "") -> Message:
    """Make an error that no model knows: the stream ends with it.

    Args:
        code: such as ``InternalError``.
        message: its text.
    """
    return Message({":message-type": "error", ":error-code": code, ":error-message": message})


def cut(message: Message) -> bytes:
    """Return the first half of a message, for a stream that breaks off in the middle of it."""
    wire = message.encode()
    return wire[: len(wire) // 2]


def corrupted(message: Message) -> bytes:
    """Return a message whose checksum is wrong."""
    wire = message.encode()
    return wire[:-1] + bytes([wire[-1] ^ 1])


def slow(seconds: float) -> Pause:
    """Return a pause, to be placed before an event that comes late.

    Raises:
        ValueError: it is not 0 seconds or more.
    """
    if not seconds >= 0:
        raise ValueError(f"slow({seconds!r}): 0 seconds or more are needed")
    return Pause(seconds)


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, default=_plain, allow_nan=False).encode()
    except _Naive:
        raise ValueError("naive datetime: attach a time zone") from None
    except ValueError:
        raise ValueError("a number is not finite, or a value contains itself: JSON has neither") from None


class _Naive(ValueError):
    pass


def _plain(value: object) -> str | float:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _Naive
        return value.timestamp()
    raise TypeError(f"a {value.__class__.__name__} cannot be written as JSON")
