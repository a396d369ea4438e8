"""One event stream as the command reads it: its bytes, mapped or in pieces, and what is in them."""

from __future__ import annotations

import itertools
import mmap
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eventstream import DecodeError, Gap
from eventstream._codec import decoder_at
from eventstream._salvage import length_of, salvage_at
from eventstream._text import visible
from eventstream.cli._forms import recognised
from eventstream.cli._terminal import FAULTS, TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from typing_extensions import Buffer

    from eventstream import Decoder, Message

PIECE = 1 << 18
"""Bytes that are read at a time."""

_HEAD = 1 << 16  # bytes that are looked at to recognise the form
_MAX_HELD = 16 << 20  # bytes that follow the first fault of a file and are held in memory
_MAX_STORED = 4 << 30  # bytes that follow the first fault of a stream that is not mapped
_MAX_AWAITED = 64 << 20  # bytes at the end of a file that grows, which may begin a message that is still being written
_LOOKS = 64  # pieces after each of which the form is looked for; after that only when the bytes have doubled


class UnusableInput(Exception):
    """What the user named cannot be read, or has no known form; the text says why.

    Attributes:
        is_text: it is a text, as folders have them beside recordings.
        status: the exit status.
    """

    status = FAULTS

    def __init__(self, reason: str, *, is_text: bool = False) -> None:
        super().__init__(reason)
        self.is_text = is_text


class UnreadableInput(UnusableInput):
    """What the user named could not be read, so nothing is known about it."""

    status = TROUBLE


@dataclass
class Body:
    """Bytes that are mapped or in memory, or that come in pieces.

    Attributes:
        pieces: the bytes, where they are not in `whole`.
        whole: all of them.
        grows: the pieces never end; one is empty where there is nothing new yet.
        part: reads the bytes from one position to another of a file that is mapped. The mapping itself kills a process
            that touches it behind the end, where the file was cut meanwhile. So it is used only for what is too much
            for the memory and has to be searched.
    """

    pieces: Iterable[bytes] = ()
    whole: memoryview | None = None
    grows: bool = False
    part: Callable[[int, int], bytes] | None = None

    def head(self) -> bytes:
        """Return the first bytes, without using them up."""
        if self.whole is not None:
            return self._part(0, _HEAD)
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
        for start in range(0, len(self.whole), PIECE):
            yield self._part(start, start + PIECE)

    def _part(self, start: int, end: int) -> bytes:
        assert self.whole is not None
        end = min(end, len(self.whole))
        return bytes(self.whole[start:end]) if self.part is None else self.part(start, end)

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
        """Yield what is left of a damaged file that grows. A gap at its end may be a message that is still being
        written.
        """
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
            if self.body.part is not None and len(rest) <= _MAX_HELD:
                rest = memoryview(self.body.part(decoder.offset, len(self.body.whole)))
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
                    raise UnreadableInput(
                        f"{visible(self.name)}: over {_MAX_STORED >> 30} GiB follow its first fault: "
                        "unpack it or store it in a file first"
                    )
            file.flush()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _stretches(view: memoryview, parts: Iterable[Message | Gap]) -> Iterator[Stretch | Gap]:
    """Yield the parts of the view, but the bytes of messages that follow one another in place of the messages."""
    begin = end = messages = 0
    for part in parts:
        if messages and (isinstance(part, Gap) or end - begin >= PIECE):
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
