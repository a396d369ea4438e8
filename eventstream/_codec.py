"""The one place that chooses the implementation: the native core, or the reference if there is no native core.

``EVENTSTREAM_PURE_PYTHON=1`` in the environment selects the reference. On CPython, an unrequested fallback emits a
`RuntimeWarning`, since the reference is some 20 to 60 times slower.
"""

from __future__ import annotations

import os
import sys

__all__ = [
    "Decoder",
    "DecoderMap",
    "Headers",
    "Message",
    "crc32_combine",
    "decode",
    "decoder_at",
    "encode",
    "encode_into",
    "find_prelude",
    "implementation",
]

implementation: Literal["native", "reference"] = "reference"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from eventstream._native import (
        Decoder,
        DecoderMap,
        Headers,
        Message,
        crc32_combine,
        decode,
        decoder_at,
        encode,
        encode_into,
        find_prelude,
    )
else:

    def _in_subinterpreter() -> bool:
        try:
            import _interpreters as interpreters
        except ImportError:
            try:
                import _xxsubinterpreters as interpreters  # up to Python 3.12
            except ImportError:
                return False
        return interpreters.get_current() != interpreters.get_main()

    if os.environ.get("EVENTSTREAM_PURE_PYTHON", "0") in ("", "0"):
        try:
            from eventstream._native import (
                Decoder,
                DecoderMap,
                Headers,
                Message,
                crc32_combine,
                decode,
                decoder_at,
                encode,
                encode_into,
                find_prelude,
            )

            implementation = "native"
        except ImportError as error:
            if sys.implementation.name == "cpython":
                from eventstream._warnings import warn

                if _in_subinterpreter():  # pragma: no cover (tests reach it, but no tracer follows them there)
                    advice = "This is a subinterpreter, and Cython modules work only in the interpreter that"
                    advice += " imported them first: use eventstream in the main interpreter"
                elif os.path.exists(os.path.join(os.path.dirname(__file__), "_native.pyx")):
                    advice = "This is the source tree: run `pip install -e .` here, or start Python in another folder"
                    advice += " to import the installed package"
                else:
                    advice = "Install a wheel, or a C compiler and install again"
                warn(
                    f"eventstream uses its slow Python implementation, as the native one cannot be imported ({error}). "
                    f"{advice}; set EVENTSTREAM_PURE_PYTHON=1 to accept this.",
                    RuntimeWarning,
                )
    if implementation == "reference":
        from eventstream._reference import (
            Decoder,
            DecoderMap,
            Headers,
            Message,
            crc32_combine,
            decode,
            decoder_at,
            encode,
            encode_into,
            find_prelude,
        )


# What a pickle calls. It holds the wire form, which is checked again like any other input, and which either
# implementation can read.


def restore_message(wire: bytes) -> Message:
    return decode(wire, max_headers_length=None, max_payload_length=None)


def restore_headers(wire: bytes) -> Headers:
    return restore_message(wire).headers
