"""The codec in plain Python: executable specification, oracle of the differential tests, and fallback.

It is written to be read, and uses only `struct` and `zlib`. `_native.pyx` is its twin: the same public names, results
and errors. A change to one lands in the other in the same commit.

The strategy, which both share:

* `Headers` are their wire form, checked, and parsed into a dict when somebody looks inside. Streams repeat their header
  blocks, so a decoder keeps the last few and gives equal blocks the same `Headers`.
* A `Decoder` works in the caller's ``bytes`` while they hold whole messages, and buffers only the beginning of an
  unfinished one.
* What is mutable is copied before it is checked. A message is checked in one order: at byte 12 the prelude's CRC, its
  lengths, the headers limit and the payload limit; with the whole message its CRC; then the headers one by one.
* Everything that can raise MemoryError runs before any state changes, so a failed call can be repeated; the change is a
  plain assignment.
"""

from __future__ import annotations

import datetime
import struct
import uuid
import zlib
from _thread import LockType, allocate_lock
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from operator import index
from types import GenericAlias
from typing import TYPE_CHECKING, Any, overload

from eventstream._arguments import checked
from eventstream._text import MAX_SHOWN, header_label
from eventstream.exceptions import (
    CodecError,
    DecodeError,
    DecodeLimitExceeded,
    DuplicateHeader,
    EncodeLimitExceeded,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHeaderText,
    InvalidHeaderValue,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    ServiceError,
    StateError,
    TrailingData,
    TruncatedHeader,
    TruncatedMessage,
    UnknownHeaderType,
    copy_of,
)
from eventstream.values import Byte, HeaderInput, HeaderValue, Long, Short, Timestamp, uuid_bytes
from eventstream.wire import (
    CACHED_BLOCKS,
    CRC,
    CRC_LENGTH,
    DEFAULT_MAX_HEADERS_LENGTH,
    DEFAULT_MAX_PAYLOAD_LENGTH,
    LENGTHS,
    MAX_CACHED_BLOCK_LENGTH,
    MAX_MESSAGE_LENGTH,
    MAX_NAME_LENGTH,
    MAX_VALUE_LENGTH,
    MIN_MESSAGE_LENGTH,
    PRELUDE,
    PRELUDE_LENGTH,
    HeaderType,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsIndex, TypeAlias, TypeVar

    from typing_extensions import Buffer, Self, TypeIs, final

    T = TypeVar("T")
    V = TypeVar("V", bound=HeaderValue)
    HeadersInput: TypeAlias = "Headers | Mapping[str, HeaderInput]"
else:

    def final(cls: type) -> type:
        """Refuse subclasses at run time too, as the native classes do."""

        def refuse(subclass: type, **kwargs: object) -> None:
            raise TypeError(f"type '{cls.__name__}' is not an acceptable base type")

        cls.__init_subclass__ = classmethod(refuse)
        return cls


_U16 = struct.Struct(">H")
_INTEGERS: dict[HeaderType, tuple[struct.Struct, type[int]]] = {
    HeaderType.BYTE: (struct.Struct(">b"), Byte),
    HeaderType.SHORT: (struct.Struct(">h"), Short),
    HeaderType.INTEGER: (struct.Struct(">i"), int),
    HeaderType.LONG: (struct.Struct(">q"), Long),
    HeaderType.TIMESTAMP: (struct.Struct(">q"), Timestamp),
}
_INTEGER_CLASSES = [(type_, class_) for type_, (_, class_) in reversed(_INTEGERS.items()) if class_ is not int]

_NO_CHUNK = memoryview(b"")


# Bytes from the caller


def _view_of(data: Buffer) -> memoryview:
    """Return a view of the caller's buffer, of any item format; no buffer is acquired elsewhere."""
    try:
        view = memoryview(data)
    except ValueError as error:  # as a released memoryview says it
        raise BufferError(str(error)) from None
    if not view.c_contiguous:
        raise BufferError("the buffer is not C-contiguous")
    return view


def _bytes_of(data: Buffer) -> bytes:
    if type(data) is bytes:
        return data
    with _view_of(data) as view:
        return bytes(view)


def _limit_of(name: str, limit: SupportsIndex | None) -> int:
    """Return a limit as a number of bytes; None means the format's own bound."""
    if limit is None:
        return MAX_MESSAGE_LENGTH
    value = index(limit)
    if value < 0:
        raise ValueError(f"{name} is negative")
    return min(value, MAX_MESSAGE_LENGTH)


# Headers


def _is_a(value: object, class_: type[T]) -> TypeIs[T]:
    """Return whether it is one, and does not only say so, as a mock does."""
    return issubclass(type(value), class_)


def _encode_name(name: str) -> bytes:
    if not _is_a(name, str):
        raise TypeError(f"a header name must be a str, not {type(name).__name__}")
    try:
        raw = str.encode(name)
    except UnicodeEncodeError:
        raise InvalidHeaderName(name, "lone surrogates cannot be encoded as UTF-8") from None
    if not 1 <= len(raw) <= MAX_NAME_LENGTH:
        raise InvalidHeaderName(name, f"{len(raw)} bytes; 1 to {MAX_NAME_LENGTH} are allowed")
    return raw


def _encode_sized(name: str, type_: HeaderType, raw: bytes | memoryview) -> bytes:
    length = memoryview(raw).nbytes
    if length > MAX_VALUE_LENGTH:
        raise InvalidHeaderValue(name, f"a value of {length} bytes; at most {MAX_VALUE_LENGTH} are allowed")
    return b"".join((bytes([type_]), _U16.pack(length), raw))


def _encode_integer(name: str, type_: HeaderType, value: int) -> bytes:
    packer, _ = _INTEGERS[type_]
    try:
        return bytes([type_]) + packer.pack(int.__index__(value))
    except struct.error:
        hint = ": use Long" if type_ is HeaderType.INTEGER else ""
        raise InvalidHeaderValue(name, f"an integer of more than {8 * packer.size} bits{hint}") from None


def _encode_value(name: str, value: HeaderInput) -> bytes:
    """Return the type byte and the value."""
    if value is True:
        return bytes([HeaderType.TRUE])
    if value is False:
        return bytes([HeaderType.FALSE])
    if _is_a(value, str):
        try:
            return _encode_sized(name, HeaderType.STRING, str.encode(value))
        except UnicodeEncodeError:
            raise InvalidHeaderValue(name, "lone surrogates cannot be encoded as UTF-8") from None
    if _is_a(value, int):
        for type_, class_ in _INTEGER_CLASSES:
            if _is_a(value, class_):
                return _encode_integer(name, type_, value)
        return _encode_integer(name, HeaderType.INTEGER, value)
    if _is_a(value, datetime.datetime):
        try:
            timestamp = Timestamp.from_datetime(value)
        except InvalidHeaderValue as error:
            raise InvalidHeaderValue(name, str(error)) from None
        return _encode_value(name, timestamp)
    if _is_a(value, uuid.UUID):
        return bytes([HeaderType.UUID]) + uuid_bytes(value)
    try:
        view = _view_of(value)
    except TypeError:
        raise TypeError(f"{header_label(name)}: a {type(value).__name__} is not a header value") from None
    with view:
        return _encode_sized(name, HeaderType.BYTE_ARRAY, view)


def _encode_headers(mapping: Mapping[str, HeaderInput]) -> bytes:
    if not isinstance(mapping, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(mapping).__name__}")
    if type(mapping) is dict:
        mapping = mapping.copy()  # values may run code of the caller's, which may change it
    raw = bytearray()
    names = set()
    for name, value in mapping.items():
        raw_name = _encode_name(name)
        if raw_name in names:  # a mapping with keys that differ only in type
            raise InvalidHeaderName(name, "given twice")
        names.add(raw_name)
        raw.append(len(raw_name))
        raw += raw_name
        raw += _encode_value(name, value)
    return bytes(raw)


class _Cursor:
    """Reads the fields of a header block in order, and nothing past its end."""

    header: int
    """The offset in the stream of the header being read."""
    name: str | None
    """Its name, once that is known."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.position = 0

    def take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self.block):
            raise TruncatedHeader(self.header, self.name)
        taken = self.block[self.position : end]
        self.position = end
        return taken

    def text(self, length: int) -> str:
        raw = self.take(length)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise InvalidHeaderText(self.header, self.name) from None


def _decode_headers(block: bytes, offset: int) -> dict[str, HeaderValue]:
    """Return the headers of a block whose first byte is at `offset` of the stream."""
    headers: dict[str, HeaderValue] = {}
    cursor = _Cursor(block)
    while cursor.position < len(block):
        cursor.header = offset + cursor.position
        cursor.name = None
        length = cursor.take(1)[0]
        if length == 0:
            raise InvalidHeader(cursor.header, None, "its name is empty")
        name = cursor.text(length)
        cursor.name = name
        type_ = cursor.take(1)[0]
        if type_ > HeaderType.UUID:
            raise UnknownHeaderType(cursor.header, name, type_)
        if name in headers:
            raise DuplicateHeader(cursor.header, name)
        headers[name] = _decode_value(cursor, HeaderType(type_))
    return headers


def _decode_value(cursor: _Cursor, type_: HeaderType) -> HeaderValue:
    if type_ is HeaderType.TRUE:
        return True
    if type_ is HeaderType.FALSE:
        return False
    if type_ is HeaderType.BYTE_ARRAY:
        return cursor.take(_U16.unpack(cursor.take(2))[0])
    if type_ is HeaderType.STRING:
        return cursor.text(_U16.unpack(cursor.take(2))[0])
    if type_ is HeaderType.UUID:
        return uuid.UUID(bytes=cursor.take(16))
    packer, class_ = _INTEGERS[type_]
    (integer,) = packer.unpack(cursor.take(packer.size))
    return class_(integer)


@final
class Headers(Mapping[str, HeaderValue]):
    """The headers of a message: an immutable, hashable mapping from name to value, in the order of the wire.

    Made from a mapping, its values are checked and encoded once; made by a decoder, it keeps the bytes it came in. It
    is equal to any equal mapping.

    Args:
        mapping: from names (1 to 255 bytes of UTF-8) to values: ``bool``, ``int`` (32 bits), `Byte`, `Short`, `Long`,
            ``bytes`` or any other contiguous buffer and ``str`` (at most 32,767 bytes each), `Timestamp` or an aware
            ``datetime``, ``uuid.UUID``.

    Raises:
        InvalidHeaderName: a name is empty, too long, or not UTF-8.
        InvalidHeaderValue: a value is out of its type's bounds, or is a naive ``datetime``.
        TypeError: it is not a mapping, a name is not a ``str``, or a value has another type.
        BufferError: a buffer is not C-contiguous.
    """

    __slots__ = ("_parsed", "_raw")

    _raw: bytes
    _parsed: dict[str, HeaderValue] | None

    @checked
    def __new__(cls, mapping: HeadersInput = {}, /) -> Self:  # noqa: B006 (never changed)
        self = object.__new__(cls)
        self._raw = mapping.raw if isinstance(mapping, Headers) else _encode_headers(mapping)
        self._parsed = None
        return self

    @classmethod
    def _from_wire(cls, raw: bytes, parsed: dict[str, HeaderValue]) -> Self:
        self = object.__new__(cls)
        self._raw = raw
        self._parsed = parsed
        return self

    @property
    def raw(self) -> bytes:
        """The headers in wire form."""
        return self._raw

    def _mapping(self) -> dict[str, HeaderValue]:
        if self._parsed is None:
            self._parsed = _decode_headers(self._raw, 0)
        return self._parsed

    def __getitem__(self, name: str, /) -> HeaderValue:
        return self._mapping()[name]

    def __contains__(self, name: object, /) -> bool:
        return name in self._mapping()

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    @overload
    def get(self, name: str, default: None = None, /) -> HeaderValue | None: ...
    @overload
    def get(self, name: str, default: HeaderValue | T, /) -> HeaderValue | T: ...
    def get(self, name: str, default: Any = None, /) -> Any:
        """Return the value of the header, or `default` if there is none."""
        return self._mapping().get(name, default)

    def get_as(self, name: str, class_: type[V], /) -> V | None:
        """Return the value of the header if it has that type.

        Args:
            name: of the header.
            class_: a type of header values. An ``int`` may be any of its subclasses here, but not a ``bool``.

        Returns:
            None if there is no such header, or its value has another type.
        """
        value = self._mapping().get(name)
        if class_ is int and isinstance(value, bool):
            return None
        return value if isinstance(value, class_) else None

    def keys(self) -> KeysView[str]:
        """Return the names, in the order of the wire."""
        return self._mapping().keys()

    def values(self) -> ValuesView[HeaderValue]:
        """Return the values, in the order of the wire."""
        return self._mapping().values()

    def items(self) -> ItemsView[str, HeaderValue]:
        """Names and values, in the order of the wire."""
        return self._mapping().items()

    def __eq__(self, other: object, /) -> bool:
        if isinstance(other, Headers):
            return self._raw == other._raw or self._mapping() == other._mapping()
        if isinstance(other, Mapping):
            return self._mapping() == dict(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._mapping().items()))

    def __repr__(self) -> str:
        return f"Headers({self._mapping()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        from eventstream._codec import restore_headers

        return restore_headers, (Message(self).encode(),)


# Messages


@final
class Message:
    """One message: headers and payload; immutable, hashable, picklable.

    Two messages are equal when their headers are equal as mappings and their payloads as bytes; to compare wire forms,
    compare `encode()`.

    Args:
        headers: `Headers`, or a mapping to make them from.
        payload: any C-contiguous buffer; anything but ``bytes`` is copied.

    Attributes:
        headers: the `Headers`.
        payload: ``bytes``; a ``memoryview`` if a decoder with ``copy=False`` made the message. To type checkers it is
            ``bytes`` in a `Message`, and ``bytes | memoryview`` in one of such a decoder.
    """

    __slots__ = ("_headers", "_payload")
    __match_args__ = ("headers", "payload")

    _headers: Headers
    _payload: bytes | memoryview

    @checked
    def __new__(cls, headers: HeadersInput = {}, payload: Buffer = b"") -> Self:  # noqa: B006 (never changed)
        return cls._of(headers if isinstance(headers, Headers) else Headers(headers), _bytes_of(payload))

    @classmethod
    def _of(cls, headers: Headers, payload: bytes | memoryview) -> Self:
        self = object.__new__(cls)
        self._headers = headers
        self._payload = payload
        return self

    @classmethod
    def __class_getitem__(cls, payload: Any, /) -> GenericAlias:
        return GenericAlias(cls, payload)

    @property
    def headers(self) -> Headers:
        """The `Headers`."""
        return self._headers

    @property
    def payload(self) -> bytes | memoryview:
        """The payload: ``bytes``, or a ``memoryview`` if a decoder with ``copy=False`` made the message."""
        return self._payload

    def encode(self) -> bytes:
        """Return the message in wire form. Only the format's own limits apply: what was decoded always encodes."""
        return encode(self._headers, self._payload, max_headers_length=None, max_payload_length=None)

    def _text(self, name: str) -> str | None:
        value = self._headers.get(name)
        return value if isinstance(value, str) else None

    @property
    def message_type(self) -> str | None:
        """The ``:message-type`` header: ``event``, ``exception`` or ``error``."""
        return self._text(":message-type")

    @property
    def event_type(self) -> str | None:
        """The ``:event-type`` header."""
        return self._text(":event-type")

    @property
    def exception_type(self) -> str | None:
        """The ``:exception-type`` header; in an ``exception`` message without one, its ``:event-type``."""
        exception_type = self._text(":exception-type")
        if exception_type is None and self.message_type == "exception":
            return self.event_type
        return exception_type

    @property
    def content_type(self) -> str | None:
        """The ``:content-type`` header."""
        return self._text(":content-type")

    @property
    def error_code(self) -> str | None:
        """The ``:error-code`` header."""
        return self._text(":error-code")

    @property
    def error_message(self) -> str | None:
        """The ``:error-message`` header."""
        return self._text(":error-message")

    def raise_for_error(self) -> None:
        """Raise an error if the message reports one; do nothing for an event.

        Raises:
            ServiceError: the message is an ``exception`` or an ``error``.
        """
        if self.message_type in ("exception", "error"):
            raise ServiceError.from_message(self)

    def __eq__(self, other: object, /) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self._headers == other._headers and self._payload == other._payload

    def __hash__(self) -> int:
        return hash((self._headers, _bytes_of(self._payload)))

    def __repr__(self) -> str:
        payload = _bytes_of(self._payload)
        shown = repr(payload) if len(payload) <= 64 else f"{payload[:61]!r}... ({len(payload)} bytes)"
        return f"Message({self._headers._mapping()!r}, {shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        from eventstream._codec import restore_message

        return restore_message, (self.encode(),)


# Encoding


def _check_encoded(headers: int, payload: int, max_headers: int, max_payload: int) -> None:
    """Check both lengths against their limits and the format's own bound."""
    max_headers = min(max_headers, MAX_MESSAGE_LENGTH - MIN_MESSAGE_LENGTH)
    if headers > max_headers:
        raise EncodeLimitExceeded("headers", headers, max_headers)
    max_payload = min(max_payload, MAX_MESSAGE_LENGTH - MIN_MESSAGE_LENGTH - headers)
    if payload > max_payload:
        raise EncodeLimitExceeded("payload", payload, max_payload)


def _frame(raw: bytes, payload: memoryview) -> bytes:
    lengths = LENGTHS.pack(MIN_MESSAGE_LENGTH + len(raw) + payload.nbytes, len(raw))
    message = b"".join((lengths, CRC.pack(zlib.crc32(lengths)), raw, payload))
    return message + CRC.pack(zlib.crc32(message))


def encode(
    headers: HeadersInput,
    payload: Buffer = b"",
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> bytes:
    """Return one message in wire form.

    Args:
        headers: `Headers`, or a mapping to make them from. `Headers` are checked and encoded once, however often
            they are sent.
        payload: any C-contiguous buffer.
        max_headers_length: the limit of the encoded headers in bytes; None for the format's own bound.
        max_payload_length: the limit of the payload in bytes; None for the format's own bound.

    Raises:
        InvalidHeaderName, InvalidHeaderValue: see `Headers`.
        EncodeLimitExceeded: the headers or the payload are longer than the limit.
        TypeError: an argument is of the wrong type.
        BufferError: a buffer is not C-contiguous.
    """
    max_headers = _limit_of("max_headers_length", max_headers_length)
    max_payload = _limit_of("max_payload_length", max_payload_length)
    with _view_of(payload) as view:
        raw = Headers(headers).raw
        _check_encoded(len(raw), view.nbytes, max_headers, max_payload)
        return _frame(raw, view)


def encode_into(
    buffer: Buffer,
    headers: HeadersInput,
    payload: Buffer = b"",
    offset: int = 0,
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> int:
    """Write one message into a buffer.

    Args:
        buffer: any writable, C-contiguous buffer.
        headers: as for `encode`.
        payload: as for `encode`; it may not overlap the part of the buffer that is written.
        offset: where in the buffer the message begins, in bytes.
        max_headers_length: as for `encode`.
        max_payload_length: as for `encode`.

    Returns:
        The number of bytes written.

    Raises:
        ValueError: the message does not fit, or overlaps the payload, or the offset is negative; nothing is written.
        EncodeError, TypeError, BufferError: as for `encode`; a read-only buffer is a ``BufferError``.
    """
    max_headers = _limit_of("max_headers_length", max_headers_length)
    max_payload = _limit_of("max_payload_length", max_payload_length)
    raw = Headers(headers).raw
    start = index(offset)
    with _view_of(buffer) as target:
        if target.readonly:
            raise BufferError("the buffer is read-only")
        with _view_of(payload) as source:
            _check_encoded(len(raw), source.nbytes, max_headers, max_payload)
            total_length = MIN_MESSAGE_LENGTH + len(raw) + source.nbytes
            if start < 0:
                raise ValueError("offset is negative")
            room = max(target.nbytes - start, 0)
            if total_length > room:
                raise ValueError(f"a message of {total_length} bytes does not fit into {room} bytes")
            if source.nbytes and type(source.obj) is not bytes:
                first, second = _address_of(target) + start, _address_of(source)
                if first < second + source.nbytes and second < first + total_length:
                    raise ValueError("the payload overlaps the part of the buffer that is to be written")
            struct.pack_into(f"{total_length}s", target, start, _frame(raw, source))
            return total_length


def _address_of(view: memoryview) -> int:
    import ctypes  # here: it is slow to import, and only `encode_into` asks where memory lies

    class PyBuffer(ctypes.Structure):
        _fields_ = (("buf", ctypes.c_void_p), ("rest", ctypes.c_byte * 128))

    buffer = PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return buffer.buf or 0


# Decoding


def _check_prelude(received: bytes, offset: int, max_headers: int, max_payload: int) -> tuple[int, int]:
    """Return the total and the headers length that the first 12 bytes declare: the checks that need no more bytes."""
    total_length, headers_length = LENGTHS.unpack_from(received)
    (expected,) = CRC.unpack_from(received, 8)
    computed = zlib.crc32(received[:8])
    if expected != computed:
        raise PreludeChecksumMismatch(offset, expected, computed, received)
    if total_length < MIN_MESSAGE_LENGTH or headers_length > total_length - MIN_MESSAGE_LENGTH:
        raise InvalidLength(offset, total_length, headers_length)
    if headers_length > max_headers:
        raise DecodeLimitExceeded(offset, "headers", headers_length, max_headers)
    payload_length = total_length - headers_length - MIN_MESSAGE_LENGTH
    if payload_length > max_payload:
        raise DecodeLimitExceeded(offset, "payload", payload_length, max_payload)
    return total_length, headers_length


class _HeaderCache:
    """The last distinct header blocks, bounded in number and size so that a hostile stream cannot fill it."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, Headers] = {}

    def headers(self, block: bytes, offset: int) -> Headers:
        cached = self.blocks.get(block)
        if cached is not None:
            return cached
        headers = Headers._from_wire(block, _decode_headers(block, offset))
        if len(block) <= MAX_CACHED_BLOCK_LENGTH:
            if len(self.blocks) == CACHED_BLOCKS:
                del self.blocks[next(iter(self.blocks))]
            self.blocks[block] = headers
        return headers


def _check_message(message: memoryview, headers_length: int, offset: int, cache: _HeaderCache) -> Headers:
    """Return the headers of a whole message whose prelude has been checked; its CRC is checked first."""
    (expected,) = CRC.unpack(message[-CRC_LENGTH:])
    computed = zlib.crc32(message[:-CRC_LENGTH])
    if expected != computed:
        raise MessageChecksumMismatch(offset, expected, computed)
    block = bytes(message[PRELUDE_LENGTH : PRELUDE_LENGTH + headers_length])
    return cache.headers(block, offset + PRELUDE_LENGTH)


def decode(
    data: Buffer,
    *,
    max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
) -> Message:
    """Return the one message that `data` holds.

    Args:
        data: any C-contiguous buffer.
        max_headers_length: the limit of the headers in bytes; None for the format's own bound.
        max_payload_length: the limit of the payload in bytes; None for the format's own bound.

    Raises:
        TruncatedMessage: the data ends in the middle of the message.
        TrailingData: bytes follow the message, which is valid.
        DecodeError: the bytes are not a valid message; its subclass says why, its `offset` where.
        TypeError: the data is not a buffer.
        BufferError: the buffer is not C-contiguous.
    """
    max_headers = _limit_of("max_headers_length", max_headers_length)
    max_payload = _limit_of("max_payload_length", max_payload_length)
    view = memoryview(_bytes_of(data))
    if len(view) < PRELUDE_LENGTH:
        raise TruncatedMessage(0, len(view), PRELUDE_LENGTH, bytes(view))
    total_length, headers_length = _check_prelude(bytes(view[:MAX_SHOWN]), 0, max_headers, max_payload)
    if len(view) < total_length:
        raise TruncatedMessage(0, len(view), total_length)
    headers = _check_message(view[:total_length], headers_length, 0, _HeaderCache())
    if len(view) > total_length:
        raise TrailingData(total_length, len(view) - total_length)
    return Message._of(headers, bytes(view[PRELUDE_LENGTH + headers_length : -CRC_LENGTH]))


@final
class Decoder:
    """Messages from a stream of bytes that arrives in pieces of any size; does no I/O.

    Feed it, and iterate over it. It is its own iterator, which stops when it needs more bytes and resumes after the
    next `feed`. The messages before a fault are delivered before the error is raised; after it the decoder is dead, and
    every later call raises an equal error. A ``MemoryError`` is not such a fault: nothing is lost, and the call can be
    repeated. One thread at a time.

    Args:
        max_headers_length: the limit of a message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of a message's payload in bytes; None for the format's own bound.
        copy: with False, the payload of a message that lies whole in one fed ``bytes`` (or ``memoryview`` of ``bytes``)
            and is taken before the next `feed` is a ``memoryview`` of it. Both keep those ``bytes`` alive. The
            native codec also keeps up to two of at most 20 KiB, for reuse, when the view and the message are gone.

    Iterate with ``for``: ``yield from decoder`` would also close the decoder when the generator around it is left.

    Attributes:
        offset: bytes of the messages delivered.
        buffered: bytes received, minus `offset`.
    """

    __slots__ = (
        "_buffer",
        "_buffered",
        "_busy",
        "_cache",
        "_chunk",
        "_closed",
        "_copy",
        "_error",
        "_max_headers",
        "_max_payload",
        "_offset",
        "_position",
        "_start",
    )

    _max_headers: int
    _max_payload: int
    _copy: bool
    _cache: _HeaderCache
    _busy: LockType
    _error: DecodeError | None
    _closed: bool
    _offset: int
    _buffered: int
    # What is not yet delivered: first the buffer, from the start on, which is the tail of an unfinished message unless
    # several chunks were fed at once; then the chunk, which is the caller's own bytes, from the position on. Either is
    # replaced by an empty one when its last byte has been delivered.
    _buffer: bytearray
    _start: int
    _chunk: memoryview
    _position: int

    @checked
    def __new__(
        cls,
        *,
        max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
        max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
        copy: bool = True,
    ) -> Self:
        max_headers = _limit_of("max_headers_length", max_headers_length)
        max_payload = _limit_of("max_payload_length", max_payload_length)
        copied = bool(copy)
        self = object.__new__(cls)  # from here on no code of the caller's is called, which might see it half made
        self._max_headers = max_headers
        self._max_payload = max_payload
        self._copy = copied
        self._busy = allocate_lock()
        self._cache = _HeaderCache()
        self._error = None
        self._closed = False
        self._offset = 0
        self._buffered = 0
        self._release()
        return self

    @classmethod
    def __class_getitem__(cls, payload: Any, /) -> GenericAlias:
        return GenericAlias(cls, payload)

    def __reduce__(self) -> str:
        raise TypeError("a Decoder cannot be pickled or copied")

    def _enter(self) -> None:
        if not self._busy.acquire(blocking=False):
            raise StateError("the decoder is in use: it serves one thread, and one call, at a time")
        if self._error is not None:
            self._busy.release()
            raise copy_of(self._error)

    def _release(self) -> None:
        self._buffer, self._start = bytearray(), 0
        self._chunk, self._position = _NO_CHUNK, 0

    @property
    def offset(self) -> int:
        """Bytes of the messages delivered."""
        return self._offset

    @property
    def buffered(self) -> int:
        """Bytes received, minus `offset`; of a dead decoder, bytes that will not be delivered."""
        return self._buffered

    def feed(self, data: Buffer, /) -> Self:
        """Receive the next bytes of the stream; iterating over the decoder checks them.

        Args:
            data: any C-contiguous buffer, of any length. ``bytes`` are used in place, anything else is copied.

        Returns:
            The decoder itself, ready to be iterated over.

        Raises:
            StateError: the decoder was closed, or another thread is using it.
            DecodeError: an equal one was raised before.
            TypeError: the data is not a buffer.
            BufferError: the buffer is not C-contiguous.
        """
        view = _view_of(data)
        try:
            self._enter()
            try:
                if self._closed:
                    raise StateError("feed after close")
                buffered = self._buffered + view.nbytes
                all_there_is = self._live() + len(self._chunk) - self._position
                self._gather(all_there_is if view.nbytes or self._is_sparse() else 0)
                if view.nbytes:
                    if type(data) in (bytes, memoryview) and self._usable_in_place(view):
                        self._chunk = view.cast("B")
                    else:
                        self._buffer += view.tobytes()
                    self._buffered = buffered
            finally:
                self._busy.release()
        finally:  # the end of a `with` may need memory
            view.release()
        return self

    def _is_sparse(self) -> bool:
        """Whether most of the chunk has been delivered, and it would be kept for little."""
        chunk = self._chunk
        return self._copy and 2 * (len(chunk) - self._position) < len(chunk.obj)  # type: ignore[arg-type]

    def _usable_in_place(self, view: memoryview) -> bool:
        """Whether the view is immutable, and keeping it keeps not much more than its own bytes alive."""
        return type(view.obj) is bytes and (not self._copy or view.nbytes * 2 >= len(view.obj))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        self._enter()
        try:
            message = self._next_message()
        except DecodeError as error:
            self._error = copy_of(error)
            self._release()
            raise
        finally:
            self._busy.release()
        if message is None:
            raise StopIteration
        return message

    def _next_message(self) -> Message | None:
        if self._buffer:
            return self._message_from_buffer()
        available = len(self._chunk) - self._position
        needed = PRELUDE_LENGTH
        if available >= needed:
            received = bytes(self._chunk[self._position : self._position + MAX_SHOWN])
            needed, headers_length = _check_prelude(received, self._offset, self._max_headers, self._max_payload)
        if available < needed:
            self._gather(needed)
            return None
        frame = self._chunk[self._position : self._position + needed]
        headers = _check_message(frame, headers_length, self._offset, self._cache)
        payload = frame[PRELUDE_LENGTH + headers_length : -CRC_LENGTH]
        message = Message._of(headers, bytes(payload) if self._copy else payload)
        position, offset = self._position + needed, self._offset + needed
        buffered = self._buffered - needed
        chunk, position = (self._chunk, position) if position < len(self._chunk) else (_NO_CHUNK, 0)
        self._chunk, self._position, self._offset, self._buffered = chunk, position, offset, buffered
        return message

    def _message_from_buffer(self) -> Message | None:
        """Return the message that began in an earlier chunk; the current one may hold the rest of it."""
        if not self._gather(PRELUDE_LENGTH):
            return None
        received = self._peek(0)
        total_length, headers_length = _check_prelude(received, self._offset, self._max_headers, self._max_payload)
        if not self._gather(total_length):
            return None
        start, offset = self._start + total_length, self._offset + total_length
        buffered = self._buffered - total_length
        frame = bytes(self._buffer[self._start : start])
        headers = _check_message(memoryview(frame), headers_length, self._offset, self._cache)
        message = Message._of(headers, frame[PRELUDE_LENGTH + headers_length : -CRC_LENGTH])
        buffer, start = (self._buffer, start) if start < len(self._buffer) else (bytearray(), 0)
        self._buffer, self._start, self._offset, self._buffered = buffer, start, offset, buffered
        return message

    def _live(self) -> int:
        """Bytes of the buffer that are not yet delivered."""
        return len(self._buffer) - self._start

    def _gather(self, length: int) -> bool:
        """Move from the chunk to the buffer what the buffer lacks of `length` bytes; whether it has them now."""
        if 4 * self._start > len(self._buffer):  # moves no more than three bytes for each that was delivered
            self._buffer, self._start = self._buffer[self._start :], 0
        lacking = length - self._live()
        if lacking > 0:
            end = min(self._position + lacking, len(self._chunk))
            chunk, position = (self._chunk, end) if end < len(self._chunk) else (_NO_CHUNK, 0)
            self._buffer += self._chunk[self._position : end]
            self._chunk, self._position = chunk, position
        return self._live() >= length

    def close(self) -> None:
        """Mark the end of the stream. Whole messages can still be iterated over; `feed` may no longer be called.

        A second call does nothing. Iterate to the end before: it is there that a fault in what was received is raised.

        Raises:
            TruncatedMessage: the stream ends in the middle of a message.
            StateError: another thread is using the decoder.
            DecodeError: an equal one was raised before.
        """
        self._enter()
        try:
            if not self._closed:
                error = self._truncation()
                self._closed = True
                if error is not None:
                    raise error
        finally:
            self._busy.release()

    def _truncation(self) -> TruncatedMessage | None:
        """Return the error if what was received ends in mid-message. A faulty message raises when it is iterated."""
        end = self._live() + len(self._chunk) - self._position
        position = 0
        while position < end:
            available = end - position
            needed = PRELUDE_LENGTH
            offset = self._offset + position
            if available >= needed:
                try:
                    needed, _ = _check_prelude(self._peek(position), offset, self._max_headers, self._max_payload)
                except DecodeError:
                    return None
            if available < needed:
                received = self._peek(position) if available < PRELUDE_LENGTH else b""
                return TruncatedMessage(offset, available, needed, received)
            position += needed
        return None

    def _peek(self, position: int) -> bytes:
        """Return the first bytes from a position on in what is not yet delivered, as many as errors show.

        They may begin in the buffer and end in the chunk.
        """
        start = self._start + position
        received = self._buffer[start : start + MAX_SHOWN]
        start = self._position + max(position - self._live(), 0)
        return bytes(received + self._chunk[start : start + MAX_SHOWN - len(received)])


@final
class DecoderMap:
    """`map` over the messages of a decoder, with the errors mapped too; adapters to other libraries use it.

    It stops when the decoder needs more bytes, and resumes after its next `feed`.

    Args:
        decoder: the `Decoder`.
        convert: from a `Message` to what is iterated over.
        translate: from a `CodecError` to the exception to raise in its place; the `CodecError` becomes its cause.
    """

    def __init__(
        self, decoder: Decoder, convert: Callable[[Message], Any], translate: Callable[[CodecError], Exception], /
    ) -> None:
        if not isinstance(decoder, Decoder):
            raise TypeError(f"expected a Decoder, not {type(decoder).__name__}")
        self._decoder = decoder
        self._convert = convert
        self._translate = translate
        self._unconverted: Message | None = None  # as that failed

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        message, self._unconverted = self._unconverted, None
        if message is None:
            try:
                message = next(self._decoder)
            except CodecError as error:
                raise self._translate(error) from error
        try:
            return self._convert(message)
        except BaseException:
            self._unconverted = message
            raise


# Salvage: the parts of `_salvage.py` that must be fast


def decoder_at(offset: int, max_headers_length: int | None, max_payload_length: int | None) -> Decoder:
    """Return a decoder whose first byte is at `offset` of the stream, so that its errors say where they are in it."""
    decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    decoder._offset = offset
    return decoder


def find_prelude(data: Buffer, start: int, stop: int) -> int:
    """Return the first position in [start, stop) where the data holds a valid prelude, -1 if there is none.

    Its checksum and its lengths are valid. The time is proportional to what is searched.
    """
    with _view_of(data) as view, view.cast("B") as octets:
        for position in range(start, min(stop, len(octets) - PRELUDE_LENGTH + 1)):
            total_length, headers_length, expected = PRELUDE.unpack_from(octets, position)
            possible = headers_length + MIN_MESSAGE_LENGTH <= total_length  # as are half of all arbitrary bytes
            if possible and zlib.crc32(octets[position : position + LENGTHS.size]) == expected:
                return position
    return -1


_POLYNOMIAL = 0xEDB88320
"""x**32 is what it leaves; bit 31 is the coefficient of x**0."""

_ONE = 0x80000000


def _multiplied(a: int, b: int) -> int:
    """Return the product of two polynomials over GF(2), modulo that of the checksum."""
    product = 0
    bit = _ONE
    while a:
        if a & bit:
            product ^= b
            a ^= bit
        bit >>= 1
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _byte_powers() -> tuple[int, ...]:
    """Return the polynomials x**(8 * 2**i)."""
    powers = [_ONE >> 8]
    while len(powers) < 64:
        powers.append(_multiplied(powers[-1], powers[-1]))
    return tuple(powers)


_BYTE_POWERS = _byte_powers()


def crc32_combine(first: int, second: int, length: int) -> int:
    """Return the checksum of two ranges, one after the other, from those of each; `length` is the second's.

    The first one's remainder is multiplied by x**(8 * length), a product of powers that are at hand.
    """
    i = 0
    while first and length:
        if length & 1:
            first = _multiplied(first, _BYTE_POWERS[i])
        i += 1
        length >>= 1
    return first ^ second
