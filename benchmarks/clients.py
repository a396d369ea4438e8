"""``PYTHONPATH=.:tests:tools python -m benchmarks.clients``: what whole clients gain by our adapters, or do not.

Each client runs a stream of 60 s of audio against the emulator, as fast as it can, in a process of its own, with and
without the adapter in turn; the environments are those of ``make interop``, and are made the first time. What counts is
the processor time of the client's process, all its threads included, less that of one that sends no audio. So most of
it is the rest of the client: TLS and HTTP/2, JSON, its typed events, and the driver's printing of the results.

``--conversations`` compares boto3's clients, with the operations that our adapter gives them, with AWS's own.

``--compare`` measures whole clients as they are, beside ours and without printing: the processor time for a chunk that
is sent and the event that answers it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import conversations
from tests.interop.conftest import CLIENTS, DRIVERS, ROOT, Client, Emulator, run_emulator

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
        for side in sides:
            processor_time(client, emulator, side, 1)  # makes the environment, and what Python compiles
        for round_ in range(rounds):
            for side in sides if round_ % 2 else reversed(sides):
                idle = processor_time(client, emulator, side, 0)
                times[side].append(1000 * (processor_time(client, emulator, side, chunks) - idle))
    return statistics.median(times[None]), statistics.median(times[client.adapter])


class Ours(Client):
    """Our own client, in the environment that measures."""

    @property
    def directory(self) -> Path:
        return ROOT

    @property
    def command(self) -> list[str]:  # type: ignore[override]
        return [sys.executable, str(DRIVERS / self.driver)]


def time_of_a_chunk(client: Client, emulator: Emulator, chunks: int) -> float:
    """Microseconds of processor time for a chunk that is sent and the event that answers it."""

    def spent(count: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        stream = {"parameters": PARAMETERS, "chunks": [CHUNK] * count}
        [outcome] = client.run(emulator, stream, quiet=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert outcome.ended, (outcome.error, outcome.message)
        assert outcome.count > count
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    few = chunks // 10
    return 1e6 * (spent(chunks) - spent(few)) / (chunks - few)


def compare(chunks: int, rounds: int) -> None:
    """Print what a chunk and its event cost each client, and how much more that is than with ours."""
    print("| client | over | a chunk and an event | ours | ratio |\n|---|---|--:|--:|--:|")
    for client in CLIENTS:
        if client.adapter or client.driver.endswith(".mjs"):
            continue
        ours = Ours("eventstream", "eventstream_client.py", client.locked, tls=client.tls)
        times: dict[str, list[float]] = {client.name: [], ours.name: []}
        with tempfile.TemporaryDirectory() as directory, run_emulator(Path(directory), client) as emulator:
            for one in (client, ours):
                time_of_a_chunk(one, emulator, 10)  # makes the environment, and what Python compiles
            for _ in range(rounds):
                for one in (client, ours):
                    times[one.name].append(time_of_a_chunk(one, emulator, chunks))
        theirs, own = (statistics.median(times[name]) for name in (client.name, ours.name))
        over = "TLS" if client.tls else "plaintext"
        print(f"| {client.name} | {over} | {theirs:.0f} µs | {own:.0f} µs | {theirs / own:.1f}× |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.clients", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, help="of audio in a stream (60; 400 to compare, so that the start counts little)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each, of which the median counts (%(default)s)")
    parser.add_argument("--compare", action="store_true", help="compare whole clients with ours, without adapters")
    parser.add_argument("--conversations", action="store_true", help="compare boto3's clients with AWS's own")
    parser.add_argument("--events", type=int, default=10_000, help="of a conversation, one way (%(default)s)")
    options = parser.parse_args()
    if options.conversations:
        conversations.compare(options.events, options.rounds)
        return 0
    if options.compare:
        compare(10 * (options.seconds or 400), options.rounds)
        return 0
    print("| client | without the adapter | with it | ratio | saved per 100 ms of audio |\n|---|--:|--:|--:|--:|")
    for client in CLIENTS:
        if client.adapter:
            chunks = 10 * (options.seconds or 60)
            without, with_it = measure(client, chunks, options.rounds)
            saved = 1000 * (without - with_it) / chunks
            print(
                f"| {client.name} | {without:.0f} ms | {with_it:.0f} ms | {without / with_it:.2f}× | {saved:.0f} µs |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
