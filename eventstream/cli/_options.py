"""Options and loops that subcommands share."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eventstream._text import visible
from eventstream.cli import _inputs
from eventstream.cli._recording import UnreadableInput, UnusableInput
from eventstream.cli._terminal import FAULTS, TROUBLE, Progress, complaint, counted
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from eventstream.cli._recording import Recording

    F = TypeVar("F", bound=Callable[..., Any])


def _not_a_folder(_context: click.Context, _parameter: click.Parameter, path: str) -> str:
    """Refuse what cannot be a file's name before any input is read, which may take long."""
    if not path:
        raise click.BadParameter("the name is empty")
    if os.path.isdir(path) or os.path.basename(path) in ("", os.curdir, os.pardir):
        raise click.BadParameter(f"{path} is a folder")
    return path


files = click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
file = click.argument("file", type=click.Path(), metavar="FILE")
output = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    callback=_not_a_folder,
    metavar="OUT",
    help="The output file; - writes to standard output.",
)
output_or_stdout = click.option(
    "-o",
    "--output",
    "path",
    default="-",
    type=click.Path(),
    callback=_not_a_folder,
    metavar="OUT",
    help="The output file (default: standard output).",
)

_LISTED = 100
"""Streams of a file that are listed at most, where one must be chosen."""

NO_REGION = "no region: give --region, or set AWS_REGION or AWS_DEFAULT_REGION, or a profile"


def inputs(function: F) -> F:
    """Add the options that say how files are read."""
    form = click.option(
        "--from", "form", type=click.Choice(_inputs.FORMS), help="The form of the files, if it is not recognised."
    )
    unlimited = click.option("--no-limits", is_flag=True, help="Accept messages over 24 MiB, or headers over 128 KiB.")
    return form(unlimited(function))


def stream(function: F) -> F:
    """Add the option that chooses one of several streams."""
    number = click.option(
        "--stream", "number", type=click.IntRange(1), help="The number of the stream in the file, counted from 1."
    )
    return number(function)


def service(function: F) -> F:
    """Add the options that say where the service is, and who calls it."""
    region = click.option("--region", help="The region (default: from the environment or the profile).")
    profile = click.option("--profile", help="The profile in AWS's configuration.")
    endpoint = click.option(
        "--endpoint", metavar="URL", help="Another endpoint, for example that of `eventstream emulate`."
    )
    return region(profile(endpoint(function)))


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a text about a request with the names that the user knows in place of the fields' names."""
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)


def limits(no_limits: bool) -> dict[str, int | None]:
    if no_limits:
        return {"max_headers_length": None, "max_payload_length": None}
    return {"max_headers_length": DEFAULT_MAX_HEADERS_LENGTH, "max_payload_length": DEFAULT_MAX_PAYLOAD_LENGTH}


_HINTS = {"mic": ": install PortAudio, on Linux e.g. the package libportaudio2"}
"""By extra, how to install the library of the system that it needs."""


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Import modules of an extra in this block; if they are missing, say so and exit."""
    try:
        yield
    except ModuleNotFoundError as error:
        complaint(f"{error.name} is missing: this needs the extra [{extra}]: pip install 'eventstream-codec[{extra}]'")
        raise click.exceptions.Exit(TROUBLE) from None
    except OSError as error:  # a library of the system's
        complaint(f"{error}{_HINTS.get(extra, '')}")
        raise click.exceptions.Exit(TROUBLE) from None


def each(names: Iterable[str], form: str | None, work: Callable[[Recording], bool], *, follow: bool = False) -> int:
    """Do the work with each recording, report what cannot be read, and return the exit status."""
    given = list(names) or ["-"]
    with Progress("-" if "-" in given else "", wanted=not follow) as progress:

        def work_of(recording: Recording) -> int:
            recording.tell = progress.update
            return 0 if work(recording) else FAULTS

        return max([_each_in(argument, form, work_of, follow=follow) for argument in given])


def _each_in(argument: str, form: str | None, work: Callable[[Recording], int], *, follow: bool) -> int:
    """Do the work with each recording in a file or folder, which may hold notes, too. Return the highest status."""
    status = 0
    has_stream = has_notes = has_unread = False
    for name, is_found in _inputs.paths([argument]):
        try:
            for recording in _recordings_in(name, form, follow=follow):
                has_stream = True
                status = max(status, work(recording))
        except UnusableInput as error:
            complaint(str(error))
            has_unread |= isinstance(error, UnreadableInput)  # it may hold a stream
            is_note = is_found and error.is_text
            has_notes |= is_note
            status = max(status, 0 if is_note else error.status)
    if has_notes and not has_stream and not has_unread:
        complaint(f"{argument}: contains no event stream")
        status = max(status, FAULTS)
    return status


def _recordings_in(name: str | UnusableInput, form: str | None, *, follow: bool) -> Iterator[Recording]:
    if isinstance(name, UnusableInput):
        raise name
    with _inputs.opened(name, form, follow=follow) as recordings:
        yield from recordings


def one(name: str, form: str | None, number: int | None, work: Callable[[Recording], int]) -> int:
    """Do the work with the one recording that the file holds, or that was chosen. Return its status."""
    try:
        with Progress(name) as progress, _inputs.opened(name, form) as recordings:
            found = list(recordings)
            if number is None and len(found) > 1:
                listed = ", ".join(
                    f"{index} is {visible(recording.name)}" for index, recording in enumerate(found[:_LISTED], 1)
                )
                listed += ", ..." if len(found) > _LISTED else ""
                raise click.UsageError(f"the file holds {len(found)} streams: choose one with --stream ({listed})")
            if number is not None and number > len(found):
                raise click.UsageError(f"the file holds {counted(len(found), 'stream')}; there is no stream {number}")
            chosen = found[(number or 1) - 1]
            chosen.tell = progress.update
            return work(chosen)
    except UnusableInput as error:
        complaint(str(error))
        return error.status
