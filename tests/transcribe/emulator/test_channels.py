"""From chunks to the PCM of each channel."""

from __future__ import annotations

import struct
import sys
import warnings

import byteorder
import pytest

from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.channels import channel_splitter

CODES = bytes(range(256))


def test_pcm_of_one_channel_stays_as_it_is():
    assert channel_splitter(AudioFormat(16000))(b"abcd") == [b"abcd"]


def test_two_channels_are_taken_apart():
    assert channel_splitter(AudioFormat(16000, 2))(b"aAbBcCdD") == [b"aAcC", b"bBdD"]


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g729"])
def test_compressed_audio_stays_as_it_is(encoding):
    assert channel_splitter(AudioFormat(16000, 2, encoding))(b"abc") == [b"abc"]


@pytest.mark.parametrize(
    ("encoding", "samples"),
    [
        ("g711-alaw", {0xD5: 8, 0x55: -8, 0xAA: 32256, 0x2A: -32256, 0x80: 5504}),
        ("g711-ulaw", {0xFF: 0, 0x7F: 0, 0x80: 32124, 0x00: -32124, 0xFE: 8, 0x7E: -8}),
    ],
)
def test_known_samples_of_g711(encoding, samples):
    [pcm] = channel_splitter(AudioFormat(8000, 1, encoding))(bytes(samples))
    assert struct.unpack(f"<{len(samples)}h", pcm) == tuple(samples.values())


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop, the oracle, is gone")
@pytest.mark.parametrize(("encoding", "oracle"), [("g711-alaw", "alaw2lin"), ("g711-ulaw", "ulaw2lin")])
def test_every_sample_of_g711(encoding, oracle):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert channel_splitter(AudioFormat(8000, 1, encoding))(CODES) == [
        byteorder.native(getattr(audioop, oracle)(CODES, 2))
    ]


def test_two_channels_of_g711():
    mono = channel_splitter(AudioFormat(8000, 1, "g711-ulaw"))
    left, right = channel_splitter(AudioFormat(8000, 2, "g711-ulaw"))(CODES)
    assert [left] == mono(CODES[::2])
    assert [right] == mono(CODES[1::2])
