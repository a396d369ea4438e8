"""``python -m eventstream.transcribe.emulator``: serve until SIGTERM or SIGINT, then drain.

When it is ready it prints its address, the only line on standard output. What happens is logged on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eventstream.faults import Fault
from eventstream.signing import Credentials
from eventstream.transcribe.emulator.recogniser import RecogniserFactory, load_recogniser
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.server import DOCUMENTATION_CREDENTIALS, Emulator
from eventstream.transcribe.emulator.service import Limits

_STOPPED_BY = signal.SIGTERM, signal.SIGINT

_PROGRAM = "python -m eventstream.transcribe.emulator"

_T = TypeVar("_T")


def main(arguments: list[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Serve; the exit status. The program's name is that in the help."""
    options = _parser(program).parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    before = {number: signal.getsignal(number) for number in _STOPPED_BY}
    try:
        recogniser = _recogniser(options)
        try:
            asyncio.run(_serve(options, recogniser))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            getattr(recogniser, "close", lambda: None)()
    except (ImportError, OSError, ValueError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


def _recogniser(options: argparse.Namespace) -> RecogniserFactory:
    if options.script is not None:
        return Scripted(options.script.read_text("utf-8"))
    return load_recogniser(options.recogniser)


async def _serve(options: argparse.Namespace, recogniser: RecogniserFactory) -> None:
    emulator = Emulator(
        host=options.host,
        port=options.port,
        tls=options.tls is not None,
        credentials=None if options.no_verify else options.credentials or [DOCUMENTATION_CREDENTIALS],
        recogniser=recogniser,
        limits=Limits(
            max_streams=options.max_streams, max_audio=options.max_audio, audio_timeout=options.audio_timeout
        ),
        faults=options.fault,
    )
    async with emulator:
        if emulator.authority is not None:
            # Not before the address is its own: another emulator's file stays as it is.
            _replace(options.tls, emulator.authority)
        stopped = _stop_signal()
        print(emulator.endpoint, flush=True)
        await stopped
        logging.info("draining, for at most %g s; a second signal ends at once", options.grace)
        await emulator.drain(options.grace)


def _replace(path: Path, text: str) -> None:
    """Write the file as a whole, so that nobody reads a part of it; what is no file, as a pipe, as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text)
        return
    path = path.resolve()
    with tempfile.TemporaryDirectory(prefix=".emulator-", dir=path.parent) as directory:
        whole = Path(directory, path.name)
        whole.write_text(text)
        whole.replace(path)


def _stop_signal() -> asyncio.Future[None]:
    """Done with the first SIGTERM or SIGINT; a second one ends the process, whatever it is doing."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    def handle(*_: object) -> None:
        for number in _STOPPED_BY:
            signal.signal(number, signal.SIG_DFL)  # asyncio's own handler would wait for recognisers
        loop.call_soon_threadsafe(stop)

    for number in _STOPPED_BY:
        # `signal` alone does not wake a loop that is just going to sleep. Windows has no such method, and needs none.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
        signal.signal(number, handle)
    return stopped


def _parser(program: str = _PROGRAM) -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(
        program,
        description="A local endpoint for Amazon Transcribe's streams.",
        epilog=f"Examples:\n  {program} --port 8080\n  {program} --tls ca.pem --recogniser moonshine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s: reachable from this machine only)")
    add("--port", type=_argument(_port), default=0, help="port to listen on; 0, the default, chooses a free one")
    add("--tls", type=Path, metavar="CA_FILE", help="serve TLS; the certificate to trust is written to CA_FILE")
    add(
        "--credentials",
        type=_argument(_credentials),
        action="append",
        metavar="ACCESS_KEY:SECRET_KEY[:TOKEN]",
        help="credentials whose signatures are accepted; repeatable (default: the keys of AWS's documentation)",
    )
    add("--no-verify", action="store_true", help="do not check signatures")
    add(
        "--recogniser",
        default="scripted",
        metavar="NAME",
        help="scripted (default) returns the same words for any audio; moonshine recognises English; or module:factory",
    )
    add("--script", type=Path, metavar="FILE", help="script in UTF-8 that the scripted recogniser returns")
    add(
        "--max-streams",
        type=_argument(_positive),
        default=limits.max_streams,
        metavar="N",
        help="maximum number of concurrent streams (default: %(default)s)",
    )
    add(
        "--max-audio",
        type=_argument(_seconds),
        default=limits.max_audio,
        metavar="SECONDS",
        help="maximum seconds of audio per stream (default: %(default)g)",
    )
    add(
        "--audio-timeout",
        type=_argument(_seconds),
        default=limits.audio_timeout,
        metavar="SECONDS",
        help="end a stream after so many seconds without audio (default: %(default)g)",
    )
    add(
        "--fault",
        type=_argument(Fault.parse),
        action="append",
        default=[],
        metavar="KIND@N[*STREAMS]",
        help="fail at the Nth event of each stream, or of the first STREAMS: bad-crc, truncate, early-end, reset, "
        "exception:NAME, slow[:SECONDS]; event 1 has no results, 0 is the response itself; repeatable",
    )
    add(
        "--grace",
        type=_argument(_seconds),
        default=10.0,
        metavar="SECONDS",
        help="let streams finish for so many seconds after SIGTERM (default: %(default)g)",
    )
    add("--quiet", action="store_true", help="log only problems")
    return parser


def _argument(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """With the reader's own words if it refuses; argparse would say "invalid value" alone."""

    def convert(text: str) -> _T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _credentials(text: str) -> Credentials:
    access_key, _, secret = text.partition(":")
    secret_key, _, token = secret.partition(":")
    if not (access_key and secret_key):
        raise ValueError("not ACCESS_KEY:SECRET_KEY")
    return Credentials(access_key, secret_key, token or None)


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65_535:
        raise ValueError(f"{text!r} is not a port (0 to 65535)")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError(f"{text!r} is not a number of seconds, 0 or more")
    return seconds


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("at least 1 is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
