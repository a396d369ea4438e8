"""One transcription of the emulator, from its request to its end: audio in, results out.

It goes through the same steps as at Amazon Transcribe. The response's headers and a first event without results go out
at once, since some clients send no audio before. Each chunk of audio is answered with one event if the recogniser
produced anything. The end of the audio brings the last results and the end of the response.

A wrong event is answered with a ``BadRequestException``, as clients of the service report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import uuid4

import msgspec

from eventstream.server import Conversation
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator import rules
from eventstream.transcribe.emulator.channels import Channels
from eventstream.transcribe.emulator.results import ChannelResults
from eventstream.transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    TranscribeError,
)
from eventstream.transcribe.medical import (
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionRequest,
)
from eventstream.transcribe.model import (
    AudioEvent,
    AudioStreamEvent,
    ConfigurationEvent,
    Transcript,
    TranscriptEvent,
)
from eventstream.transcribe.request import (
    LANGUAGE_CODES,
    StartStreamTranscriptionRequest,
)

if TYPE_CHECKING:
    from eventstream.transcribe.emulator.recogniser import Analysis, Hypothesis, Recogniser
    from eventstream.transcribe.emulator.service import Service
    from eventstream.transcribe.model import Result

__all__ = ["MedicalTranscription", "Transcription", "TranscriptionOf"]

TranscriptionOf: TypeAlias = Conversation[Any, Any, AudioStreamEvent, Any]

_QUIET = 5.0
"""Seconds without results after which audio is answered with an event without any, so that clients see progress."""

_T = TypeVar("_T")


class Transcription:
    """Answers one request.

    Args:
        service: what it shares with the others.
        conversation: the request and its stream.
    """

    def __init__(self, service: Service, conversation: TranscriptionOf) -> None:
        self._service = service
        self._conversation = conversation
        conversation.renews = False  # only audio does
        self._session_id = ""
        self._channels: list[_Channel] = []
        self._analysed: dict[str, Analysis] | None = None  # only call analytics wants it
        self._audio_length = 0
        self._heard_since: float | None = None
        self._now = asyncio.get_running_loop().time
        self._sent_at = 0.0

    async def run(self) -> None:
        """Transcribe, to the end of the audio."""
        conversation = self._conversation
        request = self._plain()
        for code in (request.language_code, request.preferred_language, *request.language_options):
            if code is not None and code not in LANGUAGE_CODES:
                raise BadRequestException(f"The language code {code!r} is not supported.")
        rules.check(request, self._service.asked.allowed)
        self._session_id = request.session_id or str(uuid4())
        conflict = ConflictException("A new stream was started with the same session ID.")
        await conversation.admit(self._session_id, conflict)
        try:
            await self._begin(request)
            async for event in conversation:
                await self._take(event)
            await self._finish()
        finally:
            conversation.note = f"{self._audio_length} bytes of audio"
            for channel in self._channels:
                self._close(channel)

    # What another operation has of its own

    def _plain(self) -> StartStreamTranscriptionRequest:
        """Return the request, as one of StartStreamTranscription."""
        request: StartStreamTranscriptionRequest = self._conversation.request
        return request

    def _event(self, event: TranscriptEvent) -> Any:
        """Return the event that is sent for one of StartStreamTranscription."""
        return event

    async def _finish(self) -> None:
        results = []
        for channel, pcm in zip(self._channels, await self._work(self._audio.finish), strict=True):
            if pcm:
                results += channel.results.of(await self._work(channel.feed, pcm))
            results += channel.results.of(await self._work(channel.finish))
        if results:
            await self._send_results(results)
        self._check_channels()

    async def _begin(self, request: StartStreamTranscriptionRequest) -> None:
        """Make the recognisers, and begin the response."""
        await self._make_channels(request)
        await self._respond()
        await self._send_results([])

    async def _respond(self) -> None:
        """Begin the response, which repeats the request and tells the session's id."""
        conversation = self._conversation
        reply = conversation.operation.reply
        assert reply is not None
        await conversation.respond(replace(reply(conversation.request), session_id=self._session_id))

    async def _make_channels(self, request: StartStreamTranscriptionRequest) -> None:
        format = AudioFormat.of(request)
        try:
            self._audio = Channels(format, compressed=getattr(self._service.recogniser, "compressed", False))
        except ImportError as error:
            raise BadRequestException(f"This emulator has no decoder: {error}.") from None
        self._bytes_per_second = format.bytes_per_second
        # Where channels are identified, audio of one, such as compressed audio as it came, is that of the first.
        has_numbers = self._audio.count > 1 or request.enable_channel_identification
        for number in range(self._audio.count) if has_numbers else [None]:
            recogniser = await self._work(self._service.recogniser, request, unwanted=self._service.release)
            results = ChannelResults(request, self._session_id, number, self._analysed)
            self._channels.append(_Channel(recogniser, results, self._service.release))

    # Audio

    async def _take(self, event: object) -> None:
        if isinstance(event, AudioEvent):
            if event.audio_chunk:  # before the end some clients send an empty one, which is not audio
                await self._hear(event.audio_chunk)
        elif not isinstance(event, ConfigurationEvent):
            raise BadRequestException("The audio stream has an event that is neither audio nor configuration.")

    async def _hear(self, chunk: bytes) -> None:
        statistics = self._service.statistics
        statistics.audio_events += 1
        statistics.audio_bytes += len(chunk)
        self._audio_length += len(chunk)
        if self._bytes_per_second is not None:
            self._check_time(self._audio_length / self._bytes_per_second)
        results = []
        decoded = self._audio.feed(chunk) if self._audio.is_quick else await self._work(self._audio.feed, chunk)
        for channel, pcm in zip(self._channels, decoded, strict=True):
            if pcm:
                results += channel.results.of(await self._work(channel.feed, pcm))
        if results or self._now() - self._sent_at > _QUIET:
            await self._send_results(results)
        self._check_channels()
        self._conversation.renew()

    def _check_time(self, spoken: float) -> None:
        """Check that these seconds of audio are not too many, and do not come too early."""
        limits = self._service.asked
        if spoken > limits.max_audio:
            raise LimitExceededException(f"A stream may have {limits.max_audio:g} seconds of audio.")
        if self._heard_since is None:
            self._heard_since = self._now()
        if limits.max_lead is not None and not self._conversation.unsigned:
            lead = spoken - (self._now() - self._heard_since)
            if lead > limits.max_lead:
                signed = self._service.clock()
                heard = signed + timedelta(seconds=lead)
                raise BadRequestException(expired(signed, heard, timedelta(seconds=limits.max_lead)))

    def _check_channels(self) -> None:
        """Raise the error with which a recogniser ended the stream, now that what it heard before was sent."""
        for channel in self._channels:
            channel.check()

    async def _work(
        self, function: Callable[..., _T], *arguments: object, unwanted: Callable[[_T], object] = lambda _: None
    ) -> _T:
        """Call a recogniser, or its factory, where it does not block the other streams.

        Args:
            function, arguments: what is called.
            unwanted: takes what it returns, if the stream was cancelled meanwhile; by default that is dropped.

        Raises:
            TranscribeError: it raised one, or failed.
        """
        try:
            if getattr(self._service.recogniser, "instant", False):
                return function(*arguments)
            working = self._service.executor.submit(function, *arguments)
            try:
                return await asyncio.wrap_future(working)
            except asyncio.CancelledError:
                working.add_done_callback(partial(_discard, unwanted))
                raise
        except TranscribeError:
            raise
        except Exception:
            raise self._conversation.failure("its recogniser failed") from None

    def _close(self, channel: _Channel) -> None:
        if getattr(self._service.recogniser, "instant", False):
            channel.close()
        else:
            self._service.executor.submit(channel.close)

    # Results

    async def _send_results(self, results: list[Result]) -> None:
        """Send an event, even without results."""
        await self._conversation.send(self._event(TranscriptEvent(Transcript(results=results))))
        self._sent_at = self._now()
        self._service.statistics.transcript_events += 1


class MedicalTranscription(Transcription):
    """Answers one request for a medical transcription, with what a recogniser for any speech hears."""

    def _plain(self) -> StartStreamTranscriptionRequest:
        request: StartMedicalStreamTranscriptionRequest = self._conversation.request
        if request.language_code != "en-US":
            raise BadRequestException(f"The language code {request.language_code!r} is not supported.")
        return StartStreamTranscriptionRequest(
            language_code=request.language_code,
            media_sample_rate_hertz=request.media_sample_rate_hertz,
            media_encoding=request.media_encoding,
            session_id=request.session_id,
            show_speaker_label=request.show_speaker_label,
            enable_channel_identification=request.enable_channel_identification,
            number_of_channels=request.number_of_channels,
            content_identification_type="PII" if request.content_identification_type else None,
        )

    def _event(self, event: TranscriptEvent) -> MedicalTranscriptEvent:
        """Return the same results without what medical ones do not have."""
        return msgspec.convert(msgspec.to_builtins(event), MedicalTranscriptEvent)


class _Channel:
    """The recogniser of one channel, and the results made of what it hears."""

    def __init__(
        self, recogniser: Recogniser, results: ChannelResults, release: Callable[[Recogniser], object]
    ) -> None:
        self._recogniser = recogniser
        self._release = release
        self._error: TranscribeError | None = None
        self._lock = Lock()  # its stream may be gone before it has come back from the other thread
        self.results = results

    def feed(self, pcm: bytes) -> list[Hypothesis]:
        with self._lock:
            return self._gather(self._recogniser.feed(pcm))

    def finish(self) -> list[Hypothesis]:
        with self._lock:
            return self._gather(self._recogniser.finish())

    def _gather(self, heard: Iterable[Hypothesis]) -> list[Hypothesis]:
        """Keep the error that comes after hypotheses, until `check` raises it."""
        hypotheses: list[Hypothesis] = []
        try:
            hypotheses.extend(heard)
        except TranscribeError as error:
            self._error = error
        return hypotheses

    def check(self) -> None:
        """Raise the error with which the recogniser ended the stream, if it did."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        with self._lock:
            self._release(self._recogniser)


def expired(signed: datetime, now: datetime, valid: timedelta) -> str:
    """Return the service's words for a signature that has expired, or will have when the turn of its audio comes.

    The words are those that users quote, e.g. https://github.com/awslabs/amazon-transcribe-streaming-sdk/issues/17.

    Args:
        signed: when it was signed.
        now: when its turn comes.
        valid: how long a signature is valid.
    """
    times = [f"{moment.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}" for moment in (signed, now - valid, now)]
    seconds = valid.total_seconds()
    how_long = f"{seconds / 60:g} min" if seconds % 60 == 0 else f"{seconds:g} s"
    return "Signature expired: {} is now earlier than {} ({} - {}.)".format(*times, how_long)


def _discard(unwanted: Callable[[_T], object], worked: Future[_T]) -> None:
    """Nobody waits for what was worked out any more."""
    if not worked.cancelled() and worked.exception() is None:
        unwanted(worked.result())
