"""State that all streams of a server share: handlers, credentials, and the open streams."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from eventstream._partitions import check_region
from eventstream._text import class_of, quote
from eventstream._waiting import timeout_after
from eventstream.faults import Fault, Faults
from eventstream.http2.listener import Complaints
from eventstream.operation import check_operation
from eventstream.server.conversation import Conversation, check_handler
from eventstream.server.limits import Limits
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now

if TYPE_CHECKING:
    from eventstream.exceptions import ServiceError
    from eventstream.operation import Operation
    from eventstream.server.conversation import Handler
    from eventstream.transport import ServerChannel
    from eventstream.websocket import ServerSocket

_INTERRUPTED_WITHIN = 1.0
"""Seconds in which a stream that is interrupted should be able to say so to its client."""


@dataclass
class Statistics:
    """Counts of requests and streams so far.

    Attributes:
        refused: requests that were answered with an HTTP error, or ended before they were answered.
        streams: requests that were answered with a stream.
        failed: streams that did not come to their end: they got an exception, or their client went away.
        signatures: that were verified: of requests, events and ends of input.
    """

    refused: int = 0
    streams: int = 0
    failed: int = 0
    signatures: int = 0


def check_paths(operations: Iterable[Operation[Any, Any, Any, Any]], attribute: str) -> None:
    """Check that no operation hides another one: that no two have the same path, whatever its labels are called.

    Args:
        operations: what is served.
        attribute: ``"path"`` or ``"websocket_path"``.

    Raises:
        ValueError: two have.
    """
    first: dict[str, Operation[Any, Any, Any, Any]] = {}
    for operation in operations:
        path = getattr(operation, attribute)
        if path is None:
            continue
        other = first.setdefault(re.sub(r"\{\w+\}", "{}", path), operation)
        if other is not operation:
            both = f"{other.name} and {operation.name}"
            raise ValueError(f"{both} cannot be served together: {attribute} of both is {quote(path)}")


def _account(account: Credentials) -> Credentials:
    if not isinstance(account, Credentials):
        raise TypeError(f"credentials must be Credentials, or several of them, not {type(account).__name__}")
    return account


class Service:
    """What all streams of a server share: its handlers, its accounts, its limits, and who is there.

    It is called with each stream.

    Args:
        handlers: what answers the streams of each operation.
        accounts: whose signatures are accepted; None: signatures are not checked.
        region: the one that requests must be signed for; None: any.
        limits: what a client may ask for.
        faults: what goes wrong on request.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.

    Attributes:
        accounts: by their access keys.
        statistics: what came and went so far.
        failures: logs faults of the server, which strangers may cause: one a second.
    """

    log = logging.getLogger("eventstream.server")

    def __init__(
        self,
        handlers: Mapping[Operation[Any, Any, Any, Any], Handler],
        *,
        accounts: Credentials | Iterable[Credentials] | None,
        region: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
    ) -> None:
        if not isinstance(handlers, Mapping):
            raise TypeError(f"handlers must map operations to their handlers, not be a {type(handlers).__name__}")
        if not handlers:
            raise ValueError("a server needs at least one operation")
        for operation, handler in handlers.items():
            check_operation(operation)
            check_handler(handler)
        check_paths(handlers, "path")
        if region is not None:
            check_region(region)
        if not isinstance(limits, Limits):
            raise TypeError(f"limits must be eventstream.server.Limits, not {class_of(limits)}")
        if max_clock_skew is not None and not isinstance(max_clock_skew, timedelta):
            raise TypeError(f"max_clock_skew must be a timedelta, or None, not {type(max_clock_skew).__name__}")
        if isinstance(faults, str) or not isinstance(faults, Iterable):
            faults = (faults,)
        if accounts is not None and not isinstance(accounts, Iterable):
            accounts = (accounts,)
        self.handlers = dict(handlers)
        self.accounts = (
            None if accounts is None else {account.access_key: account for account in map(_account, accounts)}
        )
        self.region = region
        self.limits = limits
        self.faults = Faults(fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults)
        self.clock = clock
        self.max_clock_skew = max_clock_skew
        self.statistics = self._statistics()
        self.failures = Complaints(self.log)
        self._present: dict[str, Conversation[Any, Any, Any, Any]] = {}
        self._there: set[Conversation[Any, Any, Any, Any]] = set()  # also those whose place was taken, until they go
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def _statistics(self) -> Statistics:
        return Statistics()

    async def __call__(self, channel: ServerChannel) -> None:
        """Answer one request, to its end."""
        matching = (operation for operation in self.handlers if operation.match(channel.path) is not None)
        operation = next(matching, next(iter(self.handlers)))
        await Conversation(self, channel, operation).run(self.handlers[operation])

    async def over_websocket(self, channel: ServerSocket) -> None:
        """Answer what comes over a WebSocket, to its end."""
        operation = next(op for op in self.handlers if op.match_websocket(channel.path) is not None)
        await Conversation(self, channel, operation, websocket_id=channel.id).run(self.handlers[operation])

    def no_websocket(self, path: str) -> str | None:
        """Say why there is no WebSocket at a path; None if there is one."""
        if any(operation.match_websocket(path) is not None for operation in self.handlers):
            return None
        paths = [operation.websocket_path for operation in self.handlers if operation.websocket_path is not None]
        none = [operation.name for operation in self.handlers if operation.websocket_path is None]
        only = f", only at {', '.join(paths)}" if paths else ""
        text = f"No WebSocket is served at {quote(path.partition('?')[0])}{only}."
        return f"{text} {', '.join(none)}: HTTP/2 only." if none else text

    def enter(
        self, key: str, conversation: Conversation[Any, Any, Any, Any], conflict: ServiceError | None = None
    ) -> None:
        """Let a stream in. It takes the place of another one with the same key: until that one has ended, the limit is
        exceeded by one.

        Args:
            key: what the stream is known by, e.g. a session's id.
            conversation: the stream.
            conflict: what another stream with this key is ended with.

        Raises:
            ServiceError: the limit of streams is reached, or the server is draining.
        """
        operation = conversation.operation
        if self._draining:
            raise self._shutting_down(operation)
        other = self._present.get(key)
        if len(self._there) - (other is not None) >= self.limits.max_streams:
            text = f"The limit of {self.limits.max_streams} concurrent streams has been reached."
            raise operation.make_error(operation.codes.throttled, text)
        bound = operation.streams_per_connection if self.limits.as_operations_say else None
        if bound is not None and sum(there.shares(conversation) for there in self._there) >= bound:
            text = f"A connection can have only {bound} {'stream' if bound == 1 else 'streams'} at a time."
            raise operation.make_error(operation.codes.invalid, text)
        if other is not None and conflict is not None:
            other.interrupt(conflict)
        self._present[key] = conversation
        self._there.add(conversation)
        self._empty.clear()

    def leave(self, key: str, conversation: Conversation[Any, Any, Any, Any]) -> None:
        """Remove a stream; a newer one may already have taken over its key."""
        self._there.discard(conversation)
        if self._present.get(key) is conversation:
            del self._present[key]
        if not self._there:
            self._empty.set()

    async def drain(self, grace: float) -> None:
        """Refuse new streams, and wait until the open ones have ended.

        Args:
            grace: seconds after which they are ended with an exception.
        """
        self._draining = True
        await self._until_empty(grace)
        for conversation in list(self._there):
            conversation.interrupt(self._shutting_down(conversation.operation))
        await self._until_empty(_INTERRUPTED_WITHIN)

    async def _until_empty(self, seconds: float) -> None:
        """Wait until no stream is left, or the seconds are over."""
        with suppress(asyncio.TimeoutError):
            async with timeout_after(seconds):
                await self._empty.wait()

    def _shutting_down(self, operation: Operation[Any, Any, Any, Any]) -> ServiceError:
        return operation.make_error(operation.codes.unavailable, f"The {self.what} is shutting down.")

    what = "server"
    """What it calls itself in texts."""

    input = "the request"
    """What it calls what it is sent."""

    def words(self, error: Exception) -> str:
        """Return the text for a request or event that is wrong."""
        return str(error)

    def silence(self) -> str:
        """Return the text for a client that sends no event for too long."""
        return f"Your request timed out because no new event was received for {self.limits.input_timeout:g} seconds."
