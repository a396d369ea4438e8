"""What is written: lines that cannot control a terminal, files that are whole or absent, progress where it is seen."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from eventstream._text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def line(text: str) -> None:
    """Print a line whose every part is `visible`, in any encoding of standard output."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def complaint(text: str) -> None:
    """Print a line on standard error."""
    sys.stdout.flush()
    click.echo(visible(text), err=True)


def json_line(value: object) -> str:
    """Return the value as JSON on one line, all of it printable: other characters are escaped as JSON has it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def print_json(value: object) -> None:
    """Print the value as a line of JSON, in UTF-8; escaped where standard output has another encoding."""
    text = json_line(value)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    click.echo(text)


_NO_TERMINAL = "these bytes are not for a terminal: name a file with -o, or redirect the output"


@contextlib.contextmanager
def output(path: str, *inputs: str, text: bool = False) -> Iterator[Callable[[bytes], Any]]:
    """Give what writes to the file, which appears as a whole in the end, or not at all; `-` is standard output.

    A device or a pipe is written to as it goes, and stays.

    Args:
        path: the file's name.
        inputs: names of files that it must not take the place of.
        text: what is written is text; anything else does not go to a terminal.

    Raises:
        click.UsageError: it is one of the inputs, or would send bytes to a terminal.
    """
    if path == "-":
        if not text and sys.stdout.isatty():
            raise click.UsageError(_NO_TERMINAL)
        binary: BinaryIO = sys.stdout.buffer
        sys.stdout.flush()
        yield binary.write
        binary.flush()
        return
    if os.path.isdir(path):
        raise click.UsageError(f"{visible(path)} is a folder")
    for name in inputs:
        if name != "-" and os.path.exists(name) and os.path.exists(path) and os.path.samefile(name, path):
            raise click.UsageError(f"{visible(path)} is the input itself")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as device:
            if not text and device.isatty():
                raise click.UsageError(_NO_TERMINAL)
            yield device.write
        return
    import tempfile  # here: it takes long to import, and not every subcommand writes a file

    folder = os.path.dirname(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=".eventstream-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, os.path.realpath(path))
    except BaseException:
        os.unlink(temporary)
        raise


_PATIENCE = 1.0  # seconds before progress is shown


class Progress:
    """A bar on standard error for work that takes long; none where that is not a terminal, or shows the output, too."""

    def __init__(self, *, wanted: bool = True) -> None:
        self._begin = time.monotonic() + _PATIENCE
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def update(self, name: str, done: int, total: int | None) -> None:
        """Show that so many bytes of so many are done."""
        if not self._wanted or time.monotonic() < self._begin:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("")
            self._bar.start()
        from rich.markup import escape

        self._bar.update(self._task, description=escape(visible(name)), completed=done, total=total)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
