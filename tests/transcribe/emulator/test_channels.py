"""From chunks to the PCM of each channel."""

from __future__ import annotations

import struct
import sys
import warnings

import byteorder
import pytest

from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.channels import Channels

CODES = bytes(range(256))


def split(format, chunk):
    return Channels(format).feed(chunk)


def test_pcm_of_one_channel_stays_as_it_is():
    assert split(AudioFormat(16000), b"abcd") == [b"abcd"]


def test_two_channels_are_taken_apart():
    assert split(AudioFormat(16000, 2), b"aAbBcCdD") == [b"aAcC", b"bBdD"]


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g729"])
def test_compressed_audio_stays_as_it_is_on_request(encoding):
    channels = Channels(AudioFormat(16000, 2, encoding), compressed=True)
    assert (channels.count, channels.is_quick) == (1, True)
    assert channels.feed(b"abc") == [b"abc"]
    assert channels.finish() == [b""]


def test_compressed_audio_is_decoded():
    pytest.importorskip("av")
    channels = Channels(AudioFormat(8000, 1, "g729"))
    assert (channels.count, channels.is_quick) == (1, False)
    [pcm] = channels.feed(bytes(25))
    [rest] = channels.finish()
    assert len(pcm + rest) == 2 * 160


def test_two_channels_have_an_end_each():
    channels = Channels(AudioFormat(16000, 2))
    assert (channels.count, channels.is_quick) == (2, True)
    assert channels.finish() == [b"", b""]


@pytest.mark.parametrize(
    ("encoding", "samples"),
    [
        ("g711-alaw", {0xD5: 8, 0x55: -8, 0xAA: 32256, 0x2A: -32256, 0x80: 5504}),
        ("g711-ulaw", {0xFF: 0, 0x7F: 0, 0x80: 32124, 0x00: -32124, 0xFE: 8, 0x7E: -8}),
    ],
)
def test_known_samples_of_g711(encoding, samples):
    [pcm] = split(AudioFormat(8000, 1, encoding), bytes(samples))
    assert struct.unpack(f"<{len(samples)}h", pcm) == tuple(samples.values())


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop, the oracle, is gone")
@pytest.mark.parametrize(("encoding", "oracle"), [("g711-alaw", "alaw2lin"), ("g711-ulaw", "ulaw2lin")])
def test_g711_of_every_sample(encoding, oracle):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert split(AudioFormat(8000, 1, encoding), CODES) == [byteorder.native(getattr(audioop, oracle)(CODES, 2))]


def test_two_channels_of_g711():
    mono = Channels(AudioFormat(8000, 1, "g711-ulaw")).feed
    left, right = split(AudioFormat(8000, 2, "g711-ulaw"), CODES)
    assert [left] == mono(CODES[::2])
    assert [right] == mono(CODES[1::2])
