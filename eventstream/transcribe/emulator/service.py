"""What all streams of an endpoint share: its accounts, its limits, and who is there.

Every stream is its own task. Nothing that goes wrong in one reaches another, with one exception that is meant: a stream
that brings the session id of another one ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eventstream.transcribe.emulator.faults import Fault, Faults
from eventstream.transcribe.emulator.transcription import Transcription
from eventstream.transcribe.exceptions import (
    ConflictException,
    LimitExceededException,
    ServiceUnavailableException,
    TranscribeError,
)

if TYPE_CHECKING:
    from eventstream.http2 import ServerStream
    from eventstream.signing import Credentials
    from eventstream.transcribe.emulator.recogniser import RecogniserFactory

__all__ = ["Limits", "Service", "Statistics"]

_INTERRUPTED_WITHIN = 1.0
"""Seconds in which a stream that is interrupted should be able to say so to its client."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of the endpoint; the defaults are the service's.

    Attributes:
        max_streams: how many at once (25 unless more are granted:
            https://docs.aws.amazon.com/general/latest/gr/transcribe.html).
        max_audio: seconds of audio in one stream. Of compressed audio the bytes do not tell, and it has no effect.
        audio_timeout: seconds without audio after which a stream is ended, and seconds that a client may refuse to
            take results.
    """

    max_streams: int = 25
    max_audio: float = 4 * 3600
    audio_timeout: float = 15


@dataclass
class Statistics:
    """What came and went so far.

    Attributes:
        refused: requests that were answered with an HTTP error, or ended before they were answered.
        streams: requests that were answered with a stream.
        failed: streams that did not come to their end: they got an exception, or their client went away.
        signatures: that were verified: of requests, events and ends of audio.
        audio_events: chunks of audio.
        audio_bytes: in them.
        transcript_events: events that were sent, those without results too.
    """

    refused: int = 0
    streams: int = 0
    failed: int = 0
    signatures: int = 0
    audio_events: int = 0
    audio_bytes: int = 0
    transcript_events: int = 0


class Service:
    """The handler of all streams: it is called with each.

    Args:
        recogniser: makes a recogniser for each channel of audio.
        executor: where those recognisers work that are not ``instant``.
        accounts: whose signatures are accepted; None: signatures are not checked.
        limits: what a client may ask for.
        faults: what shall go wrong.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.

    Attributes:
        accounts: by their access keys.
        statistics: what came and went so far.
    """

    def __init__(
        self,
        recogniser: RecogniserFactory,
        executor: Executor,
        *,
        accounts: Iterable[Credentials] | None,
        limits: Limits,
        faults: Iterable[Fault],
        clock: Callable[[], datetime],
        max_clock_skew: timedelta | None,
    ) -> None:
        self.recogniser = recogniser
        self.executor = executor
        self.accounts = None if accounts is None else {account.access_key: account for account in accounts}
        self.limits = limits
        self.faults = Faults(faults)
        self.clock = clock
        self.max_clock_skew = max_clock_skew
        self.statistics = Statistics()
        self._present: dict[str, Transcription] = {}  # by session id
        self._there: set[Transcription] = set()  # with those whose place was taken, and who have not gone yet
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def __call__(self, stream: ServerStream) -> None:
        """Answer one request, to its end."""
        await Transcription(self, stream).run()

    def enter(self, session_id: str, transcription: Transcription) -> None:
        """Let a stream in. If another one has the same session id, it takes that one's place: until that one has ended,
        there is one more than there may be.

        Raises:
            LimitExceededException: there are as many streams as there may be.
            ServiceUnavailableException: no more are let in.
        """
        if self._draining:
            raise _shutting_down()
        other = self._present.get(session_id)
        if len(self._there) - (other is not None) >= self.limits.max_streams:
            raise LimitExceededException(f"There are {self.limits.max_streams} concurrent streams, the limit.")
        if other is not None:
            other.interrupt(ConflictException("A new stream was started with the same session ID."))
        self._present[session_id] = transcription
        self._there.add(transcription)
        self._empty.clear()

    def leave(self, session_id: str, transcription: Transcription) -> None:
        """Let a stream out, whose place another one may have taken."""
        self._there.discard(transcription)
        if self._present.get(session_id) is transcription:
            del self._present[session_id]
        if not self._there:
            self._empty.set()

    async def drain(self, grace: float) -> None:
        """Let nobody in any more, and wait until the streams that are there have ended.

        Args:
            grace: seconds after which they are ended with a ``ServiceUnavailableException``.
        """
        self._draining = True
        await self._until_empty(grace)
        for transcription in list(self._there):
            transcription.interrupt(_shutting_down())
        await self._until_empty(_INTERRUPTED_WITHIN)

    async def _until_empty(self, seconds: float) -> None:
        """Or until the seconds are over."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)


def _shutting_down() -> TranscribeError:
    return ServiceUnavailableException("The emulator is shutting down.")
