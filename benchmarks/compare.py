"""``make bench-compare BASE=REV``: another version of the codec against this one, call by call, in one process.

Both are timed in the same rounds, by the clock of the thread, in two runs or more.
Usage: ``python -m benchmarks.compare DIRECTORY``, in which the other version was built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.calls import calls, load
from benchmarks.measure import Figure, Row, compared, duration, times

HERE = Path(__file__).parent.parent


def figures(base: Path, here: Path = HERE) -> Iterator[Figure]:
    """Yield a figure for each call that both versions have: how many times as fast it is here."""
    before, after = calls(load(base)), calls(load(here))
    for name in after:
        if name in before:
            row = Row(name, "base", after[name], before[name])
            yield compared(row)


def main() -> int:
    print("| call | base | here | base over here | runs differ by |\n|---|--:|--:|--:|--:|")
    for found in figures(Path(sys.argv[1])):
        cells = (duration(found.theirs), duration(found.ours), times(found.ratio), f"{100 * found.apart:.0f} %")
        print(f"| {found.row.work} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
