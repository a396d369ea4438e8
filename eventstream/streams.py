"""From chunks, files, HTTP responses and asynchronous streams to messages, and from messages to text.

A response of httpx, requests, urllib3, aiohttp or botocore is recognised by what it has, so none of them is imported.
What matters is which of its methods returns bytes as they arrive: many wait until they have as many as were asked for,
which delays events.
"""

from __future__ import annotations

import codecs

from eventstream._arguments import check_event_types
from eventstream._codec import Decoder
from eventstream.exceptions import DecodeError, IncompleteStream
from eventstream.wire import (
    DEFAULT_MAX_HEADERS_LENGTH,
    DEFAULT_MAX_PAYLOAD_LENGTH,
    LENGTHS,
    MIN_MESSAGE_LENGTH,
    PRELUDE_LENGTH,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Generator,
        Iterable,
        Iterator,
    )
    from typing import Any, Protocol, TypeAlias

    from typing_extensions import Buffer

    from eventstream._codec import Message

    class Readable(Protocol):
        """A binary file, or a response of urllib3, botocore or `http.client`."""

        def read(self, size: int, /) -> Buffer | None: ...

    class Response(Protocol):
        """A response of httpx; one of requests is an iterable."""

        def iter_bytes(self) -> Iterator[bytes]: ...

    class AsyncReadable(Protocol):
        """An ``asyncio.StreamReader``, or the like."""

        def read(self, size: int, /) -> Awaitable[Buffer | None]: ...

    class AsyncResponse(Protocol):
        """A response of httpx."""

        def aiter_bytes(self) -> AsyncIterator[bytes]: ...

    class AsyncContent(Protocol):
        """The ``content`` of a response of aiohttp."""

        def iter_any(self) -> AsyncIterable[bytes]: ...

    class AsyncResponseWithContent(Protocol):
        """A response of aiohttp."""

        @property
        def content(self) -> AsyncContent: ...

    Source: TypeAlias = bytes | bytearray | memoryview | Iterable[Buffer] | Readable | Response
    AsyncSource: TypeAlias = AsyncIterable[Buffer] | AsyncReadable | AsyncResponse | AsyncResponseWithContent
    AnyMessage: TypeAlias = Message[bytes] | Message[bytes | memoryview]


READ_SIZE = 65_536
"""How many bytes are asked of a file or stream at a time."""

NO_DATA = "the source is non-blocking and has no data yet: wait until it has some, and pass it on in chunks"


# Messages


def iter_messages(
    source: Source,
    *,
    last: Collection[str] | None = None,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> Generator[Message, None, None]:
    """Yield the messages of a stream, each as soon as its last byte has been read.

    Args:
        source: the whole stream as ``bytes``, ``bytearray`` or ``memoryview``; an iterable of chunks of any size; a
            binary file, or anything with ``read`` (``read1`` is preferred, which does not wait for more than is there;
            where that gives nothing, ``read`` says whether it is the end); or the streaming response of httpx,
            requests, urllib3, ``http.client`` or botocore. It is not closed.
        last: the types of event that a complete stream may end with, e.g. ``{"End"}`` for S3 Select. None: the stream
            may end after any message, unless bytes are known to be missing. See the how-to "Complete streams".
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.

    Raises:
        TruncatedMessage: the source ends in the middle of a message.
        DecodeError: the bytes are not a valid message; those before it have been yielded.
        IncompleteStream: the last message is not one of `last`, or the response is shorter than its ``Content-Length``.
        BlockingIOError: `read` returned None: a non-blocking source has no data yet, which is not its end.
        TypeError: the source is a path, text, asynchronous, or not a source at all.
    """
    decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    return _messages(decoder, source, _chunks(source), _last_events(last))


def _messages(
    decoder: Decoder, source: Source, chunks: Iterable[Buffer], last: frozenset[str] | None
) -> Generator[Message, None, None]:
    message: Message | None = None
    for chunk in chunks:
        _feed(decoder, chunk)
        for message in decoder:  # `yield from` would close the decoder with this generator
            yield message
    decoder.close()
    if missing := bytes_missing(source):
        raise IncompleteStream(decoder.offset, reason=f"the response ended {missing} bytes before its Content-Length")
    _check_end(decoder, message, last)


def aiter_messages(
    source: AsyncSource,
    *,
    last: Collection[str] | None = None,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> AsyncGenerator[Message, None]:
    """Yield the messages of an asynchronous stream, each as soon as its last byte has been read.

    Args:
        source: an asynchronous iterable of chunks of any size; anything with an asynchronous ``read`` (an
            ``asyncio.StreamReader``); or the streaming response of aiohttp, httpx or aiobotocore. It is not closed.
        last: the types of event that a complete stream may end with, as for `iter_messages`.
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.

    Raises:
        TruncatedMessage: the source ends in the middle of a message.
        DecodeError: the bytes are not a valid message; those before it have been yielded.
        IncompleteStream: the last message is not one of `last`.
        BlockingIOError: `read` returned None: a non-blocking source has no data yet, which is not its end.
        TypeError: the source is a path, text, not asynchronous, or not a source at all.
    """
    decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    return _amessages(decoder, _async_chunks(source), _last_events(last))


async def _amessages(
    decoder: Decoder, chunks: AsyncIterable[Buffer], last: frozenset[str] | None
) -> AsyncGenerator[Message, None]:
    message: Message | None = None
    async for chunk in chunks:
        _feed(decoder, chunk)
        for message in decoder:
            yield message
    decoder.close()
    _check_end(decoder, message, last)


def _last_events(last: Collection[str] | None) -> frozenset[str] | None:
    if last is None:
        return None
    check_event_types("last", last)
    events = frozenset(last)
    if not events:
        raise ValueError("last is empty: name an event type, or pass None to accept any end")
    return events


def _check_end(decoder: Decoder, message: Message | None, last: frozenset[str] | None) -> None:
    """Raise an error unless the stream may end with this message."""
    if last is not None:
        event_type = None if message is None else message.event_type
        if event_type not in last:
            raise IncompleteStream(decoder.offset, event_type, last)


def _feed(decoder: Decoder, chunk: Buffer) -> None:
    try:
        decoder.feed(chunk)
    except TypeError as error:
        raise TypeError(_not_bytes(chunk)) from error


def _not_bytes(chunk: object) -> str:
    if isinstance(chunk, str):
        return f"the source yields text, not bytes; {_BINARY}"
    if hasattr(chunk, "__await__"):
        if hasattr(chunk, "close"):
            chunk.close()  # a coroutine that nobody will wait for
        return _ASYNCHRONOUS
    return f"the source yields {type(chunk).__name__}, not bytes"


# Sources

_BINARY = "open a file in binary mode: open(path, 'rb'); pass an HTTP response itself, or its iter_bytes()"
_ASYNCHRONOUS = "the source is asynchronous: use aiter_messages"
_SYNCHRONOUS = "the source is not asynchronous: use iter_messages"


def _chunks(source: Any) -> Iterable[Buffer]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return (source,)
    _refuse_path(source)
    if hasattr(source, "iter_bytes"):  # httpx.Response
        if _is_async(source.stream):
            raise TypeError(_ASYNCHRONOUS)
        return source.iter_bytes()  # type: ignore[no-any-return]
    if hasattr(source, "iter_content"):  # requests.Response, whose own iterators wait until a chunk is full
        if source.raw.closed:  # all of it has been read
            return source.iter_content(READ_SIZE)  # type: ignore[no-any-return]
        return _file_chunks(source.raw, decode_content=True)
    if not hasattr(source, "read") and not hasattr(source, "read1"):
        if _is_async(source):
            raise TypeError(_ASYNCHRONOUS)
        if not hasattr(source, "__iter__"):
            raise TypeError(
                f"a source must be bytes, an iterable of them, a binary file or a response, not {_name(source)}"
            )
        return source  # type: ignore[no-any-return]
    # botocore.response.StreamingBody, whose own `read` waits for all the bytes it is asked for
    return _file_chunks(getattr(source, "_raw_stream", source))


def _file_chunks(file: Any, **options: bool) -> Iterable[Buffer]:
    """Return the chunks of anything with ``read`` or ``read1``; the options are for urllib3, also under requests."""
    if hasattr(file, "encoding"):
        raise TypeError(f"the source is a text file; {_BINARY}")
    read, read1 = getattr(file, "read", None), getattr(file, "read1", None)
    if _is_coroutine_function(read):
        raise TypeError(_ASYNCHRONOUS)
    if hasattr(file, "stream"):  # urllib3.HTTPResponse
        if file.closed:  # all of it has been read
            return (file.data or b"",)
        if read1 is None:  # before urllib3 2.2, where `stream` gives what has arrived only of a chunked body
            options = {"decode_content": file.decode_content, **options}
            return file.stream(READ_SIZE, **options) if file.chunked else _message_chunks(file, **options)
    else:
        options = {}
    if read is not None and read1 is not None:
        # Of a buffered file that does not block, `read1` is empty where there is no data now, too; `read` tells.
        return read_chunks(lambda size: read1(size, **options) or read(1, **options))
    return read_chunks(read1 if read is None else read)  # type: ignore[arg-type]


def _message_chunks(file: Any, **options: bool) -> Iterator[Buffer]:
    """Read from a file whose `read` waits until it is full, but never for more than the message that is coming.

    A prelude has been checked when the next bytes are asked for.
    """
    prelude = b""
    needed = PRELUDE_LENGTH
    while True:
        chunk = file.read(min(needed, READ_SIZE), **options)
        if not chunk:
            if file.closed:
                return
            continue  # compressed bytes came, and no others
        yield chunk
        needed -= len(chunk)
        if len(prelude) < PRELUDE_LENGTH:
            prelude += chunk
            if not needed:
                needed = LENGTHS.unpack_from(prelude)[0] - PRELUDE_LENGTH
        elif not needed:
            prelude, needed = b"", PRELUDE_LENGTH


def bytes_missing(source: Any) -> int:
    """Return how many bytes of its Content-Length a response still lacks; 0 where that is not known."""
    source = getattr(source, "raw", source)  # of requests.Response
    source = getattr(source, "_raw_stream", source)
    if hasattr(source, "chunk_left"):  # http.client.HTTPResponse and urllib3.HTTPResponse
        return getattr(source, "length_remaining", getattr(source, "length", None)) or 0
    return 0


def read_chunks(read: Callable[[int], Buffer | None], size: int = READ_SIZE) -> Iterator[Buffer]:
    """Yield what `read` gives for this size until it gives nothing; None is a ``BlockingIOError``."""
    while chunk := read(size):
        yield chunk
    if chunk is None:
        raise BlockingIOError(NO_DATA)


def _async_chunks(source: Any) -> AsyncIterable[Buffer]:
    _refuse_path(source)
    if hasattr(source, "aiter_bytes"):  # httpx.Response
        if not hasattr(source.stream, "__aiter__"):
            raise TypeError(_SYNCHRONOUS)
        return source.aiter_bytes()  # type: ignore[no-any-return]
    if hasattr(source, "iter_content"):  # requests.Response, whose `content` would read all of it
        raise TypeError(_SYNCHRONOUS)
    if hasattr(getattr(source, "content", None), "iter_any"):
        return _aiohttp_chunks(source)
    if hasattr(source, "read"):
        return aread_chunks(source.read)
    if not hasattr(source, "__aiter__"):
        known = hasattr(source, "__iter__") or hasattr(source, "__buffer__") or isinstance(source, (bytes, memoryview))
        raise TypeError(_SYNCHRONOUS if known else f"not an asynchronous source: {_name(source)}")
    return source  # type: ignore[no-any-return]


async def _aiohttp_chunks(response: Any) -> AsyncIterator[Buffer]:
    if response.content.at_eof():
        yield await response.read()  # it remembers what was read as a whole
        return
    async for chunk in response.content.iter_any():
        yield chunk


async def aread_chunks(read: Callable[[int], Awaitable[Buffer | None]], size: int = READ_SIZE) -> AsyncIterator[Buffer]:
    """Yield what an asynchronous `read` gives; otherwise the same as `read_chunks`."""
    while True:
        awaitable = read(size)
        if not hasattr(awaitable, "__await__"):
            raise TypeError(_SYNCHRONOUS)
        chunk = await awaitable
        if not chunk:
            break
        yield chunk
    if chunk is None:
        raise BlockingIOError(NO_DATA)


def _refuse_path(source: object) -> None:
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        raise TypeError(f"a source must be bytes or an open file, not {_name(source)}; {_BINARY}")


def _name(source: object) -> str:
    return "None" if source is None else type(source).__name__


def _is_async(source: object) -> bool:
    return hasattr(source, "__aiter__") and not hasattr(source, "__iter__")


def _is_coroutine_function(function: object) -> bool:
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80)  # inspect.CO_COROUTINE


# Text


def iter_payload_text(
    messages: Iterable[AnyMessage], encoding: str = "utf-8", *, event_types: Collection[str] | None = None
) -> Generator[str, None, None]:
    """Yield the text in the payloads of messages, joined: services cut it anywhere, even within a character.

    Args:
        messages: those of a stream from its first on, as from `iter_messages`.
        encoding: that of the text.
        event_types: the events whose payloads are text, such as ``{"Records"}`` of S3 Select; other messages are left
            out. None: all are.

    Raises:
        DecodeError: the text is not valid in that encoding, or ends in the middle of a character; its `offset` is that
            of the message in which the invalid sequence begins.
        ServiceError: a message is an ``exception`` or an ``error``.
        LookupError: the encoding is unknown, or not one of text.
        TypeError: the messages are something else, e.g. bytes.
    """
    return _texts(_PayloadText(encoding, event_types), messages)


def _texts(text: _PayloadText, messages: Iterable[AnyMessage]) -> Generator[str, None, None]:
    for message in messages:
        if part := text.of(message):
            yield part
    text.end()


def iter_payload_lines(
    messages: Iterable[AnyMessage], encoding: str = "utf-8", *, event_types: Collection[str] | None = None
) -> Generator[str, None, None]:
    """Yield the lines of the text in the payloads of messages, without their ends.

    A line ends with a line feed, or a carriage return and a line feed; the last one may lack it. No other character
    ends a line, since JSON may contain it.

    Args:
        messages: as for `iter_payload_text`.
        encoding: as for `iter_payload_text`.
        event_types: as for `iter_payload_text`.

    Raises:
        DecodeError, ServiceError, LookupError, TypeError: as for `iter_payload_text`.
    """
    return _lines(iter_payload_text(messages, encoding, event_types=event_types))


def _lines(texts: Iterable[str]) -> Generator[str, None, None]:
    lines = _Lines()
    for text in texts:
        yield from lines.of(text)
    yield from lines.end()


def aiter_payload_text(
    messages: AsyncIterable[AnyMessage], encoding: str = "utf-8", *, event_types: Collection[str] | None = None
) -> AsyncGenerator[str, None]:
    """Yield the text in the payloads of messages, joined; `iter_payload_text` for an asynchronous stream.

    Args:
        messages: those of a stream from its first on, as from `aiter_messages`.
        encoding: as for `iter_payload_text`.
        event_types: as for `iter_payload_text`.

    Raises:
        DecodeError, ServiceError, LookupError, TypeError: as for `iter_payload_text`.
    """
    return _atexts(_PayloadText(encoding, event_types), messages)


async def _atexts(text: _PayloadText, messages: AsyncIterable[AnyMessage]) -> AsyncGenerator[str, None]:
    async for message in messages:
        if part := text.of(message):
            yield part
    text.end()


def aiter_payload_lines(
    messages: AsyncIterable[AnyMessage], encoding: str = "utf-8", *, event_types: Collection[str] | None = None
) -> AsyncGenerator[str, None]:
    """Yield the lines of that text; `iter_payload_lines` for an asynchronous stream.

    Args:
        messages: those of a stream from its first on, as from `aiter_messages`.
        encoding: as for `iter_payload_text`.
        event_types: as for `iter_payload_text`.

    Raises:
        DecodeError, ServiceError, LookupError, TypeError: as for `iter_payload_text`.
    """
    return _alines(aiter_payload_text(messages, encoding, event_types=event_types))


async def _alines(texts: AsyncIterable[str]) -> AsyncGenerator[str, None]:
    lines = _Lines()
    async for text in texts:
        for line in lines.of(text):
            yield line
    for line in lines.end():
        yield line


class _PayloadText:
    """Decodes payloads one after the other, and knows at which offset each message lies."""

    def __init__(self, encoding: str, event_types: Collection[str] | None) -> None:
        check_event_types("event_types", event_types)
        "".encode(encoding)  # refuses what encodes no text, such as base64
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._event_types = None if event_types is None else frozenset(event_types)
        self._next = 0
        self._begun = 0  # the offset of the message in which the character begins that is not yet complete

    def of(self, message: AnyMessage) -> str:
        """Return the text that this message completes."""
        if not hasattr(message, "raise_for_error"):
            raise TypeError(f"messages must be messages, as from iter_messages, not {_name(message)}")
        message.raise_for_error()
        offset = self._next
        self._next += MIN_MESSAGE_LENGTH + len(message.headers.raw) + len(message.payload)
        if self._event_types is not None and message.event_type not in self._event_types:
            return ""
        return self._decode(message.payload, offset)

    def end(self) -> None:
        """Raise an error if the text ended in the middle of a character."""
        self._decode(b"", self._begun, final=True)

    def _decode(self, payload: bytes | memoryview, offset: int, *, final: bool = False) -> str:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(payload, final)
        except UnicodeError as error:  # without a position where UTF-16 or UTF-32 lacks its byte order mark
            where = self._begun if getattr(error, "start", 0) < pending else offset
            raise DecodeError(where, f"the payloads are not {self._encoding} text") from error
        if len(self._decoder.getstate()[0]) <= len(payload):
            self._begun = offset
        return text


class _Lines:
    """Cuts text into lines; each piece of text is looked at once, however long the line."""

    def __init__(self) -> None:
        self._begun: list[str] = []

    def of(self, text: str) -> Iterator[str]:
        """Yield the lines that this text completes."""
        *complete, rest = text.split("\n")
        for line in complete:
            self._begun.append(line)
            yield self._line()
        if rest:
            self._begun.append(rest)

    def end(self) -> Iterator[str]:
        """Yield the last line, if it lacks its end."""
        if self._begun:
            yield "".join(self._begun)

    def _line(self) -> str:
        line = "".join(self._begun)
        self._begun.clear()
        return line.removesuffix("\r")
