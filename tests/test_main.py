"""``python -m eventstream``: the command, and what it says where its extra is missing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from programs import AWAY

CAPTURE = Path(__file__).parent / "captures/capo-0.11.0.response.bin"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that ends with the command."""
    program = f"import sys, runpy; {program}; runpy.run_module('eventstream', run_name='__main__')"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=AWAY)


def test_module_runs_the_command():
    done = run("sys.argv[0] = 'x'", "check", str(CAPTURE))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{CAPTURE}: sound: 4 messages, 2190 bytes\n"


def test_module_passes_the_exit_status_on():
    assert run("pass", "show", "no such file").returncode == 2
    assert run("pass", "check", __file__).returncode == 1


def test_missing_extra_is_one_sentence():
    done = run("sys.modules['click'] = None", "show")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "eventstream: the command needs the extra [cli]: pip install 'eventstream-codec[cli]'\n"


def test_import_runs_nothing():
    module = importlib.import_module("eventstream.__main__")
    assert module.main is importlib.import_module("eventstream.cli").main
