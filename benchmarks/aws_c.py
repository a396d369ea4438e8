"""aws-c-event-stream, AWS's codec in C, timed in C: `aws_c.c` is compiled here and told where its functions are."""

from __future__ import annotations

import ctypes
import functools
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from benchmarks.measure import Loop
from eventstream import _native

SOURCE = Path(__file__).with_suffix(".c")
FUNCTIONS = (
    "aws_event_stream_message_init",
    "aws_event_stream_message_from_buffer_copy",
    "aws_event_stream_message_headers",
    "aws_event_stream_message_clean_up",
    "aws_event_stream_headers_list_init",
    "aws_event_stream_headers_list_cleanup",
    "aws_event_stream_add_string_header",
    "aws_event_stream_streaming_decoder_init_from_options",
    "aws_event_stream_streaming_decoder_pump",
    "aws_event_stream_streaming_decoder_clean_up",
    "aws_checksums_crc32",
)
"""Those of `struct codec`, in its order, after the allocator."""


class Unavailable(Exception):
    """AWS's codec cannot be timed here."""


class AwsC:
    """The works of the codec. Each is timed in C, by the clock of the thread."""

    def __init__(self) -> None:
        if not sys.platform.startswith("linux"):
            raise Unavailable("the symbols of awscrt are read from its wheel for Linux")
        try:
            from peers.aws_c import Library

            library = Library()
        except (ImportError, PackageNotFoundError, SystemExit) as error:
            raise Unavailable(str(error)) from None
        addresses = [library.allocator.value, *(library.base + library.table[name] for name in FUNCTIONS)]
        self._codec = (ctypes.c_void_p * len(addresses))(*addresses)
        self._driver = _driver()

    def decode(self, wire: bytes) -> Loop:
        """Return the decoding of one message: a copy of it, and a list of its headers."""
        return self._work("es_decode", wire, ctypes.c_size_t(len(wire)))

    def stream(self, wire: bytes, size: int) -> Loop:
        """Return the decoding of a stream that comes in pieces of a size; the payloads are copied."""
        return self._work("es_stream", wire, ctypes.c_size_t(len(wire)), ctypes.c_size_t(size))

    def encode(self, headers: Mapping[str, str], payload: bytes) -> Loop:
        """Return the encoding of a message from a list of headers that was made before."""
        texts = "".join(f"{name}\0{value}\0" for name, value in headers.items()).encode()
        return self._work("es_encode", texts, len(headers), payload, ctypes.c_size_t(len(payload)))

    def checksum(self, wire: bytes) -> Loop:
        """Return the two checksums of a message, by the function that the codec calls."""
        return self._work("es_their_checksum", wire, ctypes.c_size_t(len(wire)))

    def our_checksum(self, wire: bytes) -> Loop:
        """Return the same checksums by our kernel."""
        capsule = _native.__pyx_capi__["checksum"]  # type: ignore[attr-defined]
        name = ctypes.pythonapi.PyCapsule_GetName
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        kernel = ctypes.c_void_p(pointer(capsule, name(capsule)))
        return self._work("es_our_checksum", wire, ctypes.c_size_t(len(wire)), first=kernel)

    def _work(self, name: str, *arguments: object, first: object = None) -> Loop:
        function = getattr(self._driver, name)
        function.restype = ctypes.c_double
        given = (self._codec if first is None else first, *arguments)

        def run(loops: int) -> float:
            seconds = function(*given, ctypes.c_long(loops))
            if seconds < 0:
                raise Unavailable(f"{name} failed")
            return float(seconds)

        run(1)
        return Loop(run)


@functools.cache
def _driver() -> ctypes.CDLL:
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[:1]
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory, "aws_c.so")
        try:
            subprocess.run(
                [*compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)],
                check=True,
                capture_output=True,
                text=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(f"a C compiler is needed: {getattr(error, 'stderr', '') or error}") from None
        return ctypes.CDLL(str(library))
