"""``eventstream replay``: a server that answers each request with a recorded response.

It speaks HTTP/1.1 with a chunked body, as most clients do, or HTTP/2 in plaintext. It listens on loopback unless it is
told otherwise, verifies nothing, and sends the bytes as they are: a damaged recording is damaged in the client, too.
"""

from __future__ import annotations

import contextlib
import math
import queue
import re
import signal
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import click

from eventstream import Gap, Message, Timestamp
from eventstream._salvage import length_of
from eventstream._text import quote
from eventstream.cli import _options
from eventstream.cli._json import nested_in
from eventstream.cli._recording import Body
from eventstream.cli._terminal import TROUBLE, Progress, complaint, line
from eventstream.wire import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstream.cli._recording import Recording
    from eventstream.http2 import ServerStream

_TIMEOUT = 60.0  # seconds that a client may keep silent, or speak when all has been answered
_MAX_PAUSE = 30.0  # seconds between two messages, whatever their dates say
_MAX_CLIENTS = 250  # at once over HTTP/1.1, as `eventstream.http2.serve` takes from one address
_PIECE = 1 << 16
_POLL = 0.5  # seconds between two looks for Ctrl-C


def _number(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which is within every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("it is not a number")
    return value


@click.command(
    "replay",
    epilog="""\b
Examples:
  eventstream replay answer.bin --port 8080
  eventstream replay session.har --stream 2 --interval 0.2
  eventstream replay --http2 transcript.bin""",
)
@_options.file
@_options.inputs
@_options.stream
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port; 0 chooses a free one.")
@click.option("--http2", is_flag=True, help="Serve HTTP/2 in plaintext, where request and response overlap.")
@click.option(
    "--interval",
    type=click.FloatRange(0, _MAX_PAUSE),
    callback=_number,
    help="Seconds between two messages (default: the pace of their dates).",
)
@click.option("--requests", "count", type=click.IntRange(1), help="Exit after this many requests.")
def command(
    file: str,
    form: str | None,
    no_limits: bool,
    number: int | None,
    host: str,
    port: int,
    http2: bool,
    interval: float | None,
    count: int | None,
) -> int:
    """Answer every request with the response recorded in FILE, until Ctrl-C.

    The address is printed once it listens. Messages are sent at the pace of their `:date` headers.
    """
    limits = _options.limits(no_limits)

    def work(recording: Recording) -> int:
        pieces = list(_pieces(recording, limits, interval))
        Progress.make_way(for_output=False)
        headers = _headers(recording)
        serve = _serve_http2 if http2 else _serve_http1
        try:
            serve(pieces, headers, host, port, count)
        except KeyboardInterrupt:
            return 0
        except OSError as error:
            complaint(f"{host}, port {port}: {error.strerror or error}")
            return TROUBLE
        return 0

    return _options.one(file, form, number, work)


def _pieces(
    recording: Recording, limits: dict[str, int | None], interval: float | None
) -> Iterator[tuple[float, bytes]]:
    """Yield pauses, and the bytes that follow each: a message, or a gap with what was there."""
    data = recording.body.read()
    recording.body = Body(whole=memoryview(data))
    offset = 0
    last: int | None = None
    for part in recording.parts(limits):
        length = length_of(part)
        pause = interval or 0.0
        date = None if isinstance(part, Gap) else _date_of(part)
        if date is not None:
            if interval is None and last is not None:
                pause = min(max((date - last) / 1000, 0.0), _MAX_PAUSE)
            last = date
        yield pause if offset else 0.0, data[offset : offset + length]
        offset += length


def _date_of(message: Message) -> int | None:
    """Return the message's date, or that of the message in it, in milliseconds."""
    for candidate in (message, nested_in(message.payload)):
        date = None if candidate is None else candidate.headers.get(":date")
        if isinstance(date, Timestamp):
            return int(date)
    return None


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
"""What HTTP allows as a header's name and value (RFC 9110, 5.5 and 5.6.2); a recording may hold anything."""


def _headers(recording: Recording) -> list[tuple[str, str]]:
    """Those of the recorded response that belong to it and not to its connection, and that can be sent."""
    kept = {name: value for name, value in recording.headers.items() if name.startswith(("x-amz", "content-type"))}
    for name, value in list(kept.items()):
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            complaint(f"{recording.name}: the header {quote(f'{name}: {value}')} cannot be sent: it is left out")
            del kept[name]
    return list({"content-type": CONTENT_TYPE, **kept}.items())


def _say_address(host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host else host
    line(f"http://{name}:{port}")
    sys.stdout.flush()


# HTTP/1.1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pieces: list[tuple[float, bytes]]
    headers: list[tuple[str, str]]
    answered: queue.SimpleQueue[bool]
    places = threading.Semaphore(_MAX_CLIENTS)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether there is a place for the client, which then gets a thread; else it is disconnected."""
        if self.places.acquire(blocking=False):
            return True
        complaint(f"{client_address[0]}: disconnected: too many clients at once")
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the client, and give up the place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a line for a client that disconnected, and the traceback for a fault of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            complaint(f"{client_address[0]}: disconnected: {error.strerror or type(error).__name__}")
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT
    server: _Server

    def do_GET(self) -> None:
        try:
            if self._read_request():
                self._answer()
        finally:
            self.server.answered.put(True)

    do_POST = do_PUT = do_GET  # noqa: N815

    def _read_request(self) -> bool:
        """Read the request's body to its end, and drop it; whether there was one."""
        self.close_connection = True
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while True:
                size = self.rfile.readline(100).partition(b";")[0].strip()
                length = int(size, 16) if re.fullmatch(b"[0-9a-fA-F]{1,8}", size) else 0
                if not length:
                    return size == b"0"
                if not self._drop(length) or not self._drop(2):
                    return False
        length_text = self.headers.get("Content-Length", "0")
        return length_text.isdecimal() and self._drop(int(length_text[:12]))

    def _drop(self, length: int) -> bool:
        while length:
            data = self.rfile.read(min(length, _PIECE))
            if not data:
                return False
            length -= len(data)
        return True

    def _answer(self) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (*self.server.headers, ("Transfer-Encoding", "chunked"), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        for pause, piece in self.server.pieces:
            time.sleep(pause)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        complaint(f"{self.address_string()}: {format % arguments}")


def _serve_http1(
    pieces: list[tuple[float, bytes]], headers: list[tuple[str, str]], host: str, port: int, count: int | None
) -> None:
    with _Server((host, port), _Handler) as server:
        server.pieces, server.headers, server.answered = pieces, headers, queue.SimpleQueue()
        # Ctrl-C raises nothing here: an exception that comes inside a callback or a lock is dropped, or replaced.
        before = signal.signal(signal.SIGINT, lambda *_: server.answered.put(False))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _say_address(host, server.server_address[1])
        left = count or sys.maxsize
        while left:
            with contextlib.suppress(queue.Empty):  # a signal that comes just before a wait does not end it
                left = left - 1 if server.answered.get(timeout=_POLL) else 0
        signal.signal(signal.SIGINT, before)
        server.shutdown()


# HTTP/2


async def _await_end(stream: ServerStream) -> None:
    """Wait a while for the end of the request: a client that still speaks would take that of the answer for a fault."""
    last = time.monotonic() + _TIMEOUT
    with contextlib.suppress(TimeoutError):
        while (left := last - time.monotonic()) > 0 and await stream.receive(left):
            pass


def _serve_http2(
    pieces: list[tuple[float, bytes]], headers: list[tuple[str, str]], host: str, port: int, count: int | None
) -> None:
    import asyncio

    with _options.needed("http2"):
        from eventstream.http2 import serve

    async def run() -> None:
        answered = asyncio.Semaphore(0)
        task = cast("asyncio.Task[None]", asyncio.current_task())

        async def answer(stream: ServerStream) -> None:
            try:
                await stream.respond(HTTPStatus.OK, headers)
                for pause, piece in pieces:
                    await asyncio.sleep(pause)
                    await stream.send(piece, timeout=_TIMEOUT)
                await _await_end(stream)
                await stream.end()
            except TimeoutError as error:
                complaint(f"an answer was cut: {error}")
                await stream.reset()
            finally:
                answered.release()

        async with serve(answer, host, port) as server:
            with contextlib.suppress(NotImplementedError):  # Windows, whose loop Ctrl-C wakes anyway
                # A KeyboardInterrupt could be dropped as above, and does not wake a loop that is just going to sleep.
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
            _say_address(host, server.port)
            for _ in range(count or sys.maxsize):
                await answered.acquire()

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run())
