"""``make bench``: every comparison in one run, interleaved; printed, and written to ``benchmarks/report/``."""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import eventstream
from benchmarks import adapters, codec, javascript, memory, peers, report, signing, threads, transcribe
from benchmarks.measure import measure

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


def main() -> int:
    if eventstream.implementation != "native":
        print("the native implementation is not there: nothing worth comparing", file=sys.stderr)
        return 1
    with node_if_there() as node:
        peaks = peers.peaks(node)
        standings = [peers.measure(job) for job in peers.jobs(node)]
    parts = (codec.rows, codec.checksum_rows, signing.rows, transcribe.rows, adapters.rows, threads.rows)
    figures = [measure(row) for rows in parts for row in rows()]
    found = report.document(machine(), peers.versions(), standings, peaks, figures, memory.rows())
    report.write(found, DIRECTORY)
    print(report.page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
