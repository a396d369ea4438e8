"""StartStreamTranscription without a socket: a client's session and a server's, typed.

A session is an exchange of `eventstream.duplex` with the operation's own rules: its request, its events and errors, and
what a chunk of audio may be. The client turns audio into bytes to send and the bytes it receives into events; the
server does the reverse. What was received before a fault is delivered before its error is raised, and the error ends
the session; a server may still send an exception.

Source: the Amazon Transcribe guide (https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html), and
what its clients send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eventstream._codec import Message
from eventstream._text import quote
from eventstream.duplex import ClientExchange, ServerExchange
from eventstream.exceptions import StateError
from eventstream.signing import MAX_CLOCK_SKEW, CredentialsSource, EventSigner, utc_now
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.exceptions import (
    BadRequestException,
    InvalidAudio,
    InvalidEvent,
    InvalidRequest,
    TranscribeError,
)
from eventstream.transcribe.model import (
    AUDIO_EVENT_HEADERS,
    AudioEvent,
    ConfigurationEvent,
    Event,
    TranscriptEvent,
    event_from_message,
    event_to_message,
)
from eventstream.transcribe.request import StartStreamTranscriptionRequest
from eventstream.wire import DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

__all__ = ["METHOD", "PATH", "SERVICE", "ClientSession", "ServerSession"]

METHOD = "POST"
PATH = "/stream-transcription"

SERVICE = "transcribe"
"""The signing name."""

MAX_EVENT_LENGTH = 65_536
"""The most bytes of an event that a server takes: those of the longest chunk of audio twice. What is declared longer is
refused at byte 12, before it is buffered."""


def _chunk_check(request: StartStreamTranscriptionRequest) -> Callable[[bytes | memoryview], None]:
    """`AudioFormat.check_chunk` of the request's format, with its bounds computed once, as every chunk is checked."""
    format = AudioFormat.of(request)
    max_length, sample_length = format.max_chunk_length, format.sample_length

    def check(chunk: bytes | memoryview) -> None:
        if len(chunk) > max_length or len(chunk) % sample_length:
            format.check_chunk(chunk)

    return check


class ClientSession:
    """The client's end of a transcription. One thread at a time.

    After the service's error, or a fault in what it sent, every later call raises an equal error.

    Args:
        request: what was, or will be, requested; it says what the audio is.
        signer: begins with the request's signature; None: events are sent unsigned, as on a WebSocket.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound.

    Attributes:
        request: as given.
    """

    def __init__(
        self,
        request: StartStreamTranscriptionRequest,
        signer: EventSigner | None = None,
        *,
        max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
    ) -> None:
        self.request = request
        self._check_chunk = _chunk_check(request)
        self._exchange = ClientExchange(signer, event_from_message, max_payload_length=max_payload_length)

    @property
    def request_headers(self) -> list[tuple[str, str]]:
        """The request's own HTTP headers, to which the transport adds its own and `sign_request` a signature."""
        return self.request.to_headers()

    def send_audio(self, chunk: Buffer) -> bytes:
        """An audio event, signed, in wire form.

        Args:
            chunk: whole samples, in the media encoding of the request: 1 to 32,768 bytes and at most 1 s (50 to 200 ms
                are recommended); any C-contiguous buffer.

        Raises:
            InvalidAudio: the chunk is empty, too long, or ends in the middle of a sample; the session goes on.
            StateError: the audio was ended.
            TypeError, BufferError: the chunk is no buffer, or not C-contiguous.
            CodecError, TranscribeError: an equal one was raised by `receive` or `receive_eof`.
        """
        self._exchange.check_sending()
        event = Message(AUDIO_EVENT_HEADERS, chunk)
        if not event.payload:
            raise InvalidAudio("an empty chunk: to end the audio call end_audio")
        self._check_chunk(event.payload)
        return self._exchange.send(event)

    def end_audio(self) -> bytes:
        """The end of the audio, signed, in wire form; the last results are still to come.

        Raises:
            StateError: it was called before.
            CodecError, TranscribeError: an equal one was raised by `receive` or `receive_eof`.
        """
        return self._exchange.finish(unsigned=Message(AUDIO_EVENT_HEADERS))

    def receive(self, data: Buffer) -> Iterator[Event | Message]:
        """Receive the next bytes of the response.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete; one of an unknown type is its `Message`. It raises what
            follows after the events before it; what is left in it the next call's iterator yields.

        Raises:
            TranscribeError: the service gave up; its class says why.
            InvalidEvent: a message is no event, or its JSON has another shape.
            DecodeError: the bytes are no valid message.
            StateError: `receive_eof` was called.
        """
        return self._exchange.receive(data)

    def receive_eof(self) -> None:
        """The response has ended. Between messages the service may end it, whether or not the audio was ended.

        Raises:
            TruncatedMessage: it ends in the middle of a message.
            StateError: the iterator of `receive` was not iterated over to its end.
            CodecError, TranscribeError: an equal one was raised before.
        """
        self._exchange.receive_eof()


class ServerSession:
    """The server's end of a transcription. One thread at a time.

    Args:
        credentials: of the one account that is known, or of all by their access keys; None: signatures are not checked,
            and need not be there.
        region: the one that requests must be signed for; None: any.
        clock: the time that signatures' dates are compared with, as an aware datetime.
        max_clock_skew: how far these may be from the clock, to either side; None: any date will do.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound.
    """

    def __init__(
        self,
        credentials: CredentialsSource | Mapping[str, CredentialsSource] | None = None,
        *,
        region: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        max_payload_length: int | None = MAX_EVENT_LENGTH,
    ) -> None:
        self._request: StartStreamTranscriptionRequest | None = None
        self._exchange = ServerExchange(
            credentials,
            self._parse,
            region=region,
            service=SERVICE,
            clock=clock,
            max_clock_skew=max_clock_skew,
            max_payload_length=max_payload_length,
        )

    @property
    def audio_ended(self) -> bool:
        """Whether the end of the audio has come."""
        return self._exchange.ended

    def receive_request(
        self, method: str, path: str, headers: Iterable[tuple[str, str]]
    ) -> StartStreamTranscriptionRequest:
        """Verify the request and take its signature as the seed of the events'; read its parameters.

        Clients differ in host, content type and what follows the path, which are not looked at.

        Args:
            method: ``"POST"``.
            path: as it was received, with what follows a ``?``.
            headers: names and values as they were received, pseudo-headers too if there are any.

        Returns:
            The request.

        Raises:
            VerificationError: it cannot be accepted; see `eventstream.signing.verify_request`. Every later call raises
                an equal error.
            InvalidRequest: the method, the path or parameters are not those of the operation.
            StateError: a request was received before.
        """
        pairs = list(headers)
        problems = {}
        if method != METHOD:
            problems["method"] = f"{quote(method)} (allowed: {METHOD})"
        if path.partition("?")[0].rstrip("/") != PATH:
            problems["path"] = f"{quote(path)} (allowed: {PATH})"
        if problems:
            try:
                self._exchange.check_opened()  # what was refused before is refused again; what was accepted, below
            except StateError:
                raise InvalidRequest(problems) from None
        self._exchange.receive_request(method, path, pairs)
        self._request = StartStreamTranscriptionRequest.from_headers(pairs)
        self._check_chunk = _chunk_check(self._request)
        return self._request

    def receive(self, data: Buffer) -> Iterator[AudioEvent | ConfigurationEvent | Message]:
        """Receive the next bytes of the request's body.

        Args:
            data: any C-contiguous buffer, of any length.

        Returns:
            An iterator over the events that are now complete, verified and unwrapped; one of an unknown type is its
            `Message`. When it has met the end of the audio, `audio_ended` is true. It raises what follows after the
            events before it; what is left in it the next call's iterator yields.

        Raises:
            VerificationError: an event is not what was signed, not where it was signed, or comes after the end.
            DecodeError: the bytes are no valid message, or there is none inside a signed one.
            InvalidEvent: a message is no event of a client, or its JSON has another shape.
            BadRequestException: a chunk of audio is too long, or ends in the middle of a sample; ready to be sent.
            StateError: no request was accepted yet, or `receive_eof` was called.
        """
        self._check_opened()
        return self._exchange.receive(data)

    def _parse(self, message: Message) -> AudioEvent | ConfigurationEvent | Message:
        if message.message_type in ("exception", "error"):
            raise InvalidEvent(message.event_type, "a client sends events alone")
        event = event_from_message(message)
        if isinstance(event, TranscriptEvent):
            raise InvalidEvent(message.event_type, "only the server sends it")
        if isinstance(event, AudioEvent):
            try:
                self._check_chunk(event.audio_chunk)
            except InvalidAudio as error:
                raise BadRequestException(str(error)) from None
        return event

    def receive_eof(self) -> None:
        """The request's body has ended.

        Raises:
            TruncatedMessage: it ends in the middle of a message, or before the end of the audio has come.
            StateError: no request was accepted yet, or the iterator of `receive` was not iterated over to its end.
            CodecError, TranscribeError: an equal one was raised before.
        """
        self._check_opened()
        self._exchange.receive_eof()

    def send_transcript(self, event: TranscriptEvent) -> bytes:
        """An event of results, in wire form; also after the audio has ended, or has failed.

        Raises:
            StateError: no request was accepted yet, or an exception was sent.
            EncodeError: the event holds what JSON cannot say.
            TypeError: it is no `TranscriptEvent`.
        """
        self._check_opened()
        if not isinstance(event, TranscriptEvent):
            raise TypeError(f"a TranscriptEvent is sent, not {type(event).__name__}")
        return self._exchange.send(event_to_message(event))

    def send_exception(self, exception: TranscribeError) -> bytes:
        """The error that ends the transcription, in wire form; nothing can be sent after it.

        Raises:
            StateError: no request was accepted yet, or an exception was sent before.
            InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
        """
        self._check_opened()
        return self._exchange.send_exception(exception.to_message())

    def _check_opened(self) -> None:
        if self._request is None:
            self._exchange.check_opened()
            raise StateError("no request was accepted: its parameters were invalid")
