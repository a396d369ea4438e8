"""``python -m eventstream.transcribe.emulator``: serve until SIGTERM or SIGINT, then drain.

When it is ready it prints its addresses on standard output, one a line: its own, that of its WebSockets, and that of
its page. What happens is logged on standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from eventstream._text import quote, visible
from eventstream.transcribe.emulator import options as command_line
from eventstream.transcribe.emulator.recogniser import RecogniserFactory, load_recogniser
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.server import DOCUMENTATION_CREDENTIALS, Emulator

if TYPE_CHECKING:
    from argparse import Namespace

_STOPPED_BY = signal.SIGTERM, signal.SIGINT

_PROGRAM = "python -m eventstream.transcribe.emulator"


def main(arguments: list[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Serve; return the exit status: 2 for any trouble, as for wrong usage. The program's name is that in the help."""
    options = command_line.parse(program, arguments)
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
    except OSError as error:
        reason = error.strerror or str(error)
        print(f"emulator: {visible(f'{error.filename}: {reason}' if error.filename else reason)}", file=sys.stderr)
        return 2
    except (ImportError, ValueError) as error:
        print(f"emulator: {visible(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print("emulator: out of memory", file=sys.stderr)
        return 2
    except RuntimeError as error:
        # asyncio starts a thread to find an address, and at the end one that waits for the others.
        if not _is_of_threads(error):
            raise
        print("emulator: the system allows no more threads, or has no memory for one", file=sys.stderr)
        return 2
    return 0


def _is_of_threads(error: RuntimeError) -> bool:
    """Whether a thread could not be started, which Python tells only in words."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__") == "threading"


def _recogniser(options: Namespace) -> RecogniserFactory:
    if options.script is not None:
        try:
            return Scripted(options.script.read_text("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{options.script}: it is not UTF-8, at byte {error.start}") from None
        except ValueError as error:
            raise ValueError(f"{options.script}: {error}") from None
    return load_recogniser(options.recogniser)


async def _serve(options: Namespace, recogniser: RecogniserFactory) -> None:
    credentials = None if options.no_verify else options.credentials or [DOCUMENTATION_CREDENTIALS]
    emulator = Emulator(
        host=options.host,
        port=options.port,
        tls=options.tls is not None,
        host_names=options.host_name,
        credentials=credentials,
        recogniser=recogniser,
        limits=command_line.limits(options),
        connections=command_line.connections(options),
        faults=options.fault,
        clock=command_line.clock(options),
        websocket_port=options.websocket_port,
        page=options.page,
    )
    async with emulator:
        if emulator.authority is not None:
            # Not before the address is its own: another emulator's file stays as it is.
            _replace(options.tls, emulator.authority)
        stopped = _stop_signal()
        addresses = (emulator.endpoint, emulator.websocket_endpoint, emulator.page_endpoint)
        print(*filter(None, addresses), sep="\n", flush=True)
        if credentials is not None:
            keys = ", ".join(quote(account.access_key) for account in credentials)
            logging.info("accepted access keys: %s (--no-verify accepts any)", keys)
        await stopped
        logging.info("draining, for at most %g s; a second signal ends at once", options.grace)
        await emulator.drain(options.grace)


def _replace(path: Path, text: str) -> None:
    """Write the file as a whole, so that no reader sees a part of it; write into a pipe or device directly."""
    if path.exists() and not path.is_file():
        path.write_text(text)
        return
    target = path.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix=".emulator-", dir=target.parent) as directory:
            whole = Path(directory, target.name)
            whole.write_text(text)
            whole.replace(target)
    except OSError as error:  # it names the temporary file, which nobody knows
        raise OSError(error.errno, error.strerror, str(path)) from None


def _stop_signal() -> asyncio.Future[None]:
    """Done with the first SIGTERM or SIGINT; a second one ends the process at once."""
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
        # `signal` does not wake a loop that is just going to sleep. Windows has no such method, and needs none.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
        signal.signal(number, handle)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
