"""Accepts connections for a server within bounds: for each peer, in total, and at a time.

asyncio's own server accepts as many connections in one turn of the event loop as its backlog is long, bounds none, and
logs a traceback for each that it has no descriptor for.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from ipaddress import IPv6Address, IPv6Network
from ssl import SSLError
from typing import TYPE_CHECKING, Any

from eventstream._text import quote
from eventstream._waiting import timeout_after

if TYPE_CHECKING:
    from ssl import SSLContext

ACCEPTS_PER_TURN = 8
"""Connections that are accepted in one turn of the event loop, so that others have their turn meanwhile."""

ACCEPT_PAUSE = 0.1
"""Seconds without accepting when the system has no more descriptors or memory."""

MAX_PORT = 65_535

_log = logging.getLogger(__name__)


class Complaints:
    """Log lines that strangers can cause: at most one a second, which says how many were left out before it."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next = 0.0
        self._left_out = 0

    def __call__(self, level: int, text: str, *args: object, exc_info: BaseException | bool | None = None) -> None:
        """Log this, or count it; `exc_info` adds that exception, or with True the one that is being handled."""
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return
        self._next = now + 1
        if self._left_out:
            text, args = text + " (and %d other faults were not logged)", (*args, self._left_out)
            self._left_out = 0
        self._log.log(level, text, *args, exc_info=exc_info)


class Place:
    """What a connection takes of the bounds, from when it is accepted until it is lost.

    Attributes:
        peer: the address of the peer, without its port.
        network: what the bound for each peer counts by.
        evict: closes the connection at once, since another needs its place.
        transport: owns the connection's socket once it has begun; None: it has not.
    """

    def __init__(self, listener: Listener, peer: str) -> None:
        self._listener = listener
        self.peer = peer
        self.network = _network(peer)
        self.evict: Callable[[], object] = lambda: None
        self.transport: asyncio.Transport | None = None

    def begin(self, transport: asyncio.Transport, evict: Callable[[], object]) -> None:
        """Note that the connection has begun, and what closes it at once."""
        self.transport = transport
        self.evict = evict

    def rest(self) -> None:
        """Note that the connection has no open stream; those that have rested longest give way first."""
        self._listener.rest(self)

    def work(self) -> None:
        """Note that the connection has an open stream."""
        self._listener.resting.pop(self, None)

    def leave(self) -> None:
        """Note that the connection is lost, or was told to go."""
        self._listener.leave(self)


class Listener:
    """Listening sockets, and the connections that were accepted.

    Args:
        make: makes the protocol of a connection, which tells its place when it rests, works and is lost.
        ssl: for TLS; None: plaintext.
        handshake_timeout: seconds for the TLS handshake; None: asyncio's default.
        max_connections: at once; None: no bound.
        max_connections_per_peer: at once from one address, or from one /64 of IPv6; None: no bound.

    Attributes:
        port: of the first socket.
        resting: the connections without streams; the one that has rested longest comes first.
        complaints: the lines about connections that fail.
    """

    port: int

    def __init__(
        self,
        make: Callable[[Place], asyncio.BaseProtocol],
        *,
        ssl: SSLContext | None,
        handshake_timeout: float | None,
        max_connections: int | None,
        max_connections_per_peer: int | None,
    ) -> None:
        self._make = make
        self._ssl = ssl
        self._handshake_timeout = handshake_timeout if ssl is not None else None
        self._max = max_connections
        self._max_per_peer = max_connections_per_peer
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._places: set[Place] = set()
        self._by_network: Counter[str] = Counter()
        self.resting: dict[Place, None] = {}
        self.complaints = Complaints(_log)

    async def listen(self, host: str | None, port: int, backlog: int) -> None:
        """Listen on every address that the host has.

        Raises:
            OSError: that is not possible.
            ValueError: the port cannot be one. The system would take its lowest 16 bits.
            TypeError: it is not an int.
        """
        if not isinstance(port, int):
            raise TypeError(f"the port must be an int, not {type(port).__name__}")
        if not 0 <= port <= MAX_PORT:
            raise ValueError(f"the port {port} is out of range (0 to {MAX_PORT})")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except UnicodeError:  # e.g. two dots follow each other
            raise OSError(errno.EINVAL, f"{quote(host or '')} is not the name of a host") from None
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, kind, protocol, address, backlog))
        except BaseException:
            for listening in self._sockets:
                listening.close()
            raise
        self.port = self._sockets[0].getsockname()[1]
        for listening in self._sockets:
            self._begin(self._accept(listening)).add_done_callback(partial(_close, listening))

    def close(self) -> None:
        """Accept no more, and drop those whose handshake is not finished."""
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until what `close` has cancelled is over."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                for _ in range(ACCEPTS_PER_TURN):
                    accepted, address = await _next(listening)
                    self._admit(accepted, str(address[0]) if isinstance(address, tuple) else "")
            except ConnectionError:
                pass  # it was gone before it was accepted
            except (OSError, MemoryError) as error:
                self.complaints(logging.WARNING, "connections are not accepted for %s s: %s", ACCEPT_PAUSE, error)
                await asyncio.sleep(ACCEPT_PAUSE)
            await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket, peer: str) -> None:
        place = Place(self, peer)
        for bound, of in ((self._max_per_peer, place.network), (self._max, None)):
            if bound is not None and (len(self._places) if of is None else self._by_network[of]) >= bound:
                other = next((other for other in self.resting if of in (None, other.network)), None)
                if other is None:
                    accepted.close()
                    text = "a connection from %s was refused: %d are open"
                    self.complaints(logging.WARNING, text, peer, bound)
                    return
                self.leave(other)
                other.evict()
        self._places.add(place)
        self._by_network[place.network] += 1
        place.rest()
        task = self._begin(self._start(accepted, place))
        task.add_done_callback(partial(_drop_if_cancelled, accepted, place))
        place.evict = task.cancel

    async def _start(self, accepted: socket.socket, place: Place) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._ssl is not None:
                await _readable(accepted, self._handshake_timeout)
                _check_begins_with_tls(accepted)
            await loop.connect_accepted_socket(
                lambda: self._make(place), accepted, ssl=self._ssl, ssl_handshake_timeout=self._handshake_timeout
            )
        except (OSError, MemoryError, asyncio.TimeoutError) as error:  # before Python 3.11 no OSError
            self.complaints(logging.INFO, "a connection from %s failed: %s", place.peer, _fault(error))
            _drop(accepted, place)
        except Exception:
            _drop(accepted, place)
            raise

    def rest(self, place: Place) -> None:
        """Note that the connection has no open stream, unless it was told to go: it has no place to give then."""
        if place in self._places:
            self.resting[place] = None

    def leave(self, place: Place) -> None:
        """Note that the connection is lost, or was told to go."""
        if place in self._places:
            self._places.discard(place)
            self.resting.pop(place, None)
            self._by_network[place.network] -= 1
            if not self._by_network[place.network]:
                del self._by_network[place.network]


def _network(peer: str) -> str:
    """Return an address of IPv4 as it is, and the /64 of one of IPv6: a host of its own may use all of that."""
    if ":" not in peer:
        return peer
    address = IPv6Address(peer)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _close(listening: socket.socket, _: object) -> None:
    listening.close()


def _drop(accepted: socket.socket, place: Place) -> None:
    place.leave()
    accepted.close()


def _drop_if_cancelled(accepted: socket.socket, place: Place, task: asyncio.Task[None]) -> None:
    """Do what a task that is cancelled before its first step cannot do itself.

    Once the connection has begun, asyncio only waits for the peer to end TLS as well. If the socket was closed under
    its transport, the next connection with that descriptor would fail.
    """
    if task.cancelled() and place.transport is not None:
        place.leave()
        place.transport.abort()
    elif task.cancelled():
        _drop(accepted, place)


async def _next(listening: socket.socket) -> tuple[socket.socket, Any]:
    """Return the next connection, and its address.

    asyncio's `sock_accept` loses, and does not close, one that came in the same turn as it was cancelled.
    """
    while True:
        try:
            accepted, address = listening.accept()
        except BlockingIOError:
            if not await _readable(listening, None):
                return await asyncio.get_running_loop().sock_accept(listening)
        else:
            accepted.setblocking(False)
            return accepted, address


async def _readable(watched: socket.socket, timeout: float | None) -> bool:
    """Wait until something has come; False: the event loop cannot tell, e.g. Windows' proactor.

    asyncio's TLS takes 256 KiB for a connection before that.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(watched, ready.set)
    except NotImplementedError:
        return False
    try:
        async with timeout_after(timeout):
            await ready.wait()
    finally:
        loop.remove_reader(watched)
    return True


_HANDSHAKE = b"\x16"
"""The first byte of a TLS client (RFC 8446, 5.1)."""


def foreign(begun: bytes) -> str | None:
    """Return what a client speaks that begins so, if it is neither HTTP/2 nor unknown."""
    if begun.startswith(_HANDSHAKE + b"\x03"):
        return "TLS, and this port plaintext"
    return "HTTP/1" if _REQUEST_LINE.match(begun) else None


_REQUEST_LINE = re.compile(rb"(?!PRI )[A-Z]{3,10} ")
"""How a request of HTTP/1 begins (RFC 9112, 3); HTTP/2 begins with ``PRI`` (RFC 9113, 3.4)."""


class _NoTLS(OSError):
    """A client that does not begin a handshake; the text says what it does."""


def _check_begins_with_tls(accepted: socket.socket) -> None:
    """Check that the client's first byte, if it has come, begins a handshake.

    Raises:
        _NoTLS: it is another one, or it hung up.
    """
    try:
        begun = accepted.recv(16, socket.MSG_PEEK)
    except BlockingIOError:  # where the event loop could not tell that something has come
        return
    if not begun:
        raise _NoTLS("it hung up before the TLS handshake")
    if not begun.startswith(_HANDSHAKE):
        raise _NoTLS(f"it speaks {foreign(begun) or 'something else'} in plaintext, and this port TLS")


_UNTRUSTED = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "UNSUPPORTED_CERTIFICATE")
"""How OpenSSL's names of the alerts end with which clients refuse a certificate (RFC 8446, 6.2)."""


def _fault(error: BaseException) -> str:
    """Say why a connection could not be used."""
    if isinstance(error, SSLError):
        reason = getattr(error, "reason", None) or ""  # OpenSSL's errors have one
        if "ALERT" in reason and reason.endswith(_UNTRUSTED):
            return "it does not trust this server's certificate"
        return f"the TLS handshake failed ({reason or type(error).__name__})"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "it did not finish the TLS handshake in time"
    if isinstance(error, ConnectionError):
        # asyncio's clients do so without an alert when they do not trust the certificate.
        return "it hung up during the TLS handshake, perhaps because it does not trust this server's certificate"
    return str(error) or type(error).__name__


def _listening(
    family: socket.AddressFamily, kind: socket.SocketKind, protocol: int, address: Any, backlog: int
) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # pragma: no branch (on Windows it has another meaning)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        try:
            listening.bind(address)
            listening.listen(backlog)
        except OSError as error:
            text = f"cannot listen on the address {address[0]}, port {address[1]}: {error.strerror}"
            raise OSError(error.errno, text) from None
    except BaseException:
        listening.close()
        raise
    return listening
