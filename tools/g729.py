"""Encode a WAV as G.729, which PyAV can decode but not encode.

    python tools/g729.py examples/speech.wav tests/transcribe/emulator/speech.g729

It needs PyAV, which resamples to 8000 Hz, and libbcg729 (Debian: libbcg729-0). The frames have ten bytes each; a rest
of less than 10 ms is left out.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import av

RATE = 8000
FRAME = 160
"""Bytes of 80 samples."""


def pcm(wav: str) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(wav) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


def encode(pcm: bytes) -> bytes:
    library = ctypes.CDLL("libbcg729.so.0")
    library.initBcg729EncoderChannel.restype = ctypes.c_void_p
    channel = ctypes.c_void_p(library.initBcg729EncoderChannel(0))  # 0: without detection of silence
    encoded = b""
    for start in range(0, len(pcm) - FRAME + 1, FRAME):
        frame, length = ctypes.create_string_buffer(10), ctypes.c_uint8()
        library.bcg729Encoder(channel, pcm[start : start + FRAME], frame, ctypes.byref(length))
        encoded += frame.raw[: length.value]
    library.closeBcg729EncoderChannel(channel)
    return encoded


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(encode(pcm(sys.argv[1])))
