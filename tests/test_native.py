"""What only the native core has: its C-level interface, and memory that it asks for itself.

The interface is compiled into other packages, and so pinned literally, in the order of the file. Methods are called by
their place in it, and attributes read where they lie, so that an addition comes after what is stable already, and
before what is private. Whatever else changes here raises `API_VERSION`. What a package makes of it, and how it is
refused, `tools/release/door.sh` tries on an installed wheel.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import frames
import pytest
from programs import FREE_THREADED, environment

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


def test_stable_interface():
    assert declarations() == STABLE


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
def test_no_comparison_of_different_signs(tmp_path):
    """Whoever builds the extension is warned of one by gcc: Python's own options ask it to."""
    pytest.importorskip("Cython")
    sources = Path(__file__).parents[1] / "eventstream"  # a wheel has none
    translated = tmp_path / "_native.c"
    command = [sys.executable, "-m", "cython", "-3", sources / "_native.pyx", "-o", translated]
    # A sanitizer that this process was started with would judge Cython and the compiler, too.
    variables = {name: value for name, value in environment().items() if name != "LD_PRELOAD"}
    subprocess.run(command, check=True, timeout=600, env=variables)
    folders = [f"-I{folder}" for folder in (sources, sysconfig.get_path("include"))]
    command = ["gcc", "-fsyntax-only", "-Wsign-compare", *folders, translated]
    done = subprocess.run(command, check=False, timeout=600, capture_output=True, text=True, env=variables)
    assert (done.returncode, done.stderr) == (0, "")


def test_functions_are_exported_for_other_modules(native):
    functions = {
        re.search(r"(\w+)\(", line)[1] for line in STABLE if re.match(r"cdef .*\(", line) and "self" not in line
    }
    assert set(native.__pyx_capi__) == functions - {"require_api"} | {"check_api"}


def c_function(native, name, *arguments, gives=ctypes.py_object):
    """Return a function of `_native.pxd`, called as another Cython package does: with the GIL, raising exceptions."""
    capsule = native.__pyx_capi__[name]
    ctypes.pythonapi.PyCapsule_GetName.restype = ctypes.c_char_p
    ctypes.pythonapi.PyCapsule_GetName.argtypes = [ctypes.py_object]
    ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
    ctypes.pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = ctypes.pythonapi.PyCapsule_GetPointer(capsule, ctypes.pythonapi.PyCapsule_GetName(capsule))
    return ctypes.PYFUNCTYPE(gives, *arguments)(address)


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


class Field(ctypes.Structure):
    """`Field` of `_native.pxd`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_size_t),
        ("type", ctypes.c_uint8),
        ("value", ctypes.c_void_p),
        ("value_length", ctypes.c_size_t),
    )


def fields(native, headers, start=0):
    """Name, type and value of each header from a position on."""
    size_pointer, field_pointer = ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(Field)
    next_header = c_function(native, "next_header", ctypes.py_object, size_pointer, field_pointer, gives=ctypes.c_int)
    position, field = ctypes.c_size_t(start), Field()
    while next_header(headers, position, field):
        name, value = (
            ctypes.string_at(at, length)
            for at, length in ((field.name, field.name_length), (field.value, field.value_length))
        )
        yield name, field.type, value


def test_next_header(native):
    headers = native.Headers({"on": True, "n": 258, "s": "text"})
    assert list(fields(native, headers)) == [(b"on", 0, b""), (b"n", 4, b"\x00\x00\x01\x02"), (b"s", 7, b"text")]
    assert list(fields(native, headers, 4)) == [(b"n", 4, b"\x00\x00\x01\x02"), (b"s", 7, b"text")]
    assert list(fields(native, native.Headers())) == []


def test_next_header_of_every_type(native):
    headers = native.Headers(frames.TEN_HEADERS)
    assert [type_ for _, type_, _ in fields(native, headers)] == [type_ for _, _, type_, _ in frames.TEN_TYPES]


@pytest.mark.parametrize(
    "block",
    [b"\x01n\x00", b"\x02na\x07\x00\x01x", b"\x01n\x06\x00\x03\x01x\xc8", b"\x01n\x06\x00\x03\x01x\x05"],
    ids=["no value", "text", "bytes like a header of no type", "bytes like a header that is cut"],
)
def test_next_header_stays_in_the_block_from_any_position(native, block):
    headers = native.decode(frames.frame(block)).headers
    for start in (*range(1, len(block) + 2), 2**32, 2**63):
        for name, type_, value in fields(native, headers, start):
            assert type_ <= 9
            assert len(name) + len(value) < len(block)


@pytest.mark.parametrize("copy", [True, False])
def test_payload_of(native, copy):
    payload_of = c_function(
        native, "payload_of", ctypes.py_object, ctypes.POINTER(ctypes.c_size_t), gives=ctypes.c_void_p
    )
    message = next(native.Decoder(copy=copy).feed(frames.frame(b"", b"payload")))
    length = ctypes.c_size_t()
    assert ctypes.string_at(payload_of(message, length), length.value) == b"payload"


def test_payload_of_a_view_that_was_released(native):
    payload_of = c_function(
        native, "payload_of", ctypes.py_object, ctypes.POINTER(ctypes.c_size_t), gives=ctypes.c_void_p
    )
    message = next(native.Decoder(copy=False).feed(frames.frame(b"", b"payload")))
    message.payload.release()
    with pytest.raises(BufferError):
        payload_of(message, ctypes.c_size_t())


def test_checksum(native):
    checksum = c_function(native, "checksum", ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, gives=ctypes.c_uint32)
    assert checksum(0, b"123456789", 9) == 0xCBF43926
    assert checksum(checksum(0, b"1234", 4), b"56789", 5) == 0xCBF43926


def test_check_api(native):
    check_api = c_function(native, "check_api", ctypes.c_int, *[ctypes.c_size_t] * 3, gives=ctypes.c_int)
    sizes = [class_.__basicsize__ for class_ in (native.Headers, native.Message, native.Decoder)]
    assert check_api(1, *sizes) == 0
    with pytest.raises(ImportError, match=r"compiled against .* version 2; this one has version 1: compile again"):
        check_api(2, *sizes)
    for i in range(3):
        other = [size + 8 * (i == j) for j, size in enumerate(sizes)]
        with pytest.raises(
            ImportError, match=f"of {other[0]}, {other[1]} and {other[2]} bytes; this one has {sizes[0]}"
        ):
            check_api(1, *other)


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
@pytest.mark.skipif(FREE_THREADED, reason="its allocator has reserved more address space than these programs use")
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
message = eventstream.encode({}, bytes(10_000))
pieces = message * 10_000
decoder = eventstream.Decoder()
limit(120 << 20)
decoder.feed(pieces[:-1])
assert refused(decoder.feed, bytearray(pieces[:1 << 20]))  # copied behind the first, which must be moved for it
assert decoder.buffered == len(pieces) - 1
assert sum(1 for _ in decoder) == 9_999
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
    command = [sys.executable, "-c", LITTLE_MEMORY + program]
    subprocess.run(command, check=True, timeout=600, env=environment(EVENTSTREAM_PURE_PYTHON="0"), cwd="/")


OF_ALL_LENGTHS = """
import eventstream
decoder = eventstream.Decoder(copy=False)
lengths = [*range(2, 4300, 61), *range(4300, 21_000, 701)]
for length in (lengths + lengths[::-1]) * 2:
    for _ in range(70):  # more than it rests after lengths that do not fit
        payload = bytes([length % 256]) * length
        wire = eventstream.encode({}, payload)
        assert eventstream.decode(wire).payload == payload
        assert next(decoder.feed(wire)).payload == payload
"""


def test_reused_memory_is_not_overrun(native):
    """The debug allocator of Python puts bytes around each block, and aborts where they were written to."""
    variables = environment(EVENTSTREAM_PURE_PYTHON="0", PYTHONMALLOC="debug")
    subprocess.run([sys.executable, "-c", OF_ALL_LENGTHS], check=True, timeout=600, env=variables, cwd="/")


def test_no_class_is_pickled_by_cython(native):
    """It would take a pointer to bytes for a text that a zero ends."""
    assert [name for name in vars(native) if "pickle" in name] == []


@pytest.mark.parametrize("name", ["Headers", "Message", "Decoder", "DecoderMap"])
def test_self_of_another_class_is_a_type_error(native, name):
    """Not bytes that are taken for the fields of one."""
    others = types.ClassMethodDescriptorType, types.BuiltinFunctionType  # __class_getitem__, __new__
    members = vars(getattr(native, name)).values()
    for method in (member for member in members if callable(member) and not isinstance(member, others)):
        for wrong in (b"wire", object(), native.Message):
            with pytest.raises(TypeError, match=r"^descriptor '\w+' (for|requires) "):
                method(wrong)
