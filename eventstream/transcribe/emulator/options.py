"""The options of the emulator's command line, and what they ask for."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from eventstream._text import visible
from eventstream.faults import Fault
from eventstream.http2 import Budget
from eventstream.server import ConnectionLimits
from eventstream.signing import Credentials, utc_now
from eventstream.transcribe.emulator.rules import RULES
from eventstream.transcribe.emulator.server import DOCUMENTATION_CREDENTIALS
from eventstream.transcribe.emulator.service import Limits

__all__ = ["clock", "connections", "limits", "parse", "parser"]

_T = TypeVar("_T")


def limits(options: argparse.Namespace) -> Limits:
    """Return what a client may ask for."""
    base = Limits.strict() if options.strict else Limits()
    one = options.one_stream_per_connection
    return Limits(
        max_streams=options.max_streams,
        max_audio=options.max_audio,
        audio_timeout=options.audio_timeout,
        one_stream_per_connection=base.one_stream_per_connection if one is None else one,
        max_lead=getattr(options, "max_lead", base.max_lead),
        allowed=frozenset(options.allow),
    )


def connections(options: argparse.Namespace) -> ConnectionLimits:
    """Return what connections may cost."""
    return ConnectionLimits(**{name: getattr(options, name) for name in vars(ConnectionLimits())})


def clock(options: argparse.Namespace) -> Callable[[], datetime]:
    """Return the clock that signatures are compared with."""
    offset = timedelta(seconds=options.clock_offset)
    return partial(_shifted, offset) if offset else utc_now


def _shifted(offset: timedelta) -> datetime:
    return utc_now() + offset


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and not also every option that there is."""
        self.exit(
            2, f"usage: {self.prog} [OPTION]... (see {self.prog} --help)\n{self.prog}: error: {visible(message)}\n"
        )


def parse(program: str, arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of a command line; if they are wrong, or contradict each other, the process ends."""
    made = parser(program)
    options = made.parse_args(arguments)
    if options.script is not None and options.recogniser != _SCRIPTED:
        made.error(f"argument --script: only the recogniser {_SCRIPTED} has a script, and --recogniser names another")
    if options.no_verify and options.credentials:
        made.error("argument --no-verify: not allowed with argument --credentials")
    return options


_SCRIPTED = "scripted"


def parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of the command line of a program of this name."""
    normal, strict, cost = Limits(), Limits.strict(), ConnectionLimits()
    made = _Parser(
        program,
        description="A local endpoint for Amazon Transcribe's streams.",
        epilog=f"Examples:\n  {program} --port 8080\n  {program} --tls ca.pem --recogniser moonshine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s: reachable from this machine only)")
    add("--port", type=_argument(_port), default=0, help="port to listen on; 0, the default, chooses a free one")
    websocket = made.add_mutually_exclusive_group().add_argument
    websocket(
        "--websocket-port",
        type=_argument(_port),
        default="0",  # a text: a value that is the default itself would not exclude the other option
        metavar="PORT",
        help="port for WebSockets, which presigned URLs open; 0, the default, chooses a free one",
    )
    websocket("--no-websocket", action="store_const", dest="websocket_port", const=None, help="accept no WebSockets")
    add(
        "--page",
        action="store_true",
        help="serve a page on the port for WebSockets, to this machine only: a browser transcribes its microphone or a "
        "file, and shows every frame",
    )
    add(
        "--tls",
        type=_argument(_file),
        metavar="CA_FILE",
        help="serve TLS; the certificate to trust is written to CA_FILE",
    )
    add(
        "--credentials",
        type=_argument(_credentials),
        action="append",
        metavar="ACCESS_KEY:SECRET_KEY[:TOKEN]",
        help="credentials whose signatures are accepted; repeatable (default: the keys of AWS's documentation, with "
        f"the access key {DOCUMENTATION_CREDENTIALS.access_key}; --no-verify accepts any)",
    )
    add("--no-verify", action="store_true", help="do not check signatures")
    add(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="another name of this host, e.g. of its container, for which the certificate is valid too; repeatable",
    )
    add(
        "--recogniser",
        default=_SCRIPTED,
        metavar="NAME",
        help="scripted (default) returns the same words for any audio; moonshine recognises English; or module:factory",
    )
    add("--script", type=_argument(_file), metavar="FILE", help="script in UTF-8 that the scripted recogniser returns")
    add(
        "--max-streams",
        type=_argument(_positive),
        default=normal.max_streams,
        metavar="N",
        help="maximum number of concurrent streams (default: %(default)s)",
    )
    add(
        "--max-audio",
        type=_argument(_seconds),
        default=normal.max_audio,
        metavar="SECONDS",
        help="maximum seconds of audio per stream (default: %(default)g)",
    )
    add(
        "--audio-timeout",
        type=_argument(_seconds),
        default=normal.audio_timeout,
        metavar="SECONDS",
        help="end a stream after this many seconds without audio (default: %(default)g)",
    )
    add(
        "--clock-offset",
        type=_argument(_offset),
        default=0.0,
        metavar="SECONDS",
        help="shift the emulator's clock, to test clients with a wrong clock (default: 0; negative: backwards)",
    )
    add(
        "--strict",
        action="store_true",
        help="be as strict as the service; the next two switches still override it",
    )
    add(
        "--one-stream-per-connection",
        action=argparse.BooleanOptionalAction,
        help="refuse a second stream on a connection (default: only with --strict)",
    )
    add(
        "--max-lead",
        type=_argument(_optional(_seconds)),
        default=argparse.SUPPRESS,
        metavar="SECONDS",
        help="treat audio that runs further ahead of real time as an expired signature; or none "
        f"(default: none, {strict.max_lead:g} with --strict)",
    )
    add(
        "--allow",
        type=_argument(_rule),
        action="append",
        default=[],
        metavar="RULE",
        help=f"let requests break a rule of the service: {', '.join(RULES)}; repeatable",
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
        help="let streams finish for this many seconds after SIGTERM (default: %(default)g)",
    )
    bounds = made.add_argument_group(
        "connection limits", "none means no limit. A budget is BURST/RATE: BURST at once, and RATE more per second."
    )
    for name, convert, metavar, said in (
        ("--max-connections", _positive, "N", "maximum number of connections; the one idle for longest gives way"),
        ("--max-connections-per-peer", _positive, "N", "maximum number of connections from one address"),
        ("--backlog", _positive, "N", "maximum number of connections that wait to be accepted"),
        ("--idle-timeout", _seconds, "SECONDS", "close a connection after this many seconds without a stream"),
        ("--resets", _budget, "BUDGET", "budget of each connection for reset streams"),
        ("--idle-frames", _budget, "BUDGET", "budget of each connection for frames without data"),
    ):
        default = getattr(cost, name[2:].replace("-", "_"))
        shown = "/".join(f"{part:g}" for part in (default if isinstance(default, Budget) else [default]))
        bounds.add_argument(
            name,
            type=_argument(convert if name == "--backlog" else _optional(convert)),
            default=default,
            metavar=metavar,
            help=f"{said} (default: {shown})",
        )
    add("--quiet", action="store_true", help="log only problems")
    return made


def _argument(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return the reader with its own words if it refuses; argparse would say only "invalid value"."""

    def convert(text: str) -> _T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _file(text: str) -> Path:
    path = Path(text)
    if not text:
        raise ValueError("the name is empty")
    if path.is_dir():
        raise ValueError(f"{text} is a folder")
    return path


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


def _number(text: str) -> float:
    """Return what a text says; NaN, which is within no bounds, if that is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not seconds >= 0:
        raise ValueError(f"{text!r} is not a number of seconds, 0 or more")
    return seconds


def _offset(text: str) -> float:
    seconds = _number(text)
    if not abs(seconds) <= _MAX_OFFSET:
        raise ValueError(f"{text!r} is not a number of seconds between -{_MAX_OFFSET} and {_MAX_OFFSET}")
    return seconds


_MAX_OFFSET = 86_400 * 365


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise ValueError("at least 1 is needed")
    return number


def _optional(read: Callable[[str], _T]) -> Callable[[str], _T | None]:
    """Return a reader that also takes "none", for no bound."""
    return lambda text: None if text == "none" else read(text)


def _budget(text: str) -> Budget:
    burst, slash, rate = text.partition("/")
    if not (slash and burst.isdecimal() and int(burst) >= 1):
        raise ValueError(f"{text!r} is not a budget: BURST/RATE, e.g. 1000/33")
    return Budget(int(burst), _seconds(rate))


def _rule(text: str) -> str:
    if text not in RULES:
        raise ValueError(f"unknown rule {text!r}: expected one of {', '.join(RULES)}")
    return text
