"""Recognisers by their names."""

from __future__ import annotations

import collections
import json

import pytest

from eventstream.transcribe.emulator import Scripted, load_recogniser


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


@pytest.mark.parametrize(
    "name",
    ["", "whisper", "json:", ":dumps", "json:nothing", "json:dumps.x", "json:__name__", "json:dumps:x", ".json:dumps"],
)
def test_no_such_recogniser(name):
    with pytest.raises(ValueError, match="unknown recogniser"):
        load_recogniser(name)


def test_no_such_module():
    with pytest.raises(ImportError):
        load_recogniser("no_such_module:factory")
