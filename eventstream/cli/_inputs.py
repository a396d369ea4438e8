"""Event streams in files of many forms: which form it is, and the streams in it.

A form is recognised by its first bytes. Files are mapped; what is compressed or encoded is decoded in pieces. HAR
files, cassettes and flows, which hold several bodies, are read whole. Of these the bodies that are event streams are
taken: those whose content type says so, or that begin with a valid prelude. Compressed ones have a bound, so that few
bytes do not fill the memory; of YAML only what cassettes need is understood, as the rest can take any time.
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
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from eventstream import DecodeError, Gap
from eventstream._codec import decoder_at, find_prelude
from eventstream._salvage import length_of, salvage_at
from eventstream._text import describe, visible
from eventstream.cli._json import loads
from eventstream.cli._terminal import complaint
from eventstream.wire import PRELUDE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from typing_extensions import Buffer

    from eventstream import Decoder, Message

_PIECE = 1 << 18
_GZIP_PIECE = 1 << 14
_HEAD = 1 << 16  # as many bytes are looked at to tell what it is
_POLL_SECONDS = 0.2
_MAX_LAYERS = 4  # of compression and encoding
_MAX_UNPACKED = 64 << 20  # bytes of a file of several bodies that was compressed, as it is read whole
_MAX_STORED = 4 << 30  # bytes that follow the first fault of a stream that is not mapped
_MAX_AWAITED = 64 << 20  # bytes at the end of a file that grows, which may be a message of which more comes
_LOOKS = 64  # pieces after each of which it is tried to tell what it is; then only when they have doubled
_MEBIBYTE = 1 << 20


class UnusableInput(Exception):
    """What the user named cannot be read, or has no known form; the text says why.

    Attributes:
        is_text: it is a text, as folders have them beside recordings.
    """

    def __init__(self, reason: str, *, is_text: bool = False) -> None:
        super().__init__(reason)
        self.is_text = is_text


@dataclass
class Body:
    """Bytes that are mapped or in memory, or that come in pieces.

    Attributes:
        pieces: the bytes, where they are not in `whole`.
        whole: all of them.
        grows: the pieces never end; one is empty where there is nothing new yet.
    """

    pieces: Iterable[bytes] = ()
    whole: memoryview | None = None
    grows: bool = False

    def head(self) -> bytes:
        """Return the first bytes, without using them up."""
        if self.whole is not None:
            return bytes(self.whole[:_HEAD])
        pieces = iter(self.pieces)
        first: list[bytes] = []
        head = b""
        looked = 0
        while len(head) < _HEAD:
            if len(first) < _LOOKS or len(head) >= 2 * looked:
                looked = len(head)
                if recognised(head) not in (None, "empty"):
                    break
            piece = next(pieces, b"")
            if not piece:
                break
            first.append(piece)
            head += piece
        self.pieces = itertools.chain(first, pieces)
        return head

    def chunks(self) -> Iterator[bytes]:
        if self.whole is None:
            yield from self.pieces
            return
        for start in range(0, len(self.whole), _PIECE):
            yield bytes(self.whole[start : start + _PIECE])

    def read(self) -> bytes:
        return b"".join(self.chunks())


@dataclass
class Stretch:
    """Bytes of whole messages that follow one another.

    Attributes:
        messages: how many of them have been found since the stretch before.
        pieces: the bytes, as they were read; the beginning of a message may be in the stretch before.
    """

    messages: int
    pieces: list[memoryview]


class _Kept:
    """The bytes of a stream that have been read, and not yet delivered."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes] = deque()
        self._begin = 0  # in the first piece

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def cut(self, size: int) -> list[memoryview]:
        """Take out all but the last `size` bytes, and return them."""
        taken = []
        while self.size > size:
            piece = self._pieces[0]
            end = min(len(piece), self._begin + self.size - size)
            taken.append(memoryview(piece)[self._begin : end])
            self.size -= end - self._begin
            self._begin = end
            if end == len(piece):
                self._pieces.popleft()
                self._begin = 0
        return taken


def _tell_nobody(name: str, done: int, total: int | None) -> None:
    pass


@dataclass
class Recording:
    """One event stream.

    Attributes:
        name: the file, and which body of it.
        body: its bytes.
        headers: those of the HTTP message that it came in, by names in lower case; empty where that is not known.
        done: how many bytes of it have been read; all of them when there are no further parts.
        tell: is called with the name, how many bytes have been read or judged, and the size, from time to time.
        size: its length in bytes, if that is known.
    """

    name: str
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)
    done: int = 0
    tell: Callable[[str, int, int | None], object] = _tell_nobody

    @property
    def size(self) -> int | None:
        return None if self.body.whole is None else len(self.body.whole)

    def parts(self, limits: dict[str, int | None]) -> Iterator[Message | Gap]:
        """Yield messages and gaps, as `salvage` does; each message as soon as its last byte has been read.

        What follows the first fault of a stream that is not mapped is stored in a file. Of a file that grows, a gap is
        yielded when a message follows it.
        """
        decoder, kept, pieces = decoder_at(0, **limits), _Kept(), self.body.chunks()
        try:
            for _ in self._fed(decoder, kept, pieces):
                for message in decoder:  # `yield from` would close the decoder # noqa: UP028
                    yield message
            decoder.close()
        except DecodeError:
            if self.body.grows:
                kept.cut(decoder.buffered)
                yield from self._grown(b"".join(kept.cut(0)), pieces, decoder.offset, limits)
            else:
                yield from self._salvaged(self._rest(decoder, kept, pieces), decoder.offset, limits)

    def stretches(self, limits: dict[str, int | None]) -> Iterator[Stretch | Gap]:
        """Yield the same, but bytes in place of messages."""
        decoder, kept, pieces = decoder_at(0, **limits), _Kept(), self.body.chunks()
        messages = 0
        try:
            for piece in self._fed(decoder, kept, pieces):
                for _ in decoder:
                    messages += 1
                # The last piece is kept whole: writing parts of pages takes longer.
                yield Stretch(messages, kept.cut(max(len(piece), decoder.buffered)))
                messages = 0
            decoder.close()
        except DecodeError:
            yield Stretch(messages, kept.cut(decoder.buffered))
            rest = self._rest(decoder, kept, pieces)
            yield from _stretches(rest, self._salvaged(rest, decoder.offset, limits))
        else:
            yield Stretch(0, kept.cut(0))

    def _fed(self, decoder: Decoder, kept: _Kept, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Feed the decoder piece by piece, and yield each; then the decoder is emptied."""
        for piece in filter(None, pieces):
            self.done += len(piece)
            kept.add(piece)
            decoder.feed(piece)
            yield piece
            kept.cut(max(len(piece), decoder.buffered))
            self.tell(self.name, self.done, self.size)

    def _salvaged(self, rest: memoryview, offset: int, limits: dict[str, int | None]) -> Iterator[Message | Gap]:
        for part in salvage_at(offset, rest, **limits):
            offset += length_of(part)
            self.tell(self.name, offset, self.size)
            yield part

    def _grown(
        self, data: bytes, pieces: Iterable[bytes], offset: int, limits: dict[str, int | None]
    ) -> Iterator[Message | Gap]:
        """Yield what is left of a damaged file that grows. A gap at its end may be a message of which more comes."""
        judged = 0  # as many bytes have been judged
        gathered = [data]
        size = len(data)
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size == judged or (piece and size < _MAX_AWAITED):
                continue
            data = b"".join(gathered)
            begin = 0
            for part in salvage_at(offset, data, **limits):
                length = length_of(part)
                if isinstance(part, Gap) and begin + length == size and length < _MAX_AWAITED:
                    break
                yield part
                begin += length
            gathered = [data[begin:]]
            offset += begin
            size = judged = size - begin

    def _rest(self, decoder: Decoder, kept: _Kept, pieces: Iterable[bytes]) -> memoryview:
        """Return what the decoder has not delivered, and what is still to be read."""
        if self.body.whole is not None:
            rest = self.body.whole[decoder.offset :]
        else:
            kept.cut(decoder.buffered)
            rest = self._stored(itertools.chain(kept.cut(0), pieces))
        self.done = decoder.offset + len(rest)
        return rest

    def _stored(self, pieces: Iterable[Buffer]) -> memoryview:
        """Return the pieces as one buffer, which is in a file."""
        from tempfile import TemporaryFile  # here: it takes long to import

        with TemporaryFile() as file:
            stored = 0
            for piece in pieces:
                stored += file.write(piece)
                if stored > _MAX_STORED:
                    raise UnusableInput(
                        f"{visible(self.name)}: over {_MAX_STORED >> 30} GiB follow its first fault: "
                        "unpack it or store it in a file first"
                    )
            file.flush()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _stretches(view: memoryview, parts: Iterable[Message | Gap]) -> Iterator[Stretch | Gap]:
    """Yield the parts of the view, but the bytes of messages that follow one another in place of the messages."""
    begin = end = messages = 0
    for part in parts:
        if messages and (isinstance(part, Gap) or end - begin >= _PIECE):
            yield Stretch(messages, [view[begin:end]])
            begin, messages = end, 0
        if isinstance(part, Gap):
            yield part
            begin = end = end + part.length
        else:
            messages += 1
            end += length_of(part)
    if messages:
        yield Stretch(messages, [view[begin:end]])


# Which form it is


def _begins_with_message(head: bytes) -> bool:
    return find_prelude(head, 0, 1) == 0


def _is_payload(head: bytes) -> bool:
    """Whether decoded bytes are what is looked for."""
    return _begins_with_message(head) or head.startswith(b"\x1f\x8b")


def recognised(head: bytes) -> str | None:
    """Return the form of a file that begins so; None if it is none of these, or if the bytes are too few."""
    if not head:
        return "empty"
    if _begins_with_message(head):
        return "raw"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"HTTP/\d", text):
        return "curl"
    if text.startswith(b"{"):
        if re.match(rb'\{\s*"log"', text) or (b'"entries"' in text and b'"log"' in text):
            return "har"
        return "vcr" if re.search(rb'"(http_)?interactions"', text) else None
    if re.match(rb"(---\s+)?(version: \d+\s+)?(http_)?interactions:", text):
        return "vcr"
    if re.match(rb"\d{1,12}:\d{1,12}:", text):
        return "mitmproxy"
    compact = b"".join(text[:400].split())
    if re.fullmatch(rb"[0-9a-fA-F]{24,}", compact) and _is_payload(binascii.unhexlify(compact[:24])):
        return "hex"
    if re.fullmatch(rb"[A-Za-z0-9+/=_-]{16,}", compact) and _is_payload(_from_base64(compact[:16])):
        return "base64"
    if find_prelude(head, 0, len(head)) >= 0:
        return "raw"  # damaged
    return None


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
                inflated = inflater.decompress(data, _PIECE)
            except zlib.error:
                raise UnusableInput(f"{visible(name)}: damaged gzip") from None
            fresh = False
            if inflated:
                yield inflated
            data, full = inflater.unconsumed_tail, len(inflated) == _PIECE
            if inflater.eof:
                data, full = inflater.unused_data.lstrip(b"\0"), False
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
                fresh = True
    if not fresh:
        complaint(f"{name}: the gzip file is cut")


_URLSAFE = bytes.maketrans(b"-_", b"+/")


def _from_base64(compact: bytes) -> bytes:
    try:
        return base64.b64decode(compact.translate(_URLSAFE), validate=True)
    except (binascii.Error, ValueError):
        return b""


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
    return base64.b64decode(data.translate(_URLSAFE), validate=True)


def _decoded_group(data: bytes, decode: Callable[[bytes], bytes], name: str, form: str) -> bytes:
    try:
        return decode(data)
    except (binascii.Error, ValueError):
        raise UnusableInput(f"{visible(name)}: damaged {form}") from None


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


@dataclass
class _Http:
    """One body of a file that holds several."""

    what: str
    headers: dict[str, str]
    content: bytes


def _of_har(body: Body) -> Iterator[_Http]:
    for number, entry in enumerate(_list(_dict(loads(body.read())).get("log"), "entries"), 1):
        for what in ("request", "response"):
            message = _dict(entry.get(what))
            content = _dict(message.get("postData" if what == "request" else "content"))
            text = content.get("text")
            if isinstance(text, str):
                raw = (
                    _from_base64(text.encode("ascii", "replace"))
                    if content.get("encoding") == "base64"
                    else _bytes(text)
                )
                yield _Http(f"{number} {what}", _pairs(message.get("headers")), raw)


def _of_cassette(body: Body) -> Iterator[_Http]:
    data = body.read()
    cassette = _dict(_json_or_yaml(data))
    left = max(_MAX_UNPACKED, len(data))
    for number, interaction in enumerate(_list(cassette, "interactions", "http_interactions"), 1):
        for what in ("request", "response"):
            message = _dict(interaction.get(what))
            content = message.get("body")
            if isinstance(content, dict):
                encoded = content.get("base64_string")
                text = content.get("string")
                content = _from_base64(_bytes(encoded)) if isinstance(encoded, (str, bytes)) else text
            if isinstance(content, (str, bytes)):
                left -= len(content)
                if left < 0:
                    raise ValueError(f"its aliases expand to over {_MAX_UNPACKED >> 20} MiB")
                yield _Http(f"{number} {what}", _pairs(message.get("headers")), _bytes(content))


def _json_or_yaml(data: bytes) -> object:
    if data.lstrip()[:1] == b"{":
        return loads(data)
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise UnusableInput("a cassette in YAML needs PyYAML: pip install 'eventstream-codec[cli]'") from error

    base = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    composer = yaml.composer.Composer  # libyaml's has no bound of recursion in some versions, and crashes

    # Not `SafeLoader`: mappings that are merged may double with each line, and numbers of base 60 take quadratic time.
    class Loader(*([base] if issubclass(base, composer) else [composer, base])):  # type: ignore[misc]
        """Knows texts, bytes and null, in lists and mappings."""

        def __init__(self, stream: bytes) -> None:
            base.__init__(self, stream)
            composer.__init__(self)

    Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
    Loader.add_constructor("tag:yaml.org,2002:null", lambda loader, node: None)
    Loader.add_constructor(
        "tag:yaml.org,2002:binary", lambda loader, node: _from_base64(_packed(loader.construct_scalar(node)))
    )
    try:
        return yaml.load(data, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError("not YAML" + (f" in line {mark.line + 1}" if mark else "")) from None


def _packed(text: str) -> bytes:
    return b"".join(_bytes(text).split())


def _of_flows(body: Body) -> Iterator[_Http]:
    from eventstream.cli._mitmproxy import flows

    for number, flow in enumerate(flows(body.read()), 1):
        for what in ("request", "response"):
            message = _dict(flow.get(what))
            content = message.get("content")
            if isinstance(content, bytes):
                yield _Http(f"{number} {what}", _pairs(message.get("headers")), content)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object, *names: str) -> list[dict[str, Any]]:
    """Return the list of objects under one of these names."""
    found = next((found for name in names if isinstance(found := _dict(value).get(name), list)), None)
    if found is None:
        raise ValueError(f"it has no list of {' or '.join(names)}")
    return [item for item in found if isinstance(item, dict)]


def _bytes(text: object) -> bytes:
    """Return what was stored as text: in Latin-1 if possible, where each character is a byte."""
    if isinstance(text, bytes):
        return text
    try:
        return str(text).encode("latin-1")
    except UnicodeEncodeError:
        return str(text).encode("utf-8", "surrogatepass")


def _pairs(headers: object) -> dict[str, str]:
    """Headers by name, in the form of any of the three."""
    found: dict[str, str] = {}
    if isinstance(headers, dict):
        items: Iterable[Any] = headers.items()
    elif isinstance(headers, list):
        items = ((item.get("name"), item.get("value")) if isinstance(item, dict) else item for item in headers)
    else:
        items = ()
    for item in items:
        if isinstance(item, (list, tuple)) and len(item) >= 2:
            name, value = item[0], item[1]
            if isinstance(value, list):
                value = value[0] if value else ""
            found[_text(name).lower()] = _text(value)
    return found


def _text(value: object) -> str:
    """Return a name or value as text. A list is empty, since aliases in YAML could make its text huge."""
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


_CONTAINERS: dict[str, Callable[[Body], Iterator[_Http]]] = {
    "har": _of_har,
    "vcr": _of_cassette,
    "mitmproxy": _of_flows,
}

FORMS = ("raw", "gzip", "base64", "hex", "curl", *_CONTAINERS)


def _of_container(form: str, body: Body, name: str) -> Iterator[Recording]:
    total = found = 0
    try:
        for http in _CONTAINERS[form](body):
            total += 1
            content = http.content
            is_named = "eventstream" in http.headers.get("content-type", "").lower()
            is_named = is_named or (
                "event-stream" in http.headers.get("content-type", "").lower() and _is_payload(content)
            )
            if content and (is_named or _is_payload(content)):
                found += 1
                yield from _recordings(Body(whole=memoryview(content)), f"{name}#{http.what}", None, http.headers, 1)
    except RecursionError:
        raise UnusableInput(f"{visible(name)}: not a valid {form} file: it is nested too deeply") from None
    except ValueError as error:
        raise UnusableInput(f"{visible(name)}: not a valid {form} file: {visible(str(error))}") from None
    if not found:
        raise UnusableInput(f"{visible(name)}: none of the {total} bodies in this {form} file is an event stream")


def _bounded(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the pieces of a file of several bodies that was compressed."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _MAX_UNPACKED:
            raise UnusableInput(f"{visible(name)}: over {_MAX_UNPACKED >> 20} MiB when unpacked: unpack it first")
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
    elif form in _CONTAINERS:
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
            from glob import glob  # here, too

            found = sorted(glob(name, recursive=True))
            for one in found:  # which may be a link to nowhere that is called like the pattern
                yield from _files_of(one)
            if not found:
                yield UnusableInput(f"{visible(name)}: no such file"), False
        else:
            yield from _files_of(name)


def _files_of(name: str) -> Iterator[tuple[str | UnusableInput, bool]]:
    if name != "-" and os.path.isdir(name):
        yield from ((file, True) for file in _files_in(name))
    else:
        yield name, False


def _files_in(folder: str) -> Iterator[str | UnusableInput]:
    """Yield the regular files in a folder, and links to nowhere. Reading a pipe or a device might never end."""
    problems: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=problems.append):
        folders.sort()
        found = (os.path.join(parent, file) for file in sorted(files))
        yield from (file for file in found if os.path.isfile(file) or not os.path.exists(file))
    for problem in problems:
        yield UnusableInput(f"{visible(str(problem.filename))}: {problem.strerror}")


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
            raise UnusableInput(f"{visible(name)}: {error.strerror}") from None
        if body.grows and form is None:
            form = _form_of(body.head(), name)
            if form not in ("raw", "empty"):
                raise UnusableInput(f"{visible(name)}: --follow takes a raw stream, and this file's form is {form}")
        recordings = _recordings(body, name, form, {}, 0)
        try:
            yield recordings
        finally:
            recordings.close()  # type: ignore[attr-defined] # a generator


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises:
        UnusableInput: it was closed before the command began.
    """
    if sys.stdin is None:
        raise UnusableInput("standard input is closed")
    return sys.stdin.buffer


def _open(name: str, stack: contextlib.ExitStack, *, follow: bool) -> Body:
    if name == "-":
        file: Any = standard_input()
    else:
        file = stack.enter_context(open(name, "rb", buffering=0))  # noqa: SIM115 (the stack closes it)
    try:
        status = os.fstat(file.fileno())
        regular = stat.S_ISREG(status.st_mode) and status.st_size > 0
    except (OSError, io.UnsupportedOperation):
        regular = False
    if follow and name != "-":
        return Body(_followed(file, name), grows=True)
    if regular and name != "-":
        return Body(whole=memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    read = getattr(file, "read1", file.read)
    return Body(iter(lambda: _read(read, name), b""))


def _read(read: Callable[[int], bytes | None], name: str) -> bytes:
    try:
        data = read(_PIECE)
    except OSError as error:
        raise UnusableInput(f"{visible(name)}: {error.strerror}") from None
    if data is None:
        raise UnusableInput(f"{visible(name)}: it is non-blocking and has no data yet")
    return data


def _followed(file: Any, name: str) -> Iterator[bytes]:
    """Yield what is there, and then what is written to the file, for ever; an empty piece where there is nothing new.

    Raises:
        UnusableInput: the file has become shorter.
    """
    position = 0
    while True:
        data = _read(file.read, name)
        position += len(data)
        yield data
        if not data:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size < position:
                raise UnusableInput(f"{visible(name)}: it shrank to {status.st_size} bytes after more had been read")
            time.sleep(_POLL_SECONDS)
