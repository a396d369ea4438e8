"""The rows of ``make bench`` under pytest-benchmark, to compare two versions of this package with each other:

    pytest benchmarks --benchmark-enable --benchmark-save=before
    pytest benchmarks --benchmark-enable --benchmark-compare

The comparison with the peers is ``make bench``.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("amazon_transcribe", reason="the peers are installed by `make bench`")

from benchmarks import adapters, codec, signing, transcribe
from benchmarks.measure import Row

ROWS = [*codec.rows(), *codec.checksum_rows(), *signing.rows(), *transcribe.rows(), *adapters.rows()]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.work}, against {row.against}") for row in ROWS])
def test_row(benchmark: BenchmarkFixture, row: Row) -> None:
    benchmark(row.ours)
