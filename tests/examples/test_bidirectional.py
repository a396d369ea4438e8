"""The examples of the methods that boto3 lacks talk to their fakes."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("botocore") is None or find_spec("h2") is None:
    pytest.skip("botocore or h2 is not installed", allow_module_level=True)

from adapters.models import BIDIRECTIONAL

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 60


def run(name: str, *arguments: str, cwd: Path, input: str = "", code: int = 0, path: str = "") -> str:
    """Return what an example prints; no credentials of this machine are there."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env={**environment, "HOME": str(cwd), "PYTHONUTF8": "1", "PYTHONPATH": path},
        input=input,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def test_nova_sonic_answers_with_what_was_said(tmp_path: Path) -> None:
    assert (
        run("nova_sonic.py", "--fast", cwd=tmp_path) == "assistant: You spoke for 3.3 seconds.\nwritten: answer.wav\n"
    )
    with wave.open(str(tmp_path / "answer.wav")) as answer, wave.open(str(EXAMPLES / "speech.wav")) as said:
        assert answer.getparams()[:3] == said.getparams()[:3]
        assert answer.readframes(answer.getnframes()) == said.readframes(said.getnframes())


SOUNDDEVICE = """
import os, signal, threading, time

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores


class RawInputStream:
    def __init__(self, rate, length, *, channels, dtype, callback):
        print("microphone:", rate, length, channels, dtype)
        self.samples, self.callback = bytes(2 * length), callback

    def __enter__(self):
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        for _ in range(3):
            self.callback(self.samples, None, None, None)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    def __exit__(self, *_):
        print("microphone: closed")


class RawOutputStream:
    def __init__(self, rate, *, channels, dtype):
        print("speaker:", rate, channels, dtype)

    def __enter__(self):
        return self

    def write(self, samples):
        print("speaker: silence" if not any(samples) else "speaker: sound")

    def __exit__(self, *_):
        print("speaker: closed")
"""
"""Stands in for the microphone's library: what is heard is silence, and then Ctrl-C."""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise")
@pytest.mark.waits
def test_nova_sonic_listens_to_the_microphone_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE, "utf-8")
    said = run("nova_sonic.py", "--microphone", cwd=tmp_path, code=130, path=str(tmp_path)).splitlines()
    assert said[:2] == ["microphone: 16000 1600 1 int16", "speaker: 16000 1 int16"]
    assert said[-2:] == ["speaker: closed", "microphone: closed"]


def test_lex_answers_text_by_text(tmp_path: Path) -> None:
    assert run("lex.py", cwd=tmp_path, input="hello\n\nI want a room\n").splitlines() == [
        "intent: FallbackIntent",
        "bot: I can only book rooms.",
        "intent: BookHotel",
        "bot: In which city?",
    ]


@pytest.mark.skipif("polly" not in dict(BIDIRECTIONAL), reason="this botocore has no such operation")
def test_polly_speaks_line_by_line(tmp_path: Path) -> None:
    said = run("polly.py", "--output", "grüezi.mp3", cwd=tmp_path, input="Grüezi\nmitenand\n")
    assert said == "16 characters, 16 bytes of audio in grüezi.mp3\n"
    assert (tmp_path / "grüezi.mp3").read_bytes() == bytes(16)
