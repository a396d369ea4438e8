"""Counting instructions, and comparing two versions: what needs no peer."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import eventstream
from benchmarks import compare, instructions
from benchmarks.calls import calls, load
from benchmarks.measure import figure, measure


def test_risen_calls_are_over_the_tolerance_or_new() -> None:
    counts = {"same": 100.0, "within": 105.0, "over": 105.1, "less": 50.0, "new": 1.0}
    assert instructions.risen(counts, dict.fromkeys(("same", "within", "over", "less"), 100.0)) == ["over", "new"]


def test_counted_calls_are_known() -> None:
    assert len(instructions.COUNTED) == 10
    assert set(instructions.COUNTED) <= set(calls(eventstream))


def test_counted_calls_run() -> None:
    works = calls(eventstream)
    for name in instructions.COUNTED:
        instructions.repeat(works[name], 3)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not there")
def test_count_is_the_same_twice() -> None:
    first, second = instructions.count(), instructions.count()
    assert first[0] == second[0]
    assert first[1] == pytest.approx(second[1], rel=0.01)
    assert all(300 < value < 20_000 for value in first[1].values())


def test_total_of_a_file_that_has_none(tmp_path: Path) -> None:
    (tmp_path / "counts").write_text("events: Ir\n")
    with pytest.raises(RuntimeError, match="no total in counts"):
        instructions._total(tmp_path / "counts")


def test_load_a_second_version(tmp_path: Path) -> None:
    shutil.copytree(Path(eventstream.__file__).parent, tmp_path / "eventstream", ignore=shutil.ignore_patterns("*.c"))
    modules = dict(sys.modules)
    other = load(tmp_path)
    assert sys.modules == modules
    assert other is not eventstream
    assert other.Headers is not eventstream.Headers
    assert other.encode({":date": other.Timestamp(1)}) == eventstream.encode({":date": eventstream.Timestamp(1)})
    with pytest.raises(ImportError, match="no eventstream in"):
        load(tmp_path / "nowhere")
    assert sys.modules == modules


def test_compare_pairs_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "load", lambda directory: directory)
    slow, fast = Path("base"), Path("here")
    monkeypatch.setattr(
        compare,
        "calls",
        lambda version: {"both": (lambda: sum(range(3000 if version == slow else 1000))), version: int},
    )
    monkeypatch.setattr("benchmarks.measure.CONTEST_SECONDS", 0.02)
    (found,) = compare.figures(slow, fast)
    assert found.row.work == "both"
    assert 2 < found.ratio < 4.5
    assert figure(found.row, measure(found.row), measure(found.row)).ratio > 2
