"""Recognisers by their names."""

from __future__ import annotations

import collections
import json

import pytest
from cases import each
from timing import takes_at_most

from eventstream.transcribe.emulator import Scripted, load_recogniser
from eventstream.transcribe.emulator.recogniser import tokens


@each(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("Hello, world!", [("Hello", ","), ("world", "!")]),
        ("a.b. c", [("a.b", "."), ("c", "")]),
        ("What?! \u2003so", [("What", "?"), ("so", "")]),
        ("... ?", [(".", "."), ("?", "")]),
    ],
)
def test_tokens_are_words_and_marks(text, expected):
    assert list(tokens(text)) == expected


def test_tokens_take_linear_time():
    """Quadratic, it would take minutes."""
    text = "?" * 200_000 + "x"
    assert list(tokens(text)) == [(text, "")]
    assert takes_at_most(5, lambda: list(tokens(text)))


def test_default():
    assert isinstance(load_recogniser("scripted"), Scripted)


@pytest.mark.speech
def test_moonshine():
    pytest.importorskip("moonshine_voice")
    factory = load_recogniser("moonshine")
    assert type(factory).__name__ == "Moonshine"
    factory.close()


@pytest.mark.parametrize(
    ("name", "factory"), [("json:dumps", json.dumps), ("collections:Counter.fromkeys", collections.Counter.fromkeys)]
)
def test_factory_of_the_user(name, factory):
    assert load_recogniser(name) == factory


@each(
    "name",
    ["", "whisper", "json:", ":dumps", "json:nothing", "json:dumps.x", "json:__name__", "json:dumps:x", ".json:dumps"],
)
def test_recogniser_that_does_not_exist(name):
    with pytest.raises(ValueError, match="unknown recogniser"):
        load_recogniser(name)


def test_module_that_does_not_exist():
    with pytest.raises(ImportError):
        load_recogniser("no_such_module:factory")
