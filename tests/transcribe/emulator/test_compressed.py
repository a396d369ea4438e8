"""Compressed audio is decoded as it arrives, and bad or boundless audio is refused."""

from __future__ import annotations

import array
import io
import statistics
import sys
import wave
from pathlib import Path

import pytest

from eventstream.transcribe import BadRequestException
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator import compressed
from eventstream.transcribe.emulator.compressed import CompressedDecoder

G729 = Path(__file__).with_name("speech.g729")
WAV = Path(__file__).parents[3] / "examples/speech.wav"
SPEECH_SECONDS = 3.29


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av")


@pytest.fixture(scope="module")
def speech():
    with wave.open(str(WAV)) as file:
        return file.readframes(file.getnframes())


def encoded(av, container, codec, pcm, *, rate=16000, layout="mono"):
    """PCM at 16000 Hz, encoded at a rate."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = layout
        frame = av.AudioFrame(format="s16", layout=layout, samples=len(pcm) // 2 // len(stream.layout.channels))
        frame.planes[0].update(pcm)
        frame.sample_rate = 16000
        resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(stream.encode(part))
    return file.getvalue()


@pytest.fixture(scope="module")
def samples(av, speech):
    """Return the speech in each encoding."""
    return {
        "flac": encoded(av, "flac", "flac", speech),
        "ogg-opus": encoded(av, "ogg", "libopus", speech, rate=48000),
        "g729": G729.read_bytes(),
    }


def decoded(encoding, data, step, rate=16000, channels=1):
    decoder = CompressedDecoder(AudioFormat(rate, channels, encoding))
    pieces = [decoder.feed(data[start : start + step]) for start in range(0, len(data), step)]
    return [*pieces, decoder.finish()]


def loudness(pcm):
    """Return the mean magnitude of each tenth of a second at 16000 Hz."""
    values = array.array("h", pcm)
    if sys.byteorder == "big":
        values.byteswap()
    return [sum(map(abs, values[start : start + 1600])) / 1600 for start in range(0, len(values) - 1600, 1600)]


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g729"])
def test_decoding_gives_the_speech(samples, speech, encoding):
    pcm = b"".join(decoded(encoding, samples[encoding], 1000))
    assert len(pcm) / 32000 == pytest.approx(SPEECH_SECONDS, abs=0.02)
    ours, original = loudness(pcm), loudness(speech)
    assert statistics.correlation(ours[: len(original)], original[: len(ours)]) > 0.95
    assert statistics.mean(ours) == pytest.approx(statistics.mean(original), rel=0.3)  # G.729 has nothing over 4 kHz
    if encoding == "flac":
        assert pcm == speech, "it loses nothing"


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g729"])
def test_decoding_is_the_same_at_any_cuts(samples, encoding):
    whole = b"".join(decoded(encoding, samples[encoding], 1 << 20))
    for step in (1, 37, 4096) if encoding == "g729" else (37, 4096):
        assert b"".join(decoded(encoding, samples[encoding], step)) == whole


@pytest.mark.parametrize(("encoding", "seconds"), [("flac", 1.6), ("ogg-opus", 1.3), ("g729", 0.1)])
def test_decoding_keeps_up_with_the_stream(samples, encoding, seconds):
    data = samples[encoding]
    step = len(data) // 100
    heard = 0
    for count, pcm in enumerate(decoded(encoding, data, step)[:100], 1):
        heard += len(pcm)
        assert count * step / len(data) * SPEECH_SECONDS - heard / 32000 < seconds


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_decoding_resamples(samples, rate):
    pcm = b"".join(decoded("ogg-opus", samples["ogg-opus"], 4096, rate))
    assert len(pcm) / 2 / rate == pytest.approx(SPEECH_SECONDS, abs=0.02)


def test_two_channels_stay_apart(av, speech):
    both = array.array("h", speech)
    stereo = array.array("h", bytes(2 * len(speech)))
    stereo[0::2] = both
    data = encoded(av, "flac", "flac", stereo.tobytes(), layout="stereo")
    pcm = array.array("h", b"".join(decoded("flac", data, 4096, channels=2)))
    assert pcm[0::2] == both
    assert not any(pcm[1::2])


def test_two_channels_are_mixed_for_one(av, speech):
    stereo = array.array("h", bytes(2 * len(speech)))
    stereo[0::2] = stereo[1::2] = array.array("h", speech)
    data = encoded(av, "flac", "flac", stereo.tobytes(), layout="stereo")
    assert len(b"".join(decoded("flac", data, 4096))) == len(speech)


def test_empty_audio_is_nothing(av):
    for encoding in ("flac", "ogg-opus", "g729"):
        assert CompressedDecoder(AudioFormat(16000, 1, encoding)).finish() == b""


def changed(data, position, text):
    return data[:position] + text + data[position + len(text) :]


@pytest.mark.parametrize(
    ("encoding", "spoil", "reason"),
    [
        ("flac", lambda data: b"RIFF" + data, "it does not begin with fLaC"),
        ("flac", lambda data: data[:100], "no audio was found in it"),
        ("flac", lambda data: data[:3], "no audio was found in it"),
        ("ogg-opus", lambda data: b"fLaC" + bytes(40), "a page of it does not begin with OggS"),
        ("ogg-opus", lambda data: data[:40], "no audio was found in it"),
        ("ogg-opus", lambda data: changed(data, 28, b"Something"), "its first packet is not an OpusHead"),
        ("ogg-opus", lambda data: data + b"OggT" + bytes(100), "a page of it does not begin with OggS"),
        ("g729", lambda data: data[:9], "no audio was found in it"),
    ],
)
def test_audio_of_another_kind_is_refused(samples, encoding, spoil, reason):
    with pytest.raises(BadRequestException) as raised:
        decoded(encoding, spoil(samples[encoding]), 5000)
    assert raised.value.message == f"The audio could not be decoded as {encoding}: {reason}."


def test_broken_opus_packet_is_refused(samples):
    data = samples["ogg-opus"]
    second = data.index(b"OggS", data.index(b"OpusTags"))
    body = second + 27 + data[second + 26]
    with pytest.raises(BadRequestException, match="could not be decoded as ogg-opus"):
        decoded("ogg-opus", changed(data, body, b"\xff" * 400), 5000)


@pytest.mark.parametrize("encoding", ["flac", "g729"])
def test_channel_that_is_missing_is_refused(samples, encoding):
    with pytest.raises(BadRequestException, match="it has one channel, but two were announced"):
        decoded(encoding, samples[encoding], 5000, channels=2)


def test_chunk_of_too_much_audio_is_refused(av, monkeypatch):
    silence = encoded(av, "flac", "flac", bytes(32000 * 61))
    assert len(silence) < 32768, "it fits into one event"
    with pytest.raises(BadRequestException, match="a chunk of it holds more than 60 seconds"):
        decoded("flac", silence, 1 << 20)
    assert len(b"".join(decoded("flac", silence, 500))) == 32000 * 61


def test_endless_packet_is_refused(monkeypatch, samples):
    monkeypatch.setattr(compressed, "MAX_PACKET_LENGTH", 600)
    page = b"OggS" + bytes(22) + b"\x01\xff" + bytes(255)
    data = samples["ogg-opus"]
    head = data[: data.index(b"OggS", 4)]
    with pytest.raises(BadRequestException, match="a packet of it has more than 600 bytes"):
        decoded("ogg-opus", head + 3 * page, 5000)


def test_missing_pyav_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError) as raised:
        CompressedDecoder(AudioFormat(16000, 1, "flac"))
    assert str(raised.value) == (
        "flac cannot be decoded: PyAV is not installed (pip install 'eventstream-codec[speech]')"
    )
