"""A message is a typed event that says itself again in JSON, a `TranscribeError`, or an `InvalidEvent`; no more."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import msgspec

import eventstream
from eventstream import EncodeError, Message
from eventstream.transcribe import InvalidEvent, TranscribeError, TranscriptEvent
from eventstream.transcribe.model import (
    CONFIGURATION_EVENT_HEADERS,
    TRANSCRIPT_EVENT_HEADERS,
    ConfigurationEvent,
    event_from_message,
    event_to_message,
)
from fuzz.harness import Draw, Fault, attempt, lines

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = [
    f'"{name}":'.encode()
    for name in (
        *("Transcript", "Results", "Alternatives", "Items", "Entities", "StartTime", "EndTime", "IsPartial", "Type"),
        *("ResultId", "ChannelId", "Confidence", "Content", "LanguageIdentification", "Score", "Stable", "Message"),
        *("ChannelDefinitions", "ParticipantRole", "PostCallAnalyticsSettings", "message", "__type", "code"),
    )
] + [b"null", b"true", b"[{", b"}]", b"1e400", b"\\ud800", b"\\u0000", b":message-type:exception", b"x-amzn-errortype:"]
KINDS: tuple[tuple[Any, Any], ...] = (
    (TRANSCRIPT_EVENT_HEADERS, TranscriptEvent),
    (CONFIGURATION_EVENT_HEADERS, ConfigurationEvent),
)


def quick(data: bytes) -> None:
    check(data, event_again)


def thorough(data: bytes) -> None:
    check(data, event_otherwise)


def check(data: bytes, check_event: Callable[[Any, type, bytes], None]) -> None:
    first = data[:1]
    if first == b"\0":
        check_error(Draw(data[1:]))
    elif first == b"\1":
        check_message(Draw(data[1:]))
    else:
        for headers, class_ in KINDS:
            check_event(headers, class_, data)


def event_again(headers: Any, class_: type, payload: bytes) -> Any:
    """Return the event of JSON, which says itself again; or the fault."""
    event = attempt(lambda: event_from_message(Message(headers, payload)), InvalidEvent)
    if isinstance(event, Fault):
        return event
    assert type(event) is class_
    again = attempt(lambda: event_to_message(event), EncodeError)
    if not isinstance(again, Fault):
        assert event_from_message(again) == event, "what is written is what was read"
    return event


def event_otherwise(headers: Any, class_: type, payload: bytes) -> None:
    """Parse the same event from a view, and by another parser as far as it goes: what is skipped need not be UTF-8."""
    event = event_again(headers, class_, payload)
    viewed = next(eventstream.Decoder(copy=False).feed(Message(headers, payload).encode()))
    assert attempt(lambda: event_from_message(viewed), InvalidEvent) == event
    if isinstance(event, Fault):
        return
    repr(event)
    try:
        content = without_nulls(json.loads(payload.decode()))
    except (UnicodeDecodeError, RecursionError):
        return
    assert msgspec.convert(content, class_, strict=True) == event


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value if member is not None]
    return value


def check_message(draw: Draw) -> None:
    """Any headers."""
    payload = draw.sized()
    headers = {name: value for name, value in lines(draw.rest()) if name}
    message = attempt(lambda: Message(headers, payload), EncodeError)
    if isinstance(message, Fault):
        return
    result = attempt(lambda: event_from_message(message), InvalidEvent, TranscribeError)
    kind = message.message_type
    if kind in ("exception", "error"):
        assert isinstance(result, Fault)
        assert issubclass(result.type, TranscribeError)
        check_service_error(TranscribeError.from_message(message))
    elif kind != "event" or message.event_type is None:
        assert isinstance(result, Fault)
        assert result.type is InvalidEvent


def check_error(draw: Draw) -> None:
    """Any HTTP response."""
    status, body = draw.number(2), draw.sized() if draw.byte() % 2 else draw.bytes(draw.number(2))
    check_service_error(TranscribeError.from_response(status, lines(draw.rest()), body))


def check_service_error(error: TranscribeError) -> None:
    str(error), repr(error), error.retryable
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (type(error), vars(error))
    status, headers, body = error.to_response()
    read = TranscribeError.from_response(status, headers, body)
    assert read.message == error.message or not error.message
    message = attempt(error.to_message, EncodeError)
    if isinstance(message, Fault):
        return
    told = TranscribeError.from_message(message)
    assert (type(told), told.code, told.message) == (type(error), error.code, error.message)
