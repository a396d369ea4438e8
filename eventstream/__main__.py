"""Show what an event stream holds: ``python -m eventstream [FILE ...]``; without a file, standard input.

Each message is a line: its offset, headers and payload. A message nested in another's payload, as in every signed
event, is shown below it. At the end stand totals and the throughput of decoding alone. A fault in the stream is
reported behind the messages before it, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, BinaryIO

from eventstream import CodecError, Decoder, Message, Timestamp, TruncatedMessage, decode, implementation
from eventstream.streams import READ_SIZE, _read_chunks

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from eventstream.values import HeaderValue

_SHOWN = 48
_SHOWN_OF_A_HEADER = 200
_MAX_DEPTH = 4
_SECONDS_OF_THROUGHPUT = 0.2
_BYTES_OF_THROUGHPUT = 1 << 24


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eventstream", description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="*", default=["-"], help="a file of messages; - is standard input (the default)")
    files = parser.parse_args(arguments).file
    if sys.stdout is None:
        print("there is no standard output", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever encoding a pipe has
    sound = True
    for name in files:
        try:
            sound = (_show(name, _standard_input()) if name == "-" else _show_file(name)) and sound
        except KeyboardInterrupt:
            return 130
        except _OutputError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes there
            if not isinstance(error.__cause__, BrokenPipeError):  # whose reader has seen enough
                print(f"standard output: {error}", file=sys.stderr)
            return 1
        except OSError as error:
            print(f"{_shown(name)}: {error.strerror}", file=sys.stderr)
            sound = False
    return 0 if sound else 1


class _OutputError(Exception):
    """Standard output takes no more, of which no input is to blame."""


def _print(line: str, *, flush: bool = False) -> None:
    try:
        print(line, flush=flush)
    except OSError as error:
        raise _OutputError(error.strerror) from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    return sys.stdin.buffer


def _show_file(name: str) -> bool:
    with open(name, "rb") as file:
        return _show(name, file)


def _show(name: str, file: BinaryIO) -> bool:
    """Print the messages of one stream; whether it has no fault."""
    _print(f"{_shown(name)}:")
    decoder = Decoder()
    sample: list[Buffer] = []
    messages = nested = payload_bytes = 0
    fault: CodecError | BlockingIOError | None = None
    try:
        for chunk in _read_chunks(file.read):
            if len(sample) * READ_SIZE < _BYTES_OF_THROUGHPUT:
                sample.append(chunk)
            offset = decoder.offset
            for message in decoder.feed(chunk):
                messages += 1
                payload_bytes += len(message.payload)
                nested += _print_message(message, f"{offset:>9}  ")
                offset = decoder.offset
        decoder.close()
    except (CodecError, BlockingIOError) as error:
        fault = error
    throughput = _throughput(b"".join(sample)[: decoder.offset])
    _print(
        f"{messages} messages ({nested} nested in them), {decoder.offset} bytes, {payload_bytes} of them payload; "
        f"decoded at {throughput} ({implementation})",
        flush=True,  # before a fault is told, and while a reader that is gone is still expected
    )
    if fault is not None:
        unknown = decoder.offset == 0 and not isinstance(fault, (TruncatedMessage, BlockingIOError))
        hint = "; is this an event stream?" if unknown else ""
        print(f"{_shown(name)}: {type(fault).__name__}: {fault}{hint}", file=sys.stderr)
    return fault is None


def _print_message(message: Message, margin: str, depth: int = 0) -> int:
    """Print a message and those nested in it; the number of the latter."""
    headers = ", ".join(
        f"{_shown_header(name, ',|=')}={_shown_header(value, ',|')}" for name, value in message.headers.items()
    )
    payload = bytes(message.payload)
    inner = _nested_in(payload) if depth < _MAX_DEPTH else None
    what = "a message:" if inner is not None else _shown_text(payload)
    _print(f"{margin}{headers or '(no headers)'} | {len(payload)} bytes{' ' if what else ''}{what}")
    return 0 if inner is None else 1 + _print_message(inner, " " * (len(margin) + 2), depth + 1)


def _nested_in(payload: bytes) -> Message | None:
    try:
        return decode(payload)
    except CodecError:
        return None


def _shown(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _shown_header(value: HeaderValue, delimiters: str) -> str:
    """A name or value; in quotes if it might be taken for more than one."""
    if isinstance(value, Timestamp):
        try:
            return value.datetime.isoformat(timespec="milliseconds")
        except OverflowError:
            return repr(value)
    if isinstance(value, bytes):
        return value[:8].hex() + ("..." if len(value) > 8 else "")
    if not isinstance(value, str):
        return repr(value)
    text = value[:_SHOWN_OF_A_HEADER]
    ambiguous = text[:1] in ("'", '"') or any(delimiter in text for delimiter in delimiters)
    return (repr(text) if ambiguous else _shown(text)) + "..." * (len(value) > len(text))


def _shown_text(payload: bytes) -> str:
    """The beginning of a payload that is text."""
    beginning = payload[: 4 * _SHOWN + 4]  # a character more, if there is one
    try:
        # The last one may be cut.
        text = getincrementaldecoder("utf-8")().decode(beginning, len(beginning) == len(payload))
    except UnicodeDecodeError:
        return ""
    return text[:_SHOWN] + "..." * (len(text) > _SHOWN) if text.isprintable() and payload[:1].isascii() else ""


def _throughput(stream: bytes) -> str:
    """How fast the beginning of the stream, as far as it is valid, is decoded over and over in memory."""
    if next(Decoder().feed(stream), None) is None:
        return "no measurable speed"
    count = total = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < _SECONDS_OF_THROUGHPUT:
        decoder = Decoder()
        count += sum(1 for _ in decoder.feed(stream))
        total += decoder.offset
    return f"{total / elapsed / 1e6:,.0f} MB/s, {count / elapsed:,.0f} messages/s"


if __name__ == "__main__":
    sys.exit(main())
