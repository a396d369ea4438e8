"""The page's codec, in JavaScript, against ours: the same headers, payload and errors for every frame."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import uuid
from pathlib import Path

import frames
import pytest

import eventstream
from eventstream import Byte, DecodeError, Long, Short, Timestamp
from eventstream.transcribe.emulator import page

ROOT = Path(__file__).resolve().parents[4]
CODEC = Path(page.__file__).with_name("frames.js")
DRIVER = Path(__file__).with_name("frames.mjs")
CAPTURES = sorted((ROOT / "tests/captures").glob("*.bin"))
CORPUS = sorted(path for path in (ROOT / "tools/fuzz/corpus/raw").iterdir() if path.is_file())

TYPES = {
    Byte: "byte",
    Short: "short",
    int: "integer",
    Long: "long",
    bytes: "bytes",
    str: "string",
    Timestamp: "timestamp",
    uuid.UUID: "uuid",
}

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="the page's JavaScript is tested with node, and there is none")


@pytest.fixture(scope="module")
def ask():
    """Return what the codec in JavaScript answers. One process answers all."""
    assert NODE is not None
    command = [NODE, str(DRIVER), str(CODEC)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def answer(question):
        process.stdin.write(f"{json.dumps(question)}\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def ask(*questions):
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            return [answer(question) for question in questions]
        finally:
            watch.cancel()
            watch.join()

    try:
        yield ask
        process.stdin.close()
        assert process.stdout.read() == "", "an answer to each question, and no more"
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)
        process.stdin.close()
        process.stdout.close()


def type_and_value(value):
    """Return the name of a header's type in JavaScript, and its value in JSON."""
    if isinstance(value, bool):
        return ["true" if value else "false", value]
    name = TYPES[type(value)]
    if name in ("long", "timestamp", "uuid"):
        return [name, str(value if name == "uuid" else int(value))]
    return [name, value.hex() if name == "bytes" else value]


def described(headers):
    return [[name, *type_and_value(value)] for name, value in headers.items()]


def expected(frame):
    """Return what ours makes of it: headers and payload, or the error."""
    try:
        message = eventstream.decode(frame)
    except DecodeError as error:
        return type(error).__name__, error.offset
    return described(message.headers), message.payload.hex()


@pytest.fixture(scope="module")
def check(ask):
    """Compare the outcome of each; return the names of the errors that there were."""

    def check(*wires):
        kinds = set()
        for wire, answer in zip(wires, ask(*({"open": wire.hex()} for wire in wires)), strict=True):
            ours = expected(wire)
            if answer["error"] is None:
                assert (answer["headers"], answer["payload"]) == ours, wire.hex()
            else:
                assert tuple(answer["error"]) == ours, wire.hex()
                kinds.add(ours[0])
            parts = [(start, end) for _, start, end in answer["parts"]]
            assert [0, *(end for _, end in parts)] == [*(start for start, _ in parts), len(wire)], (
                "each byte is in one part"
            )
            assert all(start < end for start, end in parts)
        return kinds

    return check


def test_frames_of_all_types_are_opened(ask, check):
    assert check(frames.TEN_FRAME, frames.EVENT_FRAME, frames.EMPTY_FRAME, frames.frame(payload=bytes(70_000))) == set()
    [answer] = ask({"open": frames.TEN_FRAME.hex()})
    assert [kind for kind, _, _ in answer["parts"]] == [
        *("prelude", "prelude", "checksum"),
        *(
            kind
            for name, *_ in frames.TEN_TYPES
            for kind in ("name", "type", "value")
            if kind != "value" or name not in ("true", "false")
        ),
        *("payload", "checksum"),
    ]


def test_frames_of_recorded_clients_are_opened(check):
    messages = [message.encode() for path in CAPTURES for message in eventstream.iter_messages(path.read_bytes())]
    assert len(messages) > 100
    assert check(*messages) == set()


def test_frames_changed_in_one_byte_fail_alike(check):
    """With their checksums made right again, so that the fault is found where it is, and as they are."""
    changed = []
    for position in range(len(frames.TEN_FRAME) - frames.CRC):
        for value in {0, 1, 9, 10, 0x7F, 0x80, 0xC3, 0xFF, frames.TEN_FRAME[position] ^ 1}:
            wire = bytearray(frames.TEN_FRAME)
            wire[position] = value
            changed += [bytes(wire), frames.repaired(wire)]
    assert check(*changed) >= {
        "PreludeChecksumMismatch",
        "MessageChecksumMismatch",
        "InvalidLength",
        "TruncatedMessage",
        "DecodeLimitExceeded",
        "InvalidHeader",
        "TruncatedHeader",
        "UnknownHeaderType",
        "InvalidHeaderText",
    }


def test_frames_with_other_faults_fail_alike(check):
    twice = frames.frame(frames.string("a", "1") + frames.string("a", "2"))
    surrogate = frames.frame(frames.string("a", b"\xed\xa0\x80"))
    mark = frames.frame(frames.string("a", b"\xef\xbb\xbfa"))
    long_headers = frames.frame(frames.string("a", bytes(32_000)) * 5)
    cut = [frames.EVENT_FRAME[:length] for length in range(len(frames.EVENT_FRAME))]
    tails = [frames.EVENT_FRAME + b"\0", frames.frame(payload=b"x", message_crc=0) + b"\0", frames.TEN_FRAME * 2]
    assert check(twice, surrogate, mark, long_headers, *cut, *tails) == {
        *("DuplicateHeader", "InvalidHeaderText", "DecodeLimitExceeded"),
        *("MessageChecksumMismatch", "TruncatedMessage", "TrailingData"),
    }


def test_frames_of_the_fuzz_corpus_fail_alike(check):
    assert len(CORPUS) > 20
    check(*(path.read_bytes()[:100_000] for path in CORPUS))


def test_frames_are_encoded_as_ours_are(ask):
    extremes = {"byte": Byte(-128), "short": Short(32_767), "int": -(2**31), "long": Long(-(2**63)), "b": b"x" * 32_767}
    messages = [(frames.TEN_HEADERS, b"payload"), ({}, b""), (extremes, b"\0"), ({"n" * 255: "é" * 100}, bytes(3200))]
    answers = ask(*({"encode": described(headers), "payload": payload.hex()} for headers, payload in messages))
    assert answers == [eventstream.encode(headers, payload).hex() for headers, payload in messages]


def test_splitter_joins_and_cuts(ask):
    wires = [frames.EVENT_FRAME, frames.EMPTY_FRAME, frames.TEN_FRAME]
    whole = b"".join(wires)
    streams = [[whole], frames.byte_by_byte(whole), *frames.two_way_splits(whole, 7)]
    for answer in ask(*({"split": [piece.hex() for piece in pieces]} for pieces in streams)):
        assert answer == {"frames": [wire.hex() for wire in wires], "buffered": 0, "error": None}


def test_splitter_stops_at_damage(ask):
    damaged = frames.prelude(100, 200)
    huge = frames.prelude(2**32 - 1, 0)
    answers = ask(
        {"split": [(frames.EMPTY_FRAME + damaged).hex()]},
        {"split": [huge.hex()]},
        {"split": [frames.EVENT_FRAME[:30].hex()]},
    )
    assert [(len(answer["frames"]), answer["error"] and answer["error"][0]) for answer in answers] == [
        (1, "InvalidLength"),
        (0, "DecodeLimitExceeded"),
        (0, None),
    ]
    assert answers[2]["buffered"] == 30
