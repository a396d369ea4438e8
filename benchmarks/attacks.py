"""``python -m benchmarks.attacks``: an honest stream beside attackers, each side on a core of its own. On Linux.

The honest stream sends 50 ms of audio when they are due, and its latency is the time until the answer to that very
chunk. Beside it stands the processor time that the emulator used meanwhile, which is the same on a machine where others
work, too. The attackers send frames that cost a peer nothing as fast as the emulator takes them, and connect again when
they are dropped. Times are printed; a bound in bytes that does not hold, or a chunk of the honest stream that is never
answered, makes the exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import multiprocessing
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame
from hyperframe.frame import WindowUpdateFrame as WindowFrame
from websockets.frames import Frame, Opcode

from benchmarks.load import REGION, Client, open_client
from benchmarks.load import REQUEST as TRANSCRIPTION
from eventstream import Message, http2
from eventstream.http2.server import ServerConnection, Shared
from eventstream.operation import Parts
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS
from eventstream.transcribe.model import AUDIO_EVENT_HEADERS
from eventstream.transcribe.operations import START_STREAM_TRANSCRIPTION
from eventstream.transport import Endpoint, websocket_url

CHUNK_SECONDS = 0.05
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
REQUEST = b"\x83\x86\x84\x01\x09localhost"
"""POST / over http, compressed with the static table (RFC 7541, A)."""

FRAMES = 2_000
"""Streams that an attacker has made before it connects, and repeats with higher numbers."""

KIB = 1024
MAX_CONNECTION = 64 * KIB
"""Bytes of a connection after `RESETS` resets, and on average of `SILENT` connections that were tried."""
RESETS = 70_000
SILENT = 2_000


# The attacks: the bytes of one stream, or of as many frames


def _headers(number: int, *flags: str) -> bytes:
    return HeadersFrame(number, data=REQUEST, flags=["END_HEADERS", *flags]).serialize()


def _reset(number: int) -> bytes:
    return RstStreamFrame(number, error_code=8).serialize()


ATTACKS: dict[str, Callable[[int], bytes]] = {
    "rapid reset": lambda number: _headers(number) + _reset(number),
    "window overflow": lambda number: _headers(number) + WindowFrame(number, window_increment=2**31 - 1).serialize(),
    "DATA after END": lambda number: _headers(number, "END_STREAM") + DataFrame(number, data=b"more").serialize(),
    "trailers and RST": lambda number: (
        _headers(number)
        + HeadersFrame(number, data=b"\x00\x01a\x01b", flags=["END_HEADERS", "END_STREAM"]).serialize()
        + _reset(number)
    ),
    "SETTINGS": lambda number: SettingsFrame(0).serialize(),
    "PING": lambda number: PingFrame(0, opaque_data=bytes(8)).serialize(),
    "empty CONTINUATIONs": lambda number: (
        HeadersFrame(number, data=REQUEST).serialize()
        + ContinuationFrame(number).serialize() * 60
        + ContinuationFrame(number, flags=["END_HEADERS"]).serialize()
        + _reset(number)
    ),
    "many small headers": lambda number: HeadersFrame(
        number, data=REQUEST + b"\x93" * 1_400, flags=["END_HEADERS", "END_STREAM"]
    ).serialize(),
    "churn": _headers,
}


def _frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


WEBSOCKET_ATTACKS: dict[str, tuple[bytes, bytes]] = {
    "WebSocket: pings": (b"", _frame(Opcode.PING, bytes(125))),
    "WebSocket: empty fragments": (_frame(Opcode.BINARY, fin=False), _frame(Opcode.CONT, fin=False)),
    "WebSocket: an event in bytes": (
        b"",
        b"".join(_frame(Opcode.BINARY, bytes([byte])) for byte in Message(AUDIO_EVENT_HEADERS, bytes(32)).encode()),
    ),
}
"""What is sent once, and what again and again, on WebSockets that were opened as they should be."""


def _websocket_wire(attack: str, address: tuple[str, int]) -> Iterator[bytes]:
    endpoint = Endpoint.parse(f"ws://{address[0]}:{address[1]}")
    parts = Parts(TRANSCRIPTION.to_headers())
    url, _ = websocket_url(START_STREAM_TRANSCRIPTION, parts, endpoint, REGION, DOCUMENTATION_CREDENTIALS, 300)
    first, again = WEBSOCKET_ATTACKS[attack]
    yield (
        f"GET {url[url.index('/', 5 + 2) :]} HTTP/1.1\r\nHost: {endpoint.authority}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode() + first
    while True:
        yield again * (65_536 // len(again))


def _wire(attack: str, address: tuple[str, int]) -> Iterator[bytes]:
    """Yield what an attacker sends on one connection, in large pieces."""
    if attack in WEBSOCKET_ATTACKS:
        yield from _websocket_wire(attack, address)
        return
    yield PREFACE
    numbers = itertools.count(1, 2)
    if attack == "churn":
        yield ATTACKS[attack](1)
        return
    while True:
        yield b"".join(ATTACKS[attack](number) for number in itertools.islice(numbers, FRAMES))


class _Attacker:
    """One connection after the other, on a socket that does not block."""

    def __init__(self, selector: selectors.BaseSelector, address: tuple[str, int], attack: str) -> None:
        self._selector = selector
        self._address = address
        self._attack = attack
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(self._address)
        self._pieces = _wire(self._attack, self._address)
        self._rest = memoryview(b"")
        self._selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def ready(self, events: int) -> None:
        try:
            if events & selectors.EVENT_READ and not self._socket.recv(65_536):
                raise ConnectionError
            if events & selectors.EVENT_WRITE:
                if not self._rest:
                    self._rest = memoryview(next(self._pieces))
                self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            pass
        except (OSError, StopIteration):
            self._selector.unregister(self._socket)
            self._socket.close()
            self._connect()


def _attack(addresses: list[tuple[str, int]], attacks: list[str], core: int, begun: Event) -> None:
    os.sched_setaffinity(0, {core})
    with selectors.DefaultSelector() as selector:
        for attack in attacks:
            _Attacker(selector, addresses[attack in WEBSOCKET_ATTACKS], attack)
        begun.set()
        while True:
            for key, events in selector.select():
                key.data.ready(events)


@contextlib.contextmanager
def _attackers(addresses: list[tuple[str, int]], attacks: list[str], core: int) -> Iterator[None]:
    """Attack within the block, from its beginning; the second address is that of the WebSockets."""
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=_attack, args=(addresses, attacks, core, begun), daemon=True)
    process.start()
    try:
        begun.wait()
        yield
    finally:
        process.kill()
        process.join()


_ALL = [*ATTACKS, *WEBSOCKET_ATTACKS]


# The emulator and the honest stream


@contextlib.contextmanager
def _emulator(core: int, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Yield the emulator, and its addresses: for HTTP/2, and for WebSockets."""
    command = [sys.executable, "-m", "eventstream.transcribe.emulator", "--quiet", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, {core})
        try:
            yield process, [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()


class _Latencies:
    """Of a stream, in order of size.

    Attributes:
        lives: whether all chunks were answered.
    """

    def __init__(self, client: Client, count: int) -> None:
        self.lives = len(client.latencies) == count
        self._times = sorted(client.latencies)
        self._processor = sorted(client.metered)

    def __call__(self, share: float = 0.99) -> str:
        if not self._times:
            return "not answered"
        place = min(int(share * len(self._times)), len(self._times) - 1)
        return f"{1000 * self._times[place]:,.1f} ms ({1000 * self._processor[place]:,.1f})"


def _meter(pid: int) -> Callable[[], float]:
    """Tells how many seconds of processor time a process has used (the clock of clock_getcpuclockid(3))."""
    clock = (~pid << 3) | 2
    return lambda: time.clock_gettime(clock)


async def _honest(endpoint: str, seconds: float, meter: Callable[[], float]) -> _Latencies:
    host, port = _address(endpoint)
    count = round(seconds / CHUNK_SECONDS)
    async with http2.connect(host, port, connect_timeout=60.0) as connection:
        client = await open_client(connection, f"{host}:{port}", count, CHUNK_SECONDS, meter)
        with contextlib.suppress(http2.StreamError, AssertionError, TimeoutError):
            await asyncio.wait_for(client.run(asyncio.get_running_loop().time() + CHUNK_SECONDS), 4 * seconds + 30)
    return _Latencies(client, count)


async def _answered(endpoint: str, meter: Callable[[], float]) -> str:
    """Return the time until a new client has its response."""
    began, used = time.monotonic(), meter()
    host, port = _address(endpoint)
    with contextlib.suppress(OSError, TimeoutError):
        async with http2.connect(host, port, connect_timeout=60.0) as connection:
            await asyncio.wait_for(open_client(connection, f"{host}:{port}", 0), 60)
            return f"{time.monotonic() - began:.2f} s ({meter() - used:.2f})"
    return "not answered"


def _row(what: str, found: str, at_most: str) -> None:
    print(f"| {what} | {found} | {at_most} |", flush=True)


def _address(endpoint: str) -> tuple[str, int]:
    host, _, port = urlsplit(endpoint).netloc.rpartition(":")
    return host, int(port)


def _beside(attacks: list[str], seconds: float, cores: tuple[int, int]) -> _Latencies:
    with _emulator(cores[0]) as (process, endpoints), _attackers([*map(_address, endpoints)], attacks, cores[1]):
        return asyncio.run(_honest(endpoints[0], seconds, _meter(process.pid)))


def _latencies(chosen: list[str], seconds: float, cores: tuple[int, int]) -> bool:
    """Print them; whether the honest stream lived beside each attack."""
    found = _beside([], seconds, cores)
    _row("at rest: p50, p99", f"{found(0.5)}, {found()}", "")
    lives = found.lives
    for connections, at_most in ((1, 60), (10, 400)):
        for attack in chosen:
            found = _beside([attack] * connections, seconds, cores)
            lives &= found.lives
            _row(f"{connections} × {attack}: p99", found() + ("" if found.lives else ", it dies"), f"{at_most} ms")
    return lives


def _forty(chosen: list[str], seconds: float, cores: tuple[int, int]) -> bool:
    """Print what forty connections do; whether the honest stream lived."""

    async def beside(endpoint: str, meter: Callable[[], float]) -> tuple[_Latencies, str]:
        honest = asyncio.create_task(_honest(endpoint, seconds, meter))
        await asyncio.sleep(seconds / 2)
        new = await _answered(endpoint, meter)
        return await honest, new

    with _emulator(cores[0]) as (process, endpoints):
        endpoint, addresses = endpoints[0], [*map(_address, endpoints)]
        meter = _meter(process.pid)
        attacks = [attack for attack, _ in zip(itertools.cycle(chosen), range(40), strict=False)]
        with _attackers(addresses, attacks, cores[1]):
            found, new = asyncio.run(beside(endpoint, meter))
        after = asyncio.run(_answered(endpoint, meter))
        with _attackers(addresses, attacks, cores[1]):
            time.sleep(2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        ended = time.monotonic() - began
    _row(
        "40 of all kinds: the honest stream, p99", f"{'it lives' if found.lives else 'it dies'}, {found()}", "it lives"
    )
    _row("40 of all kinds: a new client is answered", new, "2 s")
    _row("after 40 have gone: a new client is answered", after, "1 s")
    _row("after 40 have gone: SIGTERM takes", f"{ended:.2f} s", "10 s")
    return found.lives


# Memory


class _Transport(asyncio.Transport):
    """Takes what is written, and is never full."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _after_resets() -> int:
    """Bytes of an idle connection on which this many streams were reset."""

    async def handler(stream: http2.ServerStream) -> None:
        await stream.respond(200, end=True)

    shared = Shared(handler, resets=None, idle_frames=None)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    connection = ServerConnection(shared)
    connection.connection_made(_Transport())
    connection.data_received(PREFACE)
    for start in range(1, 2 * RESETS, 40):
        connection.data_received(b"".join(map(ATTACKS["rapid reset"], range(start, start + 40, 2))))
        for _ in range(4):
            await asyncio.sleep(0)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    connection.connection_lost(None)
    return size


def _silent(cores: tuple[int, int]) -> int:
    """Bytes of a server with this many TLS connections that say nothing."""
    with (
        tempfile.NamedTemporaryFile() as authority,
        _emulator(cores[0], "--tls", authority.name) as (process, (endpoint, _)),
    ):
        page = os.sysconf("SC_PAGE_SIZE")

        def size() -> int:
            return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * page

        address = _address(endpoint)
        with contextlib.suppress(OSError):  # it makes the server ready
            ssl.create_default_context().wrap_socket(socket.create_connection(address), server_hostname="localhost")
        before = size()
        clients = []
        for _ in range(SILENT):
            clients.append(socket.create_connection(address))
            if len(clients) % 50 == 0:
                time.sleep(0.1)
        time.sleep(2)
        grown = size() - before
        for client in clients:
            client.close()
    return grown


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each attack (%(default)s)")
    parser.add_argument("--forty-seconds", type=float, default=25.0, help="of the forty connections (%(default)s)")
    parser.add_argument("--attacks", nargs="*", choices=_ALL, default=_ALL, help="(all)")
    parser.add_argument("--only", choices=["latency", "forty", "memory"], help="a part of the table")
    options = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[-1])
    os.sched_setaffinity(0, {cores[1]})
    print("| attack | found | at most |\n|---|--:|--:|", flush=True)
    sound = True
    if options.only in (None, "latency"):
        sound &= _latencies(options.attacks, options.seconds, cores)
    if options.only in (None, "forty"):
        sound &= _forty(options.attacks, options.forty_seconds, cores)
    if options.only in (None, "memory"):
        size = asyncio.run(_after_resets())
        _row(f"memory of a connection after {RESETS:,} resets", f"{size // KIB} KiB", f"{MAX_CONNECTION // KIB} KiB")
        grown = _silent(cores)
        found = f"{grown // KIB:,} KiB, {grown // SILENT // KIB} KiB each"
        _row(f"memory of {SILENT:,} silent TLS connections", found, f"{MAX_CONNECTION // KIB} KiB each")
        sound &= max(size, grown // SILENT) <= MAX_CONNECTION
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
