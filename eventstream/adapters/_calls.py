"""One call over HTTP/2 for botocore, which has only HTTP/1: its HTTP session, for requests that open an event stream.

botocore's endpoint makes, signs, sends and repeats the request, and parses the response, as for every operation; here
it is sent. The request's signature is the seed of those of the events.

What goes wrong before the stream is open is an error of botocore's, so that its rules of retries know it. A server that
does not speak HTTP/2 is `eventstream.http2.NotHTTP2`, and one that answers with something else than an event stream a
`ServiceError`: neither is tried again.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from inspect import isawaitable
from os.path import isdir
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    EventStreamError,
    InvalidProxiesConfigError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    UnsupportedSignatureVersionError,
)
from botocore.httpsession import ProxyConfiguration, get_cert_path, mask_proxy_url
from botocore.utils import get_environ_proxies

from eventstream import client, http2, sync
from eventstream._codec import Message
from eventstream.adapters._events import is_exception, parse_json
from eventstream.adapters._operations import ModelOperation, initial_request, make_operation
from eventstream.adapters._shapes import reader
from eventstream.exceptions import CodecError, ServiceError
from eventstream.operation import CONTENT_TYPE
from eventstream.proxy import Proxy, ProxyError
from eventstream.session import ClientSession
from eventstream.signing import EVENTS_PAYLOAD, Credentials, EventSigner
from eventstream.transport import Endpoint

if TYPE_CHECKING:
    from botocore.model import OperationModel, StructureShape

__all__ = ["Call", "HTTPSession", "Opened", "Settings", "Stream", "client_error", "translated"]

Pairs: TypeAlias = "list[tuple[str, str]]"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/,]+)/[0-9]+/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request"
    r".*Signature=(?P<signature>[0-9a-f]{64})"
)
"""What a request signed with Signature Version 4 says: whose key, the scope, and the seed of the events' signatures."""

_NOT_SENT = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding"})
"""Headers of HTTP/1 that HTTP/2 says otherwise, or that are only true of a body that is known (RFC 9113, 8.2.2)."""


class Settings:
    """What a client is configured to: how it reaches and trusts its endpoint.

    Args:
        config: the client's ``Config``.
        verify: whether and with which certificates the endpoint is trusted, as in boto3's ``client(verify=)``.
    """

    def __init__(self, config: Any, verify: bool | str | None) -> None:
        self._config = config
        self._verify = True if verify is None else verify
        self.connect_timeout: float | None = config.connect_timeout
        self.read_timeout: float | None = config.read_timeout

    def proxy_url(self, url: str) -> str | None:
        """Return the proxy through which a URL is reached: that of the ``Config``, or else of the environment."""
        proxies = self._config.proxies
        if proxies is None:
            proxies = get_environ_proxies(url)
        found: str | None = ProxyConfiguration(proxies, self._config.proxies_config).proxy_url_for(url)
        return found

    def proxy(self, url: str) -> Proxy | None:
        """Return the same, parsed.

        Raises:
            InvalidProxiesConfigError: it cannot be used.
        """
        proxy_url = self.proxy_url(url)
        try:
            return None if proxy_url is None else Proxy.parse(proxy_url)
        except ValueError as error:
            raise InvalidProxiesConfigError(error=error) from error

    @cached_property
    def ssl(self) -> ssl.SSLContext:
        """The certificates that are trusted, and the client's own.

        Raises:
            OSError: one of them cannot be read.
        """
        if not self._verify:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            path = get_cert_path(self._verify)
            context = ssl.create_default_context(**{"capath" if isdir(path) else "cafile": path})
        certificate = self._config.client_cert
        if certificate is not None:
            context.load_cert_chain(*((certificate,) if isinstance(certificate, str) else certificate))
        return context


class Stream(client.Stream[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]):
    """The asynchronous stream of a call."""

    signed = True
    """Whether its events are signed."""

    async def initial(self) -> Message | None:
        """Return the ``initial-response`` of an RPC protocol, once it has come; None if something else comes first.

        Raises:
            ServiceError, CodecError, OSError: the stream ends before.
        """
        while self._session.initial is None and not self._events and not self._over:
            await self._receive()
        if self._over:
            self._session.check()
        return self._session.initial

    async def end(self) -> None:
        """End the input; without signatures nothing but the end of the body says so."""
        if self.signed:
            await super().end()
        else:
            await self.prepare()
            self._session.end()
            await self.transmit(b"", last=True)


@dataclass
class Call:
    """One request of an operation.

    Attributes:
        model: what is called.
        settings: of the client.
        exceptions: the client's.
        signer: botocore's ``RequestSigner``.
        context: of the request, as botocore's hooks share it.
        initial: the ``initial-request`` of RPC protocols.
        url: at which it was sent.
        headers: of the response.
    """

    model: OperationModel
    settings: Settings
    exceptions: Any
    signer: Any
    context: dict[str, Any]
    initial: Message | None = None
    url: str = ""
    headers: Pairs = field(default_factory=list)

    @cached_property
    def operation(self) -> ModelOperation:
        return make_operation(self.model)

    def prepare(self, params: dict[str, Any]) -> None:
        """Make of botocore's request one that opens an event stream.

        Args:
            params: the request as botocore's serialiser made it; changed in place.
        """
        params["headers"]["Content-Type"] = CONTENT_TYPE
        params["headers"]["X-Amz-Content-SHA256"] = EVENTS_PAYLOAD
        if self.operation.initial_messages:
            self.initial = initial_request(self.model, params["body"])
        params["body"] = b""

    async def event_signer(self, headers: Iterable[tuple[str, str]]) -> EventSigner | None:
        """Return what signs the events of a request; None if it is not signed, or with a bearer token.

        Raises:
            UnsupportedSignatureVersionError: it is signed in a way in which events cannot be.
            ConnectionClosedError: the credentials changed while it was signed; the next try will succeed.
        """
        text = next((value for name, value in headers if name == "authorization"), "")
        if not text or text.startswith("Bearer "):
            return None
        found = _AUTHORIZATION.search(text)
        if found is None:
            raise UnsupportedSignatureVersionError(signature_version=text.partition(" ")[0])
        given = (self.context.get("signing") or {}).get("request_credentials")
        options = {} if given is None else {"request_credentials": given}
        auth = self.signer.get_auth_instance(found["service"], found["region"], "v4", **options)
        keys = (await auth if isawaitable(auth) else auth).credentials  # aiobotocore's is a coroutine
        if keys is None or keys.access_key != found["key"]:
            raise ConnectionClosedError(endpoint_url=self.url)
        credentials = Credentials(keys.access_key, keys.secret_key, keys.token)
        return EventSigner(credentials, found["region"], found["service"], bytes.fromhex(found["signature"]))

    @asynccontextmanager
    async def open(self, request: Any) -> AsyncIterator[Stream]:
        """Send botocore's prepared request, and yield the stream, once the service has answered that it is one.

        Raises:
            ServiceError: the service refused, or answered with something else.
            BotoCoreError: the service cannot be reached or trusted, or did not answer.
            NotHTTP2: the server does not speak HTTP/2.
        """
        url = self.url = request.url
        endpoint = Endpoint.parse(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")
        given = [(name.lower(), _text(value)) for name, value in request.headers.items()]
        signer = await self.event_signer(given)
        parts = urlsplit(url)
        headers = [
            (":method", request.method),
            (":scheme", endpoint.scheme),
            (":authority", endpoint.authority),
            (":path", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")),
            *(pair for pair in given if pair[0] not in _NOT_SENT),
        ]
        connecting = http2.connect(
            endpoint.host,
            endpoint.port,
            ssl=self._ssl() if endpoint.scheme == "https" else None,
            proxy=self.settings.proxy(url),
            connect_timeout=self.settings.connect_timeout,
        )
        try:
            connection = await connecting.__aenter__()
        except OSError as error:
            raise self._unreachable(error) from error
        try:
            try:
                stream = await self._answered(connection, headers, signer)
            except OSError as error:
                raise self._unanswered(error) from error
            yield stream
        finally:
            await connecting.__aexit__(None, None, None)

    async def initial_of(self, stream: Stream) -> Message | None:
        """Return the ``initial-response`` of an RPC protocol; see `Stream.initial`.

        Raises:
            ClientError: the service gives up before.
            IncompleteStream, CodecError: the stream ends, or is not one.
            HTTPClientError: it breaks.
        """
        try:
            return await stream.initial()
        except ServiceError as error:
            metadata = {"HTTPStatusCode": 200, "HTTPHeaders": dict(self.headers)}
            raise client_error(error, self.model, self.exceptions, metadata) from error
        except OSError as error:
            raise translated(error, self.url) from error

    def _ssl(self) -> ssl.SSLContext:
        try:
            return self.settings.ssl
        except OSError as error:
            raise SSLError(endpoint_url=self.url, error=error) from error

    async def _answered(self, connection: http2.ClientConnection, headers: Pairs, signer: EventSigner | None) -> Stream:
        timeout = self.settings.read_timeout
        channel = await connection.request(headers, timeout=timeout)
        if self.initial is not None:
            wire = self.initial.encode()
            await channel.send(wire if signer is None else signer.sign(wire), timeout=timeout)
        response = await channel.response(timeout)
        self.headers = response.headers
        await client.check_response(self.operation, response, channel, timeout)
        stream = Stream(channel, ClientSession(self.operation, {}, signer), response.headers, timeout)
        stream.signed = signer is not None
        return stream

    def _unreachable(self, error: OSError) -> Exception:
        """Return what is raised for an error before there is a connection."""
        if isinstance(error, http2.NotHTTP2):
            return error
        if isinstance(error, ssl.SSLError):
            return _made(SSLError, endpoint_url=self.url, error=error)
        if isinstance(error, TimeoutError):
            return _made(ConnectTimeoutError, endpoint_url=self.url, error=error)
        proxy = self.settings.proxy_url(self.url)
        # What is connected to is the proxy; the endpoint can only hang up behind it.
        if isinstance(error, ProxyError) or (proxy is not None and not isinstance(error, http2.StreamError)):
            return _made(ProxyConnectionError, proxy_url=mask_proxy_url(proxy or ""), error=error)
        return _made(EndpointConnectionError, endpoint_url=self.url, error=error)

    def _unanswered(self, error: OSError) -> Exception:
        """Return what is raised for an error before there is a response."""
        kind = ReadTimeoutError if isinstance(error, TimeoutError) else ConnectionClosedError
        return _made(kind, endpoint_url=self.url, error=error)


def _made(kind: Any, **details: Any) -> Exception:
    error: Exception = kind(**details)
    return error


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8")


# Errors in a stream that is open


def translated(error: OSError, url: str) -> Exception:
    """Return botocore's error for one of the network."""
    if isinstance(error, TimeoutError):
        return _made(ReadTimeoutError, endpoint_url=url, error=error)
    return _made(ResponseStreamingError, error=error)


def client_error(error: ServiceError, model: OperationModel, exceptions: Any, metadata: Mapping[str, Any]) -> Exception:
    """Return botocore's error for an exception of the service.

    It is an ``EventStreamError``, as of the streams that botocore reads itself, and also the client's class for the
    exception, if the model has one.

    Args:
        error: what the service said.
        model: of the operation.
        exceptions: the client's.
        metadata: of the response.
    """
    shape = _shape_of(error.code, model)
    code: str = error.code if shape is None else shape.error_code
    members = {}
    if shape is not None:
        with suppress(CodecError):
            members = parse_json(code, error.payload, reader(shape))
    parsed = {"Error": {"Code": code, "Message": error.message}, "ResponseMetadata": dict(metadata), **members}
    made: Exception = _error_class(exceptions.from_code(code))(parsed, model.name)
    return made


def _shape_of(code: str, model: OperationModel) -> StructureShape | None:
    """Return the shape of an exception; in the stream it has the name of a member."""
    output = model.get_event_stream_output()
    found: StructureShape | None = output.members.get(code) if output is not None else None
    if found is not None and is_exception(found):
        return found
    return model.service_model.shape_for_error_code(code)


@cache
def _error_class(modelled: type) -> type:
    if modelled is ClientError:
        return EventStreamError  # type: ignore[no-any-return]
    return type(modelled.__name__, (modelled, EventStreamError), {"__module__": modelled.__module__})


# botocore's HTTP session


class _Body:
    """The body of a response as botocore reads it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def stream(self, *_: Any) -> Iterator[bytes]:
        """Yield what there is of it."""
        yield from self._pieces

    def read(self, *_: Any) -> bytes:
        """Return what there is of it."""
        return b"".join(self._pieces)


class Opened(_Body):
    """The body of a response that is an event stream.

    botocore's parsers read of it the first message of RPC protocols, and nothing of the others.

    Attributes:
        events: the stream.
    """

    def __init__(self, events: sync.Stream[Any, Any, Any, Any], *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.events = events


class HTTPSession:
    """Sends one request, as botocore's endpoint wants it, from any thread."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def send(self, request: Any) -> Any:
        """Return the response to a prepared request, once it has begun."""
        opened: list[Stream] = []
        stream = sync.Stream(self._opening(request, opened))
        try:
            stream.__enter__()
        except ServiceError as error:
            if error.status_code is None or error.status_code < 300:
                raise
            return AWSResponse(request.url, error.status_code, dict(error.headers or {}), _Body(error.payload))
        pieces = []
        if self._call.operation.initial_messages:
            try:
                initial = sync.RUNNER.run(self._call.initial_of(opened[0]))
            except BaseException:
                stream.close()
                raise
            pieces = [] if initial is None else [initial.encode()]
        return AWSResponse(request.url, 200, dict(self._call.headers), Opened(stream, *pieces))

    @asynccontextmanager
    async def _opening(self, request: Any, opened: list[Stream]) -> AsyncIterator[Stream]:
        async with self._call.open(request) as stream:
            opened.append(stream)
            yield stream

    def close(self) -> None:
        """Do nothing: each stream has its own connection."""
