"""``eventstream extract``: payloads, texts, transcripts, audio."""

from __future__ import annotations

import base64
import io
import json
import wave

import frames
import pytest

from eventstream import encode


def event(event_type, payload):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode({":message-type": "event", ":event-type": event_type}, data)


def chunk(value):
    return event("chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abc"})


# Payloads and texts


def test_payloads_of_the_innermost_messages(run, request_wire, tmp_path):
    assert run("extract", "--as", "payloads", "-", "-o", tmp_path / "out", stdin=request_wire).status == 0
    assert (tmp_path / "out").read_bytes() == b"".join(
        request_wire[start + 79 + 100 : start + 79 + 3300] for start in range(0, 27096, 3387)
    )


CONVERSE = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"delta": {"text": "Hello"}, "contentBlockIndex": 0}),
    event("contentBlockDelta", {"delta": {"toolUse": {"input": "x"}}}),
    event("contentBlockDelta", {"delta": {"text": ", wörld"}}),
    event("messageStop", {"stopReason": "end_turn"}),
]
ANTHROPIC = [
    chunk({"type": "message_start", "message": {}}),
    chunk({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}}),
    chunk({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}}),
    chunk({"type": "content_block_delta", "delta": {"type": "text_delta", "text": ", wörld"}}),
]
NOVA = [
    chunk({"messageStart": {"role": "assistant"}}),
    chunk({"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}}),
    chunk({"contentBlockDelta": {"delta": {"text": ", wörld"}}}),
]
OLD = [chunk({"completion": "Hello"}), chunk({"completion": ", wörld"})]
TITAN = [chunk({"outputText": "Hello", "index": 0}), chunk({"outputText": ", wörld", "completionReason": "FINISH"})]
LLAMA = [chunk({"generation": "Hello"}), chunk({"generation": ", wörld", "stop_reason": "stop"})]
MISTRAL = [chunk({"outputs": [{"text": "Hello"}]}), chunk({"outputs": [{"text": ", wörld", "stop_reason": "stop"}]})]
MISTRAL_CHAT = [chunk({"choices": [{"message": {"content": text}}]}) for text in ("Hello", ", wörld")]
OPENAI = [
    chunk({"choices": [{"delta": {"role": "assistant"}}]}),
    chunk({"choices": [{"delta": {"content": "Hello"}}]}),
    chunk({"choices": [{"delta": {"content": ", wörld"}}]}),
    chunk({"choices": [], "usage": {}}),
]
DEEPSEEK = [chunk({"choices": [{"text": "Hello"}]}), chunk({"choices": [{"text": ", wörld"}]})]
COHERE = [
    chunk({"event_type": "text-generation", "text": "Hello"}),
    chunk({"event_type": "text-generation", "text": ", wörld"}),
    chunk({"event_type": "stream-end", "response": {"text": "Hello, wörld"}}),
]
COMMAND = [chunk({"generations": [{"text": "Hello"}]}), chunk({"generations": [{"text": ", wörld"}]})]
AGENT = [event("chunk", {"bytes": base64.b64encode(text.encode()).decode()}) for text in ("Hello", ", wörld")]
KNOWLEDGE = [event("output", {"text": "Hello"}), event("citation", {}), event("output", {"text": ", wörld"})]
ROWS = [event("Records", "Hello, w\u00f6".encode()[:-1]), event("Records", b"\xb6rld"), event("Stats", b"<xml/>")]
ANSWERS = {
    "converse": CONVERSE,
    "anthropic": ANTHROPIC,
    "nova": NOVA,
    "old": OLD,
    "titan": TITAN,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "mistral-chat": MISTRAL_CHAT,
    "openai": OPENAI,
    "deepseek": DEEPSEEK,
    "cohere": COHERE,
    "command": COMMAND,
    "agent": AGENT,
    "knowledge": KNOWLEDGE,
    "rows": ROWS,
}


@pytest.mark.parametrize("stream", ANSWERS.values(), ids=ANSWERS)
def test_text_of_an_answer(run, stream):
    done = run("extract", "-", stdin=b"".join(stream))
    assert done == (0, "Hello, wörld\n", "")


def test_text_that_ends_a_line_gets_no_other(run):
    assert run("extract", "-", stdin=event("Records", b"a,b\r\n")).out == "a,b\n"


def test_text_controls_nothing(run):
    done = run("extract", "-", stdin=event("contentBlockDelta", {"delta": {"text": "a\x1b[2J\u202e\n\tb\xa0c"}}))
    assert done.out == "a\ufffd[2J\ufffd\n\tb\xa0c\n"


@pytest.mark.parametrize(
    "wire",
    [
        event("chunk", {"bytes": "?"}),
        event("chunk", {"bytes": 1}),
        event("chunk", {"bytes": base64.b64encode(b"\xff\xfe").decode()}),
        chunk({"choices": {"0": {"text": "no list"}}}),
        event("chunk", []),
        event("contentBlockDelta", b"["),
        event("other", "text"),
        event("contentBlockDelta", [1]),
        event("contentBlockDelta", {"delta": {"text": 1}}),
        event("contentBlockDelta", b"[" * 100_000),
        chunk([1]),
        frames.EMPTY_FRAME,
        b"",
    ],
)
def test_text_of_nothing_is_nothing(run, wire):
    done = run("extract", "-", stdin=wire)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("-: contains no text")


def test_exception_is_said(run):
    wire = CONVERSE[1] + encode({":message-type": "exception", ":exception-type": "Gone"}, b'{"message":"so\x1b"}')
    done = run("extract", "-", stdin=wire)
    assert (done.status, done.out) == (1, "Hello\n")
    assert done.err == '-: it ends with Gone: {"message":"so\\x1b"}\n'


def test_damaged_stream_gives_what_is_left(run):
    data = bytearray(b"".join(CONVERSE))
    data[len(CONVERSE[0]) + 20] ^= 1
    done = run("extract", "-", stdin=bytes(data))
    assert (done.status, done.out) == (1, ", wörld\n")
    assert "bytes lost at byte" in done.err


# Transcripts


def results(*items):
    found = [
        {"StartTime": begin, "EndTime": end, "IsPartial": partial, "Alternatives": [{"Transcript": text}]}
        for begin, end, partial, text in items
    ]
    return event("TranscriptEvent", {"Transcript": {"Results": found}})


TALK = (
    results((0.0, 1.0, True, "Hel"))
    + results((0.2, 1.25, False, "Hello <there>."))
    + results()
    + results((3599.9996, 3725.5, False, "So\nlong & fare\x1bwell."), (1, 2, False, "  "))
)


def test_transcript_as_text(run):
    assert run("extract", "--as", "transcript", "-", stdin=TALK).out == "Hello <there>.\nSo long & fare\ufffdwell.\n"


def test_transcript_is_text_by_default(run):
    assert run("extract", "-", stdin=TALK) == run("extract", "--as", "transcript", "-", stdin=TALK)


AUDIO = encode({":message-type": "event", ":event-type": "AudioEvent"}, bytes(4))
PARTIAL = results((0.0, 1.0, True, "Hel"))


@pytest.mark.parametrize(
    ("kind", "wire", "expected"),
    [
        ("payloads", event("messageStop", b""), "no payload"),
        ("text", AUDIO, "no text; --as wav extracts its audio"),
        ("text", PARTIAL, "no finished transcript; --as payloads extracts its payloads"),
        ("text", event("metadata", {}), "no text; --as payloads extracts its payloads"),
        ("transcript", AUDIO, "no finished transcript; --as wav extracts its audio"),
        ("transcript", PARTIAL, "no finished transcript; --as payloads extracts its payloads"),
        ("srt", AUDIO, "no finished transcript; --as wav extracts its audio"),
        ("vtt", AUDIO, "no finished transcript; --as wav extracts its audio"),
        ("wav", TALK, "no audio; --as transcript extracts its finished transcript"),
        ("wav", CONVERSE[1], "no audio; --as text extracts its text"),
        ("wav", b"", "no audio, nor any other payload"),
    ],
)
def test_nothing_to_extract_writes_no_file(run, tmp_path, kind, wire, expected):
    out = tmp_path / "out"
    arguments = ("extract", "--as", kind, "--rate", 8000, "-", "-o")
    refused = (1, "", f"-: contains {expected}\n")
    assert run(*arguments, out, stdin=wire) == refused
    assert not out.exists()
    out.write_bytes(b"precious")
    assert run(*arguments, out, stdin=wire) == refused
    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]
    assert run(*arguments, "-", stdin=wire) == refused


@pytest.mark.parametrize("kind", ["payloads", "text"])
def test_head_of_webvtt_is_a_payload_and_a_text(run, kind):
    wire = encode({":event-type": "x", ":content-type": "text/vtt"}, b"WEBVTT\n\n")
    assert run("extract", "--as", kind, "-", stdin=wire) == (0, "WEBVTT\n\n", "")


def test_transcript_as_srt(run):
    assert run("extract", "--as", "srt", "-", stdin=TALK).out == (
        "1\n00:00:00,200 --> 00:00:01,250\nHello <there>.\n\n"
        "2\n01:00:00,000 --> 01:02:05,500\nSo long & fare\ufffdwell.\n\n"
    )


def test_transcript_as_webvtt(run):
    assert run("extract", "--as", "vtt", "-", stdin=TALK).out == (
        "WEBVTT\n\n00:00:00.200 --> 00:00:01.250\nHello &lt;there&gt;.\n\n"
        "01:00:00.000 --> 01:02:05.500\nSo long &amp; fare\ufffdwell.\n\n"
    )


def test_transcript_of_a_call(run):
    utterance = {"Transcript": "Good day.", "BeginOffsetMillis": 1500, "EndOffsetMillis": 2750, "IsPartial": False}
    wire = event("UtteranceEvent", utterance) + event("UtteranceEvent", {**utterance, "IsPartial": True})
    assert "00:00:01,500 --> 00:00:02,750\nGood day.\n" in run("extract", "--as", "srt", "-", stdin=wire).out


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        [],
        {"Transcript": 1},
        {"Transcript": {"Results": 1}},
        {"Transcript": {"Results": [1, {"Alternatives": []}, {"Alternatives": [1]}, {"Alternatives": 1}]}},
    ],
)
def test_transcript_of_what_is_none(run, payload):
    assert run("extract", "--as", "transcript", "-", stdin=event("TranscriptEvent", payload)).out == ""


def test_times_that_are_none(run):
    alternatives = [{"Transcript": "x"}]
    odd = {"StartTime": "soon", "EndTime": 1e300, "Alternatives": alternatives}
    wire = event("TranscriptEvent", {"Transcript": {"Results": [odd, {"StartTime": 5, "Alternatives": alternatives}]}})
    done = run("extract", "--as", "srt", "-", stdin=wire)
    assert "00:00:00,000 --> 00:00:00,000\nx" in done.out
    assert "00:00:05,000 --> 00:00:05,000\nx" in done.out


def test_recorded_transcript(run, response_wire):
    assert run("extract", "--as", "transcript", "-", stdin=response_wire).out.startswith("Hello there.\n")


# Audio


def test_audio_as_wav(run, request_wire, tmp_path):
    done = run("extract", "--as", "wav", "--rate", 16000, "-", "-o", tmp_path / "x.wav", stdin=request_wire)
    assert done.status == 0
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 12800)


def cassette(wire, headers):
    body = {"base64_string": base64.b64encode(wire).decode()}
    return json.dumps({"interactions": [{"request": {"headers": headers, "body": body}}]}).encode()


def test_audio_by_recorded_headers(run, request_wire, tmp_path):
    headers = {"X-Amzn-Transcribe-Sample-Rate": "8000", "X-Amzn-Transcribe-Number-Of-Channels": "2"}
    done = run("extract", "--as", "wav", "-", "-o", tmp_path / "x", stdin=cassette(request_wire, headers))
    assert done.status == 0
    with wave.open(io.BytesIO((tmp_path / "x").read_bytes())) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
    flac = {**headers, "x-amzn-transcribe-media-encoding": "flac"}
    done = run("extract", "--as", "wav", "-", "-o", tmp_path / "y", stdin=cassette(request_wire, flac))
    assert done.status == 2
    assert "the audio is flac, not PCM" in done.err


@pytest.mark.parametrize("number", ["0", "-1", "x", "\u0661", "33", "65536", "999999", "9" * 5_000])
def test_audio_of_a_number_of_channels_that_no_header_can_have(run, request_wire, tmp_path, number):
    headers = {"X-Amzn-Transcribe-Sample-Rate": "384000", "X-Amzn-Transcribe-Number-Of-Channels": number}
    done = run("extract", "--as", "wav", "-", "-o", tmp_path / "x", stdin=cassette(request_wire, headers))
    assert done.status == 0
    with wave.open(io.BytesIO((tmp_path / "x").read_bytes())) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 384_000)


@pytest.mark.parametrize("rate", ["0", "384001", "999999"])
def test_audio_of_a_rate_that_no_header_can_have(run, request_wire, tmp_path, rate):
    headers = {"X-Amzn-Transcribe-Sample-Rate": rate}
    done = run("extract", "--as", "wav", "-", "-o", tmp_path / "x", stdin=cassette(request_wire, headers))
    assert (done.status, "give --rate" in done.err) == (2, True)


def test_audio_needs_a_rate(run, request_wire, tmp_path):
    done = run("extract", "--as", "wav", "-", "-o", tmp_path / "x", stdin=request_wire)
    assert (done.status, "give --rate" in done.err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_output_is_never_the_input(run, tmp_path):
    (tmp_path / "x").write_bytes(TALK)
    for kind in ("text", "payloads"):
        assert run("extract", "--as", kind, tmp_path / "x", "-o", tmp_path / "x").status == 2
    assert run("extract", tmp_path / "x", "-o", tmp_path / "no" / "x").status == 2


def test_audio_is_not_read_for_a_file_that_cannot_be_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr("eventstream.cli._recording.Recording.parts", lambda *_: pytest.fail("it is read"))
    audio = event("AudioEvent", bytes(100))
    done = run("extract", "--as", "wav", "--rate", "8000", "-", "-o", tmp_path / "no" / "x", stdin=audio)
    assert done == (2, "", f"{tmp_path}/no/x: No such file or directory\n")


def test_audio_that_no_wav_file_holds(run, monkeypatch, tmp_path):
    monkeypatch.setattr("eventstream.cli.extract._MAX_WAV", 99)
    audio = event("AudioEvent", bytes(100))
    done = run("extract", "--as", "wav", "--rate", "8000", "-", "-o", tmp_path / "out.wav", stdin=audio)
    assert (done.status, "over 4 GiB" in done.err) == (2, True)
    assert not (tmp_path / "out.wav").exists()


def test_messages_are_unpacked_to_a_depth(run, tmp_path):
    message = encode({}, b"payload")
    for _ in range(20):
        message = encode({}, message)
    assert run("extract", "--as", "payloads", "-", "-o", tmp_path / "out", stdin=message).status == 0
    left = (tmp_path / "out").read_bytes()
    assert b"payload" in left
    assert left != b"payload"
