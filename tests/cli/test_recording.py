"""One recording: its first bytes, and a file that grows. The streams in files of every form are in test_inputs."""

from __future__ import annotations

import itertools

import frames
from cli.test_inputs import LIMITS, STREAM, joined
from hypothesis import given
from hypothesis import strategies as st

from eventstream import PreludeChecksumMismatch
from eventstream.cli import _recording
from eventstream.cli._forms import recognised
from eventstream.cli._recording import Body, Recording


def grown(*pieces):
    """Return the parts of a file that grows by these pieces, each with the number of pieces read before it."""
    read = []

    def reading():
        for piece in pieces:
            read.append(piece)
            yield piece

    recording = Recording("x", Body(reading(), grows=True))
    return [(len(read), *joined([part])) for part in recording.parts(LIMITS)]


def test_file_that_grows_after_damage():
    event, tail = frames.EVENT_FRAME, frames.TAIL_FRAME
    junk = b"junk" * 10
    gap = (130, 40, PreludeChecksumMismatch)
    found = grown(event, b"", junk, b"", b"", event[:50], b"", event[50:] + tail[:9], b"", tail[9:], b"", tail)
    assert [(count, *part[:3]) if len(part) == 5 else (count, *part) for count, part in found] == [
        (1, 1, event),
        (9, *gap),
        (9, 1, event),
        (11, 1, tail),
    ]


def test_damage_of_a_file_that_grows_is_not_awaited_for_ever(monkeypatch):
    monkeypatch.setattr(_recording, "_MAX_AWAITED", 1000)
    found = grown(*[b"junk" * 100] * 8, frames.EVENT_FRAME, b"")
    assert [(count, part[1]) for count, part in found[:-1]] == [(3, 1200), (6, 1200), (10, 800)]
    assert found[-1] == (10, (1, frames.EVENT_FRAME))


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 310), st.binary(min_size=1, max_size=20))
def test_file_that_grows_gives_what_salvage_gives(cuts, start, junk):
    """Nothing that follows the last message is given, as it may be one that is not all there yet."""
    data = STREAM[:start] + junk + STREAM[start:] + STREAM
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    pieces = [data[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(data)])]
    found = [part for _, part in grown(*itertools.chain.from_iterable((piece, b"") for piece in pieces))]
    messages = [wire for count, wire in (part for part in found if len(part) == 2)]
    assert {frames.EVENT_FRAME, frames.TEN_FRAME, frames.TAIL_FRAME} == set(messages)
    assert messages[-3:] == [frames.EVENT_FRAME, frames.TEN_FRAME, frames.TAIL_FRAME]


def test_form_of_many_small_pieces_is_told():
    body = Body(bytes([byte]) for byte in STREAM)
    assert recognised(body.head()) == "raw"
    assert body.read() == STREAM
    body = Body(b"?" for _ in range(70_000))
    assert body.head() == b"?" * (1 << 16)


def test_body_in_pieces_keeps_what_was_looked_at():
    body = Body(iter([b"abc", b"def"]))
    assert body.head() == b"abcdef"
    assert body.read() == b"abcdef"
