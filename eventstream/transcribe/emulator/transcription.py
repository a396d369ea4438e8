"""One stream of the endpoint, from its request to its end.

It goes through the same steps as at Amazon Transcribe. What is wrong with the request is told as an HTTP error: its
signature, its parameters, too many streams at once. Then the response's headers and a first event without results go
out at once, since some clients send no audio before. Each chunk of audio is answered with what the recogniser makes of
it, in one event, if that is anything. What goes wrong from now on is told in an ``exception`` message, which ends the
stream. The end of the audio brings the last results and the end of the response.

Where the service's documentation says nothing: a request's bad signature is told with the errors that AWS's services
have in common (https://docs.aws.amazon.com/transcribe/latest/APIReference/CommonErrors.html), an event's with a
``BadRequestException``, as clients of the service report it. It says "Your request timed out because no new audio was
received for 15 seconds." in these words.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from eventstream.exceptions import (
    DateSkew,
    DecodeError,
    IncompleteStream,
    InvalidHeaderValue,
    SignatureMismatch,
    VerificationError,
)
from eventstream.http2 import ErrorCodes, StreamError
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.channels import Channels
from eventstream.transcribe.emulator.results import ChannelResults
from eventstream.transcribe.exceptions import (
    BadRequestException,
    InternalFailureException,
    InvalidEvent,
    InvalidRequest,
    LimitExceededException,
    TranscribeError,
)
from eventstream.transcribe.model import AudioEvent, ConfigurationEvent, Transcript, TranscriptEvent
from eventstream.transcribe.request import (
    LANGUAGE_CODES,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
)
from eventstream.transcribe.session import ServerSession

if TYPE_CHECKING:
    from concurrent.futures import Future

    from eventstream.http2 import ServerStream
    from eventstream.signing import Credentials
    from eventstream.transcribe.emulator.faults import Fault
    from eventstream.transcribe.emulator.recogniser import Hypothesis, Recogniser
    from eventstream.transcribe.emulator.service import Service
    from eventstream.transcribe.model import Result

__all__ = ["Transcription"]

_CONTENT_TYPE = "application/vnd.amazon.eventstream"

_QUIET = 5.0
"""Seconds without results after which audio is answered with an event without any, so that clients see that it goes on.
"""

_LINGER = 1.0
"""Seconds in which a client should have noticed that its stream was answered to the end."""

# No "=" in the key: else each "Credential=" of many would be followed to the end of them all.
_ACCESS_KEY = re.compile(r"Credential=([^/,\s=]+)/")

_log = logging.getLogger("eventstream.transcribe.emulator")

_T = TypeVar("_T")


class _Cut(Exception):
    """The stream was ended in a way that leaves nothing to say to the client."""


class Transcription:
    """Answers one request. Made in the task that runs it.

    Args:
        service: what it shares with the others.
        stream: the request.
    """

    def __init__(self, service: Service, stream: ServerStream) -> None:
        self._service = service
        self._stream = stream
        self._session = ServerSession(service.accounts, clock=service.clock, max_clock_skew=service.max_clock_skew)
        self._session_id = ""
        self._request_id = str(uuid4())
        self._responded = False
        self._channels: list[_Channel] = []
        self._audio_length = 0
        self._event_count = 0
        self._now = asyncio.get_running_loop().time
        self._audio_deadline = 0.0
        self._sent_at = 0.0
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[object] = task
        self._receiving = False
        self._interruption: TranscribeError | None = None

    def interrupt(self, error: TranscribeError) -> None:
        """End the stream with an error as soon as it waits for its client's audio. A second one has no effect."""
        if self._interruption is None:
            self._interruption = error
            if self._receiving:
                self._task.cancel()

    async def run(self) -> None:
        """Answer the request, whatever happens."""
        fate = "cancelled"
        try:
            error = await self._attempt()
            if error is not None:
                fate = str(error)
                await self._tell(error)
            else:
                fate = "ended"
        except (_Cut, StreamError) as cut:
            fate = str(cut)
        finally:
            if not self._responded:
                self._service.statistics.refused += 1
            elif fate != "ended":
                self._service.statistics.failed += 1
            for channel in self._channels:
                self._close(channel)
            self._service.leave(self._session_id, self)
            _log.info("request %s: %d bytes of audio; %s", self._request_id, self._audio_length, fate)
        await self._linger()

    async def _attempt(self) -> TranscribeError | None:
        """Do all that there is to do; what the client is to be told if it cannot be done."""
        try:
            await self._transcribe()
        except TranscribeError as error:
            return error
        except (DecodeError, IncompleteStream, VerificationError, InvalidEvent) as error:
            return BadRequestException(str(error))
        except (_Cut, StreamError):
            raise
        except Exception:
            return self._internal_failure("it failed")
        return None

    async def _transcribe(self) -> None:
        request = self._open()
        fault = self._service.faults.at(0)
        if fault is not None:
            await self._strike(fault, b"")
        await self._begin(request)
        while not self._session.audio_ended:
            data = await self._receive()
            if not data:
                self._session.receive_eof()  # an error, as the end of the audio is missing
            heard = self._audio_length
            for event in self._session.receive(data):
                await self._take(event)
            # A client that sends without a pause, if not audio, never lets its bytes be waited for.
            if self._audio_length == heard and self._now() > self._audio_deadline and not self._session.audio_ended:
                raise self._timed_out()
        self._count_signature()
        results = []
        for channel, pcm in zip(self._channels, await self._work(self._audio.finish), strict=True):
            if pcm:
                results += channel.results.of(await self._work(channel.feed, pcm))
            results += channel.results.of(await self._work(channel.finish))
        if results:
            await self._send_results(results)
        self._check_channels()
        await self._stream.end()

    async def _tell(self, error: TranscribeError) -> None:
        if not self._responded:
            error.request_id = self._request_id
            status, headers, body = error.to_response()
            if self._stream.method == "HEAD":
                await self._stream.respond(status, headers, end=True)
                return
            await self._stream.respond(status, headers)
            await self._send(body)
        else:
            try:
                wire = self._session.send_exception(error)
            except InvalidHeaderValue:  # a recogniser's own, with a code that no header can hold
                wire = self._session.send_exception(self._internal_failure("its error cannot be told"))
            await self._send(wire)
        await self._stream.end()

    async def _linger(self) -> None:
        """Let the client end its request. If it was reset at once, sending would fail before the answer is read."""
        end = self._now() + _LINGER
        with suppress(TimeoutError, StreamError):
            # What is there is returned at once, however little time is left.
            while (left := end - self._now()) > 0 and await self._stream.receive(left):
                pass

    def _internal_failure(self, what: str) -> TranscribeError:
        """For the client; the log gets the exception that is being handled."""
        _log.exception("request %s: %s", self._request_id, what)
        return InternalFailureException("The emulator failed to process the audio; its log says why.")

    # The request

    def _open(self) -> StartStreamTranscriptionRequest:
        """The request, checked and let in.

        Raises:
            TranscribeError: it is refused.
        """
        stream = self._stream
        try:
            request = self._session.receive_request(stream.method, stream.path, stream.headers)
        except VerificationError as error:
            raise _signature_error(error, stream.headers, self._service.accounts or {}) from None
        except InvalidRequest as error:
            if error.problems.keys() & {"method", "path"}:
                raise TranscribeError("UnknownOperationException", str(error), status_code=404) from None
            raise BadRequestException(str(error)) from None
        self._count_signature()
        for code in (request.language_code, request.preferred_language, *request.language_options):
            if code is not None and code not in LANGUAGE_CODES:
                raise BadRequestException(f"The language code {code!r} is not supported.")
        session_id = request.session_id or str(uuid4())
        self._service.enter(session_id, self)
        self._session_id = session_id
        return request

    async def _begin(self, request: StartStreamTranscriptionRequest) -> None:
        """Make the recognisers, and begin the response."""
        format = AudioFormat.of(request)
        try:
            self._audio = Channels(format, compressed=getattr(self._service.recogniser, "compressed", False))
        except ImportError as error:
            raise BadRequestException(f"This emulator has no decoder: {error}.") from None
        seconds = self._service.limits.max_audio
        self._max_audio_length = None if format.bytes_per_second is None else seconds * format.bytes_per_second
        for number in range(self._audio.count) if self._audio.count > 1 else [None]:
            recogniser = await self._work(self._service.recogniser, request, unwanted=_close)
            self._channels.append(_Channel(recogniser, ChannelResults(request, self._session_id, number)))
        response = StartStreamTranscriptionResponse.from_request(
            request, request_id=self._request_id, session_id=self._session_id
        )
        await self._stream.respond(200, [("content-type", _CONTENT_TYPE), *response.to_headers()])
        self._responded = True
        self._service.statistics.streams += 1
        self._expect_audio()
        await self._send_results([])

    def _count_signature(self) -> None:
        if self._service.accounts is not None:
            self._service.statistics.signatures += 1

    # Audio

    def _expect_audio(self) -> None:
        self._audio_deadline = self._now() + self._service.limits.audio_timeout

    def _timed_out(self) -> TranscribeError:
        seconds = f"{self._service.limits.audio_timeout:g} seconds"
        return BadRequestException(f"Your request timed out because no new audio was received for {seconds}.")

    async def _receive(self) -> bytes:
        """The next bytes of the request's body; none at its end.

        Raises:
            TranscribeError: no audio has come for too long, or the stream was interrupted.
        """
        if self._interruption is not None:
            raise self._interruption
        self._receiving = True
        try:
            return await self._stream.receive(max(0.0, self._audio_deadline - self._now()))
        except TimeoutError:
            raise self._timed_out() from None
        except asyncio.CancelledError:
            if self._interruption is None:
                raise
            # Since Python 3.11 a task remembers that it was cancelled.
            if hasattr(self._task, "uncancel"):  # pragma: no branch (not both in one Python)
                self._task.uncancel()
            raise self._interruption from None
        finally:
            self._receiving = False

    async def _take(self, event: object) -> None:
        self._count_signature()
        if isinstance(event, AudioEvent):
            if event.audio_chunk:  # before the end some clients send an empty one, which is no audio
                await self._hear(event.audio_chunk)
        elif not isinstance(event, ConfigurationEvent):
            raise BadRequestException("The audio stream has an event that is neither audio nor configuration.")

    async def _hear(self, chunk: bytes) -> None:
        statistics = self._service.statistics
        statistics.audio_events += 1
        statistics.audio_bytes += len(chunk)
        self._audio_length += len(chunk)
        if self._max_audio_length is not None and self._audio_length > self._max_audio_length:
            raise LimitExceededException(f"A stream may have {self._service.limits.max_audio:g} seconds of audio.")
        results = []
        decoded = self._audio.feed(chunk) if self._audio.is_quick else await self._work(self._audio.feed, chunk)
        for channel, pcm in zip(self._channels, decoded, strict=True):
            if pcm:
                results += channel.results.of(await self._work(channel.feed, pcm))
        if results or self._now() - self._sent_at > _QUIET:
            await self._send_results(results)
        self._check_channels()
        self._expect_audio()

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
            raise self._internal_failure("its recogniser failed") from None

    def _close(self, channel: _Channel) -> None:
        if getattr(self._service.recogniser, "instant", False):
            channel.close()
        else:
            self._service.executor.submit(channel.close)

    # Results

    async def _send_results(self, results: list[Result]) -> None:
        """Send an event, even without results."""
        wire = self._session.send_transcript(TranscriptEvent(Transcript(results=results)))
        self._event_count += 1
        fault = self._service.faults.at(self._event_count)
        if fault is not None:
            wire = await self._strike(fault, wire)
        await self._send(wire)
        self._sent_at = self._now()
        self._service.statistics.transcript_events += 1

    async def _strike(self, fault: Fault, wire: bytes) -> bytes:
        """What becomes of an event that a fault strikes."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay)
            return wire
        if fault.kind == "bad-crc":
            return wire[:-1] + bytes([wire[-1] ^ 1])
        if fault.kind == "exception":
            raise fault.error
        if fault.kind == "truncate":
            await self._send(wire[: len(wire) // 2])
            await self._stream.end()
        else:
            await self._stream.reset(ErrorCodes.INTERNAL_ERROR)
        raise _Cut(f"{fault.kind}, as was asked for")

    async def _send(self, wire: bytes) -> None:
        """Send bytes of the response.

        Raises:
            _Cut: the client takes none; the stream was reset.
        """
        seconds = self._service.limits.audio_timeout
        try:
            await self._stream.send(wire, timeout=seconds)
        except TimeoutError:
            await self._stream.reset(ErrorCodes.CANCEL)
            raise _Cut(f"the client took nothing for {seconds:g} seconds") from None


class _Channel:
    """The recogniser of one channel, and the results made of what it hears."""

    def __init__(self, recogniser: Recogniser, results: ChannelResults) -> None:
        self._recogniser = recogniser
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
            _close(self._recogniser)


def _close(recogniser: Recogniser) -> None:
    try:
        recogniser.close()
    except Exception:
        _log.exception("a recogniser failed to close")


def _discard(unwanted: Callable[[_T], object], worked: Future[_T]) -> None:
    """Nobody waits for what was worked out any more."""
    if not worked.cancelled() and worked.exception() is None:
        unwanted(worked.result())


def _signature_error(
    error: VerificationError, headers: Iterable[tuple[str, str]], accounts: Mapping[str, Credentials]
) -> TranscribeError:
    """The error of AWS that a request's bad signature gets."""
    fields = dict(headers)
    authorization = fields.get("authorization", "")
    access_key = _ACCESS_KEY.search(authorization)
    if not authorization:
        code = "MissingAuthenticationTokenException"
    elif access_key is None:
        code = "IncompleteSignatureException"
    elif isinstance(error, (SignatureMismatch, DateSkew)):
        code = "InvalidSignatureException"
    else:
        account = accounts.get(access_key[1])
        token = fields.get("x-amz-security-token")
        known = account is not None and account.session_token == token
        code = "IncompleteSignatureException" if known else "UnrecognizedClientException"
    return TranscribeError(code, str(error), status_code=403)
