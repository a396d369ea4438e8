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


def run(name: str, *arguments: str, cwd: Path, input: str = "") -> str:
    """Return what an example prints; no credentials of this machine are there."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env={**environment, "HOME": str(cwd), "PYTHONUTF8": "1"},
        input=input,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_nova_sonic_answers_with_what_was_said(tmp_path: Path) -> None:
    assert run("nova_sonic.py", "--fast", cwd=tmp_path) == "assistant: You spoke for 3.3 seconds.\n"
    with wave.open(str(tmp_path / "answer.wav")) as answer, wave.open(str(EXAMPLES / "speech.wav")) as said:
        assert answer.getparams()[:3] == said.getparams()[:3]
        assert answer.readframes(answer.getnframes()) == said.readframes(said.getnframes())


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
