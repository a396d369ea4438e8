"""Every row of ``make bench``, once, without the comparison; with ``--benchmark-enable`` each is timed."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("amazon_transcribe", reason="the peers are installed by `make bench`")

from benchmarks import adapters, codec, native, signing, transcribe
from benchmarks.measure import Row

ROWS = [*native.rows(), *codec.rows(), *codec.checksum_rows(), *signing.rows(), *transcribe.rows(), *adapters.rows()]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.work}, against {row.against}") for row in ROWS])
def test_row(benchmark: BenchmarkFixture, row: Row) -> None:
    benchmark(row.ours)
