"""What all streams of the emulator share, beside what every server's do: recognisers, and the service's own limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Set
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from eventstream import server
from eventstream._text import class_of
from eventstream.exceptions import DateSkew, DecodeLimitExceeded, IncompleteStream
from eventstream.faults import Fault
from eventstream.operation import InvalidFrame, Operation
from eventstream.server.limits import check_count, check_seconds
from eventstream.signing import MAX_CLOCK_SKEW
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.call_analytics import CallAnalytics
from eventstream.transcribe.emulator.medical_scribe import MedicalScribe
from eventstream.transcribe.emulator.rules import RULES
from eventstream.transcribe.emulator.transcription import MedicalTranscription, Transcription, expired
from eventstream.transcribe.exceptions import InvalidAudio
from eventstream.transcribe.model import AudioEvent
from eventstream.transcribe.operations import (
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    START_MEDICAL_SCRIBE_STREAM,
    START_MEDICAL_STREAM_TRANSCRIPTION,
    START_STREAM_TRANSCRIPTION,
)

if TYPE_CHECKING:
    from eventstream.signing import Credentials
    from eventstream.transcribe.emulator.recogniser import Recogniser, RecogniserFactory
    from eventstream.transcribe.emulator.transcription import TranscriptionOf

__all__ = ["Limits", "Service", "Statistics"]

NO_END = "A complete signal was sent without the preceding empty frame."
TOO_BIG = "Your stream is too big. Reduce the frame size and try your request again."
NO_TEXT = "Unexpected WebSocket frame received."
NO_AUDIO = "Your request timed out because no new audio was received for {:g} seconds."
"""The service's own words, as users quote them in reports; those about signatures are in
`eventstream.transcribe.emulator.transcription`."""


def _with_the_services_words(operation: Operation[Any, Any, Any, Any]) -> Operation[Any, Any, Any, Any]:
    """Return the operation, which refuses a chunk of audio that is too long as the service does."""

    def check(request: Any) -> Callable[[Any], None]:
        check_event = operation.check(request)
        assert check_event is not None
        max_length = AudioFormat.of(request).max_chunk_length

        def check_length(event: Any) -> None:
            if isinstance(event, AudioEvent) and len(event.audio_chunk) > max_length:
                raise InvalidAudio(TOO_BIG)
            check_event(event)

        return check_length

    return replace(operation, check=check)


_KINDS: dict[Operation[Any, Any, Any, Any], type[Transcription]] = {
    _with_the_services_words(START_STREAM_TRANSCRIPTION): Transcription,
    _with_the_services_words(START_MEDICAL_STREAM_TRANSCRIPTION): MedicalTranscription,
    _with_the_services_words(START_CALL_ANALYTICS_STREAM_TRANSCRIPTION): CallAnalytics,
    _with_the_services_words(START_MEDICAL_SCRIBE_STREAM): MedicalScribe,
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
        one_stream_per_connection: whether a connection is refused a second stream while it has one. The service refuses
            it ("Amazon Transcribe only supports one stream per HTTP/2 session", says its guide); here that is off, so
            that a test need not open a connection for each.
        max_lead: seconds that audio may run ahead of the time in which it is spoken; None: any number. The service
            works through audio no faster than that, so audio that runs ahead by more than the 300 s for which a
            signature is valid is answered as an expired signature. Here that is off, so that a test need not wait. Of
            compressed audio the bytes do not tell, and events without signatures do not expire: it has no effect then.
        allowed: names of `eventstream.transcribe.emulator.rules.RULES` that a request may break.

    Raises:
        ValueError: a limit is negative, or not a number, or a rule is unknown.
        TypeError: the rules are not a set.
    """

    max_streams: int = 25
    max_audio: float = 4 * 3600
    audio_timeout: float = 15
    one_stream_per_connection: bool = False
    max_lead: float | None = None
    allowed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_count("max_streams", self.max_streams)
        check_seconds("max_audio", self.max_audio)
        check_seconds("audio_timeout", self.audio_timeout)
        if self.max_lead is not None:
            check_seconds("max_lead", self.max_lead)
        if not isinstance(self.allowed, Set):
            raise TypeError(f"allowed must be a set of names of rules, not {type(self.allowed).__name__}")
        unknown = sorted(self.allowed - RULES.keys())
        if unknown:
            raise ValueError(f"unknown rule {unknown[0]!r}: expected one of {', '.join(RULES)}")

    @classmethod
    def strict(cls) -> Limits:
        """Return those of the service, without the exceptions made here."""
        return cls(one_stream_per_connection=True, max_lead=MAX_CLOCK_SKEW.total_seconds())


@dataclass
class Statistics(server.Statistics):
    """Counts of requests and streams so far.

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
        asked: the limits.
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
        accounts: Credentials | Iterable[Credentials] | None,
        limits: Limits,
        faults: Iterable[Fault | str],
        clock: Callable[[], datetime],
        max_clock_skew: timedelta | None,
    ) -> None:
        if not isinstance(limits, Limits):
            raise TypeError(f"limits must be eventstream.transcribe.emulator.Limits, not {class_of(limits)}")
        if not callable(recogniser):
            what = type(recogniser).__name__
            raise TypeError(f"recogniser must be a factory, such as Scripted() or load_recogniser(name), not {what}")
        super().__init__(
            {operation: partial(self._transcribe, kind) for operation, kind in _KINDS.items()},
            accounts=accounts,
            limits=server.Limits(
                max_streams=limits.max_streams,
                input_timeout=limits.audio_timeout,
                as_operations_say=limits.one_stream_per_connection,
            ),
            faults=faults,
            clock=clock,
            max_clock_skew=max_clock_skew,
        )
        self.recogniser = recogniser
        self.executor = executor
        self.asked = limits

    def _statistics(self) -> Statistics:
        return Statistics()

    async def _transcribe(self, kind: type[Transcription], conversation: TranscriptionOf) -> None:
        await kind(self, conversation).run()

    def release(self, recogniser: Recogniser) -> None:
        """Close a recogniser. If it fails, the log says so."""
        try:
            recogniser.close()
        except Exception:
            self.failures(logging.ERROR, "a recogniser failed to close", exc_info=True)

    def words(self, error: Exception) -> str:
        """Say what is wrong with what has come, as the service does where that is known."""
        if isinstance(error, IncompleteStream):
            return NO_END
        if isinstance(error, InvalidFrame):
            return TOO_BIG if error.too_large else NO_TEXT
        if isinstance(error, DateSkew) and error.skew is not None and error.skew < timedelta(0):
            assert self.max_clock_skew is not None
            now = self.clock()
            return expired(now + error.skew, now, self.max_clock_skew)
        return TOO_BIG if isinstance(error, DecodeLimitExceeded) else super().words(error)

    def silence(self) -> str:
        """Say that no audio has come for too long."""
        return NO_AUDIO.format(self.limits.input_timeout)
