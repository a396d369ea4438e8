"""Samples of 16 bits in the byte order in which the standard library's `wave` and `audioop` give and take them."""

from __future__ import annotations

import array
import sys


def native(data: bytes) -> bytes:
    """Little-endian samples, as WAV files and event streams hold them, in this machine's byte order; or the reverse."""
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
