"""``eventstream show``: a line per message, and JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
import types

import frames
import pytest
from cli.conftest import CAPTURES

from eventstream import Message, Timestamp, encode
from eventstream.cli import _inputs, show
from eventstream.cli._json import MAX_DEPTH

CONTROLS = "\x1b[2J\x07\u202e"


def event(payload=b"", /, **headers):
    return encode({name.replace("_", "-"): value for name, value in headers.items()}, payload)


def test_messages_are_lines(run, request_wire):
    done = run("show", "-", stdin=request_wire)
    lines = done.out.splitlines()
    assert (done.status, done.err, lines[0]) == (0, "", "-:")
    assert (
        lines[1]
        == "        0  :date=2026-11-22T06:03:17.708Z, :chunk-signature=5c0606c07f5a9b79... | 3304 bytes a message:"
    )
    assert lines[2].startswith(" " * 13 + ":message-type=event, :event-type=AudioEvent")
    assert lines[-1] == "9 messages (and 8 nested in them), 26432 bytes of payload in 27179 bytes"


def test_several_files_and_forms(run, tmp_path):
    (tmp_path / "hex").write_text(frames.EVENT_FRAME.hex())
    done = run("show", tmp_path / "hex", CAPTURES / "capo-0.11.0.response.bin")
    assert done.out.count(" of payload in ") == 2


def test_damage_is_said_and_the_rest_is_shown(run, response_wire):
    damaged = bytearray(response_wire)
    damaged[500] ^= 1
    done = run("show", "-", stdin=bytes(damaged))
    assert done.status == 1
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["0", "936", "1588", "3"]
    assert done.err.startswith("-: 528 bytes lost at byte 408: MessageChecksumMismatch: ")


def test_nested_message_of_a_damaged_one_is_shown(run, request_wire):
    damaged = bytearray(request_wire)
    damaged[0] ^= 1
    done = run("show", "-", stdin=bytes(damaged))
    assert done.out.splitlines()[1].strip().startswith(":message-type=event, :event-type=AudioEvent")
    assert "; 1 nested in it" in done.err


def test_payload_is_cut_unless_all_is_wanted(run):
    wire = event(b"x" * 1000, name="v" * 500)
    line = run("show", "-", stdin=wire).out.splitlines()[1]
    assert line == f"        0  name={'v' * 200}... | 1000 bytes {'x' * 197}..."
    line = run("show", "--full", "-", stdin=wire).out.splitlines()[1]
    assert line == f"        0  name={'v' * 500} | 1000 bytes {'x' * 1000}"


def test_binary_is_shown_only_if_all_is_wanted(run):
    wire = event(b"\xff\0" * 10, name=bytes(range(20)))
    assert run("show", "-", stdin=wire).out.splitlines()[1].endswith("name=0001020304050607... | 20 bytes")
    full = run("show", "--full", "-", stdin=wire).out.splitlines()[1]
    assert full.endswith(f"name={bytes(range(20)).hex()} | 20 bytes {'ff00' * 10}")


def test_text_without_width_is_cut_with_dots(run):
    """Of marks, more than can be shown fit into any width."""
    wire = event("กิิิิ".encode() * 600)
    assert run("show", "-", stdin=wire).out.splitlines()[1].endswith("...")


def test_text_cut_in_a_character(run):
    wire = event("é".encode() * 600)
    assert run("show", "-", stdin=wire).out.splitlines()[1].endswith("é" * 10 + "...")


@pytest.mark.parametrize("options", [[], ["--full"], ["--json"]], ids=str)
def test_terminal_is_controlled_by_nothing(run, options):
    wire = event(f"a{CONTROLS}".encode(), **{"n\x1b": f"v{CONTROLS}"}) + event(b"\x1b]0;title\x07")
    wire += encode({":message-type": "exception", ":exception-type": "\x1b[2J"}, "\x9b2J\u2028".encode())
    done = run("show", *options, "-", stdin=wire)
    assert done.status == 0
    assert all(line.isprintable() for line in done.out.split("\n"))


def test_header_that_could_be_taken_for_several_is_quoted(run):
    wire = event(name="a, b=c", other="'")
    assert "name='a, b=c', other=\"'\" | 0 bytes" in run("show", "-", stdin=wire).out


def test_values_of_every_type(run):
    line = run("show", "-", stdin=frames.TEN_FRAME).out.splitlines()[1]
    assert "true=True, false=False, byte=Byte(-2)" in line
    assert "timestamp=2023-11-14T22:13:20.123Z" in line
    wire = event(t=Timestamp(2**63 - 1))
    assert f"t={2**63 - 1}" in run("show", "-", stdin=wire).out


# JSON


def test_json_is_a_line_per_message(run, request_wire):
    done = run("show", "--json", "-", stdin=request_wire)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [message["offset"] for message in found][:3] == [0, 3387, 6774]
    assert found[0]["headers"][":date"] == {"type": "timestamp", "value": "2026-11-22T06:03:17.708Z"}
    assert found[0]["message"]["headers"][":event-type"]["value"] == "AudioEvent"
    assert set(found[-1]) == {"offset", "headers", "text"}


def test_json_payload_is_a_value_whatever_its_spaces(run, response_wire):
    """`jq .payload` finds it; the exact text is beside it."""
    found = [json.loads(line) for line in run("show", "--json", "-", stdin=response_wire).out.splitlines()]
    assert '": ' in found[0]["text"]
    assert [list(message["payload"]) for message in found] == [["Transcript"]] * len(found)


def test_json_has_the_gaps(run, response_wire):
    damaged = bytearray(response_wire)
    damaged[500] ^= 1
    done = run("show", "--json", "-", stdin=bytes(damaged))
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 1
    assert [message["offset"] for message in found] == [0, 408, 936, 1588]
    assert (found[1]["length"], found[1]["error"]) == (528, "MessageChecksumMismatch")


# Conditions

EVENTS = [
    Message({":event-type": "A", "n": 1, "flag": True}, b'{"x":{"y":[1,"two"]},"text":"abc"}'),
    Message({":event-type": "B", "when": Timestamp(0), "raw": b"\x01"}, b"no JSON"),
    Message({"outer": "1"}, Message({":event-type": "C"}, b'{"x":{"y":[]}}').encode()),
]


@pytest.mark.parametrize(
    ("conditions", "shown"),
    [
        ([":event-type"], "ABC"),
        ([":event-type=A"], "A"),
        ([":event-type!=A"], "BC"),
        ([":event-type~[AC]"], "AC"),
        ([":event-type~[AC]", "n=1"], "A"),
        (["n"], "A"),
        (["flag=true"], "A"),
        (["when=1970-01-01T00:00:00.000Z"], "B"),
        (["raw=01"], "B"),
        (["outer"], "C"),
        ([".x"], "AC"),
        ([".x.y.0=1"], "A"),
        ([".x.y.1=two"], "A"),
        ([".x.y.7"], ""),
        ([".x.y=[]"], "C"),
        ([".x.z.1"], ""),
        ([".text~^a"], "A"),
        (["x=a=b"], ""),
    ],
)
def test_where(run, conditions, shown):
    options = [option for condition in conditions for option in ("--where", condition)]
    wire = b"".join(message.encode() for message in EVENTS)
    done = run("show", "--json", *options, "-", stdin=wire)
    found = [json.loads(line) for line in done.out.splitlines()]
    names = "".join((m.get("message") or m)["headers"][":event-type"]["value"] for m in found)
    assert (done.status, names) == (0, shown)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_where_looks_as_deep_as_is_shown(run, options):
    messages = [Message({"name": "inner"})]
    for _ in range(MAX_DEPTH + 1):
        messages.append(Message({"name": "outer"}, messages[-1].encode()))
    too_deep, deep = messages[-1].encode(), messages[-2].encode()
    done = run("show", *options, "--where", "name=inner", "-", stdin=too_deep + deep)
    shown = run("show", *options, "-", stdin=deep).out
    assert "inner" in shown
    if options:
        assert json.loads(done.out)["headers"] == json.loads(shown)["headers"]
    else:
        assert f"1 message (and {MAX_DEPTH} nested in it), " in done.out


@pytest.mark.parametrize("condition", ["", "=x", "a~("])
def test_where_that_is_wrong(run, condition):
    done = run("show", "--where", condition, "-")
    assert done.status == 2
    assert "--where" in done.err


# Files that grow


def test_follow_shows_what_is_written_next(run, tmp_path, monkeypatch):
    path = tmp_path / "growing"
    path.write_bytes(frames.EVENT_FRAME + frames.TAIL_FRAME[:9])
    monkeypatch.setattr(_inputs, "_POLL_SECONDS", 0.01)
    seen = []

    def see(message, *rest):
        seen.append(message.encode())
        if len(seen) == 2:
            raise KeyboardInterrupt
        return 1

    monkeypatch.setattr(show._Lines, "message", lambda self, message, *rest: see(message))

    def write():
        while not seen:
            time.sleep(0.01)
        with path.open("ab") as file:
            file.write(frames.TAIL_FRAME[9:])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert run("show", "--follow", path).status == 130
    writer.join(10)
    assert seen == [frames.EVENT_FRAME, frames.TAIL_FRAME]


def test_follow_waits_for_the_file(run, tmp_path, monkeypatch):
    path = tmp_path / "late"

    def sleep(seconds):
        if path.exists():
            raise KeyboardInterrupt
        path.write_bytes(frames.EVENT_FRAME)

    monkeypatch.setattr(_inputs, "time", types.SimpleNamespace(sleep=sleep))
    done = run("show", "--follow", path)
    assert (done.status, done.err) == (130, f"{path}: waiting for the file\n\n")
    assert ":event-type=TranscriptEvent" in done.out


def test_follow_does_not_wait_for_a_folder(run, tmp_path):
    path = tmp_path / "nowhere" / "late"
    assert run("show", "--follow", path) == (2, "", f"{path}: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a", "b"], "takes one file"),
        ([], "takes one file"),
        (["."], "takes a file, and . is a folder"),
        (["--from", "gzip", "a"], "takes a raw stream, not gzip"),
    ],
)
def test_follow_takes_one_raw_file(run, arguments, reason):
    done = run("show", "--follow", *arguments)
    assert done.status == 2
    assert f"--follow {reason}" in done.err


def test_width_of_the_terminal(monkeypatch):
    lines = show._Lines(full=False)
    lines.width = 80
    assert len(lines.payload(b"x" * 1000, 50)) == 29
    assert len(lines.payload(b"x" * 1000, 79)) == show._MIN_PAYLOAD_LENGTH


def test_terminal_is_shown_each_message_at_once(run, monkeypatch):
    def flushes(is_terminal):
        flushed = []
        with monkeypatch.context() as patched:
            flush = sys.stdout.flush
            patched.setattr(sys.stdout, "isatty", lambda: is_terminal)
            patched.setattr(sys.stdout, "flush", lambda: flushed.append(1) or flush())
            assert run("show", "-", stdin=frames.EVENT_FRAME * 3).status == 0
        return len(flushed)

    assert flushes(True) == flushes(False) + 3
