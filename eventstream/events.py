"""The events of an operation: how each kind is parsed and serialised, and what is wrong with one that is not valid."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NoReturn, TypeVar

from eventstream._codec import Headers, Message
from eventstream._text import MAX_JSON_VALUES, has_too_many_values, quote, quote_bytes, unquoted
from eventstream.exceptions import CodecError, EncodeError

__all__ = ["EventKind", "Events", "InvalidEvent", "InvalidFrame", "json_event", "not_an_event"]

_T = TypeVar("_T")


class InvalidEvent(CodecError, ValueError):
    """A valid message that is not an event of the operation: its headers are missing, or its JSON has another shape.

    Args:
        event_type: the message's ``:event-type``, None if it has none.
        reason: what is wrong.
        path: where in the JSON, e.g. ``$.Transcript.Results[0]``; None if the fault has no place there, or the JSON is
            longer than 128 KiB. The text of the error has its first 64 bytes, escaped.

    Attributes:
        event_type, path: as given.
    """

    def __init__(self, event_type: str | None, reason: str, path: str | None = None) -> None:
        what = "message" if event_type is None else f"event {quote(event_type)}"
        super().__init__(f"{what}: {reason}" if path is None else f"{what}: {reason} at {unquoted(path)}")
        self.event_type = event_type
        self.path = path


class InvalidFrame(InvalidEvent):
    """A client's frame on a WebSocket is not a part of an event stream: it holds text, or is too large.

    Args:
        reason: what is wrong.
        too_large: whether that is the fault.

    Attributes:
        too_large: as given.
    """

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(None, reason)
        self.args = (reason,)
        self.too_large = too_large

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"too_large": self.too_large}


def not_an_event(message: Message) -> InvalidEvent:
    """Return what is wrong with a message whose ``:message-type`` is not one of the three."""
    message_type = message.message_type
    if message_type is None:
        return InvalidEvent(message.event_type, "it has no :message-type")
    return InvalidEvent(message.event_type, f"unknown :message-type {quote(message_type)}")


@dataclass(frozen=True)
class EventKind(Generic[_T]):
    """How one kind of event is parsed and serialised.

    Attributes:
        name: its ``:event-type``.
        type: the class of its values.
        parse: makes the value of a message with that event type, or raises an `InvalidEvent`.
        serialise: makes the message of a value.
        max_values: objects, lists and members that its JSON may have at most, since parsed they take up to a hundred
            times their bytes; counted without parsing, so that braces and commas in texts count, too. None: no bound,
            or no JSON.
    """

    name: str
    type: type[_T]
    parse: Callable[[Message], _T]
    serialise: Callable[[_T], Message]
    max_values: int | None = None


def json_event(
    name: str,
    type: type[_T],
    parse: Callable[[Any], _T] | None = None,
    serialise: Callable[[_T], Any] | None = None,
) -> EventKind[_T]:
    """Return the kind of an event whose payload is JSON.

    Args:
        name: its ``:event-type``.
        type: the class of its values.
        parse: turns the parsed JSON into a value; None: that is the value. A ``KeyError``, ``TypeError`` or
            ``ValueError`` says that the JSON has another shape.
        serialise: turns a value into what is written as JSON; None: the value itself. Values that JSON does not have
            are refused: an `EncodeError` for a number that is not finite, a ``TypeError`` for another class.
    """
    headers = Headers({":message-type": "event", ":event-type": name, ":content-type": "application/json"})

    def parse_message(message: Message) -> _T:
        try:
            content = json.loads(bytes(message.payload), parse_constant=_refuse)
            value: _T = content if parse is None else parse(content)
        except KeyError as error:
            raise InvalidEvent(name, f"its JSON has no {quote(str(error.args[0]))}") from None
        except (TypeError, ValueError, RecursionError):
            raise InvalidEvent(name, f"its JSON has another shape: {quote_bytes(bytes(message.payload))}") from None
        return value

    def serialise_value(value: _T) -> Message:
        content = value if serialise is None else serialise(value)
        try:
            payload = json.dumps(content, allow_nan=False)
        except ValueError:
            reason = "a number is not finite, or a value contains itself"
            raise EncodeError(f"{name}: it cannot be written as JSON ({reason})") from None
        return Message(headers, payload.encode())

    return EventKind(name, type, parse_message, serialise_value, MAX_JSON_VALUES)


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's JSON has and no other."""
    raise ValueError(constant)


class Events(Generic[_T]):
    """The events that one side sends.

    Args:
        kinds: the kinds of events.
        select: names the event type of a value, where its class does not, e.g. where two kinds have one class; None:
            the class does.

    Attributes:
        kinds: by event type.

    Raises:
        TypeError: a kind is something else, e.g. a list of them.
        ValueError: two kinds have one name; or they have one class, and `select` is None.
    """

    def __init__(self, *kinds: EventKind[Any], select: Callable[[Any], str] | None = None) -> None:
        _check_kinds(kinds, select)
        self.kinds: Mapping[str, EventKind[Any]] = {kind.name: kind for kind in kinds}
        self._by_class = {kind.type: kind for kind in kinds}
        self._select = select

    def parse(self, message: Message) -> _T | Message:
        """Return the event that an ``event`` message holds; the message itself if its event type is another.

        Raises:
            InvalidEvent: it has no ``:event-type``, or another shape.
        """
        event_type = message.event_type
        kind = self.kinds.get(event_type or "")
        if kind is not None:
            limit = kind.max_values
            if limit is not None and has_too_many_values(message.payload, limit):
                raise InvalidEvent(event_type, f"its JSON has more than the {limit} values that are allowed")
            event: _T = kind.parse(message)
            return event
        if event_type is None:
            raise InvalidEvent(None, "it has no :event-type")
        return message

    def limited(self, max_values: int) -> Events[_T]:
        """Return the same events, with another limit of the values in their JSON."""
        kinds = self.kinds.values()
        return Events(
            *(kind if kind.max_values is None else replace(kind, max_values=max_values) for kind in kinds),
            select=self._select,
        )

    def serialise(self, event: _T) -> Message:
        """Return the message of an event.

        Raises:
            TypeError: it is not one of these events.
            EncodeError: it cannot be written.
        """
        name = None if self._select is None else self._select(event)
        kind = self._by_class.get(type(event)) if name is None else self.kinds.get(name)
        if kind is None:
            known = (
                ", ".join(kind.type.__name__ for kind in self.kinds.values()) if name is None else ", ".join(self.kinds)
            )
            what = type(event).__name__ if name is None else quote(name)
            raise TypeError(f"an event must be one of {known}, not {what}")
        return kind.serialise(event)


def _check_kinds(kinds: Sequence[EventKind[Any]], select: Callable[[Any], str] | None) -> None:
    names: dict[str, EventKind[Any]] = {}
    classes: dict[type, EventKind[Any]] = {}
    for kind in kinds:
        if not isinstance(kind, EventKind):
            what = f"the class {kind.__name__}" if isinstance(kind, type) else f"a {type(kind).__name__}"
            raise TypeError(f"each kind of event must be an EventKind, e.g. that of json_event, not {what}")
        if kind.name in names:
            raise ValueError(f"two kinds of events have the name {quote(kind.name)}")
        other = classes.get(kind.type)
        if other is not None and select is None:
            both = f"{quote(other.name)} and {quote(kind.name)}"
            raise ValueError(f"the events {both} have the same class, {kind.type.__name__}: give select")
        names[kind.name] = classes[kind.type] = kind
