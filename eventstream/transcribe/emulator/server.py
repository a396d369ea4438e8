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
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, presign_url, utc_now
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.service import Limits, Service, Statistics
from eventstream.transcribe.operations import START_STREAM_TRANSCRIPTION

if TYPE_CHECKING:
    from eventstream.transcribe.emulator.page import Page
    from eventstream.transcribe.emulator.recogniser import RecogniserFactory

__all__ = ["DOCUMENTATION_CREDENTIALS", "Emulator"]

DOCUMENTATION_CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
"""The keys of AWS's examples of Signature Version 4; they open nothing but emulators."""

WORKERS = 32
"""Threads on which recognisers work, each for one stream at a time."""

ANY_ADDRESS = ("", "0.0.0.0", "::")

PAGE_EXPIRES = 60
"""Seconds that the page has to open a presigned URL, which it does at once."""


class Emulator(Server):
    """A local endpoint for Amazon Transcribe's streams: an asynchronous context manager that serves within its block.

    It answers StartStreamTranscription, StartMedicalStreamTranscription, StartCallAnalyticsStreamTranscription and
    StartMedicalScribeStream, all with what its recogniser hears.

    At the end of the block streams that still run are ended with a ``ServiceUnavailableException``; `drain` before it
    gives them time. It waits for the recognisers' threads. It serves once.

    Args:
        host: the address to listen on; the default is reachable from this machine only.
        port: 0 for any that is free.
        tls: whether to serve TLS, with a new certificate.
        host_names: names and addresses by which clients call it, beside the host and this machine's own: they are in
            the certificate.
        credentials: whose signatures are accepted, one or several; None: signatures are not checked, and need not be
            there.
        recogniser: makes the recognisers; None: a `Scripted` one. It is not closed.
        limits: what a client may ask for; `Limits.strict` is what the service allows.
        connections: what connections may cost.
        faults: what should go wrong: each a `Fault`, or as it is written on the command line.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        websocket_port: the port for WebSockets, 0 for any that is free; None: there are none. They are opened by
            presigned URLs, for all operations but StartMedicalScribeStream.
        page: whether a page is served on that port, to this machine only, in which a browser transcribes a microphone
            or a file. Its streams are signed with the first of the credentials.

    Attributes:
        authority: with TLS, the PEM of the certificate that a client must trust.

    Raises:
        ImportError: TLS was asked for, and trustme is not installed.
        ValueError: the page has no port, or no credentials.
        TypeError: the limits, the recogniser, a fault, the credentials or `max_clock_skew` are of another type.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        host_names: Iterable[str] = (),
        credentials: Credentials | Iterable[Credentials] | None = (DOCUMENTATION_CREDENTIALS,),
        recogniser: RecogniserFactory | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008 (immutable)
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        websocket_port: int | None = 0,
        page: bool = False,
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
        self._has_page = page
        if page:
            if websocket_port is None:
                raise ValueError("the page needs the port for WebSockets")
            accounts = None if service.accounts is None else service.accounts.values()
            self._routes.update(_page(accounts, clock, tls).routes)

    @property
    def page_endpoint(self) -> str | None:
        """The address of the page, e.g. ``http://127.0.0.1:49153/``; None if there is none. Within the block."""
        if not self._has_page or self._websocket_port is None:
            return None
        scheme = "http" if self._websocket_ssl is None else "https"
        host = "localhost" if self._host in ANY_ADDRESS else None  # the page is for this machine only
        return f"{self._address(scheme, self._websocket_port, host)}/"

    @property
    def statistics(self) -> Statistics:
        """Counts of requests and streams so far."""
        statistics = super().statistics
        assert isinstance(statistics, Statistics)
        return statistics

    def _enter(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._shut_down)

    async def _shut_down(self) -> None:
        """Wait for the recognisers."""
        try:
            await asyncio.to_thread(self._executor.shutdown)
        except RuntimeError:  # memory is too short for a thread that waits: then the others wait, too
            self._executor.shutdown()


def _page(accounts: Iterable[Credentials] | None, clock: Callable[[], datetime], tls: bool) -> Page:
    """Return the page, whose streams are signed by the first account; where nobody checks, by any."""
    from eventstream.transcribe.emulator.page import Page  # which needs the extra [websocket]

    credentials = next(iter((DOCUMENTATION_CREDENTIALS,) if accounts is None else accounts), None)
    if credentials is None:
        raise ValueError("the page needs credentials to sign its streams")
    operation = START_STREAM_TRANSCRIPTION
    assert operation.websocket_path is not None

    def presign(url: str) -> str:
        return presign_url(
            *(credentials, "us-east-1", operation.signing_name, "GET", url), expires=PAGE_EXPIRES, clock=clock
        )

    return Page(presign, operation.websocket_path, tls=tls)
