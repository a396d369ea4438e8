"""``python -m eventstream``: what it prints of a stream, and how it fails."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import frames
import pytest

import eventstream
from eventstream.__main__ import _throughput, main
from eventstream.streams import READ_SIZE

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


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"pay\xff\xfe\x80me\xc0nt approved", ""),
        (b"A\x80\x81", ""),
        (b"Gr\xc3", ""),
        (("a" * 195 + "é").encode()[:-1], ""),
        (("a" * 195 + "éé").encode(), 48),
    ],
)
def test_what_is_no_text_is_not_shown_as_some(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, payload: bytes, shown: str | int
) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(frames.frame(b"", payload))
    assert main([str(path)]) == 0
    expected = shown if isinstance(shown, str) else f" {'a' * shown}..."
    assert f"(no headers) | {len(payload)} bytes{expected}\n" in capsys.readouterr().out


def test_standard_streams_that_are_closed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["-"]) == 1
    assert capsys.readouterr().err == "-: there is no standard input\n"
    monkeypatch.setattr(sys, "stdout", None)
    assert main([str(tmp_path / "any")]) == 1
    assert capsys.readouterr().err == "there is no standard output\n"


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


def test_what_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("eventstream.__main__._throughput", lambda stream: f"the speed of {len(stream)} bytes")
    inner = frames.frame(frames.header("a", 0), b"text")
    stream = [
        frames.frame(b"", b""),
        frames.frame(frames.header("b", 6, frames.sized(bytes(8))), b"x" * 48),
        frames.frame(frames.header("b", 6, frames.sized(bytes(9))), b"x" * 49),
        frames.frame(b"", "aé".encode()),
        frames.frame(b"", "é".encode()),
        frames.frame(b"", b"two\nlines"),
        frames.frame(b"", ("a" + "😀" * 48).encode()),
        frames.frame(b"", b"x" * 196 + b"\n"),
        frames.frame(frames.string("n", "v"), frames.frame(b"", inner)),
    ]
    path = tmp_path / "some.bin"
    path.write_bytes(b"".join(stream))
    assert main([str(path)]) == 0
    printed = capsys.readouterr()
    offsets = [sum(map(len, stream[:number])) for number in range(len(stream))]
    assert printed.out.splitlines() == [
        f"{path}:",
        f"{offsets[0]:9}  (no headers) | 0 bytes",
        f"{offsets[1]:9}  b=0000000000000000 | 48 bytes {'x' * 48}",
        f"{offsets[2]:9}  b=0000000000000000... | 49 bytes {'x' * 48}...",
        f"{offsets[3]:9}  (no headers) | 3 bytes aé",
        f"{offsets[4]:9}  (no headers) | 2 bytes",
        f"{offsets[5]:9}  (no headers) | 9 bytes",
        f"{offsets[6]:9}  (no headers) | 193 bytes a{'😀' * 47}...",
        f"{offsets[7]:9}  (no headers) | 197 bytes {'x' * 48}...",
        f"{offsets[8]:9}  n=v | {len(inner) + 16} bytes a message:",
        f"             (no headers) | {len(inner)} bytes a message:",
        "               a=True | 4 bytes text",
        "9 messages (2 nested in them), 717 bytes, 540 of them payload; "
        f"decoded at the speed of 717 bytes ({eventstream.implementation})",
    ]
    assert printed.err == ""


@pytest.mark.parametrize(
    ("wire", "fault", "hint"),
    [
        (b"GET / HTTP/1.1\r\n", "PreludeChecksumMismatch", True),
        (frames.EVENT_FRAME + b"GET / HTTP/1.1\r\n", "PreludeChecksumMismatch", False),
        (frames.EVENT_FRAME[:-1], "TruncatedMessage", False),
    ],
    ids=["no stream", "not to its end", "cut"],
)
def test_what_is_no_event_stream_is_asked_about(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, wire: bytes, fault: str, hint: bool
) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(wire)
    assert main([str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{path}: {fault}: ")
    assert error.endswith("; is this an event stream?\n") is hint
    assert error.endswith(")\n") is not hint


def test_one_fault_among_files_is_told_by_the_status(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.bin", tmp_path / "bad.bin"
    good.write_bytes(frames.EVENT_FRAME)
    bad.write_bytes(frames.EVENT_FRAME[:-1])
    assert main([str(good), str(good)]) == 0
    for files in ([good, bad], [bad, good], [bad, bad], [tmp_path / "none", good], [good, tmp_path / "none"]):
        assert main([str(file) for file in files]) == 1


def test_what_can_be_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: python -m eventstream [-h] ")
    assert lines[2].startswith("Show what an event stream holds: ")
    assert lines[3] == ""
    assert [line for line in lines if "standard input" in line][1:] == [
        "  file        a file of messages; - is standard input (the default)"
    ]


def test_what_the_output_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "text.bin"
    path.write_bytes(eventstream.encode({"é": "é"}, b"payload"))
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    assert main([str(path)]) == 0
    assert b"  \\xe9=\\xe9 | 7 bytes payload\n" in output.getvalue().replace(os.linesep.encode(), b"\n")


def test_when_nobody_reads_it_the_output_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(frames.EVENT_FRAME)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main([str(path)]) == 1
        output.write("more")
        output.flush()  # as the interpreter does in the end


def test_the_speed_is_that_of_the_beginning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured: list[bytes] = []
    monkeypatch.setattr("eventstream.__main__._throughput", lambda stream: measured.append(stream))
    monkeypatch.setattr("eventstream.__main__._BYTES_OF_THROUGHPUT", 2 * READ_SIZE)
    stream = frames.frame(b"", bytes(1000)) * (4 * READ_SIZE // 1000)
    path = tmp_path / "long.bin"
    path.write_bytes(stream)
    assert main([str(path)]) == 0
    assert measured == [stream[: 2 * READ_SIZE]]


def test_the_speed_of_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream is decoded until the time is up; the clock shows powers of two, so that nothing is rounded."""
    step = 2.0**-21
    monkeypatch.setattr("eventstream.__main__._SECONDS_OF_THROUGHPUT", 2 * step)
    times = iter([1.0, 1.0, 1.0 + step, 1.0 + 2 * step])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    stream = frames.frame(b"", bytes(999_984)) * 3
    assert _throughput(stream) == "6,291,456 MB/s, 6,291,456 messages/s"
    assert _throughput(b"") == _throughput(stream[:100]) == "no measurable speed"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("count", [1, 2_000])
def test_an_output_that_is_full_is_not_the_input_s_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int
) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(frames.EVENT_FRAME * count)
    with open("/dev/full", "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main([str(path), str(path)]) == 1
        output.write("what is left goes nowhere")
    assert capsys.readouterr().err == f"standard output: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("a", "v, b=w", "a='v, b=w'"),
        ("a", "v | 9 bytes", "a='v | 9 bytes'"),
        ("a", "'v", 'a="\'v"'),
        ("a", '"v"', "a='\"v\"'"),
        ("a", 'it\'s "v"', 'a=it\'s "v"'),
        ("a", "v\n", "a='v\\n'"),
        ("a", "application/json; charset=utf-8", "a=application/json; charset=utf-8"),
        ("a=v", "w", "'a=v'=w"),
        ("a, b", "w", "'a, b'=w"),
        ("a|b", "w", "'a|b'=w"),
        ("a", "v" * 200, f"a={'v' * 200}"),
        ("a", "v" * 201, f"a={'v' * 200}..."),
        ("a", "," * 201, f"a='{',' * 200}'..."),
        ("X", "X", "X=X"),
        ("a", 5, "a=5"),
    ],
)
def test_a_header_cannot_be_taken_for_several(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, value: str | int, shown: str
) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(eventstream.encode({name: value}))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"        0  {shown} | 0 bytes"
