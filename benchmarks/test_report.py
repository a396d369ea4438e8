"""Every contestant can do its jobs, and what is measured becomes a report: ``pytest benchmarks`` with the peers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("capo_transcribe_streaming", reason="the peers are installed by `make bench`")

from benchmarks import aws_c, javascript, memory, peers, report
from benchmarks.measure import Comparison, Figure, Row, Samples, figure, in_runs
from benchmarks.peers import CONTESTANTS, FLOOR, JAVASCRIPT, OURS, SMITHY, Standing


@pytest.fixture(scope="module")
def standings() -> Iterator[list[Standing]]:
    """Each job done once by all."""
    try:
        with javascript.JavaScript() as node:
            yield [
                Standing(job.name, {name: run(1) * 1e9 for name, run in job.contestants.items()}, 0.04)
                for job in peers.jobs(node, aws_c.AwsC())
            ]
    except (aws_c.Unavailable, javascript.Unavailable) as error:
        pytest.skip(str(error))


def test_everyone_takes_part(standings: list[Standing]) -> None:
    names = set().union(*(standing.nanoseconds for standing in standings))
    absent = {SMITHY} if peers.Event is None else set()
    assert names == {FLOOR, *CONTESTANTS} - absent
    assert all(standing.nanoseconds[OURS] > 0 for standing in standings)
    assert {name for name in CONTESTANTS if name in peers.versions()} == names - {FLOOR, peers.REFERENCE}


def test_report(standings: list[Standing], tmp_path: Path) -> None:
    figures = [
        Figure(
            Row("some work", "a peer", lambda: None, lambda: None, at_least=5),
            ours=100.0,
            theirs=450.0,
            runs=(4.5, 4.5),
        ),
        Figure(
            Row("other work", "a floor", lambda: None, lambda: None, at_most=1.5),
            ours=100.0,
            theirs=90.0,
            runs=(1.0, 1.21),
        ),
    ]
    held = [memory.row("held", 4_096, 4_096, " bytes"), memory.row("import", 2.012, 2, "×")]
    found = report.document({"cpu": "some CPU"}, peers.versions(), standings, {OURS: 2.0}, figures, held)
    report.write(found, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == found
    page = (tmp_path / "README.md").read_text()
    assert "| some work | a peer | 100 ns | 450 ns | 4.50× (missed) | ≥ 5× | 0 % |" in page
    assert "| other work | a floor | 100 ns | 90 ns | 1.10× | ≤ 1.5× | 21 % |" in page
    total = len(standings) + 2
    assert f"by 4.0 % in the median and by 21 % at most; {total - 1} of {total} are within 10 %." in page
    assert "| held | 4,096 bytes | 4,096 bytes |\n| import | 2.01× (missed) | 2× |" in page
    assert "| eventstream | 2.00× |" in page
    for standing in standings:
        assert f"| {standing.job} | " in page
    for theme in report.THEMES:
        overview, everything = ((tmp_path / f"{name}-{theme}.svg").read_text() for name in ("overview", "all"))
        assert all(name in overview for name in (*report.CHARTED, JAVASCRIPT))
        assert all(standing.job in everything for standing in standings)


def test_figure_joins_two_runs() -> None:
    def nothing() -> None:
        pass

    first = Samples([[100.0, 110.0, 300.0], [1000.0, 1100.0, 3000.0]])
    second = Samples([[120.0, 100.0, 100.0], [1320.0, 1100.0, 1000.0]])
    faster = figure(Row("work", "peer", nothing, nothing, at_least=5, per=10, against_per=2), first, second)
    assert (faster.ours, faster.theirs) == (10.5, 550.0)
    assert faster.runs == pytest.approx((50, 55))
    assert faster.apart == pytest.approx(0.1)
    cost = figure(Row("work", "floor", nothing, nothing, at_most=5), first, second)
    assert cost.runs == pytest.approx((1 / 10, 1 / 11))


def test_runs_go_on_until_two_agree() -> None:
    def nothing() -> None:
        pass

    def comparison(*ratios: float) -> Comparison[Figure]:
        left = iter(ratios)
        return Comparison(
            lambda: Samples([[100.0], [100.0 * next(left)]]), partial(figure, Row("", "", nothing, nothing))
        )

    quiet, disturbed, noisy = in_runs(
        [comparison(3, 3.2), comparison(3, 9, 3.1), comparison(1, 2, 4, 8, 16, 30)]  # none asks for one run more
    )
    assert quiet.runs == pytest.approx((3, 3.2))
    assert disturbed.runs == pytest.approx((3, 3.1))
    assert noisy.runs == pytest.approx((16, 30))


def test_c_decodes_and_encodes_what_we_do() -> None:
    wire = peers.wire_of(142)
    try:
        codec = aws_c.AwsC()
    except aws_c.Unavailable as error:
        pytest.skip(str(error))
    with pytest.raises(aws_c.Unavailable, match="es_decode failed"):
        codec.decode(wire[:-1] + b"?")
    with pytest.raises(aws_c.Unavailable, match="es_stream failed"):
        codec.stream(wire[:-1], 10)
    assert codec.stream(wire, 10).run(3) > 0
    assert codec.encode(peers.HEADERS, b"payload").run(3) > 0


def test_work_in_node_that_fails_is_an_error() -> None:
    try:
        with javascript.JavaScript() as node, pytest.raises(javascript.Unavailable, match="codec"):
            node.timed("decode", wire=b"no message")
    except javascript.Unavailable as error:
        pytest.skip(str(error))
