"""Audio from anywhere: a WAV is recognised, and what is not the audio that was announced is refused."""

from __future__ import annotations

import array
import asyncio
import ctypes
import io
import queue
import struct
import sys

import pytest
from cases import each

from eventstream.transcribe.audio import AudioFormat, Source, WavFile, iter_chunks, open_wav
from eventstream.transcribe.audio.source import MAX_HEADER_LENGTH
from eventstream.transcribe.exceptions import InvalidAudio

PCM = AudioFormat(16_000)
SAMPLES = bytes(range(1, 241)) * 40


def wav(audio, rate=16_000, channels=1, *, tag=1, bits=16, length=None, before=b"", after=b""):
    block = channels * bits // 8
    head = b"fmt " + struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * block, block, bits)
    data = b"data" + struct.pack("<I", len(audio) if length is None else length) + audio
    return b"RIFF" + struct.pack("<I", 4 + len(head + before + data + after)) + b"WAVE" + head + before + data + after


def collect(audio, expected=None, duration=0.1):
    async def main():
        source = Source(audio, expected)
        try:
            format = await source.format() if expected is None else expected
            return format, b"".join([chunk async for chunk in source.chunks(duration)])
        finally:
            source.close()

    return asyncio.run(asyncio.wait_for(main(), 20))


def cut(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


async def arriving(pieces):
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


class AsyncFile:
    def __init__(self, data):
        self.file = io.BytesIO(data)

    async def read(self, size):
        return self.file.read(size)


def queue_of(data, size=1000):
    queue = asyncio.Queue()
    for piece in [*cut(data, size), None]:
        queue.put_nowait(piece)
    return queue


SOURCES = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "file": io.BytesIO,
    "pieces": lambda data: cut(data, 777),
    "octets": lambda data: cut(data, 1),
    "generator": lambda data: iter(cut(data, 100)),
    "asynchronous": lambda data: arriving(cut(data, 13)),
    "asynchronous file": AsyncFile,
    "queue": queue_of,
}


@each("kind", SOURCES)
@each("announced", [False, True])
def test_source_recognises_a_wav(kind, announced):
    recording = wav(SAMPLES, before=b"LIST\x04\0\0\0abcd", after=b"LIST\x04\0\0\0efgh")
    assert collect(SOURCES[kind](recording), PCM if announced else None) == (PCM, SAMPLES)


@each("kind", SOURCES)
def test_source_of_samples(kind):
    assert collect(SOURCES[kind](SAMPLES), PCM) == (PCM, SAMPLES)


def test_source_of_a_path(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(SAMPLES))
    assert collect(path) == (PCM, SAMPLES)
    assert collect(str(path)) == (PCM, SAMPLES)
    source = Source(path, PCM)
    assert source.is_at_hand
    source.close()


def test_source_of_a_wav_file():
    with open_wav(io.BytesIO(wav(SAMPLES, 8_000))) as file:
        assert isinstance(file, WavFile)
        assert collect(file) == (AudioFormat(8_000), SAMPLES)


def test_source_of_an_array():
    samples = array.array("h", SAMPLES)
    if sys.byteorder == "little":
        assert collect(samples, PCM) == (PCM, SAMPLES)
        assert collect([samples], PCM) == (PCM, SAMPLES)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="queues are shut down since Python 3.13")
def test_source_of_a_queue_that_is_shut_down():
    async def main():
        queue = asyncio.Queue()
        queue.put_nowait(SAMPLES)
        queue.shutdown()
        return [chunk async for chunk in Source(queue, PCM).chunks(1)]

    assert b"".join(asyncio.run(main())) == SAMPLES


@pytest.mark.parametrize(("tag", "encoding"), [(6, "g711-alaw"), (7, "g711-ulaw")])
def test_source_of_g711_in_a_wav(tag, encoding):
    format = AudioFormat(8_000, media_encoding=encoding)
    assert collect(wav(SAMPLES, 8_000, tag=tag, bits=8)) == (format, SAMPLES)


@each("expected", [AudioFormat(8_000), AudioFormat(16_000, 2), AudioFormat(16_000, 1, "flac")])
@each("kind", ["bytes", "octets"])
def test_source_of_another_format_than_announced(kind, expected):
    with pytest.raises(InvalidAudio, match=r"the WAV is pcm, 16000 Hz, 1 channel; the request says "):
        collect(SOURCES[kind](wav(SAMPLES)), expected)


MP3 = bytes.fromhex("fffb9064") + bytes(413)  # a frame of 128 kbit/s at 44,100 Hz


@each(
    ("data", "name"),
    [
        (b"\x1aE\xdf\xa3" + bytes(50), "WebM or Matroska"),
        (b"OggS" + bytes(50), "Ogg"),
        (b"fLaC" + bytes(50), "FLAC"),
        (b"ID3\x04" + bytes(50), "MP3"),
        (MP3 + MP3, "MP3"),
        (MP3 + MP3 + bytes(3000), "MP3"),
        (b"\0\0\0\x20ftypM4A " + bytes(50), "MP4"),
        (b"FORM\0\0\0\0AIFF" + bytes(50), "AIFF"),
        (b"#!AMR\n" + bytes(50), "AMR"),
        (b"RF64" + bytes(50), "a WAV of more than 4 GiB"),
        (b"RIFX" + bytes(50), "a big-endian WAV"),
    ],
)
@each("encoding", ["pcm", "g711-ulaw"])
@each("size", [1, 1000, 10_000])
def test_source_of_a_container(data, name, encoding, size):
    expected = AudioFormat(16_000, media_encoding=encoding)
    with pytest.raises(InvalidAudio, match=rf"^the audio is {name}.*; the request says {encoding}, 16000 Hz"):
        collect(cut(data, size), expected)


@pytest.mark.parametrize("data", [MP3 + bytes(3000), MP3, MP3[:4], bytes.fromhex("fffbf064") + bytes(3000)])
def test_source_of_samples_like_mp3(data):
    """Two bytes of samples may look like a frame by chance; two frames in a row do not."""
    assert collect(cut(data, 10), AudioFormat(16_000, media_encoding="g711-ulaw"))[1] == data


@pytest.mark.parametrize(("magic", "encoding"), [(b"fLaC", "flac"), (b"OggS", "ogg-opus"), (b"OggS", "flac")])
def test_source_of_compressed_audio_as_announced(magic, encoding):
    data = magic + SAMPLES
    assert collect(data, AudioFormat(16_000, media_encoding=encoding))[1] == data


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "; it is empty"),
        (b"fLaC" + SAMPLES, "; it is FLAC"),
        (b"ID3" + SAMPLES, "; it is MP3"),
        (b"RIFF", ""),
        (b"RIFF\0\0\0\0AVI ", ""),
        (SAMPLES, ""),
    ],
)
def test_source_that_does_not_say_what_it_is(data, found):
    with pytest.raises(InvalidAudio, match=f" are required unless the audio is a WAV{found}$"):
        collect([data])


def test_source_of_short_audio():
    assert collect([b"ab"], PCM)[1] == b"ab"
    assert collect([], PCM)[1] == b""
    assert collect(wav(b""))[1] == b""


@pytest.mark.parametrize("kind", ["bytes", "octets", "file"])
def test_source_of_a_cut_wav(kind):
    with pytest.raises(InvalidAudio, match="the WAV ends after 9600 of its 9602 bytes of audio"):
        collect(SOURCES[kind](wav(SAMPLES, length=len(SAMPLES) + 2)), PCM)
    with pytest.raises(InvalidAudio, match="the WAV ends before its audio begins"):
        collect(SOURCES[kind](wav(SAMPLES)[:30]), PCM)


def test_source_of_a_wav_that_ends_with_its_header():
    """In pieces, after which it is not looked at again before the end."""
    header = wav(b"", length=10)
    with pytest.raises(InvalidAudio, match="the WAV ends after 0 of its 10 bytes of audio"):
        collect(cut(header, 30), PCM)
    assert collect(cut(wav(b""), 30)) == (PCM, b"")


def test_source_tells_its_format_again():
    async def main():
        source = Source([wav(SAMPLES)], None)
        assert await source.format() == await source.format() == PCM
        assert b"".join([chunk async for chunk in source.chunks(0.1)]) == SAMPLES

    asyncio.run(main())


def test_source_of_a_wav_of_unknown_length():
    assert collect(cut(wav(SAMPLES, length=0xFFFFFFFF), 9), PCM)[1] == SAMPLES


def test_source_reads_no_further_than_the_audio():
    def pieces():
        yield wav(SAMPLES)
        pytest.fail("more was read")

    assert collect(pieces(), PCM)[1] == SAMPLES


def test_source_bounds_the_header():
    endless = b"RIFF\0\0\0\0WAVEjunk" + struct.pack("<I", 1 << 31)
    read = 0

    def pieces():
        nonlocal read
        yield endless
        while True:
            read += 65_536
            yield bytes(65_536)

    with pytest.raises(InvalidAudio, match="before its audio begins"):
        collect(pieces(), PCM)
    assert read <= 4 * MAX_HEADER_LENGTH


@each(
    "piece",
    [
        array.array("f", [0.5]),
        array.array("d", [0.5]),
        array.array("i", [5]),
        array.array("H", [5]),
        (ctypes.c_float.__ctype_le__ * 2)(),
        (ctypes.c_float.__ctype_be__ * 2)(),
        (ctypes.c_int16.__ctype_be__ * 2)(),
    ],
)
def test_samples_of_another_type(piece):
    for audio in (piece, [piece], [SAMPLES, piece], arriving([SAMPLES, piece])):
        with pytest.raises(
            InvalidAudio, match=r"an array whose items are '.*, as .* names them; pcm needs 16-bit little-endian"
        ) as raised:
            collect(audio, PCM)
        assert ("numpy" in str(raised.value)) == (memoryview(piece).format.strip("<>") in "fd")
    with pytest.raises(InvalidAudio):
        list(iter_chunks([piece], PCM))


def test_samples_of_g711_are_bytes():
    with pytest.raises(InvalidAudio, match="g711-ulaw needs bytes"):
        collect([array.array("h", [1, 2])], AudioFormat(8_000, media_encoding="g711-ulaw"))


@pytest.mark.parametrize("audio", [None, 5, object(), queue.Queue()])
def test_source_of_something_else(audio):
    kinds = "a path, bytes, an iterable of them or something with read"
    with pytest.raises(TypeError) as raised:
        Source(audio, PCM)
    name = f"{type(audio).__module__}.{type(audio).__name__}"
    assert str(raised.value) == f"audio must be {kinds}, not {name}; an asyncio.Queue is allowed, too"


def test_function_in_place_of_what_it_returns():
    async def frames():
        yield b""

    with pytest.raises(TypeError, match=r"not builtins\.function; call the function: audio is what it returns$"):
        Source(frames, None)


def test_silence():
    assert PCM.silence(0.1) == bytes(3_200)
    assert AudioFormat(8_000, media_encoding="g711-ulaw").silence(0.01) == b"\xff" * 80
    assert AudioFormat(8_000, media_encoding="g711-alaw").silence(0.01) == b"\xd5" * 80
    with pytest.raises(InvalidAudio, match="does not tell"):
        AudioFormat(8_000, media_encoding="flac").silence()
