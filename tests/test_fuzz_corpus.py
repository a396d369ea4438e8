"""The corpus of the fuzz targets, replayed: what they found once stays found. It needs no fuzzer (see `fuzz`)."""

from __future__ import annotations

import importlib
import types

import frames
import fuzz
import pytest
from cases import case

FILES = sorted(path for path in fuzz.CORPUS.glob("*/*") if path.is_file())


@pytest.mark.filterwarnings("ignore:language code")  # that it is not known, and passed on
@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_invariant_holds(name):
    if name in ("requests", "transcripts"):
        pytest.importorskip("msgspec")
    target = importlib.import_module(f"fuzz.{name}")
    for path in FILES:
        if path.parent.name == name:
            with case(path):
                target.quick(path.read_bytes())
                target.thorough(path.read_bytes())


def test_targets_have_a_corpus():
    assert {path.parent.name for path in FILES} == set(fuzz.TARGETS)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_targets_open_with_their_invariants(name):
    pytest.importorskip("msgspec")
    documentation = importlib.import_module(f"fuzz.{name}").__doc__
    assert len(documentation.splitlines()) == 1
    assert documentation.endswith(".")


def test_broken_invariants_are_seen(monkeypatch):
    """A check that cannot fail is none."""
    from fuzz import harness, headers

    reference = harness.CODECS[-1]
    other = types.SimpleNamespace(**vars(reference))
    monkeypatch.setattr(harness, "CODECS", (reference, other))
    monkeypatch.setattr(headers, "CODEC", other)
    headers.quick(b"")
    headers.thorough(b"")
    other.decode = lambda data, **options: reference.decode(frames.EVENT_FRAME)
    with pytest.raises(AssertionError, match="the headers, taken out"):
        headers.quick(b"")
    with pytest.raises(AssertionError, match="disagree"):
        headers.thorough(b"")
    other.decode = {}.__getitem__
    for check in (headers.quick, headers.thorough):
        with pytest.raises(KeyError):  # undocumented
            check(b"")


def test_sample_is_checked_thoroughly():
    """The same inputs each time, about one in this many."""
    sampled = sum(fuzz.is_sampled(number.to_bytes(3, "big")) for number in range(fuzz.SAMPLE * 100))
    assert 50 < sampled < 150
