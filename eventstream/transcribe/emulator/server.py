"""The emulator: a `Server` of Amazon Transcribe's operation, in plaintext or with a certificate of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eventstream.faults import Fault
from eventstream.server import ConnectionLimits, Server
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.service import Limits, Service, Statistics

if TYPE_CHECKING:
    from eventstream.transcribe.emulator.recogniser import RecogniserFactory

__all__ = ["DOCUMENTATION_CREDENTIALS", "Emulator"]

DOCUMENTATION_CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
"""The keys of AWS's examples of Signature Version 4; they open nothing but emulators."""

WORKERS = 32
"""Threads on which recognisers work, each for one stream at a time."""


class Emulator(Server):
    """A local endpoint for Amazon Transcribe's streams: an asynchronous context manager that serves within its block.

    It answers StartStreamTranscription, StartMedicalStreamTranscription, StartCallAnalyticsStreamTranscription and
    StartMedicalScribeStream, all with what its recogniser hears.

    At the end of the block streams that still run are ended with a ``ServiceUnavailableException``; `drain` before it
    gives them time. What recognisers are doing on their threads it waits for. It serves once.

    Args:
        host: the address to listen on; the default is reachable from this machine only.
        port: 0 for any that is free.
        tls: whether to serve TLS, with a certificate that is made for the occasion.
        host_names: names and addresses by which clients call it, beside the host and this machine's own: they are in
            the certificate.
        credentials: whose signatures are accepted; None: signatures are not checked, and need not be there.
        recogniser: makes the recognisers; None: a `Scripted` one. It is not closed.
        limits: what a client may ask for; `Limits.strict` is what the service allows.
        connections: what connections may cost.
        faults: what should go wrong: each a `Fault`, or as it is written on the command line.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        websocket_port: the port for WebSockets, 0 for any that is free; None: there are none. They are opened by
            presigned URLs, for all operations but StartMedicalScribeStream.

    Attributes:
        authority: with TLS, the PEM of the certificate that a client must trust.
        statistics: what came and went so far.

    Raises:
        ImportError: TLS was asked for, and trustme is not installed.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        host_names: Iterable[str] = (),
        credentials: Iterable[Credentials] | None = (DOCUMENTATION_CREDENTIALS,),
        recogniser: RecogniserFactory | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008 (immutable)
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        websocket_port: int | None = 0,
    ) -> None:
        self.authority: str | None = None
        context = websocket_context = None
        if tls:
            from eventstream.transcribe.emulator.certificate import make_certificate, server_context

            certificate = make_certificate([host, *host_names])
            self.authority = certificate.authority.decode()
            context = server_context(certificate)
            websocket_context = server_context(certificate, "http/1.1")
        self._executor = ThreadPoolExecutor(WORKERS, "recogniser")
        service = Service(
            Scripted() if recogniser is None else recogniser,
            self._executor,
            accounts=credentials,
            limits=limits,
            faults=faults,
            clock=clock,
            max_clock_skew=max_clock_skew,
        )
        self._prepare(service, host, port, context, connections, websocket_port, websocket_context)

    @property
    def statistics(self) -> Statistics:
        """What came and went so far."""
        statistics = super().statistics
        assert isinstance(statistics, Statistics)
        return statistics

    def _enter(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._shut_down)

    async def _shut_down(self) -> None:
        """Wait for the recognisers."""
        try:
            await asyncio.to_thread(self._executor.shutdown)
        except RuntimeError:  # there is no memory for a thread that waits; others wait too, then
            self._executor.shutdown()
