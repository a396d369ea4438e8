"""``eventstream encode``: from ``show --json`` back to the same bytes."""

from __future__ import annotations

import frames
import pytest
from cli.conftest import CAPTURES

STREAM = frames.EVENT_FRAME + frames.TEN_FRAME + frames.EMPTY_FRAME


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.bin")), ids=lambda path: path.name)
def test_recording_comes_back(run, path, tmp_path):
    shown = run("show", "--json", path)
    done = run("encode", "-", "-o", tmp_path / "out", stdin=shown.out.encode())
    assert done == (0, "", "")
    assert (tmp_path / "out").read_bytes() == path.read_bytes()


def test_header_types_come_back(run, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text(run("show", "--json", "-", stdin=STREAM).out + "\n\n")
    assert run("encode", lines, "-o", tmp_path / "out").status == 0
    assert (tmp_path / "out").read_bytes() == STREAM


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: invalid JSON at character 2; each line is one message, as jq -c writes it\n"),
        ("[]", "line 2: a message must be an object, not list"),
        ('{"offset": 0, "length": 5, "error": "x"}', "line 2: it is a gap"),
        ("[" * 200_000, "line 2: it is nested too deeply"),
        ('{"header": {}, "text": ""}', "line 2: a message has no member 'header' (did you mean 'headers'?)"),
        ('{"text": "", "note": 1}', "line 2: a message has no member 'note'\n"),
        ('{"text": "\x1b"}', "line 2: invalid JSON at character 11"),
    ],
)
def test_lines_that_are_not_messages(run, tmp_path, line, reason):
    lines = '{"text": ""}\n' + line
    done = run("encode", "-", "-o", tmp_path / "out", stdin=lines.encode())
    assert (done.status, done.out) == (1, "")
    assert reason in done.err
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_text(run, tmp_path):
    done = run("encode", "-", "-o", tmp_path / "out", stdin=b"\xff\xfe\n")
    assert done.status == 1
    assert "line 1" in done.err


def test_missing_file(run, tmp_path):
    done = run("encode", tmp_path / "nothing", "-o", tmp_path / "out")
    assert (done.status, done.err) == (2, f"{tmp_path}/nothing: No such file or directory\n")


@pytest.mark.parametrize("subcommand", ["encode", "transcribe", "salvage", "extract"])
def test_standard_input_that_is_closed(run, tmp_path, monkeypatch, subcommand):
    pytest.importorskip("h2")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    done = run(subcommand, "-", "-o", tmp_path / "out", stdin=None)
    assert done == (2, "", "standard input is closed\n")
    assert not (tmp_path / "out").exists()


def test_output_is_never_the_input(run, tmp_path):
    (tmp_path / "lines").write_text('{"text": ""}')
    assert run("encode", tmp_path / "lines", "-o", tmp_path / "lines").status == 2


def test_encode_into_a_folder_that_is_not_there(run, tmp_path):
    done = run("encode", "-", "-o", tmp_path / "absent" / "out", stdin=b'{"text": ""}')
    assert done == (2, "", f"{tmp_path}/absent/out: No such file or directory\n")


def test_encode_of_a_number_that_is_too_long(run, tmp_path):
    done = run("encode", "-", "-o", tmp_path / "out", stdin=b'{"headers": {"n": %s}}' % (b"9" * 5_000))
    assert done.status == 1
    assert "line 1: " in done.err
