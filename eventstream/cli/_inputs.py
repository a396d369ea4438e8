"""Event streams in files of many forms: the files that were named, and the streams in each.

A form is recognised by its first bytes. Files are mapped; what is compressed or encoded is decoded in pieces. HAR
files, cassettes and flows, which hold several bodies, are read whole. Of these the bodies that are event streams are
taken: those whose content type says so, or that begin with a valid prelude. Compressed ones have a bound, so that few
bytes do not fill the memory.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import itertools
import mmap
import os
import re
import stat
import sys
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from eventstream._text import describe, visible
from eventstream.cli import _containers, _recording
from eventstream.cli._containers import CONTAINERS
from eventstream.cli._forms import URLSAFE, is_payload, recognised
from eventstream.cli._recording import Body, Recording, UnreadableInput, UnusableInput
from eventstream.cli._terminal import complaint
from eventstream.wire import PRELUDE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

_GZIP_PIECE = 1 << 14
_POLL_SECONDS = 0.2
_MAX_LAYERS = 4  # of compression and encoding
_MEBIBYTE = 1 << 20

# Which form it is


def _form_of(head: bytes, name: str) -> str:
    form = recognised(head)
    if form is None:
        if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
            raise UnusableInput(f"{visible(name)}: it is a WAV file: `eventstream transcribe` takes it")
        what = describe(head[:64])
        if what is None and len(head) < PRELUDE_LENGTH:
            return "raw"  # cut
        begin = f"it begins with {what}" if what else f"it begins with the bytes {head[:16].hex(' ')}"
        reason = f"{visible(name)}: not an event stream, nor a known form of one: {begin} (--from names its form)"
        raise UnusableInput(reason, is_text=what is not None)
    return form


# The forms


def _gunzipped(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield what a gzip file holds; its members one after the other, each in pieces."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    fresh = True
    # What follows a member is copied, so many small members need small pieces.
    for data in (piece[start : start + _GZIP_PIECE] for piece in pieces for start in range(0, len(piece), _GZIP_PIECE)):
        full = False
        if fresh:
            data = data.lstrip(b"\0")  # may follow the last member, as on tapes
        while data or full:
            try:
                inflated = inflater.decompress(data, _recording.PIECE)
            except zlib.error:
                raise UnusableInput(f"{visible(name)}: damaged gzip") from None
            fresh = False
            if inflated:
                yield inflated
            data, full = inflater.unconsumed_tail, len(inflated) == _recording.PIECE
            if inflater.eof:
                data, full = inflater.unused_data.lstrip(b"\0"), False
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
                fresh = True
    if not fresh:
        complaint(f"{name}: the gzip file is cut")


def _decoded(pieces: Iterable[bytes], name: str, form: str) -> Iterator[bytes]:
    """Yield what base64 or hex encode, in whole groups of digits."""
    size, decode = (4, _strict_base64) if form == "base64" else (2, binascii.unhexlify)
    rest = b""
    for piece in pieces:
        compact = rest + b"".join(piece.split())
        end = len(compact) - len(compact) % size
        rest = compact[end:]
        yield _decoded_group(compact[:end], decode, name, form)
    if form == "base64" and len(rest) > 1:
        rest += b"=" * (-len(rest) % size)
    elif rest:  # a digit that gives no byte
        _decoded_group(rest + b"0" * (size - 1), decode, name, form)
        complaint(f"{name}: the {form} is cut")
        rest = b""
    yield _decoded_group(rest, decode, name, form)


def _strict_base64(data: bytes) -> bytes:
    return base64.b64decode(data.translate(URLSAFE), validate=True)


def _decoded_group(data: bytes, decode: Callable[[bytes], bytes], name: str, form: str) -> bytes:
    try:
        return decode(data)
    except (binascii.Error, ValueError):
        hint = "; xxd -r makes the bytes of a dump that also has addresses" if form == "hex" else ""
        raise UnusableInput(f"{visible(name)}: damaged {form}{hint}") from None


_HTTP = b"HTTP/"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def _response_of_curl(body: Body, name: str) -> Recording:
    """Return the body behind the last head: there is one for each redirection, and for ``100 Continue``."""
    chunks = body.chunks()
    data = bytearray()
    begin = looked = 0  # of the last head; where its end is looked for
    while True:
        blank = _BLANK_LINE.search(data, looked)
        rest = begin if blank is None else blank.end()
        if blank is None or (len(data) - rest < len(_HTTP) and _HTTP.startswith(data[rest:])):
            looked = max(begin, len(data) - 3) if blank is None else blank.start()
            piece = next(chunks, None) if len(data) - begin < _MEBIBYTE else None
            if piece is not None:
                del data[:begin]
                data += piece
                begin, looked = 0, looked - begin
                continue
            if blank is None:
                raise UnusableInput(f"{visible(name)}: the HTTP headers do not end")
        if not data.startswith(_HTTP, rest):
            headers = _http_headers(data[begin : blank.start()])
            return Recording(name, Body(filter(None, itertools.chain([bytes(data[rest:])], chunks))), headers)
        begin = looked = rest


def _http_headers(head: bytes | bytearray) -> dict[str, str]:
    lines = head.decode("latin-1").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


FORMS = ("raw", "gzip", "base64", "hex", "curl", *CONTAINERS)


def _of_container(form: str, body: Body, name: str) -> Iterator[Recording]:
    total = found = 0
    lost = None
    try:
        for http in CONTAINERS[form](body.read()):
            content = http.content
            total += bool(content)
            is_named = "eventstream" in http.headers.get("content-type", "").lower()
            is_named = is_named or (
                "event-stream" in http.headers.get("content-type", "").lower() and is_payload(content)
            )
            if is_named and not content:
                lost = http.what
            elif content and (is_named or is_payload(content)):
                found += 1
                yield from _recordings(Body(whole=memoryview(content)), f"{name}#{http.what}", None, http.headers, 1)
    except RecursionError:
        raise UnusableInput(f"{visible(name)}: not a valid {form} file: it is nested too deeply") from None
    except ValueError as error:
        raise UnusableInput(f"{visible(name)}: not a valid {form} file: {visible(str(error))}") from None
    if not found and lost is not None:
        raise UnusableInput(f"{visible(name)}#{lost}: the body of this event stream is not recorded")
    if not found:
        raise UnusableInput(f"{visible(name)}: none of the {total} bodies in this {form} file is an event stream")


def _bounded(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the pieces of a file of several bodies that was compressed."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _containers.MAX_UNPACKED:
            raise UnreadableInput(
                f"{visible(name)}: over {_containers.MAX_UNPACKED >> 20} MiB when unpacked: unpack it first"
            )
        yield piece


def _recordings(body: Body, name: str, form: str | None, headers: Mapping[str, str], layer: int) -> Iterator[Recording]:
    """Yield the event streams in a body; what is compressed or encoded is recognised again."""
    if layer > _MAX_LAYERS:
        raise UnusableInput(f"{visible(name)}: more than {_MAX_LAYERS} layers of encoding")
    if form is None:
        form = _form_of(body.head(), name) if layer == 0 or not headers else recognised(body.head()) or "raw"
    if form == "gzip":
        yield from _recordings(Body(_gunzipped(body.chunks(), name)), name, None, headers, layer + 1)
    elif form in ("base64", "hex"):
        yield from _recordings(Body(filter(None, _decoded(body.chunks(), name, form))), name, None, headers, layer + 1)
    elif form == "curl":
        response = _response_of_curl(body, name)
        yield from _recordings(response.body, name, None, response.headers, layer + 1)
    elif form in CONTAINERS:
        yield from _of_container(form, body if layer == 0 else Body(_bounded(body.chunks(), name)), name)
    else:
        yield Recording(name, body, headers)


# Files


def paths(names: Iterable[str]) -> Iterator[tuple[str | UnusableInput, bool]]:
    """Yield the files that were named, those in folders and of globs, and what could not be read.

    With each, whether it was found in a folder, and not named.
    """
    for name in names:
        if name != "-" and not os.path.exists(name) and re.search(r"[*?[]", name):
            found = sorted(_matching(name))
            for one in found:  # which may be a link to nowhere that is called like the pattern
                yield from _files_of(one)
            if not found:
                yield UnreadableInput(f"{visible(name)}: no such file"), False
        else:
            yield from _files_of(name)


_SEPARATOR = f"[{re.escape(os.sep + (os.altsep or ''))}]"
_RECURSIVE = re.compile(rf"(|.*?{_SEPARATOR})\*\*(?:{_SEPARATOR}+(.*))?", re.DOTALL)


def _matching(pattern: str) -> set[str]:
    """Return what matches, as `glob.glob` does. But ``**`` follows no links to folders, which may go in circles."""
    from glob import escape, glob  # here: shells expand most patterns

    recursive = _RECURSIVE.fullmatch(pattern)
    if recursive is None:
        return set(glob(pattern))
    start, rest = recursive.groups()
    folders = glob(start) if start else [""]
    if not rest:  # all that is in these folders
        return {folder or os.curdir for folder in folders}
    found: set[str] = set()
    while folders:
        found.update(*(_matching(escape(folder) + rest) for folder in folders))
        below = [inner for folder in folders for inner in glob(escape(folder) + "*" + os.sep)]
        folders = [folder for folder in below if not os.path.islink(folder[:-1])]
    return found


def _files_of(name: str) -> Iterator[tuple[str | UnusableInput, bool]]:
    if name != "-" and os.path.isdir(name):
        yield from ((file, True) for file in _files_in(name))
    else:
        yield name, False


def _files_in(folder: str) -> Iterator[str | UnusableInput]:
    """Yield the regular files in a folder, and links to nowhere. Reading a pipe or a device might never end."""
    problems: list[OSError] = []
    is_empty = True
    for parent, folders, files in os.walk(folder, onerror=problems.append):
        folders.sort()
        found = (os.path.join(parent, file) for file in sorted(files))
        for file in found:
            if os.path.isfile(file) or not os.path.exists(file):
                is_empty = False
                yield file
    for problem in problems:
        yield UnreadableInput(f"{visible(str(problem.filename))}: {problem.strerror}")
    if is_empty and not problems:  # which would look as if all that should be there were sound
        yield UnreadableInput(f"{visible(folder)}: contains no file")


@contextlib.contextmanager
def opened(name: str, form: str | None, *, follow: bool = False) -> Generator[Iterator[Recording]]:
    """Give the event streams of a file.

    Raises:
        UnusableInput: it cannot be read, or is of no known form.
    """
    with contextlib.ExitStack() as stack:
        try:
            body = _open(name, stack, follow=follow)
        except OSError as error:
            raise UnreadableInput(f"{visible(name)}: {error.strerror}") from None
        if body.grows and form is None:
            form = _form_of(body.head(), name)
            if form not in ("raw", "empty"):
                raise UnreadableInput(f"{visible(name)}: --follow takes a raw stream, and this file's form is {form}")
        recordings = _recordings(body, name, form, {}, 0)
        try:
            yield recordings
        finally:
            recordings.close()  # type: ignore[attr-defined] # a generator


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises:
        UnreadableInput: it was closed before the command began.
    """
    if sys.stdin is None:
        raise UnreadableInput("standard input is closed")
    return sys.stdin.buffer


def _open(name: str, stack: contextlib.ExitStack, *, follow: bool) -> Body:
    if name == "-":
        file: Any = standard_input()
    else:
        if follow:
            _await_file(name)
        file = stack.enter_context(open(name, "rb", buffering=0))  # noqa: SIM115 (the stack closes it)
    try:
        status = os.fstat(file.fileno())
        regular = stat.S_ISREG(status.st_mode) and status.st_size > 0
    except (OSError, io.UnsupportedOperation):
        regular = False
    if follow and name != "-":
        return Body(_followed(file, name), grows=True)
    if regular and name != "-":
        with contextlib.suppress(OSError, ValueError):  # its file system maps none; it has become empty meanwhile
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return Body(whole=whole, part=partial(_part, file, name))
    read = getattr(file, "read1", file.read)
    return Body(iter(lambda: _read(read, name), b""))


def _await_file(name: str) -> None:
    """Wait until there is such a file, if its folder is there."""
    if os.path.exists(name) or not os.path.isdir(os.path.dirname(name) or os.curdir):
        return
    complaint(f"{name}: waiting for the file")
    while not os.path.exists(name):
        time.sleep(_POLL_SECONDS)


def _part(file: BinaryIO, name: str, start: int, end: int) -> bytes:
    """Read the bytes from one position to another.

    Raises:
        UnreadableInput: the file has become shorter.
    """
    file.seek(start)
    data = b""
    while len(data) < end - start:
        piece = _read(file.read, name, end - start - len(data))  # some file systems give less than is there
        if not piece:
            size = os.fstat(file.fileno()).st_size
            raise UnreadableInput(f"{visible(name)}: it shrank to {size} bytes while it was read")
        data += piece
    return data


def _read(read: Callable[[int], bytes | None], name: str, size: int = _recording.PIECE) -> bytes:
    try:
        data = read(size)
    except OSError as error:
        raise UnreadableInput(f"{visible(name)}: {error.strerror}") from None
    if data is None:
        raise UnreadableInput(f"{visible(name)}: it is non-blocking and has no data yet")
    return data


def _followed(file: Any, name: str) -> Iterator[bytes]:
    """Yield what is there, and then what is written to the file, for ever; an empty piece where there is nothing new.

    Raises:
        UnreadableInput: the file has become shorter.
    """
    position = 0
    while True:
        data = _read(file.read, name)
        position += len(data)
        yield data
        if not data:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size < position:
                raise UnreadableInput(f"{visible(name)}: it shrank to {status.st_size} bytes after more had been read")
            time.sleep(_POLL_SECONDS)
