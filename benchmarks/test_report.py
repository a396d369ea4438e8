"""Every contestant can do its jobs, and what is measured becomes a report: ``pytest benchmarks`` with the peers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("capo_transcribe_streaming", reason="the peers are installed by `make bench`")

from benchmarks import javascript, peers, report
from benchmarks.measure import Figure, Row
from benchmarks.peers import CONTESTANTS, FLOOR, JAVASCRIPT, OURS, SMITHY, Standing


@pytest.fixture(scope="module")
def standings() -> Iterator[list[Standing]]:
    """Each job done once by all."""
    try:
        with javascript.JavaScript() as node:
            yield [
                Standing(job.name, {name: run(1) * 1e9 for name, run in job.contestants.items()})
                for job in peers.jobs(node)
            ]
    except javascript.Unavailable as error:
        pytest.skip(str(error))


def test_everyone_takes_part(standings: list[Standing]) -> None:
    names = set().union(*(standing.nanoseconds for standing in standings))
    absent = {SMITHY} if peers.Event is None else set()
    assert names == {FLOOR, *CONTESTANTS} - absent
    assert all(standing.nanoseconds[OURS] > 0 for standing in standings)
    assert {name for name in CONTESTANTS if name in peers.versions()} == names - {FLOOR, peers.REFERENCE}


def test_the_report(standings: list[Standing], tmp_path: Path) -> None:
    figures = [
        Figure(Row("some work", "a peer", lambda: None, lambda: None, at_least=5), ours=100.0, theirs=450.0),
        Figure(Row("other work", "a floor", lambda: None, lambda: None, at_most=1.5), ours=100.0, theirs=90.0),
    ]
    memory = [("held", "17 bytes", "4,096")]
    found = report.document({"cpu": "some CPU"}, peers.versions(), standings, {OURS: 2.0}, figures, memory)
    report.write(found, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == found
    page = (tmp_path / "README.md").read_text()
    assert "| some work | a peer | 100 ns | 450 ns | 4.50× (missed) | ≥ 5× |" in page
    assert "| other work | a floor | 100 ns | 90 ns | 1.11× | ≤ 1.5× |" in page
    assert "| held | 17 bytes | 4,096 |" in page
    assert "| eventstream | 2.00× |" in page
    for standing in standings:
        assert f"| {standing.job} | " in page
    for theme in report.THEMES:
        overview, everything = ((tmp_path / f"{name}-{theme}.svg").read_text() for name in ("overview", "all"))
        assert all(name in overview for name in (*report.CHARTED, JAVASCRIPT))
        assert all(standing.job in everything for standing in standings)


def test_a_work_in_node_that_fails_is_an_error() -> None:
    try:
        with javascript.JavaScript() as node, pytest.raises(javascript.Unavailable, match="codec"):
            node.timed("decode", wire=b"no message")
    except javascript.Unavailable as error:
        pytest.skip(str(error))
