"""One call over HTTP/2 for botocore, which has only HTTP/1: its HTTP session, for requests that open an event stream.

botocore's endpoint makes, signs and repeats the request, and parses the response, as for every operation; this module
sends it. The request's signature is the seed of the events' signatures.

Errors before the stream is open are botocore's own, so that its retry rules apply. A server that does not speak HTTP/2
raises `eventstream.http2.NotHTTP2`, and an answer that is not an event stream a `ServiceError`; neither is retried.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnsupportedSignatureVersionError,
)
from botocore.parsers import create_parser

from eventstream import client, http2, sync
from eventstream._codec import Message
from eventstream.adapters._errors import client_error, made, translated
from eventstream.adapters._events import EventShape
from eventstream.adapters._operations import ModelOperation, initial_request, make_operation
from eventstream.adapters._settings import Settings
from eventstream.exceptions import ServiceError, VerificationError
from eventstream.operation import CONTENT_TYPE, Events
from eventstream.proxy import ProxyError, without_password
from eventstream.session import ClientSession
from eventstream.signing import EVENTS_PAYLOAD, Credentials, EventSigner
from eventstream.signing.requests import parse_authorization
from eventstream.transport import Endpoint

if TYPE_CHECKING:
    from botocore.model import OperationModel

__all__ = ["Call", "HTTPSession", "Opened", "Stream"]

Pairs: TypeAlias = "list[tuple[str, str]]"

_NOT_SENT = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding"})
"""Headers of HTTP/1 that HTTP/2 says otherwise, or that are only true of a body that is known (RFC 9113, 8.2.2)."""


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
        """Turn botocore's request into one that opens an event stream.

        Args:
            params: the request as botocore's serialiser made it; changed in place.
        """
        params["headers"]["Content-Type"] = CONTENT_TYPE
        params["headers"]["X-Amz-Content-SHA256"] = EVENTS_PAYLOAD
        if self.operation.initial_messages:
            self.initial = initial_request(self.model, params["body"])
        params["body"] = b""

    @staticmethod
    def claim_of(request: Any) -> dict[str, str] | None:
        """Return what a request says about its signature, as `parse_authorization` does.

        Returns:
            None if it is not signed, or has a bearer token: then its events are not signed.

        Raises:
            UnsupportedSignatureVersionError: it is signed in a way in which events cannot be.
        """
        text = _text(request.headers.get("Authorization", ""))
        if not text or text.startswith("Bearer "):
            return None
        try:
            return parse_authorization(text)
        except VerificationError:
            raise UnsupportedSignatureVersionError(signature_version=text.partition(" ")[0]) from None

    def auth_of(self, claim: dict[str, str]) -> Any:
        """Return botocore's object that has signed a request, of aiobotocore an awaitable of it."""
        given = (self.context.get("signing") or {}).get("request_credentials")
        options = {} if given is None else {"request_credentials": given}
        return self.signer.get_auth_instance(claim["service"], claim["region"], "v4", **options)

    @staticmethod
    def event_signer(request: Any, claim: dict[str, str], auth: Any) -> EventSigner:
        """Return what signs the events of a request.

        Raises:
            ConnectionClosedError: the credentials changed while it was signed; the next try will succeed.
        """
        keys = auth.credentials
        if keys is None or keys.access_key != claim["access_key"]:
            raise ConnectionClosedError(endpoint_url=request.url)
        credentials = Credentials(keys.access_key, keys.secret_key, keys.token)
        return EventSigner(credentials, claim["region"], claim["service"], bytes.fromhex(claim["signature"]))

    @asynccontextmanager
    async def open(self, request: Any, signer: EventSigner | None) -> AsyncIterator[Stream]:
        """Send botocore's prepared request, and yield the stream, once the service has answered that it is one.

        Args:
            request: it is signed.
            signer: signs its events; None: they go unsigned.

        Raises:
            ServiceError: the service refused, or answered with something else.
            BotoCoreError: the service cannot be reached or trusted, or did not answer.
            NotHTTP2: the server does not speak HTTP/2.
        """
        url = self.url = request.url
        endpoint = Endpoint.parse(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")
        given = [(name.lower(), _text(value)) for name, value in request.headers.items()]
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
            ssl=self.trust(url) if endpoint.scheme == "https" else None,
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
        """Return the ``initial-response`` of an RPC protocol, whose JSON botocore can read; see `Stream.initial`.

        Raises:
            ClientError: the service gives up before.
            IncompleteStream, CodecError: the stream ends, or is not one.
            HTTPClientError: it breaks.
        """
        try:
            message = await stream.initial()
        except ServiceError as error:
            metadata = {"HTTPStatusCode": 200, "HTTPHeaders": dict(self.headers)}
            raise client_error(error, self.model, self.exceptions, metadata) from error
        except OSError as error:
            raise translated(error, self.url) from error
        if message is None:
            return None
        Events(EventShape("initial-response", self.model.output_shape, "").kind()).parse(message)
        return Message(message.headers, json.dumps(json.loads(bytes(message.payload) or b"{}")).encode())

    def error_body(self, error: ServiceError) -> bytes:
        """Return the body of a service's refusal, or in its place one that botocore's parser can read.

        The parser fails with all kinds of errors, which are then not retried, if the body is not UTF-8, as the pages of
        gateways, or JSON of another shape.
        """
        service = self.model.service_model
        parser = create_parser(service.resolved_protocol)
        response = {
            "status_code": error.status_code,
            "headers": HeadersDict(error.headers or {}),
            "body": error.payload,
        }
        try:
            parsed = parser.parse(response, self.model.output_shape)
            shape = service.shape_for_error_code(parsed["Error"]["Code"])
            if shape is not None:
                parser.parse(response, shape)
        except Exception:
            return json.dumps({"message": error.message}).encode()
        return error.payload

    def trust(self, url: str) -> ssl.SSLContext:
        """Return which certificates are trusted.

        Raises:
            SSLError: the client's configuration names some that cannot be read.
        """
        try:
            return self.settings.ssl
        except OSError as error:
            raise SSLError(endpoint_url=url, error=error) from error

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
            return made(SSLError, endpoint_url=self.url, error=error)
        if isinstance(error, TimeoutError):
            return made(ConnectTimeoutError, endpoint_url=self.url, error=error)
        proxy = self.settings.proxy_url(self.url)
        # What is connected to is the proxy; the endpoint can only hang up behind it.
        if isinstance(error, ProxyError) or (proxy is not None and not isinstance(error, http2.StreamError)):
            return made(ProxyConnectionError, proxy_url=without_password(proxy or ""), error=error)
        return made(EndpointConnectionError, endpoint_url=self.url, error=error)

    def _unanswered(self, error: OSError) -> Exception:
        """Return what is raised for an error before there is a response."""
        kind = ReadTimeoutError if isinstance(error, TimeoutError) else ConnectionClosedError
        return made(kind, endpoint_url=self.url, error=error)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8")


# botocore's HTTP session


class _Body:
    """The body of a response as botocore reads it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def stream(self, *_: Any) -> Iterator[bytes]:
        """Yield what there is of it."""
        yield from self._pieces


class Opened(_Body):
    """The body of a response that is an event stream.

    botocore's parsers read the first message of it for RPC protocols, and nothing for the others.

    Attributes:
        events: the stream.
    """

    def __init__(self, events: sync.Stream[Any, Any, Any, Any], *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.events = events


class HTTPSession:
    """Sends one request, as botocore's endpoint wants it, from any thread.

    The shared thread must hold no reference to it, or a stream that nobody closes would never be collected.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stream: sync.Stream[Any, Any, Any, Any] | None = None

    def send(self, request: Any) -> Any:
        """Return the response to a prepared request, once it has begun."""
        self.close()  # what an earlier try has opened
        # What may take a while holds up this thread, and not the one that all streams share.
        call = self._call
        claim = call.claim_of(request)
        signer = None if claim is None else call.event_signer(request, claim, call.auth_of(claim))
        if request.url.startswith("https:"):
            call.trust(request.url)
        opened: list[Stream] = []
        self._stream = stream = sync.Stream(_opening(call, request, signer, opened))
        try:
            stream.__enter__()
        except ServiceError as error:
            if error.status_code is None or error.status_code < 300:
                raise
            body = _Body(call.error_body(error))
            return AWSResponse(request.url, error.status_code, dict(error.headers or {}), body)
        pieces = []
        if call.operation.initial_messages:
            initial = sync.RUNNER.run(call.initial_of(opened[0]))
            pieces = [] if initial is None else [initial.encode()]
        return AWSResponse(request.url, 200, dict(call.headers), Opened(stream, *pieces))

    def close(self) -> None:
        """Close the stream that was opened."""
        if self._stream is not None:
            self._stream.close()


@asynccontextmanager
async def _opening(call: Call, request: Any, signer: EventSigner | None, opened: list[Stream]) -> AsyncIterator[Stream]:
    """Open the stream of a call, and append it to a list."""
    async with call.open(request, signer) as stream:
        opened.append(stream)
        yield stream
