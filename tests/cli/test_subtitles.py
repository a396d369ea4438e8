"""Cues of transcripts: their times, their texts, and what is none."""

from __future__ import annotations

import pytest

from eventstream.cli._subtitles import SUBTITLES, Cue, cue, cues, parsed, printable

CUES = [Cue(0.2, 1.25, "Hello <there>."), Cue(3599.9996, 360_000.5, "A & B")]


def test_transcript():
    assert b"".join(SUBTITLES["transcript"](CUES)) == b"Hello <there>.\nA & B\n"


def test_srt():
    assert b"".join(SUBTITLES["srt"](CUES)) == (
        b"1\n00:00:00,200 --> 00:00:01,250\nHello <there>.\n\n2\n01:00:00,000 --> 100:00:00,500\nA & B\n\n"
    )


def test_vtt():
    assert b"".join(SUBTITLES["vtt"](CUES)) == (
        b"WEBVTT\n\n00:00:00.200 --> 00:00:01.250\nHello &lt;there&gt;.\n\n"
        b"01:00:00.000 --> 100:00:00.500\nA &amp; B\n\n"
    )
    assert b"".join(SUBTITLES["vtt"]([])) == b"WEBVTT\n\n"


def test_cue_is_one_line_that_controls_nothing():
    assert list(cue(" a\n\n b\x1b\u2028", 1, 2)) == [Cue(1.0, 2.0, "a b\ufffd\ufffd")]
    assert list(cue("\ud800", 1, 2)) == [Cue(1.0, 2.0, "\ufffd")]


@pytest.mark.parametrize("text", [None, "", " \n", 5, ["x"]])
def test_cue_needs_text(text):
    assert list(cue(text, 1, 2)) == []


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(1, 2, (1, 2)), (2, 1, (2, 2)), (None, 3, (0, 3)), (-1, "x", (0, 0)), (float("nan"), 1e300, (0, 0))],
)
def test_times(begin, end, expected):
    (found,) = cue("x", begin, end)
    assert (found.begin, found.end) == expected


def test_events_of_other_types():
    assert list(cues("BadRequestException", {"Message": "x"})) == []
    assert list(cues(None, {})) == []
    assert list(cues("TranscriptEvent", None)) == []


def test_printable():
    assert printable("a\r\nb\tc\xa0") == "a\nb\tc\xa0"
    assert printable("a\rb") == "a\ufffdb"


def test_parsed():
    assert parsed(b"[1]") == [1]
    assert parsed(b"[") is None
    assert parsed(b"[" * 100_000) is None
    assert parsed(b"\xff") is None
