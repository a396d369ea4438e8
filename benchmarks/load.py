"""``python -m benchmarks.load``: real-time streams against the emulator, each side in a process of its own. On Linux.

Every stream sends a chunk of 100 ms of audio when it is due, signed, and has to get the answer to that very chunk. A
chunk's latency is counted from the moment when it was due, so that no delay is left out, up to its typed event;
the clients' own work is in it. With ``--limit`` the streams become more, round by round, until a process needs a whole
core. ``--over`` chooses plaintext HTTP/2, HTTP/2 over TLS, or WebSockets, each of which carries one stream of unsigned
events.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import ssl
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

import eventstream
from eventstream import http2, websocket
from eventstream.operation import Parts
from eventstream.signing import EventSigner, sign_request
from eventstream.transcribe import ClientSession, StartStreamTranscriptionRequest, TranscriptEvent
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS
from eventstream.transcribe.operations import START_STREAM_TRANSCRIPTION
from eventstream.transcribe.session import METHOD, PATH, SERVICE
from eventstream.transport import Endpoint, websocket_url

CHUNK_SECONDS = 0.1
REQUEST = StartStreamTranscriptionRequest(language_code="en-US", media_sample_rate_hertz=16000, media_encoding="pcm")
BYTES_A_SECOND = 32_000
REGION = "us-east-1"

STREAMS_OF_A_CONNECTION = 100
FULL = 0.95
"""Of a core: more is never measured, as a little is always lost."""

LATE = 1.0
"""Seconds: a latency that says that there are more streams than can be carried."""

FLAT = 1.1
"""How much larger a process may be at the end than after a quarter of the time."""


@dataclass(eq=False)
class Outcome:
    """What one process of clients found. Times in seconds."""

    latencies: array[float]
    errors: list[str]
    cpu: float
    elapsed: float


@dataclass
class Process:
    """A process under load: seconds of processor time, of how many, for how many chunks; and its size in bytes."""

    cpu: float
    elapsed: float
    chunks: int
    memory: list[int]

    @property
    def core(self) -> float:
        """The share of a core that it used."""
        return self.cpu / self.elapsed

    @property
    def growth(self) -> float:
        """Its size at the end over that after a quarter of the time."""
        return self.memory[-1] / self._settled

    @property
    def _settled(self) -> int:
        return self.memory[len(self.memory) // 4]

    def __str__(self) -> str:
        microseconds = 1e6 * self.cpu / self.chunks
        return f"{self.core:.0%} | {microseconds:.0f} | {self._settled >> 20} → {self.memory[-1] >> 20}"


@dataclass
class Load:
    """What a whole run found."""

    streams: int
    chunks: int
    latencies: list[float]
    errors: list[str]
    emulator: Process
    clients: Process

    def latency(self, share: float) -> float:
        """Return the percentile in seconds; not a number if nothing was answered."""
        last = len(self.latencies) - 1
        return self.latencies[min(int(share * (last + 1)), last)] if self.latencies else math.nan

    @property
    def is_sound(self) -> bool:
        """Whether every chunk was answered, and nobody grew."""
        complete = not self.errors and len(self.latencies) == self.chunks
        return complete and self.emulator.growth < FLAT and self.clients.growth < FLAT

    def __str__(self) -> str:
        latencies = " | ".join(f"{1000 * self.latency(share):.1f}" for share in (0.5, 0.99, 1))
        answered = f"{len(self.latencies):,} of {self.chunks:,}"
        return f"| {self.streams} | {answered} | {latencies} | {self.emulator} | {self.clients} |"


HEADING = """\
| streams | chunks answered | p50 ms | p99 ms | max ms | emulator: of a core | µs a chunk | MiB \
| clients: of a core | µs a chunk | MiB |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


# The clients, each process with its share of the streams


class Client:
    """One stream of so many chunks, each of so many seconds.

    Args:
        meter: is read when a chunk is sent, and when its answer comes.

    Attributes:
        latencies: in seconds, of the chunks that were answered.
        metered: by how much the meter went on meanwhile.
    """

    def __init__(
        self,
        stream: http2.ClientStream | websocket.ClientSocket,
        session: ClientSession,
        count: int,
        seconds: float,
        meter: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._stream = stream
        self._session = session
        self._count = count
        self._seconds = seconds
        self._meter = meter
        self._read = array("d")
        self.metered = array("d")
        self.latencies = array("d")  # a list would grow, where memory should not

    async def run(self, start: float) -> None:
        """Send the chunks, the first one when the loop's clock says so, and take their answers."""
        sending = asyncio.ensure_future(self._send(start))
        try:
            await self._receive(start)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _send(self, start: float) -> None:
        now = asyncio.get_running_loop().time
        chunk = bytes(int(BYTES_A_SECOND * self._seconds))
        for number in range(self._count):
            await asyncio.sleep(start + number * self._seconds - now())
            self._read.append(self._meter())
            await self._stream.send(self._session.send_audio(chunk))
        await self._stream.send(self._session.end_audio())
        await self._stream.end()

    async def _receive(self, start: float) -> None:
        now = asyncio.get_running_loop().time
        number = -1  # the first event answers no chunk
        while data := await self._stream.receive():
            for event in self._session.receive(data):
                assert isinstance(event, TranscriptEvent)
                if 0 <= number < self._count:
                    self.latencies.append(now() - (start + number * self._seconds))
                    self.metered.append(self._meter() - self._read[number])
                    heard = event.transcript.results[-1].end_time
                    assert heard == round((number + 1) * self._seconds, 3), f"chunk {number} was heard up to {heard} s"
                number += 1
        self._session.receive_eof()
        if number < self._count:
            raise AssertionError(f"{number} of {self._count} chunks were answered")


async def open_client(
    connection: http2.ClientConnection,
    authority: str,
    count: int,
    seconds: float = CHUNK_SECONDS,
    meter: Callable[[], float] = lambda: 0.0,
    *,
    scheme: str = "http",
) -> Client:
    """Begin a stream."""
    headers, seed = sign_request(
        *(DOCUMENTATION_CREDENTIALS, REGION, SERVICE, METHOD, PATH),
        [
            *((":method", METHOD), (":scheme", scheme), (":authority", authority), (":path", PATH)),
            *REQUEST.to_headers(),
        ],
    )
    stream = await connection.request(headers)
    response = await stream.response()
    assert response.status == 200, response
    session = ClientSession(REQUEST, EventSigner(DOCUMENTATION_CREDENTIALS, REGION, SERVICE, seed))
    return Client(stream, session, count, seconds, meter)


async def _over_http2(
    stack: contextlib.AsyncExitStack, endpoint: Endpoint, trust: ssl.SSLContext | None, streams: int, count: int
) -> list[Client]:
    connections = [
        await stack.enter_async_context(http2.connect(endpoint.host, endpoint.port, ssl=trust))
        for _ in range(math.ceil(streams / STREAMS_OF_A_CONNECTION))
    ]
    return [
        await open_client(
            *(connections[number // STREAMS_OF_A_CONNECTION], endpoint.authority, count), scheme=endpoint.scheme
        )
        for number in range(streams)
    ]


async def _over_websockets(
    stack: contextlib.AsyncExitStack, endpoint: Endpoint, streams: int, count: int
) -> list[Client]:
    clients = []
    for _ in range(streams):
        url, port = websocket_url(
            *(START_STREAM_TRANSCRIPTION, Parts(REQUEST.to_headers()), endpoint, REGION, DOCUMENTATION_CREDENTIALS, 300)
        )
        socket = await stack.enter_async_context(websocket.connect(url, endpoint.host, port))
        response = await socket.response()
        assert response.status == 200, response
        clients.append(Client(socket, ClientSession(REQUEST, None), count, CHUNK_SECONDS))
    return clients


async def _clients(url: str, ca_file: str | None, streams: int, count: int) -> Outcome:
    endpoint = Endpoint.parse(url)
    trust = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
    async with contextlib.AsyncExitStack() as stack:
        if url.startswith("ws"):
            clients = await _over_websockets(stack, endpoint, streams, count)
        else:
            clients = await _over_http2(stack, endpoint, trust, streams, count)
        cpu, began = time.process_time(), time.monotonic()
        start = asyncio.get_running_loop().time() + CHUNK_SECONDS
        # As they would be: not all of them at the same moment.
        runs = [client.run(start + CHUNK_SECONDS * number / streams) for number, client in enumerate(clients)]
        fates = await asyncio.gather(*runs, return_exceptions=True)
        return Outcome(
            array("d", (latency for client in clients for latency in client.latencies)),
            [f"{type(fate).__name__}: {fate}" for fate in fates if fate is not None],
            time.process_time() - cpu,
            time.monotonic() - began,
        )


def _run_clients(url: str, ca_file: str | None, streams: int, count: int) -> Outcome:
    return asyncio.run(_clients(url, ca_file, streams, count))


# The run


@contextlib.contextmanager
def _emulator(max_streams: int, over: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the emulator's process id, its address, and with TLS the file with its certificate."""
    command = [sys.executable, "-m", "eventstream.transcribe.emulator", "--quiet", f"--max-streams={max_streams}"]
    command.append(f"--max-connections-per-peer={max_streams + 1}")
    with contextlib.ExitStack() as stack:
        ca_file = None
        if over == "tls":
            ca_file = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "ca.pem")
            command += ["--tls", ca_file]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert process.stdout is not None
        try:
            addresses = [process.stdout.readline().strip() for _ in range(2)]
            yield process.pid, addresses[over == "websocket"], ca_file
        finally:
            process.terminate()


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used (proc(5), the fields after the name in parentheses)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(streams: int, seconds: float, processes: int, over: str = "h2c") -> Load:
    """Run this many streams at once, shared among these processes; the busiest one counts."""
    count = round(seconds / CHUNK_SECONDS)
    shares = [streams // processes + (number < streams % processes) for number in range(processes)]
    with (
        _emulator(streams, over) as (emulator, *where),
        ProcessPoolExecutor(processes, get_context("spawn")) as pool,
    ):
        cpu = _cpu(emulator)
        running = {pool.submit(_run_clients, *where, share, count): share for share in shares}
        emulator_memory, client_memory = [], []
        while True:
            emulator_memory.append(_memory(emulator))
            client_memory.append(max(_memory(pid) for child in active_children() if (pid := child.pid) is not None))
            if not wait_for(running, timeout=1.0).not_done:
                break
        cpu = _cpu(emulator) - cpu
        outcomes = {future.result(): share for future, share in running.items()}
    busiest = max(outcomes, key=lambda outcome: outcome.cpu / outcome.elapsed)
    elapsed = max(outcome.elapsed for outcome in outcomes)
    return Load(
        streams,
        streams * count,
        sorted(latency for outcome in outcomes for latency in outcome.latencies),
        [error for outcome in outcomes for error in outcome.errors],
        Process(cpu, elapsed, streams * count, emulator_memory),
        Process(busiest.cpu, busiest.elapsed, outcomes[busiest] * count, client_memory),
    )


def _find_limit(streams: int, seconds: float, processes: int, over: str) -> int:
    """More streams, round by round, until a process has a whole core, or the chunks of a round come too late."""
    while True:
        load = run(streams, seconds, processes, over)
        print(load, flush=True)
        _complain(load)
        if load.errors:
            return 1
        busiest = max(load.emulator.core, load.clients.core)
        if busiest >= FULL or load.latency(0.99) > LATE:
            break
        # Far from the limit in great steps, near it in steps of a tenth.
        streams = round(streams * max(1.1, min(2.0, 0.9 / busiest)))
    who = "the emulator" if busiest == load.emulator.core else "a process of clients"
    if busiest >= FULL:
        print(f"\nAt {streams} streams {who} fills a core.")
    else:
        print(f"\nAt {streams} streams chunks are late, with {who} on {busiest:.0%} of a core: others want it, too.")
    return 0


def _complain(load: Load) -> None:
    for error in sorted(set(load.errors)):
        print(error, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.load", description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="at once (%(default)s)")
    parser.add_argument("--seconds", type=float, help="of audio in each (60; with --limit 10)")
    parser.add_argument("--processes", type=int, default=1, help="of clients (%(default)s)")
    parser.add_argument("--over", choices=["h2c", "tls", "websocket"], default="h2c", help="what (%(default)s)")
    parser.add_argument("--limit", action="store_true", help="find the number of streams at which a core is full")
    options = parser.parse_args()
    if eventstream.implementation != "native":
        print("the native implementation is not there: nothing worth measuring", file=sys.stderr)
        return 1
    print(HEADING, flush=True)
    if options.limit:
        return _find_limit(options.streams, options.seconds or 10.0, options.processes, options.over)
    load = run(options.streams, options.seconds or 60.0, options.processes, options.over)
    print(load)
    _complain(load)
    return 0 if load.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
