"""A server of any operation, over HTTP/2 and WebSockets: it verifies, dispatches, limits, drains, logs, and fails on
request.

>>> async def shout(request, events):
...     async for event in events:
...         yield event.upper()
>>> async with Server({OPERATION: shout}, credentials=[credentials]) as server:
...     print(server.endpoint)

A stream goes through the same steps as at AWS's services. What is wrong with the request (its path, its signature, its
parameters, too many streams at once) is answered as an HTTP error. Then the response's headers go out at once, since
some clients send nothing before. From here on, errors are reported in an ``exception`` message, which ends the stream;
on a WebSocket all of them are.

Every stream is its own task. Nothing that goes wrong in one reaches another. One stream's fault is that stream's: a
client that says nothing, or takes nothing, loses its stream after a time.

A request's bad signature is answered with the errors that AWS's services have in common
(https://docs.aws.amazon.com/transcribe/latest/APIReference/CommonErrors.html).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl
from uuid import uuid4

from eventstream._codec import Message
from eventstream._text import printable, quote
from eventstream._waiting import timeout_after
from eventstream.exceptions import (
    DateSkew,
    DecodeError,
    IncompleteStream,
    InvalidHeaderValue,
    ServiceError,
    SignatureMismatch,
    VerificationError,
)
from eventstream.faults import Fault, Faults
from eventstream.http2 import IDLE_FRAMES, MAX_CONCURRENT_STREAMS, RESETS, Budget, ErrorCodes, StreamError, serve
from eventstream.operation import (
    CONTENT_TYPE,
    InvalidEvent,
    InvalidFrame,
    InvalidRequest,
    Operation,
    error_to_message,
    error_to_response,
    make_error,
)
from eventstream.session import ServerSession
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now
from eventstream.transport import without_websockets

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

    from typing_extensions import Self

    from eventstream.transport import ServerChannel
    from eventstream.websocket import Route, ServerSocket

__all__ = ["ConnectionLimits", "Conversation", "Handler", "Limits", "Server", "Service", "Statistics"]

_INTERRUPTED_WITHIN = 1.0
"""Seconds in which a stream that is interrupted should be able to say so to its client."""

_LINGER = 1.0
"""Seconds in which a client should have noticed that its stream was answered to the end."""

# No "=" in the key: else each "Credential=" of many would be followed to the end of them all.
_ACCESS_KEY = re.compile(r"Credential=([^/,\s=]+)/")

_REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amzn-request-id")
_TOKEN = "X-Amz-Security-Token"

_log = logging.getLogger(__name__)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")

Handler: TypeAlias = Callable[..., "AsyncIterator[Any] | Awaitable[None]"]
"""What answers the streams of an operation: an asynchronous generator function of the request and the events that come,
which yields the events that go; or a coroutine function of a `Conversation`, which then also says when the response
begins."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of the server.

    Attributes:
        max_streams: how many at once.
        input_timeout: seconds without an event after which a stream is ended, and seconds that a client may refuse to
            take events.
        as_operations_say: whether a connection can have only as many streams at once as their operation says, its
            `eventstream.operation.Operation.streams_per_connection`.
    """

    max_streams: int = 100
    input_timeout: float = 60.0
    as_operations_say: bool = False


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What connections may cost the server, whatever is asked on them; see `eventstream.http2.serve`.

    Attributes:
        max_connections: at once; None: no bound.
        max_connections_per_peer: at once from one address; None: no bound.
        backlog: connections that wait to be accepted.
        idle_timeout: seconds after which a connection with no open stream is closed; None: never.
        resets: budget of a connection for streams that are reset; None: no bound.
        idle_frames: budget of a connection for frames that carry nothing; None: no bound.
    """

    max_connections: int | None = 1_000
    max_connections_per_peer: int | None = 250
    backlog: int = 100
    idle_timeout: float | None = 60.0
    resets: Budget | None = RESETS
    idle_frames: Budget | None = IDLE_FRAMES


@dataclass
class Statistics:
    """What came and went so far.

    Attributes:
        refused: requests that were answered with an HTTP error, or ended before they were answered.
        streams: requests that were answered with a stream.
        failed: streams that did not come to their end: they got an exception, or their client went away.
        signatures: that were verified: of requests, events and ends of input.
    """

    refused: int = 0
    streams: int = 0
    failed: int = 0
    signatures: int = 0


class Cut(Exception):
    """The stream was ended in a way that leaves nothing to say to the client."""


class Service:
    """What all streams of a server share: its handlers, its accounts, its limits, and who is there.

    It is called with each stream.

    Args:
        handlers: what answers the streams of each operation.
        accounts: whose signatures are accepted; None: signatures are not checked.
        region: the one that requests must be signed for; None: any.
        limits: what a client may ask for.
        faults: what goes wrong on request.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.

    Attributes:
        accounts: by their access keys.
        statistics: what came and went so far.
    """

    log = _log

    def __init__(
        self,
        handlers: Mapping[Operation[Any, Any, Any, Any], Handler],
        *,
        accounts: Iterable[Credentials] | None,
        region: str | None = None,
        limits: Limits = Limits(),
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
    ) -> None:
        if not handlers:
            raise ValueError("a server needs at least one operation")
        if isinstance(faults, (str, Fault)):
            faults = (faults,)
        self.handlers = dict(handlers)
        self.accounts = None if accounts is None else {account.access_key: account for account in accounts}
        self.region = region
        self.limits = limits
        self.faults = Faults(fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults)
        self.clock = clock
        self.max_clock_skew = max_clock_skew
        self.statistics = self._statistics()
        self._present: dict[str, Conversation[Any, Any, Any, Any]] = {}
        self._there: set[Conversation[Any, Any, Any, Any]] = set()  # also those whose place was taken, until they go
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def _statistics(self) -> Statistics:
        return Statistics()

    async def __call__(self, channel: ServerChannel) -> None:
        """Answer one request, to its end."""
        matching = (operation for operation in self.handlers if operation.match(channel.path) is not None)
        operation = next(matching, next(iter(self.handlers)))
        await Conversation(self, channel, operation).run(self.handlers[operation])

    async def over_websocket(self, channel: ServerSocket) -> None:
        """Answer what comes over a WebSocket, to its end."""
        operation = next(op for op in self.handlers if op.match_websocket(channel.path) is not None)
        await Conversation(self, channel, operation, websocket_id=channel.id).run(self.handlers[operation])

    def no_websocket(self, path: str) -> str | None:
        """Say why there is no WebSocket at a path; None if there is one."""
        if any(operation.match_websocket(path) is not None for operation in self.handlers):
            return None
        paths = [operation.websocket_path for operation in self.handlers if operation.websocket_path is not None]
        none = [operation.name for operation in self.handlers if operation.websocket_path is None]
        text = f"There is no WebSocket at {quote(path.partition('?')[0])}, but at {', '.join(paths) or 'no path'}."
        return f"{text} {', '.join(none)}: over HTTP/2 only." if none else text

    def enter(
        self, key: str, conversation: Conversation[Any, Any, Any, Any], conflict: ServiceError | None = None
    ) -> None:
        """Let a stream in. If another one has the same key, it takes that one's place: until that one has ended, there
        is one more than there may be.

        Args:
            key: what the stream is known by, e.g. a session's id.
            conversation: the stream.
            conflict: what another stream with this key is ended with.

        Raises:
            ServiceError: there are as many streams as there may be, or no more are let in.
        """
        operation = conversation.operation
        if self._draining:
            raise self._shutting_down(operation)
        other = self._present.get(key)
        if len(self._there) - (other is not None) >= self.limits.max_streams:
            text = f"There are {self.limits.max_streams} concurrent streams, the limit."
            raise operation.make_error(operation.codes.throttled, text)
        bound = operation.streams_per_connection if self.limits.as_operations_say else None
        if bound is not None and sum(there.shares(conversation) for there in self._there) >= bound:
            text = f"A connection can have only {bound} {'stream' if bound == 1 else 'streams'} at a time."
            raise operation.make_error(operation.codes.invalid, text)
        if other is not None and conflict is not None:
            other.interrupt(conflict)
        self._present[key] = conversation
        self._there.add(conversation)
        self._empty.clear()

    def leave(self, key: str, conversation: Conversation[Any, Any, Any, Any]) -> None:
        """Remove a stream; a newer one may already have taken over its key."""
        self._there.discard(conversation)
        if self._present.get(key) is conversation:
            del self._present[key]
        if not self._there:
            self._empty.set()

    async def drain(self, grace: float) -> None:
        """Let nobody in any more, and wait until the streams that are there have ended.

        Args:
            grace: seconds after which they are ended with an exception.
        """
        self._draining = True
        await self._until_empty(grace)
        for conversation in list(self._there):
            conversation.interrupt(self._shutting_down(conversation.operation))
        await self._until_empty(_INTERRUPTED_WITHIN)

    async def _until_empty(self, seconds: float) -> None:
        """Or until the seconds are over."""
        with suppress(asyncio.TimeoutError):
            async with timeout_after(seconds):
                await self._empty.wait()

    def _shutting_down(self, operation: Operation[Any, Any, Any, Any]) -> ServiceError:
        return operation.make_error(operation.codes.unavailable, f"The {self.what} is shutting down.")

    what = "server"
    """What it calls itself in texts."""

    input = "the request"
    """What it calls what it is sent."""

    def words(self, error: Exception) -> str:
        """Say what is wrong with what has come."""
        return str(error)

    def silence(self) -> str:
        """Say that no event has come for too long."""
        return f"Your request timed out because no new event was received for {self.limits.input_timeout:g} seconds."


class Conversation(Generic[_Request, _Response, _In, _Out]):
    """One stream of a server, from its request to its end. Made in the task that runs it.

    It is an asynchronous iterator over the events that come, verified, which ends with the client's input; one of an
    unknown type is its `Message`. It raises what is wrong with them after the events before; a handler lets that pass.

    Args:
        service: what it shares with the others.
        channel: the request.
        operation: what is asked for.
        websocket_id: the id of the WebSocket that the request has opened; None: it came over HTTP/2.

    Attributes:
        operation: as given.
        request_id: an id of the exchange, which is in the response.
        renews: whether each event that comes renews the time that the client has for the next one; otherwise `renew`
            does.
        note: what the log says of the stream beside its end.
    """

    def __init__(
        self,
        service: Service,
        channel: ServerChannel,
        operation: Operation[_Request, _Response, _In, _Out],
        *,
        websocket_id: str | None = None,
    ) -> None:
        self.operation = operation
        self.request_id = websocket_id or str(uuid4())
        self._websocket = websocket_id is not None
        self.renews = True
        self.note = ""
        self._service = service
        self._channel = channel
        self._session = ServerSession(
            operation,
            service.accounts,
            region=service.region,
            clock=service.clock,
            max_clock_skew=service.max_clock_skew,
            max_payload_length=operation.max_event_length,
            websocket=self._websocket,
        )
        self._events: deque[_In | Message] = deque()
        self._end_counted = False
        self._key = ""
        self._responded = False
        self._event_count = 0
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + service.limits.input_timeout
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[object] = task
        self._receiving = False
        self._interruption: ServiceError | None = None

    @property
    def request(self) -> _Request:
        """What was requested."""
        request = self._session.request
        assert request is not None
        return request

    @property
    def input_ended(self) -> bool:
        """Whether the client's input has ended, as it should; the last events may still have to be taken."""
        return self._session.input_ended

    @property
    def unsigned(self) -> bool:
        """Whether the events that come have no signatures, as on a WebSocket; known once the first one has come."""
        return self._session.unsigned

    def shares(self, other: Conversation[Any, Any, Any, Any]) -> bool:
        """Whether both are on one connection."""
        return self._channel.connection is other._channel.connection

    def interrupt(self, error: ServiceError) -> None:
        """End the stream with an error as soon as it waits for its client. A second one has no effect."""
        if self._interruption is None:
            self._interruption = error
            if self._receiving:
                self._task.cancel()

    # From the request to the end

    async def run(self, handler: Handler) -> None:
        """Answer the request in every case."""
        statistics = self._service.statistics
        fate = "cancelled"
        try:
            error = await self._attempt(handler)
            if error is not None:
                fate = str(error) if error.__cause__ is None else f"{error} ({error.__cause__})"
                await self._tell(error)
            else:
                fate = "ended"
        except (Cut, StreamError) as cut:
            fate = str(cut)
        finally:
            if not self._responded:
                statistics.refused += 1
            elif fate != "ended":
                statistics.failed += 1
            self._service.leave(self._key, self)
            self._service.log.info(
                "request %s: %s", self.request_id, printable(f"{self.note}; {fate}" if self.note else fate)
            )
        await self._linger()

    async def _attempt(self, handler: Handler) -> ServiceError | None:
        """Do all that there is to do; return what the client is to be told if it cannot be done."""
        try:
            await self._open()
            if _yields(handler):
                await self._exchange(handler(self.request, self))
            else:
                await cast("Awaitable[None]", handler(self))
            if not self._responded:
                raise RuntimeError("the handler returned before it called respond")
            await self._channel.end()
        except ServiceError as error:
            return error
        except (DecodeError, IncompleteStream, VerificationError, InvalidEvent) as error:
            refused = self.refusal(self._service.words(error))
            if refused.message != str(error):
                refused.__cause__ = error  # for the log
            return refused
        except (Cut, StreamError):
            raise
        except Exception:
            return self.failure("it failed")
        return None

    async def _exchange(self, outputs: Any) -> None:
        """Send what a generator yields."""
        try:
            await self.admit()
            await self.respond()
            async for event in outputs:
                await self.send(event)
        finally:
            await outputs.aclose()

    async def _tell(self, error: ServiceError) -> None:
        channel = self._channel
        if self._websocket and not self._responded:  # which has begun, whatever the request is
            await self._send(error_to_message(error, self.operation.text_member).encode())
        elif not self._responded:
            error.request_id = self.request_id
            status, headers, body = error_to_response(error, self.operation.text_member)
            headers.append(self._date())
            if channel.method == "HEAD":
                await channel.respond(status, headers, end=True)
                return
            await channel.respond(status, headers)
            await self._send(body)
        else:
            try:
                wire = self._session.send_exception(error)
            except InvalidHeaderValue:  # a handler's own, with a code that no header can hold
                wire = self._session.send_exception(self.failure("its error cannot be told"))
            await self._send(wire)
        await channel.end()

    async def _linger(self) -> None:
        """Let the client end its request. If it was reset at once, sending would fail before the answer is read."""
        end = self._now() + _LINGER
        with suppress(TimeoutError, StreamError, InvalidFrame):
            # What is there is returned at once, however little time is left.
            while (left := end - self._now()) > 0 and await self._channel.receive(left):
                pass

    # Errors for the client

    def refusal(self, text: str) -> ServiceError:
        """Return the operation's error for what is not allowed."""
        return self.operation.make_error(self.operation.codes.invalid, text)

    def failure(self, what: str) -> ServiceError:
        """Return the operation's error for a fault of the server; the log gets the exception that is being handled."""
        self._service.log.exception("request %s: %s", self.request_id, what)
        text = f"The {self._service.what} failed to process {self._service.input}; its log says why."
        return self.operation.make_error(self.operation.codes.internal, text)

    # The request

    async def _open(self) -> None:
        """Read the request, and check it.

        Raises:
            ServiceError: it is refused.
        """
        channel = self._channel
        try:
            self._session.receive_request(channel.method, channel.path, channel.headers)
            self._count_signature()
            while self._session.request is None:
                await self._receive_events()
        except VerificationError as error:
            raise self._signature_error(error) from None
        except InvalidRequest as error:
            if error.problems.keys() & {"method", "path"}:
                refused = make_error(self.operation.error, "UnknownOperationException", str(error), None, b"")
                refused.status_code = 404
                raise refused from None
            raise self.refusal(str(error)) from None

    def _signature_error(self, error: VerificationError) -> ServiceError:
        """Return the error of AWS that a request's bad signature gets."""
        fields = dict(self._channel.headers)
        if self._websocket:  # the same, in the query
            query = dict(parse_qsl(self._channel.path.partition("?")[2]))
            fields = {"x-amz-security-token": query[_TOKEN]} if _TOKEN in query else {}
            if "X-Amz-Signature" in query:
                fields["authorization"] = f"Credential={query.get('X-Amz-Credential')}"
        authorization = fields.get("authorization", "")
        access_key = _ACCESS_KEY.search(authorization)
        if not authorization:
            code = "MissingAuthenticationTokenException"
        elif access_key is None:
            code = "IncompleteSignatureException"
        elif isinstance(error, (SignatureMismatch, DateSkew)):
            code = "InvalidSignatureException"
        else:
            account = (self._service.accounts or {}).get(access_key[1])
            token = fields.get("x-amz-security-token")
            known = account is not None and account.session_token == token
            code = "IncompleteSignatureException" if known else "UnrecognizedClientException"
        refused = make_error(self.operation.error, code, str(error), None, b"")
        refused.status_code = 403
        return refused

    async def admit(self, key: str | None = None, conflict: ServiceError | None = None) -> None:
        """Take a place among the server's streams; see `Service.enter`.

        Args:
            key: what the stream is known by; None: its request id.
            conflict: what another stream with this key is ended with.

        Raises:
            ServiceError: the limit of streams is reached.
        """
        key = key or self.request_id
        self._service.enter(key, self, conflict)
        self._key = key
        fault = self._service.faults.at(0)
        if fault is not None:
            await self._strike(fault, b"")

    async def respond(self, response: _Response | None = None) -> None:
        """Begin the response.

        Args:
            response: what is answered; None: what the operation's `reply` gives.

        Raises:
            StateError: it was called before.
            StreamError: the stream was cut short.
        """
        operation = self.operation
        if response is None and operation.reply is not None:
            response = operation.reply(self.request)
        parts = None if response is None else operation.response.write(response)
        headers = [] if parts is None else list(parts.headers)
        given = {name for name, _ in headers}
        ids = [(name, self.request_id) for name in _REQUEST_ID_HEADERS if name not in given]
        await self._channel.respond(200, [("content-type", CONTENT_TYPE), self._date(), *ids, *headers])
        self._responded = True
        self._service.statistics.streams += 1
        self.renew()
        if parts is not None and parts.initial is not None:
            await self._send(parts.initial.encode())

    def _date(self) -> tuple[str, str]:
        return "date", format_datetime(self._service.clock().astimezone(timezone.utc), usegmt=True)

    # Events that come

    def renew(self) -> None:
        """Give the client its time for the next event anew."""
        self._deadline = self._now() + self._service.limits.input_timeout

    def __aiter__(self) -> Self:
        """Return the iterator over the events that come."""
        return self

    async def __anext__(self) -> _In | Message:
        """Return the next event, once it has come."""
        while not self._events:
            self._session.check()
            if self._session.input_ended:
                if not self._end_counted:
                    self._end_counted = True
                    self._count_signature()
                raise StopAsyncIteration
            # A client that sends without a pause, if nothing that counts, never lets its bytes be waited for.
            if self._now() > self._deadline:
                raise self.refusal(self._service.silence())
            await self._receive_events()
        self._count_signature()
        if self.renews:
            self.renew()
        return self._events.popleft()

    async def _receive_events(self) -> None:
        data = await self._receive()
        if not data:
            self._session.receive_eof()  # an error, if the end of the input is missing
            return
        try:
            self._events.extend(self._session.receive(data))
        except Exception:
            if not self._events:  # otherwise those come first, and the session remembers
                raise

    async def _receive(self) -> bytes:
        """Return the next bytes of the request's body; none at its end.

        Raises:
            ServiceError: nothing has come for too long, or the stream was interrupted.
        """
        if self._interruption is not None:
            raise self._interruption
        self._receiving = True
        try:
            return await self._channel.receive(max(0.0, self._deadline - self._now()))
        except TimeoutError:
            raise self.refusal(self._service.silence()) from None
        except asyncio.CancelledError:
            if self._interruption is None:
                raise
            # Since Python 3.11 a task remembers that it was cancelled.
            if hasattr(self._task, "uncancel"):  # pragma: no branch (not both in one Python)
                self._task.uncancel()
            raise self._interruption from None
        finally:
            self._receiving = False

    def _count_signature(self) -> None:
        if self._service.accounts is not None and not self._session.unsigned:
            self._service.statistics.signatures += 1

    # Events that go

    async def send(self, event: _Out) -> None:
        """Send an event. It waits while the client takes no more.

        Raises:
            Exception: the stream is over; a handler lets it pass.
        """
        wire = self._session.send(event)
        self._event_count += 1
        fault = self._service.faults.at(self._event_count)
        if fault is not None:
            wire = await self._strike(fault, wire)
        await self._send(wire)

    async def _strike(self, fault: Fault, wire: bytes) -> bytes:
        """Return what becomes of an event that a fault strikes."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay)
            return wire
        if fault.kind == "bad-crc":
            return wire[:-1] + bytes([wire[-1] ^ 1])
        if fault.kind == "exception":
            text = f"The {self._service.what} was asked for this exception."
            raise self.operation.make_error(fault.argument, text)
        if fault.kind == "truncate":
            await self._send(wire[: len(wire) // 2])
            await self._channel.end()
        elif fault.kind == "early-end":
            if not self._responded:
                await self.respond()
            await self._channel.end()
        else:
            await self._channel.reset(ErrorCodes.INTERNAL_ERROR)
        raise Cut(f"{fault.kind}, as was asked for")

    async def _send(self, wire: bytes) -> None:
        """Send bytes of the response.

        Raises:
            Cut: the client takes none; the stream was reset.
        """
        seconds = self._service.limits.input_timeout
        try:
            await self._channel.send(wire, timeout=seconds)
        except TimeoutError:
            await self._channel.reset(ErrorCodes.CANCEL)
            raise Cut(f"the client took nothing for {seconds:g} seconds") from None


def _yields(handler: Handler) -> bool:
    return inspect.isasyncgenfunction(handler) or inspect.isasyncgenfunction(getattr(handler, "__call__", None))  # noqa: B004


class Server:
    """A server over HTTP/2, and over WebSockets on a port of their own: an asynchronous context manager that serves
    within its block. It serves once.

    At the end of the block streams that still run are ended with an exception; `drain` before it gives them time.

    Args:
        handlers: what answers the streams of each operation; see `Handler`.
        credentials: whose signatures are accepted; None: signatures are not checked, and need not be there, as in
            requests with a bearer token, which is not checked either.
        host: the address to listen on; the default is reachable from this machine only.
        port: 0 for any that is free.
        ssl: a context with the server's certificate; None: plaintext.
        region: the one that requests must be signed for; None: any.
        limits: what a client may ask for.
        connections: what connections may cost.
        faults: what goes wrong on request: each a `eventstream.faults.Fault`, or as it is written on the command line.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        websocket_port: the port for WebSockets, 0 for any that is free; None: there are none. They are opened by
            presigned URLs, and events may then go signed or unsigned.
        websocket_ssl: a context with the server's certificate for that port; needed where `ssl` is given.

    Raises:
        ValueError: no operation was given, a fault is unknown, or a context is missing.
    """

    def __init__(
        self,
        handlers: Mapping[Operation[Any, Any, Any, Any], Handler],
        *,
        credentials: Iterable[Credentials] | None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: SSLContext | None = None,
        region: str | None = None,
        limits: Limits = Limits(),
        connections: ConnectionLimits = ConnectionLimits(),
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        websocket_port: int | None = None,
        websocket_ssl: SSLContext | None = None,
    ) -> None:
        service = Service(
            handlers,
            accounts=credentials,
            region=region,
            limits=limits,
            faults=faults,
            clock=clock,
            max_clock_skew=max_clock_skew,
        )
        self._prepare(service, host, port, ssl, connections, websocket_port, websocket_ssl)

    def _prepare(
        self,
        service: Service,
        host: str,
        port: int,
        ssl: SSLContext | None,
        connections: ConnectionLimits,
        websocket_port: int | None,
        websocket_ssl: SSLContext | None,
    ) -> None:
        if websocket_port is not None and (ssl is None) != (websocket_ssl is None):
            raise ValueError("with TLS both ports need a context: ssl and websocket_ssl")
        self._service = service
        self._connections = connections
        self._host = host
        self._port = port
        self._ssl = ssl
        self._websocket_port = websocket_port
        self._websocket_ssl = websocket_ssl
        self._routes: dict[str, Route] = {}

    @property
    def endpoint(self) -> str:
        """Its address, e.g. ``http://127.0.0.1:49152``; within the block."""
        return self._address("http" if self._ssl is None else "https", self._port)

    @property
    def websocket_endpoint(self) -> str | None:
        """The address of its WebSockets, e.g. ``ws://127.0.0.1:49153``; None if it has none. Within the block."""
        if self._websocket_port is None:
            return None
        return self._address("ws" if self._websocket_ssl is None else "wss", self._websocket_port)

    def _address(self, scheme: str, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{port}"

    @property
    def statistics(self) -> Statistics:
        """What came and went so far."""
        return self._service.statistics

    async def drain(self, grace: float) -> None:
        """Refuse new streams, and wait until those that run have ended.

        Args:
            grace: seconds after which they get an exception.
        """
        await self._service.drain(grace)

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        async with AsyncExitStack() as stack:
            self._enter(stack)
            server = await stack.enter_async_context(
                serve(
                    self._service,
                    self._host,
                    self._port,
                    ssl=self._ssl,
                    # One more than are let in, so that the one too many is told why.
                    max_concurrent_streams=max(MAX_CONCURRENT_STREAMS, self._service.limits.max_streams + 1),
                    drain_timeout=0,
                    **vars(self._connections),
                )
            )
            self._port = server.port
            if self._websocket_port is not None:
                self._websocket_port = await self._serve_websockets(stack, self._websocket_port)
            stack.push_async_callback(self.drain, 0)
            self._stack = stack.pop_all()
        return self

    async def _serve_websockets(self, stack: AsyncExitStack, port: int) -> int:
        """Listen for WebSockets, and return the port."""
        try:
            from eventstream import websocket
        except ModuleNotFoundError as error:
            raise without_websockets(error) from error
        connections = self._connections
        server = await stack.enter_async_context(
            websocket.serve(
                self._service.over_websocket,
                *(self._host, port),
                ssl=self._websocket_ssl,
                refuse=self._service.no_websocket,
                routes=self._routes,
                handshake_headers=lambda socket: [(name, socket.id) for name in _REQUEST_ID_HEADERS],
                max_connections=connections.max_connections,
                max_connections_per_peer=connections.max_connections_per_peer,
                backlog=connections.backlog,
                idle_frames=connections.idle_frames,
            )
        )
        return server.port

    def _enter(self, stack: AsyncExitStack) -> None:
        """Let a subclass add what is closed after the server."""

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening, and end the streams that still run."""
        await self._stack.__aexit__(exc_type, exc, traceback)
