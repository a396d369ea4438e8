"""The emulator: a `Service` behind HTTP/2, in plaintext or with a certificate of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eventstream.http2 import MAX_CONCURRENT_STREAMS, serve
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now
from eventstream.transcribe.emulator.faults import Fault
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.service import Limits, Service, Statistics

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from eventstream.transcribe.emulator.recogniser import RecogniserFactory

__all__ = ["DOCUMENTATION_CREDENTIALS", "Emulator"]

DOCUMENTATION_CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
"""The keys of AWS's examples of Signature Version 4; they open nothing but emulators."""

WORKERS = 32
"""Threads on which recognisers work, each for one stream at a time."""


class Emulator:
    """A local endpoint for StartStreamTranscription: an asynchronous context manager that serves within its block.

    At the end of the block streams that still run are ended with a ``ServiceUnavailableException``; `drain` before it
    gives them time. What recognisers are doing on their threads it waits for. It serves once.

    Args:
        host: the address to listen on; the default is reachable from this machine alone.
        port: 0 for any that is free.
        tls: whether to serve TLS, with a certificate that is made for the occasion.
        credentials: whose signatures are accepted; None: signatures are not checked, and need not be there.
        recogniser: makes the recognisers; None: a `Scripted` one. It is not closed.
        limits: what a client may ask for.
        faults: what shall go wrong: each a `Fault`, or as it is written on the command line.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.

    Attributes:
        authority: with TLS, the PEM of the certificate that a client must trust.

    Raises:
        ImportError: there shall be TLS, and cryptography is not installed.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        credentials: Iterable[Credentials] | None = (DOCUMENTATION_CREDENTIALS,),
        recogniser: RecogniserFactory | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
    ) -> None:
        if isinstance(faults, (str, Fault)):
            faults = (faults,)
        self._host = host
        self._port = port
        self.authority: str | None = None
        self._ssl = None
        if tls:
            from eventstream.transcribe.emulator.certificate import make_certificate, server_context

            certificate = make_certificate([host])
            self.authority = certificate.authority.decode()
            self._ssl = server_context(certificate)
        self._executor = ThreadPoolExecutor(WORKERS, "recogniser")
        self._service = Service(
            Scripted() if recogniser is None else recogniser,
            self._executor,
            accounts=credentials,
            limits=limits,
            faults=[fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults],
            clock=clock,
            max_clock_skew=max_clock_skew,
        )
        # One more than are let in, so that the one too many is told why.
        self._max_concurrent_streams = max(MAX_CONCURRENT_STREAMS, limits.max_streams + 1)

    @property
    def endpoint(self) -> str:
        """Its address, as ``http://127.0.0.1:49152``; within the block."""
        scheme = "http" if self._ssl is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}"

    @property
    def statistics(self) -> Statistics:
        """What came and went so far."""
        return self._service.statistics

    async def drain(self, grace: float) -> None:
        """Refuse new streams with a ``ServiceUnavailableException``, and wait until those that run have ended.

        Args:
            grace: seconds after which they get that exception, too.
        """
        await self._service.drain(grace)

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self._executor.shutdown)
            server = await stack.enter_async_context(
                serve(
                    self._service,
                    self._host,
                    self._port,
                    ssl=self._ssl,
                    max_concurrent_streams=self._max_concurrent_streams,
                    drain_timeout=0,
                )
            )
            stack.push_async_callback(self.drain, 0)
            self._port = server.port
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening, and end the streams that still run."""
        await self._stack.__aexit__(exc_type, exc, traceback)
