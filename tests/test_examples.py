"""The programs of ``examples/`` run, and print what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, timeout=60)


def test_a_recorded_exchange_is_verified_and_shown() -> None:
    done = run(str(EXAMPLES / "recorded.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  verified: ") == 34
    assert "FINAL" in done.stdout
    assert "he might even have been made a real boy" in done.stdout


def test_a_recorded_exception_is_shown() -> None:
    done = run(str(EXAMPLES / "recorded.py"), "amazon-transcribe-0.6.4-limit-exceeded")
    assert done.returncode == 0, done.stderr
    assert "LimitExceededException (429)" in done.stdout


def test_an_exchange_that_is_not_there_is_an_error() -> None:
    done = run(str(EXAMPLES / "recorded.py"), "nothing")
    assert done.returncode == 2
    assert "amazon-transcribe-0.6.4-speech" in done.stderr
