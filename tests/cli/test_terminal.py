"""Lines that control no terminal, files that are whole or absent, and progress only where it is seen."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import sys
import threading
from types import SimpleNamespace

import click
import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

from eventstream._text import visible
from eventstream.cli import _terminal
from eventstream.cli._terminal import (
    Progress,
    complaint,
    counted,
    fitted,
    fitted_end,
    json_line,
    line,
    output,
    print_json,
    width_of,
)

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


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_output_keeps_the_permissions_of_a_file(tmp_path):
    """A recording may hold what others must not read."""
    path = tmp_path / "out"
    path.write_bytes(b"before")
    path.chmod(0o600)
    with output(str(path)) as write:
        write(b"after")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"after", 0o600)


def test_output_does_not_replace_a_file_that_is_write_protected(tmp_path, monkeypatch):
    path = tmp_path / "out"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for all users but root
    with pytest.raises(PermissionError) as raised, output(str(path)):
        pytest.fail("it is opened")
    assert (raised.value.errno, raised.value.filename) == (errno.EACCES, str(path))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


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


def test_output_that_cannot_appear_has_its_own_name(tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), source)

    monkeypatch.setattr(os, "replace", replace)
    path = str(tmp_path / "out")
    with pytest.raises(OSError, match="busy") as raised, output(path) as write:
        write(b"whole")
    assert (raised.value.errno, raised.value.filename) == (errno.EBUSY, path)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_output_of_a_process_that_is_ended(tmp_path, name):
    """Nothing is left, and the status is that of the signal."""
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("the system has no such signal")
    before = signal.signal(number, signal.SIG_DFL)  # nohup has it ignored
    try:
        with pytest.raises(SystemExit) as raised, output(str(tmp_path / "out")):
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert raised.value.code == 128 + number
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_output_keeps_a_handler_that_is_set(tmp_path, handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with output(str(tmp_path / "out")) as write:
            signal.raise_signal(signal.SIGTERM)
            write(b"all")
            assert signal.getsignal(signal.SIGTERM) == handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "out").read_bytes() == b"all"


def test_output_of_another_thread(tmp_path):
    def work():
        with output(str(tmp_path / "out")) as write:
            write(b"all")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert (tmp_path / "out").read_bytes() == b"all"


def test_number_of_things():
    assert [counted(number, "gap") for number in range(3)] == ["0 gaps", "1 gap", "2 gaps"]


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
        with pytest.raises(click.UsageError, match="not written to a terminal"), output(os.ttyname(theirs)):
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


def test_output_to_links_that_lead_to_each_other(tmp_path):
    os.symlink(tmp_path / "one", tmp_path / "other")
    os.symlink(tmp_path / "other", tmp_path / "one")
    with pytest.raises(OSError, match=r"one") as raised, output(str(tmp_path / "one")):
        pytest.fail("it is opened")
    assert raised.value.errno == errno.ELOOP
    assert sorted(os.listdir(tmp_path)) == ["one", "other"]
    assert (tmp_path / "one").is_symlink()


def test_output_into_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), output(str(tmp_path / "no" / "file")):
        pytest.fail("it is opened")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other limits of names")
def test_output_with_a_name_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = "x" * 300
    with pytest.raises(OSError, match="too long") as raised, output(path):
        pytest.fail("it is opened")
    assert (raised.value.errno, raised.value.filename) == (errno.ENAMETOOLONG, path)
    assert not list(tmp_path.iterdir())


class Terminal(io.TextIOWrapper):
    def __init__(self):
        super().__init__(io.BytesIO(), write_through=True)

    def isatty(self):
        return True

    def fileno(self):
        raise OSError


def test_bytes_do_not_go_to_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(click.UsageError, match="not written to a terminal"), output("-"):
        pytest.fail("it is opened")
    with output("-", text=True) as write:
        write(b"text")
    assert sys.stdout.buffer.getvalue() == b"text"


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ([], "oh\n"),
        (["text\n"], "text\noh\n"),
        (["text"], "text\noh\n"),
        (["text", ""], "text\noh\n"),
    ],
)
def test_complaint_has_a_line_of_its_own(monkeypatch, text, screen):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(), output("-", text=True) as write:
        for piece in text:
            write(piece.encode())
        complaint("oh")
    assert terminal.buffer.getvalue().decode() == screen


def test_complaint_elsewhere_leaves_the_text_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), write_through=True))
    with Progress(), output("-", text=True) as write:
        write(b"text")
        complaint("oh")
    assert sys.stdout.buffer.getvalue() == b"text"
    assert sys.stderr.buffer.getvalue() == b"oh\n"


# Progress


def written_with_progress(monkeypatch, work, *, stdout=None, name=""):
    """Return what work with a progress that is shown at once writes to a terminal at standard error."""
    pytest.importorskip("rich")
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdout", stdout or io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_terminal, "_PATIENCE", 0)
    with Progress(name) as progress:
        work(progress)
    return stderr.buffer.getvalue().decode()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(monkeypatch, is_terminal):
    if not is_terminal:
        monkeypatch.setattr(Terminal, "isatty", lambda self: False)

    def work(progress):
        progress.update("[name]\x1b", 10, 100)
        progress.update("[name]\x1b", 20, None)

    written = written_with_progress(monkeypatch, work)
    assert ("[name]\\x1b" in written) == is_terminal
    assert bool(written) == is_terminal


def test_progress_of_what_is_typed_is_not_shown(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert not written_with_progress(monkeypatch, lambda progress: progress.update("-", 10, None), name="-")


def test_progress_is_updated_ten_times_a_second(monkeypatch):
    """However often there is any: after damage, that is for every message."""
    now, shown = [0.0], []
    monkeypatch.setattr(_terminal, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def work(progress):
        progress.update("name", 0, None)
        monkeypatch.setattr(progress._bar, "update", lambda *_, completed, **__: shown.append(completed))
        for number in range(1_280):
            progress.update("name", number, None)
            now[0] += 1 / 1_280

    written_with_progress(monkeypatch, work)
    assert 9 <= len(shown) <= 10
    assert shown == sorted(shown)


def test_progress_waits(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress() as progress:
        progress.update("name", 10, 100)
    assert sys.stderr.buffer.getvalue() == b""


def test_progress_leaves_standard_output_alone(monkeypatch):
    """It may be a file."""
    stdout = io.TextIOWrapper(io.BytesIO(), write_through=True)

    def work(progress):
        progress.update("name", 10, 100)
        line("a line")
        print_json([1])

    assert "a line" not in written_with_progress(monkeypatch, work, stdout=stdout)
    assert stdout.buffer.getvalue() == b"a line\n[1]\n"


@pytest.mark.parametrize("say", [line, print_json, complaint, lambda text: _terminal._show(text.encode())])
def test_progress_makes_way(monkeypatch, say):
    """It is erased before a line is printed on its terminal, and comes back only after a while."""
    hidden = []

    def work(progress):
        progress.update("name", 10, 100)
        assert progress._bar is not None
        monkeypatch.setattr(progress._bar, "stop", lambda stop=progress._bar.stop: hidden.append(1) or stop())
        monkeypatch.setattr(_terminal, "_PATIENCE", 100)
        say("a line")
        assert hidden == [1]
        progress.update("name", 20, 100)
        assert progress._bar is None

    written_with_progress(monkeypatch, work, stdout=Terminal())


def test_progress_waits_for_the_end_of_a_line(monkeypatch):
    """It would erase the text."""

    def work(progress):
        _terminal._show(b"text")
        progress.update("name", 10, 100)
        assert progress._bar is None
        _terminal._show(b" and more\n")
        monkeypatch.setattr(progress, "_next", 0)
        progress.update("name", 20, 100)
        assert progress._bar is not None

    written_with_progress(monkeypatch, work, stdout=Terminal())


def test_progress_stays_where_output_is_elsewhere(monkeypatch):
    def work(progress):
        progress.update("name", 10, 100)
        line("a line")
        assert progress._bar is not None

    written_with_progress(monkeypatch, work)


def test_progress_is_not_shown_beside_a_pager(monkeypatch):
    """Where standard output is a pipe, what reads it may use the terminal."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w") as stdout:
        assert written_with_progress(monkeypatch, lambda progress: progress.update("x", 1, 2), stdout=stdout) == ""


def test_progress_ends_with_the_work(monkeypatch):
    def work(progress):
        progress.update("name", 10, 100)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written_with_progress(monkeypatch, work)
    assert Progress.active is None
    assert sys.stderr.buffer.getvalue().endswith(b"\x1b[2K")  # the line was erased


# Columns of a terminal


@each(
    ("text", "width"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("ﾊ", 1), ("Ａ", 2), ("🎉", 2), ("a\u20dd", 1)],
)
def test_width_of_a_text(text, width):
    assert width_of(text) == width


@each(
    ("text", "columns", "begin", "end"),
    [
        ("abcdef", 6, "abcdef", "abcdef"),
        ("abcdef", 5, "ab...", "bcdef"),
        ("日本語です", 10, "日本語です", "日本語です"),
        ("日本語です", 9, "日本語...", "本語です"),
        ("日本語です", 8, "日本...", "本語です"),
        ("a\u0301b\u0301c\u0301", 3, "a\u0301b\u0301c\u0301", "a\u0301b\u0301c\u0301"),
        ("\x1b[2J", 7, "\\x1b[2J", "\\x1b[2J"),
        ("\x1b[2J", 6, "\\x1...", "x1b[2J"),
        ("abc", 1, "...", "c"),
    ],
)
def test_text_that_fits(text, columns, begin, end):
    assert fitted(text, columns) == begin
    assert fitted_end(text, columns) == end


@pytest.mark.parametrize(("columns", "begin"), [(9, "abcdef..."), (8, "abcde..."), (6, "abc..."), (5, "ab...")])
def test_text_that_goes_on_ends_in_dots(columns, begin):
    assert fitted("abcdef", columns, more=True) == begin


@given(st.text(max_size=30), st.integers(3, 40))
def test_fitted_text_fits(text, columns):
    assert width_of(fitted(text, columns)) <= columns
    assert width_of(fitted(text, columns, more=True)) <= columns
    assert fitted(text, columns, more=True).endswith("...")
    assert width_of(fitted_end(text, columns)) <= columns
    assert visible(text).endswith(fitted_end(text, columns))
