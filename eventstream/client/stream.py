"""A stream of the client, once it is open: events in, events out."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from eventstream._waiting import Signal
from eventstream.exceptions import StateError
from eventstream.http2 import ErrorCodes, StreamError
from eventstream.operation import Parts, request_id_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from eventstream.session import ClientSession
    from eventstream.transport import Channel

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Stream(Generic[_Request, _Response, _In, _Out]):
    """A stream that is open: events in, events out. One task may send while another iterates.

    It is an asynchronous iterator over the events. It ends when the service has ended the response, and that is
    complete. Events received before an error are delivered first; every later call raises an equal error. If sending
    fails after the service has already reported an error, the service's error is raised.

    Attributes:
        request: what was requested.
    """

    def __init__(
        self,
        channel: Channel,
        session: ClientSession[_Request, _Response, _In, _Out],
        headers: list[tuple[str, str]],
        idle_timeout: float | None,
    ) -> None:
        self.request = session.request
        self._channel = channel
        self._session = session
        session.request_id = request_id_of(headers)
        self._headers = headers
        self._idle_timeout = idle_timeout
        self._events: deque[_Out] = deque()
        self._sending = False
        self._receiving = False  # whether a task waits for the next event
        self._received: Signal | None = None  # wakes the others that wait for one
        self._all_sent = False
        self._over = False  # whether the session has ended, or failed

    @cached_property
    def response(self) -> _Response:
        """What the service answered; with RPC protocols it is complete once the first event has been received."""
        return self._session.operation.response.read(Parts(headers=self._headers, initial=self._session.initial))

    async def send(self, event: _In) -> None:
        """Send an event. It waits while the service, or the network, takes no more.

        Read the events in another task meanwhile: a service whose events nobody reads stops taking any, and in the end
        gives up.

        Raises:
            ValueError: the operation does not allow this event; the stream remains usable.
            TypeError: it is not one of the operation's events; the stream remains usable.
            StateError: the input was ended, or another task is sending.
            IncompleteStream: the service has ended the response before everything was sent.
            ServiceError: the service gave up.
            CodecError: what it sent cannot be decoded.
            StreamError: the stream broke. It also does if this call is cancelled while it waits, as half of an event is
                useless.
            TimeoutError: the service takes no more; the stream is over.
        """
        if self._sending or self._channel.peer_ended:
            await self.prepare()
        await self.transmit(self._session.send(event))

    async def end(self) -> None:
        """End the input; the last events are still to come.

        Raises:
            StateError: it was called before, or another task is sending.
            IncompleteStream, ServiceError, CodecError, StreamError, TimeoutError: see `send`.
        """
        await self.prepare()
        await self.transmit(self._session.end(), last=True)

    async def abort(self, error: Exception) -> None:
        """Cut the stream short: later calls raise an equal error, unless what has arrived ends the stream before it."""
        await self._receive_rest()
        await self._fail(error)

    async def prepare(self) -> None:
        """Take what the service has already said about its end, before something is sent.

        Raises:
            StateError: another task is sending.
        """
        if self._sending:
            raise StateError("another task is sending on this stream")
        if self._channel.peer_ended:
            await self._receive_rest()

    async def transmit(self, wire: bytes, *, last: bool = False) -> None:
        """Send the bytes of an event; if that fails, or is cancelled, the stream is over."""
        self._sending = True
        try:
            await self._channel.send(wire, timeout=self._idle_timeout)
            if last:
                await self._channel.end()
                self._all_sent = True
        except (StreamError, TimeoutError) as error:
            await self.abort(error)
            self._session.check()
            raise
        except asyncio.CancelledError:
            await self.abort(
                StreamError("the stream was cut in the middle of an event", ErrorCodes.CANCEL, remote=False)
            )
            raise
        finally:
            self._sending = False

    def received(self) -> _Out:
        """Return the next event if it has been received already; any thread may call this.

        Raises:
            IndexError: it has not.
        """
        return self._events.popleft()

    def __aiter__(self) -> Self:
        """Return the iterator over the events."""
        return self

    async def __anext__(self) -> _Out:
        """Return the next event, once it has come. Where several tasks wait, each event is for one of them."""
        events = self._events
        while not events:
            if self._over:
                self._session.check()
                raise StopAsyncIteration
            if self._receiving:  # another task is: what comes may be several events, and one of them for this task
                self._received = self._received or Signal()
                await self._received.wait(None, "")
                continue
            # What `_receive` does, without another coroutine that waits.
            self._receiving = True
            try:
                data = await self._channel.receive(self._idle_timeout)
                if data:
                    self._session.receive_into(data, events)
                else:
                    self._end_receiving()
            except Exception as error:
                await self._fail(error)
            finally:
                self._receiving = False
                if self._received is not None:
                    self._received.wake()
        return events.popleft()

    async def _receive(self) -> None:
        """Make events of the next bytes, or find out why there are none."""
        try:
            data = await self._channel.receive(self._idle_timeout)
            if data:
                self._session.receive_into(data, self._events)
            else:
                self._end_receiving()
        except Exception as error:
            await self._fail(error)

    def _end_receiving(self) -> None:
        self._session.receive_eof(all_sent=self._all_sent)
        self._over = True

    async def _receive_rest(self) -> None:
        """Take what has arrived: the service may have said why it is over, and nobody has read it yet."""
        while not self._over and self._channel.readable:
            await self._receive()

    async def _fail(self, error: Exception) -> None:
        """End the stream, with this error if it is the first."""
        if self._events and not self._receiving:  # a reader that waits has them next: the sender has only come first
            error = _with_remedy(error)
        self._session.fail(error)
        self._over = True
        await self._channel.reset()


def _with_remedy(error: Exception) -> Exception:
    """Return an error that says what to do, if it may come of events that nobody reads, and otherwise the same one.

    A service whose events nobody reads takes none, and in the end gives up. The system's own timeout has an errno: the
    network is to blame then.
    """
    text = f"{error}: events have come that nobody has read; read them while you send"
    if isinstance(error, StreamError) and error.remote and error.code == ErrorCodes.CANCEL:
        remedy = copy.copy(error)
        remedy.args = (text,)
        return remedy
    if type(error) is TimeoutError and error.errno is None:
        return TimeoutError(text)
    return error
