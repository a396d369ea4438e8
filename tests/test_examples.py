"""The programs of ``examples/`` run, and print what they promise."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import wave
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import byteorder
import pytest

import eventstream

EXAMPLES = Path(__file__).parent.parent / "examples"
CAPTURES = Path(__file__).parent / "captures"
LIVE = str(EXAMPLES / "live.py")


class Ended(NamedTuple):
    """What an example has printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, timeout=60, cwd=cwd)


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run an example in this process."""

    def run_here(path: str, *arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [path, *arguments])
        status = 0
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            status = ended.code or 0  # type: ignore[assignment]
        return Ended(status, *capsys.readouterr())

    return run_here


RECORDED = str(EXAMPLES / "recorded.py")


def test_recorded_exchange_is_verified_and_shown() -> None:
    done = run(RECORDED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  verified: ") == 34
    assert "FINAL" in done.stdout
    assert "he might even have been made a real boy" in done.stdout


def test_recorded_exception_is_shown(run_here: Callable[..., Ended]) -> None:
    done = run_here(RECORDED, "amazon-transcribe-0.6.4-limit-exceeded")
    assert done.returncode == 0, done.stderr
    assert "LimitExceededException (429)" in done.stdout


def test_exchange_that_is_not_there_is_an_error(run_here: Callable[..., Ended]) -> None:
    done = run_here(RECORDED, "nothing")
    assert done.returncode == 2
    assert "amazon-transcribe-0.6.4-speech" in done.stderr


def test_bedrock_is_a_table_of_60_lines() -> None:
    done = run(str(EXAMPLES / "bedrock.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "amazon.nova-2-sonic-v1:0: hello\namazon.nova-2-sonic-v1:0: again\n"
    assert len((EXAMPLES / "bedrock.py").read_text("utf-8").splitlines()) <= 60


@pytest.mark.waits
def test_voice_agent_hears_through_restarts() -> None:
    done = run(str(EXAMPLES / "voice_agent.py"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    restarts = [line for line in lines if line.startswith("(a new stream from ")]
    assert any("StreamError" in line for line in restarts), "the connection broke"
    assert any("LimitExceededException" in line for line in restarts), "a stream had its longest duration"
    assert done.stderr.count("a new stream continues the transcription") == len(restarts)
    final = [re.fullmatch(r"\s*([0-9.]+)-([0-9.]+) speaker ([01]): (.*)", line) for line in lines]
    found = [match.groups() for match in final if match is not None]
    times = [float(time) for start, end, _, _ in found for time in (start, end)]
    assert times == sorted(times), "one timeline"
    assert times[-1] == 5.2, "silence that was put in does not count"
    assert ("0", "How can I help you?") in [(speaker, text) for _, _, speaker, text in found]
    interim = [line.strip() for line in lines if line.startswith(" " * 10)]
    assert interim[:3] == ["How", "How can", "How can I"]


def run_live(*arguments: str, without: str | None = None) -> subprocess.CompletedProcess[str]:
    """Return the live example; as if a module were not installed, if one is named."""
    program = f"import runpy, sys; sys.modules[{without!r}] = None; runpy.run_path({LIVE!r}, run_name='__main__')"
    return run(*([LIVE] if without is None else ["-c", program]), *arguments)


def test_speech_is_transcribed_live() -> None:
    done = run_live("--fast", "--recogniser", "scripted")
    assert done.returncode == 0, done.stderr
    spoken, heard_by, where, *lines = done.stdout.splitlines()
    assert "He might even have been made amiable himself." in spoken
    assert heard_by == "Heard by  scripted, on this machine"
    assert where.startswith("Where     http://127.0.0.1:")
    assert lines[:2] == ["   0.10 s  The", "   0.40 s  The quick"], "a partial result that has not changed is left out"
    assert "Final     The quick brown fox jumps over the lazy dog." in lines
    assert any("lazy\u00a02.10–2.40  dog\u00a02.40–2.70" in line for line in lines)
    assert "Sent      33 chunks of audio, 105,280 bytes; 35 events came back" in lines
    assert "Verified  35 signatures: the request's, 33 chunks', the end's" in lines
    assert any(line.startswith("Latency ") and "(p50)" in line for line in lines)
    assert "\r" not in done.stdout


@pytest.mark.parametrize("without", [pytest.param(None, marks=pytest.mark.speech), "moonshine_voice"])
def test_demo_prints_30_lines(without: str | None) -> None:
    """Make is not asked, which would install what is here; the lines of its recipe are."""
    make = (EXAMPLES.parent / "Makefile").read_text("utf-8")
    recipe = make.partition("\ndemo: ")[2].partition("\n\n")[0].splitlines()[1:]
    count, shown = 0, []
    for line in recipe:
        command = line.strip().replace("$(BIN)/", "").removeprefix("@")
        count += not line.strip().startswith("@")  # which make prints
        if command == "python examples/live.py":
            count += len(run_live("--fast", without=without).stdout.splitlines())
        elif command.startswith("echo"):
            count += 1
        else:
            name, *arguments = command.split()
            assert name == "eventstream"
            shown.append(arguments[0])
            done = run("-m", name, *arguments, cwd=EXAMPLES.parent)
            assert done.returncode == 0, done.stderr
            count += len(done.stdout.splitlines())
    assert 15 < count <= 30
    assert shown == ["show", "check"]


@pytest.mark.speech
@pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="moonshine-voice is not installed")
def test_speech_is_recognised_live() -> None:
    done = run_live("--fast")
    assert done.returncode == 0, done.stderr
    assert "He might even have been made amiable himself" in done.stdout
    assert "35 signatures" in done.stdout


def test_partial_results_grow_in_place_on_a_terminal() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, LIVE, "--fast", "--recogniser", "scripted"]
    with subprocess.Popen(command, stdout=theirs, env={**os.environ, "COLUMNS": "40"}) as process:
        os.close(theirs)
        output = b""
        try:
            while data := os.read(ours, 4096):
                output += data
        except OSError:  # how Linux says that the other end was closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    assert b"\r\x1b[K   0.70 s  The quick brown\r\x1b[K   1.00 s  The quick brown fox\r" in output
    assert b"\r\x1b[K   2.50 s   fox jumps over the lazy dog\r" in output, "no line is longer than the terminal"


def test_words_are_scripted_without_moonshine() -> None:
    done = run_live("--fast", without="moonshine_voice")
    assert done.returncode == 0, done.stderr
    _, heard_by, *_ = done.stdout.splitlines()
    assert heard_by.startswith("Heard by  scripted, which returns the same words for any audio, since ")
    assert "moonshine-voice is not installed" in heard_by
    assert "The quick brown fox" in done.stdout


@pytest.mark.parametrize("module", ["h2", "msgspec"])
def test_missing_extra_is_named(module: str) -> None:
    done = run_live(without=module)
    assert done.returncode == 1
    assert "eventstream-codec[client,emulator,speech]" in done.stderr
    assert "Traceback" not in done.stderr


def write_wav(path: Path, channels: int, rate: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(channels * rate))
    return str(path)


def test_unusable_audio_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, reason in [
        ([LIVE], "not a WAV"),
        ([str(tmp_path / "nothing.wav")], "No such file"),
        ([write_wav(tmp_path / "stereo.wav", 2, 16_000)], "one channel"),
        ([write_wav(tmp_path / "high.wav", 1, 96_000)], "96000"),
        (["--recogniser", "nobody"], "unknown recogniser 'nobody'"),
    ]:
        monkeypatch.setattr(sys, "argv", [LIVE, "--fast", "--recogniser", "scripted", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(LIVE, run_name="__main__")
        assert ended.value.code == 1, arguments
        out, err = capsys.readouterr()
        assert "Final" not in out
        assert reason in err
        assert "Traceback" not in err


def test_wav_of_the_user_is_transcribed(tmp_path: Path, run_here: Callable[..., Ended]) -> None:
    done = run_here(LIVE, "--fast", "--recogniser", "scripted", write_wav(tmp_path / "half.wav", 1, 8000))
    assert done.returncode == 0, done.stderr
    assert "5 chunks of audio, 8,000 bytes" in done.stdout


def test_speech_is_that_of_the_recorded_client() -> None:
    with open(CAPTURES / "amazon-transcribe-0.6.4-speech.request.bin", "rb") as file:
        *signed, end = eventstream.iter_messages(file)
    audio = [eventstream.decode(message.payload).payload for message in signed]
    with wave.open(str(EXAMPLES / "speech.wav")) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 16_000)
        assert byteorder.native(wav.readframes(wav.getnframes())) == b"".join(audio)
    assert end.payload == b""
