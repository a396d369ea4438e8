"""The client on loopback, against a small service that answers every chunk, and misbehaves on request."""

from __future__ import annotations

import array
import asyncio
import dataclasses
import inspect
import io
import itertools
import os
import re
import ssl
import struct
import subprocess
import sys
import uuid
import zlib
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest
from cases import each
from http2.loopback import LIMIT, SOON, run

from eventstream import (
    DecodeLimitExceeded,
    Message,
    PreludeChecksumMismatch,
    TruncatedMessage,
    VerificationError,
    decode,
    http2,
    websocket,
)
from eventstream.client import Retries
from eventstream.client.responses import MAX_ERROR_LENGTH
from eventstream.exceptions import IncompleteStream, StateError
from eventstream.http2 import ErrorCodes
from eventstream.signing import Credentials
from eventstream.transcribe import (
    Alternative,
    BadRequestException,
    ConflictException,
    InternalFailureException,
    InvalidAudio,
    InvalidEvent,
    InvalidRequest,
    Item,
    LimitExceededException,
    Result,
    ServerSession,
    ServiceUnavailableException,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    TranscribeError,
    Transcript,
    TranscriptEvent,
    medical,
    medical_scribe,
)
from eventstream.transcribe import client as client_module
from eventstream.transcribe.audio import open_wav
from eventstream.transcribe.client import ConfigurationError, NoCredentials, StreamError, TranscribeClient
from eventstream.transcribe.emulator import Emulator, Scripted
from eventstream.transcribe.model import AUDIO_EVENT_HEADERS, TRANSCRIPT_EVENT_HEADERS
from eventstream.transcribe.operations import START_STREAM_TRANSCRIPTION
from eventstream.transport import Endpoint

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION_ID = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
PCM: dict[str, Any] = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
REQUEST = StartStreamTranscriptionRequest(**PCM)
CHUNKS = [bytes([number]) * 3200 for number in range(4)]
EXCEPTIONS = [
    BadRequestException,
    ConflictException,
    InternalFailureException,
    LimitExceededException,
    ServiceUnavailableException,
]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No AWS account in sight."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Retries come at once; what they would have waited for."""
    attempts = []

    async def pause(attempt, left):
        attempts.append(attempt)
        return True

    monkeypatch.setattr("eventstream.client.retries._pause", pause)
    return attempts


def transcript(text):
    return TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(transcript=text)])]))


def text_of(event):
    return event.transcript.results[0].alternatives[0].transcript


class Service:
    """Answers each chunk of audio with its length, and a stream as its part of the script says.

    Args:
        script: for each stream, from the first, a function of its stream and session, called after the response has
            begun, or a `TranscribeError` with which it is refused; the streams after those go well.

    Attributes:
        audio: all audio that came, by stream.
        requests: of all streams.
        ended: how the streams ended: "audio" for the end of the audio, or the error.
    """

    def __init__(self, *script, credentials=CREDENTIALS):
        self.script = iter(script)
        self.credentials = credentials
        self.audio = []
        self.requests = []
        self.ended = []

    async def __call__(self, stream):
        session = ServerSession(self.credentials)
        try:
            request = session.receive_request(stream.method, stream.path, stream.headers)
        except VerificationError as error:
            await refuse(stream, TranscribeError("AccessDeniedException", str(error), status_code=403))
            return
        self.requests.append(request)
        self.audio.append(b"")
        part = next(self.script, None)
        if isinstance(part, TranscribeError):
            await refuse(stream, part)
            return
        response = StartStreamTranscriptionResponse.from_request(request, request_id="r-1", session_id=SESSION_ID)
        await stream.respond(200, response.to_headers())
        try:
            await (part or self.answer)(stream, session)
            self.ended.append("audio")
        except StreamError as error:
            self.ended.append(error)
            raise

    async def chunks(self, stream, session):
        number = len(self.audio) - 1
        async for data in stream:
            for event in session.receive(data):
                self.audio[number] += event.audio_chunk
                yield event.audio_chunk
        session.receive_eof()

    async def answer(self, stream, session):
        async for chunk in self.chunks(stream, session):
            await stream.send(session.send_transcript(transcript(str(len(chunk)))))
        await stream.end()


async def refuse(stream, error):
    status, headers, body = error.to_response()
    await stream.respond(status, headers)
    await stream.send(body)
    await stream.end()


@asynccontextmanager
async def served(service=None, *, ssl=None, **options):
    """Yield a client of this service."""
    async with http2.serve(service or Service(), ssl=ssl) as server:
        options = {"credentials": CREDENTIALS, "endpoint": f"http://127.0.0.1:{server.port}", **options}
        yield TranscribeClient("us-east-1", **options)


async def speak(client, chunks=CHUNKS, **parameters):
    """Return a whole transcription, one chunk after the other."""
    async with client.start_stream_transcription(**{**PCM, **parameters}) as stream:
        for chunk in chunks:
            await stream.send_audio(chunk)
        await stream.end_audio()
        return [text_of(event) async for event in stream]


# A stream


def test_whole_stream():
    service = Service()

    async def main():
        async with served(service) as client, client.start_stream_transcription(**PCM) as stream:
            assert stream.request == StartStreamTranscriptionRequest(**PCM)
            assert (stream.response.request_id, stream.response.session_id) == ("r-1", SESSION_ID)
            for chunk in CHUNKS:
                await stream.send_audio(chunk)
                assert text_of(await anext(stream)) == "3200"
            await stream.end_audio()
            for call in (stream.end_audio(), stream.send_audio(CHUNKS[0])):
                with pytest.raises(StateError, match="after the end"):
                    await call
            for _ in range(2):
                assert [event async for event in stream] == []
        assert service.audio == [b"".join(CHUNKS)]
        assert service.ended == ["audio"]

    run(main())


def test_request_instead_of_parameters():
    service = Service()
    request = StartStreamTranscriptionRequest(**PCM)

    async def main():
        async with served(service) as client, client.start_stream_transcription(request, session_id=SESSION_ID):
            pass

    run(main())
    assert service.requests == [StartStreamTranscriptionRequest(**PCM, session_id=SESSION_ID)]


def test_parameters_are_checked_before_anything_is_done():
    client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
    with pytest.raises(InvalidRequest):
        client.start_stream_transcription(**{**PCM, "media_sample_rate_hertz": 7})
    with pytest.raises(TypeError):
        client.start_stream_transcription(**PCM, no_such_parameter=1)


def test_many_streams_at_once():
    async def main():
        async with served() as client:
            results = await asyncio.gather(*(speak(client, CHUNKS[:2]) for _ in range(30)))
            assert results == [["3200", "3200"]] * 30

    run(main())


def test_invalid_chunk_leaves_the_stream_as_it_is():
    async def main():
        async with served() as client, client.start_stream_transcription(**PCM) as stream:
            for chunk in (b"", bytes(3), bytes(32_770), array.array("f", [0.5])):
                with pytest.raises(InvalidAudio):
                    await stream.send_audio(chunk)
            await stream.send_audio(memoryview(bytes(32_000)))
            assert text_of(await anext(stream)) == "32000"

    run(main())


def test_leaving_the_block_early_cancels_the_stream():
    service = Service()

    async def main():
        async with served(service) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                await stream.send_audio(CHUNKS[0])
            for call in (stream.send_audio(CHUNKS[0]), anext(stream)):
                with pytest.raises(StreamError):
                    await call

    run(main())
    assert [error.code for error in service.ended] == [ErrorCodes.CANCEL]


def test_cancellation_closes_the_stream():
    service = Service()

    async def main():
        async with served(service) as client:
            started = asyncio.Event()

            async def listen():
                async with client.start_stream_transcription(**PCM) as stream:
                    started.set()
                    await anext(stream)

            task = asyncio.create_task(listen())
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())
    assert [error.code for error in service.ended] == [ErrorCodes.CANCEL]


def test_half_a_chunk_is_no_chunk():
    """Cancelling the sending of a chunk ends the stream."""

    async def deaf(stream, session):
        await done.wait()

    async def main():
        nonlocal done
        done = asyncio.Event()
        async with served(Service(deaf)) as client, client.start_stream_transcription(**PCM) as stream:
            sending = asyncio.create_task(send_forever(stream))
            while not stream._channel._sending:
                await asyncio.sleep(0)
            for call in (stream.send_audio(CHUNKS[0]), stream.end_audio()):
                with pytest.raises(StateError, match=r"^another task is sending on this stream$"):
                    await call
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            for call in (stream.send_audio(CHUNKS[0]), stream.end_audio(), anext(stream)):
                with pytest.raises(StreamError) as raised:
                    await call
                assert str(raised.value) == "the stream was cut in the middle of an event (CANCEL)"
                assert raised.value.code == ErrorCodes.CANCEL
                assert raised.value.remote is False
            done.set()

    done = None
    run(main())


def test_concurrent_send_is_refused_and_leaves_the_stream():
    """The chunk that waits has its signature already: nothing may be signed behind its back."""
    service = Service()

    async def slow(stream, session):
        await refused.wait()
        await service.answer(stream, session)

    service.script = iter([slow])

    async def main():
        nonlocal refused
        refused = asyncio.Event()
        async with served(service) as client, client.start_stream_transcription(**PCM) as stream:
            chunks = [bytes(32_000)] * 10
            sending = asyncio.create_task(send_all(stream, chunks))
            while not stream._channel._sending:
                await asyncio.sleep(0)
            for call in (stream.send_audio(CHUNKS[0]), stream.end_audio()):
                with pytest.raises(StateError, match=r"^another task is sending on this stream$"):
                    await call
            refused.set()
            await sending
            await stream.end_audio()
            assert [text_of(event) async for event in stream] == ["32000"] * 10

    refused = None
    run(main())


async def send_all(stream, chunks):
    for chunk in chunks:
        await stream.send_audio(chunk)


async def send_forever(stream):
    while True:
        await stream.send_audio(CHUNKS[0])
        await asyncio.sleep(0)


async def deliver(stream):
    """Return what the iteration over a stream gives until it raises: texts, and the error."""
    delivered = []
    while True:
        try:
            delivered.append(text_of(await anext(stream)))
        except (TranscribeError, StreamError, TimeoutError) as error:
            return delivered, error


@each("failure", [TimeoutError, StreamError, asyncio.CancelledError])
@each("exception", [None, BadRequestException("Your request timed out")])
def test_events_before_sending_failed_are_delivered(failure, exception):
    """The service says all it has to say at once, and takes no audio."""

    async def main():
        done = asyncio.Event()

        async def deaf(stream, session):
            await stream.send(session.send_transcript(transcript("before")))
            if exception is not None:
                await stream.send(session.send_exception(exception))
            await done.wait()
            await stream.reset()

        async with served(Service(deaf), idle_timeout=SOON if failure is TimeoutError else LIMIT) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                sending = asyncio.create_task(send_forever(stream))
                while not (stream._channel.readable and stream._channel._sending):
                    await asyncio.sleep(0)
                if failure is StreamError:
                    done.set()
                if failure is asyncio.CancelledError:
                    sending.cancel()
                final = type(exception) if exception else TimeoutError if failure is TimeoutError else StreamError
                with pytest.raises(failure if failure is asyncio.CancelledError else final):
                    await sending
                for expected in (["before"], []):
                    delivered, error = await deliver(stream)
                    assert (delivered, type(error)) == (expected, final)
            done.set()

    run(main())


def test_incomplete_stream_if_the_service_ends_early():
    async def brief(stream, session):
        await stream.send(session.send_transcript(transcript("enough")))
        await stream.end()

    async def main():
        async with served(Service(brief)) as client, client.start_stream_transcription(**PCM) as stream:
            with pytest.raises(IncompleteStream, match=r"^the response ended before everything was sent"):
                await texts(stream, received := [])
            assert received == ["enough"]
            with pytest.raises(IncompleteStream):
                await stream.send_audio(CHUNKS[0])
            with pytest.raises(IncompleteStream):
                await stream.end_audio()
        async with served(Service(brief)) as client, client.start_stream_transcription(**PCM) as stream:
            with pytest.raises(IncompleteStream):
                await send_forever(stream)
            with pytest.raises(IncompleteStream):
                await texts(stream, received := [])
            assert received == ["enough"]

    run(main())


@pytest.mark.parametrize("retries", [0, 3])
def test_incomplete_stream_without_a_single_event(pauses, retries):
    async def nothing(stream):
        requests.append(stream)
        await stream.respond(200, end=True)

    async def main():
        async with served(nothing) as client:
            with pytest.raises(IncompleteStream):
                async for _ in client.transcribe(b"".join(CHUNKS) * 100, **PCM, retries=retries, pace=False):
                    pass

    requests = []
    run(main())
    assert len(requests) == retries + 1
    assert pauses == list(range(retries))


def test_incomplete_stream_if_the_end_cannot_be_sent():
    """What `end_audio` makes counts only once it was sent."""
    over = asyncio.Event()

    async def brief(stream, session):
        await stream.send(session.send_transcript(transcript("enough")))
        await stream.end()
        await over.wait()

    async def main():
        async with (
            served(Service(brief), idle_timeout=0.2) as client,
            client.start_stream_transcription(**PCM) as stream,
        ):
            channel = stream._channel

            async def send(data, *, timeout):
                while not channel.peer_ended:
                    await asyncio.sleep(0.01)
                raise StreamError("no more is taken")

            channel.send = send
            with pytest.raises(IncompleteStream):
                await stream.end_audio()
            with pytest.raises(IncompleteStream):
                await texts(stream, received := [])
            assert received == ["enough"]
            over.set()

    run(main())


async def texts(stream, received):
    async for event in stream:
        received.append(text_of(event))


def test_events_of_an_unknown_type_are_skipped():
    message = Message({":message-type": "event", ":event-type": "NewEvent"}, b"{}")

    async def modern(stream, session):
        await stream.receive()
        await stream.send(message.encode())
        await stream.end()

    async def main():
        async with served(Service(modern)) as client, client.start_stream_transcription(**PCM) as stream:
            await stream.end_audio()
            assert [event async for event in stream] == []
        async with (
            served(Service(modern)) as client,
            client.open(START_STREAM_TRANSCRIPTION, REQUEST, unknown_events=True) as stream,
        ):
            await stream.end()
            assert [event async for event in stream] == [message]

    run(main())


# The service's word


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_exception_in_the_stream(exception):
    async def failing(stream, session):
        await stream.receive()
        await stream.send(session.send_transcript(transcript("before")) + session.send_exception(exception("why")))
        await stream.end()

    async def main():
        async with served(Service(failing)) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                await stream.send_audio(CHUNKS[0])
                assert text_of(await anext(stream)) == "before"
                for call in (anext(stream), anext(stream), stream.send_audio(CHUNKS[0]), stream.end_audio()):
                    with pytest.raises(exception) as raised:
                        await call
                    assert raised.value.message == "why"
            assert await speak(client) == ["3200"] * 4

    run(main())


def test_send_says_why_the_service_broke_off():
    async def failing(stream, session):
        await stream.send(session.send_transcript(transcript("before")))
        await stream.send(session.send_exception(LimitExceededException("why")))
        await stream.end()

    async def main():
        async with served(Service(failing)) as client, client.start_stream_transcription(**PCM) as stream:
            with pytest.raises(LimitExceededException, match="why"):
                await send_forever(stream)
            assert text_of(await anext(stream)) == "before"
            with pytest.raises(LimitExceededException, match="why"):
                await anext(stream)

    run(main())


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_request_that_is_refused(exception):
    async def main():
        async with served(Service(exception("why"))) as client:
            with pytest.raises(exception) as raised:
                await speak(client)
            assert raised.value.message == "why"
            assert raised.value.status_code == exception.status_code
            assert await speak(client) == ["3200"] * 4

    run(main())


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("times", [1, 50_000])
def test_error_that_is_no_services(times, cut):
    async def proxy(stream):
        await stream.respond(502, [("content-type", "text/html")])
        with suppress(StreamError):
            await stream.send(b"<html>" * times)
        if cut:
            await stream.reset()
        else:
            await stream.end()

    async def main():
        async with served(proxy) as client:
            with pytest.raises(TranscribeError, match="HTTP 502: <html>") as raised:
                await speak(client)
            assert raised.value.status_code == 502
            assert raised.value.retryable
            assert raised.value.payload == (b"<html>" * times)[:MAX_ERROR_LENGTH]

    run(main())


def test_error_that_goes_on_is_not_read_on():
    """As much was read as is wanted, so nobody waits for its end."""

    async def main():
        async def proxy(stream):
            await stream.respond(500)
            await stream.send(bytes(MAX_ERROR_LENGTH))
            await done.wait()

        done = asyncio.Event()
        async with served(proxy, response_timeout=None) as client:
            with pytest.raises(TranscribeError, match="HTTP 500"):
                await speak(client)
            done.set()

    run(main())


def test_error_that_trickles():
    """The time for its body is one, however many pieces it comes in."""

    async def main():
        async def trickle(stream):
            await stream.respond(500)
            client._response_timeout = 0.2
            with suppress(StreamError):
                while True:
                    await stream.send(b"x")
                    await asyncio.sleep(0.01)

        async with served(trickle, response_timeout=LIMIT) as client:
            with pytest.raises(TranscribeError, match="HTTP 500") as raised:
                await speak(client)
            assert raised.value.payload.strip(b"x") == b""
            assert 0 < len(raised.value.payload) <= 1_000

    run(main())


@pytest.mark.parametrize(
    "credentials", [Credentials("AKIDEXAMPLE", "wrong"), Credentials("AKIDOTHER", CREDENTIALS.secret_key)]
)
def test_wrong_signature(credentials):
    async def main():
        service = Service()
        async with served(service) as client, http2.serve(service) as server:
            other = TranscribeClient("us-east-1", endpoint=f"http://127.0.0.1:{server.port}", credentials=credentials)
            with pytest.raises(TranscribeError) as raised:
                await speak(other)
            assert (raised.value.code, raised.value.status_code) == ("AccessDeniedException", 403)
            assert await speak(client) == ["3200"] * 4

    run(main())


@pytest.mark.parametrize("fault", ["changed", "twice", "swapped", "garbage"])
def test_wrong_events_end_their_stream_alone(fault):
    """On the server's side: what is not what was signed, or not where it was."""

    async def careful(stream, session):
        try:
            async for _ in service.chunks(stream, session):
                pass
        except (VerificationError, PreludeChecksumMismatch) as error:
            await stream.send(session.send_exception(BadRequestException(type(error).__name__)))
            await stream.end()

    service = Service(careful)

    async def main():
        async with served(service) as client, client.start_stream_transcription(**PCM) as stream:
            first, second = (stream._session.send_audio(chunk) for chunk in CHUNKS[:2])
            changed = Message(decode(first).headers, b"another").encode()
            wire = {"changed": changed, "twice": first * 2, "swapped": second + first, "garbage": bytes(100)}[fault]
            await stream._channel.send(wire)
            expected = "PreludeChecksumMismatch" if fault == "garbage" else "SignatureMismatch"
            with pytest.raises(BadRequestException, match=expected):
                await anext(stream)
            assert await speak(client) == ["3200"] * 4

    run(main())


# Streams that break


def test_reset_in_mid_stream():
    async def resetting(stream, session):
        await stream.receive()
        await stream.send(session.send_transcript(transcript("before")))
        await stream.reset(ErrorCodes.INTERNAL_ERROR)

    async def main():
        async with served(Service(resetting)) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                await stream.send_audio(CHUNKS[0])
                with suppress(StreamError):
                    assert text_of(await anext(stream)) == "before"
                for call in (anext(stream), stream.send_audio(CHUNKS[0])):
                    with pytest.raises(StreamError, match="INTERNAL_ERROR"):
                        await call
            assert await speak(client) == ["3200"] * 4

    run(main())


def test_connection_that_is_lost():
    async def vanishing(stream, session):
        await stream.receive()
        stream.connection.abort()

    async def main():
        async with served(Service(vanishing)) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                await stream.send_audio(CHUNKS[0])
                with pytest.raises(StreamError, match="lost"):
                    await anext(stream)
                with pytest.raises(StreamError, match="lost"):
                    await stream.end_audio()
            assert await speak(client) == ["3200"] * 4

    run(main())


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (bytes(100), PreludeChecksumMismatch),
        (b"\x00\x00\x00\x20", TruncatedMessage),
        (struct.pack(">III", 2**31, 0, zlib.crc32(struct.pack(">II", 2**31, 0))), DecodeLimitExceeded),
    ],
)
def test_bytes_that_are_no_events(wire, error):
    async def broken(stream, session):
        await stream.send(session.send_transcript(transcript("before")) + wire)
        await stream.end()

    async def main():
        async with served(Service(broken)) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                assert text_of(await anext(stream)) == "before"
                for _ in range(2):
                    with pytest.raises(error):
                        await anext(stream)
                with pytest.raises(error):
                    await stream.send_audio(CHUNKS[0])
            assert await speak(client) == ["3200"] * 4

    run(main())


def depth(error):
    """How many entries its traceback has."""
    traceback, entries = error.__traceback__, 0
    while traceback is not None:
        traceback, entries = traceback.tb_next, entries + 1
    return entries


@each("fault", [TranscribeError, PreludeChecksumMismatch, StreamError, TimeoutError])
@each("first", ["send", "receive"])
def test_error_is_raised_anew_by_every_call(fault, first):
    async def main():
        done = asyncio.Event()

        async def failing(stream, session):
            if fault is TranscribeError:
                await stream.send(session.send_exception(BadRequestException("why")))
                await stream.end()
            elif fault is PreludeChecksumMismatch:
                await stream.send(bytes(100))
                await stream.end()
            elif fault is StreamError:
                await stream.reset(ErrorCodes.INTERNAL_ERROR)
            await done.wait()

        async with served(Service(failing), idle_timeout=SOON if fault is TimeoutError else LIMIT) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                begin = send_forever if first == "send" else anext
                errors = []
                for call in (
                    lambda: begin(stream),
                    *[lambda: anext(stream), lambda: stream.send_audio(CHUNKS[0]), stream.end_audio] * 3,
                ):
                    with pytest.raises(fault) as raised:
                        await call()
                    errors.append(raised.value)
                assert len({id(error) for error in errors}) == len(errors)
                assert {(type(error), str(error)) for error in errors} == {(type(errors[0]), str(errors[0]))}
                assert [depth(error) for error in errors[1:4]] == [depth(error) for error in errors[-3:]]
                assert depth(stream._session._exchange._incoming.error) == 0
            done.set()

    run(main())


# Services that are none


def test_service_that_does_not_speak_http2():
    async def main():
        async def connected(reader, writer):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(StreamError):
            await speak(TranscribeClient("us-east-1", endpoint=endpoint, credentials=CREDENTIALS))
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await speak(TranscribeClient("us-east-1", endpoint=endpoint, credentials=CREDENTIALS))

    run(main())


def test_service_that_never_answers():
    async def main():
        done = asyncio.Event()

        async def silent(stream):
            await done.wait()

        async def connected(reader, writer):
            await done.wait()
            writer.close()

        async with served(silent, response_timeout=SOON) as client:
            with pytest.raises(TimeoutError, match="not responded"):
                await speak(client)
            done.set()
        done.clear()
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(TimeoutError, match="did not answer"):
            await speak(TranscribeClient("us-east-1", endpoint=endpoint, credentials=CREDENTIALS, connect_timeout=SOON))
        done.set()
        server.close()
        await server.wait_closed()

    run(main())


def test_service_that_falls_silent():
    async def main():
        done = asyncio.Event()

        async def deaf(stream, session):
            await done.wait()

        async with served(Service(deaf, deaf), idle_timeout=SOON) as client:
            async with client.start_stream_transcription(**PCM) as stream:
                for call in (anext(stream), anext(stream), stream.send_audio(CHUNKS[0])):
                    with pytest.raises(TimeoutError, match="nothing was received"):
                        await call
            async with client.start_stream_transcription(**PCM) as stream:
                with pytest.raises(TimeoutError, match="took no more"):
                    await send_forever(stream)
                with pytest.raises(TimeoutError, match="took no more"):
                    await anext(stream)
            done.set()

    run(main())


# TLS


def test_tls_and_whom_it_trusts(certificate, monkeypatch, pauses):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def main():
        async with http2.serve(Service(), ssl=context) as server:

            def client(**options):
                endpoint = f"https://localhost:{server.port}"
                return TranscribeClient("us-east-1", endpoint=endpoint, credentials=CREDENTIALS, **options)

            assert await speak(client(ca_bundle=certificate)) == ["3200"] * 4
            expected = f"localhost:{server.port}: .*; to trust its issuer, set ca_bundle or AWS_CA_BUNDLE"
            with pytest.raises(ssl.SSLCertVerificationError, match=expected):
                async with client().start_stream_transcription(**PCM, retries=3):
                    pass
            assert pauses == []  # no time makes it better
            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            assert await speak(client()) == ["3200"] * 4

    run(main())


def test_ca_bundle_may_be_a_directory(monkeypatch, tmp_path):
    asked = []
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **options: asked.append(options) or make(**options))
    client = TranscribeClient("us-east-1", ca_bundle=tmp_path, credentials=CREDENTIALS)
    assert asked == [{"capath": tmp_path}]
    assert client._ssl.cert_store_stats()["x509"] == 0, "and no others"


def test_ca_bundle_that_cannot_be_used(tmp_path):
    (tmp_path / "empty.pem").touch()
    for bundle in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        with pytest.raises(ConfigurationError, match=f"^the CA bundle {re.escape(str(bundle))} cannot be used: "):
            TranscribeClient("us-east-1", ca_bundle=bundle, credentials=CREDENTIALS)


# Keywords


def test_keywords_that_are_unknown_are_named_with_what_was_meant():
    client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
    start = client.start_stream_transcription
    request = StartStreamTranscriptionRequest(**PCM)
    for name in [*(field.name for field in dataclasses.fields(request)), "retries", "retry_on"]:
        for unknown in {name.title().replace("_", ""), f"{name}_"} - {name}:
            with pytest.raises(TypeError) as raised:
                start(**{unknown: None})
            assert str(raised.value) == f"unexpected keyword argument {unknown!r} (did you mean {name!r}?)"
    for made in (lambda: start(request, zebra=1), lambda: client.start_medical_scribe_stream(zebra=1)):
        with pytest.raises(TypeError, match=r"^unexpected keyword argument 'zebra'$"):
            made()

    async def main():
        with pytest.raises(
            TypeError, match=r"^unexpected keyword argument 'LanguageCode' \(did you mean 'language_code'\?\)$"
        ):
            await anext(client.transcribe(b"", LanguageCode="en-US"))
        with pytest.raises(
            TypeError, match=r"^unexpected keyword argument 'langage_code' \(did you mean 'language_code'\?\)$"
        ):
            await client.presign(langage_code="en-US")
        with pytest.raises(TypeError, match=r"^unexpected keyword argument 'expire' \(did you mean 'expires'\?\)$"):
            await client.presign(expire=60)
        with pytest.raises(TypeError, match=r"^unexpected keyword argument 'retrys'$"):
            await client.presign(retrys=1)

    run(main())


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("keepalive", "keep_alive"),
        ("keepAlive", "keep_alive"),
        ("chunk_durations", "chunk_duration"),
        ("replays", "replay"),
        ("on_restarts", "on_restart"),
        ("retryOn", "retry_on"),
    ],
)
def test_keywords_of_transcribe_are_suggested(unknown, meant):
    async def main():
        client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
        with pytest.raises(TypeError) as raised:
            await anext(client.transcribe(b"", **{unknown: 1}))
        assert str(raised.value) == f"unexpected keyword argument {unknown!r} (did you mean {meant!r}?)"

    run(main())


def test_request_of_another_class_is_told_which_it_must_be():
    client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
    text = "the request must be a StartStreamTranscriptionRequest, not {}; pass parameters by name"
    for request in ("speech.wav", medical_scribe.StartMedicalScribeStreamRequest(**PCM)):
        with pytest.raises(TypeError) as raised:
            client.start_stream_transcription(request)
        assert str(raised.value) == text.format(type(request).__name__)

    async def main():
        with pytest.raises(TypeError) as raised:
            await anext(client.transcribe(b"", "en-US"))
        assert str(raised.value) == text.format("str")

    run(main())


def test_callbacks_that_are_coroutine_functions():
    async def call_back(_): ...

    async def main():
        client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
        for name in ("on_restart", "retry_on"):
            with pytest.raises(TypeError, match=f"^{name} must be a plain function, not a coroutine function: it is"):
                await anext(client.transcribe(b"", **{name: call_back}, **PCM))

    run(main())


# Credentials


def test_credentials_that_are_missing():
    service = Service()

    async def main():
        async with served(service, credentials=None) as client:
            with pytest.raises(NoCredentials) as raised:
                await speak(client)
            assert str(raised.value) == (
                "no credentials were given, and there are none in the environment, a profile or a role: set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a profile or credentials"
            )

    run(main())
    assert service.requests == []


def test_botocore_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)

    async def main():
        async with served(credentials=None) as client:
            with pytest.raises(NoCredentials) as raised:
                await speak(client)
            assert str(raised.value) == (
                "no credentials were given, and finding some needs botocore: install eventstream-codec[client]"
            )

    run(main())
    with pytest.raises(ConfigurationError, match=r"^no region was given, or found in AWS_REGION, "):
        TranscribeClient().region  # noqa: B018


def test_credentials_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    account = Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, "token")

    async def main():
        async with served(Service(credentials=account), credentials=None) as client:
            assert await asyncio.gather(speak(client), speak(client)) == [["3200"] * 4] * 2

    run(main())


def test_credentials_and_region_of_a_profile(environment, monkeypatch):
    (environment / "config").write_text("[profile speech]\nregion = eu-west-1\n")
    (environment / "credentials").write_text(
        f"[speech]\naws_access_key_id = {CREDENTIALS.access_key}\naws_secret_access_key = {CREDENTIALS.secret_key}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "speech")
    client = TranscribeClient()
    assert client.region == "eu-west-1"
    assert client._credentials() == CREDENTIALS

    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(ConfigurationError, match="missing"):
        TranscribeClient().region  # noqa: B018

    async def main():
        async with served(credentials=None) as client:
            with pytest.raises(NoCredentials, match="missing"):
                await speak(client)

    run(main())


def test_credentials_of_a_callable():
    calls = []

    def ask():
        calls.append(None)
        return CREDENTIALS

    async def main():
        async with served(credentials=ask) as client:
            for _ in range(2):
                assert await speak(client) == ["3200"] * 4

    run(main())
    assert len(calls) == 2


# Region and endpoint


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_region_of_the_environment_takes_no_botocore(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setenv(name, "eu-central-1")
    assert TranscribeClient().region == "eu-central-1"


def test_region(monkeypatch):
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        TranscribeClient(credentials=CREDENTIALS)
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        TranscribeClient().endpoint  # noqa: B018
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert TranscribeClient().endpoint == "https://transcribestreaming.us-west-2.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert TranscribeClient().region == "eu-central-1"
    assert TranscribeClient("cn-north-1").endpoint == "https://transcribestreaming.cn-north-1.amazonaws.com.cn"


def test_endpoint(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://general")
    assert TranscribeClient("us-east-1").endpoint == "https://general"
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", "https://special")
    assert TranscribeClient("us-east-1").endpoint == "https://special"
    client = TranscribeClient("us-east-1", endpoint="http://given")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://later")
    assert client.endpoint == "http://given"


@pytest.mark.parametrize(
    ("endpoint", "parts"),
    [
        ("https://example.com", ("https", "example.com", "example.com", 443)),
        ("http://example.com:80/", ("http", "example.com", "example.com", 80)),
        ("http://example.com:8080", ("http", "example.com:8080", "example.com", 8080)),
        ("https://[::1]:8443", ("https", "[::1]:8443", "::1", 8443)),
    ],
)
def test_parts_of_an_endpoint(endpoint, parts):
    assert Endpoint.parse(endpoint) == parts


@each(
    "endpoint",
    ["localhost", "localhost:80", "ftp://x", "http://", "http://x:y", "http://x/path", "http://[", "http://a@b"],
)
def test_endpoint_that_is_none(endpoint):
    with pytest.raises(ConfigurationError, match="endpoint"):
        TranscribeClient("us-east-1", endpoint=endpoint, credentials=CREDENTIALS)


# Retries


async def reset(stream, session):
    await stream.reset()


async def started(client, **parameters):
    async with client.start_stream_transcription(**PCM, **parameters) as stream:
        await stream.end_audio()
        assert [event async for event in stream] == []


@pytest.mark.parametrize("session_id", [None, SESSION_ID])
def test_beginning_is_tried_again_with_the_same_session(session_id, pauses):
    service = Service(ServiceUnavailableException("a"), TranscribeError("Unknown", status_code=502))

    async def main():
        async with served(service) as client:
            await started(client, retries=2, session_id=session_id)

    run(main())
    assert pauses == [0, 1]
    assert len(service.requests) == 3
    assert len({request.session_id for request in service.requests}) == 1
    assert service.requests[0].session_id == (session_id or service.requests[0].session_id) is not None


@pytest.mark.parametrize(
    ("retries", "script", "error", "tries"),
    [
        (0, [ServiceUnavailableException()], ServiceUnavailableException, 1),
        (1, [ServiceUnavailableException(), InternalFailureException()], InternalFailureException, 2),
        (5, [BadRequestException()], BadRequestException, 1),
        (5, [ServiceUnavailableException(), ConflictException()], ConflictException, 2),
    ],
)
def test_beginning_is_not_tried_for_ever(retries, script, error, tries):
    service = Service(*script)

    async def main():
        async with served(service) as client:
            with pytest.raises(error):
                await started(client, retries=retries)

    run(main())
    assert len(service.requests) == tries


def test_connection_is_tried_again(pauses):
    async def main():
        async with served() as client:
            pass
        with pytest.raises(ConnectionRefusedError):
            await started(client, retries=2)

    run(main())
    assert pauses == [0, 1]


# transcribe


def wav(audio, rate=16000, channels=1):
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(body)) + body


AUDIO = bytes(range(250)) * 40  # 10,000 bytes: three chunks of 100 ms, and a rest


async def pieces(audio, size=777):
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


def reader(audio):
    stream = asyncio.StreamReader()
    stream.feed_data(audio)
    stream.feed_eof()
    return stream


async def transcribe(client, audio, **options):
    return [text_of(event) async for event in client.transcribe(audio, **{"pace": False, **options})]


class Microphone:
    """It has an asynchronous `read`, and nothing else."""

    def __init__(self, audio):
        self.read = reader(audio).read


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: AUDIO,
        lambda folder: bytearray(AUDIO),
        lambda folder: (folder / "raw").write_bytes(AUDIO) and folder / "raw",
        lambda folder: io.BytesIO(AUDIO),
        lambda folder: [AUDIO[:1], AUDIO[1:]],
        lambda folder: pieces(AUDIO),
        lambda folder: reader(AUDIO),
        lambda folder: Microphone(AUDIO),
    ],
    ids=["bytes", "bytearray", "path", "file", "iterable", "async iterable", "async iterable reader", "async reader"],
)
@pytest.mark.parametrize(
    ("options", "sizes"), [({}, ["3200"] * 3 + ["400"]), ({"chunk_duration": 0.05}, ["1600"] * 6 + ["400"])]
)
def test_transcribe_audio_from_anywhere(make, tmp_path, options, sizes):
    service = Service()

    async def main():
        async with served(service) as client:
            assert await transcribe(client, make(tmp_path), **options, **PCM) == sizes

    run(main())
    assert service.audio == [AUDIO]


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: wav(AUDIO),
        lambda folder: str((folder / "x.wav").write_bytes(wav(AUDIO)) and folder / "x.wav"),
        lambda folder: open_wav(io.BytesIO(wav(AUDIO))),
    ],
    ids=["bytes", "path", "WavFile"],
)
def test_transcribe_a_wav(make, tmp_path):
    service = Service()

    async def main():
        async with served(service) as client:
            assert len(await transcribe(client, make(tmp_path), language_code="en-US")) == 4

    run(main())
    assert service.audio == [AUDIO]
    assert service.requests == [StartStreamTranscriptionRequest(**PCM)]


def test_transcribe_two_channels():
    service = Service()

    async def main():
        async with served(service) as client:
            await transcribe(client, wav(AUDIO, channels=2), language_code="en-US")

    run(main())
    assert service.audio == [AUDIO]
    assert service.requests == [
        StartStreamTranscriptionRequest(**PCM, number_of_channels=2, enable_channel_identification=True)
    ]


def test_transcribe_a_wav_that_is_not_what_the_request_says():
    async def main():
        async with served() as client:
            for options in ({"language_code": "en-US", "media_sample_rate_hertz": 8000}, {}):
                request = None if options else StartStreamTranscriptionRequest(**{**PCM, "media_encoding": "flac"})
                with pytest.raises(InvalidAudio, match="the WAV is"):
                    async for _ in client.transcribe(wav(AUDIO), request, **options):
                        pass

    run(main())


def test_transcribe_at_the_pace_of_speech():
    service = Service()

    async def main():
        async with served(service) as client:
            start = asyncio.get_running_loop().time()
            events = await transcribe(client, AUDIO[:1920], pace=True, chunk_duration=0.02, **PCM)
            assert events == ["640"] * 3
            assert asyncio.get_running_loop().time() - start >= 0.039

    run(main())


def test_transcribe_what_has_no_pace():
    async def main():
        async with served() as client:
            request = StartStreamTranscriptionRequest(**{**PCM, "media_encoding": "flac"})
            assert [text_of(event) async for event in client.transcribe(AUDIO, request)] == ["4096", "4096", "1808"]

    run(main())


def test_transcribe_audio_that_breaks():
    def failing():
        yield AUDIO
        raise OSError("the microphone fell")

    service = Service()

    async def main():
        async with served(service) as client:
            with pytest.raises(OSError, match="microphone"):
                await transcribe(client, failing(), retries=3, **PCM)
            with pytest.raises(InvalidAudio, match="middle of a sample"):
                await transcribe(client, AUDIO + b"?", **PCM)
            with pytest.raises(TypeError):
                await transcribe(client, ["text"], **PCM)
            with pytest.raises(FileNotFoundError):
                await transcribe(client, "no such file", **PCM)
            assert await transcribe(client, AUDIO[:100], **PCM) == ["100"]

    run(main())
    assert len(service.requests) == 4
    assert [getattr(end, "code", end) for end in service.ended] == [ErrorCodes.CANCEL] * 3 + ["audio"]


@pytest.mark.parametrize("ended", [False, True])
def test_transcribe_delivers_what_came_before_the_audio_broke(ended, monkeypatch):
    """The second answer, or the end, comes while the first is looked at, and then the audio breaks."""
    streams = []
    broken = OSError("the microphone fell")

    class Watched(client_module.TranscriptionStream):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            streams.append(self)

    monkeypatch.setattr(client_module, "TranscriptionStream", Watched)

    async def brief(stream, session):
        async for chunk in service.chunks(stream, session):
            await stream.send(session.send_transcript(transcript(str(len(chunk)))))
            if ended:
                break
        await stream.end()

    service = Service(brief)

    async def main():
        looking = asyncio.Event()

        async def source():
            yield AUDIO[:3200]
            await looking.wait()
            if not ended:
                yield AUDIO[:3200]
            while not streams[0]._channel.readable:
                await asyncio.sleep(0)
            raise broken

        async with served(service) as client:
            texts = []
            with pytest.raises(OSError, match="microphone") as raised:  # noqa: PT012 (it delivers before)
                async for event in client.transcribe(source(), pace=False, retries=3, **PCM):
                    texts.append(text_of(event))
                    looking.set()
                    while not (streams[0]._session.ended or streams[0]._session._exchange._incoming.error):
                        await asyncio.sleep(0)
            assert raised.value is broken
            assert texts == ["3200"] * (1 if ended else 2)

    run(main())
    assert len(service.requests) == (2 if ended else 1)  # an early end is tried again


def test_transcribe_starts_again_where_it_was(pauses):
    """Three streams for one recording: each gets what the one before did not take, and all have one session id."""

    async def first(stream, session):
        async for chunk in service.chunks(stream, session):
            await stream.send(session.send_transcript(transcript(str(len(chunk)))))
            await stream.send(session.send_exception(InternalFailureException("try again")))
            await stream.end()
            return

    async def source():
        yield AUDIO[:3200]
        while len(service.requests) < 3:
            await asyncio.sleep(0)
        yield AUDIO[3200:]

    service = Service(first, ServiceUnavailableException())

    async def main():
        async with served(service) as client:
            texts = await transcribe(client, source(), retries=2, replay=False, **PCM)
            assert texts == ["3200", "3200", "3200", "400"]

    run(main())
    assert b"".join(service.audio) == AUDIO
    assert [len(audio) for audio in service.audio] == [3200, 0, 6800]
    [session_id] = {request.session_id for request in service.requests}
    assert str(uuid.UUID(session_id)) == session_id
    assert pauses == [0, 1]


def timed(text, start, end, *, partial=False):
    item = Item(content=text, start_time=start, end_time=end)
    alternatives = [Alternative(transcript=text, items=[item])]
    return TranscriptEvent(
        Transcript(results=[Result(start_time=start, end_time=end, is_partial=partial, alternatives=alternatives)])
    )


def test_transcribe_restart_replays_what_is_not_final(pauses, caplog):
    """The first stream took 0.3 s, of which 0.15 s became final; the second begins there, on the same timeline."""

    async def first(stream, session):
        count = 0
        async for _ in service.chunks(stream, session):
            count += 1
            if count == 3:
                await stream.send(session.send_transcript(timed("one", 0.0, 0.15)))
                await stream.send(session.send_transcript(timed("tw", 0.15, 0.25, partial=True)))
                await stream.send(session.send_exception(InternalFailureException("try again")))
                await stream.end()
                return

    async def second(stream, session):
        async for _ in service.chunks(stream, session):
            pass
        await stream.send(session.send_transcript(timed("two", 0.0, 0.1)))
        await stream.end()

    async def source():
        yield AUDIO[:9600]
        while len(service.requests) < 2:
            await asyncio.sleep(0)
        yield AUDIO[9600:]

    service = Service(first, second)
    restarts = []

    async def main():
        async with served(service) as client:
            events = [
                event
                async for event in client.transcribe(source(), pace=False, retries=1, on_restart=restarts.append, **PCM)
            ]
            times = [
                (result.start_time, result.end_time, result.alternatives[0].items[0].start_time)
                for event in events
                for result in event.transcript.results
            ]
            assert times == [(0.0, 0.15, 0.0), (0.15, 0.25, 0.15), (0.15, 0.25, 0.15)]

    run(main())
    assert service.audio == [AUDIO[:9600], AUDIO[4800:]]
    [restart] = restarts
    assert (restart.position, restart.lost) == (0.15, 0.0)
    assert isinstance(restart.error, InternalFailureException)
    assert "a new stream continues the transcription at 0.150 s; lost: 0.000 s" in caplog.text


def test_transcribe_keep_alive_sends_silence():
    async def until_silence(stream, session):
        async for chunk in service.chunks(stream, session):
            if not any(chunk):
                silent.set()
        await stream.send(session.send_transcript(timed("after", 0.25, 0.3)))
        await stream.end()

    async def source():
        yield b"\x01" * 3200
        await silent.wait()
        yield b"\x02" * 3200

    service = Service(until_silence)

    async def main():
        nonlocal silent
        silent = asyncio.Event()
        async with served(service) as client:
            [event] = [event async for event in client.transcribe(source(), pace=False, keep_alive=0.1, **PCM)]
            silence = len(service.audio[0]) - 6400
            assert service.audio[0].strip(b"\0") == service.audio[0]
            assert service.audio[0].count(0) == silence
            assert silence >= 3200
            # Silence does not count: 0.25 s of the stream are in it, or in the audio after 0.1 s of silence.
            assert event.transcript.results[0].start_time == pytest.approx(max(0.1, 0.25 - silence / 32000))

    silent = None
    run(main())


@pytest.mark.parametrize("keep_alive", [0, -1, 0.001, 0.0999, float("nan"), "5"])
def test_transcribe_keep_alive_is_no_flood(keep_alive):
    """Silence is never sent faster than it lasts."""

    async def main():
        async with served() as client:
            with pytest.raises(
                ConfigurationError, match=r"^keep_alive must be (at least chunk_duration, 0\.1 s|more than 0)"
            ):
                await transcribe(client, AUDIO, keep_alive=keep_alive, **PCM)
            assert await transcribe(client, AUDIO, keep_alive=0.05, chunk_duration=0.05, **PCM)

    run(main())


@pytest.mark.parametrize("options", [{"retries": -1}, {"deadline": -1}])
def test_transcribe_checks_its_options(options):
    async def main():
        async with served() as client:
            with pytest.raises(ConfigurationError, match=r"^(retries|deadline) must be "):
                await transcribe(client, AUDIO, **options, **PCM)
            with pytest.raises(ConfigurationError, match=r"^(retries|deadline) must be "):
                client.start_stream_transcription(**options, **PCM)

    run(main())


def test_transcribe_keep_alive_needs_samples():
    async def main():
        async with served() as client:
            with pytest.raises(InvalidAudio, match="the length of flac audio does not tell"):
                await transcribe(client, b"fLaC", keep_alive=1, **{**PCM, "media_encoding": "flac"})

    run(main())


def test_transcribe_takes_a_queue():
    service = Service()

    async def main():
        queue = asyncio.Queue()
        for chunk in (*CHUNKS, None):
            queue.put_nowait(chunk)
        async with served(service) as client:
            assert await transcribe(client, queue, **PCM) == ["3200"] * len(CHUNKS)

    run(main())
    assert service.audio == [b"".join(CHUNKS)]


def test_transcribe_opens_before_the_audio_comes():
    """Where the parameters say what the audio is; it is judged when it comes."""
    service = Service()

    async def source():
        while not service.requests:
            await asyncio.sleep(0)
        yield b"\x1aE\xdf\xa3" + bytes(100)

    async def main():
        async with served(service) as client:
            with pytest.raises(InvalidAudio, match="the audio is WebM or Matroska; the request says pcm"):
                await transcribe(client, source(), **PCM)

    run(main())
    assert service.audio == [b""]


@pytest.mark.parametrize("as_pieces", [False, True])
def test_transcribe_recognises_a_wav_anywhere(as_pieces):
    service = Service()
    recording = wav(AUDIO, 8000)

    async def main():
        async with served(service) as client:
            audio = pieces(recording, 7) if as_pieces else io.BytesIO(recording)
            await transcribe(client, audio, language_code="en-US")

    run(main())
    assert service.requests[0].media_sample_rate_hertz == 8000
    assert service.audio == [AUDIO]


def test_transcribe_gives_up_in_the_end(pauses):
    service = Service(*itertools.repeat(ServiceUnavailableException("no"), 3))

    async def main():
        async with served(service) as client:
            with pytest.raises(ServiceUnavailableException):
                await transcribe(client, AUDIO, retries=2, **PCM)

    run(main())
    assert pauses == [0, 1]


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"faults": ["reset@2"]}, StreamError),
        ({"faults": ["exception:InternalFailureException@2"]}, InternalFailureException),
    ],
    ids=["reset", "exception"],
)
def test_transcribe_gives_up_without_progress(options, error, replay, pauses):
    """Each stream answers audio with events, and then ends at the same place."""
    audio = bytes(320_000)

    async def main():
        async with Emulator(recogniser=Scripted("One two three."), **options) as emulator:
            client = TranscribeClient("us-east-1", endpoint=emulator.endpoint, credentials=CREDENTIALS)
            with pytest.raises(error):
                final_text(
                    [event async for event in client.transcribe(audio, pace=False, retries=3, replay=replay, **PCM)]
                )
            assert emulator.statistics.streams == 4

    run(main())
    assert pauses == [0, 1, 2]


def test_transcribe_counts_failures_since_progress(pauses):
    """Each stream fails after a new final result, so that one retry is enough for all of them."""

    async def one_more(stream, session):
        async for _ in service.chunks(stream, session):
            await stream.send(session.send_transcript(timed("word", 0.0, 0.05)))
            await stream.send(session.send_exception(InternalFailureException("try again")))
            await stream.end()
            return

    service = Service(one_more, one_more, one_more)

    async def main():
        async with served(service) as client:
            assert await transcribe(client, pieces(AUDIO, 1600), retries=1, chunk_duration=0.05, **PCM)

    run(main())
    assert pauses == [0, 0, 0]
    assert len(service.requests) == 4


def test_transcribe_does_not_try_again_what_will_not_pass(pauses):
    service = Service(BadRequestException("no"))

    async def main():
        async with served(service) as client:
            with pytest.raises(BadRequestException):
                await transcribe(client, AUDIO, retries=2, **PCM)

    run(main())
    assert pauses == []


@pytest.mark.parametrize(("retries", "expected"), [(0, None), (1, SESSION_ID)])
def test_transcribe_keeps_the_session_that_was_asked_for(retries, expected, pauses):
    service = Service(*[ServiceUnavailableException("no")] * retries)

    async def main():
        async with served(service) as client:
            await transcribe(client, AUDIO, retries=retries, session_id=expected, **PCM)

    run(main())
    assert [request.session_id for request in service.requests] == [expected] * (1 + retries)


def test_leaving_the_iteration_cancels_the_stream():
    service = Service()

    async def main():
        async with (
            served(service) as client,
            aclosing(client.transcribe(pieces(AUDIO * 100), pace=False, **PCM)) as events,
        ):
            await anext(events)

    run(main())
    assert [error.code for error in service.ended] == [ErrorCodes.CANCEL]


# Names


def test_names():
    assert sorted(client_module.__all__) == client_module.__all__
    assert all(hasattr(client_module, name) for name in client_module.__all__)


def test_botocore_is_imported_on_demand():
    program = "import sys, eventstream.transcribe; sys.exit('h2' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    program = "import sys, eventstream.transcribe.client; sys.exit('botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_names_that_do_not_exist():
    """The signatures say it in the documentation."""
    timeouts = inspect.signature(TranscribeClient).parameters
    assert [timeouts[f"{name}_timeout"].default for name in ("connect", "response", "idle")] == [10.0, 10.0, 60.0]
    options = inspect.signature(TranscribeClient.transcribe).parameters
    assert [options[name].default for name in ("pace", "chunk_duration", "retries")] == [True, 0.1, 0]
    assert inspect.signature(Retries).parameters["retries"].default == 0


def test_audio_that_is_no_wav_must_be_described(tmp_path):
    path = tmp_path / "no.wav"
    path.write_bytes(b"not a WAV")
    client = TranscribeClient("us-east-1", endpoint="http://127.0.0.1:1", credentials=Credentials("key", "secret"))

    async def main(audio, **parameters):
        async for _ in client.transcribe(audio, **parameters):
            pass

    with pytest.raises(InvalidAudio, match="media_encoding and media_sample_rate_hertz are required unless"):
        run(main(path))
    with pytest.raises(InvalidRequest):  # of a request that says all that a WAV does, and no language
        run(main(path, media_encoding="pcm", media_sample_rate_hertz=16000))
    with pytest.raises(InvalidAudio, match="media_encoding and media_sample_rate_hertz are required unless"):
        run(main(b"", media_sample_rate_hertz=16_000))


# Limits of what is received


def of_payload(payload):
    """Return a script that answers with an event of this payload."""

    async def script(stream, session):
        async for data in stream:
            list(session.receive(data))
        await stream.send(Message(TRANSCRIPT_EVENT_HEADERS, payload).encode())
        await stream.end()

    return script


LARGE = b'{"Transcript":{"Results":[%s]}}' % b",".join([b"{}"] * 40_000)
LONG = b'{"Transcript":{"Results":[{"ResultId":"%s"}]}}' % (b"a" * (1 << 20))


@pytest.mark.parametrize(
    ("payload", "options", "error"),
    [
        (LARGE, {}, InvalidEvent),
        (LARGE, {"max_event_values": 100_000}, None),
        (LONG, {}, DecodeLimitExceeded),
        (LONG, {"max_event_length": 1 << 21}, None),
    ],
    ids=["values", "more values", "bytes", "more bytes"],
)
def test_event_is_bounded_by_its_operation(payload, options, error):
    async def main():
        async with (
            served(Service(of_payload(payload)), **options) as client,
            client.start_stream_transcription(**PCM) as stream,
        ):
            await stream.end_audio()
            return [event async for event in stream]

    if error is None:
        assert len(run(main())) == 1
    else:
        with pytest.raises(error):
            run(main())


# Over a WebSocket, and presigned URLs


SPOKEN = bytes(28_800)  # 0.9 s: three words


def final_text(events):
    results = [result for event in events for result in event.transcript.results if not result.is_partial]
    return " ".join(result.alternatives[0].transcript for result in results)


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "TLS"])
def test_websocket_transcribes_a_recording(tls, tmp_path):
    if tls:
        pytest.importorskip("trustme")

    async def main():
        async with Emulator(recogniser=Scripted("One two three."), tls=tls) as emulator:
            options = {}
            if tls:
                options["ca_bundle"] = tmp_path / "ca.pem"
                options["ca_bundle"].write_text(emulator.authority)
            client = TranscribeClient(
                *("us-east-1",),
                endpoint=emulator.websocket_endpoint,
                credentials=CREDENTIALS,
                transport="websocket",
                **options,
            )
            events = [event async for event in client.transcribe(SPOKEN, pace=False, retries=2, **PCM)]
            assert final_text(events) == "One two three."
            async with client.start_stream_transcription(**PCM) as stream:
                await stream.send_audio(SPOKEN[:3200])
                assert stream.response.request_id
                await stream.end_audio()
                assert [event async for event in stream]

    run(main())


@pytest.mark.parametrize("transport", ["http2", "websocket"])
@pytest.mark.parametrize("fault", ["reset", "truncate", "early-end", "exception:LimitExceededException"])
def test_transcribe_continues_after_a_fault(fault, transport, pauses):
    async def main():
        async with Emulator(recogniser=Scripted("One two three."), faults=[f"{fault}@3*1"]) as emulator:
            client = TranscribeClient(
                *("us-east-1",),
                endpoint=emulator.endpoint if transport == "http2" else emulator.websocket_endpoint,
                credentials=CREDENTIALS,
                transport=transport,
            )
            restarts = []
            source = client.transcribe(SPOKEN, pace=False, retries=1, on_restart=restarts.append, **PCM)
            events = [event async for event in source]
            assert len(restarts) == 1
            assert emulator.statistics.streams == 2
            assert final_text(events)

    run(main())


def test_unknown_language_points_at_the_users_line(closed_port):
    async def main():
        client = TranscribeClient("us-east-1", endpoint=f"http://127.0.0.1:{closed_port}", credentials=CREDENTIALS)
        fields = {**PCM, "language_code": "tlh-001"}
        client.start_stream_transcription(**fields)
        await client.presign(**fields)
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{closed_port}"):
            await anext(client.transcribe(SPOKEN, **fields))

    with pytest.warns(UserWarning, match="language code 'tlh-001' is not known here") as caught:
        run(main())
    assert [warning.filename for warning in caught] == [__file__] * 3


@pytest.mark.parametrize("transport", ["http2", "websocket"])
@pytest.mark.parametrize("name", ["ConflictException", "TeapotException"])
def test_request_id_of_an_exception_in_the_stream(name, transport):
    async def main():
        async with Emulator(faults=[f"exception:{name}@1"]) as emulator:
            client = TranscribeClient(
                *("us-east-1",),
                endpoint=emulator.endpoint if transport == "http2" else emulator.websocket_endpoint,
                credentials=CREDENTIALS,
                transport=transport,
            )
            async with client.start_stream_transcription(**PCM) as stream:
                for call in (stream.__anext__, stream.__anext__, stream.end_audio):
                    with pytest.raises(TranscribeError, match=name) as raised:
                        await call()
                    assert raised.value.request_id == stream.response.request_id
                    assert raised.value.request_id

    run(main())


def test_presign_opens_a_websocket_without_credentials():
    request = medical.StartMedicalStreamTranscriptionRequest(
        **PCM, specialty="PRIMARYCARE", type="DICTATION", vocabulary_name="mine"
    )

    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:
            client = TranscribeClient("us-east-1", endpoint=emulator.websocket_endpoint, credentials=CREDENTIALS)
            url = await client.presign(**PCM, vocabulary_names=["a", "b"], session_id=SESSION_ID, expires=60)
            assert url.startswith(f"{emulator.websocket_endpoint}/stream-transcription-websocket?language-code=en-US&")
            assert f"&sample-rate=16000&media-encoding=pcm&session-id={SESSION_ID}&vocabulary-names=a%2Cb&X-Amz-" in url
            assert "&X-Amz-Expires=60&" in url
            for opened, path in ((url, "stream"), (await client.presign(request), "medical-stream")):
                assert f"/{path}-transcription-websocket?" in opened
                address = Endpoint.parse(emulator.websocket_endpoint)
                async with websocket.connect(opened, address.host, address.port) as socket:
                    await socket.response()
                    await socket.send(Message(AUDIO_EVENT_HEADERS, SPOKEN).encode())
                    await socket.send(Message(AUDIO_EVENT_HEADERS).encode())
                    received = b""
                    while data := await socket.receive():
                        received += data
                    assert b"three" in received
                    assert b"exception" not in received
            assert emulator.statistics.streams == 2

    run(main())


def test_presign_at_the_service():
    client = TranscribeClient("eu-west-1", credentials=Credentials("AKID", "secret", "token"))
    url = asyncio.run(client.presign(REQUEST, vocabulary_name="mine"))
    assert url.startswith("wss://transcribestreaming.eu-west-1.amazonaws.com:8443/stream-transcription-websocket?")
    assert "&vocabulary-name=mine&" in url
    assert "&X-Amz-Expires=300&" in url
    assert "&X-Amz-Security-Token=token&" in url


def test_presign_checks_what_it_is_given():
    client = TranscribeClient("us-east-1", credentials=CREDENTIALS)
    with pytest.raises(InvalidRequest, match="media_encoding"):
        asyncio.run(client.presign(REQUEST, media_encoding="mp3"))
    with pytest.raises(ValueError, match="1 to 300 seconds, not 301"):
        asyncio.run(client.presign(REQUEST, expires=301))
    with pytest.raises(TypeError, match="expected a request of Transcribe to presign, not str"):
        asyncio.run(client.presign("en-US"))
    scribe = medical_scribe.StartMedicalScribeStreamRequest(**PCM)
    with pytest.raises(ValueError, match="StartMedicalScribeStream has no WebSocket"):
        asyncio.run(client.presign(scribe))
