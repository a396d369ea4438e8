"""A server that listens, from the beginning of its block to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from eventstream.exceptions import StateError
from eventstream.http2 import MAX_CONCURRENT_STREAMS, serve
from eventstream.server.conversation import REQUEST_ID_HEADERS
from eventstream.server.limits import ConnectionLimits, Limits
from eventstream.server.service import Service, check_paths
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now
from eventstream.transport import without_websockets

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

    from typing_extensions import Self

    from eventstream.faults import Fault
    from eventstream.operation import Operation
    from eventstream.server.conversation import Handler
    from eventstream.server.service import Statistics
    from eventstream.websocket import Route

_BLOCK = "the block of the server (`async with`)"


def _request_ids(request_id: str) -> list[tuple[str, str]]:
    return [(name, request_id) for name in REQUEST_ID_HEADERS]


class Server:
    """A server over HTTP/2, and over WebSockets on a port of their own: an asynchronous context manager that serves
    within its block. It serves once.

    At the end of the block streams that still run are ended with an exception; `drain` before it gives them time.

    Args:
        handlers: what answers the streams of each operation; see `Handler`.
        credentials: whose signatures are accepted, one or several; None: signatures are not checked, and need not be
            there, as in requests with a bearer token, which is not checked either.
        host: the address to listen on; the default is reachable from this machine only.
        port: 0 for any that is free.
        ssl: a context with the server's certificate; None: plaintext.
        region: the one that requests must be signed for; None: any.
        limits: what a client may ask for.
        connections: what connections may cost.
        faults: what goes wrong on demand: each a `eventstream.faults.Fault`, or its text as on the command line.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        websocket_port: the port for WebSockets, 0 for any that is free; None: there are none. They are opened by
            presigned URLs, and events may then go signed or unsigned.
        websocket_ssl: a context with the server's certificate for that port; needed where `ssl` is given.

    Raises:
        ValueError: no operation was given, two have the same path, the region cannot be one, a fault is unknown, a
            context is missing, or there is a port for WebSockets, and no operation has a path for them.
        TypeError: an operation, a handler or a fault is not one, credentials are not `Credentials`, limits are not
            such, or `max_clock_skew` is not a timedelta.
    """

    def __init__(
        self,
        handlers: Mapping[Operation[Any, Any, Any, Any], Handler],
        *,
        credentials: Credentials | Iterable[Credentials] | None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: SSLContext | None = None,
        region: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008 (immutable)
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
        if websocket_port is not None and all(operation.websocket_path is None for operation in handlers):
            raise ValueError("the port for WebSockets needs an operation with a websocket_path")
        if websocket_port is not None:
            check_paths(handlers, "websocket_path")
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
        if not isinstance(connections, ConnectionLimits):
            raise TypeError(f"connections must be ConnectionLimits, not {type(connections).__name__}")
        self._connections = connections
        self._host = host
        self._port = port
        self._ssl = ssl
        self._websocket_port = websocket_port
        self._websocket_ssl = websocket_ssl
        self._routes: dict[str, Route] = {}
        self._has_served = False

    @property
    def endpoint(self) -> str:
        """Its address, e.g. ``http://127.0.0.1:49152``; within the block.

        Raises:
            StateError: the port is chosen on entering the block, which has not been entered.
        """
        return self._address("http" if self._ssl is None else "https", self._port)

    @property
    def websocket_endpoint(self) -> str | None:
        """The address of its WebSockets, e.g. ``ws://127.0.0.1:49153``; None if it has none. Within the block."""
        if self._websocket_port is None:
            return None
        return self._address("ws" if self._websocket_ssl is None else "wss", self._websocket_port)

    def _address(self, scheme: str, port: int, host: str | None = None) -> str:
        """Return the address of a port, on the host that it listens on, or another name of it."""
        if port == 0:
            raise StateError(f"{_BLOCK} has not been entered, so the port is not known")
        host = host or self._host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def statistics(self) -> Statistics:
        """Counts of requests and streams so far."""
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
            ValueError: a port is out of range.
            TypeError: it is not an int.
            StateError: it has served before.
        """
        if self._has_served:
            raise StateError(f"{_BLOCK} has been entered before, and it serves once: make another one")
        async with AsyncExitStack() as stack:
            self._enter(stack)
            server = await stack.enter_async_context(
                serve(
                    self._service,
                    self._host,
                    self._port,
                    ssl=self._ssl,
                    # One more than are let in, so that a stream beyond the limit gets an error that says so.
                    max_concurrent_streams=max(MAX_CONCURRENT_STREAMS, self._service.limits.max_streams + 1),
                    drain_timeout=0,
                    refusal_headers=lambda: _request_ids(str(uuid4())),
                    **vars(self._connections),
                )
            )
            self._port = server.port
            if self._websocket_port is not None:
                self._websocket_port = await self._serve_websockets(stack, self._websocket_port)
            stack.push_async_callback(self.drain, 0)
            self._stack = stack.pop_all()
            self._has_served = True
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
                handshake_headers=lambda socket: _request_ids(socket.id),
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
