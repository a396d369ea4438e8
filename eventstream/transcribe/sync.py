"""The client of Amazon Transcribe for code without asyncio.

>>> client = TranscribeClient("us-east-1")
>>> for event in client.transcribe("speech.wav", language_code="en-US"):
...     print(event.transcript)

See `eventstream.sync` for how it runs, and `eventstream.transcribe.client` for what its methods do.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from eventstream import sync
from eventstream._waiting import Worker
from eventstream._warnings import on_behalf
from eventstream.sync import ConfigurationError, NoCredentials, StreamError
from eventstream.transcribe import client as asynchronous
from eventstream.transcribe.audio import DEFAULT_DURATION, WavFile
from eventstream.transcribe.audio.chunks import is_buffer
from eventstream.transcribe.audio.source import not_audio
from eventstream.transcribe.call_analytics import StartCallAnalyticsStreamTranscriptionRequest
from eventstream.transcribe.medical import StartMedicalStreamTranscriptionRequest
from eventstream.transcribe.medical_scribe import StartMedicalScribeStreamRequest
from eventstream.transcribe.model import TranscriptEvent
from eventstream.transcribe.request import StartStreamTranscriptionRequest

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from eventstream.client import ClientOptions, RetryOn
    from eventstream.streams import Readable
    from eventstream.transcribe.client import Restart
    from eventstream.transcribe.keywords import (
        StartCallAnalyticsStreamTranscriptionKeywords,
        StartMedicalScribeStreamKeywords,
        StartMedicalStreamTranscriptionKeywords,
        StartStreamTranscriptionKeywords,
        StartStreamTranscriptionParameters,
    )

__all__ = [
    "AudioStream",
    "CallAnalyticsStream",
    "ConfigurationError",
    "MedicalScribeStream",
    "MedicalTranscriptionStream",
    "NoCredentials",
    "StreamError",
    "TranscribeClient",
    "TranscriptionStream",
]


_Stream = TypeVar("_Stream", bound=asynchronous.AudioStream[Any, Any, Any, Any], covariant=True)


class AudioStream(sync.BlockingStream[_Stream]):
    """A stream that takes audio and gives events. It opens in a ``with`` statement; any threads may use it."""

    def send_audio(self, chunk: Buffer) -> None:
        """Send a chunk of audio; see `eventstream.transcribe.client.AudioStream.send_audio`."""
        with self._sending:
            self._runner.run(self._opened.send_audio(chunk))

    def end_audio(self) -> None:
        """End the audio; the last events are still to come."""
        self.end()


class TranscriptionStream(AudioStream[asynchronous.TranscriptionStream]):
    """A transcription: audio in, events out. See `AudioStream`."""


class MedicalTranscriptionStream(AudioStream[asynchronous.MedicalTranscriptionStream]):
    """A medical transcription: audio in, events out. See `AudioStream`."""


class CallAnalyticsStream(AudioStream[asynchronous.CallAnalyticsStream]):
    """Call analytics: configuration and audio in, events out. See `AudioStream`."""


class MedicalScribeStream(AudioStream[asynchronous.MedicalScribeStream]):
    """A HealthScribe stream: configuration, audio and control in, events out. See `AudioStream`."""


class TranscribeClient(sync.Client):
    """Starts transcriptions, for code without asyncio. Any threads may use it.

    Its arguments are those of `eventstream.client.Client`.
    """

    _client: asynchronous.TranscribeClient

    def _make(self, region: str | None, options: ClientOptions) -> asynchronous.TranscribeClient:
        return asynchronous.TranscribeClient(region, **options)

    @property
    def endpoint(self) -> str:
        """The service's endpoint, as given or found."""
        return self._client.endpoint

    def start_stream_transcription(
        self,
        request: StartStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartStreamTranscriptionKeywords],
    ) -> TranscriptionStream:
        """Return a transcription, which starts in a ``with`` statement.

        See `eventstream.transcribe.client.TranscribeClient.start_stream_transcription`.
        """
        return TranscriptionStream(self._client.start_stream_transcription(request, **keywords))

    def start_medical_stream_transcription(
        self,
        request: StartMedicalStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartMedicalStreamTranscriptionKeywords],
    ) -> MedicalTranscriptionStream:
        """Return a medical transcription, which starts in a ``with`` statement.

        See `eventstream.transcribe.client.TranscribeClient.start_medical_stream_transcription`.
        """
        return MedicalTranscriptionStream(self._client.start_medical_stream_transcription(request, **keywords))

    def start_call_analytics_stream_transcription(
        self,
        request: StartCallAnalyticsStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartCallAnalyticsStreamTranscriptionKeywords],
    ) -> CallAnalyticsStream:
        """Return call analytics, which start in a ``with`` statement.

        See `eventstream.transcribe.client.TranscribeClient.start_call_analytics_stream_transcription`.
        """
        return CallAnalyticsStream(self._client.start_call_analytics_stream_transcription(request, **keywords))

    def start_medical_scribe_stream(
        self,
        request: StartMedicalScribeStreamRequest | None = None,
        /,
        **keywords: Unpack[StartMedicalScribeStreamKeywords],
    ) -> MedicalScribeStream:
        """Return a HealthScribe stream, which starts in a ``with`` statement.

        See `eventstream.transcribe.client.TranscribeClient.start_medical_scribe_stream`.
        """
        return MedicalScribeStream(self._client.start_medical_scribe_stream(request, **keywords))

    def presign(
        self,
        request: StartStreamTranscriptionRequest
        | StartMedicalStreamTranscriptionRequest
        | StartCallAnalyticsStreamTranscriptionRequest
        | None = None,
        /,
        *,
        expires: int = 300,
        **parameters: Unpack[StartStreamTranscriptionParameters],
    ) -> str:
        """Return the URL that opens a WebSocket; see `eventstream.transcribe.client.TranscribeClient.presign`."""
        return sync.RUNNER.run(on_behalf(partial(self._client.presign, request, expires=expires, **parameters)))

    def transcribe(
        self,
        audio: str | os.PathLike[str] | Buffer | WavFile | Readable | Iterable[Buffer],
        request: StartStreamTranscriptionRequest | None = None,
        /,
        *,
        pace: bool = True,
        chunk_duration: float = DEFAULT_DURATION,
        keep_alive: float | None = None,
        retries: int = 0,
        retry_on: RetryOn | None = None,
        deadline: float | None = None,
        replay: bool = True,
        on_restart: Callable[[Restart], object] | None = None,
        **parameters: Unpack[StartStreamTranscriptionParameters],
    ) -> Iterator[TranscriptEvent]:
        """Transcribe audio from its beginning to its end, and yield the events.

        Leaving the iteration early cancels the transcription. See
        `eventstream.transcribe.client.TranscribeClient.transcribe`. Here an iterable or a file may block, as it is read
        in a thread of its own; `on_restart` is called in the client's thread.
        """
        return sync.iterate(
            self._client.transcribe(
                _readable(audio),
                request,
                pace=pace,
                chunk_duration=chunk_duration,
                keep_alive=keep_alive,
                retries=retries,
                retry_on=retry_on,
                deadline=deadline,
                replay=replay,
                on_restart=on_restart,
                **parameters,
            )
        )


def _readable(audio: Any) -> Any:
    """Return the audio, or a wrapper that reads it in a thread if it may block."""
    if isinstance(audio, (str, os.PathLike, WavFile, AsyncIterable)) or is_buffer(audio):
        return audio
    if callable(read := getattr(audio, "read1", None) or getattr(audio, "read", None)):
        return audio if inspect.iscoroutinefunction(read) else _Readable(read)
    if not isinstance(audio, Iterable):
        raise not_audio(audio, "of a queue.Queue give iter(queue.get, None)")
    return _pieces(audio)


class _Readable:
    """A file, read in a thread of its own."""

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read
        self._worker = Worker()

    async def read(self, size: int) -> Any:
        return await self._worker.call(self._read, size)


async def _pieces(audio: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield the pieces of an iterable, which are taken in a thread of its own."""
    worker = Worker()
    try:
        pieces = iter(audio)
        while (piece := await worker.call(next, pieces, _END)) is not _END:
            yield piece
    finally:
        worker.close()


_END = object()
