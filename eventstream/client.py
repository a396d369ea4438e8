"""The asynchronous client of any operation: events in, events out.

>>> client = Client("us-east-1")
>>> async with client.open(OPERATION, request) as stream:
...     await stream.send(event)
...     await stream.end()
...     async for event in stream:
...         print(event)

Each stream has a connection of its own, as the AWS SDKs do it: streams last for hours, and neither a lost packet nor a
lost connection of one concerns another. So the client itself holds no connection, and need not be closed.

Complete or an error: an iteration that ends has seen the whole response, and all that was to be sent was sent before
the response ended. Otherwise it raises `IncompleteStream`, which may be tried again.

Errors: an error that the service reports is a `ServiceError` of the operation's class; a malformed response is a
`CodecError`. Trouble on the way to the service is an `OSError` (a stream that broke: `StreamError`;
``ssl.SSLCertVerificationError``; ``TimeoutError``). A bad argument or environment setting is a `ConfigurationError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypedDict, TypeVar, overload

from eventstream._codec import Message
from eventstream._text import quote_bytes
from eventstream._waiting import timeout_after
from eventstream.credentials import (
    ConfigurationError,
    CredentialChain,
    NoCredentials,
    NoRegion,
    Source,
    check_source,
    resolve,
)
from eventstream.exceptions import IncompleteStream, ServiceError, StateError
from eventstream.http2 import ErrorCodes, NotHTTP2, StreamError
from eventstream.operation import Operation, Parts, may_retry
from eventstream.proxy import Proxy, ProxyError, from_environment
from eventstream.session import ClientSession
from eventstream.signing import utc_now
from eventstream.transport import Call, Channel, Endpoint, Transport, over_http2, over_websocket, websocket_url

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import Self

    from eventstream.http2 import Response
    from eventstream.signing import EventSigner

__all__ = [
    "Client",
    "ClientOptions",
    "ConfigurationError",
    "NoCredentials",
    "Retries",
    "RetryOn",
    "Stream",
    "StreamError",
    "check_response",
    "retryable",
]

_log = logging.getLogger(__name__)

MAX_ERROR_LENGTH = 65_536
"""Bytes of an HTTP error's body that are read."""

MAX_DELAY = 20.0
"""Seconds before a retry, at most: the AWS SDKs' standard mode
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)."""

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
"""Codes that say that credentials must be refreshed, which the next try does."""

CLOCK_IS_WRONG = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Codes with which services refuse a signature whose date is too far from their own."""

MAX_CLOCK_ERROR = timedelta(minutes=4)
"""How far a clock may be off until it is corrected: the AWS SDKs' threshold, below the services' 5 minutes."""

_CENTURY = timedelta(days=36_525)

_NOT_EVENTS = ("text/", "application/json", "application/xml", "application/xhtml", "application/x-amz-json")

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_T = TypeVar("_T")

RetryOn: TypeAlias = Callable[[Exception], bool]
"""Says of an error whether what failed may be tried again."""


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of a `Client`."""

    endpoint: str | None
    ca_bundle: str | os.PathLike[str] | None
    credentials: Source | None
    profile: str | None
    transport: Literal["http2", "websocket"] | Transport
    proxy: str | Literal[False] | None
    connect_timeout: float | None
    response_timeout: float | None
    idle_timeout: float | None


def retryable(error: Exception) -> bool:
    """Return whether what failed may succeed when it is tried again; the default of every ``retry_on``.

    These may: errors of the service that say so, or whose code or status is one that passes; expired credentials, as
    each try asks for them anew; a signature that was refused as this machine's clock is wrong, since the next try has
    the service's time; a response that ended early; and trouble of the network. A certificate that is not
    trusted, a server that does not speak HTTP/2 or TLS, and a proxy that refuses stay what they are.
    """
    if isinstance(error, ServiceError):
        return (
            error.code in EXPIRED
            or error.clock_skew is not None
            or (may_retry(error.code, error.status_code) if error.retryable is None else error.retryable)
        )
    if isinstance(error, IncompleteStream):
        return True
    if isinstance(error, ProxyError):
        return error.status is None or error.status >= 500
    if isinstance(error, ssl.SSLError):  # the others are what the two sides do not agree on
        return isinstance(error, (ssl.SSLEOFError, ssl.SSLSyscallError))
    return isinstance(error, OSError) and not isinstance(error, NotHTTP2)


class Retries:
    """How often something is tried again, what for, and for how long.

    Args:
        retries: how often in a row.
        retry_on: says of an error whether it may be tried again.
        deadline: seconds for all tries in a row and the pauses between them; None: as long as they take.
    """

    def __init__(self, retries: int = 0, retry_on: RetryOn | None = None, deadline: float | None = None) -> None:
        self._retries = retries
        self._retry_on = retry_on or retryable
        self._deadline = deadline
        self._end: float | None = None
        self._attempt = 0

    def reset(self) -> None:
        """Count from the beginning, as something has succeeded."""
        self._attempt = 0
        self._end = None

    def once(self) -> Retries:
        """Return one try of these: it is not repeated, and has what is left of the time."""
        try_ = Retries(0, None, self._deadline)
        if self._deadline is not None:
            try_._end = self._begun()
        return try_

    def _begun(self) -> float:
        """Return the time of the event loop at which the deadline is over; it begins with the first call."""
        if self._end is None:
            self._end = asyncio.get_running_loop().time() + (self._deadline or 0)
        return self._end

    async def within(self, awaitable: Awaitable[_T]) -> _T:
        """Return what is awaited.

        Raises:
            TimeoutError: the deadline passed meanwhile.
        """
        if self._deadline is None:
            return await awaitable
        end, loop = self._begun(), asyncio.get_running_loop()
        try:
            async with timeout_after(end - loop.time()):
                return await awaitable
        except asyncio.TimeoutError:  # before Python 3.11 it is another class than TimeoutError
            if loop.time() < end:
                raise
        raise TimeoutError(f"the stream did not begin in {self._deadline} s, with all tries")

    async def again(self, error: Exception) -> bool:
        """Return whether to try again after an error, once the time for it has come.

        The pauses are longer and longer, and of random length, so that clients do not come back all at once.
        """
        if self._attempt >= self._retries or not self._retry_on(error):
            return False
        left = math.inf if self._deadline is None else self._begun() - asyncio.get_running_loop().time()
        if not await _pause(self._attempt, left):
            return False
        self._attempt += 1
        return True


async def _pause(attempt: int, left: float) -> bool:
    """Wait before a retry; return False at once where that would take longer than the time that is left."""
    seconds = random.random() * min(2**attempt, MAX_DELAY)
    if seconds >= left:
        return False
    await asyncio.sleep(seconds)
    return True


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
        self._headers = headers
        self._idle_timeout = idle_timeout
        self._events: deque[_Out] = deque()
        self._sending = False
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
                worth nothing.
            TimeoutError: the service takes no more; the stream is over.
        """
        if self._sending or self._channel.peer_ended:
            await self.prepare()
        await self.transmit(self._session.send(event))

    async def end(self) -> None:
        """End the input; the last events are still to come.

        Raises:
            StateError: it was called before, or another task is sending.
            IncompleteStream, ServiceError, CodecError, StreamError, TimeoutError: as of `send`.
        """
        await self.prepare()
        await self.transmit(self._session.end(), last=True)

    async def abort(self, error: Exception) -> None:
        """Cut the stream short: later calls raise an equal error, unless what has arrived ends the stream before it."""
        await self._receive_rest()
        await self._fail(error)

    async def prepare(self) -> None:
        """Take what the service has already said about its end, before something is sent."""
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
        """Return the next event, once it has come."""
        events = self._events
        while not events:
            if self._over:
                self._session.check()
                raise StopAsyncIteration
            # What `_receive` does, without another coroutine that waits.
            try:
                data = await self._channel.receive(self._idle_timeout)
                if data:
                    self._session.receive_into(data, events)
                else:
                    self._end_receiving()
            except Exception as error:
                await self._fail(error)
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
        self._session.fail(error)
        self._over = True
        await self._channel.reset()


class Client:
    """Opens streams of any operation. It holds no connection; any number of streams at a time.

    Args:
        region: e.g. ``"us-east-1"``; None: that of ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, or of the profile.
        endpoint: a URL, e.g. ``https://localhost:8443``; with ``http`` it is HTTP/2 in plaintext. None: that of
            ``AWS_ENDPOINT_URL_`` and the operation's service, or ``AWS_ENDPOINT_URL``, or the region's.
        ca_bundle: a file or directory with the certificates that are trusted, in PEM; None: that of ``AWS_CA_BUNDLE``,
            or the system's.
        credentials: `Credentials`; a credentials object of botocore, boto3 or aiobotocore; a function that returns
            either, which is called in a thread whenever a stream begins; or a coroutine function. None: botocore looks
            for them where AWS's tools do: the environment, profiles, SSO, containers, instance roles.
        profile: the profile in which botocore looks for credentials and the region; None: that of the environment.
        transport: ``"http2"``, ``"websocket"``, or a `eventstream.transport.Transport` of your own. On a WebSocket what
            the service refuses is an error in the stream, which has begun by then, and its response has no parameters.
        proxy: the URL of an HTTP proxy, through which a tunnel is made, e.g. ``http://user:password@localhost:3128``.
            None: that of ``HTTPS_PROXY`` (``HTTP_PROXY`` in plaintext), unless ``NO_PROXY`` excludes the host, and
            never for loopback. False: no proxy.
        connect_timeout: seconds until the connection is established; None: as long as it takes. So for the other two.
        response_timeout: seconds until the service has answered the request.
        idle_timeout: seconds in which the service sends nothing while an event is awaited, or takes nothing while some
            is to be sent.
        max_event_length: bytes of an event's payload that are taken at most; None: as many as the operation says.
        max_event_values: objects, lists and members that the JSON of an event may have at most, since parsed they hold
            up everything else; None: as many as the operation says, 65,536 unless it says another number.

    Attributes:
        region: as given or found.

    Raises:
        ConfigurationError: no region was found, or the endpoint, the CA bundle or the proxy cannot be used.
        TypeError: the credentials are of another type.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        endpoint: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        credentials: Source | None = None,
        profile: str | None = None,
        transport: Literal["http2", "websocket"] | Transport = "http2",
        proxy: str | Literal[False] | None = None,
        connect_timeout: float | None = 10.0,
        response_timeout: float | None = 10.0,
        idle_timeout: float | None = 60.0,
        max_event_length: int | None = None,
        max_event_values: int | None = None,
    ) -> None:
        if credentials is not None and profile is not None:
            raise ConfigurationError("either credentials or a profile can be given, not both")
        if credentials is not None:
            check_source(credentials)
        self._credentials: Source = CredentialChain(profile) if credentials is None else credentials
        self.region = region or environment("AWS_REGION", "AWS_DEFAULT_REGION") or self._profile_region()
        self._endpoint = endpoint
        if endpoint is not None:
            parse_endpoint(endpoint)
        self._ca_bundle = ca_bundle or environment("AWS_CA_BUNDLE")
        if self._ca_bundle is not None:
            self._ssl  # noqa: B018 (what is wrong with it is found here)
        self._transport = _transport(transport)
        self._proxy = proxy
        if proxy:
            _proxy(proxy)
        self._connect_timeout = connect_timeout
        self._response_timeout = response_timeout
        self._idle_timeout = idle_timeout
        self._clock_skew = timedelta()
        self._limits = max_event_length, max_event_values
        self._configured()

    def _configured(self) -> None:
        """Do what a subclass does when it is made, without repeating the arguments."""

    def _profile_region(self) -> str:
        region = self._credentials.region() if isinstance(self._credentials, CredentialChain) else None
        if region is None:
            raise NoRegion("no region was given, or found in AWS_REGION, AWS_DEFAULT_REGION or a profile")
        return region

    def endpoint_of(self, operation: Operation[Any, Any, Any, Any]) -> str:
        """Return the URL at which an operation is called."""
        variable = f"AWS_ENDPOINT_URL_{operation.service.upper().replace('-', '_').replace(' ', '_')}"
        found = self._endpoint or environment(variable, "AWS_ENDPOINT_URL")
        return found or f"https://{operation.host(self.region)}"

    async def presign_url(
        self, operation: Operation[_Request, Any, Any, Any], request: _Request, /, *, expires: int = 300
    ) -> str:
        """Return the URL that opens a WebSocket for a stream, e.g. in a browser, without credentials.

        Any holder can open it, as often as they like, until it expires; a stream that has begun continues.

        Args:
            operation: what is called.
            request: its parameters.
            expires: seconds that the URL is valid; at most what the operation allows, which is 300 for Transcribe.

        Raises:
            ValueError: the operation has no WebSocket, or `expires` is out of bounds.
            InvalidRequest: the parameters are not allowed.
            NoCredentials: no credentials were found.
        """
        parts = operation.request.write(request)
        endpoint = parse_endpoint(self.endpoint_of(operation))
        credentials = await resolve(self._credentials)
        return websocket_url(operation, parts, endpoint, self.region, credentials, expires, self._clock())[0]

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return _trust(self._ca_bundle)

    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        retries: int = 0,
        retry_on: RetryOn | None = None,
        deadline: float | None = None,
        unknown_events: Literal[False] = False,
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, _Out]]: ...
    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        retries: int = 0,
        retry_on: RetryOn | None = None,
        deadline: float | None = None,
        unknown_events: bool,
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, _Out | Message]]: ...
    def open(
        self,
        operation: Operation[_Request, _Response, _In, Any],
        request: _Request,
        /,
        *,
        retries: int = 0,
        retry_on: RetryOn | None = None,
        deadline: float | None = None,
        unknown_events: bool = False,
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, Any]]:
        """Open a stream.

        Args:
            operation: what is called.
            request: its parameters.
            retries: how often it is tried again to begin the stream, if that may succeed. Once the stream has begun, an
                error is final.
            retry_on: says of an error whether to try again; None: `retryable` does.
            deadline: seconds in which the stream must have begun, with all tries and the pauses between them; None: as
                long as they take.
            unknown_events: whether the stream also yields events whose type the operation does not know, as messages;
                otherwise they are skipped.

        Returns:
            A context manager, in whose block the `Stream` is open. On entering it raises what follows.

        Raises:
            InvalidRequest: the parameters are not allowed; here, not on entering.
            ServiceError: the service refused, or answered with something else than an event stream.
            NoCredentials: no credentials were found.
            OSError: the service cannot be reached or trusted, or broke off. ``TimeoutError``: it did not answer.
        """
        limited = operation.limited(*self._limits)

        def make(
            channel: Channel, signer: EventSigner | None, response: Response
        ) -> Stream[_Request, _Response, _In, Any]:
            session = ClientSession(limited, request, signer, unknown_events=unknown_events)
            return Stream(channel, session, response.headers, self._idle_timeout)

        return self.opened(operation, operation.request.write(request), make, Retries(retries, retry_on, deadline))

    @asynccontextmanager
    async def opened(
        self,
        operation: Operation[Any, Any, Any, Any],
        parts: Parts,
        make: Callable[[Channel, EventSigner | None, Response], _S],
        retries: Retries,
    ) -> AsyncIterator[_S]:
        """Open a stream of a class of its own; see `open`.

        Args:
            operation: what is called.
            parts: the request.
            make: makes the stream of its channel, the signer or None, and the response.
            retries: how often it is tried to begin the stream.
        """
        async with contextlib.AsyncExitStack() as stack:
            while True:
                try:
                    stream = await retries.within(stack.enter_async_context(self._start(operation, parts, make)))
                    break
                except Exception as error:
                    if not await retries.again(error):
                        raise
            yield stream

    @asynccontextmanager
    async def _start(
        self,
        operation: Operation[Any, Any, Any, Any],
        parts: Parts,
        make: Callable[[Channel, EventSigner | None, Response], _S],
    ) -> AsyncIterator[_S]:
        endpoint = parse_endpoint(self.endpoint_of(operation))
        call = Call(
            operation,
            parts,
            endpoint,
            self.region,
            # One set of credentials a stream: the request says which key it is, and the events cannot say another.
            await resolve(self._credentials),
            self._ssl if endpoint.scheme == "https" else None,
            _proxy(self._proxy, endpoint),
            self._connect_timeout,
            self._response_timeout,
            self._clock(),
        )
        async with self._transport(call) as (channel, signer):
            if parts.initial is not None:
                wire = parts.initial.encode()
                await channel.send(wire if signer is None else signer.sign(wire), timeout=self._response_timeout)
            response = await channel.response(self._response_timeout)
            try:
                await check_response(operation, response, channel, self._response_timeout)
            except ServiceError as error:
                self._correct_clock(error, response)
                raise
            yield make(channel, signer, response)

    def _clock(self) -> Callable[[], datetime]:
        """Return the clock with which requests and events are signed."""
        return partial(_shifted, self._clock_skew) if self._clock_skew else utc_now

    def _correct_clock(self, error: ServiceError, response: Response) -> None:
        """Sign with the service's time from now on, if it refuses a signature, and this clock is wrong."""
        date = next((value for name, value in response.headers if name.lower() == "date"), None)
        if error.code not in CLOCK_IS_WRONG or date is None:
            return
        try:
            skew = parsedate_to_datetime(date) - utc_now()
        except (TypeError, ValueError, OverflowError):  # not a date, one without a time zone, or numbers without bound
            return
        if abs(skew) > _CENTURY:  # a lie; shifted by it, the clock might leave the years that a datetime has
            return
        if abs(skew - self._clock_skew) > MAX_CLOCK_ERROR:
            _log.warning("the service's clock is %+d s from this one; signing with its time", skew.total_seconds())
            self._clock_skew = skew
            error.clock_skew = skew


def _shifted(skew: timedelta) -> datetime:
    return utc_now() + skew


_S = TypeVar("_S", bound=Stream[Any, Any, Any, Any])


async def check_response(
    operation: Operation[Any, Any, Any, Any], response: Response, channel: Channel, timeout: float | None
) -> None:
    """Do nothing for the beginning of an event stream.

    Raises:
        ServiceError: it is an error of the service, or something else than an event stream.
    """
    fields = {name.lower(): value for name, value in response.headers}
    if response.status != 200:
        body = await _error_body(channel, timeout)
        raise operation.error_from_response(response.status, response.headers, body)
    kind = fields.get("content-type", "")
    encoding = fields.get("content-encoding", "identity")
    if kind.lower().startswith(_NOT_EVENTS) or encoding.lower() != "identity":
        body = await _error_body(channel, timeout)
        what = kind if encoding == "identity" else f"{kind or 'a body'} in {encoding}"
        shown = f"the server answered {what[:64]}: {quote_bytes(body)}"
        error = operation.error_from_response(response.status, response.headers, body)
        error.message = shown
        error.args = (shown,)
        raise error


async def _error_body(channel: Channel, timeout: float | None) -> bytes:
    """Return what has come of an error's body in time: the status says enough without it."""
    body = bytearray()

    with contextlib.suppress(StreamError, asyncio.TimeoutError):
        async with timeout_after(timeout):
            while len(body) < MAX_ERROR_LENGTH and (data := await channel.receive()):
                body.extend(data)
    return bytes(body[:MAX_ERROR_LENGTH])


def _transport(transport: Literal["http2", "websocket"] | Transport) -> Transport:
    if transport == "http2":
        return over_http2
    if transport == "websocket":
        return over_websocket
    if callable(transport):
        return transport
    raise ConfigurationError(f"no transport {transport!r}: it is 'http2', 'websocket', or a function")


# The environment


def environment(*names: str) -> str | None:
    """Return the first of the variables that is set, and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def parse_endpoint(url: str) -> Endpoint:
    """Return the endpoint of a URL; what is not one is a `ConfigurationError`."""
    try:
        return Endpoint.parse(url)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _proxy(proxy: str | Literal[False] | None, endpoint: Endpoint | None = None) -> Proxy | None:
    try:
        if proxy:
            return Proxy.parse(proxy)
        if endpoint is None or proxy is not None:
            return None
        return from_environment(endpoint.scheme, endpoint.host)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _trust(ca_bundle: str | os.PathLike[str] | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_bundle):
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        reason = "it has no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"the CA bundle {os.fspath(ca_bundle)} cannot be used: {reason}") from error
