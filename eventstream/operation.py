"""A streaming operation as data: `Operation`.

Such a table is all that the clients, the server and every transport need to run an operation. It says where the
operation is found, how its request and response map to HTTP, which events each side sends, which errors the service
knows, and when a response is complete. It does no I/O.

Small objects convert values to and from the wire: a `Format` a request or response, an `EventKind` an event. They may
be written by hand, made from dataclasses (`eventstream.parameters`) and msgspec Structs (`eventstream.structs`), or
made from another library's models at run time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import quote as percent_encode
from urllib.parse import unquote

from eventstream._codec import Headers, Message
from eventstream._partitions import check_region, domain_of
from eventstream._text import MAX_JSON_VALUES, has_too_many_values, quote, quote_bytes, unquoted
from eventstream.exceptions import MAX_SERVICE_TEXT, CodecError, ServiceError
from eventstream.service_errors import (
    error_from_response,
    error_to_message,
    error_to_response,
    make_error,
    may_retry,
    request_id_of,
)
from eventstream.signing import MAX_EXPIRES
from eventstream.wire import DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from eventstream.values import HeaderValue

__all__ = [
    "CONTENT_TYPE",
    "Codes",
    "Completion",
    "EventKind",
    "Events",
    "Format",
    "InvalidEvent",
    "InvalidFrame",
    "InvalidRequest",
    "Operation",
    "Parts",
    "Strings",
    "error_from_response",
    "error_to_message",
    "error_to_response",
    "json_event",
    "make_error",
    "may_retry",
    "not_an_event",
    "request_id_of",
]

CONTENT_TYPE = "application/vnd.amazon.eventstream"

MAX_TARGET = 8_192
"""Characters of a request's path and query that a server takes. Of a query every second one may be a parameter, which
costs microseconds to verify."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_T = TypeVar("_T")


class InvalidRequest(ValueError):
    """Parameters of a request are missing, out of bounds, or exclude each other.

    Attributes:
        problems: for each invalid parameter, by the name of its field, what is wrong and what is allowed.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


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


# Requests and responses


class Parts(NamedTuple):
    """The parts of HTTP that a request or response maps to.

    Attributes:
        headers: names, in lower case, and values; without those of HTTP itself and of signatures.
        query: names and values of the query, not encoded.
        labels: the values that take the places of ``{name}`` in the operation's path, not encoded.
        path: the whole path as it is sent, encoded; None: it is made of the operation's path and the labels.
        initial: the ``initial-request`` or ``initial-response`` message of RPC protocols, which comes before the
            events.
    """

    headers: Sequence[tuple[str, str]] = ()
    query: Sequence[tuple[str, str]] = ()
    labels: Mapping[str, str] = {}
    path: str | None = None
    initial: Message | None = None


class Format(Protocol[_T]):
    """How a request or response maps to HTTP."""

    def write(self, value: _T, /) -> Parts:
        """Return the parts of HTTP for a value.

        Raises:
            InvalidRequest: the parameters are not allowed.
        """

    def read(self, parts: Parts, /) -> _T:
        """Return the value of these parts of HTTP.

        Raises:
            InvalidRequest: of a request: the parameters are not allowed. A response is never refused.
        """


class Strings:
    """The simplest `Format`: a mapping of strings, each by its name in the path, the query or a header.

    Args:
        labels: names in the operation's path; all of them are required.
        query: for each name its name in the query.
        headers: for each name its header, in lower case.
    """

    def __init__(
        self,
        labels: Iterable[str] = (),
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
    ) -> None:
        self._labels = tuple(labels)
        self._query = dict(query)
        self._headers = dict(headers)

    def write(self, value: Mapping[str, str], /) -> Parts:
        """Return the parts of HTTP for the values."""
        self._check(value)
        return Parts(
            headers=[(header, value[name]) for name, header in self._headers.items() if name in value],
            query=[(other, value[name]) for name, other in self._query.items() if name in value],
            labels={name: value[name] for name in self._labels},
        )

    def read(self, parts: Parts, /) -> dict[str, str]:
        """Return the values that are there."""
        headers, query = {name.lower(): text for name, text in parts.headers}, dict(parts.query)
        value = {name: parts.labels[name] for name in self._labels if name in parts.labels}
        value |= {name: query[other] for name, other in self._query.items() if other in query}
        return value | {name: headers[header] for name, header in self._headers.items() if header in headers}

    def check_path(self, operation: str, labels: Iterable[str]) -> None:
        """Check that the path of an operation has places for the labels, and no other.

        Args:
            operation: its name.
            labels: the names in its path.

        Raises:
            ValueError: it has others.
        """
        lacking, unused = sorted({*labels} - {*self._labels}), sorted({*self._labels} - {*labels})
        if lacking:
            raise ValueError(f"{operation}: the path has the label {quote(lacking[0])}, and its request has not")
        if unused:
            raise ValueError(f"{operation}: the request has the label {quote(unused[0])}, and its path has not")

    def _check(self, value: Mapping[str, str]) -> None:
        known = {*self._labels, *self._query, *self._headers}
        problems = {name: "unknown" for name in value if name not in known}
        problems |= {name: "missing" for name in self._labels if not value.get(name)}
        problems |= {
            name: f"{type(text).__name__} (allowed: str)"
            for name, text in dict[str, object](value).items()
            if not isinstance(text, str)
        }
        if problems:
            raise InvalidRequest(problems)


# Events


@dataclass(frozen=True)
class EventKind(Generic[_T]):
    """How one kind of event is parsed and serialised.

    Attributes:
        name: its ``:event-type``.
        type: the class of its values.
        parse: makes the value of a message with that event type.
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
        serialise: turns a value into what is written as JSON; None: the value itself.
    """
    headers = Headers({":message-type": "event", ":event-type": name, ":content-type": "application/json"})

    def parse_message(message: Message) -> _T:
        try:
            content = json.loads(bytes(message.payload))
            value: _T = content if parse is None else parse(content)
        except KeyError as error:
            raise InvalidEvent(name, f"its JSON has no {quote(str(error.args[0]))}") from None
        except (TypeError, ValueError, RecursionError):
            raise InvalidEvent(name, f"its JSON has another shape: {quote_bytes(bytes(message.payload))}") from None
        return value

    def serialise_value(value: _T) -> Message:
        return Message(headers, json.dumps(value if serialise is None else serialise(value)).encode())

    return EventKind(name, type, parse_message, serialise_value, MAX_JSON_VALUES)


class Events(Generic[_T]):
    """The events that one side sends.

    Args:
        kinds: the kinds of events.
        select: names the event type of a value, where its class does not, e.g. where two kinds have one class; None:
            the class does.

    Attributes:
        kinds: by event type.

    Raises:
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
        if kind.name in names:
            raise ValueError(f"two kinds of events have the name {quote(kind.name)}")
        other = classes.get(kind.type)
        if other is not None and select is None:
            both = f"{quote(other.name)} and {quote(kind.name)}"
            raise ValueError(f"the events {both} have the same class, {kind.type.__name__}: give select")
        names[kind.name] = classes[kind.type] = kind


# The table


@dataclass(frozen=True)
class Completion:
    """When the end of a response is complete.

    Attributes:
        after_input: not before the client has ended its input.
        last: the event types with which a complete response ends; none: it may end with any event, or without one.

    Raises:
        TypeError: `last` is a str, whose characters would be taken for event types.
    """

    after_input: bool = True
    last: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if isinstance(self.last, str):
            raise TypeError(f"last must be a collection of event types, such as {{{self.last!r}}}, not a str")

    def missing(self, input_ended: bool, last: str | None) -> bool:
        """Return whether something is missing when the response ends now.

        Args:
            input_ended: whether the client has ended its input.
            last: the event type of the last message.
        """
        return (self.after_input and not input_ended) or bool(self.last and last not in self.last)


class Codes(NamedTuple):
    """The service's names for what a server refuses.

    Attributes:
        invalid: a request, or an event, that is not allowed.
        throttled: too many streams, or too long a stream.
        internal: the server failed.
        unavailable: it shuts down.
    """

    invalid: str = "ValidationException"
    throttled: str = "ThrottlingException"
    internal: str = "InternalServerException"
    unavailable: str = "ServiceUnavailableException"


def _no_check(_: Any) -> None:
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation(Generic[_Request, _Response, _In, _Out]):
    """All that distinguishes one streaming operation from another.

    Attributes:
        name: e.g. ``"StartStreamTranscription"``.
        service: the name of the service, as in the environment's ``AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING``, e.g.
            ``"transcribe-streaming"``.
        signing_name: the service in signatures, e.g. ``"transcribe"``.
        endpoint: the host, with places for the region and the partition's domain, e.g.
            ``"transcribestreaming.{region}.{suffix}"``.
        fips_endpoint: the same for the host with cryptography that is validated under FIPS 140; None: none is known.
        path: e.g. ``"/model/{modelId}/invoke"``; each ``{name}`` is the place of a label.
        request, response: how these map to HTTP.
        inputs: what the client sends.
        outputs: what the server sends.
        method: the HTTP method.
        websocket_path: the path of its WebSocket; None: it has none.
        websocket_prefix: what a parameter's name in the query of a WebSocket lacks of its header.
        websocket_port: where the service itself takes WebSockets.
        max_expires: seconds that a presigned URL may be valid at most.
        errors: by the code that the service uses, the class of the error, whose attributes `status_code` and
            `retryable` hold for it.
        error: the class of all other errors.
        text_member: the name of the text in an error's JSON, which clients read by it.
        exception_types: by the code of an error, the ``:exception-type`` that tells it in the stream. An error with
            another code is told in an ``error`` message. None: every code is an exception type.
        codes: the names of what a server refuses.
        complete: when the end of a response is complete.
        end: the headers of the message with an empty payload that ends input which is not signed.
        check: given a request, it returns a function that raises a ``ValueError`` for an input that does not fit the
            request; or None, if every input does.
        reply: given a request, it returns the response that a server gives if its handler says no other; None: an
            empty one.
        initial_messages: whether the parameters travel in ``initial-request`` and ``initial-response`` messages.
        max_event_length: bytes of an input's payload that a server takes at most.
        max_output_length: bytes of an output's payload that a client takes at most.
        max_duration: seconds that a stream may last at the service; None: any time.
        streams_per_connection: that the service allows at most; None: any number.

    Raises:
        ValueError: `endpoint` has a place for something else, or `path` and a request of `Strings` have other labels.
        TypeError: the class of an error is not a `ServiceError`.
    """

    name: str
    service: str
    signing_name: str
    endpoint: str
    path: str
    request: Format[_Request]
    response: Format[_Response]
    inputs: Events[_In]
    outputs: Events[_Out]
    method: str = "POST"
    fips_endpoint: str | None = None
    websocket_path: str | None = None
    websocket_prefix: str = ""
    websocket_port: int = 443
    max_expires: int = MAX_EXPIRES
    errors: Mapping[str, type[ServiceError]] = field(default_factory=dict)
    error: type[ServiceError] = ServiceError
    text_member: str = "message"
    exception_types: Mapping[str, str] | None = None
    codes: Codes = Codes()  # noqa: RUF009 (immutable, too)
    complete: Completion = Completion()
    end: Headers = Headers({})  # noqa: RUF009 (immutable)
    check: Callable[[_Request], Callable[[_In], None] | None] = _no_check
    reply: Callable[[_Request], _Response] | None = None
    initial_messages: bool = False
    max_event_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH
    max_output_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH
    max_duration: float | None = None
    streams_per_connection: int | None = None

    def __post_init__(self) -> None:
        for endpoint in (self.endpoint, self.fips_endpoint or ""):
            try:
                endpoint.format(region="", suffix="")
            except (AttributeError, LookupError, ValueError):
                what = f"{quote(endpoint)} (allowed: the places {{region}} and {{suffix}})"
                raise ValueError(f"{self.name}: the endpoint is {what}") from None
        if isinstance(self.request, Strings):
            self.request.check_path(self.name, _labels(self.path))
        classes: dict[str, object] = {"others": self.error, **self.errors}
        for code, error in classes.items():
            if not (isinstance(error, type) and issubclass(error, ServiceError)):
                raise TypeError(
                    f"{self.name}: the class of the error {quote(code)} must be a ServiceError, not {error!r}"
                )

    def limited(
        self, max_output_length: int | None, max_output_values: int | None
    ) -> Operation[_Request, _Response, _In, _Out]:
        """Return the same operation with other limits of what a client takes.

        Args:
            max_output_length: bytes of an output's payload; None: as it is.
            max_output_values: objects, lists and members of its JSON; None: as it is.
        """
        if max_output_length is None and max_output_values is None:
            return self
        return replace(
            self,
            max_output_length=self.max_output_length if max_output_length is None else max_output_length,
            outputs=self.outputs if max_output_values is None else self.outputs.limited(max_output_values),
        )

    def host(self, region: str, *, fips: bool = False) -> str:
        """Return the service's host in a region.

        Args:
            region: e.g. ``"us-east-1"``.
            fips: whether it is the host with cryptography that is validated under FIPS 140.

        Raises:
            ValueError: the region cannot be one, e.g. it has upper-case letters; or no host with FIPS is known.
        """
        check_region(region)
        endpoint = self.fips_endpoint if fips else self.endpoint
        if endpoint is None:
            raise ValueError(f"{self.name} has no known FIPS endpoint")
        return endpoint.format(region=region, suffix=domain_of(region))

    def hosts(self, region: str) -> list[str]:
        """Return all known hosts of the service in a region; see `host`."""
        return [self.host(region), *([] if self.fips_endpoint is None else [self.host(region, fips=True)])]

    # The request

    def target(self, parts: Parts) -> str:
        """Return the path and query of a request, encoded.

        Raises:
            InvalidRequest: labels of the path are missing.
        """
        path = parts.path
        if path is None:
            missing = {name: "missing" for name in _labels(self.path) if name not in parts.labels}
            if missing:
                raise InvalidRequest(missing)
            path = _LABEL.sub(lambda name: percent_encode(parts.labels[name[1]], safe=""), self.path)
        return path + _query(parts.query)

    def websocket_target(self, parts: Parts) -> str:
        """Return the path and query that open its WebSocket, encoded, without a signature.

        Raises:
            ValueError: the operation has no WebSocket.
        """
        if self.websocket_path is None:
            raise ValueError(f"{self.name} has no WebSocket")
        named = ((name.removeprefix(self.websocket_prefix), value) for name, value in parts.headers)
        return self.websocket_path + _query([*named, *parts.query])

    @cached_property
    def _path_pattern(self) -> re.Pattern[str]:
        pieces = _LABEL.split(self.path)
        pattern = "".join(
            f"(?P<{piece}>[^/]+)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
        )
        return re.compile(pattern.rstrip("/") + "/*")

    def match(self, target: str) -> Parts | None:
        """Return what the path and query of a request say; None if the path is another, or both are too long.

        Args:
            target: path and query, encoded; at most `MAX_TARGET` characters.
        """
        path, _, query = target.partition("?")
        matched = self._path_pattern.fullmatch(path) if len(target) <= MAX_TARGET else None
        if matched is None:
            return None
        labels = {name: unquote(value) for name, value in matched.groupdict().items()}
        return Parts(query=_pairs(query), labels=labels, path=path)

    def match_websocket(self, target: str) -> Parts | None:
        """Return what the path and query of a WebSocket say, as headers; None where `match` returns it."""
        path, _, query = target.partition("?")
        if self.websocket_path is None or path.rstrip("/") != self.websocket_path or len(target) > MAX_TARGET:
            return None
        pairs = [(name, value) for name, value in _pairs(query) if not name.lower().startswith("x-amz-")]
        return Parts(headers=[(self.websocket_prefix + name.lower(), value) for name, value in pairs], query=pairs)

    # Events

    def parse_input(self, message: Message) -> _In | Message:
        """Return the event that a client's message holds; the message itself if its event type is another.

        Raises:
            InvalidEvent: it is not an event, or has another shape.
        """
        if message.message_type != "event":
            if message.message_type in ("exception", "error"):
                raise InvalidEvent(message.event_type, "a client sends only events")
            raise not_an_event(message)
        event = self.inputs.parse(message)
        if event is message and message.event_type in self.outputs.kinds:
            raise InvalidEvent(message.event_type, "only the server sends it")
        return event

    def parse_output(self, message: Message) -> _Out | Message:
        """Return the event that a server's message holds; the message itself if its event type is another.

        Raises:
            ServiceError: the message is an ``exception`` or an ``error``; its class follows its code.
            InvalidEvent: it is not an event, or has another shape.
        """
        if message.message_type != "event":
            if message.message_type in ("exception", "error"):
                raise self.error_from_message(message)
            raise not_an_event(message)
        return self.outputs.parse(message)

    # Errors

    def make_error(
        self, code: str, message: str = "", headers: Mapping[str, HeaderValue] | None = None, payload: bytes = b""
    ) -> ServiceError:
        """Return the error with this code; its class follows it."""
        return make_error(self.errors.get(code, self.error), code, message, headers, payload)

    def error_from_message(self, message: Message) -> ServiceError:
        """Return the error of an ``exception`` or ``error`` message."""
        told = ServiceError.from_message(message)
        return self.make_error(told.code, told.message, told.headers, told.payload)

    def message_of_error(self, error: ServiceError) -> Message:
        """Return the ``exception`` or ``error`` message that tells an error in the stream.

        Raises:
            InvalidHeaderValue: the code is too long for a header, or a text has lone surrogates.
        """
        types = self.exception_types
        if types is None:
            return error_to_message(error, self.text_member)
        if error.code in types:
            return error_to_message(error, self.text_member, types[error.code])
        text = error.message[:MAX_SERVICE_TEXT]
        return Message({":message-type": "error", ":error-code": error.code, ":error-message": text})

    def error_from_response(self, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> ServiceError:
        """Return the error of an HTTP response; see `error_from_response`."""
        return error_from_response(self.errors, self.error, status, headers, body)


_LABEL = re.compile(r"\{(\w+)\}")
"""The place of a label in a path."""


def _labels(path: str) -> list[str]:
    return _LABEL.findall(path)


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    encoded = "&".join(f"{percent_encode(name, safe='')}={percent_encode(value, safe='')}" for name, value in pairs)
    return f"?{encoded}" if encoded else ""


def _pairs(query: str) -> list[tuple[str, str]]:
    parameters = (parameter.partition("=") for parameter in query.split("&") if parameter)
    return [(unquote(name), unquote(value)) for name, _, value in parameters]


def not_an_event(message: Message) -> InvalidEvent:
    """Return what is wrong with a message whose ``:message-type`` is not one of the three."""
    message_type = message.message_type
    if message_type is None:
        return InvalidEvent(message.event_type, "it has no :message-type")
    return InvalidEvent(message.event_type, f"unknown :message-type {quote(message_type)}")
