"""A stream of the endpoint, whatever its client does, over real connections on this machine."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import sys
import threading
import uuid
import zlib
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventstream import decode, encode, iter_messages
from eventstream.exceptions import MessageChecksumMismatch, TruncatedMessage
from eventstream.http2 import ErrorCodes, StreamError, serve
from eventstream.server import Conversation
from eventstream.signing import Credentials, EventSigner, utc_now
from eventstream.transcribe import (
    AudioEvent,
    BadRequestException,
    ClientSession,
    ConfigurationEvent,
    ConflictException,
    InternalFailureException,
    LimitExceededException,
    ServiceUnavailableException,
    StartStreamTranscriptionRequest,
    TranscribeError,
    TranscriptEvent,
)
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator import (
    DOCUMENTATION_CREDENTIALS,
    Emulator,
    Fault,
    Hypothesis,
    Limits,
    Scripted,
    Word,
)
from eventstream.transcribe.emulator.compressed import CompressedDecoder
from eventstream.transcribe.emulator.service import TOO_BIG, Service
from eventstream.transcribe.model import event_to_message

CAPTURES = Path(__file__).parents[2] / "captures"
INDEX = {capture["name"]: capture for capture in json.loads((CAPTURES / "index.json").read_text())}

CHUNK = bytes(3200)
PCM = [("x-amzn-transcribe-sample-rate", "16000"), ("x-amzn-transcribe-media-encoding", "pcm")]
ENGLISH = ("x-amzn-transcribe-language-code", "en-US")
SESSION = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
EMPTY = TranscriptEvent()


def results(events):
    return [result for event in events for result in event.transcript.results]


def texts(events):
    return [result.alternatives[0].transcript for result in results(events)]


def sound(stream):
    """Return a task that uses a stream to its end, as it should."""

    async def use():
        await stream.audio(CHUNK, CHUNK)
        await stream.end()
        events = await stream.receive_all()
        assert events[0] == EMPTY
        assert texts(events) == ["The", "The", "The"]

    return use()


# A stream as it should be


def test_audio_becomes_results(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open(session_id=SESSION)
            assert stream.headers == {
                "content-type": "application/vnd.amazon.eventstream",
                "date": stream.headers["date"],
                "x-amzn-request-id": stream.headers["x-amzn-request-id"],
                "x-amzn-requestid": stream.headers["x-amzn-request-id"],
                "x-amzn-transcribe-language-code": "en-US",
                "x-amzn-transcribe-media-encoding": "pcm",
                "x-amzn-transcribe-sample-rate": "16000",
                "x-amzn-transcribe-session-id": SESSION,
            }
            assert uuid.UUID(stream.headers["x-amzn-request-id"])
            date = parsedate_to_datetime(stream.headers["date"])
            assert abs(datetime.now(timezone.utc) - date) < timedelta(seconds=30)
            assert await stream.receive(1) == [EMPTY]  # before any audio
            for number in range(10):
                await stream.audio(CHUNK)
                assert len(await stream.receive(number + 2)) == number + 2  # one for each chunk
            await stream.end()
            events = await stream.receive_all()
            assert texts(events)[-3:] == ["The quick brown", "The quick brown fox", "The quick brown fox"]
            assert [result.is_partial for result in results(events)] == [True] * 10 + [False]
            assert {result.result_id for result in results(events)} == {results(events)[0].result_id}
            assert results(events)[-1].end_time == 1.0
            assert {result.channel_id for result in results(events)} == {None}
            assert emulator._service._present == {}, "the session is over"
        statistics = emulator.statistics
        assert (statistics.streams, statistics.refused, statistics.failed) == (1, 0, 0)
        assert statistics.signatures == 12  # the request, ten chunks, the end
        assert (statistics.audio_events, statistics.audio_bytes, statistics.transcript_events) == (10, 32_000, 12)

    run(main)


def test_stream_without_audio(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            assert stream.headers["x-amzn-transcribe-session-id"]  # made, as the client brought none
            await stream.end()
            assert await stream.receive_all() == [EMPTY]
            assert emulator.statistics.failed == 0

    run(main)


def test_two_channels(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open(number_of_channels=2, enable_channel_identification=True)
            await stream.audio(CHUNK)
            await stream.end()
            found = [(result.channel_id, result.is_partial) for result in results(await stream.receive_all())]
            assert found == [("ch_0", True), ("ch_1", True), ("ch_0", False), ("ch_1", False)]

    run(main)


@pytest.mark.parametrize("encoding", ["g711-alaw", "g711-ulaw", "ogg-opus", "flac", "g729"])
def test_other_encodings(run, client, encoding):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open(media_encoding=encoding, media_sample_rate_hertz=8000)
            await stream.audio(bytes(800))
            await stream.end()
            assert texts(await stream.receive_all()) == ["The", "The"]

    run(main)


@pytest.mark.parametrize("at_end", [False, True])
def test_results_before_a_recogniser_s_error_are_sent(run, client, at_end):
    class Finishing(Scripted):
        """Hears all at the end."""

        def __call__(self, request):
            recogniser = super().__call__(request)
            recogniser.finish = lambda: recogniser.__class__.feed(recogniser, CHUNK)
            recogniser.feed = lambda pcm: []
            return recogniser

    script = "@pace 0.05\nHello.\n@error LimitExceededException Enough."

    async def main():
        factory = (Finishing if at_end else Scripted)(script)
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            if at_end:
                await stream.end()
            error = await stream.receive_error()
            assert type(error) is LimitExceededException
            assert error.message == "Enough."
            assert texts(stream.events) == ["Hello."]

    run(main)


class Lengths:
    """A recogniser that says how much PCM it was fed, and forgets it at the end."""

    instant = True

    def __init__(self, request):
        self.length = 0

    def feed(self, pcm):
        assert pcm, "no piece is empty"
        self.length += len(pcm)
        return [Hypothesis([Word(str(self.length), 0.0, 1.0)])]

    def finish(self):
        return [Hypothesis([Word(f"{self.length} bytes", 0.0, 1.0)], is_final=True)]

    def close(self):
        pass


@pytest.mark.parametrize("instant", [True, False])
def test_compressed_audio_is_decoded_for_a_recogniser(run, client, monkeypatch, instant):
    pytest.importorskip("av")
    monkeypatch.setattr(Lengths, "instant", instant)

    async def main():
        async with Emulator(recogniser=Lengths) as emulator, client(emulator) as peer:
            stream = await peer.open(media_encoding="g729", media_sample_rate_hertz=8000)
            await stream.audio(bytes(5), bytes(20))
            await stream.end()
            *_, last = texts(await stream.receive_all())
            assert last == "320 bytes"

    run(main)


def test_compressed_audio_is_heard_to_its_end(run, client):
    """What the decoder still has when the stream ends is heard, too."""
    pytest.importorskip("av")
    decoder = CompressedDecoder(AudioFormat(16_000, 1, "g729"))
    before, rest = len(decoder.feed(bytes(200))), len(decoder.finish())
    assert rest

    async def main():
        async with Emulator(recogniser=Lengths) as emulator, client(emulator) as peer:
            stream = await peer.open(media_encoding="g729", media_sample_rate_hertz=16_000)
            await stream.audio(bytes(200))
            await stream.end()
            *_, last = texts(await stream.receive_all())
            assert last == f"{before + rest} bytes"

    run(main)


def test_compressed_audio_that_is_not_is_an_error(run, client):
    pytest.importorskip("av")

    async def main():
        async with Emulator(recogniser=Lengths) as emulator, client(emulator) as peer:
            stream = await peer.open(media_encoding="flac")
            await stream.audio(bytes(100))
            error = await stream.receive_error()
            assert error.code == "BadRequestException"
            assert error.message == "The audio could not be decoded as flac: it does not begin with fLaC."

    run(main)


def test_compressed_audio_without_pyav_is_refused(run, client, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    request = StartStreamTranscriptionRequest(
        language_code="en-US", media_sample_rate_hertz=8000, media_encoding="ogg-opus"
    )

    async def main():
        async with Emulator(recogniser=Lengths) as emulator, client(emulator) as peer:
            error = await peer.refused(request.to_headers())
            assert error.status_code == 400
            assert error.message.startswith("This emulator has no decoder: ogg-opus cannot be decoded: PyAV")

    run(main)


@pytest.mark.parametrize(
    "events", [[AudioEvent(b"")], [ConfigurationEvent()], [ConfigurationEvent(), AudioEvent(CHUNK), AudioEvent(b"")]]
)
def test_events_that_are_no_audio_are_passed_over(run, client, events):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            for event in events:
                await stream.stream.send(stream.session._exchange.send(event_to_message(event)))
            await stream.end()
            await stream.receive_all()
            assert emulator.statistics.audio_events == sum(event == AudioEvent(CHUNK) for event in events)

    run(main)


@pytest.mark.parametrize("path", ["/stream-transcription", "/stream-transcription?", "/stream-transcription/"])
@pytest.mark.parametrize("content_type", ["application/vnd.amazon-eventstream", "application/json", None])
def test_clients_may_differ_in_path_and_content_type(run, client, path, content_type):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            extra = [("content-type", content_type)] if content_type else []
            await sound(await peer.open(path=path, extra=extra))

    run(main)


@pytest.mark.parametrize("name", INDEX)
def test_recorded_requests_of_real_clients(run, client, name):
    capture = INDEX[name]

    async def main():
        async with Emulator(max_clock_skew=None) as emulator, client(emulator) as peer:
            fields = [tuple(field) for field in capture["request_headers"]]
            stream = await (await peer.connect()).request(fields)
            assert (await stream.response()).status == 200
            await stream.send((CAPTURES / f"{name}.request.bin").read_bytes())
            await stream.end()
            session = ClientSession(StartStreamTranscriptionRequest.from_headers(fields))
            session.end_audio()
            events = [event async for data in stream for event in session.receive(data)]
            session.receive_eof()
            assert events[0] == EMPTY
            assert results(events)[-1].is_partial is False
            assert emulator.statistics.signatures == capture["messages"] + 1

    run(main)


def test_signatures_need_not_be_checked(run, client):
    async def main():
        async with Emulator(credentials=None) as emulator, client(emulator) as peer:
            await sound(await peer.open(credentials=None))
            await sound(await peer.open(credentials=Credentials("who", "ever")))
            assert emulator.statistics.signatures == 0

    run(main)


def test_several_accounts(run, client):
    async def main():
        mine, yours = Credentials("mine", "secret"), Credentials("yours", "secret, too", "token")
        async with Emulator(credentials=[mine, yours]) as emulator, client(emulator) as peer:
            await sound(await peer.open(credentials=mine))
            await sound(await peer.open(credentials=yours))

    run(main)


# Requests that are refused


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (PCM, "language_code: missing"),
        ([*PCM, ENGLISH, ("x-amzn-transcribe-identify-language", "true")], "together with"),
        ([ENGLISH, PCM[0]], "media_encoding: missing"),
        ([ENGLISH, PCM[1], ("x-amzn-transcribe-sample-rate", "96000")], "8000 to 48000"),
        ([ENGLISH, *PCM, ("x-amzn-transcribe-session-id", "mine")], "session_id: 'mine'"),
        ([*PCM, ("x-amzn-transcribe-language-code", "tlh-QO")], "The language code 'tlh-QO' is not supported"),
        ([*PCM, ENGLISH, ("x-amzn-transcribe-preferred-language", "xx-XX")], "'xx-XX' is not supported"),
    ],
)
def test_invalid_parameters(run, client, headers, text):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            error = await peer.refused(headers)
            assert type(error) is BadRequestException
            assert error.status_code == 400
            assert text in error.message
            assert (emulator.statistics.refused, emulator.statistics.streams) == (1, 0)
            await sound(await peer.open())

    run(main)


@pytest.mark.parametrize(
    "request_line", [{"path": "/"}, {"path": "/stream-transcription-websocket"}, {"method": "GET"}]
)
def test_operation_that_is_unknown(run, client, request_line):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            for number in (1, 2):
                error = await peer.refused(**request_line)
                assert (error.status_code, error.code) == (404, "UnknownOperationException")
                (refused,) = request_line.values()
                assert f"'{refused}' (allowed: " in error.message
                assert emulator.statistics.refused == number

    run(main)


def test_head_request_gets_the_head(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            headers = StartStreamTranscriptionRequest.from_headers([ENGLISH, *PCM]).to_headers()
            _, stream, _ = await peer.send(headers, method="HEAD")
            response = await stream.response()
            assert response.status == 404
            assert ("x-amzn-errortype", "UnknownOperationException") in response.headers
            assert await stream.receive() == b""
            await sound(await peer.open())

    run(main)


@pytest.mark.parametrize(
    ("credentials", "code", "text"),
    [
        (None, "MissingAuthenticationTokenException", "authorization"),
        (Credentials("AKIDSTRANGER", DOCUMENTATION_CREDENTIALS.secret_key), "UnrecognizedClientException", "STRANGER"),
        (Credentials("AKIDEXAMPLE", "wrong"), "InvalidSignatureException", "its signature does not match"),
        (
            Credentials("AKIDEXAMPLE", DOCUMENTATION_CREDENTIALS.secret_key, "a token"),
            "UnrecognizedClientException",
            "its session token is not that",
        ),
    ],
)
def test_wrong_credentials(run, client, credentials, code, text):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            error = await peer.refused(credentials=credentials)
            assert (error.status_code, error.code) == (403, code)
            assert text in error.message
            assert emulator.statistics.signatures == 0
            await sound(await peer.open())

    run(main)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("Bearer token", "IncompleteSignatureException"),
        (
            f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/transcribe/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
            "IncompleteSignatureException",  # no x-amz-date
        ),
    ],
)
def test_authorization_that_is_none(run, client, authorization, code):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            headers = [ENGLISH, *PCM, ("authorization", authorization)]
            error = await peer.refused(headers, credentials=None)
            assert (error.status_code, error.code) == (403, code)

    run(main)


EXPIRED = r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)"


@pytest.mark.parametrize(
    ("days", "words"),
    [(1, EXPIRED), (-1, r"the request: its date is 86\d{3}\.\d{3} s ahead of the clock; 300 s are allowed")],
)
def test_request_of_another_time(run, client, days, words):
    async def main():
        def another_day():
            return datetime.now(timezone.utc) + timedelta(days=days)

        async with Emulator(clock=another_day) as emulator, client(emulator) as peer:
            error = await peer.refused()
            assert (error.status_code, error.code) == (403, "InvalidSignatureException")
            assert re.fullmatch(words, error.message)

    run(main)


def test_event_that_has_expired(run, client):
    """When it comes, the emulator's clock is 6 minutes later than that of its client."""

    async def main():
        late = [timedelta()]
        served = Emulator(clock=lambda: datetime.now(timezone.utc) + late[-1])
        async with served as emulator, client(emulator) as peer:
            stream = await peer.open()
            late.append(timedelta(minutes=6))
            await stream.audio(CHUNK)
            error = await stream.receive_error()
            assert type(error) is BadRequestException
            assert re.fullmatch(EXPIRED, error.message)

    run(main)


def test_too_many_streams(run, client):
    async def main():
        async with Emulator(limits=Limits(max_streams=1)) as emulator, client(emulator) as peer:
            stream = await peer.open()
            error = await peer.refused()
            assert type(error) is LimitExceededException
            assert error.status_code == 429
            await sound(stream)
            await sound(await peer.open())

    run(main)


def test_too_many_streams_on_one_connection(run, client):
    async def main():
        async with Emulator(limits=Limits(max_streams=150)) as emulator, client(emulator) as peer:
            connection = await peer.connect()
            headers = StartStreamTranscriptionRequest.from_headers([ENGLISH, *PCM]).to_headers()
            fields, _ = peer.signed(headers)
            streams = [await connection.request(fields) for _ in range(151)]
            statuses = [(await stream.response()).status for stream in streams]
            assert statuses == [200] * 150 + [429]

    run(main)


def test_second_stream_on_a_connection(run, client):
    async def main():
        strict = Limits(one_stream_per_connection=True)
        async with Emulator(limits=strict) as emulator, client(emulator) as peer:
            connection = await peer.connect()
            fields, _ = peer.signed(StartStreamTranscriptionRequest.from_headers([ENGLISH, *PCM]).to_headers())
            first = await connection.request(fields)
            assert (await first.response()).status == 200
            second = await connection.request(fields)
            assert (await second.response()).status == 400
            body = json.loads(b"".join([data async for data in second]))
            assert body["Message"] == "A connection can have only 1 stream at a time."
            await sound(await peer.open())  # on another one
            await first.reset()
            while emulator.statistics.failed == 0:
                await asyncio.sleep(0.001)
            assert (await (await connection.request(fields)).response()).status == 200, "one after the other"

    run(main)


def test_parameters_that_do_not_go_together(run, client):
    async def main():
        wrong = {"show_speaker_label": True, "enable_channel_identification": True, "number_of_channels": 2}
        async with Emulator() as emulator, client(emulator) as peer:
            request = StartStreamTranscriptionRequest(
                language_code="en-US", media_encoding="pcm", media_sample_rate_hertz=16000, **wrong
            )
            error = await peer.refused(request.to_headers())
            assert type(error) is BadRequestException
            assert error.status_code == 400
            assert "ShowSpeakerLabel and EnableChannelIdentification" in error.message
        allowed = Limits(allowed=frozenset({"speakers-or-channels"}))
        async with Emulator(limits=allowed) as emulator, client(emulator) as peer:
            stream = await peer.open(**wrong)
            await stream.end()
            assert texts(await stream.receive_all()) == []

    run(main)


def test_audio_that_runs_ahead(run, client):
    clock = datetime(2030, 1, 1, tzinfo=timezone.utc)

    async def heard(limits):
        served = Emulator(limits=limits, clock=lambda: clock, max_clock_skew=None)
        async with served as emulator, client(emulator) as peer:
            stream = await peer.open()
            error = asyncio.create_task(stream.receive_error())
            with suppress(StreamError, TranscribeError):  # once it was answered
                while not error.done():
                    await stream.audio(CHUNK * 10)
            return await error

    async def main():
        error = await heard(Limits(max_lead=2))
        assert type(error) is BadRequestException
        words = "Signature expired: 20300101T000000Z is now earlier than 20300101T000000Z (20300101T000002Z - 2 s.)"
        assert error.message == words
        error = await heard(Limits.strict())
        words = "Signature expired: 20300101T000000Z is now earlier than 20300101T000000Z (20300101T000500Z - 5 min.)"
        assert error.message == words
        async with Emulator(limits=Limits(max_lead=2)) as emulator, client(emulator) as peer:
            await sound(await peer.open())

    run(main)


@pytest.mark.parametrize("name", ["max_audio", "audio_timeout", "max_lead"])
def test_limits_that_are_not_seconds(name):
    with pytest.raises(ValueError, match=rf"^{name} must be a number of seconds, 0 or more, not '5'$"):
        Limits(**{name: "5"})


@pytest.mark.parametrize("rules", ["language-options", ["language-options"], None])
def test_rules_that_are_not_a_set(rules):
    with pytest.raises(TypeError, match=rf"^allowed must be a set of names of rules, not {type(rules).__name__}$"):
        Limits(allowed=rules)


def test_rules_that_there_are_not():
    with pytest.raises(ValueError, match="unknown rule 'speakers': expected one of language-options, "):
        Limits(allowed=frozenset({"speakers"}))


# Streams that end early


def test_same_session_again(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            first, other = await peer.open(session_id=SESSION), await peer.open()
            await first.audio(CHUNK)
            await first.receive(2)
            second = await peer.open(session_id=SESSION)
            error = await first.receive_error()
            assert type(error) is ConflictException
            assert texts(first.events) == ["The"]
            await sound(second)
            await sound(other)
            assert (emulator.statistics.streams, emulator.statistics.failed) == (3, 1)

    run(main)


def test_too_much_audio(run, client):
    async def main():
        async with Emulator(limits=Limits(max_audio=0.2)) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK, CHUNK, bytes(2))
            error = await stream.receive_error()
            assert type(error) is LimitExceededException
            assert error.message == "A stream may have 0.2 seconds of audio."
            assert texts(stream.events) == ["The", "The"]
            await stream.stream.send(CHUNK)  # a client that has not noticed yet does no harm
            await stream.stream.end()
            await sound(await peer.open())

    run(main)


class Talk(Conversation):
    """One stream of a service, without a socket."""

    def __init__(self, service, stream):
        operations = {operation.name: operation for operation in service.handlers}
        super().__init__(service, stream, operations["StartStreamTranscription"])

    async def run(self):
        await super().run(self._service.handlers[self.operation])


def service(accounts=(DOCUMENTATION_CREDENTIALS,)):
    return Service(
        Scripted(),
        None,
        accounts=accounts,
        limits=Limits(),
        faults=(),
        clock=utc_now,
        max_clock_skew=None,
    )


def test_client_that_never_stops_sending_is_left(run):
    """Its transport drops what still comes."""

    class Stream:
        method, path, headers = "POST", "/stream-transcription", ()
        ended = False

        async def respond(self, status, headers):
            assert status == 403

        async def send(self, data, timeout):
            pass

        async def end(self):
            self.ended = True

        async def receive(self, timeout):
            raise AssertionError("it was refused")

    async def main():
        stream = Stream()
        await Talk(service(), stream).run()
        assert stream.ended

    run(main)


@pytest.mark.parametrize(
    ("events", "seconds", "fate"),
    [
        ([ConfigurationEvent()], 16, "no new audio was received for 15 seconds"),
        ([*[ConfigurationEvent()] * 9, AudioEvent(CHUNK)], 100, None),
    ],
    ids=["configuration", "audio every ten seconds"],
)
def test_client_that_never_pauses_is_held_to_its_audio(run, events, seconds, fate):
    """There is always something to receive at once, once a second here."""

    class Stream:
        method, path, headers = "POST", "/stream-transcription", [ENGLISH, *PCM]

        def __init__(self):
            self.now = 0.0
            self.sent = b""

        async def respond(self, status, headers):
            assert status == 200

        async def send(self, data, timeout):
            self.sent += data

        async def end(self):
            pass

        async def receive(self, timeout):
            if self.now == 100:
                return encode({}, b"")
            event = events[int(self.now) % len(events)]
            self.now += 1
            return event_to_message(event).encode()

    async def main():
        stream = Stream()
        transcription = Talk(service(accounts=None), stream)
        transcription._now = lambda: stream.now
        await transcription.run()
        *_, last = iter_messages(stream.sent)
        if fate is None:
            assert stream.now == seconds
            assert last.message_type == "event"
        else:
            assert last.exception_type == "BadRequestException"
            assert fate in json.loads(last.payload)["Message"]
            assert stream.now == seconds

    run(main)


def logged(stream, caplog):
    """Return what was logged of a stream, without its request's id."""
    start = f"request {stream.headers['x-amzn-request-id']}: "
    messages = [record.getMessage() for record in caplog.records]
    return [message.removeprefix(start) for message in messages if message.startswith(start)]


def failures(stream, caplog):
    """Of that, what was logged with an exception."""
    return [
        message
        for message in logged(stream, caplog)
        if any(message in r.getMessage() and r.exc_info for r in caplog.records)
    ]


def test_log_says_what_became_of_a_stream(run, client, caplog):
    caplog.set_level("INFO", "eventstream.transcribe.emulator")

    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK, CHUNK)
            await stream.end()
            await stream.receive_all()
            return stream

    assert logged(run(main), caplog) == ["6400 bytes of audio; ended"]


def test_handler_that_is_cancelled(run, client, caplog):
    caplog.set_level("INFO", "eventstream.transcribe.emulator")
    peers = []

    async def fail(house):
        async with serve(house) as server:
            peer = client(SimpleNamespace(endpoint=f"http://127.0.0.1:{server.port}"))
            peers.append(peer)
            await peer.open()
            raise ZeroDivisionError  # so that the server does not wait

    async def main():
        house = service()
        with pytest.raises(ZeroDivisionError):
            await fail(house)
        await peers[0].stack.aclose()
        assert (house.statistics.streams, house.statistics.failed) == (1, 1)
        assert caplog.records[-1].getMessage().endswith(": 0 bytes of audio; cancelled")

    run(main)


@pytest.mark.parametrize("events", [[], [AudioEvent(CHUNK)], [AudioEvent(b"")], [ConfigurationEvent()]])
def test_audio_that_pauses_for_too_long(run, client, events):
    async def main():
        async with Emulator(limits=Limits(audio_timeout=0.05)) as emulator, client(emulator) as peer:
            stream = await peer.open()
            for event in events:
                await stream.stream.send(stream.session._exchange.send(event_to_message(event)))
            error = await stream.receive_error()
            assert type(error) is BadRequestException
            assert error.message == "Your request timed out because no new audio was received for 0.05 seconds."

    run(main)


@pytest.mark.parametrize("raised", [TimeoutError, StreamError("it was reset")])
def test_client_may_do_what_it_likes_after_its_answer(run, raised, caplog):
    class Stream:
        method, path, headers = "POST", "/stream-transcription", ()

        async def respond(self, status, headers):
            assert status == 403

        async def send(self, data, timeout):
            pass

        async def end(self):
            pass

        async def receive(self, timeout):
            raise raised

    async def main():
        await Talk(service(), Stream()).run()

    run(main)
    assert "Traceback" not in caplog.text


def test_log_says_what_went_wrong(run, client, caplog):
    caplog.set_level("INFO", "eventstream.transcribe.emulator")

    async def main():
        async with Emulator(limits=Limits(audio_timeout=0.05)) as emulator, client(emulator) as peer:
            streams = []
            for number in (1, 2):
                streams.append(await peer.open())
                error = await streams[-1].receive_error()
                assert emulator.statistics.failed == number
            return streams, error

    streams, error = run(main)
    for stream in streams:
        assert logged(stream, caplog) == [f"0 bytes of audio; {error}"]
    assert "no new audio was received" in str(error)


def test_audio_is_not_awaited_when_its_time_is_up(run):
    waited = []

    class Stream:
        async def receive(self, timeout):
            waited.append(timeout)
            raise TimeoutError

    async def main():
        transcription = Talk(service(), Stream())
        transcription._deadline = transcription._now() - 1
        with pytest.raises(BadRequestException, match="timed out"):
            await transcription._receive()
        assert waited == [0.0]
        transcription._deadline = transcription._now() + 100
        with pytest.raises(BadRequestException, match="timed out"):
            await transcription._receive()
        assert 99 < waited[1] <= 100

    run(main)


def test_interrupted_stream_is_not_cancelled_again(run):
    """What it still has to say may take its time."""

    class Stream:
        async def receive(self, timeout):
            for code in ("first", "second"):
                transcription.interrupt(TranscribeError(code, "", status_code=500))
            await asyncio.sleep(60)

    async def main():
        nonlocal transcription
        transcription = Talk(service(), Stream())
        for _ in range(2):
            with pytest.raises(TranscribeError) as raised:
                await transcription._receive()
            assert raised.value.code == "first"
        task = asyncio.current_task()
        assert not hasattr(task, "cancelling") or task.cancelling() == 0
        transcription.interrupt(TranscribeError("third", "", status_code=500))
        await asyncio.sleep(0)
        another = Talk(service(), Stream())
        another.interrupt(TranscribeError("early", "", status_code=500))
        await asyncio.sleep(0)  # which is not cancelled: it is told as soon as it waits for audio
        with pytest.raises(TranscribeError, match="early"):
            await another._receive()

    transcription = None
    run(main)


def test_default_limits_are_the_services():
    assert Limits() == Limits(max_streams=25, max_audio=14_400, audio_timeout=15)


def test_client_that_does_not_read(run, client, caplog):
    caplog.set_level("INFO", "eventstream.transcribe.emulator")

    async def flood(stream):
        while True:  # until its results fill the windows, and the emulator loses patience
            await stream.audio(*[bytes(2)] * 100)

    async def main():
        async with Emulator(limits=Limits(audio_timeout=0.2)) as emulator, client(emulator) as peer:
            stream = await peer.open()
            with pytest.raises(StreamError, match="CANCEL"):
                await flood(stream)
            assert emulator.statistics.failed == 1
            await sound(await peer.open())
            return stream

    [message] = logged(run(main), caplog)
    assert message.endswith(" bytes of audio; the client read nothing for 0.2 seconds")


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (bytes(3201), "in the middle of a sample"),
        (bytes(32_002), TOO_BIG),
        (bytes(32_770), TOO_BIG),
    ],
)
def test_bad_chunk(run, client, chunk, text):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            await stream.stream.send(stream.session._exchange.send(event_to_message(AudioEvent(chunk))))
            error = await stream.receive_error()
            assert type(error) is BadRequestException
            assert text in error.message
            assert texts(stream.events) == ["The"]

    run(main)


def swapped(first, second, _):
    return second + first


def changed(first, second, _):
    return first + second[:-20] + bytes([second[-20] ^ 1]) + second[-19:]


def repeated(first, _, __):
    return first + first


def garbage(first, _, __):
    return first + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def over_the_limit(first, _, __):
    prelude = struct.pack(">II", 1_000_000, 0)
    return first + prelude + struct.pack(">I", zlib.crc32(prelude))


def unsigned(first, second, _):
    [message] = iter_messages([second])
    return first + bytes(message.payload)


def another_event(first, _, signer):
    return first + signer.sign(encode({":message-type": "event", ":event-type": "VideoEvent"}, b"x"))


def an_exception(first, _, signer):
    return first + signer.sign(encode({":message-type": "exception", ":exception-type": "Mine"}, b"{}"))


def after_the_end(first, _, signer):
    end = signer.finish()
    return first + end + end


@pytest.mark.parametrize(
    ("wrong", "text", "heard"),
    [
        (swapped, "signature does not match", 0),
        (changed, "checksum mismatch", 1),
        (repeated, "signature does not match", 1),
        (garbage, "expected a message, found text", 1),
        (over_the_limit, TOO_BIG, 1),
        (unsigned, "a signed event must have", 1),
        (another_event, "The audio stream has an event that is neither audio nor configuration.", 1),
        (an_exception, "a client sends only events", 1),
        (after_the_end, "after the end", 1),
    ],
)
def test_bad_bytes(run, client, wrong, text, heard):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream, other = await peer.open(), await peer.open()
            chunks = [stream.session.send_audio(CHUNK) for _ in range(2)]
            seed = next(iter_messages([chunks[0]])).headers[":chunk-signature"]
            signer = EventSigner(DOCUMENTATION_CREDENTIALS, "us-east-1", "transcribe", seed)
            await stream.stream.send(wrong(*chunks, signer))
            error = await stream.receive_error()
            assert type(error) is BadRequestException
            assert error.message == text if text.endswith(".") else text in error.message
            assert texts(stream.events) == ["The"] * heard
            await sound(other)
            assert emulator.statistics.failed == 1

    run(main)


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_request_that_ends_before_its_audio(run, client, cut):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            await stream.stream.send(stream.session.send_audio(CHUNK)[:cut])
            await stream.stream.end()
            error = await stream.receive_error()
            assert type(error) is BadRequestException
            if cut:
                assert error.message.startswith("the input ends ")
            else:
                assert error.message == "A complete signal was sent without the preceding empty frame."

    run(main)


def test_client_that_resets_its_stream(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream, other = await peer.open(), await peer.open()
            await stream.audio(CHUNK)
            await stream.receive(2)
            await stream.stream.reset()
            await sound(other)
            await emulator.drain(10)  # both have left
            assert (emulator.statistics.streams, emulator.statistics.failed) == (2, 1)

    run(main)


def test_client_that_hangs_up(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream, other = await peer.open(), await peer.open()
            await stream.audio(CHUNK)
            stream.connection.abort()
            await sound(other)
            await emulator.drain(10)
            assert (emulator.statistics.streams, emulator.statistics.failed) == (2, 1)

    run(main)


# Recognisers


class Recogniser:
    """One that does what its audio says."""

    def __init__(self, request):
        self.closed = None
        RECOGNISERS.append(self)

    def feed(self, pcm):
        if pcm.startswith(b"fail"):
            raise ZeroDivisionError("as I was told")
        if pcm.startswith(b"busy"):
            raise ServiceUnavailableException("come again")
        if pcm.startswith(b"wait"):
            WAITING.set()
            assert GO_ON.wait(20)
        if pcm.startswith(b"hush"):
            return []
        return [Hypothesis([Word(thread(), 0.0, 0.1)])]

    def finish(self):
        return []

    def close(self):
        assert self.closed is None
        self.closed = thread()


def thread():
    return threading.current_thread().name.partition("_")[0]


RECOGNISERS: list[Recogniser] = []
WAITING, GO_ON = threading.Event(), threading.Event()


@pytest.fixture(autouse=True)
def _no_recognisers():
    RECOGNISERS.clear()
    WAITING.clear()
    GO_ON.clear()
    yield
    assert all(recogniser.closed for recogniser in RECOGNISERS)


class Instant:
    instant = True

    def __call__(self, request):
        return Recogniser(request)


@pytest.mark.parametrize(("factory", "where"), [(Recogniser, "recogniser"), (Instant(), "MainThread")])
def test_recogniser_works_in_its_thread_or_the_event_loop(run, client, factory, where):
    async def main():
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            stream = await peer.open(number_of_channels=2)
            await stream.audio(b"any ")
            await stream.end()
            assert texts(await stream.receive_all()) == [where, where]
        assert [recogniser.closed for recogniser in RECOGNISERS] == [where, where]

    run(main)


@pytest.mark.parametrize("factory", [Recogniser, Instant()])
def test_recogniser_that_fails(run, client, factory, caplog):
    async def main():
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            stream, other = await peer.open(), await peer.open()
            await stream.audio(b"well", b"fail")
            error = await stream.receive_error()
            assert type(error) is InternalFailureException
            assert error.message == "The emulator failed to process the audio; see its log."
            assert len(texts(stream.events)) == 1
            await other.audio(b"well")
            await other.end()
            assert len(texts(await other.receive_all())) == 1
            return stream

    assert "its recogniser failed" in failures(run(main), caplog)
    assert "as I was told" in caplog.text


def test_exception_of_a_recogniser_is_sent(run, client):
    async def main():
        async with Emulator(recogniser=Recogniser) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(b"busy")
            error = await stream.receive_error()
            assert type(error) is ServiceUnavailableException
            assert error.message == "come again"

    run(main)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(KeyError("no model"), InternalFailureException), (BadRequestException("not mine"), BadRequestException)],
)
def test_factory_that_fails(run, client, raised, expected):
    def factory(request):
        raise raised

    async def main():
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            error = await peer.refused()
            assert type(error) is expected
            assert (emulator.statistics.refused, emulator.statistics.streams) == (1, 0)
            await emulator.drain(10)  # nobody is left

    run(main)


def test_recogniser_gives_invalid_values(run, client, caplog):
    class Broken(Recogniser):
        def feed(self, pcm):
            return ["hello"]

    async def main():
        async with Emulator(recogniser=Broken) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            assert type(await stream.receive_error()) is InternalFailureException
            return stream

    assert "it failed" in failures(run(main), caplog)


def test_exception_of_a_recogniser_that_cannot_be_sent(run, client, caplog):
    class Verbose(Recogniser):
        def feed(self, pcm):
            raise TranscribeError("x" * 40_000, "too long for a header", status_code=500)

    async def main():
        async with Emulator(recogniser=Verbose) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            assert type(await stream.receive_error()) is InternalFailureException
            assert emulator.statistics.failed == 1
            return stream

    assert "its error cannot be sent" in logged(run(main), caplog)


@pytest.mark.parametrize("fails", [False, True])
def test_recogniser_that_is_made_too_late_is_closed(run, client, monkeypatch, caplog, fails):
    """Its stream was cancelled meanwhile: nobody else would do it."""
    monkeypatch.setattr("eventstream.server.service._INTERRUPTED_WITHIN", 0.01)

    def factory(request):
        recogniser = Recogniser(request) if RECOGNISERS or not fails else None
        WAITING.set()
        assert GO_ON.wait(20)
        if recogniser is None:
            raise ZeroDivisionError
        return recogniser

    async def main():
        async def fail():
            async with Emulator(recogniser=factory) as emulator:
                peers.append(client(emulator))
                opening = asyncio.ensure_future(peers[0].open())
                while not WAITING.is_set():
                    await asyncio.sleep(0.001)
                asyncio.get_running_loop().call_later(0.3, GO_ON.set)
                opening.cancel()
                raise KeyError

        peers = []
        with pytest.raises(KeyError):
            await fail()
        await peers[0].stack.aclose()

    run(main)
    assert [recogniser.closed for recogniser in RECOGNISERS] == ["recogniser"] * (not fails)
    assert "concurrent.futures" not in {record.name for record in caplog.records}, "it logs what a callback raises"


def test_recogniser_that_fails_to_close(run, client, caplog, monkeypatch):
    class Clinging(Scripted):
        def __call__(self, request):
            recogniser = super().__call__(request)
            recogniser.close = lambda: 1 / 0
            return recogniser

    async def main():
        async with Emulator(recogniser=Clinging()) as emulator:
            for _ in range(3):
                async with client(emulator) as peer:
                    await sound(await peer.open())

    monkeypatch.setattr("eventstream.http2.listener.time", SimpleNamespace(monotonic=lambda: 100.0))
    run(main)
    assert caplog.messages.count("a recogniser failed to close") == 1


def test_busy_recogniser_stops_its_own_stream_alone(run, client):
    async def main():
        async with Emulator(recogniser=Recogniser) as emulator, client(emulator) as peer:
            stream, other = await peer.open(session_id=SESSION), await peer.open()
            await stream.audio(b"wait")
            await other.audio(b"well")
            await other.receive(2)
            second = await peer.open(session_id=SESSION)  # the first is told when its recogniser comes back
            GO_ON.set()
            assert type(await stream.receive_error()) is ConflictException
            for each in (other, second):
                await each.end()
                await each.receive_all()

    run(main)


def test_stream_that_goes_while_its_recogniser_works(run, client):
    async def main():
        async with Emulator(recogniser=Recogniser) as emulator:
            async with client(emulator) as peer:
                stream = await peer.open()
                await stream.audio(b"wait")
                while not WAITING.is_set():
                    await (await peer.open()).stream.reset()  # any round trip
            GO_ON.set()

    run(main)


@pytest.mark.parametrize(("quiet", "answers"), [(0.0, 2), (10.0, 0)])
def test_silence_is_answered_now_and_then(run, client, monkeypatch, quiet, answers):
    monkeypatch.setattr("eventstream.transcribe.emulator.transcription._QUIET", quiet)

    async def main():
        async with Emulator(recogniser=Recogniser) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(b"hush", b"hush")
            await stream.end()
            assert await stream.receive_all() == [EMPTY] * (1 + answers)

    run(main)


# Faults


def faulty(*faults):
    return Emulator(faults=[Fault.parse(fault) for fault in faults])


async def answered(stream):
    """Yield the response's bytes, message by message; what is left is the last one."""
    data = b"".join([data async for data in stream.stream])
    while data:
        length = int.from_bytes(data[:4], "big")
        yield data[:length]
        data = data[length:]


def test_wrong_checksum(run, client):
    """Its last bit is the other one; the stream goes on."""

    async def main():
        async with faulty("bad-crc@2") as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            await stream.end()
            first, second, third = [wire async for wire in answered(stream)]
            with pytest.raises(MessageChecksumMismatch):
                decode(second)
            for wire in (first, second[:-1] + bytes([second[-1] ^ 1]), third):
                assert decode(wire).event_type == "TranscriptEvent"
            assert decode(first).payload == b'{"Transcript":{"Results":[]}}'

    run(main)


def test_event_that_is_cut(run, client, caplog):
    """In the middle, and that is the end of the stream."""
    caplog.set_level("INFO", "eventstream.transcribe.emulator")

    async def main():
        async with faulty("truncate@2") as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            first, second = [wire async for wire in answered(stream)]
            assert decode(first).event_type == "TranscriptEvent"
            assert len(second) == int.from_bytes(second[:4], "big") // 2
            with pytest.raises(TruncatedMessage):
                decode(second)
            assert emulator.statistics.failed == 1
            return stream

    assert logged(run(main), caplog) == ["3200 bytes of audio; truncate, as requested"]


def test_reset(run, client):
    async def main():
        async with faulty("reset@2") as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            with pytest.raises(StreamError) as raised:
                await stream.receive_all()
            assert raised.value.code == ErrorCodes.INTERNAL_ERROR
            assert stream.events == [EMPTY]

    run(main)


@pytest.mark.parametrize("name", ["ServiceUnavailableException", "TeapotException"])
def test_exception_that_is_asked_for(run, client, name):
    async def main():
        async with faulty(f"exception:{name}@2") as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            assert (await stream.receive_error()).code == name
            assert stream.events == [EMPTY]

    run(main)


def test_slow_event(run, client, monkeypatch):
    slept = []
    sleep = asyncio.sleep

    def sleep_at_once(seconds):
        slept.append(seconds)
        return sleep(0)

    monkeypatch.setattr("asyncio.sleep", sleep_at_once)

    async def main():
        async with faulty("slow:0@1", "slow:1234@2", "slow@3") as emulator, client(emulator) as peer:
            await sound(await peer.open())

    run(main)
    assert {1234, 3} <= {*slept}


def test_faults_before_the_response(run, client):
    async def main():
        faults = ["exception:ServiceUnavailableException@0*1", "exception:TeapotException@0*1", "reset@0*1"]
        async with faulty(*faults) as emulator, client(emulator) as peer:
            error = await peer.refused()
            assert type(error) is ServiceUnavailableException
            assert error.status_code == 503
            error = await peer.refused()
            assert (error.code, error.status_code) == ("TeapotException", 500)
            with pytest.raises(StreamError, match="INTERNAL_ERROR"):
                await peer.refused()
            await sound(await peer.open())

    run(main)


def test_fault_of_the_first_stream_only(run, client):
    async def main():
        async with faulty("exception:InternalFailureException@3*1") as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK, CHUNK)
            assert type(await stream.receive_error()) is InternalFailureException
            await sound(await peer.open())

    run(main)
