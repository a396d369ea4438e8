"""``eventstream salvage``: the messages that are left of a damaged recording, written to a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._json import from_gap
from eventstream.cli._recording import Stretch
from eventstream.cli._terminal import FAULTS, TROUBLE, complaint, counted, output, print_json

if TYPE_CHECKING:
    from eventstream.cli._recording import Recording


@click.command(
    "salvage",
    epilog="""\b
Examples:
  eventstream salvage damaged.bin -o sound.bin
  eventstream salvage --nested request.bin -o events.bin
  eventstream salvage --json damaged.bin -o sound.bin > gaps.jsonl""",
)
@_options.file
@_options.output
@_options.inputs
@_options.stream
@click.option("--nested", is_flag=True, help="Also write messages nested in damaged ones, in place of these.")
@click.option("--json", "as_json", is_flag=True, help="Report the gaps as JSON on standard output.")
def command(
    file: str, output: str, form: str | None, no_limits: bool, number: int | None, nested: bool, as_json: bool
) -> int:
    """Write the whole messages of a damaged event stream to OUT, and report the gaps.

    OUT is whole or absent, and never the input, which must not change meanwhile. The exit status is 1 if there were
    gaps. If these leave no message, OUT is not written; an empty stream is whole.
    """
    if as_json and output == "-":
        raise click.UsageError("--json and -o - both take standard output")
    limits = _options.limits(no_limits)
    return _options.one(
        file, form, number, lambda recording: _salvage(recording, file, output, limits, nested, as_json)
    )


class _Nothing(Exception):
    """No message is left, so that no file is written."""


def _salvage(
    recording: Recording, file: str, path: str, limits: dict[str, int | None], nested: bool, as_json: bool
) -> int:
    messages = gaps = lost = 0
    try:
        with output(path, file) as write:
            for part in recording.stretches(limits):
                if isinstance(part, Stretch):
                    for piece in part.pieces:
                        write(piece)
                    messages += part.messages
                    continue
                gaps += 1
                lost += part.length
                if as_json:
                    print_json(from_gap(part))
                else:
                    inside = f", {len(part.nested)} nested in it" if part.nested else ""
                    error = f"{type(part.error).__name__}: {part.error}"
                    complaint(f"gap of {counted(part.length, 'byte')} at byte {part.offset}{inside}: {error}")
                if nested:
                    for message in part.nested:
                        write(message.encode())
                        messages += 1
            if gaps and not messages:
                raise _Nothing
    except _Nothing:
        complaint(f"no message is left in {counted(lost, 'byte')}; nothing was written")
        return FAULTS
    except OSError as error:
        if path == "-":
            raise
        complaint(f"{visible(path)}: {error.strerror}")
        return TROUBLE
    complaint(f"{counted(messages, 'message')} written, {counted(lost, 'byte')} lost in {counted(gaps, 'gap')}")
    return FAULTS if gaps else 0
