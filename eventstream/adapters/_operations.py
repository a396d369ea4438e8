"""An `eventstream.operation.Operation` of an operation in one of botocore's models: both ends of it, without any I/O.

Requests, responses and events are the dicts that boto3 has. The members of the request and the response that are event
streams are not among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from eventstream._codec import Message
from eventstream._partitions import check_region
from eventstream._text import MAX_JSON_VALUES, has_too_many_values
from eventstream.adapters._events import (
    Event,
    EventShape,
    events_of,
    is_exception,
    validate,
)
from eventstream.adapters._shapes import Mismatch, from_text, to_text, wire_name
from eventstream.exceptions import ServiceError
from eventstream.operation import Codes, Events, InvalidEvent, InvalidRequest, Operation, Parts, may_retry

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape, StructureShape

    from eventstream.adapters._endpoints import Endpoints

__all__ = ["Members", "ModelOperation", "has_input_stream", "initial_request", "make_operation"]

ModelOperation: TypeAlias = Operation[dict[str, Any], dict[str, Any], Event, Event]

_CONTENT_TYPES: Mapping[str, str] = {"rest-json": "application/json", "json": "application/x-amz-json-{version}"}
"""Of the JSON in events, by protocol; with the other protocols no operation has an event stream in its input."""


_INITIAL_REQUEST = "initial-request"


def has_input_stream(model: OperationModel) -> bool:
    """Return whether an operation has an event stream in its input, in a protocol that is known here."""
    return model.service_model.resolved_protocol in _CONTENT_TYPES and model.get_event_stream_input() is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Modelled(Operation[dict[str, Any], dict[str, Any], Event, Event]):
    """An operation whose hosts are those of botocore's rules, where there are any."""

    host_prefix: str
    endpoints: Endpoints | None = None

    def host(self, region: str, *, fips: bool = False, dualstack: bool = False) -> str:
        if self.endpoints is None:
            return super().host(region, fips=fips, dualstack=dualstack)
        check_region(region)
        return self.host_prefix + self.endpoints.host(region, fips=fips, dualstack=dualstack)


def make_operation(
    model: OperationModel, *, strict: bool = False, endpoints: Endpoints | None = None
) -> ModelOperation:
    """Return the operation of a model.

    Args:
        model: it has an event stream in its input.
        strict: whether the events that a client sends are checked for types and required members, as a server does it.
        endpoints: where it is called; None: where the name of its service and the partition's domain say.

    Raises:
        ValueError: it has none, or its protocol is not known here.
    """
    if not has_input_stream(model):
        if model.get_event_stream_input() is not None:
            raise ValueError(
                f"{model.name} streams both ways, but in {model.service_model.resolved_protocol}, not JSON"
            )
        if model.get_event_stream_output() is not None:
            raise ValueError(f"{model.name} streams only its response: eventstream.testing.fake_response answers it")
        raise ValueError(f"{model.name} does not stream: its input must be an event stream")
    service = model.service_model
    protocol = service.resolved_protocol
    content_type = _content_type(model)
    errors = _errors(model)
    output = model.get_event_stream_output()
    prefix = _host_prefix(model)
    return _Modelled(
        name=model.name,
        service=service.service_id,
        signing_name=service.signing_name,
        endpoint=prefix + service.endpoint_prefix + ".{region}.{suffix}",
        method=model.http.get("method", "POST"),
        path=model.http.get("requestUri", "/").partition("?")[0],
        request=_Request(model, protocol, content_type),
        response=_Response(model, protocol, content_type),
        inputs=events_of(model.get_event_stream_input(), content_type, strict=strict),
        outputs=Events() if output is None else events_of(output, content_type),
        errors=errors,
        exception_types=_exception_types(output),
        codes=_codes(errors),
        initial_messages=protocol == "json",
        reply=_nothing if protocol == "json" else None,
        host_prefix=prefix,
        endpoints=endpoints,
    )


def _nothing(_: object) -> dict[str, Any]:
    """Return the response of a server whose handler gives none: RPC protocols have its message all the same."""
    return {}


def initial_request(model: OperationModel, body: bytes) -> Message:
    """Return the ``initial-request`` of an RPC protocol.

    Args:
        model: of the operation.
        body: of the request, as botocore makes it: JSON, with an empty object for the event stream.
    """
    content = json.loads(body)
    stream = model.input_shape.event_stream_name
    content.pop(wire_name(model.input_shape.members[stream], stream), None)
    payload = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _initial_message(_INITIAL_REQUEST, _content_type(model), payload)


def _initial_message(event_type: str, content_type: str, payload: bytes) -> Message:
    return Message({":message-type": "event", ":event-type": event_type, ":content-type": content_type}, payload)


def _content_type(model: OperationModel) -> str:
    service = model.service_model
    return _CONTENT_TYPES[service.resolved_protocol].format(version=service.metadata.get("jsonVersion", "1.0"))


def _host_prefix(model: OperationModel) -> str:
    """Return what comes before the host, if it does not depend on a parameter."""
    prefix: str = (model.endpoint or {}).get("hostPrefix", "")
    return "" if "{" in prefix else prefix


# Requests and responses


class Members:
    """Where the members of a request or a response lie in HTTP; all but the event stream.

    Args:
        shape: the structure; None if there is none.
        protocol: one with places in HTTP, or ``json``, where all are in the first message.
        initial: the event type of that message.
        content_type: that of its JSON.
    """

    def __init__(self, shape: StructureShape | None, protocol: str, initial: str, content_type: str) -> None:
        self._shape = shape
        self._in_message = protocol == "json"
        self._stream: str | None = None if shape is None else shape.event_stream_name
        self._members: dict[str, Shape] = {} if shape is None else dict(shape.members)
        self._members.pop(self._stream or "", None)
        self._initial = initial
        self._content_type = content_type

    def check(self, value: Mapping[str, Any]) -> None:
        """Check the members.

        Raises:
            ParamValidationError: they are not.
        """
        if self._shape is not None:
            validate({**value, self._stream: {}} if self._stream else value, self._shape)

    def write_parts(self, value: Mapping[str, Any]) -> Parts:
        """Return where the members lie."""
        given = {name: each for name, each in value.items() if name in self._members}
        if self._in_message:
            return Parts(initial=self._message(given))
        headers: list[tuple[str, str]] = []
        query: list[tuple[str, str]] = []
        labels: dict[str, str] = {}
        for name, each in given.items():
            shape = self._members[name]
            location, on_wire = shape.serialization.get("location"), wire_name(shape, name)
            if location == "uri":
                labels[on_wire] = to_text(shape, each)
            elif location == "querystring":
                query += _query_of(shape, on_wire, each)
            elif location == "header":
                headers.append((on_wire.lower(), to_text(shape, each)))
            elif location == "headers":
                headers += [((on_wire + key).lower(), str(text)) for key, text in each.items()]
        return Parts(headers, query, labels)

    def read_parts(self, parts: Parts) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the members that are there, and the problems of those that cannot be read."""
        if self._in_message:
            return self._read_message(parts.initial)
        headers = {name.lower(): text for name, text in parts.headers}
        found: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, shape in self._members.items():
            location, on_wire = shape.serialization.get("location"), wire_name(shape, name)
            try:
                if location == "uri" and on_wire in parts.labels:
                    found[name] = from_text(shape, parts.labels[on_wire])
                elif location == "querystring":
                    query = self._query_left(parts) if _is_map(shape) else parts.query
                    found.update(_read_query(shape, name, on_wire, query))
                elif location == "header" and on_wire.lower() in headers:
                    found[name] = from_text(shape, headers[on_wire.lower()])
                elif location == "headers":
                    length, prefix = len(on_wire), on_wire.lower()
                    if some := {key[length:]: text for key, text in headers.items() if key.startswith(prefix)}:
                        found[name] = some
            except Mismatch as error:
                problems[name] = error.reason
        return found, problems

    def _query_left(self, parts: Parts) -> Sequence[tuple[str, str]]:
        """Return what of the query has no member of its own."""
        shapes = [(name, at) for name, at in self._members.items() if at.serialization.get("location") == "querystring"]
        named = {wire_name(at, name) for name, at in shapes if not _is_map(at)}
        return [(name, text) for name, text in parts.query if name not in named]

    @cached_property
    def _event(self) -> EventShape:
        assert self._shape is not None
        return EventShape(self._initial, self._shape, self._content_type)

    def _message(self, value: dict[str, Any]) -> Message:
        if self._shape is None:
            return _initial_message(self._initial, self._content_type, b"{}")
        return self._event.serialise({self._initial: value})

    def _read_message(self, message: Message | None) -> tuple[dict[str, Any], dict[str, str]]:
        if message is None or self._shape is None:
            return {}, {}
        if has_too_many_values(message.payload, MAX_JSON_VALUES):
            return {}, {self._initial: f"its JSON has more than the {MAX_JSON_VALUES} values that are allowed"}
        try:
            found = self._event.members(message)
        except InvalidEvent as error:
            return {}, {self._initial: str(error)}
        found.pop(self._stream or "", None)
        return found, {}


def _is_map(shape: Shape) -> bool:
    return bool(shape.type_name == "map")


def _query_of(shape: Shape, name: str, value: Any) -> list[tuple[str, str]]:
    if _is_map(shape):
        return [(key, text) for key, each in value.items() for text in (each if isinstance(each, list) else [each])]
    if shape.type_name == "list":
        return [(name, to_text(shape.member, each)) for each in value]
    return [(name, to_text(shape, value))]


def _read_query(shape: Shape, member: str, name: str, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the member if the query has it; a map takes all that the query has."""
    if _is_map(shape):
        several: dict[str, Any] = {}
        for key, text in query:
            several.setdefault(key, []).append(text)
        if shape.value.type_name != "list":
            several = {key: texts[-1] for key, texts in several.items()}
        return {member: several} if several else {}
    texts = [text for key, text in query if key == name]
    if not texts:
        return {}
    if shape.type_name == "list":
        return {member: [from_text(shape.member, text) for text in texts]}
    return {member: from_text(shape, texts[-1])}


class _Request(Members):
    """The `eventstream.operation.Format` of a request."""

    def __init__(self, model: OperationModel, protocol: str, content_type: str) -> None:
        super().__init__(model.input_shape, protocol, _INITIAL_REQUEST, content_type)
        self._required = [name for name in model.input_shape.required_members if name in self._members]
        self._target = f"{model.metadata.get('targetPrefix')}.{model.name}" if protocol == "json" else None

    def write(self, value: dict[str, Any], /) -> Parts:
        """Return where the parameters lie.

        Raises:
            ParamValidationError: they are not allowed.
        """
        self.check(value)
        parts = self.write_parts(value)
        return parts if self._target is None else parts._replace(headers=[("x-amz-target", self._target)])

    def read(self, parts: Parts, /) -> dict[str, Any]:
        """Return the parameters.

        Raises:
            InvalidRequest: some are missing, or cannot be read.
        """
        found, problems = self.read_parts(parts)
        problems |= {name: "missing" for name in self._required if name not in found and name not in problems}
        if problems:
            raise InvalidRequest(problems)
        return found


class _Response(Members):
    """The `eventstream.operation.Format` of a response."""

    def __init__(self, model: OperationModel, protocol: str, content_type: str) -> None:
        super().__init__(model.output_shape, protocol, "initial-response", content_type)

    def write(self, value: dict[str, Any], /) -> Parts:
        """Return where the members lie.

        Raises:
            ParamValidationError: they are not those of the model.
        """
        self.check(value)
        return self.write_parts(value)

    def read(self, parts: Parts, /) -> dict[str, Any]:
        """Return the members; those that cannot be read are left out."""
        return self.read_parts(parts)[0]


# Errors


def _errors(model: OperationModel) -> dict[str, type[ServiceError]]:
    """Return the classes of the operation's errors by their codes: in the stream they have the names of its members."""
    output = model.get_event_stream_output()
    shapes = [] if output is None else [(name, at) for name, at in output.members.items() if is_exception(at)]
    shapes += [(shape.error_code, shape) for shape in model.error_shapes]
    classes: dict[str, type[ServiceError]] = {}
    for _, shape in shapes:
        classes.setdefault(shape.name, _error(shape))
    return {code: classes[shape.name] for code, shape in shapes} | classes


def _exception_types(stream: StructureShape | None) -> dict[str, str]:
    """Return what the exceptions of an event stream are called there, by that name and by those of their shapes."""
    members = {} if stream is None else {name: at for name, at in stream.members.items() if is_exception(at)}
    return {code: name for name, at in members.items() for code in (at.error_code, at.name, name)}


def _error(shape: StructureShape) -> type[ServiceError]:
    told = shape.metadata.get("error", {})
    status: int | None = told.get("httpStatusCode")
    retryable: bool | None = True if shape.metadata.get("retryable") is not None else may_retry(shape.name, status)
    body = {
        "__doc__": f"The service's {shape.name}.",
        "__module__": __name__,
        "status_code": status,
        "retryable": retryable,
    }
    return type(shape.name, (ServiceError,), body)


def _codes(errors: Mapping[str, type[ServiceError]]) -> Codes:
    """Return the service's names for what a server refuses, found by their statuses."""
    by_status = {kind.status_code: kind.__name__ for kind in reversed(list(errors.values()))}
    found = {400: "invalid", 429: "throttled", 500: "internal", 503: "unavailable"}
    names = {field: by_status[status] for status, field in found.items() if status in by_status}
    if "ValidationException" in errors:
        names["invalid"] = "ValidationException"
    return Codes(**names)
