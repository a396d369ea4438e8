"""The client of Amazon Transcribe: audio in, typed events out, over HTTP/2 with asyncio.

>>> client = TranscribeClient("us-east-1")
>>> async with client.start_stream_transcription(
...     language_code="en-US", media_sample_rate_hertz=16000, media_encoding="pcm"
... ) as stream:
...     await stream.send_audio(chunk)
...     await stream.end_audio()
...     async for event in stream:
...         print(event.transcript)

Or for a recording, all of that at once:

>>> async for event in client.transcribe("speech.wav", language_code="en-US"):
...     print(event.transcript)

Each stream has a connection of its own, as the AWS SDKs do it: streams last for hours, and neither a lost packet nor a
lost connection of one concerns another. So the client itself holds no connection, and need not be closed.

Errors: an error that the service reports is a `TranscribeError`; a malformed response is a `CodecError`. Trouble on the
way to the service is an `OSError` (a stream that broke: `StreamError`; ``ssl.SSLCertVerificationError``;
``TimeoutError``). A bad argument or environment setting is a `ConfigurationError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from eventstream._text import suggestion
from eventstream.client import (
    Client,
    ConfigurationError,
    NoCredentials,
    Retries,
    RetryOn,
    StartOptions,
    Stream,
    StreamError,
)
from eventstream.client import retryable as client_retryable
from eventstream.client.settings import check_callback, check_seconds
from eventstream.transcribe.audio import DEFAULT_DURATION, AudioFormat, Source, WavFile
from eventstream.transcribe.audio import pace as paced
from eventstream.transcribe.call_analytics import (
    CallAnalyticsEvent,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
)
from eventstream.transcribe.exceptions import BadRequestException
from eventstream.transcribe.feed import AudioFailed, Feed
from eventstream.transcribe.medical import (
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
)
from eventstream.transcribe.medical_scribe import (
    MedicalScribeInputEvent,
    MedicalScribeTranscriptEvent,
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
)
from eventstream.transcribe.model import AudioStreamEvent, TranscriptEvent
from eventstream.transcribe.operations import (
    START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    START_MEDICAL_SCRIBE_STREAM,
    START_MEDICAL_STREAM_TRANSCRIPTION,
    START_STREAM_TRANSCRIPTION,
)
from eventstream.transcribe.request import StartStreamTranscriptionRequest, StartStreamTranscriptionResponse
from eventstream.transcribe.session import AudioSession
from eventstream.transcribe.timeline import Restart, Timeline

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from typing_extensions import Buffer, Unpack

    from eventstream.http2 import Response
    from eventstream.operation import Operation
    from eventstream.signing import EventSigner
    from eventstream.streams import AsyncReadable, Readable
    from eventstream.transcribe.keywords import (
        StartCallAnalyticsStreamTranscriptionKeywords,
        StartMedicalScribeStreamKeywords,
        StartMedicalStreamTranscriptionKeywords,
        StartStreamTranscriptionKeywords,
        StartStreamTranscriptionParameters,
    )
    from eventstream.transport import Channel

    Audio: TypeAlias = (
        str
        | os.PathLike[str]
        | Buffer
        | WavFile
        | Readable
        | AsyncReadable
        | Iterable[Buffer]
        | AsyncIterable[Buffer]
        | asyncio.Queue[Buffer | None]
        | asyncio.Queue[bytes | None]
        | asyncio.Queue[bytes]
    )

_log = logging.getLogger(__name__)

__all__ = [
    "AudioStream",
    "CallAnalyticsStream",
    "ConfigurationError",
    "MedicalScribeStream",
    "MedicalTranscriptionStream",
    "NoCredentials",
    "Restart",
    "StreamError",
    "TranscribeClient",
    "TranscriptionStream",
]

_Request = TypeVar("_Request", bound="Any")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Stream = TypeVar("_Stream", bound="AudioStream[Any, Any, Any, Any]")


class TranscribeClient(Client):
    """Starts transcriptions. It holds no connection; any number of streams at a time.

    Its arguments, and what they raise, are those of `eventstream.client.Client`.
    """

    @cached_property
    def endpoint(self) -> str:
        """The endpoint, as given or found.

        Raises:
            ConfigurationError: none can be found; see `endpoint_of`.
        """
        return self.endpoint_of(START_STREAM_TRANSCRIPTION)

    def start_stream_transcription(
        self,
        request: StartStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartStreamTranscriptionKeywords],
    ) -> AbstractAsyncContextManager[TranscriptionStream]:
        """Start a transcription.

        Args:
            request: what is requested; None: it is made of the keywords.
            keywords: the fields of the request, a `StartStreamTranscriptionRequest`, which override those of a given
                request; and the `eventstream.client.StartOptions`: ``retries``, ``retry_on`` and ``deadline``. All
                tries have the same session id, made by the client if the request has none. See `transcribe` for retries
                of a stream that has begun.

        Returns:
            A context manager, in whose block the `TranscriptionStream` is open. On entering it raises what follows.

        Raises:
            InvalidRequest: the parameters are not allowed; here, not on entering.
            TypeError: the request is of another class, or a keyword is not a field of it, likewise.
            TranscribeError: the service refused.
            NoCredentials: no credentials were found.
            OSError: the service cannot be reached or trusted, or the connection broke. ``TimeoutError``: it did not
                answer.
        """
        asked = _asked(StartStreamTranscriptionRequest, request, keywords)
        return self._started(START_STREAM_TRANSCRIPTION, TranscriptionStream, *asked)

    def start_medical_stream_transcription(
        self,
        request: StartMedicalStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartMedicalStreamTranscriptionKeywords],
    ) -> AbstractAsyncContextManager[MedicalTranscriptionStream]:
        """Start a medical transcription, as `start_stream_transcription` starts one of any speech.

        Its request is a `eventstream.transcribe.medical.StartMedicalStreamTranscriptionRequest`.
        """
        asked = _asked(StartMedicalStreamTranscriptionRequest, request, keywords)
        return self._started(START_MEDICAL_STREAM_TRANSCRIPTION, MedicalTranscriptionStream, *asked)

    def start_call_analytics_stream_transcription(
        self,
        request: StartCallAnalyticsStreamTranscriptionRequest | None = None,
        /,
        **keywords: Unpack[StartCallAnalyticsStreamTranscriptionKeywords],
    ) -> AbstractAsyncContextManager[CallAnalyticsStream]:
        """Start call analytics, as `start_stream_transcription` starts a transcription.

        A `ConfigurationEvent`, which says who is on which channel, is sent before the audio. The request is a
        `eventstream.transcribe.call_analytics.StartCallAnalyticsStreamTranscriptionRequest`.
        """
        asked = _asked(StartCallAnalyticsStreamTranscriptionRequest, request, keywords)
        return self._started(START_CALL_ANALYTICS_STREAM_TRANSCRIPTION, CallAnalyticsStream, *asked)

    def start_medical_scribe_stream(
        self,
        request: StartMedicalScribeStreamRequest | None = None,
        /,
        **keywords: Unpack[StartMedicalScribeStreamKeywords],
    ) -> AbstractAsyncContextManager[MedicalScribeStream]:
        """Start a HealthScribe stream, as `start_stream_transcription` starts a transcription.

        A `MedicalScribeConfigurationEvent` is sent before the audio, and after it a `MedicalScribeSessionControlEvent`.
        The request is a `eventstream.transcribe.medical_scribe.StartMedicalScribeStreamRequest`.
        """
        asked = _asked(StartMedicalScribeStreamRequest, request, keywords)
        return self._started(START_MEDICAL_SCRIBE_STREAM, MedicalScribeStream, *asked)

    async def presign(
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
        """Return the URL that opens a WebSocket for a stream, e.g. in a browser, without credentials.

        Args:
            request: the request, whose class decides on the operation; None: a `StartStreamTranscriptionRequest`, made
                from the parameters.
            expires: seconds that the URL is valid, at most 300.
            parameters: the fields of that request, which override those of a given one.

        Raises:
            ValueError: `expires` is out of bounds, or the operation has no WebSocket.
            InvalidRequest: the parameters are not allowed.
            TypeError: the request is not one of Transcribe's, or a parameter is not a field of it.
            NoCredentials: no credentials were found.
        """
        kind = StartStreamTranscriptionRequest if request is None else type(request)
        operation = _OPERATIONS.get(kind)
        if operation is None:
            raise TypeError(f"expected a request of Transcribe to presign, not {kind.__name__}")
        _check_names(kind, parameters, ["expires"])
        return await self.presign_url(operation, _requested(kind, request, {**parameters}), expires=expires)

    def _started(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        kind: type[_Stream],
        request: _Request,
        retries: Retries,
    ) -> AbstractAsyncContextManager[_Stream]:
        """Start any of the operations, whose streams are of this class."""
        limited = operation.limited(*self._limits)

        def make(channel: Channel, signer: EventSigner | None, response: Response) -> _Stream:
            return kind(channel, AudioSession(limited, request, signer), response.headers, self._idle_timeout)

        return self.opened(limited, limited.request.write(request), make, retries)

    async def transcribe(
        self,
        audio: Audio,
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
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Transcribe audio from its beginning to its end.

        Leaving the iteration early cancels the transcription: at once, if ``contextlib.aclosing`` is put around it.

        With `retries`, a transcription may take several streams, one after the other: a lost connection, the service's
        limit of 4 hours, expired credentials, and 15 s without audio do not end it. The times in all events count from
        the beginning of the audio, if the encoding is PCM or G.711.

        Args:
            audio: a path; the bytes, or an array of 16-bit integers; a `WavFile`; or a source of pieces of any size: an
                iterable or a binary file, read in the event loop, an asynchronous iterable, anything with an
                asynchronous ``read``, or an ``asyncio.Queue``, which None or its shutdown ends. A WAV is recognised in
                all of them, and provides what the request must say about it.
            request: what is requested; None: it is made of the parameters. If they say the encoding and the sample
                rate, the stream opens before the first audio has come.
            pace: send the audio no faster than it was spoken, as the service expects, if the encoding tells its
                duration. Live audio is sent as it comes, either way.
            chunk_duration: seconds of audio in an event, over 0 and at most 1; 0.05 to 0.2 are recommended.
            keep_alive: seconds without audio, at least `chunk_duration`, after which silence of that duration is sent,
                so that the service does not end the stream; only for PCM and G.711. It does not count in the times of
                events, but Amazon charges for it. None: never.
            retries: how many times in a row a new stream is begun, with the same session id, if the service or the
                network fails temporarily. Progress resets the count: a final result that had not come before, or an
                event once the stream has taken 30 s of audio or silence that no stream had before (PCM and G.711).
            retry_on: decides whether to retry after an error; None: `retryable` does.
            deadline: seconds in which each stream must have begun, with all tries in a row; None: as long as they take.
            replay: whether a new stream begins with the audio whose final results have not come, at most the last
                30 s; only PCM and G.711. Otherwise these results are lost.
            on_restart: is called, not awaited, with a `Restart` when a new stream continues. It is also logged.
            parameters: the fields of a `StartStreamTranscriptionRequest`; they override those of a given request.

        Yields:
            The events, as the service sends them. When the iteration ends, all audio was sent, and then the service
            ended the response. It has no last event, so a client cannot know whether a clean end at this point came
            early.

        Raises:
            InvalidRequest: the parameters are not allowed.
            TypeError: the request is of another class, a parameter is not a field of it, or `on_restart` is not a plain
                function.
            ConfigurationError: `keep_alive`, `retries` or `deadline` is out of its bounds.
            IncompleteStream: the service ended the response before all audio was sent.
            InvalidAudio: the audio is not what the request says, or ends in the middle of a sample.
            TranscribeError: the service refused, or gave up.
            CodecError: what it sent cannot be decoded.
            NoCredentials: no credentials were found.
            OSError: the service cannot be reached or trusted, the connection broke, or the audio cannot be read.
            TimeoutError: the service did not answer, or stopped sending events or taking audio.
        """
        check_callback("on_restart", on_restart)
        check_seconds("keep_alive", keep_alive)
        if keep_alive is not None and keep_alive < chunk_duration:
            raise ConfigurationError(
                f"keep_alive must be at least chunk_duration, {chunk_duration} s, not {keep_alive!r}"
            )
        tries = Retries(retries, retry_on or retryable, deadline)
        given: dict[str, Any] = dict(parameters)
        _check_names(StartStreamTranscriptionRequest, given, TranscribeClient.transcribe.__kwdefaults__ or ())
        asked = (
            _requested(StartStreamTranscriptionRequest, request, given)
            if request is not None or given.keys() >= _WHAT_A_WAV_SAYS
            else None
        )
        async with contextlib.AsyncExitStack() as opened:
            source = Source(audio, None if asked is None else AudioFormat.of(asked))
            opened.callback(source.close)
            if asked is None:
                asked = _requested(
                    StartStreamTranscriptionRequest, None, {**_parameters_of(await source.format()), **given}
                )
            elif source.is_at_hand:
                await source.format()
            if retries:
                asked = _with_session(asked)
            format = AudioFormat.of(asked)
            source.check(format)
            chunks = source.chunks(chunk_duration)
            timeline = Timeline(format, channels=2 if asked.enable_channel_identification else 1, replay=replay)
            feed = Feed(
                paced(chunks, format) if pace and format.is_timed else chunks,
                timeline,
                keep_alive=keep_alive,
                silence=b"" if keep_alive is None else format.silence(chunk_duration),
            )
            opened.push_async_callback(feed.close)
            broken: Exception | None = None  # the error that ended the last stream that had begun
            while True:
                began = False
                try:
                    async with self._started(
                        START_STREAM_TRANSCRIPTION, TranscriptionStream, asked, tries.once()
                    ) as stream:
                        if broken is not None:
                            _tell(feed.restart(broken), on_restart)
                        began = True
                        tries.started()
                        sender = asyncio.create_task(feed.send(stream))
                        try:
                            async for event in stream:
                                if timeline.place(event):
                                    tries.reset()
                                yield event
                            break
                        finally:
                            sender.cancel()
                            await asyncio.wait([sender])
                except AudioFailed:
                    break
                except Exception as error:
                    if began:
                        broken = error
                    if not await tries.again(error):
                        raise
            feed.check()


def _tell(restart: Restart, on_restart: Callable[[Restart], object] | None) -> None:
    _log.warning(
        "a new stream continues the transcription at %.3f s; lost: %.3f s of audio; the last one ended with %s: %s",
        *(restart.position, restart.lost, type(restart.error).__name__, restart.error),
    )
    if on_restart is not None:
        on_restart(restart)


class AudioStream(Stream[_Request, _Response, _In, _Out]):
    """A stream that takes audio and gives events. One task may send while another iterates.

    It is an asynchronous iterator over the events, which ends when the service has ended the response, and all audio
    was sent. Events received before an error are delivered first; every later call raises an equal error. If sending
    fails after the service has already reported an error, the service's error is raised.

    Attributes:
        request: what was requested.
        response: what the service answered, with the ids that it gave.
    """

    _session: AudioSession[_Request, _Response, _In, _Out]

    async def send_audio(self, chunk: Buffer) -> None:
        """Send a chunk of audio. It waits while the service, or the network, takes no more.

        Args:
            chunk: whole samples, in the media encoding of the request: 1 to 32,768 bytes and at most 1 s (50 to 200 ms
                are recommended); any C-contiguous buffer.

        Raises:
            InvalidAudio: the chunk is empty, too long, ends in the middle of a sample, or comes before the
                configuration that the operation needs; the stream remains usable.
            StateError, IncompleteStream, TranscribeError, CodecError, StreamError, TimeoutError: see
                `eventstream.client.Stream.send`.
        """
        if self._sending or self._channel.peer_ended:
            await self.prepare()
        await self.transmit(self._session.send_audio(chunk))

    async def end_audio(self) -> None:
        """End the audio; the last events are still to come.

        Raises:
            StateError: it was called before, or another task is sending.
            IncompleteStream, TranscribeError, CodecError, StreamError, TimeoutError: see `send_audio`.
        """
        await self.end()


class TranscriptionStream(
    AudioStream[StartStreamTranscriptionRequest, StartStreamTranscriptionResponse, AudioStreamEvent, TranscriptEvent]
):
    """A transcription that has begun: audio in, events out. See `AudioStream`."""


class MedicalTranscriptionStream(
    AudioStream[
        StartMedicalStreamTranscriptionRequest,
        StartMedicalStreamTranscriptionResponse,
        AudioStreamEvent,
        MedicalTranscriptEvent,
    ]
):
    """A medical transcription that has begun: audio in, events out. See `AudioStream`."""


class CallAnalyticsStream(
    AudioStream[
        StartCallAnalyticsStreamTranscriptionRequest,
        StartCallAnalyticsStreamTranscriptionResponse,
        AudioStreamEvent,
        CallAnalyticsEvent,
    ]
):
    """Call analytics that have begun: configuration and audio in, events out. See `AudioStream`."""


class MedicalScribeStream(
    AudioStream[
        StartMedicalScribeStreamRequest,
        StartMedicalScribeStreamResponse,
        MedicalScribeInputEvent,
        MedicalScribeTranscriptEvent,
    ]
):
    """A HealthScribe stream that has begun: configuration, audio and control in, events out. See `AudioStream`."""


_WHAT_A_WAV_SAYS = {"media_sample_rate_hertz", "media_encoding"}


_OPERATIONS: Mapping[type, Operation[Any, Any, Any, Any]] = {
    StartStreamTranscriptionRequest: START_STREAM_TRANSCRIPTION,
    StartMedicalStreamTranscriptionRequest: START_MEDICAL_STREAM_TRANSCRIPTION,
    StartCallAnalyticsStreamTranscriptionRequest: START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    StartMedicalScribeStreamRequest: START_MEDICAL_SCRIBE_STREAM,
}


def _parameters_of(format: AudioFormat) -> dict[str, Any]:
    """Return what a request says about audio in this format; two channels are transcribed separately."""
    parameters = {"media_sample_rate_hertz": format.sample_rate_hertz, "media_encoding": format.media_encoding}
    if format.channels == 1:
        return parameters
    return {**parameters, "number_of_channels": format.channels, "enable_channel_identification": True}


# Requests

_OPTIONS = tuple(StartOptions.__annotations__)


def _check_names(kind: type[_Request], parameters: Iterable[str], options: Iterable[str]) -> None:
    """Raise a ``TypeError`` for a keyword that is not a parameter of the request.

    Args:
        kind: the class of the request.
        parameters: the keywords that were given, without the options.
        options: the other keywords that the called method takes, any of which may have been meant.
    """
    known = [field.name for field in fields(kind)]
    for name in parameters:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}{suggestion(name, [*known, *options])}")


def _requested(kind: type[_Request], request: _Request | None, parameters: dict[str, Any]) -> _Request:
    if not (request is None or isinstance(request, kind)):
        raise TypeError(f"the request must be a {kind.__name__}, not {type(request).__name__}; pass parameters by name")
    made: _Request = kind(**parameters) if request is None else replace(request, **parameters)
    return made


def _asked(kind: type[_Request], request: _Request | None, keywords: Mapping[str, Any]) -> tuple[_Request, Retries]:
    """Return the request, and the retries, from the keywords of a method that starts a stream."""
    options: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for name, value in keywords.items():
        (options if name in _OPTIONS else parameters)[name] = value
    _check_names(kind, parameters, _OPTIONS)
    asked = _requested(kind, request, parameters)
    return (_with_session(asked) if options.get("retries") else asked), Retries(**options)


def _with_session(request: _Request) -> _Request:
    """Return the request with a session id, so that all tries have the same one."""
    made: _Request = request if request.session_id is not None else replace(request, session_id=str(uuid.uuid4()))
    return made


def retryable(error: Exception) -> bool:
    """Return whether a transcription may continue in a new stream.

    It may where `eventstream.client.retryable` says so, and after silence: a stream that has got no audio for 15
    seconds is ended with a ``BadRequestException``, and another one can begin.
    """
    return client_retryable(error) or (isinstance(error, BadRequestException) and _NO_AUDIO in error.message)


_NO_AUDIO = "no new audio was received"
