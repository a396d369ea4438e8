"""A bidirectional exchange of events on one HTTP stream: the client's end and the server's, without any I/O.

The client's request opens the exchange, and its signature is the seed of all that follow. Then both sides send at the
same time: the client sends signed events, and a signed empty message at the end; the server sends events until it ends
the stream, or says in an ``exception`` or ``error`` message why it gives up. An end of the exchange turns what is to be
sent into bytes, and received bytes into events; its ``parse`` function knows what an event means.

Events received before a fault are delivered before the error is raised. Then that direction is over, no matter what
failed, and every later call raises an equal error. For the client the whole exchange is then over, while a server may
still say what went wrong. The end of the input is a fault unless the stream is complete: a stream that was cut never
looks like one that ended, and neither does one that ended before the client had sent everything.

Without a signer, events are sent unsigned, and a message with an empty payload ends them, as on WebSockets. A server
accepts unsigned events if the request was presigned. A server without credentials accepts both, and does not check
signatures.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from eventstream._codec import Decoder, Message, decode
from eventstream.exceptions import IncompleteStream, StateError, UnexpectedMessage, VerificationError
from eventstream.signing import (
    MAX_CLOCK_SKEW,
    MAX_EXPIRES,
    CredentialsSource,
    EventSigner,
    EventVerifier,
    VerifiedRequest,
    utc_now,
    verify_presigned,
    verify_request,
)
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from collections import deque

    from typing_extensions import Buffer

__all__ = ["ClientExchange", "ServerExchange", "plain"]

T = TypeVar("T")

_SIGNATURE = ":chunk-signature"
"""The header that every signed event has."""


def plain(message: Message) -> Message:
    """Return the message itself as its event: the simplest ``parse`` function.

    Raises:
        ServiceError: the message is an ``exception`` or an ``error``.
    """
    message.raise_for_error()
    return message


class _Incoming(Generic[T]):
    """The receiving half: an iterator that stops when it needs more bytes and resumes after the next `feed`.

    Args:
        read: turns a message into what is delivered, or None for nothing. What it raises is final.

    Attributes:
        error: why nothing more can be received, if so.
        last: the event type of the last message.
        ended: whether the input has ended, and was complete.
    """

    def __init__(
        self, read: Callable[[Message], T | None], max_headers_length: int | None, max_payload_length: int | None
    ) -> None:
        self._read = read
        self._decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
        self._exhausted = True
        self.error: Exception | None = None
        self.last: str | None = None
        self.ended = False

    def check(self) -> None:
        if self.error is not None:
            raise _again(self.error)

    def fail(self, error: BaseException) -> None:
        """Make every later call raise an equal error, if this is the first."""
        if self.error is None:
            if not isinstance(error, Exception):  # e.g. a KeyboardInterrupt, which nobody wants to see twice
                error = StateError(f"the exchange was cut short by {type(error).__name__}")
            self.error = _again(error)

    def feed(self, data: Buffer) -> Iterator[T]:
        self.check()
        self._decoder.feed(data)
        self._exhausted = False
        return self

    def feed_into(self, data: Buffer, events: deque[T]) -> None:
        """Receive bytes, and append all events that are now complete; the same as iterating, in fewer calls."""
        if self.error is not None:
            self.check()
        try:
            for message in self._decoder.feed(data):
                self.last = message.event_type
                event = self._read(message)
                if event is not None:
                    events.append(event)
        except BaseException as error:
            self.fail(error)
            raise
        self._exhausted = True

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self.error is not None:
            self.check()
        while (message := self._next_message()) is not None:
            try:
                self.last = message.event_type
                event = self._read(message)
            except BaseException as error:
                self.fail(error)
                raise
            if event is not None:
                return event
        self._exhausted = True
        raise StopIteration

    def _next_message(self) -> Message | None:
        try:
            return next(self._decoder, None)
        except StateError:  # of this call only: another thread makes one
            raise
        except BaseException as error:
            self.fail(error)
            raise

    def end(self, missing: Callable[[], str | None], expected: Collection[str] = ()) -> None:
        """Take note that the input has ended: an error unless it did so after a message, and nothing is missing."""
        self.check()
        if not self._exhausted:
            raise StateError("received events have not been taken: iterate to the end before receive_eof")
        try:
            self._decoder.close()
            reason = missing()
            if reason is not None:
                raise IncompleteStream(self._decoder.offset, self.last, expected, reason or None)
        except StateError:
            raise
        except BaseException as error:
            self.fail(error)
            raise
        self.ended = True


def _again(error: Exception) -> Exception:
    """Return an equal error without its traceback, or the same one if it cannot be copied."""
    try:
        return copy.copy(error)
    except Exception:
        return error.with_traceback(None)


class ClientExchange(Generic[T]):
    """The client's end: signed events out, events in. One thread at a time.

    After an error of the service, a fault in what it sent or an early end, every later call raises an equal error.

    Args:
        signer: begins with the signature of the request; None: events are sent as they are.
        parse: turns each message from the service into what `receive` yields, or None to skip it; what it raises ends
            the exchange.
        last: the event types with which a complete response ends; none: it may end with any event, or without one.
        may_end_early: whether the service may end its response before the client has called `finish`.
        max_headers_length: the limit of a received message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a received message's payload in bytes; None for the format's own bound.

    Attributes:
        receive_into: takes the next bytes of the response and a deque, to which it appends the events that are now
            complete. It raises what `receive` and its iterator raise, after the events before.
    """

    def __init__(
        self,
        signer: EventSigner | None,
        parse: Callable[[Message], T | None],
        *,
        last: Collection[str] = (),
        may_end_early: bool = False,
        max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
        max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
    ) -> None:
        self._signer = signer
        self._last = frozenset(last)
        self._may_end_early = may_end_early
        self._incoming = _Incoming(parse, max_headers_length, max_payload_length)
        self._finished = False
        self.receive_into: Callable[[Buffer, deque[T]], None] = self._incoming.feed_into  # for every piece, so directly

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self._finished

    @property
    def ended(self) -> bool:
        """Whether the response has ended, and was complete."""
        return self._incoming.ended

    def send(self, event: Message) -> bytes:
        """Return the event as it is sent: signed, in wire form.

        Raises:
            StateError: `finish` was called.
            ValueError: the payload is empty and no signer wraps it, which would end the stream.
            EncodeLimitExceeded: the event is over 24 MiB, and would be signed.
            IncompleteStream: the response has ended early.
            Exception: an equal one was raised by `receive` or `receive_eof`.
        """
        if self._finished or self._incoming.error is not None:
            self.check_sending()
        if self._signer is not None:
            return self._signer.sign(event.encode())
        if not event.payload:
            raise ValueError("without signatures an empty payload ends the stream: call finish")
        return event.encode()

    def finish(self, unsigned: Message | None = None) -> bytes:
        """Return the end of the client's events, in wire form; those of the service still come.

        Args:
            unsigned: the message, with an empty payload, that says so where there is no signer; None: an empty one.

        Raises:
            StateError: it was called before.
            Exception: an equal one was raised by `receive` or `receive_eof`.
        """
        self.check_sending()
        wire = self._signer.finish() if self._signer is not None else (unsigned or Message()).encode()
        self._finished = True
        return wire

    def check_sending(self) -> None:
        """Check that events can still be sent.

        Raises:
            StateError: `finish` was called.
            Exception: an equal one was raised by `receive` or `receive_eof`.
        """
        self._incoming.check()
        if self._finished:
            raise StateError("nothing can be sent after the end of the events")

    def check(self) -> None:
        """Raise an equal error if the exchange is over with one."""
        self._incoming.check()

    def receive(self, data: Buffer) -> Iterator[T]:
        """Receive the next bytes of the response.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete. It raises what follows, and what `parse` raises, after
            the events before; what is left in it the next call's iterator yields.

        Raises:
            StateError: `receive_eof` was called.
            DecodeError: the bytes are not a valid message.
            ServiceError: the service gave up; `parse` decides on the class.
        """
        return self._incoming.feed(data)

    def receive_eof(self, *, all_sent: bool = True) -> None:
        """Take note that the response has ended.

        Args:
            all_sent: whether what `finish` returned was sent as a whole.

        Raises:
            TruncatedMessage: it ends in the middle of a message.
            IncompleteStream: it ends before `finish` was called, or without the event that a complete one ends with.
            StateError: the iterator of `receive` was not iterated over to its end.
            Exception: an equal one was raised before.
        """
        self._incoming.end(lambda: self._missing(all_sent), self._last)

    def _missing(self, all_sent: bool) -> str | None:
        if not ((self._finished and all_sent) or self._may_end_early):
            return "the response ended before everything was sent"
        return "" if self._last and self._incoming.last not in self._last else None

    def fail(self, error: BaseException) -> None:
        """End the exchange with an error from elsewhere, e.g. of the network, unless it is over already.

        Every later call raises an equal one.
        """
        if not self._incoming.ended:
            self._incoming.fail(error)


class ServerExchange(Generic[T]):
    """The server's end: the request and signed events in, verified and unwrapped; events out. One thread at a time.

    Args:
        credentials: of the only account, or of all accounts by access key; None: signatures are not checked, and may be
            missing. The events of a request with a bearer token are not wrapped, and end with its body.
        parse: turns each unwrapped message from the client into what `receive` yields, or None to skip it; what it
            raises ends this direction.
        region: the one that the request must be signed for; None: any.
        service: the signing name that the request must be signed for; None: any.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        max_headers_length: the limit of a message's headers in bytes, both of the signed one and of the one inside it;
            None for the format's own bound.
        max_payload_length: the same limit of a message's payload.

    Attributes:
        ended: whether the end of the client's events has come.
        unsigned: whether the events of a presigned request go unsigned; known once the first one has come.
    """

    def __init__(
        self,
        credentials: CredentialsSource | Mapping[str, CredentialsSource] | None,
        parse: Callable[[Message], T | None],
        *,
        region: str | None = None,
        service: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
        max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
    ) -> None:
        self._credentials = credentials
        self._parse = parse
        self._region = region
        self._service = service
        self._clock = clock
        self._max_clock_skew = max_clock_skew
        self._limits = max_headers_length, max_payload_length
        self._incoming = _Incoming(self._read, max_headers_length, max_payload_length)
        self._unwrap: Callable[[Message], Message | None] | None = None
        self._failed = False
        self._has_token = False
        self.ended = False
        self.unsigned = False

    def receive_request(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        *,
        presigned: bool = False,
        max_expires: int = MAX_EXPIRES,
    ) -> VerifiedRequest | None:
        """Verify the request, and take its signature as the seed of the events'.

        Args:
            method: such as ``"POST"``.
            path: as it was received, with its query if it has one.
            headers: names and values as they were received, pseudo-headers too if there are any.
            presigned: whether the signature is in the query, as that of a WebSocket. Events may then go unsigned, all
                or none: the first one says which.
            max_expires: seconds for which it may be presigned at most.

        Returns:
            Who signed it, and for what; None if signatures are not checked.

        Raises:
            VerificationError: it cannot be accepted (403); see `verify_request` and `verify_presigned`. Later calls
                raise an equal error.
            StateError: a request was accepted before.
        """
        self._incoming.check()
        if self._unwrap is not None:
            raise StateError("a request was already received")
        if self._credentials is None:
            given = {name.lower(): value for name, value in headers}
            self._has_token = given.get("authorization", "").lower().startswith("bearer ")
            self._unwrap = _as_it_is if self._has_token else _Unchecked(*self._limits).verify
            return None
        claim = self._credentials, self._region, self._service, method, path, headers
        try:
            if presigned:
                request = verify_presigned(
                    *claim, clock=self._clock, max_clock_skew=self._max_clock_skew, max_expires=max_expires
                )
            else:
                request = verify_request(*claim, clock=self._clock, max_clock_skew=self._max_clock_skew)
        except VerificationError as error:
            self._incoming.fail(error)
            raise
        max_headers, max_payload = self._limits
        verify = EventVerifier(
            *request,
            clock=self._clock,
            max_clock_skew=self._max_clock_skew,
            max_headers_length=max_headers,
            max_payload_length=max_payload,
        ).verify
        self._unwrap = partial(self._choose, verify) if presigned else verify
        return request

    def _choose(self, verify: Callable[[Message], Message | None], message: Message) -> Message | None:
        """Unwrap the first message of a presigned stream; all others are as this one is, signed or not."""
        self.unsigned = _SIGNATURE not in message.headers
        self._unwrap = _Unsigned().verify if self.unsigned else verify
        return self._unwrap(message)

    def check_opened(self) -> None:
        """Check that a request was accepted.

        Raises:
            StateError: there was none yet.
            VerificationError: it was refused with an equal one.
        """
        if self._unwrap is None:
            self._incoming.check()
            raise StateError("the request comes first: call receive_request")

    def check(self) -> None:
        """Raise an equal error if this direction is over with one."""
        self._incoming.check()

    def receive(self, data: Buffer) -> Iterator[T]:
        """Receive the next bytes of the request's body.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete; when it has met their end, `ended` is true. It raises
            what follows, and what `parse` raises, after the events before; what is left in it the next call's iterator
            yields.

        Raises:
            StateError: there was no request yet, or `receive_eof` was called.
            DecodeError: the bytes are not a valid message, or a signed one does not wrap a valid one.
            VerificationError: an event is not what was signed, or comes after the end; see `EventVerifier.verify`.
            Exception: what the clock, or the source of the credentials, raises.
        """
        self.check_opened()
        return self._incoming.feed(data)

    def _read(self, message: Message) -> T | None:
        assert self._unwrap is not None
        inner = self._unwrap(message)
        if inner is None:
            self.ended = True
            return None
        return self._parse(inner)

    def receive_eof(self) -> None:
        """Take note that the request's body has ended; with a bearer token nothing else ends the client's events.

        Raises:
            TruncatedMessage: it ends in the middle of a message.
            IncompleteStream: it ends before the end of the client's events has come.
            StateError: there was no request yet, or the iterator of `receive` was not iterated over to its end.
            Exception: an equal one was raised before.
        """
        self.check_opened()
        ended = self.ended or self._has_token
        self._incoming.end(lambda: None if ended else "the request's body ended before the end of its events")
        self.ended = ended

    def send(self, event: Message) -> bytes:
        """Return the event as it is sent: signed, in wire form.

        Raises:
            StateError: there was no request yet, or an exception was sent.
            VerificationError: the request was refused with an equal one.
        """
        self.check_opened()
        if self._failed:
            raise StateError("nothing can be sent after an exception")
        return event.encode()

    def send_exception(self, exception: Message) -> bytes:
        """Return the ``exception`` or ``error`` message as it is sent, in wire form. Nothing can be sent after it.

        Raises:
            StateError: there was no request yet, or an exception was sent before.
            VerificationError: the request was refused with an equal one.
        """
        wire = self.send(exception)
        self._failed = True
        return wire


def _as_it_is(message: Message) -> Message:
    """Return a message of a request with a bearer token, whose events are not wrapped, and end with its body."""
    return message


class _Unsigned:
    """Takes the place of a verifier where events go unsigned, and an empty payload ends them."""

    def __init__(self) -> None:
        self._index = 0
        self._ended = False

    def verify(self, message: Message) -> Message | None:
        if self._ended:
            raise UnexpectedMessage(self._index, "it comes after the end of the stream")
        if _SIGNATURE in message.headers:
            raise UnexpectedMessage(self._index, "it is signed, but earlier events are not")
        self._index += 1
        self._ended = not message.payload
        return None if self._ended else message


class _Unchecked:
    """Takes the place of a verifier where signatures are not checked: unwraps what is signed, and nothing else."""

    def __init__(self, max_headers_length: int | None, max_payload_length: int | None) -> None:
        self._limits = max_headers_length, max_payload_length
        self._index = 0
        self._ended = False

    def verify(self, message: Message) -> Message | None:
        if self._ended:
            raise UnexpectedMessage(self._index, "it comes after the end of the stream")
        self._index += 1
        if not message.payload:
            self._ended = True
            return None
        if _SIGNATURE not in message.headers:
            return message
        max_headers, max_payload = self._limits
        return decode(message.payload, max_headers_length=max_headers, max_payload_length=max_payload)
