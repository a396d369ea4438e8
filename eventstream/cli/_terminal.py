"""What is written: lines that cannot control a terminal, files that are whole or absent, progress where it is seen; and
the exit statuses.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NoReturn

import click

from eventstream._text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer, Self


FAULTS = 1
"""The exit status if the data have faults, or hold nothing of what is asked for, or a service refuses."""

TROUBLE = 2
"""The exit status if that is not known, since something cannot be read, written or reached; also for wrong usage."""


def counted(number: int, noun: str) -> str:
    """Return a number of things: ``1 message``, ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def line(text: str) -> None:
    """Print a line whose every part is `visible`, in any encoding of standard output."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    Progress.make_way(for_output=True)
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def complaint(text: str) -> None:
    """Print a line on standard error."""
    Progress.make_way(for_output=False)
    sys.stdout.flush()
    if Progress.is_behind_text and _is_terminal(sys.stderr):
        Progress.is_behind_text = False
        click.echo(err=True)
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
    Progress.make_way(for_output=True)
    click.echo(text)


def width_of(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(char) in ("Mn", "Me") else 1 + (east_asian_width(char) in "WF") for char in text)


def fitted(text: str, columns: int, *, more: bool = False) -> str:
    """Return the beginning of a text that fits into these columns, followed by three dots if that is not all.

    Args:
        text: the text, or its beginning.
        columns: as many as the text and the dots may take, at least 3.
        more: whether the text continues.
    """
    text = visible(text)
    room = columns - 3 if more else columns
    if 2 * len(text) <= room or width_of(text) <= room:
        return text + "..." * more
    left, end = columns - 3, 0
    while (left := left - width_of(text[end])) >= 0:
        end += 1
    return text[:end] + "..."


def fitted_end(text: str, columns: int) -> str:
    """Return the end of a text that fits into these columns."""
    text = visible(text)
    for start in range(len(text) - 1, -1, -1):
        columns -= width_of(text[start])
        if columns < 0:
            return text[start + 1 :]
    return text


_NO_TERMINAL = "binary data is not written to a terminal: name a file with -o, or redirect the output"


@contextlib.contextmanager
def output(path: str, *inputs: str, text: bool = False) -> Iterator[Callable[[Buffer], Any]]:
    """Give what writes to the file, which appears as a whole in the end, or not at all; `-` is standard output.

    A device or a pipe is written to as it goes, and stays. A file that is replaced hands on its permissions.

    Args:
        path: the file's name, not a folder's.
        inputs: names of files that it must not take the place of.
        text: what is written is text; anything else does not go to a terminal.

    Raises:
        click.UsageError: it is one of the inputs, or would send bytes to a terminal.
    """
    if path == "-":
        if sys.stdout.isatty() and not text:
            raise click.UsageError(_NO_TERMINAL)
        binary: BinaryIO = sys.stdout.buffer
        sys.stdout.flush()
        yield _show if sys.stdout.isatty() else binary.write
        binary.flush()
        return
    if any(_is_same(name, path) for name in inputs):
        raise click.UsageError(f"{visible(path)} is the input itself")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as device:
            if not text and device.isatty():
                raise click.UsageError(_NO_TERMINAL)
            yield device.write
        return
    import tempfile  # here: it takes long to import, and not every subcommand writes a file

    target = os.path.realpath(path)
    if os.path.islink(target):  # links that lead to each other
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    mode = _mode_of(path)
    if mode is not None and not os.access(target, os.W_OK):  # replacing it would need only the folder's permission
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
    with _ending():
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=".eventstream-", dir=os.path.dirname(target))
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None  # and not the name that nobody knows
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
            if mode is None:
                mask = os.umask(0)
                os.umask(mask)
                mode = 0o666 & ~mask
            try:
                os.chmod(temporary, mode)
                os.replace(temporary, target)
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from None
        except BaseException:
            os.unlink(temporary)
            raise


def _mode_of(path: str) -> int | None:
    """Return the permissions of a file; None if there is none."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        return None


def _is_same(name: str, path: str) -> bool:
    """Whether the input of that name, which may be standard input, is the file."""
    try:
        source = os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name)
        return os.path.samestat(source, os.stat(path))
    except (OSError, ValueError, AttributeError):  # one of them is not there, or not a real file
        return False


_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Let a signal that would kill the process end it in order, so that nothing is left half done."""

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = {}
    try:
        with contextlib.suppress(ValueError):  # another thread than the main one has no signals
            for number in _ENDS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    before[number] = signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(data: Buffer) -> None:
    """Write what is text to the terminal at once."""
    Progress.make_way(for_output=True)
    text = bytes(data)
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
    if text:
        Progress.is_behind_text = not text.endswith(b"\n")


_PATIENCE = 1.0  # seconds before progress is shown, and after output before it is shown again
_PACE = 0.1  # seconds between two updates: one takes as long as reading a hundred messages


class Progress:
    """A bar on standard error for work that takes long: it waits for a while without output, and makes way for any.

    There is none where standard error is not a terminal, nor where standard output is a pipe, whose reader may be a
    pager on this terminal, nor while the input is typed there. Use it in a ``with`` statement.

    Args:
        name: the input; `-` is standard input.
        wanted: False: there is none.

    Attributes:
        active: the one that may be shown.
        is_behind_text: whether a line of text on the terminal is not finished yet, which a bar would erase.
    """

    active: ClassVar[Progress | None] = None
    is_behind_text: ClassVar[bool] = False

    def __init__(self, name: str = "", *, wanted: bool = True) -> None:
        is_typed = name == "-" and _is_terminal(sys.stdin)
        self._wanted = wanted and not is_typed and _is_terminal(sys.stderr) and not _is_pipe(sys.stdout)
        self._shares_output = sys.stdout.isatty()
        self._next = time.monotonic() + _PATIENCE
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        Progress.active = self
        Progress.is_behind_text = False
        return self

    def __exit__(self, *_: object) -> None:
        Progress.active = None
        self._hide()

    def update(self, name: str, done: int, total: int | None) -> None:
        """Show how many bytes are done, and of how many."""
        if not self._wanted or self.is_behind_text or (now := time.monotonic()) < self._next:
            return
        self._next = now + _PACE
        from rich.markup import escape

        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
            # Redirected, standard output would go to this console, too, even if it is a file.
            self._bar = Progress(
                *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._task = self._bar.add_task("")
            self._bar.start()
        self._bar.update(self._task, description=escape(visible(name)), completed=done, total=total)

    @classmethod
    def make_way(cls, *, for_output: bool) -> None:
        """Hide the bar before a line is printed where it is."""
        active = cls.active
        if active is not None and active._wanted and (active._shares_output or not for_output):
            active._next = time.monotonic() + _PATIENCE
            active._hide()

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())  # Python has None for one that is closed


def _is_pipe(stream: Any) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # it is not a real file
        return False
