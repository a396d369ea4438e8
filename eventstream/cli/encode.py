"""``eventstream encode``: from the JSON of ``show --json`` back to the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._inputs import standard_input
from eventstream.cli._json import loads, to_message
from eventstream.cli._recording import UnusableInput
from eventstream.cli._terminal import FAULTS, TROUBLE, Progress, complaint, output

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command(
    "encode",
    epilog="""\b
Examples:
  eventstream show --json answer.bin > answer.jsonl
  eventstream encode answer.jsonl -o again.bin
  echo '{"headers": {":event-type": {"type": "string", "value": "End"}}, "text": ""}' |
      eventstream encode - -o end.bin""",
)
@_options.file
@_options.output
def command(file: str, output: str) -> int:
    """Turn lines of JSON, as `show --json` prints them, into an event stream: OUT is whole or absent."""
    try:
        if file == "-":
            return _encode(standard_input(), file, output)
        with open(file, "rb") as lines:
            return _encode(lines, file, output)
    except UnusableInput as error:
        complaint(str(error))
        return error.status
    except OSError as error:
        if output == "-" and error.filename is None:
            raise
        complaint(f"{visible(str(error.filename or output))}: {error.strerror}")
        return TROUBLE


def _encode(lines: Iterable[bytes], name: str, path: str) -> int:
    number = done = 0
    try:
        with Progress(name) as progress, output(path, name) as write:
            for text in lines:
                number += 1  # and not `enumerate`, as errors need it
                done += len(text)
                progress.update(name, done, None)
                if text.strip():
                    write(to_message(loads(text, "; each line is one message, as jq -c writes it")).encode())
    except ValueError as error:
        complaint(f"{visible(name)}, line {number}: {visible(str(error))}")
        return FAULTS
    return 0
