"""The client that opens streams."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict, TypeVar, overload

from eventstream._codec import Message
from eventstream._waiting import in_thread
from eventstream.client.clock import Clock
from eventstream.client.responses import check_response
from eventstream.client.retries import Retries, StartOptions
from eventstream.client.settings import (
    ca_bundle_of,
    check_region,
    check_seconds,
    endpoint_for,
    endpoint_of,
    environment,
    parse_endpoint,
    proxy_of,
    transport_of,
    trust,
)
from eventstream.client.stream import Stream
from eventstream.credentials import ConfigurationError, CredentialChain, NoRegion, Source, check_source, resolve
from eventstream.exceptions import ServiceError
from eventstream.operation import Operation, Parts, check_operation
from eventstream.session import ClientSession
from eventstream.transport import Call, Channel, Transport, websocket_url

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from eventstream.http2 import Response
    from eventstream.signing import EventSigner

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_S = TypeVar("_S", bound=Stream[Any, Any, Any, Any])


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
    max_event_length: int | None
    max_event_values: int | None


class Client:
    """Opens streams of any operation. It holds no connection; any number of streams at a time.

    Args:
        region: e.g. ``"us-east-1"``; None: that of ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, or of the profile.
        endpoint: a URL, e.g. ``https://localhost:8443``; with ``http`` it is HTTP/2 in plaintext. One with ``wss`` or
            ``ws`` is for the transport ``"websocket"``, and for `presign_url`. None: that of
            ``AWS_ENDPOINT_URL_`` and the operation's service, or ``AWS_ENDPOINT_URL``, or ``endpoint_url`` in the
            profile's ``services`` section or the profile, unless ``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`` is true; or
            the region's: with ``AWS_USE_FIPS_ENDPOINT`` the one with FIPS, with ``AWS_USE_DUALSTACK_ENDPOINT`` the one
            that also has IPv6. The last three may be set in the profile, too.
        ca_bundle: a file or directory with the certificates that are trusted, in PEM; None: that of ``AWS_CA_BUNDLE``,
            or the system's.
        credentials: `Credentials`; a credentials object of botocore, boto3 or aiobotocore; a function that returns
            either, which is called in a thread whenever a stream begins; or a coroutine function. None: botocore looks
            for them where AWS's tools do: the environment, profiles, SSO, containers, instance roles.
        profile: the profile in which botocore looks for credentials, the region and the endpoint; None: that of the
            environment.
        transport: ``"http2"``, ``"websocket"``, or a `eventstream.transport.Transport` of your own. On a WebSocket what
            the service refuses is an error in the stream, which has begun by then, and its response has no parameters.
        proxy: the URL of an HTTP proxy, through which a tunnel is made, e.g. ``http://user:password@localhost:3128``.
            None: that of ``HTTPS_PROXY`` (``HTTP_PROXY`` in plaintext), unless ``NO_PROXY`` excludes the host, and
            never for loopback. False: no proxy.
        connect_timeout: seconds, more than 0, until the connection is established; None: as long as it takes. The same
            goes for the other two.
        response_timeout: seconds until the service has answered the request.
        idle_timeout: seconds to wait for the next event, or for the service to accept what is sent.
        max_event_length: the most bytes in an event's payload; None: as many as the operation says.
        max_event_values: the most objects, lists and members in an event's JSON, since parsing them holds up everything
            else; None: as many as the operation says, by default 65,536.

    Raises:
        ConfigurationError: the region, the endpoint, the CA bundle, the proxy or a timeout cannot be used; or no region
            was found, unless a profile, which is read when a stream begins, may name one.
        TypeError: the credentials or the region are of another type.
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
        self._chain = credentials if isinstance(credentials, CredentialChain) else CredentialChain(profile)
        self._credentials: Source = self._chain if credentials is None else credentials
        self._given_region = region or environment("AWS_REGION", "AWS_DEFAULT_REGION")
        if self._given_region is not None or not isinstance(self._credentials, CredentialChain):
            self.region  # noqa: B018 (what is wrong with it is found here)
        self._endpoint = endpoint
        if endpoint is not None:
            parse_endpoint(endpoint)
        self._ca_bundle = ca_bundle_of(ca_bundle)
        if self._ca_bundle is not None:
            self._ssl  # noqa: B018 (what is wrong with it is found here)
        self._transport = transport_of(transport)
        self._proxy = proxy
        if proxy:
            proxy_of(proxy)
        check_seconds("connect_timeout", connect_timeout)
        check_seconds("response_timeout", response_timeout)
        check_seconds("idle_timeout", idle_timeout)
        self._connect_timeout = connect_timeout
        self._response_timeout = response_timeout
        self._idle_timeout = idle_timeout
        self._clock = Clock()
        self._limits = max_event_length, max_event_values

    @cached_property
    def region(self) -> str:
        """The region, as given or found. If only the profile can name it, that is read here, or when a stream begins.

        Raises:
            NoRegion: none was given or found.
            ConfigurationError: it cannot be one, or the profile cannot be read.
        """
        region = self._given_region
        if region is None and isinstance(self._credentials, CredentialChain):
            region = self._credentials.region()
        if region is None:
            raise NoRegion("no region was given, or found in AWS_REGION, AWS_DEFAULT_REGION or a profile")
        check_region(region)
        return region

    def endpoint_of(self, operation: Operation[Any, Any, Any, Any]) -> str:
        """Return the URL at which an operation is called.

        Raises:
            ConfigurationError: no region was found, the profile cannot be read, or no endpoint is known, e.g. none with
                FIPS.
        """
        check_operation(operation)
        return self._endpoint or endpoint_of(operation, self.region, self._chain)

    async def _find_endpoint(self, operation: Operation[Any, Any, Any, Any]) -> str:
        """Return the URL of `endpoint_of`, and find the region; files are read, and botocore imported, in a thread."""
        if "region" not in vars(self):
            await in_thread(getattr, self, "region")
        if self._endpoint is None and not self._chain.has_settings:
            await in_thread(self._chain.settings)
        return self.endpoint_of(operation)

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
            TypeError: `expires` is not an int.
            InvalidRequest: the parameters are not allowed.
            NoCredentials: no credentials were found.
            ConfigurationError: see `endpoint_of`.
        """
        check_operation(operation)
        parts = operation.request.write(request)
        endpoint = parse_endpoint(await self._find_endpoint(operation))
        credentials = await resolve(self._credentials)
        return websocket_url(operation, parts, endpoint, self.region, credentials, expires, self._clock.reading())[0]

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return trust(self._ca_bundle)

    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        unknown_events: Literal[False] = False,
        **options: Unpack[StartOptions],
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, _Out]]: ...
    @overload
    def open(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        /,
        *,
        unknown_events: bool,
        **options: Unpack[StartOptions],
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, _Out | Message]]: ...
    def open(
        self,
        operation: Operation[_Request, _Response, _In, Any],
        request: _Request,
        /,
        *,
        unknown_events: bool = False,
        **options: Unpack[StartOptions],
    ) -> AbstractAsyncContextManager[Stream[_Request, _Response, _In, Any]]:
        """Open a stream.

        Args:
            operation: what is called.
            request: its parameters.
            unknown_events: whether the stream also yields events whose type the operation does not know, as messages;
                otherwise they are skipped.
            options: how the stream is started: `StartOptions`.

        Returns:
            A context manager, in whose block the `Stream` is open. On entering it raises what follows.

        Raises:
            InvalidRequest: the parameters are not allowed; here, not on entering.
            ConfigurationError: the options are out of their bounds, likewise.
            TypeError: an option is unknown; also here.
            ServiceError: the service refused, or did not answer with an event stream.
            NoCredentials: no credentials were found.
            ConfigurationError: the endpoint takes WebSockets, and the transport is HTTP/2; or see `endpoint_of`.
            OSError: the service cannot be reached or trusted, or the connection broke. ``TimeoutError``: it did not
                answer.
        """
        check_operation(operation)
        for name in options:
            if name not in StartOptions.__annotations__:
                allowed = ", ".join(("unknown_events", *StartOptions.__annotations__))
                raise TypeError(f"open() got an unexpected keyword argument {name!r} (allowed: {allowed})")
        limited = operation.limited(*self._limits)

        def make(
            channel: Channel, signer: EventSigner | None, response: Response
        ) -> Stream[_Request, _Response, _In, Any]:
            session = ClientSession(limited, request, signer, unknown_events=unknown_events)
            return Stream(channel, session, response.headers, self._idle_timeout)

        return self.opened(limited, operation.request.write(request), make, Retries(**options))

    def opened(
        self,
        operation: Operation[Any, Any, Any, Any],
        parts: Parts,
        make: Callable[[Channel, EventSigner | None, Response], _S],
        retries: Retries,
    ) -> AbstractAsyncContextManager[_S]:
        """Open a stream of a class of its own; see `open`.

        Args:
            operation: what is called.
            parts: the request.
            make: makes the stream of its channel, the signer or None, and the response.
            retries: when to retry beginning the stream.
        """
        return _Opening(_begun(partial(self._start, operation, parts, make), retries))

    @asynccontextmanager
    async def _start(
        self,
        operation: Operation[Any, Any, Any, Any],
        parts: Parts,
        make: Callable[[Channel, EventSigner | None, Response], _S],
    ) -> AsyncIterator[_S]:
        endpoint = endpoint_for(await self._find_endpoint(operation), self._transport)
        call = Call(
            operation,
            parts,
            endpoint,
            self.region,
            # One set of credentials a stream: the request says which key it is, and the events cannot say another.
            await resolve(self._credentials),
            self._ssl if endpoint.scheme == "https" else None,
            proxy_of(self._proxy, endpoint),
            self._connect_timeout,
            self._response_timeout,
            self._clock.reading(),
        )
        async with self._transport(call) as (channel, signer):
            if parts.initial is not None:
                wire = parts.initial.encode()
                await channel.send(wire if signer is None else signer.sign(wire), timeout=self._response_timeout)
            response = await channel.response(self._response_timeout)
            try:
                await check_response(operation, response, channel, self._response_timeout)
            except ServiceError as error:
                self._clock.correct(error, response.headers)
                raise
            yield make(channel, signer, response)


@asynccontextmanager
async def _begun(start: Callable[[], AbstractAsyncContextManager[_S]], retries: Retries) -> AsyncIterator[_S]:
    """Enter what starts a stream, anew after each error that is to be retried."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                stream = await retries.within(stack.enter_async_context(start()))
                break
            except Exception as error:
                if not await retries.again(error):
                    raise
        yield stream


class _Opening(AbstractAsyncContextManager[_S]):
    """Opens a stream on entering; using it as the stream raises an error that says so."""

    def __init__(self, opening: AbstractAsyncContextManager[_S]) -> None:
        self._opening = opening
        self._was_entered = False

    async def __aenter__(self) -> _S:
        if self._was_entered:
            raise RuntimeError("the stream was already opened")
        self._was_entered = True
        return await self._opening.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._opening.__aexit__(exc_type, exc, traceback)

    def __await__(self) -> NoReturn:
        raise TypeError("a stream is opened by an async with statement, not by await")

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the stream is not open, and has no {name!r} yet: use it in an async with statement")
