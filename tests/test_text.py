"""How strangers' text is shown: in quotes, on one line, and cut."""

from __future__ import annotations

import pytest

from eventstream import _text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        ("it's", '"it\'s"'),
        ("a\nb\x00\ud800", "'a\\nb\\x00\\ud800'"),
        ("x" * 64, repr("x" * 64)),
        ("x" * 65, repr("x" * 61) + "..."),
        ("é" * 33, repr("é" * 30) + "..."),
    ],
)
def test_quote(text, shown):
    assert _text.quote(text) == shown


class Loud(str):
    def __repr__(self):
        raise AssertionError("a subclass decides nothing")

    def encode(self, *_):
        raise AssertionError("a subclass decides nothing")


def test_quote_calls_nothing_of_a_subclass():
    assert _text.quote(Loud("quiet")) == "'quiet'"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "''"),
        (b"Forbidden", "'Forbidden'"),
        (b"\xff\n", "'\ufffd\\n'"),
        (b"x" * 64, repr("x" * 64)),
        (b"x" * 65, repr("x" * 61) + "..."),
    ],
)
def test_quote_bytes(data, shown):
    assert _text.quote_bytes(data) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "'text'"), (5, "5"), ([1, 2], "[1, 2]"), (["x" * 70], "['" + "x" * 59 + "..."), (None, "None")],
)
def test_shown(value, shown):
    assert _text.shown(value) == shown


@pytest.mark.parametrize(("text", "shown"), [("GET /", "GET /"), ("a\r\nb", "a\ufffd\ufffdb"), ("\ud800é", "\ufffdé")])
def test_printable(text, shown):
    assert _text.printable(text) == shown
