"""A typed conversation of either end, without a socket, made from an `Operation`.

A session is an exchange of `eventstream.duplex` with the operation's own rules: its request, its events and errors, and
what an event may be. The client turns events into bytes to send and the bytes it receives into events; the server does
the reverse. What was received before a fault is delivered before its error is raised, and the error ends the session; a
server may still send an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from eventstream._codec import Message
from eventstream._text import quote
from eventstream.duplex import ClientExchange, ServerExchange
from eventstream.exceptions import ServiceError, StateError
from eventstream.operation import InvalidEvent, InvalidRequest, Parts
from eventstream.signing import MAX_CLOCK_SKEW, CredentialsSource, EventSigner, utc_now

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from typing_extensions import Buffer

    from eventstream.operation import Operation

__all__ = ["ClientSession", "ServerSession"]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")

_INITIAL_RESPONSE = "initial-response"
_INITIAL_REQUEST = "initial-request"


class ClientSession(Generic[_Request, _Response, _In, _Out]):
    """The client's end of an operation. One thread at a time.

    After an error of the service, a fault in what it sent, or an early end, every later call raises an equal error.

    Args:
        operation: what is spoken.
        request: what was, or will be, requested.
        signer: begins with the request's signature; None: events are sent unsigned, as on a WebSocket.
        unknown_events: whether events of unknown types are yielded, as messages; otherwise they are skipped.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound, ``"operation"``
            for the operation's.

    Attributes:
        operation, request: as given.
        request_id: the id that the response gave to the request, and errors of the service repeat; whoever reads the
            response's headers sets it.
        receive_into: takes the next bytes of the response and a deque, to which it appends the events that are now
            complete. It raises what `receive` and its iterator raise, after the events before.
    """

    def __init__(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        signer: EventSigner | None = None,
        *,
        unknown_events: bool = False,
        max_payload_length: int | Literal["operation"] | None = "operation",
    ) -> None:
        self.operation = operation
        self.request = request
        self.request_id: str | None = None
        self._check = operation.check(request)
        self._kinds = operation.outputs.kinds
        self._unknown_events = unknown_events
        self._initial: Message | None = None
        self._exchange: ClientExchange[_Out] = ClientExchange(
            signer,
            self._parse,
            last=operation.complete.last,
            may_end_early=not operation.complete.after_input,
            max_payload_length=operation.max_output_length if max_payload_length == "operation" else max_payload_length,
        )
        self.receive_into: Callable[[Buffer, deque[_Out]], None] = self._exchange.receive_into

    @property
    def finished(self) -> bool:
        """Whether `end` was called."""
        return self._exchange.finished

    @property
    def ended(self) -> bool:
        """Whether the response has ended, and was complete."""
        return self._exchange.ended

    @property
    def initial(self) -> Message | None:
        """The ``initial-response`` message, once it has come; RPC protocols have one."""
        return self._initial

    def send(self, event: _In) -> bytes:
        """Return an event, signed, in wire form.

        Raises:
            ValueError: the operation's check refuses the event; the session remains usable.
            TypeError: it is not one of the operation's events.
            StateError: the input was ended.
            IncompleteStream: the response has ended early.
            CodecError, ServiceError: an equal one was raised by `receive` or `receive_eof`.
        """
        if self._check is not None:
            self._exchange.check_sending()
            self._check(event)
        return self._exchange.send(self.operation.inputs.serialise(event))

    def end(self) -> bytes:
        """Return the end of the input, signed, in wire form; the last events are still to come.

        Raises:
            StateError: it was called before.
            CodecError, ServiceError: an equal one was raised by `receive` or `receive_eof`.
        """
        return self._exchange.finish(unsigned=Message(self.operation.end))

    def check_sending(self) -> None:
        """Check that events can still be sent; raise what `send` would raise."""
        self._exchange.check_sending()

    def receive(self, data: Buffer) -> Iterator[_Out]:
        """Receive the next bytes of the response.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete. It raises what follows after the events before it; what
            is left in it the next call's iterator yields.

        Raises:
            ServiceError: the service gave up; its class says why.
            InvalidEvent: a message is not an event, or has another shape.
            DecodeError: the bytes are not a valid message.
            StateError: `receive_eof` was called.
        """
        return self._exchange.receive(data)

    def _parse(self, message: Message) -> _Out | None:
        if message.message_type == "event":
            kind = self._kinds.get(message.event_type or "")
            # So short a JSON text has no more values than it may have: they need not be counted.
            if kind is not None and (kind.max_values is None or len(message.payload) <= kind.max_values):
                known: _Out = kind.parse(message)
                return known
        try:
            event: Any = self.operation.parse_output(message)
        except ServiceError as error:
            error.request_id = error.request_id or self.request_id
            raise
        if event is message:
            if message.event_type == _INITIAL_RESPONSE and self.operation.initial_messages:
                self._initial = message
                return None
            if not self._unknown_events:
                return None
        result: _Out = event
        return result

    def receive_eof(self, *, all_sent: bool = True) -> None:
        """Take note that the response has ended.

        Args:
            all_sent: whether what `end` returned was sent as a whole.

        Raises:
            TruncatedMessage: it ends in the middle of a message.
            IncompleteStream: it ends before `end` was called, or without what a complete one ends with.
            StateError: the iterator of `receive` was not iterated over to its end.
            CodecError, ServiceError: an equal one was raised before.
        """
        self._exchange.receive_eof(all_sent=all_sent)

    def check(self) -> None:
        """Raise an equal error if the session is over with one."""
        self._exchange.check()

    def fail(self, error: BaseException) -> None:
        """End the session with an error from elsewhere, e.g. of the network, unless it is over already."""
        self._exchange.fail(error)


class ServerSession(Generic[_Request, _Response, _In, _Out]):
    """The server's end of an operation. One thread at a time.

    Args:
        operation: what is spoken.
        credentials: of the only account, or of all accounts by access key; None: signatures are not checked, and may be
            missing. With a bearer token in the request, the end of its body ends the events.
        region: the one that requests must be signed for; None: any.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound.
        websocket: whether the request opens a WebSocket, with a presigned URL.

    Attributes:
        operation: as given.
    """

    def __init__(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        credentials: CredentialsSource | Mapping[str, CredentialsSource] | None = None,
        *,
        region: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        max_payload_length: int | None,
        websocket: bool = False,
    ) -> None:
        self.operation = operation
        self._websocket = websocket
        self._parts: Parts | None = None
        self._request: _Request | None = None
        self._check: Callable[[_In], None] | None = None
        self._exchange: ServerExchange[_In | Message] = ServerExchange(
            credentials,
            self._parse,
            region=region,
            service=operation.signing_name,
            clock=clock,
            max_clock_skew=max_clock_skew,
            max_payload_length=max_payload_length,
        )

    @property
    def input_ended(self) -> bool:
        """Whether the end of the client's events has come."""
        return self._exchange.ended

    @property
    def unsigned(self) -> bool:
        """Whether the events of a WebSocket go unsigned; known once the first one has come."""
        return self._exchange.unsigned

    @property
    def request(self) -> _Request | None:
        """The request, once it was accepted."""
        return self._request

    def receive_request(self, method: str, path: str, headers: Iterable[tuple[str, str]]) -> _Request | None:
        """Verify the request and take its signature as the seed of the events'; read its parameters.

        Clients differ in host and content type, so these are ignored.

        Args:
            method: the HTTP method.
            path: as it was received, with what follows a ``?``.
            headers: names and values as they were received, pseudo-headers too if there are any.

        Returns:
            The request; None if its parameters are still to come, in an ``initial-request`` message.

        Raises:
            VerificationError: it cannot be accepted; see `eventstream.signing.verify_request`. Every later call raises
                an equal error.
            InvalidRequest: the method, the path or parameters are not those of the operation.
            StateError: a request was received before.
        """
        operation = self.operation
        pairs = list(headers)
        parts = operation.match_websocket(path) if self._websocket else operation.match(path)
        allowed = "GET" if self._websocket else operation.method
        problems = {}
        if method != allowed:
            problems["method"] = f"{quote(method)} (allowed: {allowed})"
        if parts is None:
            where = operation.websocket_path if self._websocket else operation.path
            problems["path"] = f"{quote(path)} (allowed: {where})"
        if problems:
            try:
                self._exchange.check_opened()  # what was refused before is refused again; what was accepted, below
            except StateError:
                raise InvalidRequest(problems) from None
        self._exchange.receive_request(
            *(method, path, pairs), presigned=self._websocket, max_expires=operation.max_expires
        )
        assert parts is not None
        self._parts = parts if self._websocket else parts._replace(headers=pairs)
        if not operation.initial_messages:
            self._read_request(self._parts)
        return self._request

    def _read_request(self, parts: Parts) -> None:
        self._request = self.operation.request.read(parts)
        self._check = self.operation.check(self._request)

    def receive(self, data: Buffer) -> Iterator[_In | Message]:
        """Receive the next bytes of the request's body.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete, verified and unwrapped; one of an unknown type is its
            `Message`. When it has met the end of the input, `input_ended` is true. It raises what follows after the
            events before it; what is left in it the next call's iterator yields.

        Raises:
            VerificationError: an event is not what was signed, not where it was signed, or comes after the end.
            DecodeError: the bytes are not a valid message, or a signed one does not wrap a valid one.
            InvalidEvent: a message is not a client's event, or has another shape.
            ServiceError: the operation's check refuses an event; ready to be sent.
            StateError: no request was accepted yet, or `receive_eof` was called.
        """
        self._check_opened()
        return self._exchange.receive(data)

    def _parse(self, message: Message) -> _In | Message | None:
        event: Any = self.operation.parse_input(message)
        if self._request is None and self._parts is not None:
            if message.event_type != _INITIAL_REQUEST:
                raise InvalidEvent(message.event_type, f"an {_INITIAL_REQUEST} must come first")
            self._read_request(self._parts._replace(initial=message))
            return None
        if self._check is not None and event is not message:
            try:
                self._check(event)
            except ValueError as error:
                raise self.operation.make_error(self.operation.codes.invalid, str(error)) from None
        result: _In | Message = event
        return result

    def receive_eof(self) -> None:
        """Take note that the request's body has ended.

        Raises:
            TruncatedMessage: it ends in the middle of a message.
            IncompleteStream: it ends before the end of the input has come.
            StateError: no request was accepted yet, or the iterator of `receive` was not iterated over to its end.
            CodecError, ServiceError: an equal one was raised before.
        """
        self._check_opened()
        self._exchange.receive_eof()

    def check(self) -> None:
        """Raise an equal error if the input is over with one."""
        self._exchange.check()

    def send(self, event: _Out) -> bytes:
        """Return an event, in wire form; also after the input has ended, or has failed.

        Raises:
            StateError: no request was accepted yet, or an exception was sent.
            EncodeError: the event cannot be written.
            TypeError: it is not one of the operation's events.
        """
        self._check_opened()
        return self._exchange.send(self.operation.outputs.serialise(event))

    def send_exception(self, exception: ServiceError) -> bytes:
        """Return the error that ends the stream, in wire form; nothing can be sent after it.

        Raises:
            StateError: no request was accepted yet, or an exception was sent before.
            InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
        """
        self._check_opened()
        return self._exchange.send_exception(self.operation.message_of_error(exception))

    def _check_opened(self) -> None:
        if self._request is None and not (self.operation.initial_messages and self._parts is not None):
            self._exchange.check_opened()
            raise StateError("the request was not accepted: its parameters are invalid")
