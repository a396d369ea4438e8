"""What only the native core has: its C-level interface, and memory that it asks for itself.

The interface is compiled into other packages, and so pinned literally, in the order of the file. Methods are called by
their place in it, and attributes read where they lie, so that an addition comes after what is stable already, and
before what is private. Whatever else changes here raises `API_VERSION`. What a package makes of it, and how it is
refused, `tests/door.sh` tries on an installed wheel.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import frames
import pytest

import eventstream
from eventstream import TruncatedMessage

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")

STABLE = """
cdef enum:
API_VERSION = 1
cdef enum:
TYPE_TRUE, TYPE_FALSE, TYPE_BYTE, TYPE_SHORT, TYPE_INTEGER, TYPE_LONG, TYPE_BYTE_ARRAY, TYPE_STRING, TYPE_TIMESTAMP
TYPE_UUID
cdef struct Field:
const uint8_t *name
size_t name_length
uint8_t type
const uint8_t *value
size_t value_length
cdef class Headers:
cdef readonly bytes raw
cdef dict mapping(self)
cdef object find(self, object name, object default)
cdef class Message:
cdef readonly Headers headers
cdef readonly object payload
cpdef bytes encode(self)
cdef class Decoder:
cdef int receive(self, const uint8_t *data, size_t length) except -1
cdef Message next_message(self)
cdef bint next_header(Headers headers, size_t *position, Field *field) noexcept
cdef const uint8_t *payload_of(Message message, size_t *length) except NULL
cdef bytes encode_message(Headers headers, const uint8_t *payload, size_t length)
cdef Message decode_message(const uint8_t *data, size_t length)
cdef uint32_t checksum(uint32_t crc, const uint8_t *data, size_t length) noexcept nogil
cdef inline int require_api() except -1:
return check_api(API_VERSION, sizeof(Headers), sizeof(Message), sizeof(Decoder))
""".split("\n")[1:-1]  # noqa: SIM905


def declarations() -> list[str]:
    """Of `_native.pxd`, in order, without what is private."""
    text = (Path(eventstream.__file__).parent / "_native.pxd").read_text(encoding="utf-8")
    text = text.split('"""', 2)[2]
    text = re.sub(r"^.*# private\n(    .*\n|\n(?=    ))*", "", text, flags=re.MULTILINE)  # with what is below it
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    private = re.compile(r"@|cimport|from .* cimport|cdef [^(]* [*]?_\w+(\[\d+\])?$")
    return [line for line in lines if line and not private.match(line)]


def test_the_stable_interface():
    assert declarations() == STABLE


def test_the_functions_are_exported_for_other_modules(native):
    functions = {
        re.search(r"(\w+)\(", line)[1] for line in STABLE if re.match(r"cdef .*\(", line) and "self" not in line
    }
    assert set(native.__pyx_capi__) == functions - {"require_api"} | {"check_api"}


def c_function(native, name, *arguments):
    """A function of `_native.pxd`, as another Cython package calls it: with the GIL, and its exceptions are raised."""
    capsule = native.__pyx_capi__[name]
    ctypes.pythonapi.PyCapsule_GetName.restype = ctypes.c_char_p
    ctypes.pythonapi.PyCapsule_GetName.argtypes = [ctypes.py_object]
    ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
    ctypes.pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = ctypes.pythonapi.PyCapsule_GetPointer(capsule, ctypes.pythonapi.PyCapsule_GetName(capsule))
    return ctypes.PYFUNCTYPE(ctypes.py_object, *arguments)(address)


def test_decode_message(native):
    decode_message = c_function(native, "decode_message", ctypes.c_char_p, ctypes.c_size_t)
    message = decode_message(frames.TEN_FRAME, len(frames.TEN_FRAME))
    assert message == native.decode(frames.TEN_FRAME)
    with pytest.raises(TruncatedMessage):
        decode_message(frames.TEN_FRAME, len(frames.TEN_FRAME) - 1)


def test_encode_message(native):
    encode_message = c_function(native, "encode_message", ctypes.py_object, ctypes.c_char_p, ctypes.c_size_t)
    headers = native.Headers(frames.TEN_HEADERS)
    assert encode_message(headers, b"payload", 7) == frames.TEN_FRAME
    assert encode_message(native.Headers(), None, 0) == frames.EMPTY_FRAME


LITTLE_MEMORY = """
import resource
import eventstream
def limit(size):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size, resource.RLIM_INFINITY))
def refused(function, *arguments):
    try:
        function(*arguments)
    except MemoryError:
        return True
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory can be limited on Linux alone")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers need all the address space there is")
@pytest.mark.parametrize(
    "program",
    [
        """
headers = {f"{number:04}": bytes(32_767) for number in range(4_000)}  # 131 MB
limit(100 << 20)
assert refused(eventstream.Headers, headers)
assert eventstream.Headers({"a": 1}).raw
""",
        """
message = eventstream.encode({}, bytes(1000))
pieces = message * 100_000
decoder = eventstream.Decoder()
limit(120 << 20)
decoder.feed(pieces[:-1])
assert refused(decoder.feed, bytearray(pieces[:1 << 20]))  # copied behind the first, which must be moved for it
assert decoder.buffered == len(pieces) - 1
assert sum(1 for _ in decoder) == 99_999
assert decoder.buffered == len(message) - 1
""",
        """
payload = bytes(100 << 20)
message = eventstream.encode({}, payload, max_payload_length=None)
rest = message[40 << 20 :]
decoder = eventstream.Decoder(max_payload_length=None)
for position in range(0, 40 << 20, 1 << 20):
    assert next(decoder.feed(message[position : position + (1 << 20)]), None) is None
limit(16 << 20)
assert refused(next, decoder.feed(rest))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert next(decoder).payload == payload  # nothing is lost
""",
    ],
    ids=["headers", "buffer", "payload"],
)
def test_memory_that_is_short_is_a_memory_error(native, program):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "EVENTSTREAM_PURE_PYTHON": "0"}
    subprocess.run([sys.executable, "-c", LITTLE_MEMORY + program], check=True, env=environment, cwd="/")
