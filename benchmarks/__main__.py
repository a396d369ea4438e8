"""``make bench``: every comparison, interleaved, as Markdown tables."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import eventstream
from benchmarks import codec, memory, signing, transcribe
from benchmarks.measure import measure, table

PEERS = ("botocore", "amazon-transcribe", "smithy-aws-event-stream", "isal", "zlib-ng", "crcmod")


def machine() -> str:
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def versions() -> str:
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def main() -> int:
    if eventstream.implementation != "native":
        print("the native implementation is not there: nothing worth comparing", file=sys.stderr)
        return 1
    from eventstream import _native

    print(f"{machine()}; checksum kernel {_native._crc32_kernels()[0]}")
    print(f"against {versions()}\n")
    rows = [*codec.rows(), *codec.checksum_rows(), *signing.rows(), *transcribe.rows()]
    print(table([measure(row) for row in rows]), "\n", sep="")
    print("| memory and import | measured | bound |\n|---|--:|--:|")
    for row in memory.rows():
        print("| {} | {} | {} |".format(*row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
