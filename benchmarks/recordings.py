"""``python -m benchmarks.recordings``: what it costs to check and to salvage a sound recording of 200 MB.

The floor is to read the file in pieces and to compute one ISA-L checksum over them; a copy also writes them to a file,
as the command `salvage` does. `salvaged` is the library's `salvage`, which writes nothing. Each work runs in a process
of its own, in turns; its processor time counts, the least of all rounds, and the most memory that it allocates. The
target is three times the floor, or less. Smaller messages cost by their number.
"""

from __future__ import annotations

import contextlib
import io
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import eventstream
from eventstream import Gap

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = 200_000_000
PAYLOADS = (1024, 3200, 8192, 65_536)
ROUNDS = 7
TARGET = 3.0
PIECE = 1 << 18


def floor(path: str) -> None:
    _read(path, lambda piece: None)


def copy(path: str) -> None:
    with open(f"{path}.copy", "wb", buffering=0) as file:
        _read(path, file.write)


def _read(path: str, use: Callable[[bytes], object]) -> None:
    from isal import isal_zlib

    crc = 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            crc = isal_zlib.crc32(piece, crc)
            use(piece)


def check(path: str) -> None:
    _command("check", path)


def salvage(path: str) -> None:
    _command("salvage", path, "-o", f"{path}.copy")


def salvaged(path: str) -> None:
    """Salvage the mapped file with the library."""
    import mmap

    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for part in eventstream.salvage(data):
            assert type(part) is not Gap


def _command(*arguments: str) -> None:
    from eventstream.cli import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(list(arguments)) == 0


WORKS = {work.__name__: work for work in (floor, copy, check, salvage, salvaged)}
JUDGED = ("check", "salvage", "salvaged")


def measured(name: str, path: str) -> None:
    """Print the seconds of processor time of the work, which has been done once on little, and is measured here."""
    work = WORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small"
        small.write_bytes(eventstream.encode({}, b"warm"))
        work(str(small))
    Path(f"{path}.copy").unlink(missing_ok=True)  # it takes long to drop what is there
    before = resource.getrusage(resource.RUSAGE_SELF)
    work(path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def heap(name: str, path: str) -> int:
    """Return the most that the work allocates, in bytes."""
    tracemalloc.start()
    try:
        WORKS[name](path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def seconds(name: str, path: str) -> float:
    command = [sys.executable, "-m", "benchmarks.recordings", name, path]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    names = [name for name in WORKS if name != "floor"]
    print(f"| payloads | floor | {' | '.join(names)} | heap of {' | of '.join(JUDGED)} |")
    print("|--:|--:" + "|--:" * (len(names) + len(JUDGED)) + "|")
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "recording")
        for payload in PAYLOADS:
            wire = eventstream.encode({":message-type": "event", ":event-type": "chunk"}, bytes(payload))
            with open(path, "wb") as file:
                file.writelines(wire for _ in range(LENGTH // len(wire)))
            times: dict[str, list[float]] = {name: [] for name in WORKS}
            for _ in range(ROUNDS):
                for name, taken in times.items():
                    taken.append(seconds(name, path))
            least = {name: min(taken) for name, taken in times.items()}
            ratios = {name: least[name] / least["floor"] for name in names}
            missed = missed or max(ratios[name] for name in JUDGED) > TARGET
            heaps = [f"{heap(name, path) / 1024:,.0f} KiB" for name in JUDGED]
            cells = [f"{payload:,} bytes", f"{least['floor'] * 1000:.0f} ms", *(f"{r:.2f}×" for r in ratios.values())]
            print(f"| {' | '.join([*cells, *heaps])} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measured(*sys.argv[1:])
    else:
        sys.exit(main())
