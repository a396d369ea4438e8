"""Files that hold several HTTP bodies: what is understood of them. What the streams in them are is in test_inputs."""

from __future__ import annotations

import json

import frames

from eventstream.cli import _containers

STREAM = frames.EVENT_FRAME + frames.TEN_FRAME + frames.TAIL_FRAME
JSON_HEADERS = [{"name": "Content-Type", "value": "application/vnd.amazon.eventstream"}]


def test_cassette_has_only_texts_bytes_and_nulls():
    """Numbers of base 60 take quadratic time, and mappings that are merged any."""
    text = b"a: 1:59:59\nb: &b {k: 2026-11-30}\nc: {<<: *b}\nd: [~, null, '', 'null', 0x1f, yes]\ne:\nf: !!binary YQ=="
    assert _containers._json_or_yaml(text) == {
        "a": "1:59:59",
        "b": {"k": "2026-11-30"},
        "c": {"<<": {"k": "2026-11-30"}},
        "d": [None, None, "", "null", "0x1f", "yes"],
        "e": None,
        "f": b"a",
    }


def test_headers_of_other_types_are_empty():
    assert _containers._pairs({"a": [["x"]], "b": 5, "c": [b"x"], "d": []}) == {"a": "", "b": "", "c": "x", "d": ""}


def test_har_whose_body_is_no_base64():
    content = {"text": STREAM.decode("latin-1")}
    data = json.dumps({"log": {"entries": [{"response": {"headers": JSON_HEADERS, "content": content}}, 5]}})
    (http,) = _containers.CONTAINERS["har"](data.encode())
    assert http.content == STREAM


def test_text_of_a_body_as_bytes():
    assert _containers._bytes("\x00\xff") == b"\x00\xff"
    assert _containers._bytes("€") == "€".encode()
    assert _containers._bytes(b"\xff") == b"\xff"
