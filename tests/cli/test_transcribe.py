"""``eventstream transcribe``: a file or a microphone against the emulator."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import types
import wave

import pytest
from programs import AWAY

from eventstream import IncompleteStream

pytest.importorskip("h2")
pytest.importorskip("msgspec")
pytest.importorskip("botocore")

from eventstream.cli import main
from eventstream.client import StreamError
from eventstream.transcribe import Alternative, Result, Transcript, TranscriptEvent


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """Yield an emulator that hears the same in any audio."""
    script = tmp_path_factory.mktemp("emulator") / "script"
    script.write_text("Hello there. How are you?")
    command = [sys.executable, "-m", "eventstream", "emulate", "--quiet", "--script", str(script)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=AWAY)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * 3))
    return path


def test_file_as_text(run, endpoint, talk):
    done = run("transcribe", talk, "--fast", "--endpoint", endpoint)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0] == "Hello there."


@pytest.mark.parametrize(("option", "begin"), [("--srt", "1\n00:00:00,"), ("--vtt", "WEBVTT\n\n00:00:00.")])
def test_subtitles_into_a_file(run, endpoint, talk, tmp_path, option, begin):
    done = run("transcribe", talk, "--fast", "--endpoint", endpoint, option, "-o", tmp_path / "out")
    assert done == (0, "", "")
    text = (tmp_path / "out").read_text()
    assert text.startswith(begin)
    assert " --> 00:00:0" in text
    assert "\nHello there.\n\n" in text


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ((), "Hello there.\n"),
        (("--srt",), "1\n00:00:00,000 --> 00:00:00,500\nHello there.\n\n"),
        (("--vtt",), "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nHello there.\n\n"),
        (("--json",), '{"begin": 0.0, "end": 0.5, "partial": false, "text": "Hello there."}\n'),
    ],
    ids=["text", "srt", "vtt", "json"],
)
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StreamError("the stream was reset"), 2, "the stream was reset\n"),
        (IncompleteStream(7), 1, "IncompleteStream: "),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=["network", "service", "Ctrl-C"],
)
@pytest.mark.parametrize("count", [1, 0])
def test_file_keeps_what_came_before_an_error(
    run, talk, monkeypatch, tmp_path, option, kept, error, status, said, count
):
    """If nothing came, no file is written, and an older one stays."""
    result = Result(
        start_time=0.0, end_time=0.5, is_partial=False, alternatives=[Alternative(transcript="Hello there.")]
    )

    def transcribe(*_, **__):
        yield from [TranscriptEvent(Transcript(results=[result]))] * count
        raise error

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    path = tmp_path / "out"
    path.write_text("from before")
    done = run("transcribe", talk, *option, "-o", path)
    assert done.status == status
    told = f"{path}: incomplete: it ends where the transcription broke off\n" if count else ""
    assert done.err.startswith(told + said)
    assert path.read_text() == (kept if count else "from before")
    assert set(tmp_path.iterdir()) == {path, talk}


def test_standard_output_has_what_came_before_an_error(run, talk, monkeypatch):
    def transcribe(*_, **__):
        yield TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(transcript="Hello there.")])]))
        raise StreamError("the stream was reset")

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    assert run("transcribe", talk) == (2, "Hello there.\n", "the stream was reset\n")


def test_issuer_that_is_not_trusted_names_the_option(run, talk, monkeypatch):
    def transcribe(*_, **__):
        raise OSError(1, "unable to get local issuer certificate; to trust its issuer, set ca_bundle or AWS_CA_BUNDLE")

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    done = run("transcribe", talk)
    assert done.err == "unable to get local issuer certificate; to trust its issuer, set --ca-file or AWS_CA_BUNDLE\n"


def test_error_takes_the_place_of_a_partial_result(run, talk, monkeypatch):
    def transcribe(*_, **__):
        result = Result(is_partial=True, alternatives=[Alternative(transcript="Hello")])
        yield TranscriptEvent(Transcript(results=[result]))
        raise StreamError("the stream was reset")

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    monkeypatch.setattr("eventstream.cli.transcribe._width", lambda: 80)
    assert run("transcribe", talk).err == "  Hello\r\x1b[Kthe stream was reset\n"


def test_standard_output_that_is_full(talk, capsys, monkeypatch):
    def transcribe(*_, **__):
        yield TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(transcript="Hello there.")])]))
        pytest.fail("it went on")

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(Full()))
        assert main(["transcribe", str(talk)]) == 2
    assert capsys.readouterr().err == "No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a process there cannot be sent a signal to end in order")
def test_file_keeps_what_came_before_a_signal(run, talk, monkeypatch, tmp_path):
    def transcribe(*_, **__):
        yield TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(transcript="Hello there.")])]))
        assert callable(signal.getsignal(signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as raised:
            run("transcribe", talk, "-o", tmp_path / "out")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert raised.value.code == 128 + signal.SIGTERM
    assert (tmp_path / "out").read_text() == "Hello there.\n"


def test_json_has_partial_results(run, endpoint, talk):
    done = run("transcribe", talk, "--fast", "--json", "--endpoint", endpoint)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert {result["partial"] for result in found} == {True, False}
    assert found[0]["text"] == "Hello" or found[0]["partial"]
    assert set(found[0]) == {"begin", "end", "partial", "text"}


def test_raw_audio_of_standard_input(run, endpoint):
    audio = bytes(2 * 8000 * 3)
    done = run("transcribe", "-", "--rate", 8000, "--fast", "--endpoint", endpoint, stdin=audio)
    assert (done.status, done.out.splitlines()[0]) == (0, "Hello there.")


def test_partial_results_show_on_a_terminal(run, endpoint, talk, monkeypatch):
    monkeypatch.setattr("eventstream.cli.transcribe._width", lambda: 10)
    done = run("transcribe", talk, "--fast", "--endpoint", endpoint)
    assert "\r\x1b[K" in done.err
    assert all(len(part) <= 10 for part in done.err.split("\r\x1b[K"))
    assert done.out.splitlines()[0] == "Hello there."


@pytest.mark.skipif(sys.platform == "win32", reason="a process there cannot be sent a Ctrl-C alone")
def test_microphone(run, endpoint, monkeypatch):
    class Stream:
        def __init__(self, samplerate, channels, dtype):
            assert (samplerate, channels, dtype) == (16_000, 1, "int16")
            self.left = 30

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, frames):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGINT)
            return memoryview(bytes(2 * frames)), False

    module = types.SimpleNamespace(RawInputStream=Stream, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    before = signal.getsignal(signal.SIGINT)
    done = run("transcribe", "mic", "--fast", "--endpoint", endpoint)
    assert (done.status, done.out.splitlines()[0]) == (0, "Hello there.")
    assert done.err == "listening; press Ctrl-C to stop\n"
    assert signal.getsignal(signal.SIGINT) == before


def test_microphone_that_fails(run, endpoint, monkeypatch):
    def fail(**_):
        raise RuntimeError("no device")

    module = types.SimpleNamespace(RawInputStream=fail, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    done = run("transcribe", "mic", "--endpoint", endpoint)
    assert (done.status, done.err) == (2, "the microphone cannot be read: no device\n")


def test_missing_extras(run, talk, monkeypatch, closed_port):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    done = run("transcribe", "mic", "--endpoint", f"http://127.0.0.1:{closed_port}")
    assert done.status == 2
    assert "extra [mic]" in done.err
    monkeypatch.setitem(sys.modules, "eventstream.transcribe.sync", None)
    done = run("transcribe", talk)
    assert done.status == 2
    assert "extra [client]" in done.err


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["--endpoint", "nonsense"], 2, "endpoint"),
        (["--language", "x" * 300, "--rate", "9000"], 2, "InvalidRequest"),
        (["--encoding", "mp9"], 2, "^InvalidRequest: --encoding: 'mp9' \\(allowed: pcm or "),
        (["-o", "/nowhere/out"], 2, "^/nowhere/out: No such file or directory\n$"),
    ],
)
def test_errors_are_reported(run, talk, endpoint, options, status, reason):
    done = run("transcribe", talk, "--endpoint", endpoint, *options)
    assert done.status == status
    assert re.search(reason, done.err), done.err
    assert "Traceback" not in done.err


def test_service_that_does_not_listen(run, talk, closed_port):
    done = run("transcribe", talk, "--endpoint", f"http://127.0.0.1:{closed_port}")
    assert done.status == 2
    reason = "Connect call failed .*" if sys.platform == "win32" else os.strerror(errno.ECONNREFUSED)
    assert re.fullmatch(f"127[.]0[.]0[.]1:{closed_port}: {reason}\n", done.err), done.err
    assert "Traceback" not in done.err


def test_refusal_of_the_service(run, talk, endpoint, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = run("transcribe", talk, "--endpoint", endpoint)
    assert done.status == 1
    assert done.err.count("Exception: ") == 1


def test_audio_that_is_no_wav_file(run, endpoint, tmp_path):
    (tmp_path / "text").write_text("some text, longer than a head")
    done = run("transcribe", tmp_path / "text", "--endpoint", endpoint)
    assert (done.status, done.out) == (1, "")
    assert "InvalidAudio: --encoding and --rate are required" in done.err


def test_missing_file(run, endpoint, tmp_path):
    done = run("transcribe", tmp_path / "no.wav", "--endpoint", endpoint)
    assert (done.status, done.err) == (2, f"{tmp_path}/no.wav: No such file or directory\n")


def test_missing_file_is_told_before_a_missing_region(run, monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    done = run("transcribe", tmp_path / "no.wav", "-o", tmp_path / "out")
    assert (done.status, done.err) == (2, f"{tmp_path}/no.wav: No such file or directory\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [("--srt", "--vtt"), ("--vtt", "--json"), ("--json", "--srt", "--vtt")])
def test_two_forms_of_output_are_refused(run, talk, options, closed_port):
    done = run("transcribe", "--endpoint", f"http://127.0.0.1:{closed_port}", *options, talk)
    assert (done.status, done.out) == (2, "")
    assert re.search("--[a-z]+ and --[a-z and-]+: only one of them can be written\n$", done.err)


@pytest.mark.parametrize("scheme", ["ws", "WSS"])
def test_endpoint_of_a_websocket_is_refused(run, talk, scheme, closed_port):
    done = run("transcribe", "--endpoint", f"{scheme}://127.0.0.1:{closed_port}", talk)
    assert (done.status, done.out) == (2, "")
    assert "--endpoint: give the one for HTTP/2, which begins with http:// or https://" in done.err


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"])
@pytest.mark.parametrize("scheme", ["WS", "wss"])
def test_endpoint_of_a_websocket_in_the_environment(run, talk, monkeypatch, tmp_path, variable, scheme, closed_port):
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{closed_port}")
    done = run("transcribe", talk, "-o", tmp_path / "out")
    assert (done.status, done.out) == (2, "")
    expected = (
        "the endpoint in the environment takes WebSockets: give --endpoint, the one for HTTP/2, which begins with"
    )
    assert expected in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()


def test_microphone_gives_pcm(run):
    assert run("transcribe", "mic", "--encoding", "flac").status == 2


def test_output_is_never_the_input(run, talk, endpoint):
    assert run("transcribe", talk, "--endpoint", endpoint, "-o", talk).status == 2
    assert io.BytesIO(talk.read_bytes()).read(4) == b"RIFF"


@pytest.mark.parametrize("to_file", [False, True], ids=["standard output", "a file"])
def test_pipe_that_breaks(run, talk, monkeypatch, tmp_path, to_file):
    """That of standard output is not said, since its reader has seen enough."""

    def transcribe(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("eventstream.transcribe.sync.TranscribeClient.transcribe", transcribe)
    arguments = ["transcribe", "--region", "us-east-1", talk]
    if to_file:
        assert run(*arguments, "-o", tmp_path / "out") == (2, "", "Broken pipe\n")
    else:
        assert run(*arguments) == (2, "", "")


def test_transcribe_without_a_region(run, monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    error = "no region: give --region, or set AWS_REGION or AWS_DEFAULT_REGION, or a profile\n"
    assert run("transcribe", "examples/speech.wav") == (2, "", error)
