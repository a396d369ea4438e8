"""``python -m benchmarks.clients``: what whole clients gain by our adapters, or do not.

Each client runs a stream of 60 s of audio against the emulator, as fast as it can, in a process of its own, with and
without the adapter in turn; the environments are those of ``make interop``, and are made the first time. What counts is
the processor time of the client's process, all its threads included, less that of one that sends no audio. So most of
it is the rest of the client: TLS and HTTP/2, JSON, its typed events, and the driver's printing of the results.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from tests.interop.conftest import CLIENTS, Client, Emulator, run_emulator

CHUNK = 3200  # 100 ms
PARAMETERS = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}


def processor_time(client: Client, emulator: Emulator, adapter: str | None, chunks: int) -> float:
    """Seconds of a client's process with so many chunks; its results must be there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    [outcome] = client.run(emulator, {"parameters": PARAMETERS, "chunks": [CHUNK] * chunks}, adapter=adapter)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the emulator counts when it has ended, later
    assert outcome.ended, (outcome.error, outcome.message)
    assert len(outcome.events) > chunks
    assert bool(outcome.calls) == bool(adapter)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(client: Client, chunks: int, rounds: int) -> tuple[float, float]:
    """Milliseconds of processor time for the stream, without the adapter and with it: medians."""
    sides = (None, client.adapter)
    times: dict[str | None, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as directory, run_emulator(Path(directory), client) as emulator:
        for round_ in range(rounds):
            for side in sides if round_ % 2 else reversed(sides):
                idle = processor_time(client, emulator, side, 0)
                times[side].append(1000 * (processor_time(client, emulator, side, chunks) - idle))
    return statistics.median(times[None]), statistics.median(times[client.adapter])


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.clients", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of audio in a stream (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of each, of which the median counts (%(default)s)")
    options = parser.parse_args()
    print("| client | without the adapter | with it | ratio | saved per 100 ms of audio |\n|---|--:|--:|--:|--:|")
    for client in CLIENTS:
        if client.adapter:
            chunks = 10 * options.seconds
            without, with_it = measure(client, chunks, options.rounds)
            saved = 1000 * (without - with_it) / chunks
            print(
                f"| {client.name} | {without:.0f} ms | {with_it:.0f} ms | {without / with_it:.2f}× | {saved:.0f} µs |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
