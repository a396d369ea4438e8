"""Retries: after which errors, how often, and for how long."""

from __future__ import annotations

import asyncio
import math
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypedDict, TypeVar

from eventstream._text import describe
from eventstream._waiting import timeout_after
from eventstream.client.settings import check_callback, check_retries, check_seconds
from eventstream.exceptions import IncompleteStream, ServiceError, TruncatedMessage
from eventstream.http2 import NotHTTP2
from eventstream.operation import may_retry
from eventstream.proxy import ProxyError

MAX_DELAY = 20.0
"""Seconds before a retry, at most: the AWS SDKs' standard mode
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)."""

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
"""Codes that say that credentials must be refreshed, which the next try does."""

_T = TypeVar("_T")

RetryOn: TypeAlias = Callable[[Exception], bool]
"""Says of an error whether what failed may be tried again."""


def retryable(error: Exception) -> bool:
    """Return whether a retry may succeed after this error; the default of every ``retry_on``.

    It may after: errors of the service that say so, or whose code or status is temporary; expired credentials, since
    each try asks for new ones; a signature that was refused because this machine's clock is wrong, since the next try
    uses the service's time; a response that ended early, between two messages or inside one; and network errors. It
    will not after: bytes that are not an event stream, an untrusted certificate, a server that does not speak HTTP/2 or
    TLS, and a proxy that refuses.
    """
    if isinstance(error, ServiceError):
        return (
            error.code in EXPIRED
            or error.clock_skew is not None
            or (may_retry(error.code, error.status_code) if error.retryable is None else error.retryable)
        )
    if isinstance(error, IncompleteStream):
        return True
    if isinstance(error, TruncatedMessage):
        return describe(error.received) is None  # a short text, e.g. "Forbidden", is a whole answer
    if isinstance(error, ProxyError):
        return error.status is None or error.status >= 500
    if isinstance(error, ssl.SSLError):  # the others are what the two sides do not agree on
        return isinstance(error, (ssl.SSLEOFError, ssl.SSLSyscallError))
    return isinstance(error, OSError) and not isinstance(error, NotHTTP2)


class StartOptions(TypedDict, total=False):
    """How a stream is started. The names are those of `Retries`.

    Attributes:
        retries: how many times in a row to retry beginning the stream, if the service or the network fails temporarily;
            0 or more (0). The tries come after longer and longer pauses of a random length. Once the stream has begun,
            an error is final.
        retry_on: decides whether to retry after an error; None: `retryable` does.
        deadline: seconds, more than 0, in which the stream must have begun, with all tries and the pauses between them;
            None: as long as they take.
    """

    retries: int
    retry_on: RetryOn | None
    deadline: float | None


class Retries:
    """How many times something is retried, after which errors, and for how long.

    Args:
        retries: how many in a row.
        retry_on: decides whether to retry after an error.
        deadline: seconds for all tries in a row and the pauses between them; None: as long as they take.

    Raises:
        ConfigurationError: the retries are fewer than 0, or the deadline is not more than 0.
        TypeError: `retry_on` is not a plain function.
    """

    def __init__(self, retries: int = 0, retry_on: RetryOn | None = None, deadline: float | None = None) -> None:
        check_retries(retries)
        check_seconds("deadline", deadline)
        check_callback("retry_on", retry_on)
        self._retries = retries
        self._retry_on = retry_on or retryable
        self._deadline = deadline
        self._end: float | None = None
        self._attempt = 0

    def reset(self) -> None:
        """Count from the beginning, as something has succeeded."""
        self._attempt = 0
        self._end = None

    def started(self) -> None:
        """Let the deadline begin anew with the next try, as this one has begun; the count continues."""
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
        """Return the result of an awaitable.

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
        """Return whether to retry after an error, when it is time to do so.

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
