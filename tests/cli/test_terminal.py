"""Lines that control no terminal, files that are whole or absent, and progress only where it is seen."""

from __future__ import annotations

import io
import json
import os
import stat
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstream._text import visible
from eventstream.cli import _terminal
from eventstream.cli._terminal import Progress, complaint, json_line, line, output, print_json

CONTROLS = "\x1b[2J\x07\r\n\x9b\u202e\u2028\u200b\x00"


def test_visible_text_controls_nothing():
    assert visible("plain – text") == "plain – text"
    assert visible(CONTROLS) == r"\x1b[2J\x07\r\n\x9b\u202e\u2028\u200b\x00"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_line_is_printable_and_the_same(text):
    written = json_line({"a": text})
    assert written.isprintable()
    assert json.loads(written) == {"a": text}


def test_output_of_another_encoding(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    line("é")
    print_json({"a": "é"})
    sys.stdout.flush()
    assert raw.getvalue().splitlines() == [b"\\xe9", b'{"a": "\\u00e9"}']


def test_complaint_goes_to_standard_error(capsys):
    complaint(f"wrong {CONTROLS[:4]}")
    assert capsys.readouterr() == ("", "wrong \\x1b[2J\n")


# Files


def test_output_appears_in_the_end(tmp_path):
    path = tmp_path / "out"
    with output(str(path)) as write:
        write(b"one ")
        assert not path.exists()
        write(b"two")
    assert path.read_bytes() == b"one two"
    assert os.listdir(tmp_path) == ["out"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def fail_after(written):
    assert written == 4
    raise ZeroDivisionError


@pytest.mark.parametrize("existing", [None, b"before"])
def test_output_that_fails_is_absent(tmp_path, existing):
    path = tmp_path / "out"
    if existing:
        path.write_bytes(existing)
    with pytest.raises(ZeroDivisionError), output(str(path)) as write:
        fail_after(write(b"half"))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [existing] * bool(existing)


def test_output_is_never_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "in"
    path.write_bytes(b"kept")
    os.symlink(path, tmp_path / "link")
    os.link(path, tmp_path / "hard")
    for name in ("in", "./in", str(path), "link", "hard"):
        with pytest.raises(click.UsageError, match="the input itself"), output(name, "in"):
            pytest.fail("it is opened")
    assert path.read_bytes() == b"kept"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_output_to_a_pipe_or_device_keeps_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with output(str(path)) as write:
            write(b"one ")
            write(b"two")
        assert os.read(reading, 100) == b"one two"
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_bytes_do_not_go_to_the_device_of_a_terminal():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        with pytest.raises(click.UsageError, match="not for a terminal"), output(os.ttyname(theirs)):
            pytest.fail("it is opened")
    finally:
        os.close(ours)
        os.close(theirs)


def test_output_through_a_link_keeps_the_link(tmp_path):
    os.symlink(tmp_path / "file", tmp_path / "link")
    with output(str(tmp_path / "link")) as write:
        write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"x"


def test_output_to_a_folder(tmp_path):
    with pytest.raises(click.UsageError, match="is a folder"), output(str(tmp_path)):
        pytest.fail("it is opened")
    with pytest.raises(FileNotFoundError), output(str(tmp_path / "no" / "file")):
        pytest.fail("it is opened")


class Terminal(io.TextIOWrapper):
    def __init__(self):
        super().__init__(io.BytesIO(), write_through=True)

    def isatty(self):
        return True

    def fileno(self):
        raise OSError


def test_bytes_do_not_go_to_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(click.UsageError, match="not for a terminal"), output("-"):
        pytest.fail("it is opened")
    with output("-", text=True) as write:
        write(b"text")
    assert sys.stdout.buffer.getvalue() == b"text"


# Progress


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(monkeypatch, is_terminal):
    pytest.importorskip("rich")
    stream = Terminal() if is_terminal else io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_terminal, "_PATIENCE", 0)
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress()
    progress.update("[name]\x1b", 10, 100)
    progress.update("[name]\x1b", 20, None)
    progress.close()
    written = stream.buffer.getvalue().decode()
    assert ("[name]\\x1b" in written) == is_terminal
    assert bool(written) == is_terminal


def test_progress_waits(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress()
    progress.update("name", 10, 100)
    progress.close()
    assert sys.stderr.buffer.getvalue() == b""
