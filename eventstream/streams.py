"""From chunks, files and asynchronous streams to messages."""

from __future__ import annotations

from eventstream._codec import Decoder
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from typing import Protocol

    from typing_extensions import Buffer

    from eventstream._codec import Message

    class Readable(Protocol):
        """A binary file."""

        def read(self, size: int, /) -> Buffer | None: ...

    class AsyncReadable(Protocol):
        """An ``asyncio.StreamReader``, or the like."""

        def read(self, size: int, /) -> Awaitable[Buffer | None]: ...


READ_SIZE = 65_536
"""How many bytes are asked of a file or stream at a time."""

_NO_DATA = "the source does not block, and has no data now: read it when it has, piece by piece"


def iter_messages(
    source: bytes | bytearray | memoryview | Iterable[Buffer] | Readable,
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> Iterator[Message]:
    """The messages of a stream, each as soon as its last byte has been read.

    Args:
        source: the whole stream as ``bytes``, ``bytearray`` or ``memoryview``; an iterable of chunks of any size; or
            anything with ``read`` (``read1`` is preferred, which does not wait for more than is there; where that gives
            nothing, ``read`` says whether it is the end). It is not closed.
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.

    Raises:
        TruncatedMessage: the source ends in the middle of a message.
        DecodeError: the bytes are no valid message; those before it have been yielded.
        BlockingIOError: `read` gave None, as that of a source which does not block: that is not its end.
    """
    decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    for chunk in _chunks(source):
        for message in decoder.feed(chunk):  # `yield from` would close the decoder with this generator # noqa: UP028
            yield message
    decoder.close()


async def aiter_messages(
    source: AsyncIterable[Buffer] | AsyncReadable,
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> AsyncIterator[Message]:
    """The messages of an asynchronous stream, each as soon as its last byte has been read.

    Args:
        source: an asynchronous iterable of chunks of any size, or anything with an asynchronous ``read`` (an
            ``asyncio.StreamReader``). It is not closed.
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.

    Raises:
        TruncatedMessage: the source ends in the middle of a message.
        DecodeError: the bytes are no valid message; those before it have been yielded.
        BlockingIOError: `read` gave None, as that of a source which does not block: that is not its end.
    """
    decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    async for chunk in _async_chunks(source):
        for message in decoder.feed(chunk):
            yield message
    decoder.close()


def _chunks(source: bytes | bytearray | memoryview | Iterable[Buffer] | Readable) -> Iterable[Buffer]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return (source,)
    read, read1 = getattr(source, "read", None), getattr(source, "read1", None)
    if read is not None and read1 is not None:
        # Of a buffered file that does not block, `read1` is empty where there is no data now, too; `read` tells.
        return _read_chunks(lambda size: read1(size) or read(1))
    only = read or read1
    return source if only is None else _read_chunks(only)  # type: ignore[return-value]


def _read_chunks(read: Callable[[int], Buffer | None], size: int = READ_SIZE) -> Iterator[Buffer]:
    while chunk := read(size):
        yield chunk
    if chunk is None:
        raise BlockingIOError(_NO_DATA)


async def _aread_chunks(
    read: Callable[[int], Awaitable[Buffer | None]], size: int = READ_SIZE
) -> AsyncIterator[Buffer]:
    while chunk := await read(size):
        yield chunk
    if chunk is None:
        raise BlockingIOError(_NO_DATA)


def _async_chunks(source: AsyncIterable[Buffer] | AsyncReadable) -> AsyncIterable[Buffer]:
    read = getattr(source, "read", None)
    return source if read is None else _aread_chunks(read)  # type: ignore[return-value]
