"""The interface between a client or server and what carries its bytes, e.g. HTTP/2 or a WebSocket.

A client's transport is a function: given a `Call`, it returns a context manager in whose block the exchange is open. It
signs the request in its own way, and says with which signer the events begin, or that they go unsigned. What it opens
is a `Channel`: bytes in both directions. A server's transport calls a handler with a `ServerChannel` for each request.

`over_http2` is the transport for HTTP/2, `over_websocket` that for WebSockets, which presigned URLs open.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from eventstream import http2
from eventstream._text import quote
from eventstream.operation import CONTENT_TYPE, Operation, Parts
from eventstream.proxy import Proxy, ProxyError, ascii_host, named, without_password
from eventstream.signing import Credentials, EventSigner, presign_url, sign_request, utc_now
from eventstream.signing.requests import check_expires
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, MIN_MESSAGE_LENGTH

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

__all__ = [
    "Call",
    "Channel",
    "Endpoint",
    "Opened",
    "ServerChannel",
    "Transport",
    "over_http2",
    "over_websocket",
    "websocket_url",
]

_T = TypeVar("_T")


class Endpoint(NamedTuple):
    """Where a service is.

    Attributes:
        scheme: ``https``, or ``http`` for plaintext.
        authority: the host, and the port if it is not the scheme's own.
        host: a name or an address.
        port: the port.
    """

    scheme: str
    authority: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Return the endpoint of a URL.

        Raises:
            ValueError: it is not a URL with http or https, a host, and possibly a port.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"the endpoint {quote(without_password(url))} is not a URL") from None
        host = ascii_host(parts.hostname)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or port == 0
        if scheme not in ("http", "https") or host is None or more:
            shown = quote(without_password(url))
            raise ValueError(f"the endpoint {shown}: expected http or https, a host and optionally a port")
        authority = f"[{host}]" if ":" in host else host
        default = 443 if scheme == "https" else 80
        return cls(scheme, authority if port in (None, default) else f"{authority}:{port}", host, port or default)


@dataclass(frozen=True)
class Call:
    """All that a transport needs to open an exchange.

    Attributes:
        operation: what is called.
        parts: the request.
        endpoint: where the service is.
        region: for which requests and events are signed.
        credentials: with which they are signed; one set for the whole exchange.
        ssl: the certificates that are trusted; None for plaintext.
        proxy: through which the service is reached; None: directly.
        connect_timeout: seconds until the connection is established; None: as long as it takes.
        response_timeout: seconds until the service has answered the request; None: as long as it takes.
        clock: gives the dates of signatures, as aware datetimes.
    """

    operation: Operation[Any, Any, Any, Any]
    parts: Parts
    endpoint: Endpoint
    region: str
    credentials: Credentials
    ssl: ssl.SSLContext | None
    proxy: Proxy | None
    connect_timeout: float | None
    response_timeout: float | None
    clock: Callable[[], datetime] = utc_now


class Channel(Protocol):
    """The client's end of an exchange: bytes in both directions. One task may read while another sends."""

    @property
    def peer_ended(self) -> bool:
        """Whether all of the response has arrived; some of it may still wait for `receive`."""

    @property
    def readable(self) -> bool:
        """Whether `receive` would not wait."""

    async def response(self, timeout: float | None = None) -> http2.Response:
        """Return the status and headers of the response, once they have come."""

    async def receive(self, timeout: float | None = None) -> bytes:
        """Return all bytes that have arrived, once there are any; none at the end of the response."""

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes: one whole event, or several. It waits while the service takes no more."""

    async def end(self) -> None:
        """End the sending; the response continues."""

    async def reset(self) -> None:
        """Cut the exchange short; nothing happens if it has ended."""


class Opened(NamedTuple):
    """An exchange that is open.

    Attributes:
        channel: its bytes.
        signer: begins with the request's signature; None: events go unsigned.
    """

    channel: Channel
    signer: EventSigner | None


Transport: TypeAlias = Callable[[Call], AbstractAsyncContextManager[Opened]]


class ServerChannel(Protocol):
    """The server's end of an exchange. One task may read while another sends.

    Attributes:
        method, path, headers: of the request, as they were received; the path with its query.
        connection: an object that all exchanges of one connection share, and no other exchange has.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]

    @property
    def connection(self) -> object: ...

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Send the beginning of the response."""

    async def receive(self, timeout: float | None = None) -> bytes:
        """Return all bytes that have arrived, once there are any; none at the end of the request's body."""

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes of the response. It waits while the client takes no more."""

    async def end(self) -> None:
        """End the response."""

    async def reset(self, code: int = http2.ErrorCodes.CANCEL) -> None:
        """Cut the exchange short."""


@asynccontextmanager
async def over_http2(call: Call) -> AsyncIterator[Opened]:
    """Open an exchange over HTTP/2, with a connection of its own.

    Raises:
        OSError: the service cannot be reached or trusted, or hung up; its text names host and port.
        TimeoutError: it did not answer in time.
    """
    operation, endpoint = call.operation, call.endpoint
    scope = call.credentials, call.region, operation.signing_name
    target = operation.target(call.parts)
    headers, seed = sign_request(
        *(*scope, operation.method, target),
        [
            (":method", operation.method),
            (":scheme", endpoint.scheme),
            (":authority", endpoint.authority),
            (":path", target),
            ("content-type", CONTENT_TYPE),
            *call.parts.headers,
        ],
        clock=call.clock,
    )
    connecting = http2.connect(
        *(endpoint.host, endpoint.port), ssl=call.ssl, proxy=call.proxy, connect_timeout=call.connect_timeout
    )
    async with _connected(connecting, f"{endpoint.host}:{endpoint.port}", call.proxy) as connection:
        stream = await connection.request(headers, timeout=call.response_timeout)
        yield Opened(stream, EventSigner(*scope, seed, clock=call.clock))


def websocket_url(
    operation: Operation[Any, Any, Any, Any],
    parts: Parts,
    endpoint: Endpoint,
    region: str,
    credentials: Credentials,
    expires: int,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[str, int]:
    """Return the presigned URL of an operation's WebSocket, and its port.

    The service has a separate port for WebSockets, which is used unless the endpoint names one.

    Raises:
        ValueError: the operation has no WebSocket, or `expires` is out of bounds.
        TypeError: `expires` is not an int.
    """
    check_expires(f"a URL of {operation.name}", expires, operation.max_expires)
    authority, port = endpoint.authority, endpoint.port
    if authority in operation.hosts(region) and endpoint.scheme == "https":
        port = operation.websocket_port
        authority = authority if port == 443 else f"{authority}:{port}"
    scheme = "wss" if endpoint.scheme == "https" else "ws"
    url = f"{scheme}://{authority}{operation.websocket_target(parts)}"
    return presign_url(credentials, region, operation.signing_name, "GET", url, expires=expires, clock=clock), port


@asynccontextmanager
async def over_websocket(call: Call) -> AsyncIterator[Opened]:
    """Open an exchange over a WebSocket. Its events go unsigned: only the URL is signed, and TLS protects them.

    Raises:
        ValueError: the operation has no WebSocket.
        ModuleNotFoundError: the library websockets is not installed.
        OSError: the service cannot be reached or trusted, or hung up; its text names host and port.
        TimeoutError: it did not answer in time.
    """
    try:
        from eventstream import websocket
    except ModuleNotFoundError as error:
        raise without_websockets(error) from error
    operation, host = call.operation, call.endpoint.host
    expires = min(operation.max_expires, 300)
    scope = call.endpoint, call.region, call.credentials
    url, port = websocket_url(operation, call.parts, *scope, expires, call.clock)
    longest = operation.max_output_length
    connecting = websocket.connect(
        *(url, host, port),
        ssl=call.ssl,
        proxy=call.proxy,
        connect_timeout=call.connect_timeout,
        max_frame=None if longest is None else longest + DEFAULT_MAX_HEADERS_LENGTH + MIN_MESSAGE_LENGTH,
    )
    async with _connected(connecting, f"{host}:{port}", call.proxy) as socket:
        yield Opened(socket, None)


def without_websockets(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error that says which extra brings the library websockets."""
    text = "WebSockets need the library websockets: install eventstream-codec with its extra [websocket] or [emulator]"
    return ModuleNotFoundError(text, name=error.name)


_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes of certificates that are signed by nobody who is trusted: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
UNABLE_TO_VERIFY_LEAF_SIGNATURE (openssl/x509_vfy.h)."""


_PLAINTEXT = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})
"""What versions of OpenSSL call an answer that is not TLS."""


@asynccontextmanager
async def _connected(connecting: AbstractAsyncContextManager[_T], name: str, proxy: Proxy | None) -> AsyncIterator[_T]:
    """Open a connection; what fails meanwhile names host and port, and the proxy."""
    try:
        connection = await connecting.__aenter__()
    except ProxyError:
        raise
    except OSError as error:
        error = named(error, name, proxy)
        of_proxy = proxy is not None and proxy.tls  # whose certificate that can be, and which the system trusts or not
        if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _UNKNOWN_ISSUER and not of_proxy:
            error.strerror = f"{error.strerror}; to trust its issuer, set ca_bundle or AWS_CA_BUNDLE"
        elif isinstance(error, ssl.SSLError) and error.reason in _PLAINTEXT and not of_proxy:
            error.strerror = f"{error.strerror}; it speaks plaintext: give an endpoint with http or ws"
        raise error from error.__cause__
    try:
        yield connection
    finally:
        await connecting.__aexit__(None, None, None)
