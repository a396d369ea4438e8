"""``python -m eventstream``: what it prints of a stream, and how it fails."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import frames
import pytest

import eventstream
from eventstream.__main__ import main

CAPTURES = Path(__file__).parent / "captures"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstream.__main__._SECONDS_OF_THROUGHPUT", 0.001)


def test_each_message_is_a_line_with_those_nested_in_it_below(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CAPTURES / "amazon-transcribe-0.6.4.request.bin")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("        0  :date=2026-11-22T06:03:17.708+00:00, :chunk-signature=5c0606c07f5a9b79...")
    assert lines[2].strip().startswith(":message-type=event, :event-type=AudioEvent")
    assert lines[-1].startswith("9 messages (8 nested in them), 27179 bytes, 26432 of them payload; decoded at ")
    assert eventstream.implementation in lines[-1]


def test_standard_input_is_read_without_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(frames.EVENT_FRAME)))
    assert main([]) == 0
    assert "1 messages" in capsys.readouterr().out


def test_a_fault_is_reported_after_the_messages_before_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(frames.EVENT_FRAME + frames.EVENT_FRAME[:-1])
    assert main([str(path)]) == 1
    printed = capsys.readouterr()
    assert "1 messages" in printed.out
    assert f"TruncatedMessage: the input ends in the middle of a message: {len(frames.EVENT_FRAME) - 1}" in printed.err


def test_the_other_files_are_shown_after_one_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(frames.EVENT_FRAME)
    assert main([str(tmp_path / "nothing"), str(path)]) == 1
    printed = capsys.readouterr()
    assert "No such file" in printed.err
    assert "1 messages" in printed.out


def test_an_empty_file_is_no_fault(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "empty.bin"
    path.write_bytes(b"")
    assert main([str(path)]) == 0
    assert "0 messages" in capsys.readouterr().out


def test_all_types_of_headers_and_no_control_characters_are_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "ten.bin"
    path.write_bytes(frames.TEN_FRAME + frames.frame(frames.string("\x1b[2J", "\x1b[2J"), b"\x1b[2J"))
    assert main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "2 messages" in printed


def test_no_control_characters_of_a_file_s_name_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "\x1b[2J.bin"
    streams = {name: io.BytesIO(frames.EVENT_FRAME[:-1])}  # no name that every file system takes

    def opened(name: str, mode: str) -> io.BytesIO:
        if name not in streams:
            raise FileNotFoundError(2, "No such file", name)
        return streams.pop(name)

    monkeypatch.setattr("eventstream.__main__.open", opened, raising=False)
    assert main([name, name]) == 1
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert printed.out.startswith("'\\x1b[2J.bin':\n")
    assert printed.err.startswith("'\\x1b[2J.bin': TruncatedMessage: ")
    assert printed.err.endswith("'\\x1b[2J.bin': No such file\n")


@pytest.mark.parametrize("before", [b"", frames.EVENT_FRAME], ids=["at once", "after a message"])
def test_no_data_now_is_not_the_end_of_the_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    class NotBlocking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size) or None  # type: ignore[return-value]

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(NotBlocking(before)))
    assert main([]) == 1
    printed = capsys.readouterr()
    assert f"{len(before) and 1} messages" in printed.out
    assert printed.err.startswith("-: BlockingIOError: the source does not block, and has no data now")
    assert "is this an event stream" not in printed.err


def test_a_timestamp_beyond_the_calendar_is_printed_as_a_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "date.bin"
    path.write_bytes(eventstream.encode({":date": eventstream.Timestamp(2**63 - 1)}))
    assert main([str(path)]) == 0
    assert f"Timestamp({2**63 - 1})" in capsys.readouterr().out


def test_messages_nested_without_end_are_shown_to_a_depth(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wire = b"x"
    for _ in range(2000):
        wire = frames.frame(b"", wire)
    path = tmp_path / "nested.bin"
    path.write_bytes(wire)
    assert main([str(path)]) == 0
    assert "1 messages (4 nested in them)" in capsys.readouterr().out


def test_an_output_that_is_not_utf_8_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "text.bin"
    path.write_bytes(eventstream.encode({"é": "é"}, "é".encode()))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "eventstream", str(path)],
        check=False,
        capture_output=True,
        env=environment,
        cwd=os.path.dirname(__file__),  # `-m` puts it first in the path: not where the sources are
    )
    assert done.returncode == 0, done.stderr
    assert b"\\xe9" in done.stdout
    assert not done.stderr


def test_output_that_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(frames.EVENT_FRAME)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert main([str(path)]) == 0
    assert "1 messages" in output.getvalue()


def test_speed_is_measured_on_the_beginning_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("eventstream.__main__._BYTES_OF_THROUGHPUT", 1)
    path = tmp_path / "large.bin"
    path.write_bytes(frames.EVENT_FRAME * 2_000)
    assert main([str(path)]) == 0
    assert "2000 messages" in capsys.readouterr().out


def test_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    assert main([]) == 130


@pytest.mark.parametrize("count", [1, 2_000])
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, count: int) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(frames.EVENT_FRAME * count)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "eventstream", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": ""},
        cwd=tmp_path,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1
