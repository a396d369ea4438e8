"""What only the native core has: its C interface, and memory that it asks for itself."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import frames
import pytest

from eventstream import TruncatedMessage

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


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
