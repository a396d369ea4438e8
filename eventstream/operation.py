"""A streaming operation as data: `Operation`.

Such a table is all that the clients, the server and every transport need to run an operation. It says where the
operation is found, how its request and response map to HTTP, which events each side sends, which errors the service
knows, and when a response is complete. It does no I/O.

Small objects convert values to and from the wire: a `Format` a request or response, an `EventKind` an event. They may
be written by hand, made from dataclasses (`eventstream.parameters`) and msgspec Structs (`eventstream.structs`), or
made from another library's models at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import quote as percent_encode
from urllib.parse import unquote

from eventstream._arguments import check_event_types
from eventstream._codec import Headers, Message
from eventstream._partitions import check_region, domain_of
from eventstream._text import quote
from eventstream.events import EventKind, Events, InvalidEvent, InvalidFrame, json_event, not_an_event
from eventstream.exceptions import MAX_SERVICE_TEXT, ServiceError
from eventstream.service_errors import (
    error_from_response,
    error_to_message,
    error_to_response,
    make_error,
    may_retry,
    request_id_of,
)
from eventstream.signing import MAX_EXPIRES
from eventstream.wire import CONTENT_TYPE, DEFAULT_MAX_PAYLOAD_LENGTH

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


# Requests and responses


def check_header_name(header: str) -> None:
    """Check that the name of a parameter's header is in lower case, in which a peer's headers are looked up.

    Raises:
        ValueError: it is not.
    """
    if header != header.lower():
        raise ValueError(f"the header {quote(header)} must be in lower case: {quote(header.lower())}")


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

    Raises:
        TypeError: `query` or `headers` is not a mapping.
        ValueError: a header is not in lower case, as HTTP/2 has them.
    """

    def __init__(
        self,
        labels: Iterable[str] = (),
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
    ) -> None:
        for what, names in (("query", query), ("headers", headers)):
            if not isinstance(names, Mapping):
                raise TypeError(f"{what} must map each name to that in HTTP, not be a {type(names).__name__}")
        for header in headers.values():
            check_header_name(header)
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
        """Return the values that are there.

        Raises:
            InvalidRequest: a label is not, which only the query of a WebSocket can lack.
        """
        if missing := {name: "missing" for name in self._labels if not parts.labels.get(name)}:
            raise InvalidRequest(missing)
        headers, query = {name.lower(): text for name, text in parts.headers}, dict(parts.query)
        value = {name: parts.labels[name] for name in self._labels}
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
            raise ValueError(f"{operation}: the path has the label {quote(lacking[0])}, but the request does not")
        if unused:
            raise ValueError(f"{operation}: the request has the label {quote(unused[0])}, but the path does not")

    def check_websocket(self, operation: str, prefix: str) -> None:
        """Check that labels, headers and query have different names in the query of an operation's WebSocket.

        Args:
            operation: its name.
            prefix: what is taken off the names of headers.

        Raises:
            ValueError: two have the same name.
        """
        names = [
            *self._labels,
            *(header.removeprefix(prefix) for header in self._headers.values()),
            *self._query.values(),
        ]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{operation}: two parameters have the name {quote(twice[0])} in the WebSocket's query")

    def _check(self, value: Mapping[str, str]) -> None:
        if not isinstance(value, Mapping):
            raise TypeError(f"the parameters must be a mapping, not {type(value).__name__}")
        known = {*self._labels, *self._query, *self._headers}
        problems = {name: "unknown" for name in value if name not in known}
        problems |= {name: "missing" for name in self._labels if not value.get(name)}
        problems |= {
            name: f"{type(text).__name__} (allowed: str)"
            for name, text in dict[str, object](value).items()
            if not isinstance(text, str)
        }
        problems |= {
            name: f"{quote(value[name])} (allowed in a header: text without control characters)"
            for name in self._headers
            if name in value and name not in problems and _CONTROL.search(value[name])
        }
        if problems:
            raise InvalidRequest(problems)


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
        check_event_types("last", self.last)

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


def check_operation(operation: object) -> None:
    """Check that what is to be called or served is an `Operation`, and e.g. not its name.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(operation, Operation):
        what = type(operation).__name__
        where = "eventstream.adapters.boto3.operation returns those of boto3"
        raise TypeError(f"the operation must be an eventstream.operation.Operation, not {what}; {where}")


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
        websocket_path: the path of its WebSocket, without labels; None: it has none. The request's labels and headers
            are parameters of its query.
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
        max_event_length: bytes of an input's payload that a server takes at most. The payload of a signed event is a
            whole message, with its headers.
        max_output_length: bytes of an output's payload that a client takes at most.
        max_duration: seconds that a stream may last at the service; None: any time.
        streams_per_connection: that the service allows at most; None: any number.

    Raises:
        ValueError: `endpoint` has a place for something else, or is more than a host; `method` has small letters; a
            path does not begin with a slash; `path` and a request of `Strings` have other labels; or, with a WebSocket,
            its path has labels, or two parameters of such a request have one name in its query.
        TypeError: the class of an error is not a `ServiceError`; or `inputs`, `outputs`, `request`, `response`,
            `complete` or `codes` is of another class.
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
            except (AttributeError, LookupError, TypeError, ValueError):
                what = f"{quote(endpoint)} (allowed: the places {{region}} and {{suffix}})"
                raise ValueError(f"{self.name}: the endpoint is {what}") from None
            if "/" in endpoint:
                raise ValueError(f"{self.name}: the endpoint is {quote(endpoint)} (allowed: a host, without a scheme)")
        if self.method != self.method.upper():
            what = f"{quote(self.method)} (allowed: capitals, which are signed)"
            raise ValueError(f"{self.name}: the method is {what}")
        for path in (self.path, "/" if self.websocket_path is None else self.websocket_path):
            if not path.startswith("/"):
                raise ValueError(f"{self.name}: the path is {quote(path)} (allowed: one that begins with a slash)")
        if isinstance(self.request, Strings):
            self.request.check_path(self.name, _labels(self.path))
        if self.websocket_path is not None:
            if _labels(self.websocket_path):
                what = f"{quote(self.websocket_path)} (allowed: no labels, as its query has them)"
                raise ValueError(f"{self.name}: the path of the WebSocket is {what}")
            if isinstance(self.request, Strings):
                self.request.check_websocket(self.name, self.websocket_prefix)
        for name, parts, kind in (
            ("inputs", self.inputs, Events),
            ("outputs", self.outputs, Events),
            ("complete", self.complete, Completion),
            ("codes", self.codes, Codes),
        ):
            if not isinstance(parts, kind):
                raise TypeError(f"{self.name}: {name} must be {kind.__name__}, not {type(parts).__name__}")
        for name, form in (("request", self.request), ("response", self.response)):
            if isinstance(form, type) or not (hasattr(form, "write") and hasattr(form, "read")):
                what = f"the class {form.__name__}" if isinstance(form, type) else type(form).__name__
                raise TypeError(f"{self.name}: the {name} must be a Format, e.g. Strings(), not {what}")
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

    def host(self, region: str, *, fips: bool = False, dualstack: bool = False) -> str:
        """Return the service's host in a region.

        Args:
            region: e.g. ``"us-east-1"``.
            fips: whether it is the host with cryptography that is validated under FIPS 140.
            dualstack: whether it is the host that also has addresses of IPv6.

        Raises:
            ValueError: the region cannot be one, e.g. it has upper-case letters; or no such host is known.
        """
        check_region(region)
        endpoint = self.fips_endpoint if fips else self.endpoint
        if endpoint is None:
            raise ValueError(f"{self.name} has no known FIPS endpoint")
        if dualstack and "{suffix}" not in endpoint:
            raise ValueError(f"{self.name} has no known dual-stack endpoint")
        return endpoint.format(region=region, suffix=domain_of(region, dualstack=dualstack))

    def hosts(self, region: str) -> list[str]:
        """Return all known hosts of the service in a region; see `host`."""
        found = [self.host(region)]
        for fips, dualstack in ((True, False), (False, True), (True, True)):
            with suppress(ValueError):  # none such is known
                found.append(self.host(region, fips=fips, dualstack=dualstack))
        return list(dict.fromkeys(found))

    # The request

    def target(self, parts: Parts) -> str:
        """Return the path and query of a request, encoded.

        Raises:
            InvalidRequest: labels of the path are missing; or one is a dot or two, which proxies and signatures take
                for a step within the path, so that it would lead to another operation.
        """
        path = parts.path
        if path is None:
            problems = {name: "missing" for name in _labels(self.path) if name not in parts.labels}
            problems |= {name: f"{text!r} (not allowed)" for name, text in parts.labels.items() if text in (".", "..")}
            if problems:
                raise InvalidRequest(problems)
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
        return self.websocket_path + _query([*parts.labels.items(), *named, *parts.query])

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
        """Return what the path and query of a WebSocket say, as labels and headers; None where `match` returns it."""
        path, _, query = target.partition("?")
        if self.websocket_path is None or path.rstrip("/") != self.websocket_path or len(target) > MAX_TARGET:
            return None
        pairs = [(name, value) for name, value in _pairs(query) if not name.lower().startswith("x-amz-")]
        headers = [(self.websocket_prefix + name.lower(), value) for name, value in pairs]
        names = _labels(self.path)
        labels = {name: value for name, value in pairs if name in names}
        return Parts(headers=headers, query=pairs, labels=labels)

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

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value of a header has (RFC 9110, section 5.5)."""


def _labels(path: str) -> list[str]:
    return _LABEL.findall(path)


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    encoded = "&".join(f"{percent_encode(name, safe='')}={percent_encode(value, safe='')}" for name, value in pairs)
    return f"?{encoded}" if encoded else ""


def _pairs(query: str) -> list[tuple[str, str]]:
    parameters = (parameter.partition("=") for parameter in query.split("&") if parameter)
    return [(unquote(name), unquote(value)) for name, _, value in parameters]
