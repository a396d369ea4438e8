# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: freethreading_compatible=True
# cython: embedsignature=True, embedsignature.format=clinic
"""The codec in Cython. `_reference.py` is its twin: the same public names, results and errors. A change to one lands in
the other in the same commit.

Where the speed comes from, beside the checksum kernels of `_crc32/`:

* `Headers` are their wire form, checked once, and parsed into a dict only when somebody looks inside. Streams repeat
  their header blocks, so a decoder keeps the last few and gives equal blocks the same `Headers`. Signed streams do not:
  there the `Headers` that nobody else has are given the next block.
* A `Decoder` works in the caller's ``bytes`` as long as whole messages are there, and buffers no more than the tail of
  an unfinished one.
* The bytes of a small payload or message, and the view of a small chunk, are reused for the next one once nobody else has
  them.
* A small payload is checksummed in one run with its headers, and copied; a large one is copied and checksummed in one
  pass, with the GIL released.

And the safety:

* Every read of a header block goes through `take`, which is bounded by the block.
* Every buffer of the caller is acquired by `acquire` and released in a ``finally``. Of what is mutable only a copy is
  checked, or the copy and its checksum are made from the same loads.
* A decoder acquires the caller's buffers before `Decoder._enter`, which refuses a second call into a decoder that is
  busy, from any thread. Code of the caller that runs meanwhile, such as the callback of a weak reference, finds the
  decoder busy.
* Everything that can raise MemoryError runs before any state changes, so a failed call can be repeated.
* Methods are descriptors of CPython's (``binding``), which refuse a self of another class. Cython's own functions would
  take any object for one of the class. Functions of the module are Cython's: without the GIL, threads that call one do
  not count it, and so do not wait for each other.
* No half-initialised or half-destroyed object is ever visible. The classes here cannot be part of a reference cycle, so
  they opt out of the garbage collector, which could otherwise expose or clear one that is still reachable. It tracks
  `DecoderMap`, which holds the caller's functions, but does not clear it.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_SIZE, PyObject, PyTypeObject, newfunc
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport SIZE_MAX, UINT32_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

import datetime
from collections.abc import Mapping
from operator import index
from types import GenericAlias

from eventstream._arguments import check_call
from eventstream._text import header_label
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
from eventstream.values import Byte, Long, Short, Timestamp, uuid_bytes
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

cdef extern from "Python.h":
    PyObject *Py_True  # `<PyObject *> True` is the number 1, as a pointer
    PyObject *Py_False
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *length)  # NULL with an exception set: see `utf8_of`
    bint PyUnicode_CheckExact(PyObject *value)
    bint PyUnicode_IS_COMPACT_ASCII(PyObject *text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *text)
    void *PyUnicode_DATA(PyObject *text)
    PyObject *PyThreadState_GetDict()
    Py_ssize_t Py_REFCNT(PyObject *value)
    bint PyDict_Next(object mapping, Py_ssize_t *position, PyObject **key, PyObject **value)  # both are borrowed
    PyTypeObject *Py_TYPE(PyObject *value)
    str PyUnicode_DecodeUTF8(const char *data, Py_ssize_t length, const char *errors)
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    Py_ssize_t PyNumber_AsSsize_t(object value, PyObject *overflow) except? -1  # clipped where that is NULL
    int es_get_buffer "PyObject_GetBuffer"(object source, Py_buffer *view, int flags) noexcept  # see `acquire`
    bint PyMemoryView_Check(object value)
    object PyMemoryView_FromObject(object value)
    void *PyMemoryView_GET_BASE(object view)  # NULL where the view has no exporter

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        const char *name
        int type
        Py_ssize_t offset
        int flags
    int T_OBJECT_EX
    int READONLY
    object PyDescr_NewMember(PyTypeObject *type, PyMemberDef *member)
    void PyType_Modified(type type_)

cdef extern from "_crc32/crc32.h" nogil:
    ctypedef uint32_t es_crc32_fn(uint32_t crc, const void *src, size_t n)
    ctypedef uint32_t es_crc32_copy_fn(uint32_t crc, void *dst, const void *src, size_t n)
    ctypedef struct es_crc32_kernel:
        const char *name
        es_crc32_fn *crc32
        es_crc32_copy_fn *copy
    enum: ES_CRC32_KERNELS
    size_t es_crc32_kernels(const es_crc32_kernel **kernels)

cdef extern from "_shim.h":
    const bint ES_ADDRESS_SANITIZER
    const bint ES_FREE_THREADED
    const bint ES_CACHE_PER_THREAD
    void store_u32 "es_store_u32"(uint8_t *data, uint32_t value) noexcept nogil
    PyObject *es_resize_bytes(PyObject *bytes_, Py_ssize_t size)
    bint es_rewrite_bytes(PyObject *bytes_, const void *data) noexcept
    ctypedef struct es_spares:
        pass
    const Py_ssize_t ES_MIN_SPARE
    bytes es_new_bytes(es_spares *spares, Py_ssize_t size)
    void es_drop_spares(es_spares *spares)
    bint es_may_spare(es_spares *spares, Py_ssize_t size) noexcept
    object es_new_view(es_spares *spares, object bytes_, Py_ssize_t start, Py_ssize_t length)
    void es_narrow_view(object view, Py_ssize_t start, Py_ssize_t length) noexcept
    object es_owned(PyObject *owned)
    void es_keep_forever(object value)
    void es_set_new(PyTypeObject *type, object (*new)(PyTypeObject *, PyObject *, PyObject *))
    bint es_test_and_set(int *flag) noexcept
    void es_clear(int *flag) noexcept
    void es_gil_released() noexcept nogil
    void es_await_gil() noexcept nogil
    void es_gil_taken() noexcept


cdef int check_api(int version, size_t headers, size_t message, size_t decoder) except -1:
    """`require_api`, with what the other package was compiled against."""
    if version != API_VERSION:
        compiled, present = f"version {version}", f"version {<int> API_VERSION}"
    elif headers != sizeof(Headers) or message != sizeof(Message) or decoder != sizeof(Decoder):
        compiled = f"Headers, Message and Decoder of {headers}, {message} and {decoder} bytes"
        present = f"{sizeof(Headers)}, {sizeof(Message)} and {sizeof(Decoder)} bytes"
    else:
        return 0
    raise ImportError(
        f"compiled against another C-level interface of eventstream, {compiled}; this one has {present}: "
        "compile again, against the eventstream that is installed"
    )


# The wire format: see `wire.py`

cdef enum:
    PRELUDE_LENGTH = 12
    CRC_LENGTH = 4
    MIN_MESSAGE_LENGTH = 16
    MAX_NAME_LENGTH = 255
    MAX_VALUE_LENGTH = 32767
    CACHED_BLOCKS = 8
    MAX_CACHED_BLOCK_LENGTH = 1024
    MAX_SHOWN = 64  # bytes of input in an error: see `_text.py`

# Bytes of the values of a fixed length.
cdef uint8_t[10] VALUE_LENGTHS = [0, 0, 1, 2, 4, 8, 0, 0, 8, 16]


def _constants() -> dict[str, int]:
    """Return the constants of this module, which a test compares with those of `wire.py` and `_text.py`."""
    return {
        "PRELUDE_LENGTH": PRELUDE_LENGTH,
        "CRC_LENGTH": CRC_LENGTH,
        "MIN_MESSAGE_LENGTH": MIN_MESSAGE_LENGTH,
        "MAX_MESSAGE_LENGTH": UINT32_MAX,
        "MAX_NAME_LENGTH": MAX_NAME_LENGTH,
        "MAX_VALUE_LENGTH": MAX_VALUE_LENGTH,
        "DEFAULT_MAX_HEADERS_LENGTH": DEFAULT_MAX_HEADERS,
        "DEFAULT_MAX_PAYLOAD_LENGTH": DEFAULT_MAX_PAYLOAD,
        "CACHED_BLOCKS": CACHED_BLOCKS,
        "MAX_CACHED_BLOCK_LENGTH": MAX_CACHED_BLOCK_LENGTH,
        "MAX_SHOWN": MAX_SHOWN,
        "TRUE": TYPE_TRUE,
        "FALSE": TYPE_FALSE,
        "BYTE": TYPE_BYTE,
        "SHORT": TYPE_SHORT,
        "INTEGER": TYPE_INTEGER,
        "LONG": TYPE_LONG,
        "BYTE_ARRAY": TYPE_BYTE_ARRAY,
        "STRING": TYPE_STRING,
        "TIMESTAMP": TYPE_TIMESTAMP,
        "UUID": TYPE_UUID,
        **{f"FIXED_LENGTHS[{type_}]": VALUE_LENGTHS[type_] for type_ in range(TYPE_UUID + 1)},
    }


cdef uint64_t DEFAULT_MAX_HEADERS = DEFAULT_MAX_HEADERS_LENGTH
cdef uint64_t DEFAULT_MAX_PAYLOAD = DEFAULT_MAX_PAYLOAD_LENGTH

# Globals of the module that every call needs, as variables of C: Cython would look them up by name each time.
cdef object DEFAULT_HEADERS_LIMIT = DEFAULT_MAX_HEADERS_LENGTH
cdef object DEFAULT_PAYLOAD_LIMIT = DEFAULT_MAX_PAYLOAD_LENGTH
cdef object BYTE = Byte
cdef object SHORT = Short
cdef object LONG = Long
cdef object TIMESTAMP = Timestamp
cdef object DATETIME = datetime.datetime
cdef object MAPPING = Mapping

es_keep_forever(DEFAULT_HEADERS_LIMIT)
es_keep_forever(DEFAULT_PAYLOAD_LIMIT)


cdef list UUID = [None]


cdef object uuid_class():
    """Imported when it is first needed, which is rarely: that takes as long as the import of all the rest."""
    with cython.critical_section(UUID):
        if UUID[0] is None:
            from uuid import UUID as class_

            UUID[0] = class_
        return UUID[0]


cdef inline uint32_t load_u32(const uint8_t *data) noexcept nogil:
    return <uint32_t> data[0] << 24 | <uint32_t> data[1] << 16 | <uint32_t> data[2] << 8 | data[3]


cdef inline uint64_t load_u64(const uint8_t *data) noexcept nogil:
    return <uint64_t> load_u32(data) << 32 | load_u32(data + 4)


# Checksums

cdef const es_crc32_kernel *kernels[ES_CRC32_KERNELS]
cdef size_t kernel_count = es_crc32_kernels(kernels)
cdef es_crc32_fn *crc32 = kernels[0].crc32
cdef es_crc32_copy_fn *crc32_copy = kernels[0].copy

# From this length on, a payload is copied and checksummed in one pass; below, one checksum over headers and payload
# saves more than the second pass over what lies in the L1 cache costs.
cdef size_t ONE_PASS_LENGTH = 2048

# From this length on, a payload that arrives in pieces is checksummed as it arrives.
cdef size_t ASSEMBLED_LENGTH = 16384

# From this length on, the GIL is released while a payload is copied and checksummed: see `_shim.h`. The handover takes some
# 60 ns, a thirtieth of that work.
cdef size_t RELEASE_GIL_LENGTH = 65536


cdef uint32_t checksum(uint32_t crc, const uint8_t *data, size_t length) noexcept nogil:
    return crc32(crc, data, length)


def _crc32_kernels() -> tuple[str, ...]:
    return tuple([kernels[i].name.decode() for i in range(kernel_count)])


cdef const es_crc32_kernel *kernel_named(str name) except NULL:
    cdef size_t i
    for i in range(kernel_count):
        if kernels[i].name.decode() == name:
            return kernels[i]
    raise ValueError(f"no kernel {name!r} on this machine")


def _use_kernel(str name) -> None:
    """Use another kernel than the fastest: a knob for tests and benchmarks."""
    global crc32, crc32_copy
    cdef const es_crc32_kernel *kernel = kernel_named(name)
    crc32 = kernel.crc32
    crc32_copy = kernel.copy


def _crc32(str kernel, data, uint32_t crc=0) -> int:
    cdef Py_buffer source
    acquire(data, &source, PyBUF_SIMPLE)
    try:
        return kernel_named(kernel).crc32(crc, source.buf, source.len)
    finally:
        PyBuffer_Release(&source)


def _crc32_copy(str kernel, target, data, uint32_t crc=0) -> int:
    cdef Py_buffer source, destination
    acquire(target, &destination, PyBUF_WRITABLE)
    try:
        acquire(data, &source, PyBUF_SIMPLE)
        try:
            if destination.len < source.len:
                raise ValueError("the target is too short")
            return kernel_named(kernel).copy(crc, destination.buf, source.buf, source.len)
        finally:
            PyBuffer_Release(&source)
    finally:  # pragma: no cover (see pyproject.toml)
        PyBuffer_Release(&destination)


# What the caller is given: bytes, and views of bytes, are reused once nobody has them any more, see `_shim.h`.

cdef enum:
    PAYLOADS, FRAMES, BYTES_KINDS

cdef es_spares spare_bytes[BYTES_KINDS]
cdef es_spares spare_views


@cython.final
@cython.auto_pickle(False)
cdef class _Spares:
    """Those of one thread."""

    cdef es_spares bytes_[BYTES_KINDS]

    def __dealloc__(self):
        cdef int kind
        for kind in range(<int> BYTES_KINDS):
            es_drop_spares(&self.bytes_[kind])


cdef inline bytes new_bytes(int kind, Py_ssize_t length):
    """The caller writes the content. The bytes must not be resized."""
    if ES_CACHE_PER_THREAD and length >= ES_MIN_SPARE:
        return es_new_bytes(&(<_Spares> own_of_thread(_Spares)).bytes_[kind], length)
    return es_new_bytes(&spare_bytes[kind], length)


cdef object own_of_thread(type class_):
    """Return the object of this class that is for this thread. Without the GIL, threads that share one would wait for
    each other."""
    cdef PyObject *objects = PyThreadState_GetDict()  # borrowed; the interpreter clears it when the thread ends
    if objects == NULL:
        return class_()  # pragma: no cover (it has one, since it runs code of Python)
    own = (<dict> objects).get(class_)
    if own is None:
        own = (<dict> objects)[class_] = class_()
    return own


# Bytes from the caller


cdef int acquire(object source, Py_buffer *view, int flags) except -1:
    """Acquire the caller's buffer; no buffer is acquired elsewhere. What it raises is a TypeError or a BufferError."""
    if es_get_buffer(source, view, flags) == 0:
        return 0
    try:
        raise_current()
    except ValueError as error:  # which a released memoryview and NumPy raise
        raise BufferError(str(error)) from None


cdef int raise_current() except -1:
    """Raise the exception that a function of C has set."""
    return -1


cdef bytes bytes_of(object data):
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return <bytes> data
    acquire(data, &view, PyBUF_SIMPLE)
    try:
        return PyBytes_FromStringAndSize(<const char *> view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef object base_of(object data):
    """Return the object whose memory a memoryview shows."""
    if not PyMemoryView_Check(data):
        return None
    base = PyMemoryView_GET_BASE(data)
    return None if base == NULL else <object> base


cdef uint64_t limit_of(str name, object limit) except? 0xFFFFFFFF:
    """Return a limit as a number of bytes; None means the format's own bound."""
    if limit is None:
        return UINT32_MAX
    value = index(limit)
    if value < 0:
        raise ValueError(f"{name} is negative")
    return min(value, UINT32_MAX)


cdef inline uint64_t max_headers_of(object limit) except? 0xFFFFFFFF:
    return DEFAULT_MAX_HEADERS if limit is DEFAULT_HEADERS_LIMIT else limit_of("max_headers_length", limit)


cdef inline uint64_t max_payload_of(object limit) except? 0xFFFFFFFF:
    return DEFAULT_MAX_PAYLOAD if limit is DEFAULT_PAYLOAD_LIMIT else limit_of("max_payload_length", limit)


# Headers: how they are written


cdef struct Writer:
    uint8_t *data
    size_t length
    size_t capacity
    uint8_t[1024] own  # most header blocks fit


cdef inline void writer_init(Writer *writer) noexcept:
    writer.data = writer.own
    writer.length = 0
    writer.capacity = sizeof(writer.own)


cdef inline void writer_free(Writer *writer) noexcept:
    if writer.data != writer.own:
        PyMem_Free(writer.data)


cdef inline uint8_t *extend(Writer *writer, size_t length) except NULL:
    """Where the next `length` bytes go."""
    if length > writer.capacity - writer.length:
        grow(writer, length)
    writer.length += length
    return writer.data + writer.length - length


cdef int grow(Writer *writer, size_t length) except -1:
    cdef size_t capacity = 2 * (writer.length + length)
    cdef void *own = NULL if writer.data == writer.own else writer.data
    cdef uint8_t *data = <uint8_t *> PyMem_Realloc(own, capacity)
    if data == NULL:
        raise MemoryError
    if own == NULL:
        memcpy(data, writer.own, writer.length)
    writer.data = data
    writer.capacity = capacity
    return 0


cdef inline const uint8_t *utf8_of(object text, Py_ssize_t *length) except? NULL:
    """Return the text in UTF-8; NULL without an exception where it has lone surrogates."""
    cdef const char *data = PyUnicode_AsUTF8AndSize(text, length)
    if data == NULL and PyErr_ExceptionMatches(UnicodeEncodeError):
        PyErr_Clear()
    return <const uint8_t *> data


cdef int write_name(Writer *writer, object name, set names) except -1:
    """Write a name, which is not among `names` yet."""
    cdef Py_ssize_t length
    cdef const uint8_t *data
    cdef uint8_t *target
    if not isinstance(name, str):
        raise TypeError(f"a header name must be a str, not {type(name).__name__}")
    data = utf8_of(name, &length)
    if data == NULL:
        raise InvalidHeaderName(name, "lone surrogates cannot be encoded as UTF-8")
    if not 1 <= length <= MAX_NAME_LENGTH:
        raise InvalidHeaderName(name, f"{length} bytes; 1 to {MAX_NAME_LENGTH} are allowed")
    raw = data[:length]
    if raw in names:
        raise InvalidHeaderName(name, "given twice")
    names.add(raw)
    target = extend(writer, 1 + length)
    target[0] = <uint8_t> length
    memcpy(target + 1, data, length)
    return 0


cdef int write_sized(Writer *writer, object name, uint8_t type_, const uint8_t *data, Py_ssize_t length) except -1:
    cdef uint8_t *target
    if length > MAX_VALUE_LENGTH:
        raise InvalidHeaderValue(name, f"a value of {length} bytes; at most {MAX_VALUE_LENGTH} are allowed")
    target = extend(writer, 3 + length)
    target[0] = type_
    target[1] = <uint8_t> (length >> 8)
    target[2] = <uint8_t> length
    memcpy(target + 3, data, length)
    return 0


cdef int write_text(Writer *writer, object name, object text) except -1:
    cdef Py_ssize_t length
    cdef const uint8_t *data = utf8_of(text, &length)
    if data == NULL:
        raise InvalidHeaderValue(name, "lone surrogates cannot be encoded as UTF-8")
    return write_sized(writer, name, TYPE_STRING, data, length)


cdef inline bint fits(long long value, size_t length) noexcept:
    """Return whether an integer fits into this many bytes, at most 8."""
    cdef long long bound = 1LL << (8 * length - 1) if length < 8 else 0
    return length == 8 or -bound <= value < bound


cdef inline void store_integer(uint8_t *target, long long value, size_t length) noexcept:
    cdef size_t i
    for i in range(length):
        target[i] = <uint8_t> (<unsigned long long> value >> (8 * (length - 1 - i)))


cdef int write_integer(Writer *writer, object name, uint8_t type_, object integer) except -1:
    cdef int overflow
    cdef long long value = PyLong_AsLongLongAndOverflow(integer, &overflow)
    cdef size_t length = VALUE_LENGTHS[type_]
    cdef uint8_t *target
    if overflow or not fits(value, length):
        hint = ": use Long" if type_ == TYPE_INTEGER else ""
        raise InvalidHeaderValue(name, f"an integer of more than {8 * length} bits{hint}")
    target = extend(writer, 1 + length)
    target[0] = type_
    store_integer(target + 1, value, length)
    return 0


cdef int write_buffer(Writer *writer, object name, object source) except -1:
    cdef Py_buffer view
    try:
        acquire(source, &view, PyBUF_SIMPLE)
    except TypeError:
        raise TypeError(f"{header_label(name)}: a {type(source).__name__} is not a header value") from None
    try:
        return write_sized(writer, name, TYPE_BYTE_ARRAY, <const uint8_t *> view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef int write_uuid(Writer *writer, bytes raw) except -1:
    cdef uint8_t *target = extend(writer, 17)
    target[0] = TYPE_UUID
    memcpy(target + 1, PyBytes_AS_STRING(raw), 16)
    return 0


cdef int write_value(Writer *writer, object name, object value) except -1:
    """Write the type byte and the value."""
    if type(value) is str:
        return write_text(writer, name, value)
    if value is True or value is False:
        extend(writer, 1)[0] = TYPE_TRUE if value is True else TYPE_FALSE
        return 0
    if isinstance(value, int):
        if type(value) is int:
            return write_integer(writer, name, TYPE_INTEGER, value)
        if isinstance(value, TIMESTAMP):
            return write_integer(writer, name, TYPE_TIMESTAMP, value)
        if isinstance(value, LONG):
            return write_integer(writer, name, TYPE_LONG, value)
        if isinstance(value, SHORT):
            return write_integer(writer, name, TYPE_SHORT, value)
        if isinstance(value, BYTE):
            return write_integer(writer, name, TYPE_BYTE, value)
        return write_integer(writer, name, TYPE_INTEGER, value)
    if PyBytes_CheckExact(value):
        return write_sized(
            writer, name, TYPE_BYTE_ARRAY, <const uint8_t *> PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        )
    if isinstance(value, str):
        return write_text(writer, name, value)
    if issubclass(type(value), DATETIME):  # a mock says that it is one
        try:
            timestamp = Timestamp.from_datetime(value)
        except InvalidHeaderValue as error:
            raise InvalidHeaderValue(name, str(error)) from None
        return write_integer(writer, name, TYPE_TIMESTAMP, timestamp)
    if issubclass(type(value), uuid_class()):
        return write_uuid(writer, uuid_bytes(value))
    return write_buffer(writer, name, value)


cdef inline const uint8_t *ascii_of(PyObject *text, Py_ssize_t *length) noexcept:
    """Return the text in UTF-8 if it is a ``str``, of no subclass, and in ASCII; else NULL."""
    if not PyUnicode_CheckExact(text) or not PyUnicode_IS_COMPACT_ASCII(text):
        return NULL
    length[0] = PyUnicode_GET_LENGTH(text)
    return <const uint8_t *> PyUnicode_DATA(text)


cdef inline int integer_type(PyObject *value) noexcept:
    """Return the type byte of an integer of one of the classes that have one; else -1.

    The class is compared by identity: even its hash may be code of the caller's."""
    cdef PyObject *class_ = <PyObject *> Py_TYPE(value)
    if class_ == <PyObject *> TIMESTAMP:
        return TYPE_TIMESTAMP
    if class_ == <PyObject *> int:
        return TYPE_INTEGER
    if class_ == <PyObject *> LONG:
        return TYPE_LONG
    if class_ == <PyObject *> SHORT:
        return TYPE_SHORT
    return TYPE_BYTE if class_ == <PyObject *> BYTE else -1


cdef bint write_plain(Writer *writer, dict mapping) except -1:
    """Write headers of the usual classes, in one pass over the dict; False where it holds others, or anything invalid.

    No code of the caller's runs here, and no exception is made but a MemoryError, which ends the pass. So nobody changes
    the dict, and what is borrowed from it stays alive. Its names are exact, so no two of them have the same text."""
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t name_length, length
    cdef PyObject *name
    cdef PyObject *value
    cdef const uint8_t *name_data
    cdef const uint8_t *data
    cdef uint8_t *target
    cdef int type_, overflow
    cdef long long integer
    while PyDict_Next(mapping, &position, &name, &value):
        name_data = ascii_of(name, &name_length)
        if name_data == NULL or not 1 <= name_length <= MAX_NAME_LENGTH:
            return False
        type_ = TYPE_STRING
        data = ascii_of(value, &length)
        if data == NULL and PyBytes_CheckExact(<object> value):
            type_ = TYPE_BYTE_ARRAY
            data = <const uint8_t *> PyBytes_AS_STRING(<object> value)
            length = PyBytes_GET_SIZE(<object> value)
        if data != NULL:
            if length > MAX_VALUE_LENGTH:
                return False
            target = extend(writer, 4 + name_length + length)
            target[1 + name_length] = <uint8_t> type_
            target[2 + name_length] = <uint8_t> (length >> 8)
            target[3 + name_length] = <uint8_t> length
            memcpy(target + 4 + name_length, data, length)
        elif value == Py_True or value == Py_False:
            target = extend(writer, 2 + name_length)
            target[1 + name_length] = TYPE_TRUE if value == Py_True else TYPE_FALSE
        else:
            type_ = integer_type(value)
            if type_ < 0:
                return False
            integer = PyLong_AsLongLongAndOverflow(<object> value, &overflow)
            if overflow or not fits(integer, VALUE_LENGTHS[type_]):
                return False
            target = extend(writer, 2 + name_length + VALUE_LENGTHS[type_])
            target[1 + name_length] = <uint8_t> type_
            store_integer(target + 2 + name_length, integer, VALUE_LENGTHS[type_])
        target[0] = <uint8_t> name_length
        memcpy(target + 1, name_data, name_length)
    return True


cdef int write_headers(Writer *writer, object mapping) except -1:
    cdef set names  # so far: keys that are not equal can have the same text
    if type(mapping) is dict:
        with cython.critical_section(mapping):
            if write_plain(writer, <dict> mapping):
                return 0
        writer.length = 0
        mapping = (<dict> mapping).copy()  # a copy, which nobody can change meanwhile
        names = set()
        for name, value in (<dict> mapping).items():
            write_name(writer, name, names)
            write_value(writer, name, value)
    elif isinstance(mapping, MAPPING):
        names = set()
        for name, value in mapping.items():
            write_name(writer, name, names)
            write_value(writer, name, value)
    else:
        raise TypeError(f"headers must be a mapping, not {type(mapping).__name__}")
    return 0


# Headers: texts that streams repeat. They are shared, not interned: a name from the wire must not live for ever.

cdef enum:
    KNOWN_SLOTS = 128

cdef struct Known:
    const char *data
    Py_ssize_t length

cdef tuple KNOWN_TEXTS = (
    ":message-type", ":event-type", ":exception-type", ":content-type", ":error-code", ":error-message",
    ":date", ":chunk-signature",
    "event", "exception", "error", "application/json", "application/octet-stream", "application/x-amz-json-1.1",
    "application/vnd.amazon.eventstream", "text/plain", "text/xml", "audio/pcm",
    "AudioEvent", "ConfigurationEvent", "TranscriptEvent", "initial-response", "chunk",
    "Records", "Progress", "Stats", "Cont", "End", "SubscribeToShardEvent", "PayloadChunk", "InvokeComplete",
    "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    "BadRequestException", "ConflictException", "InternalFailureException", "LimitExceededException",
    "ServiceUnavailableException", "ThrottlingException", "ValidationException",
)
cdef Known[KNOWN_SLOTS] known
cdef list known_texts = [None] * KNOWN_SLOTS


cdef inline size_t known_slot(const uint8_t *data, size_t length) noexcept nogil:
    return (length * 37 + data[length >> 1] * 5 + data[length - 1] * 11) % KNOWN_SLOTS


cdef int fill_known() except -1:
    cdef Py_ssize_t length
    cdef const uint8_t *data
    cdef size_t slot
    for text in KNOWN_TEXTS:
        data = utf8_of(text, &length)
        slot = known_slot(data, length)
        while known[slot].data != NULL:
            slot = (slot + 1) % KNOWN_SLOTS
        known[slot] = Known(<const char *> data, length)
        known_texts[slot] = text
    return 0


fill_known()


cdef str text_of(const uint8_t *data, size_t length):
    """Text that has been checked to be UTF-8."""
    cdef size_t slot
    if 0 < length <= 40:
        slot = known_slot(data, length)
        while known[slot].data != NULL:
            if known[slot].length == <Py_ssize_t> length and not memcmp(known[slot].data, data, length):
                return <str> known_texts[slot]
            slot = (slot + 1) % KNOWN_SLOTS
    return PyUnicode_DecodeUTF8(<const char *> data, length, NULL)


# Headers: how they are read


cdef struct Cursor:
    const uint8_t *data
    size_t position
    size_t end


@cython.final
@cython.auto_pickle(False)
cdef class _Block:
    """Owns a heap block of exactly the size of the data in it."""

    cdef uint8_t *data

    def __dealloc__(self):
        PyMem_Free(self.data)


cdef _Block exactly(const uint8_t **data, size_t length):
    """For the address sanitizer: move the data into a block of exactly their size, which lives as long as the owner that
    is returned. So a read past their end is seen, although a message continues after its headers, a stream after its
    message, and a zero ends all ``bytes``."""
    cdef _Block owner = _Block()
    owner.data = <uint8_t *> PyMem_Malloc(length)
    if owner.data == NULL:
        raise MemoryError  # pragma: no cover (only in builds for tests)
    memcpy(owner.data, data[0], length)
    data[0] = owner.data
    return owner


cdef inline const uint8_t *take(Cursor *cursor, size_t length) noexcept nogil:
    """Return the next `length` bytes, NULL where the block has fewer. All reads of a header block come through here."""
    cdef const uint8_t *taken = cursor.data + cursor.position
    if length > cursor.end - cursor.position:
        return NULL
    cursor.position += length
    return taken


cdef inline bint take_name(Cursor *cursor, Field *field) noexcept nogil:
    cdef const uint8_t *length = take(cursor, 1)
    if length == NULL:
        return False
    field.name_length = length[0]
    field.name = take(cursor, field.name_length)
    return field.name != NULL


cdef inline bint take_type(Cursor *cursor, Field *field) noexcept nogil:
    cdef const uint8_t *type_ = take(cursor, 1)
    if type_ == NULL:
        return False
    field.type = type_[0]
    return True


cdef inline bint take_value(Cursor *cursor, Field *field) noexcept nogil:
    """Return the value of a header whose type is one of the ten."""
    cdef const uint8_t *length
    field.value_length = VALUE_LENGTHS[field.type]
    if field.type == TYPE_STRING or field.type == TYPE_BYTE_ARRAY:
        length = take(cursor, 2)
        if length == NULL:
            return False
        field.value_length = <size_t> length[0] << 8 | length[1]
    field.value = take(cursor, field.value_length)
    return field.value != NULL


cdef inline bint is_ascii(const uint8_t *data, size_t length) noexcept nogil:
    cdef uint64_t word, last
    cdef uint32_t half, last_half
    cdef size_t i = 8
    if length < 4:
        word = 0
        for i in range(length):
            word |= data[i]
        return not word & 0x80
    if length < 8:  # two halves; from 8 bytes on words, the last two of which may overlap
        memcpy(&half, data, 4)
        memcpy(&last_half, data + length - 4, 4)
        return not (half | last_half) & 0x80808080U
    memcpy(&word, data, 8)
    memcpy(&last, data + length - 8, 8)
    word |= last
    while i + 8 < length:
        memcpy(&last, data + i, 8)
        word |= last
        i += 8
    return not word & 0x8080808080808080ULL


cdef inline bint is_utf8(const uint8_t *data, size_t length) except -1:
    return is_ascii(data, length) or is_decodable(data, length)


cdef bint is_decodable(const uint8_t *data, size_t length) except -1:
    try:
        PyUnicode_DecodeUTF8(<const char *> data, length, NULL)
    except UnicodeDecodeError:
        return False
    return True


cdef enum:
    PAIRWISE = 16  # names of the first headers are compared pair by pair; from there on a set keeps this linear


cdef int check_headers(const uint8_t *block, size_t length, uint64_t offset) except -1:
    """Check a header block whose first byte is at `offset` of the stream: each header's length, name, UTF-8, type,
    uniqueness and value."""
    cdef Cursor cursor = [block, 0, length]
    cdef const uint8_t *firsts[PAIRWISE]  # each with its length before it
    cdef const uint8_t *header
    cdef Field field
    cdef uint64_t start
    cdef size_t count = 0
    cdef size_t i
    cdef set names = None
    while cursor.position < length:
        start = offset + cursor.position
        header = block + cursor.position
        if not take_name(&cursor, &field):
            raise TruncatedHeader(start, None)
        if field.name_length == 0:
            raise InvalidHeader(start, None, "its name is empty")
        if not is_utf8(field.name, field.name_length):
            raise InvalidHeaderText(start, None)
        if not take_type(&cursor, &field):
            raise TruncatedHeader(start, name_of(&field))
        if field.type > TYPE_UUID:
            raise UnknownHeaderType(start, name_of(&field), field.type)
        for i in range(min(count, <size_t> PAIRWISE)):
            if firsts[i][0] == header[0] and not memcmp(firsts[i], header, 1 + field.name_length):
                raise DuplicateHeader(start, name_of(&field))
        if count < PAIRWISE:
            firsts[count] = header
        else:
            if names is None:
                names = set()
            name = field.name[: field.name_length]
            if name in names:
                raise DuplicateHeader(start, name_of(&field))
            names.add(name)
        count += 1
        if not take_value(&cursor, &field):
            raise TruncatedHeader(start, name_of(&field))
        if field.type == TYPE_STRING and not is_utf8(field.value, field.value_length):
            raise InvalidHeaderText(start, name_of(&field))
    return 0


cdef inline str name_of(Field *field):
    return text_of(field.name, field.name_length)


cdef object value_of(Field *field):
    cdef const uint8_t *value = field.value
    if field.type == TYPE_STRING:
        return text_of(value, field.value_length)
    if field.type == TYPE_BYTE_ARRAY:
        return value[: field.value_length]
    if field.type == TYPE_TIMESTAMP:
        return new_integer(TIMESTAMP, <int64_t> load_u64(value))
    if field.type == TYPE_INTEGER:
        return <int32_t> load_u32(value)
    if field.type == TYPE_LONG:
        return new_integer(LONG, <int64_t> load_u64(value))
    if field.type == TYPE_SHORT:
        return new_integer(SHORT, <int16_t> (<uint16_t> value[0] << 8 | value[1]))
    if field.type == TYPE_BYTE:
        return new_integer(BYTE, <int8_t> value[0])
    if field.type == TYPE_UUID:
        return uuid_class()(bytes=value[:16])
    return field.type == TYPE_TRUE


cdef inline object new_integer(object type_, int64_t value):
    """Return an instance of a subclass of int, without its check: a value of this size is always in range."""
    cdef tuple arguments = (value,)
    return (<PyTypeObject *> int).tp_new(<type> type_, <PyObject *> arguments, NULL)


cdef bint next_header(Headers headers, size_t *position, Field *field) noexcept:
    cdef Cursor cursor = [
        <const uint8_t *> PyBytes_AS_STRING(headers.raw), position[0], <size_t> PyBytes_GET_SIZE(headers.raw)
    ]
    # The block has passed `check_headers`, but the position is the caller's.
    if cursor.position >= cursor.end or not take_name(&cursor, field) or not take_type(&cursor, field):
        return False
    if field.type > TYPE_UUID or not take_value(&cursor, field):
        return False
    position[0] = cursor.position
    return True


cdef dict parse_headers(bytes raw):
    """Return the headers of a block that `check_headers` has passed."""
    cdef Cursor cursor = [<const uint8_t *> PyBytes_AS_STRING(raw), 0, <size_t> PyBytes_GET_SIZE(raw)]
    cdef Field field
    cdef dict headers = {}
    cdef _Block owner
    if ES_ADDRESS_SANITIZER:
        owner = exactly(&cursor.data, cursor.end)
    while take_name(&cursor, &field) and take_type(&cursor, &field) and take_value(&cursor, &field):
        headers[name_of(&field)] = value_of(&field)
    return headers


cdef object find_header(bytes raw, str name, object default):
    """Return the value of one header of a block that `check_headers` has passed."""
    cdef Cursor cursor = [<const uint8_t *> PyBytes_AS_STRING(raw), 0, <size_t> PyBytes_GET_SIZE(raw)]
    cdef Field field
    cdef Py_ssize_t length
    cdef const uint8_t *data = ascii_of(<PyObject *> name, &length)
    cdef _Block owner
    if data == NULL:
        data = utf8_of(name, &length)
    if data == NULL:
        return default
    if ES_ADDRESS_SANITIZER:
        owner = exactly(&cursor.data, cursor.end)
    while take_name(&cursor, &field) and take_type(&cursor, &field) and take_value(&cursor, &field):
        if field.name_length == <size_t> length and not memcmp(field.name, data, length):
            return value_of(&field)
    return default


# Headers: the mapping


cdef enum:
    SEARCHES = 5  # the lookup that parses headers: those of a signed event are looked at twice, then never again

cdef object MISSING = object()


@cython.final
@cython.no_gc
@cython.freelist(16)
@cython.collection_type("mapping")
@cython.binding(False)
cdef class Headers:
    """Headers(mapping={}, /)\n--\n
    The headers of a message: an immutable, hashable mapping from name to value, in the order of the wire.

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

    cdef dict mapping(self):
        with cython.critical_section(self):
            if self._parsed is None:
                self._parsed = parse_headers(self.raw)
            return self._parsed

    cdef object find(self, object name, object default):
        if not ES_FREE_THREADED and self._parsed is not None:
            return self._parsed.get(name, default)
        if type(name) is str and self._is_new():
            return find_header(self.raw, <str> name, default)
        return self.mapping().get(name, default)

    cdef inline bint _is_new(self) noexcept:
        """Whether this lookup is one of the first, for which the headers are not worth parsing."""
        with cython.critical_section(self):
            self._searches += self._searches < SEARCHES
            return self._parsed is None and self._searches < SEARCHES

    def __getitem__(self, name, /):
        value = self.find(name, MISSING)
        if value is MISSING:
            raise KeyError(name)
        return value

    def __contains__(self, name, /):
        return name in self.mapping()

    def __iter__(self):
        return iter(self.mapping())

    def __reversed__(self):
        return reversed(self.mapping())

    def __len__(self):
        return len(self.mapping())

    def get(self, name, default=None, /):
        """Return the value of the header, or `default` if there is none."""
        return self.find(name, default)

    def get_as(self, name, class_, /):
        """Return the value of the header if it has that type.

        Args:
            name: of the header.
            class_: a type of header values. An ``int`` may be any of its subclasses here, but not a ``bool``.

        Returns:
            None if there is no such header, or its value has another type.
        """
        value = self.find(name, None)
        if class_ is int and (value is True or value is False):
            return None
        return value if isinstance(value, class_) else None

    def keys(self):
        """Return the names, in the order of the wire."""
        return self.mapping().keys()

    def values(self):
        """Return the values, in the order of the wire."""
        return self.mapping().values()

    def items(self):
        """Names and values, in the order of the wire."""
        return self.mapping().items()

    def __eq__(self, other, /):
        if type(other) is Headers:
            return self.raw == (<Headers> other).raw or self.mapping() == (<Headers> other).mapping()
        if isinstance(other, MAPPING):
            return self.mapping() == dict(other)
        return NotImplemented

    def __hash__(self):
        return hash(frozenset(self.mapping().items()))

    def __repr__(self):
        return f"Headers({self.mapping()!r})"

    def __reduce__(self):
        from eventstream._codec import restore_headers

        return restore_headers, (encode_headers(self),)


Mapping.register(Headers)


cdef inline Headers headers_with(bytes raw):
    cdef Headers headers = Headers.__new__(Headers)
    headers.raw = raw
    return headers


cdef Headers NO_HEADERS = headers_with(b"")


cdef Headers headers_of(object mapping):
    cdef Writer writer
    if type(mapping) is Headers:
        return <Headers> mapping
    writer_init(&writer)
    try:
        write_headers(&writer, mapping)
        return headers_with(PyBytes_FromStringAndSize(<const char *> writer.data, writer.length))
    finally:
        writer_free(&writer)


cdef inline dict named_of(PyObject *named):
    return {} if named == NULL else <dict> named


# The constructors of `Headers` and `Message` are functions. A `__cinit__` would also run for the objects that are made
# here, and take longer than everything else about them. They are filled before anybody sees them.
cdef object new_headers(PyTypeObject *class_, PyObject *arguments, PyObject *named):
    cdef tuple given = <tuple> arguments
    if len(given) > 1 or named != NULL:
        check_call("Headers", 1, (), len(given), named_of(named))
    return headers_with(headers_of(given[0] if len(given) else NO_HEADERS).raw)


es_set_new(<PyTypeObject *> Headers, new_headers)


cdef bytes encode_headers(Headers headers):
    """Return a message that has only the headers."""
    return encode_message(headers, NULL, 0)


# Messages


@cython.final
@cython.no_gc
@cython.freelist(64)
@cython.binding(False)
cdef class Message:
    """Message(headers={}, payload=b"")\n--\n
    One message: headers and payload; immutable, hashable, picklable.

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

    __match_args__ = ("headers", "payload")

    @classmethod
    def __class_getitem__(cls, payload, /):
        return GenericAlias(cls, payload)

    cpdef bytes encode(self):
        """Return the message in wire form. Only the format's own limits apply: what was decoded always encodes."""
        cdef Py_buffer view
        acquire(self.payload, &view, PyBUF_SIMPLE)
        try:  # it is bytes, or a view of bytes
            return encode_span(self.headers, <const uint8_t *> view.buf, view.len, UINT32_MAX, UINT32_MAX)
        finally:
            PyBuffer_Release(&view)

    @property
    def message_type(self):
        """The ``:message-type`` header: ``event``, ``exception`` or ``error``."""
        return header_text(self, ":message-type")

    @property
    def event_type(self):
        """The ``:event-type`` header."""
        return header_text(self, ":event-type")

    @property
    def exception_type(self):
        """The ``:exception-type`` header; in an ``exception`` message without one, its ``:event-type``."""
        exception_type = header_text(self, ":exception-type")
        if exception_type is None and header_text(self, ":message-type") == "exception":
            return header_text(self, ":event-type")
        return exception_type

    @property
    def content_type(self):
        """The ``:content-type`` header."""
        return header_text(self, ":content-type")

    @property
    def error_code(self):
        """The ``:error-code`` header."""
        return header_text(self, ":error-code")

    @property
    def error_message(self):
        """The ``:error-message`` header."""
        return header_text(self, ":error-message")

    def raise_for_error(self):
        """Raise an error if the message reports one; do nothing for an event.

        Raises:
            ServiceError: the message is an ``exception`` or an ``error``.
        """
        if header_text(self, ":message-type") in ("exception", "error"):
            raise ServiceError.from_message(self)

    def __eq__(self, other, /):
        if type(other) is not Message:
            return NotImplemented
        return self.headers == (<Message> other).headers and self.payload == (<Message> other).payload

    def __hash__(self):
        return hash((self.headers, bytes_of(self.payload)))

    def __repr__(self):
        payload = bytes_of(self.payload)
        shown = repr(payload) if len(payload) <= 64 else f"{payload[:61]!r}... ({len(payload)} bytes)"
        return f"Message({self.headers.mapping()!r}, {shown})"

    def __reduce__(self):
        from eventstream._codec import restore_message

        return restore_message, (self.encode(),)


cdef inline Message message_with(Headers headers, object payload):
    cdef Message message = Message.__new__(Message)
    message.headers = headers
    message.payload = payload
    return message


cdef object new_message(PyTypeObject *class_, PyObject *arguments, PyObject *named):
    cdef tuple given = <tuple> arguments
    cdef dict options
    cdef Py_ssize_t known
    cdef Headers checked
    cdef object headers = given[0] if len(given) > 0 else NO_HEADERS
    cdef object payload = given[1] if len(given) > 1 else b""
    if len(given) > 2 or named != NULL:
        options = named_of(named)
        known = (len(given) < 1 and "headers" in options) + (len(given) < 2 and "payload" in options)
        if len(given) > 2 or known < len(options):
            check_call("Message", 2, ("headers", "payload"), len(given), options)
        headers = options.get("headers", headers)
        payload = options.get("payload", payload)
    checked = headers_of(headers)
    return message_with(checked, bytes_of(payload))


es_set_new(<PyTypeObject *> Message, new_message)


cdef PyMemberDef[2] message_members


cdef int add_message_members() except -1:
    """Give `Message` its attributes as members of a struct, as `__slots__` are. The interpreter reads those by itself, in a
    third of the time that a call of Cython's property takes. Where they lie is found in a message."""
    cdef Headers headers = Headers({"a": True})
    cdef bytes payload = bytes((1, 2))
    cdef Message message = Message(headers, payload)
    cdef PyObject **words = <PyObject **> <PyObject *> message
    cdef size_t i
    message_members[0].name = "headers"
    message_members[1].name = "payload"
    for i in range(sizeof(PyObject) // sizeof(words[0]), sizeof(Message) // sizeof(words[0])):
        if words[i] == <PyObject *> headers:
            message_members[0].offset = i * sizeof(words[0])
        elif words[i] == <PyObject *> payload:
            message_members[1].offset = i * sizeof(words[0])
    for i in range(2):
        if message_members[i].offset == 0:
            raise SystemError("a message is not made as expected")  # pragma: no cover (it is)
        message_members[i].type = T_OBJECT_EX
        message_members[i].flags = READONLY
        (<dict> (<PyTypeObject *> Message).tp_dict)[message_members[i].name.decode()] = PyDescr_NewMember(
            <PyTypeObject *> Message, &message_members[i]
        )
    PyType_Modified(Message)
    return 0


add_message_members()


cdef const uint8_t *payload_of(Message message, size_t *length) except NULL:
    cdef Py_buffer view
    acquire(message.payload, &view, PyBUF_SIMPLE)
    try:  # it is bytes, or a view of bytes, which stay where they are
        length[0] = view.len
        return <const uint8_t *> view.buf
    finally:
        PyBuffer_Release(&view)


cdef str header_text(Message message, str name):
    value = message.headers.find(name, None)
    return value if type(value) is str else None


# Encoding


cdef int check_encoded(uint64_t headers, uint64_t payload, uint64_t max_headers, uint64_t max_payload) except -1:
    """Check both lengths against their limits and the format's own bound."""
    max_headers = min(max_headers, <uint64_t> UINT32_MAX - MIN_MESSAGE_LENGTH)
    if headers > max_headers:
        raise EncodeLimitExceeded("headers", headers, max_headers)
    max_payload = min(max_payload, <uint64_t> UINT32_MAX - MIN_MESSAGE_LENGTH - headers)
    if payload > max_payload:
        raise EncodeLimitExceeded("payload", payload, max_payload)
    return 0


cdef inline uint32_t copy_payload(uint32_t crc, uint8_t *target, const uint8_t *payload, size_t length) noexcept:
    """Copy, and continue the checksum. It is that of the copy, even if another thread writes to the payload meanwhile."""
    if length < RELEASE_GIL_LENGTH:
        return crc32_copy(crc, target, payload, length)
    with nogil:
        es_gil_released()
        crc = crc32_copy(crc, target, payload, length)
        es_await_gil()
    es_gil_taken()
    return crc


@cython.linetrace(False)
cdef inline void write_frame(
    uint8_t *frame,
    const uint8_t *headers,
    size_t headers_length,
    const uint8_t *payload,
    size_t payload_length,
    Headers remembered,
) noexcept:
    """A whole message. Where its headers are `Headers`, these remember the checksums up to the payload: see `_native.pxd`.
    Without the GIL they would need a lock for that, which costs what it saves; lines are not traced, as a tracer would
    let other threads run in between."""
    cdef size_t total_length = MIN_MESSAGE_LENGTH + headers_length + payload_length
    cdef uint8_t *target = frame + PRELUDE_LENGTH + headers_length
    cdef uint32_t crc
    store_u32(frame, <uint32_t> total_length)
    store_u32(frame + 4, <uint32_t> headers_length)
    if not ES_FREE_THREADED and remembered is not None and remembered._total_length == total_length:
        if not remembered._is_known:
            remembered._prelude_crc = crc32(0, frame, 8)
            store_u32(frame + 8, remembered._prelude_crc)
            crc = crc32(remembered._prelude_crc, frame + 8, CRC_LENGTH)
            remembered._head_crc = crc32(crc, headers, headers_length)
            remembered._is_known = True
        store_u32(frame + 8, remembered._prelude_crc)
        memcpy(frame + PRELUDE_LENGTH, headers, headers_length)
        crc = copy_payload(remembered._head_crc, target, payload, payload_length)
        store_u32(frame + total_length - CRC_LENGTH, crc)
        return
    if not ES_FREE_THREADED and remembered is not None:
        remembered._total_length = <uint32_t> total_length
        remembered._is_known = False
    crc = crc32(0, frame, 8)
    store_u32(frame + 8, crc)
    memcpy(frame + PRELUDE_LENGTH, headers, headers_length)
    if payload_length < ONE_PASS_LENGTH:
        if payload_length:
            memcpy(target, payload, payload_length)
        crc = crc32(crc, frame + 8, CRC_LENGTH + headers_length + payload_length)
    else:
        crc = crc32(crc, frame + 8, CRC_LENGTH + headers_length)
        crc = copy_payload(crc, target, payload, payload_length)
    store_u32(frame + total_length - CRC_LENGTH, crc)


cdef inline bytes new_frame(
    const uint8_t *headers,
    size_t headers_length,
    const uint8_t *payload,
    size_t payload_length,
    Headers remembered,
):
    cdef bytes frame = new_bytes(FRAMES, MIN_MESSAGE_LENGTH + headers_length + payload_length)
    write_frame(<uint8_t *> PyBytes_AS_STRING(frame), headers, headers_length, payload, payload_length, remembered)
    return frame


cdef inline bytes new_frame_of(Headers headers, const uint8_t *payload, size_t payload_length):
    return new_frame(
        <const uint8_t *> PyBytes_AS_STRING(headers.raw),
        PyBytes_GET_SIZE(headers.raw),
        payload,
        payload_length,
        headers,
    )


cdef bytes encode_message(Headers headers, const uint8_t *payload, size_t length):
    check_encoded(PyBytes_GET_SIZE(headers.raw), length, UINT32_MAX, UINT32_MAX)
    return new_frame_of(headers, payload, length)


cdef bytes encode_span(
    object headers,
    const uint8_t *payload,
    size_t payload_length,
    uint64_t max_headers,
    uint64_t max_payload,
):
    cdef Writer writer
    if type(headers) is Headers:
        check_encoded(PyBytes_GET_SIZE((<Headers> headers).raw), payload_length, max_headers, max_payload)
        return new_frame_of(<Headers> headers, payload, payload_length)
    writer_init(&writer)
    try:
        write_headers(&writer, headers)
        check_encoded(writer.length, payload_length, max_headers, max_payload)
        return new_frame(writer.data, writer.length, payload, payload_length, None)
    finally:
        writer_free(&writer)


def encode(
    headers,
    payload=b"",
    *,
    max_headers_length=DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length=DEFAULT_MAX_PAYLOAD_LENGTH,
):
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
    cdef uint64_t max_headers = max_headers_of(max_headers_length)
    cdef uint64_t max_payload = max_payload_of(max_payload_length)
    cdef Py_buffer view
    if PyBytes_CheckExact(payload):
        return encode_span(
            headers,
            <const uint8_t *> PyBytes_AS_STRING(payload),
            PyBytes_GET_SIZE(payload),
            max_headers,
            max_payload,
        )
    acquire(payload, &view, PyBUF_SIMPLE)
    try:
        return encode_span(headers, <const uint8_t *> view.buf, view.len, max_headers, max_payload)
    finally:
        PyBuffer_Release(&view)


def encode_into(
    buffer,
    headers,
    payload=b"",
    offset=0,
    *,
    max_headers_length=DEFAULT_MAX_HEADERS_LENGTH,
    max_payload_length=DEFAULT_MAX_PAYLOAD_LENGTH,
):
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
    cdef uint64_t max_headers = max_headers_of(max_headers_length)
    cdef uint64_t max_payload = max_payload_of(max_payload_length)
    cdef Headers checked = headers_of(headers)
    cdef Py_ssize_t start = PyNumber_AsSsize_t(offset, NULL)
    cdef Py_buffer target
    cdef Py_buffer source
    acquire(buffer, &target, PyBUF_WRITABLE)
    try:
        if PyBytes_CheckExact(payload):
            return write_into(
                &target,
                start,
                checked,
                <const uint8_t *> PyBytes_AS_STRING(payload),
                PyBytes_GET_SIZE(payload),
                max_headers,
                max_payload,
            )
        acquire(payload, &source, PyBUF_SIMPLE)
        try:
            return write_into(
                &target, start, checked, <const uint8_t *> source.buf, source.len, max_headers, max_payload
            )
        finally:
            PyBuffer_Release(&source)
    finally:  # pragma: no cover (see pyproject.toml)
        PyBuffer_Release(&target)


cdef Py_ssize_t write_into(
    Py_buffer *target,
    Py_ssize_t start,
    Headers headers,
    const uint8_t *payload,
    size_t length,
    uint64_t max_headers,
    uint64_t max_payload,
) except -1:
    cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(headers.raw)
    cdef size_t headers_length = PyBytes_GET_SIZE(headers.raw)
    cdef size_t total_length = MIN_MESSAGE_LENGTH + headers_length + length
    cdef size_t room = target.len - start if 0 <= start < target.len else 0
    cdef uint8_t *frame = <uint8_t *> target.buf + (target.len - <Py_ssize_t> room)
    check_encoded(headers_length, length, max_headers, max_payload)
    if start < 0:
        raise ValueError("offset is negative")
    if total_length > room:
        raise ValueError(f"a message of {total_length} bytes does not fit into {room} bytes")
    if length and frame < payload + length and payload < frame + total_length:
        raise ValueError("the payload overlaps the part of the buffer that is to be written")
    write_frame(frame, raw, headers_length, payload, length, headers)
    return total_length


# Decoding


cdef struct Prelude:
    size_t total_length
    size_t headers_length


cdef int check_prelude(
    const uint8_t *data,
    size_t available,
    Prelude *prelude,
    uint64_t offset,
    uint64_t max_headers,
    uint64_t max_payload,
) except -1:
    """Return the total and the headers length that the first 12 bytes declare: the checks that need no more bytes.
    Those that are available beyond are only shown."""
    cdef uint32_t computed = crc32(0, data, 8)  # first: values that are loaded earlier would be saved around the call
    cdef uint32_t total_length = load_u32(data)
    cdef uint32_t headers_length = load_u32(data + 4)
    cdef uint32_t expected = load_u32(data + 8)
    cdef uint32_t payload_length
    if expected != computed:
        raise PreludeChecksumMismatch(offset, expected, computed, data[: min(available, <size_t> MAX_SHOWN)])
    if total_length < MIN_MESSAGE_LENGTH or headers_length > total_length - MIN_MESSAGE_LENGTH:
        raise InvalidLength(offset, total_length, headers_length)
    if headers_length > max_headers:
        raise DecodeLimitExceeded(offset, "headers", headers_length, max_headers)
    payload_length = total_length - headers_length - MIN_MESSAGE_LENGTH
    if payload_length > max_payload:
        raise DecodeLimitExceeded(offset, "payload", payload_length, max_payload)
    prelude.total_length = total_length
    prelude.headers_length = headers_length
    return 0


cdef inline uint64_t mix(uint64_t key, const uint8_t *data) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, data, 8)
    key = (key ^ word) * 0x9E3779B97F4A7C15ULL
    return key ^ key >> 29


cdef inline uint64_t key_of(const uint8_t *block, size_t length) noexcept nogil:
    """What tells most blocks apart: their length, and 24 of their bytes."""
    cdef uint8_t[8] short
    if length >= 8:
        return mix(mix(mix(length, block), block + (length - 8) // 2), block + length - 8)
    memcpy(short, b"\0\0\0\0\0\0\0\0", 8)
    memcpy(short, block, length)
    return mix(length, short)


@cython.final
@cython.no_gc
cdef class _HeaderCache:
    """The last distinct header blocks, bounded in number and size so that a hostile stream cannot fill it.

    No two threads use one at once: it belongs to a decoder, which only one may use, or else to a thread, or the GIL
    protects it.
    """

    def __dealloc__(self):
        cdef unsigned int i
        for i in range(<unsigned int> CACHED_BLOCKS):
            Py_XDECREF(self._headers[i])

    cdef Headers find(self, const uint8_t *block, size_t length, uint64_t offset):
        """Return the headers of a block whose first byte is at `offset` of the stream; a new block is checked."""
        cdef uint64_t key
        cdef unsigned int i = self._recent
        cdef Headers headers
        cdef object dropped  # last: a weak reference to a value may run the caller's code, which may call `decode`
        if length == 0:
            return NO_HEADERS
        if self._is_block(i, block, length):
            return <Headers> self._headers[i]
        key = key_of(block, length)
        for i in range(<unsigned int> CACHED_BLOCKS):
            if self._keys[i] == key and self._is_block(i, block, length):
                self._recent = i
                return <Headers> self._headers[i]
        check_headers(block, length, offset)
        if length > MAX_CACHED_BLOCK_LENGTH:
            return headers_with(PyBytes_FromStringAndSize(<const char *> block, length))
        i = self._oldest
        if self._rewrite(i, block, length):
            headers = <Headers> self._headers[i]
            dropped = headers._parsed
            headers._parsed = None
            headers._searches = 0
            headers._total_length = 0
        else:
            headers = headers_with(PyBytes_FromStringAndSize(<const char *> block, length))
            dropped = self._replace(i, headers)
        self._keys[i] = key
        self._recent = i
        self._oldest = (i + 1) % CACHED_BLOCKS
        return headers

    cdef inline bint _rewrite(self, unsigned int i, const uint8_t *block, size_t length) noexcept:
        """Give `Headers` that only the cache has another block, if it is as long. In a signed stream, whose blocks all
        differ, that spares making and freeing two objects for each message."""
        if ES_FREE_THREADED or self._lengths[i] != length or Py_REFCNT(self._headers[i]) != 1:
            return False
        return es_rewrite_bytes(<PyObject *> (<Headers> self._headers[i]).raw, block)

    cdef object _replace(self, unsigned int i, Headers headers):
        """Return the `Headers` that were there before."""
        cdef PyObject *before = self._headers[i]
        Py_INCREF(headers)
        self._headers[i] = <PyObject *> headers
        self._lengths[i] = PyBytes_GET_SIZE(headers.raw)
        self._data[i] = <const uint8_t *> PyBytes_AS_STRING(headers.raw)
        return None if before == NULL else es_owned(before)

    cdef inline bint _is_block(self, unsigned int i, const uint8_t *block, size_t length) noexcept:
        return self._lengths[i] == length and not memcmp(self._data[i], block, length)


cdef inline uint32_t check_frame(
    const uint8_t *frame, size_t head_length, uint8_t *target, size_t length
) noexcept nogil:
    """Return the checksum of a frame up to the end of its payload, which is copied to the target, if there is one.

    It starts anew instead of continuing the prelude's, so that the processor need not wait for that one."""
    if target != NULL and length >= ONE_PASS_LENGTH:
        return crc32_copy(crc32(0, frame, head_length), target, frame + head_length, length)
    if target != NULL:
        memcpy(target, frame + head_length, length)
    return crc32(0, frame, head_length + length)


cdef inline uint32_t check_frame_releasing(
    const uint8_t *frame, size_t head_length, uint8_t *target, size_t length
) noexcept:
    cdef uint32_t crc
    if length < RELEASE_GIL_LENGTH:
        return check_frame(frame, head_length, target, length)
    with nogil:
        es_gil_released()
        crc = check_frame(frame, head_length, target, length)
        es_await_gil()
    es_gil_taken()
    return crc


cdef inline Message checked_message(
    _HeaderCache cache,
    const uint8_t *block,
    size_t length,
    uint64_t offset,
    object payload,
    uint32_t expected,
    uint32_t computed,
):
    """Do the last checks of a message: its CRC, then its headers."""
    cdef _Block owner
    if expected != computed:
        raise_mismatch(offset, expected, computed)
    if ES_ADDRESS_SANITIZER:
        owner = exactly(&block, length)
    return message_with(cache.find(block, length, offset + PRELUDE_LENGTH), payload)


cdef int raise_mismatch(uint64_t offset, uint32_t expected, uint32_t computed) except -1:
    raise MessageChecksumMismatch(offset, expected, computed)


cdef Message read_frame(_HeaderCache cache, const uint8_t *frame, Prelude *prelude, uint64_t offset, object payload):
    """Return the message of a whole frame whose prelude has been checked. The payload is copied unless it is given."""
    cdef size_t head_length = PRELUDE_LENGTH + prelude.headers_length
    cdef size_t length = prelude.total_length - head_length - CRC_LENGTH
    cdef uint8_t *target = NULL
    cdef uint32_t computed
    cdef _Block owner
    if ES_ADDRESS_SANITIZER:
        owner = exactly(&frame, prelude.total_length)
    if payload is None:
        payload = new_bytes(PAYLOADS, length)
        target = <uint8_t *> PyBytes_AS_STRING(payload)
    computed = check_frame_releasing(frame, head_length, target, length)
    return checked_message(
        cache,
        frame + PRELUDE_LENGTH,
        prelude.headers_length,
        offset,
        payload,
        load_u32(frame + head_length + length),
        computed,
    )


cdef _HeaderCache decode_cache = _HeaderCache()


cdef inline _HeaderCache cache_for_decode():
    return <_HeaderCache> own_of_thread(_HeaderCache) if ES_CACHE_PER_THREAD else decode_cache


cdef Message decode_span(const uint8_t *data, size_t length, uint64_t max_headers, uint64_t max_payload):
    cdef Prelude prelude
    cdef Message message
    if length < PRELUDE_LENGTH:
        raise TruncatedMessage(0, length, PRELUDE_LENGTH, data[:length])
    check_prelude(data, length, &prelude, 0, max_headers, max_payload)
    if length < prelude.total_length:
        raise TruncatedMessage(0, length, prelude.total_length)
    message = read_frame(cache_for_decode(), data, &prelude, 0, None)
    if length > prelude.total_length:
        raise TrailingData(prelude.total_length, length - prelude.total_length)
    return message


cdef Message decode_mutable(const uint8_t *data, size_t length, uint64_t max_headers, uint64_t max_payload):
    """Do the same with bytes that may change meanwhile. A copy is checked: of a small message as it is, of a large one
    in parts, so that its payload is copied once."""
    cdef uint8_t[1024] own
    cdef uint8_t *head = own
    cdef uint8_t[CRC_LENGTH] end
    cdef size_t head_length, payload_length
    cdef uint32_t computed
    cdef Prelude prelude
    cdef Message message
    cdef bytes payload, block
    if length <= sizeof(own):
        if length:
            memcpy(own, data, length)
        return decode_span(own, length, max_headers, max_payload)
    memcpy(own, data, MAX_SHOWN)
    check_prelude(own, MAX_SHOWN, &prelude, 0, max_headers, max_payload)
    if length < prelude.total_length:
        raise TruncatedMessage(0, length, prelude.total_length)
    head_length = PRELUDE_LENGTH + prelude.headers_length
    payload_length = prelude.total_length - head_length - CRC_LENGTH
    if head_length > sizeof(own):
        block = PyBytes_FromStringAndSize(NULL, head_length)
        head = <uint8_t *> PyBytes_AS_STRING(block)
        memcpy(head, own, PRELUDE_LENGTH)
    memcpy(head + PRELUDE_LENGTH, data + PRELUDE_LENGTH, prelude.headers_length)
    memcpy(end, data + head_length + payload_length, CRC_LENGTH)
    payload = new_bytes(PAYLOADS, payload_length)
    computed = copy_payload(
        crc32(0, head, head_length), <uint8_t *> PyBytes_AS_STRING(payload), data + head_length, payload_length
    )
    message = checked_message(
        cache_for_decode(), head + PRELUDE_LENGTH, prelude.headers_length, 0, payload, load_u32(end), computed
    )
    if length > prelude.total_length:
        raise TrailingData(prelude.total_length, length - prelude.total_length)
    return message


cdef Message decode_message(const uint8_t *data, size_t length):
    return decode_span(data, length, DEFAULT_MAX_HEADERS, DEFAULT_MAX_PAYLOAD)


def decode(data, *, max_headers_length=DEFAULT_MAX_HEADERS_LENGTH, max_payload_length=DEFAULT_MAX_PAYLOAD_LENGTH):
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
    cdef uint64_t max_headers = max_headers_of(max_headers_length)
    cdef uint64_t max_payload = max_payload_of(max_payload_length)
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return decode_span(
            <const uint8_t *> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), max_headers, max_payload
        )
    acquire(data, &view, PyBUF_SIMPLE)
    try:
        if PyBytes_CheckExact(base_of(data)):
            return decode_span(<const uint8_t *> view.buf, view.len, max_headers, max_payload)
        return decode_mutable(<const uint8_t *> view.buf, view.len, max_headers, max_payload)
    finally:
        PyBuffer_Release(&view)


cdef size_t first_capacity = 256


def _set_first_capacity(size_t capacity) -> None:
    """How large a decoder's buffer is at first: a knob for tests, which find more at the edges of a small one."""
    global first_capacity
    first_capacity = capacity


cdef enum:
    SPARE_CAPACITY = 2048  # bytes that a buffer may keep beyond twice its content
    MIN_ASSEMBLED = 1024  # bytes that are first allocated for a large payload


# How `_take` is called, so that its exceptions need not be caught: saving the state of exceptions for that takes a tenth
# of the time of a small message.
ctypedef PyObject *(*take_fn)(Decoder) noexcept


@cython.final
@cython.no_gc
@cython.binding(False)
cdef class Decoder:
    """Decoder(*, max_headers_length=131072, max_payload_length=25165824, copy=True)\n--\n
    Messages from a stream of bytes that arrives in pieces of any size; does no I/O.

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

    # What is not yet delivered: first the buffer, _data[_start:_stop], which is the tail of an unfinished message
    # unless several chunks were fed at once; then the chunk, _chunk[_position:_end], which is the caller's own bytes.
    #
    # The payload of a large unfinished message is not buffered, but assembled in the bytes in which it will be delivered,
    # `_payload`. Its first `_filled` bytes are there, and `_crc` is the checksum of the message up to them. The bytes grow
    # as bytes arrive, up to `_payload_length`. The buffer holds the message without its payload, and what follows.

    def __cinit__(
        self,
        *,
        max_headers_length=DEFAULT_MAX_HEADERS_LENGTH,
        max_payload_length=DEFAULT_MAX_PAYLOAD_LENGTH,
        copy=True,
    ):
        self._max_headers = max_headers_of(max_headers_length)
        self._max_payload = max_payload_of(max_payload_length)
        self._copy = copy
        self._cache = _HeaderCache()

    def __dealloc__(self):
        PyMem_Free(self._data)
        self._drop_payload()

    @classmethod
    def __class_getitem__(cls, payload, /):
        return GenericAlias(cls, payload)

    def __reduce__(self):
        raise TypeError("a Decoder cannot be pickled or copied")

    @property
    def offset(self):
        """Bytes of the messages delivered."""
        with cython.critical_section(self):
            return self._offset

    @property
    def buffered(self):
        """Bytes received, minus `offset`; of a dead decoder, bytes that will not be delivered."""
        with cython.critical_section(self):
            return self._buffered

    cdef inline int _count(self, size_t received, size_t delivered) noexcept:
        """Other threads may ask for `offset` and `buffered` at any time."""
        with cython.critical_section(self):
            self._buffered += received
            self._buffered -= delivered
            self._offset += delivered
        return 0

    cdef inline int _enter(self) except -1:
        cdef bint busy = es_test_and_set(&self._busy)
        if busy or self._error is not None:
            self._refuse(busy)
        return 0

    cdef int _refuse(self, bint busy) except -1:
        if busy:
            raise StateError("the decoder is in use: it serves one thread, and one call, at a time")
        es_clear(&self._busy)
        raise copy_of(self._error)

    def feed(self, data, /):
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
        cdef Py_buffer view
        if PyBytes_CheckExact(data):
            self._hold(<bytes> data, 0, PyBytes_GET_SIZE(data))
            return self
        acquire(data, &view, PyBUF_SIMPLE)
        try:
            base = base_of(data)
            if PyBytes_CheckExact(base) and (not self._copy or 2 * view.len >= PyBytes_GET_SIZE(base)):
                self._hold(<bytes> base, <const char *> view.buf - PyBytes_AS_STRING(base), view.len)
            else:
                self.receive(<const uint8_t *> view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        return self

    cdef int _hold(self, bytes chunk, size_t position, size_t length) except -1:
        """Receive bytes that cannot change, in place."""
        self._enter()
        try:
            if self._closed:
                raise StateError("feed after close")
            if self._chunk is not None and (length or self._is_sparse()):
                self._gather(SIZE_MAX)
            if self._capacity > SPARE_CAPACITY:
                self._trim()
            if length:
                self._chunk = chunk
                self._position = position
                self._end = position + length
                self._count(length, 0)
        finally:
            es_clear(&self._busy)
        return 0

    cdef bint _is_sparse(self) noexcept:
        """Whether most of the chunk has been delivered, so that keeping it would hold much memory for few bytes."""
        return self._copy and self._chunk is not None and 2 * (self._end - self._position) < <size_t> Py_SIZE(self._chunk)

    cdef size_t _begin_payload(self, const uint8_t *data, size_t length) except? 0:
        """If nothing is buffered, and a valid message with a large payload begins here, take its head and make room for the
        rest, so that its payload need not be buffered first. Return how many bytes were taken; 0 if there is no such
        message. What is wrong with an invalid one is raised when the decoder is iterated over."""
        cdef uint8_t[PRELUDE_LENGTH] head
        cdef uint32_t total_length, headers_length
        cdef size_t head_length, payload_length, part, buffered
        cdef bytes payload
        cdef uint8_t *frame
        if length < ASSEMBLED_LENGTH or self._start != self._stop or self._payload != NULL:
            return 0
        memcpy(head, data, PRELUDE_LENGTH)
        total_length = load_u32(head)
        headers_length = load_u32(head + 4)
        if load_u32(head + 8) != crc32(0, head, 8) or total_length < MIN_MESSAGE_LENGTH:
            return 0
        if headers_length > min(self._max_headers, <uint64_t> total_length - MIN_MESSAGE_LENGTH):
            return 0
        head_length = PRELUDE_LENGTH + headers_length
        payload_length = total_length - head_length - CRC_LENGTH
        if payload_length < ASSEMBLED_LENGTH or payload_length > self._max_payload or length < head_length:
            return 0
        part = min(payload_length, length - head_length)
        buffered = length - part
        payload = PyBytes_FromStringAndSize(NULL, min(payload_length, max(part, <size_t> MIN_ASSEMBLED)))
        if buffered > self._capacity - self._stop:
            self._reserve(buffered)
        # Nothing fails from here on.
        frame = self._data + self._stop
        memcpy(frame, head, PRELUDE_LENGTH)
        memcpy(frame + PRELUDE_LENGTH, data + PRELUDE_LENGTH, headers_length)
        self._stop += head_length
        self._crc = crc32(0, frame, head_length)
        self._filled = 0
        self._payload_length = payload_length
        self._payload = <PyObject *> payload
        Py_INCREF(payload)
        return head_length

    cdef int receive(self, const uint8_t *data, size_t length) except -1:
        cdef size_t taken
        self._enter()
        try:
            if self._closed:
                raise StateError("feed after close")
            if length or self._is_sparse():
                self._gather(SIZE_MAX)
                taken = self._begin_payload(data, length)
                self._append(data + taken, length - taken)
            self._trim()
            self._count(length, 0)
        finally:
            es_clear(&self._busy)
        return 0

    def __iter__(self):
        return self

    def __next__(self):
        cdef Message message = self.next_message()
        if message is None:
            raise StopIteration
        return message

    cdef Message next_message(self):
        cdef PyObject *taken = NULL
        self._enter()
        if self._chunk is None and self._start == self._stop:
            es_clear(&self._busy)
            return None
        taken = (<take_fn> Decoder._take)(self)
        if taken == NULL:
            self._fail()
        es_clear(&self._busy)
        return <Message> es_owned(taken)

    cdef int _fail(self) except -1:
        """Raise what `_take` has set; an error of the sender's kills the decoder."""
        try:
            raise_current()
        except DecodeError as error:
            if isinstance(error, DecodeError):  # a MemoryError replaces it if there is no memory for its traceback
                if isinstance(error, PreludeChecksumMismatch):
                    error.__init__(error.offset, error.expected, error.computed, self._beginning())
                self._error = copy_of(error)
                self._release_chunk()
                self._discard(self._stop - self._start)
                self._drop_payload()
            raise
        finally:
            es_clear(&self._busy)

    cdef object _take(self):
        cdef size_t available = self._end - self._position
        cdef const uint8_t *frame
        cdef Prelude prelude
        cdef Message message
        cdef object payload = None
        if self._start != self._stop or available < PRELUDE_LENGTH:
            return self._take_from_buffer()
        frame = <const uint8_t *> PyBytes_AS_STRING(self._chunk) + self._position
        check_prelude(frame, PRELUDE_LENGTH, &prelude, self._offset, self._max_headers, self._max_payload)
        if available < prelude.total_length:
            return self._take_from_buffer()
        if not self._copy:
            payload = self._payload_view(
                self._position + PRELUDE_LENGTH + prelude.headers_length,
                prelude.total_length - prelude.headers_length - MIN_MESSAGE_LENGTH,
                self._position + prelude.total_length == self._end,
            )
        message = read_frame(self._cache, frame, &prelude, self._offset, payload)
        self._position += prelude.total_length
        self._count(0, prelude.total_length)
        if self._position == self._end:
            self._release_chunk()
        return message

    cdef object _payload_view(self, size_t position, size_t length, bint last):
        """``memoryview(self._chunk)[position : position + length]``. The views of one chunk share its export, unless the
        chunk is small; the last may well be the only."""
        cdef object payload
        if not ES_FREE_THREADED and es_may_spare(&spare_views, PyBytes_GET_SIZE(self._chunk)):
            return es_new_view(&spare_views, self._chunk, position, length)  # pragma: no cover (as with sanitizers)
        if self._view is None and not last:
            self._view = PyMemoryView_FromObject(self._chunk)
        payload = PyMemoryView_FromObject(self._chunk if self._view is None else self._view)
        es_narrow_view(payload, position, length)
        return payload

    cdef Message _take_from_buffer(self):
        """Return the message that does not lie whole in one chunk, or that several chunks were fed after."""
        cdef Prelude prelude
        cdef Message message
        cdef size_t head_length, payload_length
        cdef const uint8_t *frame
        if not self._gather(PRELUDE_LENGTH):
            return None
        frame = self._data + self._start
        check_prelude(frame, PRELUDE_LENGTH, &prelude, self._offset, self._max_headers, self._max_payload)
        head_length = PRELUDE_LENGTH + prelude.headers_length
        payload_length = prelude.total_length - head_length - CRC_LENGTH
        if self._payload == NULL and payload_length >= ASSEMBLED_LENGTH:
            if self._stop - self._start < prelude.total_length and self._gather(head_length):
                self._assemble(head_length, payload_length)
        if not self._gather(prelude.total_length):
            return None
        frame = self._data + self._start
        if self._payload == NULL:
            message = read_frame(self._cache, frame, &prelude, self._offset, None)
            self._discard(prelude.total_length)
        else:
            message = checked_message(
                self._cache,
                frame + PRELUDE_LENGTH,
                prelude.headers_length,
                self._offset,
                <object> self._payload,
                load_u32(frame + head_length),
                self._crc,
            )
            self._drop_payload()
            self._discard(head_length + CRC_LENGTH)
        self._count(0, prelude.total_length)
        return message

    cdef int _assemble(self, size_t head_length, size_t payload_length) except -1:
        """Begin to assemble the payload of the unfinished message, whose prelude and headers are in the buffer."""
        cdef size_t available = self._stop - self._start - head_length
        cdef size_t filled = min(available, payload_length)
        cdef size_t expected = filled + self._end - self._position
        cdef bytes payload = PyBytes_FromStringAndSize(NULL, min(payload_length, max(expected, <size_t> MIN_ASSEMBLED)))
        cdef uint8_t *frame = self._data + self._start
        self._crc = copy_payload(
            crc32(0, frame, head_length), <uint8_t *> PyBytes_AS_STRING(payload), frame + head_length, filled
        )
        memmove(frame + head_length, frame + head_length + filled, available - filled)
        self._stop -= filled
        self._filled = filled
        self._payload_length = payload_length
        self._payload = <PyObject *> payload
        Py_INCREF(payload)
        return self._trim()

    cdef int _grow_payload(self, size_t needed) except -1:
        """Make room for `needed` bytes of the payload in all: twice that, so that each byte moves once or so on average,
        and in the end exactly."""
        cdef size_t capacity = min(self._payload_length, 2 * needed)
        cdef PyObject *payload = es_resize_bytes(self._payload, capacity)
        if payload == NULL:
            raise MemoryError
        self._payload = payload
        return 0

    cdef int _drop_payload(self) noexcept:
        Py_XDECREF(self._payload)
        self._payload = NULL
        self._filled = 0
        return 0

    cdef inline int _release_chunk(self) noexcept:
        self._chunk = None
        self._view = None
        self._position = 0
        self._end = 0
        return 0

    cdef bint _gather(self, size_t length) except -1:
        """Move bytes from the chunk to the buffer before it, until that has `length`; return whether it has them now."""
        cdef size_t live = self._stop - self._start + self._filled
        cdef size_t moved
        if live >= length:
            return True
        if self._chunk is None:
            return False
        moved = min(length - live, self._end - self._position)
        self._append(<const uint8_t *> PyBytes_AS_STRING(self._chunk) + self._position, moved)
        self._position += moved
        if self._position == self._end:
            self._release_chunk()
        return live + moved >= length

    cdef int _append(self, const uint8_t *data, size_t length) except -1:
        cdef size_t part = 0  # of the payload
        cdef uint8_t *target
        if self._payload != NULL:
            part = min(length, self._payload_length - self._filled)
            if self._filled + part > <size_t> Py_SIZE(<object> self._payload):
                self._grow_payload(self._filled + part)
        if length - part > self._capacity - self._stop:
            self._reserve(self._stop - self._start + length - part)
        if part:
            target = <uint8_t *> PyBytes_AS_STRING(<object> self._payload) + self._filled
            self._crc = copy_payload(self._crc, target, data, part)
            self._filled += part
        if length > part:
            memcpy(self._data + self._stop, data + part, length - part)
            self._stop += length - part
        return 0

    cdef int _reserve(self, size_t needed) except -1:
        """Make room for `needed` bytes in all. Each byte is moved a bounded number of times, however small the pieces:
        either at least as many have been delivered since, or the buffer grows by half."""
        cdef size_t live = self._stop - self._start
        cdef bint roomy = self._start >= live and needed <= self._capacity
        cdef size_t capacity = max(needed + needed // 2, first_capacity)
        cdef uint8_t *data
        if live and self._start:
            memmove(self._data, self._data + self._start, live)
        self._start = 0
        self._stop = live
        if not roomy:
            data = <uint8_t *> PyMem_Realloc(self._data, capacity)
            if data == NULL:
                raise MemoryError
            self._data = data
            self._capacity = capacity
        return 0

    cdef int _discard(self, size_t length) noexcept:
        """Drop delivered bytes from the buffer, and a large buffer with the last of them."""
        self._start += length
        if self._start == self._stop:
            self._start = 0
            self._stop = 0
            if self._capacity > SPARE_CAPACITY:
                PyMem_Free(self._data)
                self._data = NULL
                self._capacity = 0
        return 0

    cdef int _trim(self) except -1:
        """Keep the buffer within twice what is in it, and a constant."""
        cdef size_t live = self._stop - self._start
        cdef uint8_t *data
        if self._capacity <= 2 * live + SPARE_CAPACITY:
            return 0
        memmove(self._data, self._data + self._start, live)
        self._start = 0
        self._stop = live
        data = <uint8_t *> PyMem_Realloc(self._data, max(live, first_capacity))
        if data != NULL:  # otherwise it stays as large as it is
            self._data = data
            self._capacity = max(live, first_capacity)
        return 0

    def close(self):
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
            es_clear(&self._busy)

    cdef object _truncation(self):
        """Return the error if what was received ends in mid-message. A faulty message raises when it is iterated."""
        cdef size_t end = self._buffered
        cdef size_t position = 0
        cdef size_t needed, length
        cdef uint8_t[PRELUDE_LENGTH] data
        cdef Prelude prelude
        while position < end:
            needed = PRELUDE_LENGTH
            length = self._peek(position - self._filled if position else 0, data, PRELUDE_LENGTH)
            if end - position >= needed:
                try:
                    check_prelude(
                        data, length, &prelude, self._offset + position, self._max_headers, self._max_payload
                    )
                except DecodeError:
                    return None
                needed = prelude.total_length
                length = 0
            if end - position < needed:
                return TruncatedMessage(self._offset + position, end - position, needed, data[:length])
            position += needed
        return None

    cdef bytes _beginning(self):
        """Return the first bytes that are not yet delivered, as many as errors show."""
        cdef uint8_t[MAX_SHOWN] data
        return data[: self._peek(0, data, MAX_SHOWN)]

    cdef size_t _peek(self, size_t start, uint8_t *target, size_t length) noexcept:
        """Copy what is not yet delivered from `start` on, as if the buffer and the chunk were one. Return how many bytes
        that are, at most `length`."""
        cdef size_t live = self._stop - self._start
        cdef size_t from_buffer = min(live - start, length) if start < live else 0
        cdef size_t position = self._position + (start + from_buffer - live)
        if from_buffer:
            memcpy(target, self._data + self._start + start, from_buffer)
        if from_buffer == length or self._chunk is None:
            return from_buffer
        length = min(length - from_buffer, self._end - position)
        memcpy(target + from_buffer, PyBytes_AS_STRING(self._chunk) + position, length)
        return from_buffer + length


cdef newfunc made_decoder = (<PyTypeObject *> Decoder).tp_new


cdef object new_decoder(PyTypeObject *class_, PyObject *arguments, PyObject *named):
    """What Cython has made. It would name `__cinit__` in the error of a wrong call."""
    cdef tuple given = <tuple> arguments
    cdef dict options
    cdef Py_ssize_t known
    if len(given) or named != NULL:
        options = named_of(named)
        known = ("copy" in options) + ("max_headers_length" in options) + ("max_payload_length" in options)
        if len(given) or known < len(options):
            check_call("Decoder", 0, ("max_headers_length", "max_payload_length", "copy"), len(given), options)
    return made_decoder(<type> class_, arguments, named)


es_set_new(<PyTypeObject *> Decoder, new_decoder)


@cython.final
@cython.no_gc_clear
@cython.binding(False)
cdef class DecoderMap:
    """`map` over the messages of a decoder, with the errors mapped too; adapters to other libraries use it.

    It stops when the decoder needs more bytes, and resumes after its next `feed`.

    Args:
        decoder: the `Decoder`.
        convert: from a `Message` to what is iterated over.
        translate: from a `CodecError` to the exception to raise in its place; the `CodecError` becomes its cause.
    """

    cdef Decoder _decoder
    cdef object _convert
    cdef object _translate
    cdef Message _unconverted  # whose conversion failed

    def __cinit__(self, decoder, convert, translate, /):
        if not isinstance(decoder, Decoder):
            raise TypeError(f"expected a Decoder, not {type(decoder).__name__}")
        self._decoder = <Decoder> decoder
        self._convert = convert
        self._translate = translate

    def __iter__(self):
        return self

    def __next__(self):
        cdef Message message = self._unconverted
        self._unconverted = None
        if message is None:
            try:
                message = self._decoder.next_message()
            except CodecError as error:
                raise self._translate(error) from error
            if message is None:
                raise StopIteration
        try:
            return self._convert(message)
        except BaseException:
            self._unconverted = message
            raise


# Salvage: the parts of `_salvage.py` that must be fast


def decoder_at(uint64_t offset, max_headers_length, max_payload_length):
    """Return a decoder whose first byte is at `offset` of the stream, so that its errors say where they are in it."""
    cdef Decoder decoder = Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)
    decoder._offset = offset
    return decoder


cdef enum:
    WINDOW = 8  # the two lengths, which the prelude's checksum covers
    POLYNOMIAL = 0xEDB88320  # x**32 is what it leaves; bit 31 is the coefficient of x**0
    ONE = 0x80000000

cdef uint32_t[256] entering  # the register after a byte
cdef uint32_t[256] leaving  # and what remains of that byte in it after WINDOW more


cdef inline uint32_t divided(uint32_t register, int bits) noexcept nogil:
    """Return the register after this many zero bits."""
    cdef int i
    for i in range(bits):
        register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
    return register


cdef int fill_window_tables() noexcept:
    cdef int i
    for i in range(256):
        entering[i] = divided(i, 8)
        leaving[i] = divided(i, 8 + 8 * WINDOW)
    return 0


fill_window_tables()


cdef size_t next_prelude(const uint8_t *data, size_t start, size_t stop) noexcept nogil:
    """Return the first position in [start, stop) where a valid prelude begins, `stop` if there is none.

    The checksum of the window rolls on byte by byte: it is linear, so a byte that leaves can be taken out again."""
    cdef uint32_t zeros = crc32(0, b"\0\0\0\0\0\0\0\0", WINDOW)
    cdef uint32_t register = 0
    cdef uint32_t total_length
    cdef size_t i
    for i in range(start, start + WINDOW):
        register = register >> 8 ^ entering[(register ^ data[i]) & 0xFF]
    for i in range(start, stop):
        if load_u32(data + i + WINDOW) == register ^ zeros:
            total_length = load_u32(data + i)
            if total_length >= MIN_MESSAGE_LENGTH and load_u32(data + i + 4) <= total_length - MIN_MESSAGE_LENGTH:
                return i
        register = register >> 8 ^ entering[(register ^ data[i + WINDOW]) & 0xFF] ^ leaving[data[i]]
    return stop


def find_prelude(data, size_t start, size_t stop) -> int:
    """Return the first position in [start, stop) where the data holds a valid prelude, -1 if there is none.

    Its checksum and its lengths are valid. The time is proportional to what is searched.
    """
    cdef Py_buffer view
    cdef size_t last, found
    acquire(data, &view, PyBUF_SIMPLE)
    try:
        if view.len < PRELUDE_LENGTH:
            return -1
        last = min(stop, <size_t> view.len - PRELUDE_LENGTH + 1)
        if start >= last:
            return -1
        with nogil:
            found = next_prelude(<const uint8_t *> view.buf, start, last)
        return -1 if found == last else <Py_ssize_t> found
    finally:
        PyBuffer_Release(&view)


cdef uint32_t multiplied(uint32_t a, uint32_t b) noexcept nogil:
    """Return the product of two polynomials over GF(2), modulo that of the checksum."""
    cdef uint32_t product = 0
    while a:
        if a & ONE:
            product ^= b
        a <<= 1
        b = divided(b, 1)
    return product


cdef uint32_t[64] byte_powers  # x**(8 * 2**i)


cdef int fill_byte_powers() noexcept:
    cdef int i
    byte_powers[0] = ONE >> 8
    for i in range(1, 64):
        byte_powers[i] = multiplied(byte_powers[i - 1], byte_powers[i - 1])
    return 0


fill_byte_powers()


def crc32_combine(uint32_t first, uint32_t second, uint64_t length) -> int:
    """Return the checksum of two ranges, one after the other, from those of each; `length` is the second's.

    The first one's remainder is multiplied by x**(8 * length), a product of powers that are at hand.
    """
    cdef int i = 0
    while first and length:
        if length & 1:
            first = multiplied(first, byte_powers[i])
        i += 1
        length >>= 1
    return first ^ second
