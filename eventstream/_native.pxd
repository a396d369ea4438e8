"""The C-level interface of the native codec, for other Cython packages: ``from eventstream._native cimport Message``.

It exposes no C header. What is not named private here keeps its meaning within a minor version of the package; a struct
that changes its size is refused by Cython at import, so compile against the version that you run with.

`decode_message` and `Decoder.receive` + `Decoder.next_message` are the fast way in, `encode_message` the fast way out.
All need the GIL (they release it themselves around the checksum of a large payload), and raise the errors of
`eventstream.exceptions`.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t


@cython.final
cdef class Headers:
    cdef readonly bytes raw
    cdef dict _parsed
    cdef int _searches

    # The headers as a dict, which must not be changed.
    cdef dict mapping(self)
    # One header's value, or the default if there is none.
    cdef object find(self, object name, object default)
    # private
    cdef bint _is_new(self)


@cython.final
cdef class Message:
    cdef readonly Headers headers
    cdef readonly object payload  # bytes, or a memoryview of bytes

    cpdef bytes encode(self)


@cython.final
cdef class _HeaderCache:  # private
    cdef uint64_t _keys[8]
    cdef list _blocks
    cdef unsigned int _recent
    cdef unsigned int _oldest

    cdef Headers find(self, const uint8_t *block, size_t length, uint64_t offset)


@cython.final
cdef class Decoder:
    cdef uint64_t _max_headers
    cdef uint64_t _max_payload
    cdef uint64_t _offset
    cdef uint64_t _received
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

    # Receive bytes, as `feed` does, from memory that need not outlive the call.
    cdef int receive(self, const uint8_t *data, size_t length) except -1
    # The next message, or None where the decoder is starved.
    cdef Message next_message(self)

    # private
    cdef int _enter(self) except -1
    cdef bint _is_sparse(self) noexcept
    cdef int _hold(self, bytes chunk, size_t position, size_t length) except -1
    cdef int _append(self, const uint8_t *data, size_t length, bint immutable) except -1
    cdef int _reserve(self, size_t needed) except -1
    cdef int _discard(self, size_t length) noexcept
    cdef int _trim(self) except -1
    cdef int _release_chunk(self) except -1
    cdef bint _gather(self, size_t length) except -1
    cdef Message _take(self)
    cdef Message _take_from_buffer(self)
    cdef int _assemble(self, size_t head_length, size_t payload_length) except -1
    cdef int _grow_payload(self, size_t needed) except -1
    cdef int _drop_payload(self) noexcept
    cdef object _truncation(self)


# One message in wire form; the lengths are checked against the format's own bound alone.
cdef bytes encode_message(Headers headers, const uint8_t *payload, size_t length)

# The one message that `length` bytes hold, under the default limits.
cdef Message decode_message(const uint8_t *data, size_t length)
