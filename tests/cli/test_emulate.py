"""``eventstream emulate``: the emulator's own command by another name."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys

import click
import pytest
from programs import AWAY

pytest.importorskip("h2")
pytest.importorskip("msgspec")


def test_help_is_that_of_the_emulator(run):
    done = run("emulate", "--help")
    assert done.status == 0
    assert done.out.startswith("usage: eventstream emulate [-h] [--host HOST]")


def test_wrong_usage(run):
    done = run("emulate", "--port", "x")
    assert done.status == 2
    usage, error = done.err.splitlines()
    assert usage == "usage: eventstream emulate [OPTION]... (see eventstream emulate --help)"
    assert error == "eventstream emulate: error: argument --port: 'x' is not a port (0 to 65535)"


def test_completion_of_options(monkeypatch):
    command = importlib.import_module("eventstream.cli.emulate").command
    context = click.Context(command)
    assert [item.value for item in command.shell_complete(context, "--pa")] == ["--page"]
    assert "--no-one-stream-per-connection" in [item.value for item in command.shell_complete(context, "-")]
    monkeypatch.setitem(sys.modules, "eventstream.transcribe.emulator.options", None)
    assert command.shell_complete(context, "--pa") == []


def test_emulate_serves_until_it_is_stopped():
    command = [sys.executable, "-m", "eventstream", "emulate", "--quiet", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=AWAY)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stdout.close()
    finally:
        process.kill()
        process.wait(10)


def test_help_without_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "eventstream.transcribe.emulator.options", None)
    for option in ("-h", "--help"):
        done = run("emulate", option)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("usage: eventstream emulate [OPTION]...\n")
        assert "pip install 'eventstream-codec[emulator]'" in done.out


def test_missing_extra(run, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("eventstream.transcribe.emulator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "eventstream.transcribe.emulator", None)
    done = run("emulate")
    assert done.status == 2
    assert done.err.endswith("this needs the extra [emulator]: pip install 'eventstream-codec[emulator]'\n")
