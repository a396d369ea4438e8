"""How strangers' text is shown: in quotes, on one line, and cut."""

from __future__ import annotations

from codecs import Codec

import pytest
from cases import each

from eventstream import _text


@each(
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


@each(
    ("text", "shown"),
    [
        ("", ""),
        ("$.it's", "$.it's"),
        ("a\nb\x00\ud800", r"a\nb\x00\ud800"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 61 + "..."),
        ("\x1b" * 65, r"\x1b" * 61 + "..."),
        ("é" * 33, "é" * 30 + "..."),
    ],
)
def test_unquoted(text, shown):
    assert _text.unquoted(text) == shown


class Loud(str):
    def __repr__(self):
        raise AssertionError("a subclass decides nothing")

    def encode(self, *_):
        raise AssertionError("a subclass decides nothing")


def test_quote_calls_nothing_of_a_subclass():
    assert _text.quote(Loud("quiet")) == "'quiet'"


def test_header_label():
    assert _text.header_label(None) == "header"
    assert _text.header_label("a\n") == r"header 'a\n'"


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


@pytest.mark.parametrize(("value", "name"), [(5, "builtins.int"), (Codec(), "codecs.Codec")])
def test_class_of(value, name):
    assert _text.class_of(value) == name


@pytest.mark.parametrize(("text", "shown"), [("GET /", "GET /"), ("a\r\nb", "a\ufffd\ufffdb"), ("\ud800é", "\ufffdé")])
def test_printable(text, shown):
    assert _text.printable(text) == shown


@each(
    ("text", "limit", "shown"),
    [
        ("text", 4, "text"),
        ("texts", 4, "t..."),
        ("a\nb", 4, "a\\nb"),
        ("a\nb", 3, "..."),
        ("a\n", 3, "a\\n"),
        ("it's", 9, "it's"),
        ("\x1b\u2028\ud800\U000e0001", 99, "\\x1b\\u2028\\ud800\\U000e0001"),
        ("", 3, ""),
    ],
)
def test_escaped(text, limit, shown):
    assert _text.escaped(text, limit) == shown


@each(
    ("data", "text"),
    [
        (b"text\t\r\n", "text\t\r\n"),
        ("\ufefftext é".encode(), "text é"),
        (b"", None),
        (b"\xef\xbb\xbf", None),
        (b"bell\x07", None),
        (b"\xc3", None),
        (b"caf\xc3", None),
        (b"\xff text", None),
    ],
)
def test_text_of(data, text):
    assert _text.text_of(data) == text


def test_text_of_data_that_are_cut():
    assert _text.text_of(b"caf\xc3", cut=True) == "caf"
    assert _text.text_of(b"\xc3", cut=True) is None
    assert _text.text_of(b"\xff text", cut=True) is None
    assert _text.text_of(b"caf\xc3 ", cut=True) is None


@each(
    ("data", "found"),
    [
        (b'{"a": 1}', """JSON: '{"a": 1}'"""),
        (b"\n [1, 2]", "JSON: '\\n [1, 2]'"),
        (b"<HTML><body>", "HTML: '<HTML><body>'"),
        (b"  <!doctype HTML>", "HTML: '  <!doctype HTML>'"),
        (b"<Error/>", "XML: '<Error/>'"),
        (b"event: a", "server-sent events: 'event: a'"),
        (b":\n\n", "server-sent events: ':\\n\\n'"),
        (b"HTTP/1.0 200 OK", "an HTTP/1 response; only its body can be an event stream: 'HTTP/1.0 200 OK'"),
        (
            b"HTTP/1.1 200 OK\r\n\r\n\0\0\0\x10\0\0\0\0",
            "an HTTP/1 response; only its body can be an event stream: 'HTTP/1.1 200 OK'",
        ),
        (
            b"HTTP/1.1 200 \xff\r\n",
            "an HTTP/1 response; only its body can be an event stream: 'HTTP/1.1 200 \ufffd\\r\\n'",
        ),
        (b"HTTP/2 200", "text: 'HTTP/2 200'"),
        (b"\x1f\x8b\x08", "gzip, which must be decompressed first"),
        (b"\x1f\x8c\x08", None),
        (b"AAAAEAAAAAAF", "base64, which must be decoded first: 'AAAAEAAAAAAF'"),
        (b"AA, and more", "text: 'AA, and more'"),
        (b"BAAAEAAAAAAF", "text: 'BAAAEAAAAAAF'"),
        ("Zugriff verweigert: schön".encode()[:-2], "text: 'Zugriff verweigert: sch'"),
        (b"", None),
        (b"\0\0\0\x10\0\0\0\0", None),
        (bytes(range(32, 64)) + b"\xff", None),
    ],
)
def test_describe(data, found):
    assert _text.describe(data) == found


@each(
    ("data", "limit", "too_many"),
    [
        (b"", 0, False),
        (b"{}", 1, False),
        (b"{}", 0, True),
        (b"[{},{}]", 4, False),
        (b"[{},{}]", 3, True),
        (b"[1,2,3]", 3, False),
        (b"[1,2,3]", 2, True),
        (memoryview(b"[1,2,3]"), 2, True),
        (b"a long text without any", 5, False),
    ],
)
def test_json_values_are_counted_without_parsing(data, limit, too_many):
    assert _text.has_too_many_values(data, limit) is too_many


@each(
    ("name", "text"),
    [
        ("langage_code", " (did you mean 'language_code'?)"),
        ("languageCode", " (did you mean 'language_code'?)"),
        ("LANGUAGE_CODE", " (did you mean 'language_code'?)"),
        ("messagestopp", " (did you mean 'messageStop'?)"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_suggestion(name, text):
    assert _text.suggestion(name, ["messageStop", "language_code", "x" * 100]) == text


def test_suggestion_is_shortened():
    assert _text.suggestion("x" * 99, ["x" * 100]) == f" (did you mean {'x' * 61!r}...?)"
