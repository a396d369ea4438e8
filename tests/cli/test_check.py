"""``eventstream check``: sound, cut, damaged, incomplete, unverified."""

from __future__ import annotations

import base64
import json

import frames
import pytest
from cli.conftest import CAPTURES
from timing import takes_at_most

from eventstream import encode

INDEX = json.loads((CAPTURES / "index.json").read_bytes())
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def event(event_type, payload=b"{}"):
    return encode({":message-type": "event", ":event-type": event_type}, payload)


def check(run, wire, *options):
    """Return the status and the line for a stream, and its object in JSON."""
    done = run("check", *options, "-", stdin=wire)
    found = json.loads(run("check", "--json", *options, "-", stdin=wire).out)
    assert done.out.count("\n") == 1
    assert done.out.startswith(f"-: {found['status']}: ")
    assert (done.status == 0) == (found["status"] == "sound")
    return found, done.out.strip()


def test_sound_stream(run, request_wire):
    found, line = check(run, request_wire)
    assert found == {"file": "-", "status": "sound", "messages": 9, "bytes": 27179}
    assert line == "-: sound: 9 messages, 27179 bytes"


def test_empty_stream_is_sound(run):
    found, line = check(run, b"")
    assert found == {"file": "-", "status": "sound", "messages": 0, "bytes": 0}
    assert line == "-: sound: empty"


@pytest.mark.parametrize(("cut", "missing"), [(1, 1), (29, 29), (50, 50), (125, 7)])
def test_cut_stream_says_how_much_is_missing(run, cut, missing):
    wire = frames.EVENT_FRAME * 2
    found, line = check(run, wire[:-cut])
    assert (found["status"], found["missing"], found["offset"]) == ("cut", missing, len(frames.EVENT_FRAME))
    assert (found["messages"], found["bytes"]) == (1, len(wire) - cut)
    least = "" if cut < 119 else "at least "
    lacked = f"lacks {least}{missing} byte{'' if missing == 1 else 's'};"
    assert f"cut: the message at byte {len(frames.EVENT_FRAME)} {lacked}" in line


def test_damaged_stream_says_where_and_why(run):
    wire = bytearray(frames.EVENT_FRAME * 5)
    wire[140] ^= 1
    wire[400] ^= 1
    found, line = check(run, bytes(wire))
    assert {name: found[name] for name in ("status", "messages", "offset", "error", "gaps", "lost")} == {
        "status": "damaged",
        "messages": 3,
        "offset": 130,
        "error": "PreludeChecksumMismatch",
        "gaps": 2,
        "lost": 260,
    }
    assert "260 bytes lost in 2 gaps (`salvage` saves the rest)" in line


def test_damaged_stream_without_a_message_has_no_rest(run):
    refused = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n\r\n" + b'{"message":"no"}'
    found, line = check(run, refused)
    assert (found["status"], found["messages"]) == ("damaged", 0)
    assert "16 bytes lost; 0 messages" in line


def test_stream_beyond_the_limits_says_how_it_is_accepted(run):
    wire = encode({}, bytes(24 * 2**20 + 1), max_payload_length=None)
    assert "(`--no-limits` accepts it)" in check(run, wire)[1]
    assert check(run, wire, "--no-limits")[0]["status"] == "sound"


def test_cut_behind_damage_is_damaged(run):
    wire = b"?" + (frames.EVENT_FRAME * 3)[1:-1]
    assert check(run, wire)[0]["status"] == "damaged"


STREAMS = {
    "converse": (["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"], 4),
    "select": (["Records", "Cont", "Stats", "End"], 4),
    "lambda": (["PayloadChunk", "PayloadChunk", "InvokeComplete"], 3),
}


@pytest.mark.parametrize(("types", "complete_from"), STREAMS.values(), ids=STREAMS)
def test_incomplete_is_known_from_the_events(run, types, complete_from):
    for count in range(1, len(types) + 1):
        found, line = check(run, b"".join(map(event, types[:count])))
        assert found["status"] == ("sound" if count >= complete_from else "incomplete"), count
        if count < complete_from:
            assert f"the last event is {types[count - 1]}, not " in line


def test_incomplete_by_what_was_said(run):
    wire = event("A") + event("B")
    assert check(run, wire, "--last", "B")[0]["status"] == "sound"
    assert check(run, wire, "--last", "A", "--last", "B")[0]["status"] == "sound"
    found, _ = check(run, wire, "--last", "Z", "--last", "End")
    assert found["reason"] == "the last event is B, not End or Z"
    assert check(run, b"", "--last", "End")[0]["reason"] == "nothing came, not End"


def test_stream_that_ends_with_an_exception(run):
    wire = event("messageStart") + encode({":message-type": "exception", ":exception-type": "ThrottlingException"})
    found, _ = check(run, wire)
    assert (found["status"], found["reason"]) == ("sound", "it ends with ThrottlingException")
    wire = event("messageStart") + encode({":message-type": "error", ":error-code": "Down"})
    assert check(run, wire)[0]["reason"] == "it ends with Down"


# Signatures


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def seed_of(name):
    entry = next(entry for entry in INDEX if entry["name"] == name)
    authorization = dict(map(tuple, entry["request_headers"]))["authorization"]
    return authorization, authorization.rpartition("Signature=")[2]


KEY = ("--verify", "--region", "us-east-1", "--service", "transcribe", "--seed")


def test_signatures_of_a_recorded_request(run, secret, request_wire):
    _, seed = seed_of("amazon-transcribe-0.6.4")
    found, _ = check(run, request_wire, *KEY, seed)
    assert (found["status"], found["reason"]) == ("sound", "9 signatures verified")


def test_wrong_signature(run, secret, request_wire):
    found, _ = check(run, request_wire, *KEY, "0" * 64)
    assert found["status"] == "unverified"
    assert found["reason"].startswith("event 0: ")


def test_signed_stream_that_was_cut_between_messages(run, secret, request_wire):
    _, seed = seed_of("amazon-transcribe-0.6.4")
    found, _ = check(run, request_wire[:-83], *KEY, seed)
    assert (found["status"], found["reason"]) == ("unverified", "the signed end of the stream is missing")


def test_seed_of_a_recorded_header(run, secret, request_wire, response_wire, tmp_path):
    authorization, _ = seed_of("amazon-transcribe-0.6.4")

    def content(wire):
        return {"text": base64.b64encode(wire).decode(), "encoding": "base64"}

    headers = [{"name": "Authorization", "value": authorization}]
    request = {"headers": headers, "postData": content(request_wire)}
    entry = {"request": request, "response": {"headers": [], "content": content(response_wire)}}
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    done = run("check", "--verify", tmp_path / "x.har")
    assert done.status == 0
    first, second = done.out.splitlines()
    assert "9 signatures verified" in first
    assert "#1 response: sound: 4 messages" in second


@pytest.mark.parametrize(
    "value",
    ["Credential=a/20261130/b/c/aws4_request " * 20_000, "Credential=" * 80_000, "AWS4-HMAC-SHA256" + " " * 900_000],
)
def test_header_of_no_signature_takes_linear_time(run, secret, request_wire, tmp_path, value):
    """Quadratic, it would take minutes."""
    content = {"text": base64.b64encode(request_wire).decode(), "encoding": "base64"}
    request = {"headers": [{"name": "Authorization", "value": value}], "postData": content}
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [{"request": request}]}}))

    def check():
        assert "no Authorization header: give --region" in run("check", "--verify", tmp_path / "x.har").err

    assert takes_at_most(5, check)


def test_verify_says_what_it_needs(run, monkeypatch, request_wire):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    assert "AWS_SECRET_ACCESS_KEY" in run("check", "--verify", "-").err
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert "give --region, --service and --seed" in run("check", "--verify", "-", stdin=request_wire).err
    done = run("check", "--verify", "--seed", "xyz", "-")
    assert (done.status, SECRET in done.err) == (2, False)


def test_reason_controls_nothing(run):
    wire = event("messageStart") + encode({":message-type": "exception", ":exception-type": "\x1b[2J"})
    assert "\x1b" not in run("check", "-", stdin=wire).out
    assert "\x1b" not in run("check", "--last", "\x1b", "-", stdin=event("\x1b[2J")).out


def test_progress_is_told(run, response_wire, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("eventstream.cli._terminal.Progress.update", lambda self, *what: told.append(what))
    path = tmp_path / "response"
    path.write_bytes(response_wire)
    assert run("check", path).status == 0
    assert {(name, size) for name, _, size in told} == {(str(path), len(response_wire))}
    done = [position for _, position, _ in told]
    assert done == sorted(done)
