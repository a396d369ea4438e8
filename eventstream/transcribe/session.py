"""StartStreamTranscription without a socket: a client's session and a server's, typed.

They are the sessions of `eventstream.session` for this operation, with additional names for audio and results.

Source: the Amazon Transcribe guide (https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html), and
what its clients send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from eventstream import session
from eventstream._codec import Message
from eventstream.signing import MAX_CLOCK_SKEW, CredentialsSource, EventSigner, utc_now
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.exceptions import InvalidAudio, TranscribeError
from eventstream.transcribe.model import AUDIO_EVENT_HEADERS, AudioEvent, AudioStreamEvent, TranscriptEvent
from eventstream.transcribe.operations import MAX_EVENT_LENGTH, START_STREAM_TRANSCRIPTION, input_check
from eventstream.transcribe.request import StartStreamTranscriptionRequest, StartStreamTranscriptionResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from eventstream.operation import Operation
    from eventstream.transcribe.audio.format import Audio

__all__ = ["METHOD", "PATH", "SERVICE", "AudioSession", "ClientSession", "ServerSession"]

_Request = TypeVar("_Request", bound="Audio")
_Response = TypeVar("_Response")
_In = TypeVar("_In")
_Out = TypeVar("_Out")

METHOD = START_STREAM_TRANSCRIPTION.method
PATH = START_STREAM_TRANSCRIPTION.path

SERVICE = START_STREAM_TRANSCRIPTION.signing_name
"""The signing name."""


class AudioSession(session.ClientSession[_Request, _Response, _In, _Out]):
    """The client's end of an operation whose input is audio. One thread at a time.

    After an error of the service, a fault in what it sent, or an early end, every later call raises an equal error.

    Args:
        operation: what is spoken.
        request: what was, or will be, requested; it says what the audio is.
        signer: begins with the request's signature; None: events are sent unsigned, as on a WebSocket.
        unknown_events: whether events of unknown types are yielded, as messages; otherwise they are skipped.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound, ``"operation"``
            for the operation's.

    Attributes:
        request: as given.
    """

    def __init__(
        self,
        operation: Operation[_Request, _Response, _In, _Out],
        request: _Request,
        signer: EventSigner | None = None,
        *,
        unknown_events: bool = False,
        max_payload_length: int | Literal["operation"] | None = "operation",
    ) -> None:
        super().__init__(
            operation, request, signer, unknown_events=unknown_events, max_payload_length=max_payload_length
        )
        self._format = AudioFormat.of(request)
        # A check of more than the chunks, e.g. of what came before them, is asked at each.
        self._check_audio: Callable[[Any], None] | None = None if operation.check is input_check else self._check
        # Computed once, as every chunk is checked.
        self._max_length, self._sample_length = self._format.max_chunk_length, self._format.sample_length

    def send_audio(self, chunk: Buffer) -> bytes:
        """Return an audio event, signed, in wire form.

        Args:
            chunk: whole samples, in the media encoding of the request: 1 to 32,768 bytes and at most 1 s (50 to 200 ms
                are recommended); any C-contiguous buffer.

        Raises:
            InvalidAudio: the chunk is empty, too long, ends in the middle of a sample, is an array of other things than
                samples, or comes before the configuration that the operation needs; the session remains usable.
            StateError: the audio was ended.
            IncompleteStream: the response has ended early.
            TypeError, BufferError: the chunk is not a buffer, or not C-contiguous.
            CodecError, TranscribeError: an equal one was raised by `receive` or `receive_eof`.
        """
        event = Message(AUDIO_EVENT_HEADERS, chunk if type(chunk) is bytes else self._format.bytes_of(chunk))
        length = len(event.payload)
        if not length or length > self._max_length or length % self._sample_length:
            self.check_sending()
            if not length:
                raise InvalidAudio("an empty chunk: call end_audio to end the audio")
            self._format.check_chunk(event.payload)
        if self._check_audio is not None:
            self.check_sending()
            self._check_audio(AudioEvent(bytes(event.payload)))
        return self._exchange.send(event)

    def end_audio(self) -> bytes:
        """Return the end of the audio, signed, in wire form; the last results are still to come.

        Raises:
            StateError: it was called before.
            CodecError, TranscribeError: an equal one was raised by `receive` or `receive_eof`.
        """
        return self.end()


class ClientSession(
    AudioSession[StartStreamTranscriptionRequest, StartStreamTranscriptionResponse, AudioStreamEvent, TranscriptEvent]
):
    """The client's end of a transcription. One thread at a time.

    After an error of the service, a fault in what it sent, or an early end, every later call raises an equal error.

    Args:
        request: what was, or will be, requested; it says what the audio is.
        signer: begins with the request's signature; None: events are sent unsigned, as on a WebSocket.
        unknown_events: whether events of unknown types are yielded, as messages; otherwise they are skipped.
        max_payload_length: the limit of a received event in bytes; None for the format's own bound, ``"operation"``
            for the operation's.

    Attributes:
        request: as given.
    """

    def __init__(
        self,
        request: StartStreamTranscriptionRequest,
        signer: EventSigner | None = None,
        *,
        operation: Operation[
            StartStreamTranscriptionRequest, StartStreamTranscriptionResponse, AudioStreamEvent, TranscriptEvent
        ] = START_STREAM_TRANSCRIPTION,
        unknown_events: bool = False,
        max_payload_length: int | Literal["operation"] | None = "operation",
    ) -> None:
        super().__init__(
            operation,
            request,
            signer,
            unknown_events=unknown_events,
            max_payload_length=max_payload_length,
        )

    @property
    def request_headers(self) -> list[tuple[str, str]]:
        """Return the request's own HTTP headers; the transport adds others, and `sign_request` a signature."""
        return self.request.to_headers()


class ServerSession(
    session.ServerSession[
        StartStreamTranscriptionRequest,
        StartStreamTranscriptionResponse,
        AudioStreamEvent,
        TranscriptEvent,
    ]
):
    """The server's end of a transcription. One thread at a time.

    Args:
        credentials: of the only account, or of all accounts by access key; None: signatures are not checked, and may be
            missing.
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
        super().__init__(
            START_STREAM_TRANSCRIPTION,
            credentials,
            region=region,
            clock=clock,
            max_clock_skew=max_clock_skew,
            max_payload_length=max_payload_length,
        )

    @property
    def audio_ended(self) -> bool:
        """Whether the end of the audio has come."""
        return self.input_ended

    def receive_request(
        self, method: str, path: str, headers: Iterable[tuple[str, str]]
    ) -> StartStreamTranscriptionRequest:
        """Verify the request and take its signature as the seed of the events'; read its parameters.

        Clients differ in host, content type and what follows the path, so these are ignored.

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
        request = super().receive_request(method, path, headers)
        assert request is not None
        return request

    def send_transcript(self, event: TranscriptEvent) -> bytes:
        """Return an event of results, in wire form; also after the audio has ended, or has failed.

        Raises:
            StateError: no request was accepted yet, or an exception was sent.
            EncodeError: the event holds what JSON cannot represent.
            TypeError: it is not a `TranscriptEvent`.
        """
        return self.send(event)

    def send_exception(self, exception: TranscribeError) -> bytes:  # type: ignore[override]
        """Return the error that ends the transcription, in wire form; nothing can be sent after it.

        Raises:
            StateError: no request was accepted yet, or an exception was sent before.
            InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
        """
        return super().send_exception(exception)
