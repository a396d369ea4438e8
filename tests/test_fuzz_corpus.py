"""The corpus of the fuzz targets, replayed: what they found once stays found. It needs no fuzzer (see `fuzz`)."""

from __future__ import annotations

import importlib
import types

import frames
import fuzz
import pytest

FILES = sorted(path for path in fuzz.CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_invariant_holds(path):
    if path.parent.name in ("requests", "transcripts"):
        pytest.importorskip("msgspec")
    importlib.import_module(f"fuzz.{path.parent.name}").check(path.read_bytes())


def test_every_target_has_a_corpus():
    assert {path.parent.name for path in FILES} == set(fuzz.TARGETS)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_every_target_opens_with_its_invariant(name):
    pytest.importorskip("msgspec")
    documentation = importlib.import_module(f"fuzz.{name}").__doc__
    assert len(documentation.splitlines()) == 1
    assert documentation.endswith(".")


def test_what_breaks_an_invariant_is_seen(monkeypatch):
    """A check that cannot fail is none."""
    from fuzz import harness, headers

    reference = harness.CODECS[-1]
    other = types.SimpleNamespace(**vars(reference))
    monkeypatch.setattr(harness, "CODECS", (reference, other))
    frame = frames.EMPTY_FRAME
    headers.check(frame)
    other.decode = lambda data, **options: reference.decode(data[:-1])
    with pytest.raises(AssertionError, match="disagree"):
        headers.check(frame)
    other.decode = {}.__getitem__
    with pytest.raises(KeyError):  # undocumented
        headers.check(frame)
