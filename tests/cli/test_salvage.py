"""``eventstream salvage``: whole messages into a file, and a report of the gaps."""

from __future__ import annotations

import contextlib
import json

import frames
import pytest

STREAM = frames.EVENT_FRAME + frames.TEN_FRAME + frames.TAIL_FRAME


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged"
    data = bytearray(STREAM)
    data[len(frames.EVENT_FRAME)] ^= 1
    path.write_bytes(data)
    return path


def test_messages_are_written_and_gaps_reported(run, damaged, tmp_path):
    out = tmp_path / "out"
    done = run("salvage", damaged, "-o", out)
    assert (done.status, done.out) == (1, "")
    assert out.read_bytes() == frames.EVENT_FRAME + frames.TAIL_FRAME
    gap, total = done.err.splitlines()
    assert gap.startswith(f"gap of {len(frames.TEN_FRAME)} bytes at byte 130: PreludeChecksumMismatch: ")
    assert total == f"2 messages written, {len(frames.TEN_FRAME)} bytes lost in 1 gap"


@pytest.mark.parametrize("existing", [None, b"precious"])
def test_nothing_left_writes_no_file(run, tmp_path, existing):
    out = tmp_path / "out"
    if existing is not None:
        out.write_bytes(existing)
    done = run("salvage", "--from", "raw", "-", "-o", out, stdin=b"\xff" * 100)
    assert (done.status, done.out) == (1, "")
    assert done.err.endswith("no message is left in 100 bytes; nothing was written\n")
    assert (out.read_bytes() if out.exists() else None) == existing


def test_sound_stream_without_messages_is_copied(run, tmp_path):
    done = run("salvage", "--from", "raw", "-", "-o", tmp_path / "out", stdin=b"")
    assert (done.status, done.err) == (0, "0 messages written, 0 bytes lost in 0 gaps\n")
    assert (tmp_path / "out").read_bytes() == b""


def test_sound_stream_is_copied(run, tmp_path):
    done = run("salvage", "-", "-o", tmp_path / "out", stdin=STREAM)
    assert (done.status, done.err) == (0, "3 messages written, 0 bytes lost in 0 gaps\n")
    assert (tmp_path / "out").read_bytes() == STREAM


def test_report_as_json(run, damaged, tmp_path):
    done = run("salvage", "--json", damaged, "-o", tmp_path / "out")
    (gap,) = map(json.loads, done.out.splitlines())
    assert (gap["offset"], gap["length"]) == (130, len(frames.TEN_FRAME))
    assert run("salvage", "--json", damaged, "-o", "-").status == 2


def test_nested_messages_if_they_are_wanted(run, request_wire, tmp_path):
    data = bytearray(request_wire)
    data[20] ^= 1
    run("salvage", "-", "-o", tmp_path / "out", stdin=bytes(data))
    assert (tmp_path / "out").read_bytes() == request_wire[3387:]
    done = run("salvage", "--nested", "-", "-o", tmp_path / "out", stdin=bytes(data))
    inner = request_wire[79:3383]
    assert (tmp_path / "out").read_bytes() == inner + request_wire[3387:]
    assert "gap of 3387 bytes at byte 0, 1 nested in it" in done.err


def test_output_is_never_the_input(run, damaged):
    before = damaged.read_bytes()
    done = run("salvage", damaged, "-o", damaged)
    assert done.status == 2
    assert "is the input itself" in done.err
    assert damaged.read_bytes() == before


def test_output_is_never_the_standard_input(run, damaged):
    before = damaged.read_bytes()
    with damaged.open() as source:
        done = run("salvage", "-", "-o", damaged, stdin=source)
    assert done.status == 2
    assert "is the input itself" in done.err
    assert damaged.read_bytes() == before


def test_output_that_cannot_be_written(run, damaged, tmp_path):
    done = run("salvage", damaged, "-o", tmp_path / "no" / "out")
    assert (done.status, done.err) == (2, f"{tmp_path}/no/out: No such file or directory\n")


def test_standard_output(run, damaged, capsysbinary):
    from eventstream.cli import main

    assert main(["salvage", str(damaged), "-o", "-"]) == 1
    assert capsysbinary.readouterr().out == frames.EVENT_FRAME + frames.TAIL_FRAME


def test_progress_is_told(run, damaged, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("eventstream.cli._terminal.Progress.update", lambda self, *what: told.append(what))
    assert run("salvage", damaged, "-o", tmp_path / "out").status == 1
    assert told[-1] == (str(damaged), len(STREAM), len(STREAM))


def test_sound_bytes_are_written_in_large_pieces(run, tmp_path, monkeypatch):
    """Each write is a call of the system."""
    sizes = []

    @contextlib.contextmanager
    def output(*names):
        yield lambda data: sizes.append(len(data))

    monkeypatch.setattr("eventstream.cli.salvage.output", output)
    (tmp_path / "sound").write_bytes(frames.EVENT_FRAME * 20_000)
    assert run("salvage", tmp_path / "sound", "-o", tmp_path / "out").status == 0
    assert sum(sizes) == 20_000 * len(frames.EVENT_FRAME)
    assert sizes[:-1] == [1 << 18] * 9


def test_nested_messages_are_written_if_they_are_asked_for(run, tmp_path):
    outer = bytearray(frames.frame(frames.EVENT_BLOCK, frames.TEN_FRAME + frames.TAIL_FRAME))
    outer[-1] ^= 1
    done = run("salvage", "--nested", "-", "-o", tmp_path / "out", stdin=bytes(outer))
    assert done.status == 1
    assert "2 nested in it" in done.err
    assert (tmp_path / "out").read_bytes() == frames.TEN_FRAME + frames.TAIL_FRAME
