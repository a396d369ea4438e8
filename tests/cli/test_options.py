"""Files one after the other, or one of several streams: what cannot be read is reported, and the rest continues."""

from __future__ import annotations

import base64
import gzip
import io
import json

import click
import frames
import pytest

from eventstream.cli import _options

STREAM = frames.EVENT_FRAME + frames.TAIL_FRAME


@pytest.fixture
def har(tmp_path):
    """Return a file of two streams, the second of one message."""
    entries = [
        {"response": {"content": {"text": base64.b64encode(stream).decode(), "encoding": "base64"}}}
        for stream in (STREAM, frames.TAIL_FRAME)
    ]
    path = tmp_path / "x.har"
    path.write_text(json.dumps({"log": {"entries": entries}}))
    return path


def test_rest_goes_on_after_what_cannot_be_read(run, tmp_path):
    (tmp_path / "text").write_text("just some text")
    (tmp_path / "good").write_bytes(STREAM)
    done = run("check", tmp_path / "missing", tmp_path / "text", tmp_path / "good")
    assert done.status == 2
    assert done.out == f"{tmp_path}/good: sound: 2 messages, {len(STREAM)} bytes\n"
    missing, text = done.err.splitlines()
    assert missing == f"{tmp_path}/missing: No such file or directory"
    assert "it begins with text: 'just some text'" in text


def test_folder_may_hold_notes(run, tmp_path):
    (tmp_path / "notes").write_text("just some text")
    (tmp_path / "good").write_bytes(STREAM)
    assert run("check", tmp_path).status == 0
    (tmp_path / "other").write_bytes(b"\xff\0" * 20)
    done = run("check", tmp_path)
    assert done.status == 1
    assert "it begins with the bytes ff 00" in done.err


NOTES = {"text": b"just some text", "JSON": b'{"message": "Forbidden"}', "gzip": gzip.compress(b"some text")}


@pytest.mark.parametrize("notes", NOTES.values(), ids=NOTES)
def test_folder_of_notes_only(run, tmp_path, notes):
    """The wrong folder must not pass, even beside another one."""
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes").write_bytes(notes)
    (tmp_path / "right" / "good").write_bytes(STREAM)
    done = run("check", tmp_path / "right", tmp_path / "wrong")
    assert done.status == 1
    assert done.out == f"{tmp_path}/right/good: sound: 2 messages, {len(STREAM)} bytes\n"
    assert done.err.splitlines()[-1] == f"{tmp_path}/wrong: contains no event stream"
    assert f"{tmp_path}/right:" not in done.err


def test_folder_of_notes_and_what_cannot_be_read(run, tmp_path):
    """Whether there is a stream in it is unknown."""
    (tmp_path / "notes").write_text("just some text")
    (tmp_path / "unread").symlink_to(tmp_path / "missing")
    done = run("check", tmp_path)
    assert done.status == 2
    notes, unread = done.err.splitlines()
    assert "it begins with text" in notes
    assert unread == f"{tmp_path}/unread: No such file or directory"


def test_name_of_a_file_controls_nothing(run, tmp_path):
    path = tmp_path / "a\x1b[2Jb"
    path.write_bytes(STREAM)
    done = run("check", path, tmp_path / "c\x1b")
    assert "\x1b" not in done.out + done.err
    assert "a\\x1b[2Jb: sound" in done.out


def test_stream_is_chosen_of_several(run, har, tmp_path):
    done = run("salvage", har, "-o", tmp_path / "out")
    assert done.status == 2
    assert "holds 2 streams: choose one with --stream (1 is" in done.err
    assert run("salvage", har, "--stream", 2, "-o", tmp_path / "out").status == 0
    assert (tmp_path / "out").read_bytes() == frames.TAIL_FRAME
    assert "no stream 3" in run("salvage", har, "--stream", 3, "-o", tmp_path / "out").err


def test_streams_are_listed_in_one_short_line(run, tmp_path):
    body = {"text": base64.b64encode(STREAM).decode(), "encoding": "base64"}
    entries = [{"response": {"headers": [], "content": body}}] * 101
    path = tmp_path / "a\x1b[2J"
    path.write_text(json.dumps({"log": {"entries": entries}}))
    done = run("salvage", path, "-o", tmp_path / "out")
    assert done.status == 2
    assert "\x1b" not in done.err
    assert "holds 101 streams" in done.err
    assert "#100 response, ...)" in " ".join(done.err.split())


def test_streams_of_one_input_are_all_checked(run, har):
    done = run("check", har)
    assert done.status == 0
    assert [line.rpartition("#")[2] for line in done.out.splitlines()] == [
        f"1 response: sound: 2 messages, {len(STREAM)} bytes",
        f"2 response: sound: 1 message, {len(frames.TAIL_FRAME)} bytes",
    ]


def test_limits_can_be_lifted(run, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(frames.frame(b"".join(frames.string(name, bytes(65_535)) for name in ("a", "b"))))
    done = run("check", path)
    assert done.status == 1
    assert "DecodeLimitExceeded" in done.out
    assert "(`--no-limits` accepts it)" in done.out
    assert run("check", "--no-limits", path).status == 0


def test_file_that_cannot_be_read_is_status_2(run, tmp_path):
    done = run("salvage", tmp_path / "missing", "-o", tmp_path / "out")
    assert (done.status, done.err) == (2, f"{tmp_path}/missing: No such file or directory\n")


def test_library_of_the_system_that_is_missing(capsys):
    with pytest.raises(click.exceptions.Exit) as raised, _options.needed("mic"):
        raise OSError("PortAudio library not found")
    assert raised.value.exit_code == 2
    expected = "PortAudio library not found: install PortAudio, on Linux e.g. the package libportaudio2\n"
    assert capsys.readouterr().err == expected


def test_folder_that_cannot_be_read(run, tmp_path, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", scandir)
    done = run("check", tmp_path)
    assert (done.status, done.out) == (2, "")
    assert "Permission denied" in done.err


class Unread(io.TextIOBase):
    """Standard input that must not be read."""

    @property
    def buffer(self):
        pytest.fail("it is read")


@pytest.mark.parametrize("subcommand", ["encode", "extract", "salvage", "transcribe"])
@pytest.mark.parametrize("name", ["", "./", "new/", "new/.", "new/..", "here/", "."])
def test_output_without_the_name_of_a_file_is_refused_before_input_is_read(
    run, tmp_path, monkeypatch, subcommand, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_bytes(b"before")
    done = run(subcommand, "-", "-o", name, stdin=Unread())
    reason = f"{name} is a folder" if name else "the name is empty"
    assert done.err.endswith(f"\n\nError: Invalid value for '-o' / '--output': {reason}\n")
    assert (done.status, done.out) == (2, "")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("here", b"before")]
