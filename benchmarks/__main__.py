"""``make bench``: every comparison, interleaved, in two or more runs; printed, and written to ``benchmarks/report``."""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import eventstream
from benchmarks import adapters, aws_c, codec, javascript, memory, native, peers, report, signing, threads, transcribe
from benchmarks.measure import Comparison, Figure, figure, in_runs, measure

DIRECTORY = Path(__file__).parent / "report"


def machine() -> dict[str, str]:
    from eventstream import _native

    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "Python": platform.python_version(),
        "checksum kernel": _native._crc32_kernels()[0],
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


@contextlib.contextmanager
def node_if_there() -> Iterator[javascript.JavaScript | None]:
    try:
        with javascript.JavaScript() as node:
            yield node
    except javascript.Unavailable as error:
        print(f"without the JavaScript codec: {error}", file=sys.stderr)
        yield None


def in_c_if_there() -> aws_c.AwsC | None:
    try:
        return aws_c.AwsC()
    except aws_c.Unavailable as error:
        print(f"without AWS's codec in C: {error}", file=sys.stderr)
        return None


def main() -> int:
    if eventstream.implementation != "native":
        print("the native implementation is not there: nothing worth comparing", file=sys.stderr)
        return 1
    with node_if_there() as node:
        peaks = peers.peaks(node)
        jobs = list(peers.jobs(node, in_c_if_there()))
        parts = (native, codec, signing, transcribe, adapters, threads)
        rows = [row for part in parts for row in part.rows()] + list(codec.checksum_rows())
        comparisons: list[Comparison[peers.Standing] | Comparison[Figure]] = [
            *(Comparison(partial(peers.measure, job), partial(peers.standing, job)) for job in jobs),
            *(Comparison(partial(measure, row), partial(figure, row)) for row in rows),
        ]
        results = in_runs(comparisons)
    standings = [result for result in results if isinstance(result, peers.Standing)]
    figures = [result for result in results if isinstance(result, Figure)]
    found = report.document(machine(), peers.versions(), standings, peaks, figures, memory.rows())
    report.write(found, DIRECTORY)
    print(report.page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
