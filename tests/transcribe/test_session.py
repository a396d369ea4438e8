"""Transcriptions without a socket: two sessions talk to each other, recordings are replayed, bad input ends them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cases import each, stays

from eventstream import (
    DateSkew,
    DecodeLimitExceeded,
    Message,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    SignatureMismatch,
    StateError,
    TruncatedMessage,
    UnexpectedMessage,
    VerificationError,
    decode,
    encode,
    iter_messages,
)
from eventstream.exceptions import IncompleteStream
from eventstream.signing import Credentials, EventSigner, sign_request
from eventstream.transcribe import (
    Alternative,
    AudioEvent,
    BadRequestException,
    ConfigurationEvent,
    InternalFailureException,
    InvalidAudio,
    InvalidEvent,
    InvalidRequest,
    Item,
    LimitExceededException,
    Result,
    StartStreamTranscriptionRequest,
    TranscribeError,
    Transcript,
    TranscriptEvent,
)
from eventstream.transcribe import session as session_module
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.session import ClientSession, ServerSession

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REGION = "us-east-1"
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

CAPTURES = Path(__file__).parents[1] / "captures"
INDEX = {capture["name"]: capture for capture in json.loads((CAPTURES / "index.json").read_text())}

PCM = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
CHUNKS = [bytes([number]) * 3200 for number in range(4)]
AUDIO = [AudioEvent(chunk) for chunk in CHUNKS]

TRANSCRIPT = TranscriptEvent(
    Transcript(
        results=[
            Result(
                result_id="r1",
                start_time=0.0,
                end_time=0.5,
                is_partial=True,
                alternatives=[Alternative(transcript="hello", items=[Item(content="hello", type="pronunciation")])],
            )
        ]
    )
)


def noon():
    return NOON


def opened(accounts=CREDENTIALS, *, credentials=CREDENTIALS, region=REGION, clock=noon, **parameters):
    """Return a client's and a server's session between which the request has passed."""
    request = StartStreamTranscriptionRequest(**{**PCM, **parameters})
    headers, seed = sign_request(
        *(credentials, region, "transcribe", "POST", "/stream-transcription"),
        [(":authority", f"transcribestreaming.{region}.amazonaws.com"), *request.to_headers()],
        clock=clock,
    )
    client = ClientSession(request, EventSigner(credentials, region, "transcribe", seed, clock=clock))
    server = ServerSession(accounts, region=REGION, clock=noon)
    assert server.receive_request("POST", "/stream-transcription", headers) == request
    return client, server


def frames(**parameters):
    """Return what a client sends: four chunks and the end."""
    client, _ = opened(**parameters)
    return [client.send_audio(chunk) for chunk in CHUNKS] + [client.end_audio()]


def wrapped(*messages):
    """Messages signed as a client would sign them."""
    request = StartStreamTranscriptionRequest(**PCM)
    _, seed = sign_request(
        *(CREDENTIALS, REGION, "transcribe", "POST", "/stream-transcription"),
        [(":authority", f"transcribestreaming.{REGION}.amazonaws.com"), *request.to_headers()],
        clock=noon,
    )
    signer = EventSigner(CREDENTIALS, REGION, "transcribe", seed, clock=noon)
    return [signer.sign(message if isinstance(message, bytes) else message.encode()) for message in messages]


def audio(chunk):
    return Message({":message-type": "event", ":event-type": "AudioEvent"}, chunk)


def feed(session, wire, size, received):
    for start in range(0, len(wire), size):
        received.extend(session.receive(wire[start : start + size]))


def ends_with(make, wire, error, before):
    """However the bytes are split, what comes before the fault is delivered; then the error is raised, and stays."""
    for size in (len(wire), 1, 97):
        session, received = make(), []
        with pytest.raises(error) as raised:
            feed(session, wire, size, received)
        assert received == before
        stays(raised.value, lambda session=session: session.receive(b""), session.receive_eof)
        if isinstance(session, ClientSession):
            stays(raised.value, session.end_audio, lambda session=session: session.send_audio(CHUNKS[0]))
        else:
            assert decode(session.send_exception(BadRequestException("that was bad"))).message_type == "exception"
    return raised.value


def a_client():
    return opened()[0]


def a_server():
    return opened()[1]


def test_exports():
    assert session_module.__all__ == ["METHOD", "PATH", "SERVICE", "AudioSession", "ClientSession", "ServerSession"]


# Two sessions


@each("accounts", [CREDENTIALS, {"AKIDEXAMPLE": CREDENTIALS}, None], ids=["one", "mapping", "none"])
@each("size", [1, 100, 100_000])
def test_transcription_from_the_request_to_both_ends(accounts, size):
    client, server = opened(accounts)
    heard, results = [], []
    for chunk in CHUNKS:
        feed(server, client.send_audio(chunk), size, heard)
        feed(client, server.send_transcript(TRANSCRIPT), size, results)
    assert not server.audio_ended
    feed(server, client.end_audio(), size, heard)
    assert server.audio_ended
    server.receive_eof()
    feed(client, server.send_transcript(TRANSCRIPT), size, results)
    client.receive_eof()
    assert heard == AUDIO
    assert results == [TRANSCRIPT] * 5
    assert results[0].transcript.results[0].alternatives[0].items[0].content == "hello"


def test_transcription_without_signatures():
    request = StartStreamTranscriptionRequest(**PCM)
    client, server = ClientSession(request), ServerSession()
    assert server.receive_request("POST", "/stream-transcription", client.request_headers) == request
    wire = client.send_audio(CHUNKS[0])
    assert decode(wire).event_type == "AudioEvent"
    assert list(server.receive(wire)) == AUDIO[:1]
    end = client.end_audio()
    assert decode(end).event_type == "AudioEvent"
    assert decode(end).payload == b""
    assert list(server.receive(end)) == []
    assert server.audio_ended
    server.receive_eof()


def test_exception_ends_the_transcription():
    server = a_server()
    wire = server.send_transcript(TRANSCRIPT) + server.send_exception(LimitExceededException("too many streams"))
    error = ends_with(a_client, wire, LimitExceededException, [TRANSCRIPT])
    assert (error.message, error.status_code, error.retryable) == ("too many streams", 429, True)
    for call in (lambda: server.send_transcript(TRANSCRIPT), lambda: server.send_exception(error)):
        with pytest.raises(StateError):
            call()


def test_exception_without_a_type_and_an_error_message():
    told = Message({":message-type": "exception", ":event-type": "InternalFailureException"}, b'{"message":"again"}')
    assert ends_with(a_client, told.encode(), InternalFailureException, []).message == "again"
    told = Message({":message-type": "error", ":error-code": "NewOne", ":error-message": "unheard of"})
    error = ends_with(a_client, told.encode(), TranscribeError, [])
    assert (error.code, error.message) == ("NewOne", "unheard of")


def test_unknown_events_are_messages_by_a_switch():
    unknown = Message({":message-type": "event", ":event-type": "WeatherEvent"}, b"sunny")
    assert list(a_client().receive(unknown.encode())) == []
    request = StartStreamTranscriptionRequest(**PCM)
    assert list(ClientSession(request, unknown_events=True).receive(unknown.encode())) == [unknown]
    assert list(a_server().receive(b"".join(wrapped(unknown)))) == [unknown]


def test_configuration_event_reaches_the_server():
    sent = Message({":message-type": "event", ":event-type": "ConfigurationEvent"}, b"{}")
    assert list(a_server().receive(b"".join(wrapped(sent)))) == [ConfigurationEvent()]


def test_request_headers_are_those_of_the_request():
    client = a_client()
    assert client.request_headers == client.request.to_headers()
    assert ("x-amzn-transcribe-sample-rate", "16000") in client.request_headers


# Recordings


def captured(name):
    headers = [tuple(pair) for pair in INDEX[name]["request_headers"]]
    when = datetime.strptime(INDEX[name]["captured"], "%Y-%m-%dT%H:%M:%S%z")
    return dict(headers), headers, lambda: when


@each("name", INDEX)
@each("size", [1000, 1_000_000])
def test_recorded_client_talks_to_the_server(name, size):
    fields, headers, clock = captured(name)
    server = ServerSession({"AKIDEXAMPLE": CREDENTIALS}, clock=clock)
    request = server.receive_request(fields[":method"], fields[":path"], headers)
    assert (request.language_code, request.media_sample_rate_hertz, request.media_encoding) == ("en-US", 16000, "pcm")
    heard = []
    feed(server, (CAPTURES / f"{name}.request.bin").read_bytes(), size, heard)
    assert len(heard) == INDEX[name]["messages"] - 1
    assert {type(event) for event in heard} == {AudioEvent}
    assert server.audio_ended
    server.receive_eof()


@each("name", INDEX)
@each("size", [1, 1_000_000])
def test_recorded_response_reaches_the_client(name, size):
    wire = (CAPTURES / f"{name}.response.bin").read_bytes()
    client, received = a_client(), []
    if "limit-exceeded" in name:
        with pytest.raises(LimitExceededException, match="Too many streams"):
            feed(client, wire, size, received)
        assert received == []
        return
    client.end_audio()
    feed(client, wire, size, received)
    client.receive_eof()
    assert len(received) == len(list(iter_messages(wire)))
    assert {type(event) for event in received} == {TranscriptEvent}
    assert not received[-1].transcript.results[0].is_partial


def test_clients_session_writes_what_a_recorded_client_wrote():
    name = "amazon-transcribe-0.6.4-speech"
    wire = (CAPTURES / f"{name}.request.bin").read_bytes()
    outer = list(iter_messages(wire))
    dates = [message.headers[":date"].datetime for message in outer]
    signer = EventSigner(
        *(CREDENTIALS, REGION, "transcribe", INDEX[name]["seed_signature"]), clock=lambda: dates.pop(0)
    )
    client = ClientSession(StartStreamTranscriptionRequest(**PCM), signer)
    chunks = [decode(message.payload).payload for message in outer[:-1]]
    written = b"".join([*map(client.send_audio, chunks), client.end_audio()])
    # Only the order of the inner headers differs, and the signatures with it.
    assert len(written) == len(wire)
    assert [decode(ours.payload) for ours in list(iter_messages(written))[:-1]] == [
        decode(theirs.payload) for theirs in outer[:-1]
    ]


# A client's misuse


@each(
    ("parameters", "length"),
    [
        ({}, 1),
        ({}, 3201),
        ({}, 32_002),
        ({}, 32_770),
        ({"media_sample_rate_hertz": 8000}, 16_002),
        ({"media_sample_rate_hertz": 48000}, 32_770),
        ({"number_of_channels": 2, "enable_channel_identification": True}, 3202),
        ({"media_encoding": "g711-ulaw", "media_sample_rate_hertz": 8000}, 8001),
        ({"media_encoding": "flac"}, 32_769),
        ({}, 0),
    ],
)
def test_chunk_that_the_service_would_refuse_is_not_sent(parameters, length):
    client, server = opened(**parameters)
    with pytest.raises(InvalidAudio) as raised:
        client.send_audio(bytes(length))
    assert length or str(raised.value) == "an empty chunk: call end_audio to end the audio"
    assert list(server.receive(client.send_audio(bytes(3200)))) == [AudioEvent(bytes(3200))]


@each(
    ("parameters", "length"),
    [
        ({}, 2),
        ({}, 32_000),
        ({"media_sample_rate_hertz": 48000}, 32_768),
        ({"number_of_channels": 2, "enable_channel_identification": True}, 3204),
        ({"media_encoding": "g711-ulaw", "media_sample_rate_hertz": 8000}, 8000),
        ({"media_encoding": "flac"}, 32_767),
    ],
)
def test_chunk_at_its_bounds_is_sent(parameters, length):
    client, server = opened(**parameters)
    for chunk in (bytes(length), bytearray(length), memoryview(bytes(length))):
        assert list(server.receive(client.send_audio(chunk))) == [AudioEvent(bytes(length))]


@pytest.mark.parametrize(("chunk", "error"), [("text", TypeError), (memoryview(bytes(64))[::2], BufferError)])
def test_chunk_is_a_buffer(chunk, error):
    with pytest.raises(error):
        a_client().send_audio(chunk)


def test_audio_after_its_end():
    client = a_client()
    client.end_audio()
    for call in (lambda: client.send_audio(CHUNKS[0]), client.end_audio):
        with pytest.raises(StateError, match="after the end"):
            call()


# Bad requests


def refused(error, match=None, *, method="POST", path="/stream-transcription", headers=None, **fault):
    signing = {"credentials": CREDENTIALS, "region": REGION, "service": "transcribe", "clock": noon, **fault}
    signed, _ = sign_request(
        *(signing["credentials"], signing["region"], signing["service"], method, path),
        [
            (":authority", "localhost"),
            *(StartStreamTranscriptionRequest(**PCM).to_headers() if headers is None else headers),
        ],
        clock=signing["clock"],
    )
    server = ServerSession({"AKIDEXAMPLE": CREDENTIALS}, region=REGION, clock=noon)
    with pytest.raises(error, match=match) as raised:
        server.receive_request(method, path, signed)
    return server, raised.value, signed


@each(
    ("error", "fault"),
    [
        (SignatureMismatch, {"credentials": Credentials("AKIDEXAMPLE", "other")}),
        (VerificationError, {"credentials": Credentials("AKIDOTHER", "other")}),
        (VerificationError, {"credentials": Credentials("AKIDEXAMPLE", CREDENTIALS.secret_key, "a token")}),
        (VerificationError, {"region": "eu-west-1"}),
        (VerificationError, {"service": "lex"}),
        (DateSkew, {"clock": lambda: NOON - timedelta(minutes=6)}),
    ],
    ids=["wrong key", "unknown key", "token", "wrong region", "wrong service", "expired"],
)
def test_request_that_does_not_verify_opens_nothing(error, fault):
    server, raised, signed = refused(error, **fault)
    stays(
        raised,
        *(lambda: server.receive_request("POST", "/stream-transcription", signed), lambda: server.receive(b"")),
        *(server.receive_eof, lambda: server.send_transcript(TRANSCRIPT)),
        lambda: server.send_exception(BadRequestException()),
    )


def test_request_with_bad_parameters_opens_nothing():
    for fault, problem, said in (
        ({"method": "GET"}, "method", "'GET' (allowed: POST)"),
        ({"path": "/medical-stream"}, "path", "'/medical-stream' (allowed: /stream-transcription)"),
        ({"path": "/stream-transcriptionX"}, "path", "'/stream-transcriptionX'"),
        ({"headers": []}, "media_encoding", "missing"),
        ({"headers": StartStreamTranscriptionRequest(**PCM).to_headers()[1:]}, "language_code", "missing"),
    ):
        server, raised, _ = refused(InvalidRequest, **fault)
        assert raised.problems[problem].startswith(said)
        for call in (
            *(lambda server=server: server.receive(b""), server.receive_eof),
            lambda server=server: server.send_transcript(TRANSCRIPT),
            lambda server=server: server.send_exception(BadRequestException()),
        ):
            with pytest.raises(
                StateError, match="its parameters are invalid$" if "headers" in fault else "receive_request$"
            ):
                call()


def test_refusal_is_repeated_for_another_method_or_path():
    server, raised, signed = refused(VerificationError, service="lex")
    stays(
        raised,
        lambda: server.receive_request("GET", "/stream-transcription", signed),
        lambda: server.receive_request("POST", "/medical-stream", signed),
    )


@pytest.mark.parametrize("path", ["/stream-transcription", "/stream-transcription?", "/stream-transcription/?x=1"])
def test_server_is_lenient_about_query_and_host(path):
    request = StartStreamTranscriptionRequest(**PCM)
    for host in ([(":authority", "localhost")], [("Host", "127.0.0.1:8443"), ("Content-Type", "any/thing")]):
        headers, _ = sign_request(
            CREDENTIALS, REGION, "transcribe", "POST", path, [*host, *request.to_headers()], clock=noon
        )
        assert ServerSession(CREDENTIALS, clock=noon).receive_request("POST", path, headers) == request


def test_window_is_configurable():
    request = StartStreamTranscriptionRequest(**PCM)
    headers, _ = sign_request(
        *(CREDENTIALS, REGION, "transcribe", "POST", "/stream-transcription"),
        [(":authority", "localhost"), *request.to_headers()],
        clock=lambda: NOON - timedelta(minutes=6),
    )
    for window in (timedelta(minutes=6), None):
        server = ServerSession(CREDENTIALS, clock=noon, max_clock_skew=window)
        assert server.receive_request("POST", "/stream-transcription", headers) == request


def test_request_comes_first_and_once():
    for server in (ServerSession(CREDENTIALS), ServerSession()):
        for call in (lambda server=server: server.receive(b""), server.receive_eof):
            with pytest.raises(StateError, match="receive_request"):
                call()
    for method, path in (("POST", "/stream-transcription"), ("GET", "/")):
        with pytest.raises(StateError, match="a request was already received"):
            a_server().receive_request(method, path, [])


# Bad input to the server


BAD_ORDERS = {
    "wrong order": ([1, 0], SignatureMismatch, 0),
    "replayed event": ([0, 0], SignatureMismatch, 1),
    "dropped event": ([0, 1, 3], SignatureMismatch, 2),
    "end moved forward": ([0, 4], SignatureMismatch, 1),
    "audio after the end": ([0, 1, 2, 3, 4, 0], UnexpectedMessage, 5),
}


@pytest.mark.parametrize("fault", BAD_ORDERS)
def test_events_that_do_not_follow_each_other_end_the_audio(fault):
    order, error, index = BAD_ORDERS[fault]
    sent = frames()
    wire = b"".join(sent[number] for number in order)
    assert ends_with(a_server, wire, error, AUDIO[:index]).index == index


def test_event_with_another_key_region_or_seed_ends_the_audio():
    (first,) = wrapped(audio(CHUNKS[0]))
    seed = decode(first).headers[":chunk-signature"]
    for credentials, region, prior in (
        (Credentials("AKIDEXAMPLE", "other"), REGION, seed),
        (CREDENTIALS, "eu-west-1", seed),
        (CREDENTIALS, REGION, bytes(32)),
    ):
        signer = EventSigner(credentials, region, "transcribe", prior, clock=noon)
        error = ends_with(a_server, first + signer.sign(audio(CHUNKS[1]).encode()), SignatureMismatch, AUDIO[:1])
        assert error.index == 1


def test_changed_event_ends_the_audio():
    sent = frames()
    outer = decode(sent[1])
    changed = encode(outer.headers, outer.payload[:-1] + b"!")
    assert ends_with(a_server, sent[0] + changed + sent[2], SignatureMismatch, AUDIO[:1]).index == 1


def test_expired_date_ends_the_audio():
    (first,) = wrapped(audio(CHUNKS[0]))
    signer = EventSigner(
        *(CREDENTIALS, REGION, "transcribe", decode(first).headers[":chunk-signature"]),
        clock=lambda: NOON - timedelta(minutes=5, seconds=1),
    )
    assert ends_with(a_server, first + signer.sign(audio(CHUNKS[1]).encode()), DateSkew, AUDIO[:1]).index == 1


def test_garbage_ends_the_audio():
    first = frames()[0]
    error = ends_with(a_server, first + b"GET / HTTP/1.1\r\n\r\n", PreludeChecksumMismatch, AUDIO[:1])
    assert error.offset == len(first)


def test_garbage_inside_a_signed_event_ends_the_audio():
    sent = wrapped(audio(CHUNKS[0]), audio(CHUNKS[1]).encode()[:-1] + b"?")
    ends_with(a_server, b"".join(sent), MessageChecksumMismatch, AUDIO[:1])


def test_message_over_the_limits_ends_the_audio_unbuffered():
    first = frames()[0]
    declared = encode({":event-type": "AudioEvent"}, bytes(65_537))[:12]
    error = ends_with(a_server, first + declared, DecodeLimitExceeded, AUDIO[:1])
    assert (error.part, error.length, error.limit) == ("payload", 65_537, 65_536)


@pytest.mark.parametrize("length", [1, 3201, 32_002, 40_000])
def test_audio_that_the_service_does_not_take_ends_the_audio(length):
    sent = wrapped(audio(CHUNKS[0]), audio(bytes(length)))
    error = ends_with(a_server, b"".join(sent), BadRequestException, AUDIO[:1])
    with pytest.raises(InvalidAudio) as raised:
        AudioFormat.of(StartStreamTranscriptionRequest(**PCM)).check_chunk(bytes(length))
    assert error.message == str(raised.value)
    assert decode(a_server().send_exception(error)).exception_type == "BadRequestException"


def test_message_without_headers_or_signature_ends_the_audio():
    first = frames()[0]
    for message in (encode({}), encode({}, b"payload"), audio(CHUNKS[1]).encode()):
        assert ends_with(a_server, first + message, UnexpectedMessage, AUDIO[:1]).index == 1


@each(
    "message",
    [
        Message(),
        Message({}, b"payload"),
        Message({":message-type": "event"}),
        Message({":message-type": "surprise", ":event-type": "AudioEvent"}),
        Message({":message-type": "event", ":event-type": "ConfigurationEvent"}, b'{"ChannelDefinitions": 5}'),
        Message({":message-type": "event", ":event-type": "ConfigurationEvent"}, b"no JSON"),
        Message({":message-type": "event", ":event-type": "TranscriptEvent"}, b"{}"),
        Message({":message-type": "exception", ":exception-type": "BadRequestException"}, b"{}"),
        Message({":message-type": "exception", ":event-type": "BadRequestException"}, b"{}"),
        Message({":message-type": "error", ":error-code": "500"}),
    ],
    ids=lambda message: ", ".join(map(str, message.headers.values())) or "header-less",
)
def test_signed_message_of_another_kind_ends_the_audio(message):
    sent = wrapped(audio(CHUNKS[0]), message)
    error = ends_with(a_server, b"".join(sent), InvalidEvent, AUDIO[:1])
    assert error.event_type == message.event_type
    if message.message_type in ("exception", "error"):
        assert str(error).endswith(" a client sends only events")
    elif message.event_type == "TranscriptEvent":
        assert str(error).endswith(" only the server sends it")


@pytest.mark.parametrize("count", range(5))
def test_audio_that_ends_before_its_end_frame_was_cut(count):
    server, sent = a_server(), frames()
    assert list(server.receive(b"".join(sent[:count]))) == AUDIO[:count]
    with pytest.raises(IncompleteStream) as raised:
        server.receive_eof()
    assert not server.audio_ended
    stays(raised.value, server.receive_eof, lambda: server.receive(sent[count]))


def test_audio_that_ends_in_mid_message_was_cut():
    server, sent = a_server(), frames()
    assert list(server.receive(b"".join(sent)[:-1])) == AUDIO
    with pytest.raises(TruncatedMessage) as raised:
        server.receive_eof()
    assert raised.value.offset == sum(map(len, sent[:-1]))


def test_unsigned_audio_that_ends_before_its_end_was_cut():
    request = StartStreamTranscriptionRequest(**PCM)
    client, server = ClientSession(request), ServerSession()
    server.receive_request("POST", "/stream-transcription", client.request_headers)
    assert list(server.receive(client.send_audio(CHUNKS[0]))) == AUDIO[:1]
    with pytest.raises(IncompleteStream):
        server.receive_eof()


def test_transcripts_are_all_that_is_sent_as_transcripts():
    with pytest.raises(TypeError, match=r"^an event must be one of TranscriptEvent, not AudioEvent$"):
        a_server().send_transcript(AUDIO[0])


# Bad input to the client


def transcripts(count):
    _, server = opened()
    return [server.send_transcript(TRANSCRIPT) for _ in range(count)]


@each(
    "message",
    [
        Message(),
        Message({}, b"payload"),
        Message({":message-type": "event"}, b"{}"),
        Message({":message-type": "surprise", ":event-type": "TranscriptEvent"}, b"{}"),
        Message({":message-type": "event", ":event-type": "TranscriptEvent"}, b""),
        Message({":message-type": "event", ":event-type": "TranscriptEvent"}, b"no JSON"),
        Message({":message-type": "event", ":event-type": "TranscriptEvent"}, b"[]"),
        Message({":message-type": "event", ":event-type": "TranscriptEvent"}, b'{"Transcript": {"Results": {}}}'),
        Message(
            {":message-type": "event", ":event-type": "TranscriptEvent"},
            b'{"Transcript":{"Results":[{"EndTime":"x"}]}}',
        ),
    ],
    ids=lambda message: (
        f"{', '.join(map(str, message.headers.values())) or 'header-less'} {bytes(message.payload)[:40]!r}"
    ),
)
def test_message_that_is_no_event_ends_the_results(message):
    (first,) = transcripts(1)
    ends_with(a_client, first + message.encode() + first, InvalidEvent, [TRANSCRIPT])


def test_garbage_ends_the_results():
    (first,) = transcripts(1)
    error = ends_with(a_client, first + b"<html>504 Gateway Timeout</html>", PreludeChecksumMismatch, [TRANSCRIPT])
    assert error.offset == len(first)


def test_broken_message_ends_the_results():
    first, second = transcripts(2)
    ends_with(a_client, first + second[:-1] + b"?", MessageChecksumMismatch, [TRANSCRIPT])


def test_message_over_the_limits_ends_the_results_unbuffered():
    (first,) = transcripts(1)
    request = StartStreamTranscriptionRequest(**PCM)
    declared = encode({}, bytes(10_001))[:12]
    error = ends_with(
        *(
            lambda: ClientSession(request, max_payload_length=10_000),
            first + declared,
            DecodeLimitExceeded,
            [TRANSCRIPT],
        )
    )
    assert error.limit == 10_000


@pytest.mark.parametrize("cut", [1, 12, -1])
def test_results_that_end_in_mid_message_were_cut(cut):
    client = a_client()
    first, second = transcripts(2)
    assert list(client.receive(first + second[:cut])) == [TRANSCRIPT]
    with pytest.raises(TruncatedMessage) as raised:
        client.receive_eof()
    assert raised.value.offset == len(first)
    stays(raised.value, client.receive_eof, client.end_audio, lambda: client.receive(b""))


@pytest.mark.parametrize("sent", [0, 1])
def test_incomplete_stream_if_the_audio_was_not_ended(sent):
    client = a_client()
    wire = b"".join(transcripts(sent))
    assert len(list(client.receive(wire))) == sent
    with pytest.raises(IncompleteStream) as raised:
        client.receive_eof()
    assert (raised.value.offset, raised.value.last) == (len(wire), "TranscriptEvent" if sent else None)
    stays(raised.value, client.receive_eof, client.end_audio, lambda: client.send_audio(CHUNKS[0]))


@pytest.mark.parametrize("sent", [0, 1])
def test_between_messages_the_service_may_end_after_the_audio(sent):
    client = a_client()
    client.end_audio()
    assert len(list(client.receive(b"".join(transcripts(sent))))) == sent
    client.receive_eof()
    assert client.ended
    with pytest.raises(StateError):
        client.receive(b"")


def test_end_waits_for_the_events_before_it():
    client = a_client()
    client.end_audio()
    events = client.receive(b"".join(transcripts(2)))
    with pytest.raises(StateError, match="iterate"):
        client.receive_eof()
    assert list(events) == [TRANSCRIPT] * 2
    client.receive_eof()
