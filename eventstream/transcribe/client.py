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

Errors: what the service says is a `TranscribeError`, what it should not have sent a `CodecError`. Trouble on the way to
it is an `OSError` (a stream that broke: `StreamError`; ``ssl.SSLCertVerificationError``; ``TimeoutError``). What the
client is told, or finds in its environment, and cannot use, is a `ConfigurationError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import inspect
import io
import os
import random
import ssl
import threading
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from eventstream import http2
from eventstream._text import quote
from eventstream.exceptions import CodecError, StateError
from eventstream.http2 import ErrorCodes, StreamError
from eventstream.signing import Credentials, CredentialsSource, EventSigner, sign_request
from eventstream.transcribe.audio import DEFAULT_DURATION, AudioFormat, WavFile, aiter_chunks, iter_chunks, open_wav
from eventstream.transcribe.audio import pace as paced
from eventstream.transcribe.exceptions import InvalidAudio, TranscribeError
from eventstream.transcribe.request import StartStreamTranscriptionRequest, StartStreamTranscriptionResponse
from eventstream.transcribe.session import METHOD, PATH, SERVICE, ClientSession

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from typing_extensions import Buffer, Self

    from eventstream._codec import Message
    from eventstream.streams import AsyncReadable, Readable
    from eventstream.transcribe.model import Event

    Audio: TypeAlias = (
        str | os.PathLike[str] | Buffer | Readable | AsyncReadable | Iterable[Buffer] | AsyncIterable[Buffer]
    )

__all__ = ["ConfigurationError", "NoCredentials", "StreamError", "TranscribeClient", "TranscriptionStream"]

MAX_ERROR_LENGTH = 65_536
"""Bytes of an HTTP error's body that are read."""

MAX_DELAY = 20.0
"""Seconds before a retry, at most: the AWS SDKs' standard mode
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)."""

_ENDPOINT = "https://transcribestreaming.{region}.amazonaws.com"


class ConfigurationError(ValueError):
    """The region, the endpoint, the CA bundle or the credentials are missing, or cannot be used."""


class NoCredentials(ConfigurationError):
    """No credentials were given, and none were found where AWS's tools look for them."""


class _CredentialChain:
    """botocore's chain: the environment, profiles, SSO, containers, instance roles. It blocks; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @cached_property
    def _session(self) -> Any:
        # Here, as it takes longer to import than all the rest, and who brings credentials need not have it.
        return importlib.import_module("botocore.session").Session()

    @cached_property
    def _error(self) -> type[Exception]:
        error: type[Exception] = importlib.import_module("botocore.exceptions").BotoCoreError
        return error

    def region(self) -> str | None:
        """The region of the profile."""
        try:
            region: str | None = self._session.get_config_variable("region")
        except ImportError:
            return None
        except self._error as error:
            raise ConfigurationError(f"no region was given, and the profile cannot be read: {error}") from error
        return region

    def __call__(self) -> Credentials:
        """The credentials as they are now; botocore keeps them, and refreshes them when they expire.

        Raises:
            NoCredentials: there are none, or they could not be refreshed, or there is no botocore.
        """
        try:
            with self._lock:
                found = self._session.get_credentials()
                frozen = None if found is None else found.get_frozen_credentials()
        except ImportError as error:
            raise NoCredentials(
                "no credentials were given, and it takes botocore to look for some: install eventstream-codec[client]"
            ) from error
        except self._error as error:
            raise NoCredentials(f"no credentials were given, and botocore cannot get any: {error}") from error
        if frozen is None:
            raise NoCredentials("no credentials were given, and there are none in the environment, a profile or a role")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


class TranscribeClient:
    """Starts transcriptions. It holds no connection; any number of streams at a time.

    Args:
        region: such as ``"us-east-1"``; None: that of ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, or of the profile.
        endpoint: a URL, as ``https://localhost:8443``; with ``http`` it is HTTP/2 in plaintext. None: that of
            ``AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING`` or ``AWS_ENDPOINT_URL``, or the region's.
        ca_bundle: a file or directory with the certificates that are trusted, in PEM; None: that of ``AWS_CA_BUNDLE``,
            or the system's.
        credentials: `Credentials`, or a callable that is asked for them in a thread, whenever a stream begins. None:
            botocore looks for them where AWS's tools do: the environment, profiles, SSO, containers, instance roles.
        connect_timeout: seconds until the connection stands; None: as long as it takes. So for the other two.
        response_timeout: seconds until the service has answered the request.
        idle_timeout: seconds in which the service sends nothing while an event is awaited, or takes no audio while some
            is to be sent. It sends events without results while nobody speaks.

    Attributes:
        region: as given or found.
        endpoint: as given or found.

    Raises:
        ConfigurationError: no region was found, or the endpoint or the CA bundle cannot be used.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        endpoint: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        credentials: CredentialsSource | None = None,
        connect_timeout: float | None = 10.0,
        response_timeout: float | None = 10.0,
        idle_timeout: float | None = 60.0,
    ) -> None:
        self._credentials = credentials or _CredentialChain()
        self.region = region or _environment("AWS_REGION", "AWS_DEFAULT_REGION") or self._profile_region()
        self.endpoint = (
            endpoint
            or _environment("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", "AWS_ENDPOINT_URL")
            or _ENDPOINT.format(region=self.region) + (".cn" if self.region.startswith("cn-") else "")
        )
        self._scheme, self._authority, self._host, self._port = _split_endpoint(self.endpoint)
        self._ssl = _trust(ca_bundle or _environment("AWS_CA_BUNDLE")) if self._scheme == "https" else None
        self._connect_timeout = connect_timeout
        self._response_timeout = response_timeout
        self._idle_timeout = idle_timeout

    def _profile_region(self) -> str:
        region = self._credentials.region() if isinstance(self._credentials, _CredentialChain) else None
        if region is None:
            raise ConfigurationError("no region was given, or found in AWS_REGION, AWS_DEFAULT_REGION or a profile")
        return region

    def start_stream_transcription(
        self, request: StartStreamTranscriptionRequest | None = None, /, *, retries: int = 0, **parameters: Any
    ) -> AbstractAsyncContextManager[TranscriptionStream]:
        """Start a transcription.

        Args:
            request: what is requested; None: it is made of the parameters.
            retries: how often it is tried again to begin the stream, if the service or the network cannot do it now.
                All tries have the same session id, made here if the request has none, and come after longer and longer
                pauses of a random length. Once the stream has begun, an error is final; see `transcribe`.
            parameters: the fields of a `StartStreamTranscriptionRequest`; beside a request, what is other than in it.

        Returns:
            A context manager, in whose block the `TranscriptionStream` is open. On entering it raises what follows.

        Raises:
            InvalidRequest: the parameters are not allowed; here, not on entering.
            TranscribeError: the service refused.
            NoCredentials: there are none.
            OSError: the service cannot be reached or trusted, or broke off. ``TimeoutError``: it did not answer.
        """
        request = _request(request, parameters)
        if retries and request.session_id is None:
            request = replace(request, session_id=str(uuid.uuid4()))
        return self._started(request, retries)

    @asynccontextmanager
    async def _started(
        self, request: StartStreamTranscriptionRequest, retries: int
    ) -> AsyncIterator[TranscriptionStream]:
        async with contextlib.AsyncExitStack() as stack:
            attempt = 0
            while True:
                try:
                    stream = await stack.enter_async_context(self._start(request))
                    break
                except (TranscribeError, OSError) as error:
                    if attempt >= retries or not _may_retry(error):
                        raise
                await _pause(attempt)
                attempt += 1
            yield stream

    @asynccontextmanager
    async def _start(self, request: StartStreamTranscriptionRequest) -> AsyncIterator[TranscriptionStream]:
        # One set of credentials a stream: the request says which key it is, and the events cannot say another.
        credentials = self._credentials
        if not isinstance(credentials, Credentials):
            credentials = await asyncio.to_thread(credentials)
        headers, seed = sign_request(
            *(credentials, self.region, SERVICE, METHOD, PATH),
            [
                (":method", METHOD),
                (":scheme", self._scheme),
                (":authority", self._authority),
                (":path", PATH),
                ("content-type", "application/vnd.amazon.eventstream"),
                *request.to_headers(),
            ],
        )
        session = ClientSession(request, EventSigner(credentials, self.region, SERVICE, seed))
        async with http2.connect(
            self._host, self._port, ssl=self._ssl, connect_timeout=self._connect_timeout
        ) as connection:
            stream = await connection.request(headers, timeout=self._response_timeout)
            response = await stream.response(self._response_timeout)
            if response.status != 200:
                body = await self._error_body(stream)
                raise TranscribeError.from_response(response.status, response.headers, body)
            yield TranscriptionStream(
                stream, session, StartStreamTranscriptionResponse.from_headers(response.headers), self._idle_timeout
            )

    async def _error_body(self, stream: http2.ClientStream) -> bytes:
        """What has come of it in time: the status alone says enough."""
        body = bytearray()

        async def read() -> None:
            while len(body) < MAX_ERROR_LENGTH and (data := await stream.receive()):
                body.extend(data)

        with contextlib.suppress(StreamError, asyncio.TimeoutError):
            await asyncio.wait_for(read(), self._response_timeout)
        return bytes(body[:MAX_ERROR_LENGTH])

    async def transcribe(
        self,
        audio: Audio,
        request: StartStreamTranscriptionRequest | None = None,
        /,
        *,
        pace: bool = True,
        chunk_duration: float = DEFAULT_DURATION,
        retries: int = 0,
        **parameters: Any,
    ) -> AsyncGenerator[Event | Message, None]:
        """Transcribe audio from its beginning to its end.

        Leaving the iteration early cancels the transcription: at once, if ``contextlib.aclosing`` is put around it.

        Args:
            audio: a path, the bytes, a `WavFile`, or a source of pieces of any size: an iterable or a binary file, read
                in the event loop, an asynchronous iterable, or anything with an asynchronous ``read``. A WAV is
                recognised where it is a path, the bytes or a `WavFile`; it says itself what the request must say of it.
            request: what is requested; None: it is made of the parameters.
            pace: send the audio no faster than it was spoken, as the service wants it, where its bytes tell the time.
                What comes live is sent as it comes, either way.
            chunk_duration: seconds of audio in an event, over 0 and at most 1; 0.05 to 0.2 are recommended.
            retries: how often in a row it is tried again, if the service or the network fails in a way that passes,
                without an event in between. A new stream begins then, with the same session id, and goes on with the
                audio that was not sent yet. Results of audio before that may be missing, and times may begin anew.
            parameters: the fields of a `StartStreamTranscriptionRequest`; beside a request, what is other than in it.

        Yields:
            The events, as the service sends them; one of an unknown type is its `Message`.

        Raises:
            InvalidRequest: the parameters are not allowed.
            InvalidAudio: the audio is not what the request says, or ends in the middle of a sample.
            TranscribeError: the service refused, or gave up.
            CodecError: what it sent cannot be decoded.
            NoCredentials: there are none.
            OSError: the service cannot be reached or trusted, or broke off; or the audio cannot be read.
            TimeoutError: the service did not answer, or stopped to send events or to take audio.
        """
        async with contextlib.AsyncExitStack() as opened:
            source = _open(audio, opened)
            if isinstance(source, WavFile) and request is None:
                parameters = {**_parameters_of(source.format), **parameters}
            elif request is None and not parameters.keys() >= _WHAT_A_WAV_SAYS:
                missing = ", ".join(sorted(_WHAT_A_WAV_SAYS - parameters.keys()))
                raise InvalidAudio(
                    f"the audio is not the path or the bytes of a WAV, which says it itself: give {missing}"
                )
            request = _request(request, parameters)
            if retries and request.session_id is None:
                request = replace(request, session_id=str(uuid.uuid4()))
            format = AudioFormat.of(request)
            if isinstance(source, WavFile) and source.format != format:
                raise InvalidAudio(f"the WAV is {source.format}, and the request says {format}")
            feed = _Feed(_chunks(source, format, chunk_duration, pace))
            opened.push_async_callback(feed.close)
            attempt = 0
            while True:
                try:
                    async with self.start_stream_transcription(request) as stream:
                        sender = asyncio.create_task(feed.send(stream))
                        try:
                            async for event in stream:
                                attempt = 0
                                yield event
                            break
                        finally:
                            sender.cancel()
                            await asyncio.wait([sender])
                except _AudioFailed:
                    break
                except (TranscribeError, OSError) as error:
                    if attempt >= retries or not _may_retry(error):
                        raise
                await _pause(attempt)
                attempt += 1
            if feed.error is not None:
                raise feed.error


class TranscriptionStream:
    """A transcription that has begun: audio in, events out. One task may send while another iterates.

    It is an asynchronous iterator over the events; one of an unknown type is its `Message`. It ends when the service
    ends the transcription. What came before an error is delivered before it is raised; then every later call raises an
    equal one. What the service said before sending failed, it said first: its error is the one that is raised.

    Attributes:
        request: what was requested.
        response: what the service answered, with the ids that it gave.
    """

    def __init__(
        self,
        stream: http2.ClientStream,
        session: ClientSession,
        response: StartStreamTranscriptionResponse,
        idle_timeout: float | None,
    ) -> None:
        self.request = session.request
        self.response = response
        self._stream = stream
        self._session = session
        self._idle_timeout = idle_timeout
        self._events: deque[Event | Message] = deque()
        self._sending = False
        self._ended = False
        self._error: Exception | None = None

    async def send_audio(self, chunk: Buffer) -> None:
        """Send a chunk of audio. It waits while the service, or the network, takes no more.

        Args:
            chunk: whole samples, in the media encoding of the request: 1 to 32,768 bytes and at most 1 s (50 to 200 ms
                are recommended); any C-contiguous buffer.

        Raises:
            InvalidAudio: the chunk is empty, too long, or ends in the middle of a sample; the stream goes on.
            StateError: the audio was ended, or another task is sending.
            TranscribeError: the service gave up.
            CodecError: what it sent cannot be decoded.
            StreamError: the stream broke, or the service has ended it. So it does when this call is cancelled while it
                waits, as half of an event is worth nothing.
            TimeoutError: the service takes no more; the stream is over.
        """
        await self._check_sending()
        await self._send(self._session.send_audio(chunk), end=False)

    async def end_audio(self) -> None:
        """End the audio; the last events are still to come.

        Raises:
            StateError: it was called before, or another task is sending.
            TranscribeError, CodecError, StreamError, TimeoutError: as of `send_audio`.
        """
        await self._check_sending()
        await self._send(self._session.end_audio(), end=True)

    async def _check_sending(self) -> None:
        if self._sending:
            raise StateError("another task is sending on this stream")
        if self._stream.peer_ended:
            await self._receive_rest()
        self._check()
        if self._ended:
            raise StreamError("the service has ended the stream")

    def _check(self) -> None:
        if self._error is not None:
            raise copy.copy(self._error)

    async def _send(self, wire: bytes, *, end: bool) -> None:
        self._sending = True
        try:
            await self._stream.send(wire, timeout=self._idle_timeout)
            if end:
                await self._stream.end()
        except (StreamError, TimeoutError) as error:
            await self._break_off(error)
            raise copy.copy(self._error or error) from None
        except asyncio.CancelledError:
            await self._break_off(
                StreamError("the stream was cut in the middle of an event", ErrorCodes.CANCEL, remote=False)
            )
            raise
        finally:
            self._sending = False

    def __aiter__(self) -> Self:
        """The events."""
        return self

    async def __anext__(self) -> Event | Message:
        while not self._events:
            self._check()
            if self._ended:
                raise StopAsyncIteration
            await self._receive()
        return self._events.popleft()

    async def _receive(self) -> None:
        """Make events of the next bytes, or find out why there are none."""
        try:
            data = await self._stream.receive(self._idle_timeout)
            if data:
                for event in self._session.receive(data):
                    self._events.append(event)
            else:
                self._session.receive_eof()
                self._ended = True
        except (TranscribeError, CodecError, StreamError, TimeoutError) as error:
            await self._abort(error)

    async def _receive_rest(self) -> None:
        """What has arrived: the service may have said why it is over, and nobody has read it yet."""
        while self._stream.readable and self._error is None and not self._ended:
            await self._receive()

    async def _break_off(self, error: Exception) -> None:
        """Go on no more because of this error, unless what has arrived ends the stream before it."""
        await self._receive_rest()
        await self._abort(error)

    async def _abort(self, error: Exception) -> None:
        """The stream is over, with this error if it is the first."""
        if self._error is None and not self._ended:
            self._error = copy.copy(error)
        await self._stream.reset()


class _AudioFailed(Exception):
    """The audio could not be read to its end; its `_Feed` knows why."""


class _Feed:
    """Audio for one stream after the other: with what one did not take, the next begins.

    A task of its own reads the audio, since to cancel a task that reads a generator ends the generator.

    Attributes:
        error: why the audio could not be read to its end.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.error: Exception | None = None
        self._next: bytes | None = None  # empty at the end
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._reader = asyncio.create_task(self._read(chunks))

    async def close(self) -> None:
        """Read no more."""
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                await self._queue.put(chunk)
        except Exception as error:
            self.error = error
        await self._queue.put(b"")

    async def send(self, stream: TranscriptionStream) -> None:
        """Send what is left. Where that fails, the iteration over the stream says why."""
        try:
            while self._next != b"":
                if self._next is None:
                    self._next = await self._queue.get()
                else:
                    await stream.send_audio(self._next)
                    self._next = None
            if self.error is not None:
                raise _AudioFailed
            await stream.end_audio()
        except Exception as error:
            await stream._break_off(error)


# Audio


def _open(audio: Audio, opened: contextlib.AsyncExitStack) -> Any:
    """The audio as something to read from or iterate over; a `WavFile` if it is one."""
    if isinstance(audio, (str, os.PathLike)):
        file = opened.enter_context(open(audio, "rb"))  # noqa: SIM115 (it is one)
    elif isinstance(audio, (bytes, bytearray, memoryview)):
        file = io.BufferedReader(io.BytesIO(audio))
    else:
        return audio
    return open_wav(file) if file.peek(4)[:4] == b"RIFF" else file


_WHAT_A_WAV_SAYS = {"media_sample_rate_hertz", "media_encoding"}


def _parameters_of(format: AudioFormat) -> dict[str, Any]:
    """What a request says of audio in this format; two channels are transcribed each on its own."""
    parameters = {"media_sample_rate_hertz": format.sample_rate_hertz, "media_encoding": format.media_encoding}
    if format.channels == 1:
        return parameters
    return {**parameters, "number_of_channels": format.channels, "enable_channel_identification": True}


def _chunks(source: Any, format: AudioFormat, duration: float, pace: bool) -> AsyncIterator[bytes]:
    is_async = isinstance(source, AsyncIterable) or inspect.iscoroutinefunction(getattr(source, "read", None))
    chunks = aiter_chunks(source, format, duration) if is_async else iter_chunks(source, format, duration)
    if pace and format.is_timed:
        return paced(chunks, format)
    return chunks if isinstance(chunks, AsyncIterator) else _each(chunks)


async def _each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


# Requests


def _request(
    request: StartStreamTranscriptionRequest | None, parameters: dict[str, Any]
) -> StartStreamTranscriptionRequest:
    return StartStreamTranscriptionRequest(**parameters) if request is None else replace(request, **parameters)


def _may_retry(error: TranscribeError | OSError) -> bool:
    if isinstance(error, TranscribeError):
        return error.retryable
    return not isinstance(error, ssl.SSLCertVerificationError)


async def _pause(attempt: int) -> None:
    """Before a retry: longer and longer, and of random length, so that clients do not come back all at once."""
    await asyncio.sleep(random.random() * min(2**attempt, MAX_DELAY))


# The environment


def _environment(*names: str) -> str | None:
    """The first of the variables that is set, and not to nothing."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def _split_endpoint(endpoint: str) -> tuple[str, str, str, int]:
    """Scheme, authority, host and port."""
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        raise ConfigurationError(f"the endpoint {quote(endpoint)} is no URL") from None
    host = url.hostname
    if url.scheme not in ("http", "https") or not host or url.path not in ("", "/") or "@" in url.netloc:
        raise ConfigurationError(
            f"the endpoint {quote(endpoint)}; it must be http or https, a host, and if need be a port"
        )
    authority = f"[{host}]" if ":" in host else host
    default = 443 if url.scheme == "https" else 80
    return url.scheme, authority if port in (None, default) else f"{authority}:{port}", host, port or default


def _trust(ca_bundle: str | os.PathLike[str] | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_bundle):
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise ConfigurationError(f"the CA bundle {os.fspath(ca_bundle)} cannot be used: {error}") from error
