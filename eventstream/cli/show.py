"""``eventstream show``: a line per message, or a JSON object."""

from __future__ import annotations

import codecs
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from eventstream import Gap, Message, Timestamp
from eventstream._salvage import length_of
from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._json import MAX_DEPTH, from_gap, from_message, nested_in, timestamp_text
from eventstream.cli._terminal import complaint, counted, fitted, line, print_json, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventstream.cli._recording import Recording
    from eventstream.values import HeaderValue

    Test = Callable[[Message], bool]

_HEADER_LENGTH = 200  # characters of a header that are shown
_PAYLOAD_LENGTH = 200  # of a payload, where no terminal says how wide it is
_MIN_PAYLOAD_LENGTH = 24
_FULL = 1 << 62


@click.command(
    "show",
    epilog="""\b
Examples:
  eventstream show answer.bin
  eventstream show --where :event-type=contentBlockDelta --json session.har | jq .payload
  eventstream show --where .Transcript.Results.0.IsPartial=false transcript.bin
  eventstream show --follow growing.bin""",
)
@_options.files
@_options.inputs
@click.option("--full", is_flag=True, help="Show headers and payloads in full.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per message; `encode` reverses it.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Show only messages with a header NAME, or a field .PATH of a JSON payload: NAME, NAME=VALUE, NAME!=VALUE or "
    "NAME~REGEX. Messages nested in one are tested, too. If it is given several times, all conditions must hold.",
)
@click.option("--follow", is_flag=True, help="Wait for the file, and read it while it grows. It must be a raw stream.")
def command(
    files: tuple[str, ...],
    form: str | None,
    no_limits: bool,
    full: bool,
    as_json: bool,
    conditions: tuple[str, ...],
    follow: bool,
) -> int:
    """Print the messages of event streams, one per line; without FILE those of standard input.

    Messages nested in a payload, like those of signed events, are shown below it.
    """
    if follow and len(files) != 1:
        raise click.UsageError("--follow takes one file")
    if follow and os.path.isdir(files[0]):
        raise click.UsageError(f"--follow takes a file, and {visible(files[0])} is a folder")
    if follow and form not in (None, "raw"):
        raise click.UsageError(f"--follow takes a raw stream, not {form}")
    tests = [_test_of(condition) for condition in conditions]
    limits = _options.limits(no_limits)
    show = _Json() if as_json else _Lines(full)
    return _options.each(files, form, lambda recording: show.recording(recording, limits, tests), follow=follow)


# Conditions


def _test_of(condition: str) -> Test:
    match = re.fullmatch(r"([^=~!]+)(?:(!?=|~)(.*))?", condition, re.DOTALL)
    if match is None:
        raise click.UsageError(f"--where {visible(condition)}: expected NAME, NAME=VALUE, NAME!=VALUE or NAME~REGEX")
    name, operator, wanted = match.groups()
    if operator == "~":
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            place = "" if error.pos is None else f" at character {error.pos + 1}"
            raise click.UsageError(f"--where {visible(condition)}: {visible(wanted)} is not a pattern{place}") from None
        return lambda message: any(pattern.search(found) for found in _values(message, name))
    if operator == "!=":
        return lambda message: wanted not in _values(message, name)
    if operator == "=":
        return lambda message: wanted in _values(message, name)
    return lambda message: next(_values(message, name), None) is not None


def _values(message: Message, name: str) -> Iterator[str]:
    """Yield the values of that name, as text, of the message and those nested in it."""
    depth = 0
    inner: Message | None = message
    while inner is not None:
        if name.startswith("."):
            found = _field(inner, name[1:])
            if found is not None:
                yield found
        elif name in inner.headers:
            yield _header_text(inner.headers[name])
        depth, inner = depth + 1, nested_in(inner.payload) if depth < MAX_DEPTH else None


def _field(message: Message, path: str) -> str | None:
    import json

    try:
        value: Any = json.loads(bytes(message.payload))
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


# What is printed


class _Json:
    def recording(self, recording: Recording, limits: dict[str, int | None], tests: list[Test]) -> bool:
        sound = True
        offset = 0
        for part in recording.parts(limits):
            if isinstance(part, Gap):
                sound = False
                print_json(from_gap(part))
                offset = part.offset + part.length
                complaint(_gap_text(recording.name, part))
                continue
            if all(test(part) for test in tests):
                print_json({"offset": offset, **from_message(part)})
                _flush_to_reader()
            offset += length_of(part)
        return sound


class _Lines:
    def __init__(self, full: bool) -> None:
        self.full = full
        self.header_length = _FULL if full else _HEADER_LENGTH

    def recording(self, recording: Recording, limits: dict[str, int | None], tests: list[Test]) -> bool:
        self.width = _width()
        sound = True
        messages = nested = offset = payloads = 0
        line(click.style(f"{visible(recording.name)}:", bold=True))
        for part in recording.parts(limits):
            if isinstance(part, Gap):
                sound = False
                complaint(_gap_text(recording.name, part))
                for message in part.nested:
                    nested += self.message(message, " " * 11)
                offset = part.offset + part.length
                continue
            if all(test(part) for test in tests):
                messages += 1
                payloads += len(part.payload)
                nested += self.message(part, f"{offset:>9}  ") - 1
                _flush_to_reader()
            offset += length_of(part)
        inside = f" (and {nested} nested in {'it' if messages == 1 else 'them'})" if nested else ""
        size = f"{counted(payloads, 'byte')} of payload in {counted(offset, 'byte')}"
        line(f"{counted(messages, 'message')}{inside}, {size}")
        sys.stdout.flush()  # while a reader that is gone is still expected
        return sound

    def message(self, message: Message, margin: str, depth: int = 0) -> int:
        """Print a message and those nested in it; how many these are together."""
        headers = ", ".join(
            f"{self.header(name, ',|=')}={self.header(value, ',|')}" for name, value in message.headers.items()
        )
        payload = bytes(message.payload)
        inner = nested_in(payload) if depth < MAX_DEPTH else None
        color = {"event": None, None: None}.get(message.message_type, "red")
        head = f"{margin}{headers or '(no headers)'} | {counted(len(payload), 'byte')}"
        what = "a message:" if inner is not None else self.payload(payload, width_of(head) + 1)
        line((click.style(head, fg=color) if color else head) + (f" {what}" if what else ""))
        return 1 if inner is None else 1 + self.message(inner, " " * (len(margin) + 2), depth + 1)

    def header(self, value: HeaderValue, delimiters: str) -> str:
        """Return a name or value; in quotes if it might be taken for more than one."""
        if isinstance(value, bytes):
            shown_bytes = value if self.full else value[:8]
            return shown_bytes.hex() + "..." * (len(value) > len(shown_bytes))
        if not isinstance(value, str):
            return str(timestamp_text(value)) if isinstance(value, Timestamp) else repr(value)
        text = value[: self.header_length]
        ambiguous = text[:1] in ("'", '"') or any(delimiter in text for delimiter in delimiters)
        ambiguous = ambiguous or not text.isprintable()
        return (visible(repr(text)) if ambiguous else text) + "..." * (len(value) > len(text))

    def payload(self, payload: bytes, taken: int) -> str:
        """Return the payload as text; nothing of a payload that is not text, unless everything is to be shown."""
        if self.full:
            limit = _FULL
        elif self.width is None:
            limit = _PAYLOAD_LENGTH
        else:
            limit = max(self.width - taken % self.width - 1, _MIN_PAYLOAD_LENGTH)
        beginning = payload[: 4 * limit + 4]
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(beginning, final=len(beginning) == len(payload))
        except UnicodeDecodeError:
            text = ""
        if any(ord(char) < 32 and char not in "\t\r\n" for char in text[:limit]) or (payload and not text):
            return payload.hex() if self.full else ""
        return fitted(text, limit, more=len(beginning) < len(payload))


def _width() -> int | None:
    """How many characters a line of the terminal has; None where there is no terminal."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _header_text(value: HeaderValue) -> str:
    if isinstance(value, Timestamp):
        return str(timestamp_text(value))
    if isinstance(value, bytes):
        return value.hex()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gap_text(name: str, gap: Gap) -> str:
    nested = f"; {len(gap.nested)} nested in it" if gap.nested else ""
    lost = f"{visible(name)}: {counted(gap.length, 'byte')} lost at byte {gap.offset}"
    return f"{lost}: {type(gap.error).__name__}: {gap.error}{nested}"


def _flush_to_reader() -> None:
    """Show a message at once where someone watches; a pipe is filled first."""
    if sys.stdout.isatty():
        sys.stdout.flush()
