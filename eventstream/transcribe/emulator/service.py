"""What all streams of the emulator share, beside what every server's do: recognisers, and the service's own limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from eventstream import server
from eventstream.faults import Fault
from eventstream.operation import Operation
from eventstream.transcribe.emulator.call_analytics import CallAnalytics
from eventstream.transcribe.emulator.medical_scribe import MedicalScribe
from eventstream.transcribe.emulator.transcription import MedicalTranscription, Transcription
from eventstream.transcribe.operations import (
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    START_MEDICAL_SCRIBE_STREAM,
    START_MEDICAL_STREAM_TRANSCRIPTION,
    START_STREAM_TRANSCRIPTION,
)

if TYPE_CHECKING:
    from eventstream.signing import Credentials
    from eventstream.transcribe.emulator.recogniser import RecogniserFactory
    from eventstream.transcribe.emulator.transcription import TranscriptionOf

__all__ = ["Limits", "Service", "Statistics"]

_KINDS: dict[Operation[Any, Any, Any, Any], type[Transcription]] = {
    START_STREAM_TRANSCRIPTION: Transcription,
    START_MEDICAL_STREAM_TRANSCRIPTION: MedicalTranscription,
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION: CallAnalytics,
    START_MEDICAL_SCRIBE_STREAM: MedicalScribe,
}


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
class Statistics(server.Statistics):
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

    audio_events: int = 0
    audio_bytes: int = 0
    transcript_events: int = 0


class Service(server.Service):
    """What all streams of the emulator share.

    Args:
        recogniser: makes a recogniser for each channel of audio.
        executor: where those recognisers work that are not ``instant``.
        accounts: whose signatures are accepted; None: signatures are not checked.
        limits: what a client may ask for.
        faults: what goes wrong on request.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.

    Attributes:
        accounts: by their access keys.
        statistics: what came and went so far.
        max_audio: seconds of audio in one stream.
    """

    log = logging.getLogger("eventstream.transcribe.emulator")
    what = "emulator"
    input = "the audio"
    statistics: Statistics

    def __init__(
        self,
        recogniser: RecogniserFactory,
        executor: Executor,
        *,
        accounts: Iterable[Credentials] | None,
        limits: Limits,
        faults: Iterable[Fault | str],
        clock: Callable[[], datetime],
        max_clock_skew: timedelta | None,
    ) -> None:
        super().__init__(
            {operation: partial(self._transcribe, kind) for operation, kind in _KINDS.items()},
            accounts=accounts,
            limits=server.Limits(max_streams=limits.max_streams, input_timeout=limits.audio_timeout),
            faults=faults,
            clock=clock,
            max_clock_skew=max_clock_skew,
        )
        self.recogniser = recogniser
        self.executor = executor
        self.max_audio = limits.max_audio

    def _statistics(self) -> Statistics:
        return Statistics()

    async def _transcribe(self, kind: type[Transcription], conversation: TranscriptionOf) -> None:
        await kind(self, conversation).run()

    def silence(self) -> str:
        """Say that no audio has come for too long."""
        return f"Your request timed out because no new audio was received for {self.limits.input_timeout:g} seconds."
