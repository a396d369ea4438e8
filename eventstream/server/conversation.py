"""One stream of a server, from its request to its end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timezone
from email.utils import format_datetime
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast
from uuid import uuid4

from eventstream._codec import Message
from eventstream._text import printable
from eventstream.exceptions import (
    DecodeError,
    IncompleteStream,
    InvalidHeaderValue,
    ServiceError,
    VerificationError,
)
from eventstream.http2 import ErrorCodes, StreamError
from eventstream.operation import (
    CONTENT_TYPE,
    InvalidEvent,
    InvalidRequest,
    Operation,
    error_to_message,
    error_to_response,
)
from eventstream.server.refusals import signature_error, unknown_operation
from eventstream.session import ServerSession

if TYPE_CHECKING:
    from typing_extensions import Self

    from eventstream.faults import Fault
    from eventstream.server.service import Service
    from eventstream.transport import ServerChannel

_REFUSAL_TIMEOUT = 1.0
"""Seconds in which a client should have taken a refusal."""

REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amzn-request-id")
"""Headers of the response with its id: AWS's services have the one or the other."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")

Handler: TypeAlias = Callable[..., "AsyncIterator[Any] | Awaitable[None]"]
"""What answers the streams of an operation: an asynchronous generator function of the request and the events that come,
which yields the events that go; or a coroutine function of a `Conversation`, which then also says when the response
begins."""


class Cut(Exception):
    """The stream was ended, and nothing more can be sent to the client."""


class Conversation(Generic[_Request, _Response, _In, _Out]):
    """One stream of a server, from its request to its end. Made in the task that runs it.

    It is an asynchronous iterator over the verified events, which ends with the client's input; an event of an unknown
    type is its `Message`. Errors are raised after the events before them; a handler should not catch them.

    Attributes:
        operation: the operation that was requested.
        request_id: an id of the exchange, which is in the response: that of the WebSocket, if it is one.
        renews: whether each event that comes renews the time that the client has for the next one; otherwise `renew`
            does.
        note: what the log says about the stream, besides how it ended.
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

    async def _attempt(self, handler: Handler) -> ServiceError | None:
        """Run the whole exchange; return the error to send to the client if it fails."""
        try:
            await self._open()
            if _yields(handler):
                await self._exchange(handler(self.request, self))
            else:
                await cast("Awaitable[None]", handler(self))
            if not self._responded:
                raise RuntimeError("the handler returned before calling respond")
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
        except Exception as error:
            return self.failure("it failed" if _has_begun(handler, error) else f"it failed: {_expected(handler)}")
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
        if self._websocket and not self._responded:  # the response has begun, whatever the request is
            await self._send(error_to_message(error, self.operation.text_member).encode())
        elif not self._responded:
            error.request_id = self.request_id
            status, headers, body = error_to_response(error, self.operation.text_member)
            headers.append(self._date())
            if channel.method == "HEAD":
                await channel.respond(status, headers, end=True)
                return
            await channel.respond(status, headers)
            await self._send(body, _REFUSAL_TIMEOUT)  # no longer: the client may be a stranger
        else:
            try:
                wire = self._session.send_exception(error)
            except InvalidHeaderValue:  # a handler's own error, with a code that no header can hold
                wire = self._session.send_exception(self.failure("its error cannot be sent"))
            await self._send(wire)
        await channel.end()

    # Errors for the client

    def refusal(self, text: str) -> ServiceError:
        """Return the operation's error for an invalid request or event."""
        return self.operation.make_error(self.operation.codes.invalid, text)

    def failure(self, what: str) -> ServiceError:
        """Return the operation's error for a fault of the server. The log gets the exception that is being handled, at
        most one a second.
        """
        self._service.failures(logging.ERROR, "request %s: %s", self.request_id, what, exc_info=True)
        text = f"The {self._service.what} failed to process {self._service.input}; see its log."
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
            service = self._service
            refused = signature_error(
                *(self.operation, error, service.words(error), channel, service.accounts), websocket=self._websocket
            )
            raise refused from None
        except InvalidRequest as error:
            if error.problems.keys() & {"method", "path"}:
                raise unknown_operation(self.operation, str(error)) from None
            raise self.refusal(str(error)) from None

    async def admit(self, key: str | None = None, conflict: ServiceError | None = None) -> None:
        """Take a place among the server's streams.

        It takes the place of another stream with the same key: until that one has ended, the limit is exceeded by one.

        Args:
            key: what the stream is known by, e.g. a session's id; None: its request id.
            conflict: what another stream with this key is ended with.

        Raises:
            ServiceError: the limit of streams is reached, or the server is draining.
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
            response: the response; None: what the operation's `reply` gives.

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
        ids = [(name, self.request_id) for name in REQUEST_ID_HEADERS if name not in given]
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
            Exception: the stream is over; a handler should not catch it.
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
        raise Cut(f"{fault.kind}, as requested")

    async def _send(self, wire: bytes, seconds: float | None = None) -> None:
        """Send bytes of the response.

        Args:
            wire: the bytes.
            seconds: that the client may refuse to take them; None: as many as for an event.

        Raises:
            Cut: the client takes none; the stream was reset.
        """
        if seconds is None:
            seconds = self._service.limits.input_timeout
        try:
            await self._channel.send(wire, timeout=seconds)
        except TimeoutError:
            await self._channel.reset(ErrorCodes.CANCEL)
            raise Cut(f"the client read nothing for {seconds:g} seconds") from None


def _yields(handler: Handler) -> bool:
    """Whether a handler, or what it hands its arguments on to, is an asynchronous generator function."""
    if inspect.isasyncgenfunction(handler) or inspect.isasyncgenfunction(getattr(handler, "__call__", None)):  # noqa: B004
        return True
    wrapped = None if inspect.iscoroutinefunction(handler) else _wrapped(handler)
    return wrapped is not None and _yields(wrapped)


def _wrapped(handler: Handler) -> Handler | None:
    """Return what a handler hands its arguments on to: what it wraps, if it takes ``(*args, **kwargs)``.

    None: it hands them on to nothing, or that cannot be told.
    """
    wrapped = getattr(handler, "__wrapped__", None)
    if not callable(wrapped):
        return None
    try:
        kinds = [parameter.kind for parameter in _signature(handler).parameters.values()]
    except Exception:
        return None
    if kinds != [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return None
    if inspect.ismethod(handler):
        # The method need not hand on `self` to an instance with `__call__`, which has no `__get__`, nor to a partial,
        # which has one that differs between versions.
        bind = None if isinstance(wrapped, partial) else getattr(wrapped, "__get__", None)
        if bind is None:
            return None
        wrapped = bind(handler.__self__)
    return cast("Handler", wrapped)


def _signature(handler: Handler) -> inspect.Signature:
    """Return what a handler itself takes, rather than what it wraps does; no annotation is evaluated."""
    if sys.version_info >= (3, 14):  # pragma: no cover (newer than the Python that is traced)
        from annotationlib import Format

        return inspect.signature(handler, follow_wrapped=False, annotation_format=Format.STRING)
    return inspect.signature(handler, follow_wrapped=False)


def _takes(handler: Handler, arguments: tuple[None, ...], *, with_more: bool = False) -> bool:
    """Whether a handler, and what it hands these arguments on to, take them.

    Args:
        handler: the handler.
        arguments: in place of those with which it will be called.
        with_more: whether it may get more of them: an adapter may add some, such as a connection to a database.
    """
    try:
        signature = _signature(handler)
    except Exception:  # e.g. it is made in C; Python evaluates code of the handler's author here, which may fail
        return True
    try:
        (signature.bind_partial if with_more else signature.bind)(*arguments)
    except TypeError:
        return False
    wrapped = _wrapped(handler)
    return wrapped is None or _takes(wrapped, arguments, with_more=True)


def check_handler(handler: Handler) -> None:
    """Check that a handler can be called as what it is.

    An adapter that takes ``(*args, **kwargs)``, and names with `functools.wraps` what it wraps, is taken to hand its
    arguments on, and possibly more.

    Raises:
        TypeError: it takes the request and the events, but is not an asynchronous generator function; or something else
            that no handler takes.
    """
    if callable(handler):
        arguments = (None, None) if _yields(handler) else (None,)
        if _takes(handler, arguments):
            return
    raise TypeError(_expected(handler))


def _expected(handler: Handler) -> str:
    return (
        f"the handler {getattr(handler, '__name__', repr(handler))} must be an asynchronous generator function of "
        "(request, events), which yields the answers, or a coroutine function of a Conversation"
    )


def _has_begun(handler: Handler, error: Exception) -> bool:
    """Whether an error may come from within a handler, and not from the arguments with which an adapter called it.

    `check_handler` cannot tell what arguments an adapter adds.
    """
    arguments = (None, None) if _yields(handler) else (None,)
    while (wrapped := _wrapped(handler)) is not None:
        handler = wrapped
    codes = {frame.f_code for frame, _ in walk_tb(error.__traceback__)}
    return not isinstance(error, TypeError) or _takes(handler, arguments) or getattr(handler, "__code__", None) in codes
