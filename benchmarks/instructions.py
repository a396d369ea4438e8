"""``make instructions``: how many instructions each of ten calls takes, against what was committed.

Instructions do not depend on the load of the machine, so a small change is seen anywhere. They depend on the
interpreter, the compilers and the checksum kernel: the baseline, `instructions.json`, has an entry for each combination
that was counted. Under valgrind there is no AVX-512, so another kernel than the usual one runs.

A call that takes more than 5 % more than its baseline fails the run; ``--update`` writes what is counted now, for the
change that means it. Where a combination is not in the baseline, its counts are only printed.

The calls run under callgrind, in a process of their own. Callgrind writes a file of counts whenever that process calls
`getppid`, which it does twice for each call: before it is repeated, and after.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import eventstream
from benchmarks.calls import calls
from benchmarks.measure import Loop
from eventstream import _native

BASELINE = Path(__file__).with_suffix(".json")
TOLERANCE = 0.05
REPEATED = 500
WARM = 200
COUNTED = (
    "decode, 142 B",
    "decode, 3,200 B",
    "decode and one look-up, 142 B",
    "decode of a bytearray, 3,200 B",
    "feed, 142 B",
    "feed, copy=False, 142 B",
    "encode with Headers, 142 B",
    "encode of a dict, 142 B",
    "encode_into, 142 B",
    "headers all different, one look-up, 142 B",
)
NOTHING = "nothing"
"""The repetition itself, which is taken off."""


def combination() -> str:
    """Return what the counts depend on: Python, compilers, kernel."""
    compiled = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", Path(_native.__file__).read_bytes())
    compiler = compiled[0].decode() if compiled else "unknown compiler"
    python = f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})"
    return f"{python}, Cython {version('Cython')}, {compiler}, {_native._crc32_kernels()[0]}"


def run() -> None:
    """Repeat each call between two calls of `getppid`. Called under callgrind."""
    gc.disable()
    room = half_full_pools()
    works = calls(eventstream)
    for name in (NOTHING, *COUNTED):
        work = Loop(_nothing) if name == NOTHING else works[name]
        repeat(work, WARM)
        os.getppid()
        repeat(work, REPEATED)
        os.getppid()
    del room
    print(combination())


def half_full_pools() -> list[list[bytes]]:
    """Return blocks of Python's allocator, of its small sizes, with free ones between them.

    It begins a new pool for a block where all pools of that size are full, and gives it back when it is empty again.
    Whether a call has to do with that depends on all that was allocated before, and costs 70 instructions.
    """
    blocks = [[bytes(length) for _ in range(600)] for length in range(15, 480, 16)]
    for of_length in blocks:
        del of_length[::2]
    return blocks


def _nothing(loops: int) -> float:
    for _ in itertools.repeat(None, loops):
        pass
    return 0


def repeat(work: object, loops: int) -> None:
    if isinstance(work, Loop):
        work.run(loops)
    else:
        for _ in itertools.repeat(None, loops):
            work()  # type: ignore[operator]


def count() -> tuple[str, dict[str, float]]:
    """Return the combination, and the instructions of each call.

    Raises:
        RuntimeError: valgrind is not there, or failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind is not there")
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "counts")
        command = [valgrind, "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*command, sys.executable, "-m", "benchmarks.instructions", "--run"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        # The first file of each pair was written before the call was repeated.
        totals = [_total(Path(f"{out}.{2 * index + 2}")) for index in range(1 + len(COUNTED))]
    counts = [(total - totals[0]) / REPEATED for total in totals[1:]]
    return done.stdout.strip(), dict(zip(COUNTED, (round(value, 1) for value in counts), strict=True))


def _total(path: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"callgrind wrote no total in {path.name}")
    return int(found[1])


def risen(counts: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """Return the calls that take more than the tolerance more, and those that the baseline does not have."""
    return [name for name, value in counts.items() if value > baseline.get(name, 0) * (1 + TOLERANCE)]


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--update", action="store_true", help="write what is counted into the baseline")
    arguments = parser.parse_args()
    if arguments.run:
        run()
        return 0
    known = json.loads(BASELINE.read_text())
    key, counts = count()
    baseline = known.get(key)
    print(f"{key}\n\n| instructions of | now | baseline |\n|---|--:|--:|")
    for name, value in counts.items():
        print(f"| {name} | {value:,.0f} | {baseline[name] if baseline and name in baseline else '–'} |")
    if arguments.update:
        BASELINE.write_text(json.dumps({**known, key: counts}, indent=1, sort_keys=True) + "\n")
    elif baseline is None:
        print("\nThis combination is not in the baseline, so nothing is compared.")
    elif found := risen(counts, baseline):
        print(f"\nMore than {TOLERANCE:.0%} over the baseline: {'; '.join(found)}. `--update` if that is meant.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
