"""The C-level interface of the native codec, for other Cython packages::

    from eventstream._native cimport Decoder, Message, require_api

    require_api()  # when the module is imported

This file and Cython are all that is needed to compile that; no C header. `Decoder.receive` and `Decoder.next_message`,
or `decode_message`, are the fast way in, `encode_message` the fast way out. All need the GIL except `checksum` (they
release it themselves around the checksum of a large payload), take no None, and raise the errors of
`eventstream.exceptions`. The limits of a decoder and its ``close`` are those of the Python class.

Stable is what is not called private and does not begin with an underscore: it keeps its name, type and meaning as long
as `API_VERSION` is the same. What is private may change in any release, and the sizes of the classes with it, which are
compiled into the other package. So compile against the eventstream that the package runs with. One that differs in any
of this is refused when the package is imported:

* `API_VERSION` or the size of a class differs: ``ImportError`` by `require_api`, which says what differs;
* a class is smaller than compiled in: before that, ``ValueError`` by Cython ("size changed"); larger:
  ``RuntimeWarning`` by Cython, then the ``ImportError``;
* a function is gone or has another type: ``ImportError`` or ``TypeError`` by Cython.

The reference has no such interface: where `eventstream._native` was not built, the package cannot be imported.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    API_VERSION = 1  # goes up with any change to what is stable

# The type byte of a header: see `wire.py`.
cdef enum:
    TYPE_TRUE, TYPE_FALSE, TYPE_BYTE, TYPE_SHORT, TYPE_INTEGER, TYPE_LONG, TYPE_BYTE_ARRAY, TYPE_STRING, TYPE_TIMESTAMP
    TYPE_UUID


# One header as it lies in its block: the name in UTF-8; the value in the wire's byte order, without its length.
cdef struct Field:
    const uint8_t *name
    size_t name_length
    uint8_t type
    const uint8_t *value
    size_t value_length


@cython.final
cdef class Headers:
    cdef readonly bytes raw  # the header block
    cdef dict _parsed
    cdef int _searches
    # Of the last message with these headers, its total length; and once a second one was as long, the checksums of the
    # prelude and of all before the payload. So lengths that never repeat cost nothing.
    cdef uint32_t _total_length
    cdef uint32_t _prelude_crc
    cdef uint32_t _head_crc
    cdef bint _is_known

    # The headers as a dict, which must not be changed.
    cdef dict mapping(self)
    # One header's value, or the default if there is none.
    cdef object find(self, object name, object default)
    # private
    cdef bint _is_new(self) noexcept


@cython.final
cdef class Message:
    cdef readonly Headers headers
    cdef readonly object payload  # bytes, or a memoryview of bytes

    cpdef bytes encode(self)


@cython.final
cdef class _HeaderCache:  # private
    # Of each block: what tells it from most others, its length and its bytes, which its `Headers` own.
    cdef uint64_t _keys[8]
    cdef size_t _lengths[8]
    cdef const uint8_t *_data[8]
    cdef PyObject *_headers[8]
    cdef unsigned int _recent
    cdef unsigned int _oldest

    cdef Headers find(self, const uint8_t *block, size_t length, uint64_t offset)
    cdef bint _is_block(self, unsigned int i, const uint8_t *block, size_t length) noexcept
    cdef bint _rewrite(self, unsigned int i, const uint8_t *block, size_t length) noexcept
    cdef object _replace(self, unsigned int i, Headers headers)


@cython.final
cdef class Decoder:
    cdef uint64_t _max_headers
    cdef uint64_t _max_payload
    cdef uint64_t _offset
    cdef uint64_t _buffered
    # What is not yet delivered: see `_native.pyx`.
    cdef uint8_t *_data
    cdef size_t _start
    cdef size_t _stop
    cdef size_t _capacity
    cdef PyObject *_payload
    cdef size_t _payload_length
    cdef size_t _filled
    cdef uint32_t _crc
    cdef bytes _chunk
    cdef size_t _position
    cdef size_t _end
    cdef object _view
    cdef _HeaderCache _cache
    cdef object _error
    cdef int _busy
    cdef bint _closed
    cdef bint _copy

    # Receive bytes, as `feed` does, from memory that need not outlive the call. It may not change during it.
    cdef int receive(self, const uint8_t *data, size_t length) except -1
    # The next message, or None where the decoder is starved.
    cdef Message next_message(self)

    # private
    cdef int _count(self, size_t received, size_t delivered) noexcept
    cdef int _enter(self) except -1
    cdef int _refuse(self, bint busy) except -1
    cdef int _fail(self) except -1
    cdef bint _is_sparse(self) noexcept
    cdef int _hold(self, bytes chunk, size_t position, size_t length) except -1
    cdef size_t _begin_payload(self, const uint8_t *data, size_t length) except? 0
    cdef int _append(self, const uint8_t *data, size_t length) except -1
    cdef int _reserve(self, size_t needed) except -1
    cdef int _discard(self, size_t length) noexcept
    cdef int _trim(self) except -1
    cdef int _release_chunk(self) noexcept
    cdef bint _gather(self, size_t length) except -1
    cdef object _take(self)
    cdef object _payload_view(self, size_t position, size_t length, bint last)
    cdef Message _take_from_buffer(self)
    cdef int _assemble(self, size_t head_length, size_t payload_length) except -1
    cdef int _grow_payload(self, size_t needed) except -1
    cdef int _drop_payload(self) noexcept
    cdef object _truncation(self)
    cdef bytes _beginning(self)
    cdef size_t _peek(self, size_t start, uint8_t *target, size_t length) noexcept


# The next header of a block, whose position is 0 at first and moves on; False at its end. The field points into
# `headers.raw`.
cdef bint next_header(Headers headers, size_t *position, Field *field) noexcept

# Where the payload lies, whether bytes or a memoryview, as long as the message lives and nobody releases the view.
cdef const uint8_t *payload_of(Message message, size_t *length) except NULL

# One message in wire form; the lengths are checked only against the format's own bound.
cdef bytes encode_message(Headers headers, const uint8_t *payload, size_t length)

# The one message that `length` bytes hold, under the default limits.
cdef Message decode_message(const uint8_t *data, size_t length)

# The CRC-32 of the format, which is gzip's, of bytes that follow those of `crc`; 0 at first.
cdef uint32_t checksum(uint32_t crc, const uint8_t *data, size_t length) noexcept nogil


cdef int check_api(int version, size_t headers, size_t message, size_t decoder) except -1  # private


# Refuse to continue, with an ImportError, unless the extension that was loaded is the one that this file describes: an
# inline function, which compares with it what was compiled into the other package.
cdef inline int require_api() except -1:
    return check_api(API_VERSION, sizeof(Headers), sizeof(Message), sizeof(Decoder))
