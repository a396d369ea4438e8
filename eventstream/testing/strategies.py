"""Strategies for headers, messages, streams and their pieces.

What they draw shrinks to what is short to read: no headers rather than few, ``False`` rather than a UUID, one chunk
rather than several. By default every message is within the default limits of `decode`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from eventstream._codec import Headers, Message
from eventstream.testing._hypothesis import InvalidArgument, st, strategy_of, texts
from eventstream.values import Byte, HeaderInput, HeaderValue, Long, Short, Timestamp
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, MAX_NAME_LENGTH, MAX_VALUE_LENGTH

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["chunkings", "header_names", "header_values", "headers", "messages", "streams", "wires"]


_RESERVED_NAMES = (":message-type", ":event-type", ":exception-type", ":content-type", ":error-code", ":error-message")
"""The names to which `Message` gives a meaning."""

_COMMON_VALUES = ("event", "exception", "error", "application/json")


def _integers(bits: int) -> SearchStrategy[int]:
    return st.integers(-1 << bits - 1, (1 << bits - 1) - 1)


def header_names(*, max_size: int = MAX_NAME_LENGTH) -> SearchStrategy[str]:
    """Names that a header may have: any text, those that the protocol reserves, and one as long as there may be.

    Args:
        max_size: the length of a name in bytes of UTF-8, 1 to 255.
    """
    if not 1 <= max_size <= MAX_NAME_LENGTH:
        raise InvalidArgument(f"max_size={max_size}: a name has 1 to {MAX_NAME_LENGTH} bytes")
    return texts(1, max_size, *_RESERVED_NAMES, "n" * max_size)


def header_values(
    *, types: Collection[type[HeaderValue]] | None = None, max_size: int = 100
) -> SearchStrategy[HeaderValue]:
    """Values that a header may have, over the whole range of their types.

    Args:
        types: which there are to be, of ``bool``, `Byte`, `Short`, ``int``, `Long`, ``bytes``, ``str``, `Timestamp`
            and ``uuid.UUID``; None: all of them.
        max_size: the length of ``bytes``, and of ``str`` in UTF-8, in bytes: 0 to 32,767.
    """
    if not 0 <= max_size <= MAX_VALUE_LENGTH:
        raise InvalidArgument(f"max_size={max_size}: a value has at most {MAX_VALUE_LENGTH} bytes")
    every: dict[type[HeaderValue], SearchStrategy[HeaderValue]] = {
        bool: st.booleans(),
        str: texts(0, max_size, *_COMMON_VALUES),
        int: _integers(32),
        bytes: st.binary(max_size=max_size),
        Byte: _integers(8).map(Byte),
        Short: _integers(16).map(Short),
        Long: _integers(64).map(Long),
        Timestamp: _integers(64).map(Timestamp),
        uuid.UUID: st.uuids(),
    }
    if types is None:
        types = every
    if not types or not set(types) <= set(every):
        raise InvalidArgument(f"types={types!r}: expected some of {', '.join(type_.__name__ for type_ in every)}")
    return st.one_of([strategy for type_, strategy in every.items() if type_ in types])


_NAMES = header_names()
_VALUES = header_values()


def headers(
    *,
    names: SearchStrategy[str] = _NAMES,
    values: SearchStrategy[HeaderInput] = _VALUES,
    min_size: int = 0,
    max_size: int = 8,
) -> SearchStrategy[dict[str, HeaderInput]]:
    """Headers as a ``dict``, which `encode`, `Headers` and `Message` take: at most 128 KiB, the default limit.

    Args:
        names: by default `header_names`.
        values: by default `header_values`.
        min_size, max_size: how many.
    """
    drawn = st.dictionaries(names, values, min_size=min_size, max_size=max_size)
    return drawn.filter(lambda mapping: len(Headers(mapping).raw) <= DEFAULT_MAX_HEADERS_LENGTH)


_TYPES = texts(1, 40)
_CONTENT: dict[str, SearchStrategy[HeaderInput]] = {
    ":content-type": st.sampled_from(["application/json", "application/octet-stream", "text/plain"])
}
_HEADERS: SearchStrategy[Mapping[str, HeaderInput]] = st.one_of(
    headers(),
    # As services send them, for each of the three message types.
    st.fixed_dictionaries({":message-type": st.just("event"), ":event-type": _TYPES}, optional=_CONTENT),
    st.fixed_dictionaries({":message-type": st.just("exception"), ":exception-type": _TYPES}, optional=_CONTENT),
    st.fixed_dictionaries({":message-type": st.just("error"), ":error-code": _TYPES, ":error-message": _TYPES}),
)
_PAYLOADS = st.sampled_from([b"", b'{"Message":"text"}']) | st.binary()


def messages(
    *,
    headers: SearchStrategy[Mapping[str, HeaderInput]] = _HEADERS,
    payloads: SearchStrategy[bytes] = _PAYLOADS,
) -> SearchStrategy[Message]:
    """Messages.

    Args:
        headers: by default `headers`, or what an event, an exception or an error of a service has.
        payloads: by default bytes, or the JSON of an exception.
    """
    return st.builds(Message, headers, payloads)


_MESSAGES = messages()


def wires(messages: SearchStrategy[Message] = _MESSAGES) -> SearchStrategy[bytes]:
    """Single messages in wire form.

    Args:
        messages: by default `messages`.
    """
    return messages.map(Message.encode)


def streams(
    messages: SearchStrategy[Message] = _MESSAGES, *, min_size: int = 0, max_size: int = 4
) -> SearchStrategy[bytes]:
    """Messages in wire form, one after the other.

    Args:
        messages: by default `messages`.
        min_size, max_size: how many.
    """
    return st.lists(wires(messages), min_size=min_size, max_size=max_size).map(b"".join)


_WIRES = wires()
_STREAMS = streams()


def chunkings(
    stream: bytes | SearchStrategy[bytes] = _STREAMS, *, max_size: int | None = None, allow_empty: bool = True
) -> SearchStrategy[list[bytes]]:
    """Return a stream in pieces: cut anywhere, or into pieces of one size, 1 included. Joined they are the stream.

    Args:
        stream: what is cut, or a strategy for it; by default `streams`.
        max_size: how many pieces at most, 1 or more; None: any number.
        allow_empty: whether pieces may be empty. If not, an empty stream has none.
    """
    if max_size is not None and max_size < 1:
        raise InvalidArgument(f"max_size={max_size}: a stream has at least one piece")
    return _chunkings(strategy_of(stream), max_size, allow_empty)


@st.composite
def _chunkings(draw: DrawFn, streams: SearchStrategy[bytes], max_size: int | None, allow_empty: bool) -> list[bytes]:
    stream = draw(streams)
    length = len(stream)
    most = None if max_size is None else max_size - 1
    anywhere = st.lists(st.integers(0, length), max_size=most).map(sorted)
    least = 1 if max_size is None else max(-(-length // max_size), 1)
    sizes = st.integers(0, max(length - least, 0)).map(lambda less: length - less)  # so that few pieces are simpler
    evenly = sizes.map(lambda size: list(range(size, length, size)) if size else [])
    cuts = draw(anywhere | evenly)
    chunks = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, length], strict=True)]
    return chunks if allow_empty else [chunk for chunk in chunks if chunk]
