"""The events of an operation, made of the shapes of its model, in both directions.

An event is a dict with one item, as in boto3: its type, and the dict of its members. Where a member lies in the message
its traits say: in a header (``eventheader``), as the whole payload (``eventpayload``), or else in the payload's JSON.

Each event is validated before it is serialised, so that a value of the wrong type is botocore's
``ParamValidationError`` with the path to it.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

from eventstream._codec import Headers, Message
from eventstream._text import MAX_JSON_VALUES, quote_bytes
from eventstream.adapters._shapes import Mismatch, blob, from_header, reader, to_header, writer
from eventstream.operation import EventKind, Events, InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import Shape, StructureShape

    from eventstream.values import HeaderValue

__all__ = ["Event", "EventShape", "events_of", "is_exception", "parse_json", "validate"]

Event: TypeAlias = dict[str, Any]
"""An event as boto3 has it: its type, and its members, e.g. ``{"chunk": {"bytes": b"..."}}``."""

_VALIDATOR = ParamValidator()


def validate(value: Any, shape: Shape) -> None:
    """Check that a value has the shape.

    Raises:
        ParamValidationError: it says where the value is another one.
    """
    try:
        report = _VALIDATOR.validate(value, shape)
    except RuntimeError as error:  # a timestamp out of range, or values nested too deeply
        raise ParamValidationError(report=str(error)) from error
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


def _fits(value: Any, shape: Shape) -> bool:
    """Return whether the value of a header has the shape."""
    if shape.type_name == "timestamp":  # for which botocore takes numbers and texts, and any time to parse them
        return isinstance(value, datetime.datetime)
    return not _VALIDATOR.validate(value, shape).has_errors()


def is_exception(shape: Shape) -> bool:
    """Return whether a member of an event stream is an exception."""
    return bool(shape.metadata.get("exception"))


def events_of(stream: StructureShape, content_type: str, *, strict: bool = False) -> Events[Event]:
    """Return the events of one direction.

    Args:
        stream: the event stream; its members are the events, and exceptions, which are left out.
        content_type: that of JSON payloads.
        strict: whether received events are checked for types and required members.
    """
    kinds = [
        EventShape(name, shape, content_type, strict=strict).kind()
        for name, shape in stream.members.items()
        if not is_exception(shape)
    ]
    names = [kind.name for kind in kinds]

    def select(event: Any) -> str:
        validate(event, stream)
        if len(event) != 1 or not names:
            raise ParamValidationError(
                report=f"an event must have one of the keys {', '.join(names)}, not {len(event)}"
            )
        [name] = event
        if name not in names:
            raise ParamValidationError(report=f"{name} is an exception, which cannot be sent as an event")
        return str(name)

    return Events(*kinds, select=select)


class EventShape:
    """One event type of a model: its message made of an event, and back.

    Args:
        name: the ``:event-type``.
        shape: its members.
        content_type: that of a JSON payload.
        strict: whether received values are checked for types and required members.
    """

    def __init__(self, name: str, shape: StructureShape, content_type: str, *, strict: bool = False) -> None:
        self.name = name
        self._shape = shape
        self._content_type = content_type
        self._strict = strict
        members = shape.members.items()
        self._headers = {member: to_header(at) for member, at in members if at.serialization.get("eventheader")}
        self._payload: tuple[str, Shape] | None = next(
            ((member, at) for member, at in members if at.serialization.get("eventpayload")), None
        )

    def kind(self) -> EventKind[Event]:
        """Return the kind of event that both ends use."""
        raw = self._payload is not None and self._payload[1].type_name in ("blob", "string")
        return EventKind(self.name, dict, self.parse, self.serialise, None if raw else MAX_JSON_VALUES)

    # Out

    @cached_property
    def _write(self) -> Callable[[Any], Any] | None:
        return writer(self._shape if self._payload is None else self._payload[1])

    @cached_property
    def _fixed(self) -> Headers:
        return Headers({":message-type": "event", ":event-type": self.name, ":content-type": self._payload_type})

    @property
    def _payload_type(self) -> str:
        kind = "structure" if self._payload is None else self._payload[1].type_name
        return {"blob": "application/octet-stream", "string": "text/plain"}.get(kind, self._content_type)

    def serialise(self, event: Mapping[str, Any]) -> Message:
        """Return the message of an event that is valid."""
        members = event[self.name]
        headers: Headers | dict[str, HeaderValue] = self._fixed
        if self._headers:
            given = {name: write(members[name]) for name, write in self._headers.items() if name in members}
            headers = {**self._fixed, **given} if given else headers
            members = {name: value for name, value in members.items() if name not in self._headers}
        if self._payload is None:
            return Message(headers, self._json(members))
        name, shape = self._payload
        if shape.type_name in ("blob", "string"):
            return Message(headers, blob(members.get(name, b"")))
        return Message(headers, self._json(members[name]) if name in members else b"")

    def _json(self, value: Any) -> bytes:
        content = value if self._write is None else self._write(value)
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    # In

    @cached_property
    def _read(self) -> Callable[[Any], Any] | None:
        return reader(self._shape if self._payload is None else self._payload[1], strict=self._strict)

    def parse(self, message: Message) -> Event:
        """Return the event that a message of this type holds.

        Raises:
            InvalidEvent: it has another shape.
        """
        return {self.name: self.members(message)}

    def members(self, message: Message) -> dict[str, Any]:
        """Return the members that a message holds; see `parse`."""
        found = self._header_members(message.headers) if self._headers else {}
        if self._payload is None:
            found.update(parse_json(self.name, message.payload, self._read))
            return found
        name, shape = self._payload
        if shape.type_name == "blob":
            found[name] = bytes(message.payload)
        elif shape.type_name == "string":
            try:
                found[name] = str(message.payload, "utf-8")
            except UnicodeDecodeError:
                raise InvalidEvent(self.name, f"its text is not UTF-8: {quote_bytes(bytes(message.payload))}") from None
        elif message.payload:
            found[name] = parse_json(self.name, message.payload, self._read)
        return found

    def _header_members(self, headers: Headers) -> dict[str, Any]:
        found = {}
        for name in self._headers:
            if name in headers:
                try:
                    found[name] = from_header(headers[name])
                except Mismatch as error:
                    raise InvalidEvent(self.name, f"its header {name!r} is {error.reason}") from None
                if self._strict and not _fits(found[name], self._shape.members[name]):
                    raise InvalidEvent(self.name, f"its header {name!r} does not have the type that the model gives")
            elif self._strict and name in self._shape.required_members:
                raise InvalidEvent(self.name, f"it has no header {name!r}")
        return found


def parse_json(event_type: str, payload: bytes | memoryview, read: Callable[[Any], Any] | None) -> Any:
    """Return what JSON says, as values of a shape; no bytes are an empty object.

    Raises:
        InvalidEvent: it is not JSON, or has another shape.
    """
    if not payload:
        return {} if read is None else _read(event_type, {}, read)
    try:
        content = json.loads(bytes(payload))
    except (ValueError, RecursionError):
        raise InvalidEvent(event_type, f"its payload is not JSON: {quote_bytes(bytes(payload))}") from None
    return content if read is None else _read(event_type, content, read)


def _read(event_type: str, content: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(content)
    except Mismatch as error:
        raise InvalidEvent(event_type, error.reason, "$" + error.path) from None
    except RecursionError:
        raise InvalidEvent(event_type, "its JSON is nested too deeply") from None
