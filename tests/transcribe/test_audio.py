"""Chunks of whole samples within the service's bounds, from any source; WAV headers; the pace of real time."""

from __future__ import annotations

import array
import asyncio
import contextlib
import io
import math
import struct
import sys
import tempfile
import wave
from pathlib import Path
from types import SimpleNamespace

import byteorder
import pytest
from cases import case, each
from hypothesis import given
from hypothesis import strategies as st

import eventstream
from eventstream.transcribe import InvalidAudio, StartStreamTranscriptionRequest
from eventstream.transcribe.audio import AudioFormat, aiter_chunks, iter_chunks, open_wav, pace

CAPTURES = Path(__file__).parent.parent / "captures"

MONO = AudioFormat(16000)
STEREO = AudioFormat(16000, 2)


def samples(length):
    return bytes(i * 7 & 255 for i in range(length))


# Formats


@each(
    ("format", "sample_length", "bytes_per_second", "max_chunk_length"),
    [
        (AudioFormat(8000), 2, 16_000, 16_000),
        (AudioFormat(16000), 2, 32_000, 32_000),
        (AudioFormat(16384), 2, 32_768, 32_768),
        (AudioFormat(16385), 2, 32_770, 32_768),
        (AudioFormat(48000), 2, 96_000, 32_768),
        (AudioFormat(8000, 2), 4, 32_000, 32_000),
        (AudioFormat(48000, 2), 4, 192_000, 32_768),
        (AudioFormat(8000, media_encoding="g711-alaw"), 1, 8_000, 8_000),
        (AudioFormat(8000, 2, "g711-ulaw"), 2, 16_000, 16_000),
        (AudioFormat(48000, media_encoding="flac"), 1, None, 32_768),
        (AudioFormat(48000, 2, "ogg-opus"), 1, None, 32_768),
        (AudioFormat(8000, media_encoding="g729"), 1, None, 32_768),
    ],
    ids=repr,
)
def test_bytes_of_each_format(format, sample_length, bytes_per_second, max_chunk_length):
    assert format.sample_length == sample_length
    assert format.bytes_per_second == bytes_per_second
    assert format.max_chunk_length == max_chunk_length
    assert format.is_timed is (bytes_per_second is not None)


@pytest.mark.parametrize("rate", [7999, 48001, 0, -8000])
def test_rate_that_the_service_does_not_take(rate):
    with pytest.raises(InvalidAudio, match=rf"^sample rate {rate} Hz is out of range \(8000 to 48000 Hz\)$"):
        AudioFormat(rate)


@pytest.mark.parametrize("channels", [0, 3, -1])
def test_channels_that_the_service_does_not_take(channels):
    with pytest.raises(InvalidAudio, match=rf"^{channels} channels are not supported \(1 or 2\)$"):
        AudioFormat(16000, channels)


@pytest.mark.parametrize(("number_of_channels", "channels"), [(None, 1), (2, 2)])
def test_format_that_a_request_announces(number_of_channels, channels):
    request = StartStreamTranscriptionRequest(
        language_code="en-US",
        media_sample_rate_hertz=8000,
        media_encoding="g711-ulaw",
        number_of_channels=number_of_channels,
    )
    assert AudioFormat.of(request) == AudioFormat(8000, channels, "g711-ulaw")


@each(
    ("format", "duration", "length"),
    [
        (AudioFormat(16000), 0.1, 3200),
        (AudioFormat(16000), 0.05, 1600),
        (AudioFormat(16000), 0.2, 6400),
        (AudioFormat(16000), 1, 32_000),
        (AudioFormat(8000), 0.1, 1600),
        (AudioFormat(44100), 0.1, 8820),
        (AudioFormat(44100), 0.001, 88),
        (AudioFormat(11025), 0.1, 2204),
        (AudioFormat(48000, 2), 0.1, 19_200),
        (AudioFormat(48000, 2), 0.2, 32_768),
        (AudioFormat(48000), 1, 32_768),
        (AudioFormat(16000), 1e-9, 2),
        (AudioFormat(16000, 2), 1e-9, 4),
        (AudioFormat(8000, media_encoding="g711-alaw"), 0.1, 800),
        (AudioFormat(48000, media_encoding="flac"), 0.1, 4096),
        (AudioFormat(48000, media_encoding="flac"), 1, 4096),
    ],
    ids=repr,
)
def test_length_of_a_chunk(format, duration, length):
    assert format.chunk_length(duration) == length
    assert type(format.chunk_length(duration)) is int
    format.check_chunk(bytes(length))


@each("duration", ["0.1", None])
def test_duration_that_is_not_a_number(duration):
    text = f"^the duration of a chunk must be a number of seconds, not {type(duration).__name__}$"
    with pytest.raises(TypeError, match=text):
        MONO.chunk_length(duration)


@each("duration", [0, -0.1, 1.0000001, 5, float("inf"), float("nan")])
@each("format", [MONO, AudioFormat(48000, media_encoding="flac")], ids=["pcm", "flac"])
def test_duration_out_of_its_bounds(format, duration):
    with pytest.raises(ValueError, match=r"is out of range \(more than 0, at most 1 s\)$"):
        format.chunk_length(duration)
    with pytest.raises(ValueError, match="at most 1 s"):
        iter_chunks(b"", format, duration)
    with pytest.raises(ValueError, match="at most 1 s"):
        aiter_chunks(stream(b""), format, duration)


def test_durations():
    assert MONO.duration(32_000) == 1.0
    assert STEREO.duration(32_000) == 0.5
    with pytest.raises(InvalidAudio, match="the length of flac audio does not tell its duration"):
        AudioFormat(16000, media_encoding="flac").duration(1)


# Single chunks


@each(
    ("format", "length"),
    [(MONO, 0), (MONO, 2), (MONO, 32_000), (STEREO, 4), (STEREO, 32_768), (AudioFormat(48000), 32_768)],
    ids=repr,
)
@each("type_", [bytes, bytearray, memoryview])
def test_chunk_that_the_service_takes(format, length, type_):
    format.check_chunk(type_(bytes(length)))


@each(
    ("format", "length", "text"),
    [
        (MONO, 32_002, "a chunk of 32002 bytes; at most 32000 bytes, one second, are allowed"),
        (AudioFormat(8000), 16_002, "a chunk of 16002 bytes; at most 16000 bytes, one second, are allowed"),
        (STEREO, 32_772, "a chunk of 32772 bytes; at most 32768 bytes are allowed"),
        (AudioFormat(48000), 32_770, "a chunk of 32770 bytes; at most 32768 bytes are allowed"),
        (AudioFormat(48000, media_encoding="flac"), 32_769, "a chunk of 32769 bytes; at most 32768 bytes are allowed"),
        (MONO, 1, "the audio ends in the middle of a sample: 1 bytes of 2"),
        (MONO, 31_999, "the audio ends in the middle of a sample: 1 bytes of 2"),
        (STEREO, 2, "the audio ends in the middle of a sample: 2 bytes of 4"),
        (STEREO, 7, "the audio ends in the middle of a sample: 3 bytes of 4"),
    ],
    ids=repr,
)
def test_chunk_that_the_service_does_not_take(format, length, text):
    with pytest.raises(InvalidAudio) as caught:
        format.check_chunk(bytes(length))
    assert str(caught.value) == text


def test_length_of_a_view_is_in_bytes():
    format = AudioFormat(8000)
    format.check_chunk(memoryview(bytes(16_000)).cast("I"))
    with pytest.raises(InvalidAudio, match="a chunk of 16004 bytes"):
        format.check_chunk(memoryview(bytes(16_004)).cast("I"))


# Chunks from any source


class ShortReads:
    """A file that gives one byte less than it is asked for, as a pipe may."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, size):
        return self.file.read(max(1, size - 1))


def pieces_of(data, size):
    for position in range(0, len(data), size):
        yield data[position : position + size]


async def stream(data, size=1000):
    for piece in pieces_of(data, size):
        yield piece


async def from_a_stream_reader(data, *options):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    async for chunk in aiter_chunks(reader, *options):
        yield chunk


class AsyncReads(ShortReads):
    """What has an asynchronous `read` and nothing else."""

    async def read(self, size):
        return super().read(size)


def from_a_temporary_file(data, *options):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield from iter_chunks(file, *options)


SOURCES = {
    "bytes": iter_chunks,
    "bytearray": lambda data, *options: iter_chunks(bytearray(data), *options),
    "memoryview": lambda data, *options: iter_chunks(memoryview(data), *options),
    "file": from_a_temporary_file,
    "short reads": lambda data, *options: iter_chunks(ShortReads(data), *options),
    "pieces": lambda data, *options: iter_chunks(pieces_of(data, 777), *options),
    "single bytes": lambda data, *options: iter_chunks(pieces_of(data, 1), *options),
    "empty pieces": lambda data, *options: iter_chunks([b"", data, b""], *options),
    "asynchronous pieces": lambda data, *options: aiter_chunks(stream(data), *options),
    "asynchronous reads": lambda data, *options: aiter_chunks(AsyncReads(data), *options),
    "StreamReader": from_a_stream_reader,
}


def drain(chunks, into):
    """All chunks, also those before an error."""
    if not hasattr(chunks, "__aiter__"):
        for chunk in chunks:
            into.append(chunk)
        return

    async def run():
        async for chunk in chunks:
            into.append(chunk)

    asyncio.run(run())


def all_of(chunks):
    found = []
    drain(chunks, found)
    return found


@each("source", SOURCES)
@each("format", [MONO, STEREO, AudioFormat(48000, media_encoding="flac")], ids=["mono", "stereo", "flac"])
def test_chunks_but_the_last_are_full(source, format):
    for length in (0, 4, 3200, 3204, 12_800, 40_000):
        data = samples(length)
        with case(length):
            chunks = all_of(SOURCES[source](data, format, 0.1))
            assert b"".join(chunks) == data
            assert [len(chunk) for chunk in chunks[:-1]] == [format.chunk_length(0.1)] * (len(chunks) - 1)
            assert all(type(chunk) is bytes and chunk for chunk in chunks)


def test_chunk_lasts_100_ms_by_default():
    assert [len(chunk) for chunk in iter_chunks(bytes(7000), MONO)] == [3200, 3200, 600]
    assert [len(chunk) for chunk in all_of(aiter_chunks(stream(bytes(7000)), MONO))] == [3200, 3200, 600]


@each("source", SOURCES)
def test_half_a_sample_at_the_end(source):
    """What is whole comes before the error."""
    for format, odd in [(MONO, 1), (STEREO, 1), (STEREO, 2), (STEREO, 3)]:
        text = f"in the middle of a sample: {odd} bytes of {format.sample_length}"
        for whole in (0, 3200, 6400, 7000):
            chunks = []
            with case(format, odd, whole):
                with pytest.raises(InvalidAudio, match=text):
                    drain(SOURCES[source](samples(whole + odd), format, 0.1), chunks)
                assert b"".join(chunks) == samples(whole)


def test_odd_piece_in_the_middle_is_no_fault():
    assert list(iter_chunks([b"abc", b"defgh", b"ij"], AudioFormat(8000), 0.00025)) == [b"abcd", b"efgh", b"ij"]


def test_chunks_come_as_soon_as_they_are_full():
    def pieces():
        yield bytes(3198)
        yield bytes(2)
        raise AssertionError("asked for more than a chunk needs")

    assert next(iter_chunks(pieces(), MONO)) == bytes(3200)


def test_later_change_of_the_piece_does_not_matter():
    piece = bytearray(b"abcdef")

    def pieces():
        yield piece
        piece[:] = b"......"

    assert list(iter_chunks(pieces(), AudioFormat(8000), 0.00025)) == [b"abcd", b"ef"]


@pytest.mark.parametrize("source", [io.StringIO("text"), ["text"], [None], 5], ids=lambda source: type(source).__name__)
def test_source_of_something_else_is_a_type_error(source):
    with pytest.raises(TypeError):
        list(iter_chunks(source, MONO))


@given(st.lists(st.binary(max_size=40)), st.sampled_from([MONO, STEREO]), st.floats(0.0001, 0.001))
def test_chunks_are_the_same_of_any_pieces(pieces, format, duration):
    data = b"".join(pieces)
    data = data[: len(data) - len(data) % format.sample_length]
    pieces = list(cut_to(pieces, len(data)))
    assert list(iter_chunks(pieces, format, duration)) == list(iter_chunks(data, format, duration))


def cut_to(pieces, length):
    for piece in pieces:
        yield piece[:length]
        length -= len(piece[:length])


def test_recorded_audio_in_chunks_again():
    """A client's 100 ms chunks, decoded, joined and cut, are the same chunks."""
    wire = (CAPTURES / "amazon-transcribe-0.6.4-speech.request.bin").read_bytes()
    chunks = [
        eventstream.decode(message.payload).payload for message in eventstream.iter_messages(wire) if message.payload
    ]
    assert len(chunks) == 33
    assert list(iter_chunks(b"".join(chunks), MONO)) == chunks


# WAV


def wav(
    data=b"",
    rate=16000,
    channels=1,
    tag=1,
    bits=16,
    block=None,
    before=b"",
    length=None,
    after=b"",
    form=b"RIFF",
    fmt=None,
    fmt_length=None,
):
    """Return a WAV, written by hand so that it can be wrong."""
    block = channels * bits // 8 if block is None else block
    if fmt is None:
        fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    length = len(data) if length is None else length
    body = (
        b"WAVE"
        + before
        + struct.pack("<4sI", b"fmt ", len(fmt) if fmt_length is None else fmt_length)
        + fmt
        + struct.pack("<4sI", b"data", length)
        + data
        + after
    )
    return form + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def extensible(tag, guid_tail=GUID_TAIL, channels=1, rate=48000, bits=16):
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * block, block, bits)
    return head + struct.pack("<HHIH", 22, bits, 4, tag) + guid_tail


def opened(data, expected=None):
    return open_wav(io.BytesIO(data), expected)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_that_the_standard_library_wrote(tmp_path, rate, channels):
    path = tmp_path / "audio.wav"
    data = samples(4 * rate)
    with wave.open(str(path), "wb") as writer:
        writer.setparams((channels, 2, rate, 0, "NONE", ""))
        writer.writeframes(byteorder.native(data))
    for file in (path, str(path)):
        with open_wav(file) as audio:
            assert audio.format == AudioFormat(rate, channels)
            assert audio.duration == 2 / channels
            chunks = list(iter_chunks(audio, audio.format))
        assert b"".join(chunks) == data
        assert len(chunks[0]) == audio.format.chunk_length()


def test_file_is_closed_only_if_it_was_opened_here(tmp_path):
    path = tmp_path / "audio.wav"
    path.write_bytes(wav(b"ab"))
    with open_wav(path) as audio:
        assert audio.read(10) == b"ab"
    with pytest.raises(ValueError, match="closed"):
        audio._file.read()
    with path.open("rb") as file:
        open_wav(file).close()
        assert not file.closed
    path.write_bytes(b"not a WAV")
    with pytest.raises(InvalidAudio):
        open_wav(path)
    with pytest.raises(FileNotFoundError):
        open_wav(tmp_path / "nothing.wav")


def test_riff_chunks_of_other_kinds_are_passed_over():
    info = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    big = b"junk" + struct.pack("<I", 100_000) + bytes(100_000)
    assert opened(wav(b"abcd", before=info + big, after=info)).read(100) == b"abcd"


def test_longer_fmt_chunk():
    """Also one of an odd length, after which a byte is left out."""
    odd = struct.pack("<HHIIHHB", 1, 1, 8000, 16000, 2, 16, 0)
    assert opened(wav(b"ab", fmt=odd + b"\0", fmt_length=len(odd))).read(9) == b"ab"
    assert opened(wav(b"ab", fmt=struct.pack("<HHIIHHH", 1, 1, 8000, 16000, 2, 16, 0))).format == AudioFormat(8000)
    assert opened(wav(b"ab", fmt=struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16) + bytes(84))).read(9) == b"ab"


@pytest.mark.parametrize("channels", [1, 2])
def test_extensible_wav_of_pcm(channels):
    """As ffmpeg and Windows write it; `wave` refuses it up to Python 3.11."""
    audio = opened(wav(b"abcd", fmt=extensible(1, channels=channels)))
    assert audio.format == AudioFormat(48000, channels)
    assert audio.read(100) == b"abcd"


def test_wav_from_a_pipe():
    """One that cannot be sought, and gives few bytes at a time."""
    data = samples(6400)
    audio = open_wav(ShortReads(wav(data)))
    assert b"".join(iter_chunks(audio, audio.format)) == data


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000])
def test_wav_whose_writer_did_not_know_the_length(length):
    audio = opened(wav(b"abcd", length=length))
    assert audio.duration is None
    assert list(iter_chunks(audio, audio.format)) == [b"abcd"]


def test_wav_is_read_up_to_its_end_and_no_further():
    trailer = b"LIST" + struct.pack("<I", 4) + b"info"
    audio = opened(wav(b"abcdef", after=trailer))
    assert [audio.read(size) for size in (4, 0, 4, 4, -1)] == [b"abcd", b"", b"ef", b"", b""]
    assert opened(wav(b"abcdef", after=trailer)).read(-1) == b"abcdef"
    assert opened(wav(b"abcdef", length=0xFFFFFFFF)).read(-1) == b"abcdef"


class Asked(io.BytesIO):
    """A file that notes how many bytes it was asked for."""

    def __init__(self, data):
        super().__init__(data)
        self.asked = []

    def read(self, size):
        self.asked.append(size)
        return super().read(size)


@pytest.mark.parametrize("length", [0x7FFFEFFE, 0xFFFFFFFF])
def test_declared_length_reserves_nothing(length):
    data = samples(100_000)
    file = Asked(wav(data, length=length))
    audio = open_wav(file)
    assert audio.read(2**40) == data[:32_768], "one piece, as the next one might have to be waited for"
    assert audio.read(-1) == data[32_768:]
    assert max(file.asked) <= 32_768


@pytest.mark.parametrize("length", [100_000, 0xFFFFFFFF])
def test_rest_is_read_also_in_short_pieces(length):
    data = samples(100_000)
    audio = open_wav(ShortReads(wav(data, length=length)))
    assert audio.read(100) == data[:99]  # what is there comes at once
    assert audio.read(-1) == data[99:]
    assert audio.read(-1) == b""


@pytest.mark.parametrize("length", [0x7FFFEFFE, 0x80000002, 2_764_800_000, 0xFFFFEFFE])
def test_long_wav_that_is_cut_off(length):
    """Up to 4 GiB: four hours of two channels at 48,000 Hz are 2.8 GB."""
    audio = opened(wav(b"abcd", length=length))
    assert audio.duration == length / 32_000
    with pytest.raises(InvalidAudio, match=f"the WAV ends after 4 of its {length} bytes"):
        drain(iter_chunks(audio, audio.format), [])


def test_wav_whose_lengths_were_never_written():
    """As that of a recorder that crashed: by its header nothing follows, and it does."""
    info = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    for before in (b"", info, 2 * info):
        header = wav(before=before)
        for form_length in (0, len(header) - 8):
            data = header[:4] + struct.pack("<I", form_length) + header[8:] + b"abcd"
            audio = opened(data)
            assert audio.duration == 0.0
            assert list(iter_chunks(audio, audio.format)) == [b"abcd"]
    for after in (info, b"\0\0"):
        assert opened(wav(after=after)).read(100) == b"", "what follows is not audio"


class Slow(io.BytesIO):
    """A file that does not block, or fails, wherever its script says so."""

    def __init__(self, data, script):
        super().__init__(data)
        self.script = iter(script)

    def read(self, size):
        part = next(self.script, size)
        if isinstance(part, Exception):
            raise part
        return None if part is None else super().read(min(part, size))


def test_file_without_data_now_has_not_ended():
    data = wav(b"abcdef")
    for script in ([None], [12, 4, None]):
        with pytest.raises(BlockingIOError, match="has no data yet"):
            open_wav(Slow(data, script))
    audio = open_wav(Slow(data, [12, 8, 16, 8, 4, None, 2, None]))
    assert audio.read(4) == b"abcd"
    with pytest.raises(BlockingIOError, match="has no data yet"):
        audio.read(4)
    assert audio.read(4) == b"ef"
    chunks = []
    with pytest.raises(BlockingIOError, match="has no data yet"):
        drain(iter_chunks(Slow(b"abcdef", [4, None]), AudioFormat(16000)), chunks)
    assert chunks == [b"abcd"]


def test_wav_read_so_far_comes_before_no_data_now():
    audio = open_wav(Slow(wav(samples(50_000)), [12, 8, 16, 8, 32_768, None, None]))
    assert audio.read(-1) == samples(50_000)[:32_768]
    with pytest.raises(BlockingIOError, match="no data yet"):
        audio.read(-1)
    assert audio.read(-1) == samples(50_000)[32_768:]


@pytest.mark.parametrize("sizes", [[-1], [40_000, -1], [0, 10, 32_758, 5, 50_000]])
def test_read_that_fails_keeps_what_was_read(sizes):
    data = samples(50_000)
    audio = open_wav(Slow(wav(data), [12, 8, 16, 8, 32_768, OSError("unplugged"), 100, OSError("again")]))
    with pytest.raises(OSError, match="unplugged"):
        audio.read(-1)
    with pytest.raises(OSError, match="again"):
        audio.read(-1)
    assert b"".join(map(audio.read, sizes)) + audio.read(-1) == data
    assert audio.read(-1) == b""


def test_kept_audio_is_read_in_bounded_pieces():
    audio = open_wav(Slow(wav(samples(70_000)), [12, 8, 16, 8, 32_768, 32_768, OSError("unplugged")]))
    with pytest.raises(OSError, match="unplugged"):
        audio.read(-1)
    assert [len(audio.read(size)) for size in (0, 2**40, 2**40, 2**40)] == [0, 32_768, 32_768, 70_000 - 65_536]


def test_live_source_is_asked_for_one_chunk_at_a_time():
    """For more it might wait."""

    class Source(Asked):
        async def aread(self, size):
            return self.read(size)

    source = Source(bytes(8000))
    assert len(list(iter_chunks(source, AudioFormat(16000)))) == 3
    assert set(source.asked) == {3200}
    source = Source(bytes(8000))

    async def main():
        return [chunk async for chunk in aiter_chunks(SimpleNamespace(read=source.aread), AudioFormat(16000))]

    assert len(asyncio.run(main())) == 3
    assert set(source.asked) == {3200}


@pytest.mark.parametrize("first", [400, 800, 1000])
def test_iteration_thrown_into_repeats_no_chunk(first):
    """It is the consumer's error, and none of the source's."""
    pieces = [bytes(first), bytes(6000)]

    async def apieces():
        for piece in pieces:
            yield piece

    chunks = iter_chunks(pieces, AudioFormat(8000))
    assert next(chunks) == bytes(1600)
    with pytest.raises(KeyError):
        chunks.throw(KeyError())

    async def main():
        chunks = aiter_chunks(apieces(), AudioFormat(8000))
        assert await anext(chunks) == bytes(1600)
        with pytest.raises(KeyError):
            await chunks.athrow(KeyError())

    asyncio.run(main())


@pytest.mark.parametrize("failure", [InvalidAudio("cut"), ConnectionResetError("unplugged")])
def test_audio_that_came_before_its_source_failed_comes_first(failure):
    """Up to its last whole sample."""

    def source():
        yield bytes(3001)
        raise failure

    async def asource():
        for piece in source():
            yield piece

    chunks = []
    with pytest.raises(type(failure)):
        drain(iter_chunks(source(), AudioFormat(16000)), chunks)
    assert chunks == [bytes(3000)]
    chunks = []

    async def main():
        async for chunk in aiter_chunks(asource(), AudioFormat(16000)):
            chunks.append(chunk)

    with pytest.raises(type(failure)):
        asyncio.run(main())
    assert chunks == [bytes(3000)]

    def at_once():
        raise failure
        yield

    with pytest.raises(type(failure)):
        drain(iter_chunks(at_once(), AudioFormat(16000)), chunks)
    assert chunks == [bytes(3000)]


@pytest.mark.parametrize("end", [b"", bytearray(), memoryview(b""), array.array("B")])
def test_end_is_any_empty_buffer(end):
    pieces = iter([b"abcd", end])

    class File:
        def read(self, size):
            return next(pieces)

    assert list(iter_chunks(File(), AudioFormat(16000))) == [b"abcd"]


def test_asynchronous_source_without_data_now():
    class Source:
        pieces = iter([b"abcd", None])

        async def read(self, size):
            return next(self.pieces)

    chunks = []

    async def main():
        async for chunk in aiter_chunks(Source(), AudioFormat(16000)):
            chunks.append(chunk)  # noqa: PERF401

    with pytest.raises(BlockingIOError, match="has no data yet"):
        asyncio.run(main())
    assert chunks == [b"abcd"]


def test_piece_that_is_not_contiguous():
    with pytest.raises(BufferError, match=r"^a chunk of audio is not C-contiguous: numpy\.ascontiguousarray makes"):
        list(iter_chunks([memoryview(b"abcdef")[::2]], AudioFormat(16000)))


@pytest.mark.parametrize("piece", ["text", 5], ids=["str", "int"])
def test_piece_that_is_not_bytes(piece):
    with pytest.raises(TypeError, match=f"^a chunk of audio must be bytes or an array, not {type(piece).__name__}$"):
        list(iter_chunks([piece], AudioFormat(16000)))


NEEDS_LITTLE_ENDIAN = pytest.mark.skipif(sys.byteorder == "big", reason="its own 16-bit integers are not PCM here")


def shaped(form, *shape):
    size = 2 if form == "h" else 1
    return memoryview(bytes(size * math.prod(shape))).cast("B").cast(form, shape)


@NEEDS_LITTLE_ENDIAN
@pytest.mark.parametrize(
    ("encoding", "channels", "piece"),
    [
        ("pcm", 1, shaped("h", 8)),
        ("pcm", 1, shaped("h", 8, 1)),
        ("pcm", 1, shaped("h", 1, 8)),
        ("pcm", 2, shaped("h", 8)),
        ("pcm", 2, shaped("h", 4, 2)),
        ("pcm", 1, shaped("B", 16)),
        ("g711-ulaw", 2, shaped("B", 8, 2)),
    ],
)
def test_array_of_samples(encoding, channels, piece):
    assert b"".join(iter_chunks([piece], AudioFormat(8000, channels, encoding))) == bytes(16)


ONE = r"1 channel needs \(samples, 1\); take one channel, e\.g\. "
COLUMN = r"samples\[:, 0\]"


@NEEDS_LITTLE_ENDIAN
@pytest.mark.parametrize(
    ("encoding", "channels", "piece", "reason"),
    [
        ("pcm", 1, shaped("h", 8, 2), rf"shape \(8, 2\); {ONE}numpy\.ascontiguousarray\({COLUMN}\), or request two$"),
        ("pcm", 1, shaped("h", 2, 2), rf"shape \(2, 2\); {ONE}numpy\.ascontiguousarray\({COLUMN}\), or request two$"),
        ("pcm", 1, shaped("h", 8, 6), rf"shape \(8, 6\); {ONE}numpy\.ascontiguousarray\({COLUMN}\)$"),
        ("pcm", 1, shaped("h", 2, 8), rf"shape \(2, 8\); {ONE}samples\[0\], or request two$"),
        ("pcm", 1, shaped("h", 6, 8), rf"shape \(6, 8\); {ONE}samples\[0\]$"),
        ("pcm", 2, shaped("h", 2, 8), r"shape \(2, 8\); 2 channels need \(samples, 2\); transpose it, "),
        ("pcm", 2, shaped("h", 8, 1), r"shape \(8, 1\); 2 channels need \(samples, 2\)$"),
        ("pcm", 1, shaped("h", 2, 2, 2), r"shape \(2, 2, 2\); 1 channel needs \(samples, 1\)$"),
        ("g711-alaw", 1, shaped("B", 8, 2), rf"shape \(8, 2\); {ONE}numpy\.ascontiguousarray\({COLUMN}\), "),
        ("pcm", 1, shaped("b", 8), "an array whose items are 'b', .*; pcm needs 16-bit little-endian integers$"),
    ],
)
def test_array_that_is_not_of_samples(encoding, channels, piece, reason):
    with pytest.raises(InvalidAudio, match=reason):
        list(iter_chunks([piece], AudioFormat(8000, channels, encoding)))


@NEEDS_LITTLE_ENDIAN
def test_array_without_samples():
    assert not list(iter_chunks([memoryview(b"").cast("h")], AudioFormat(8000)))
    numpy = pytest.importorskip("numpy")
    assert not list(iter_chunks([numpy.zeros((0, 1), "<i2")], AudioFormat(8000)))


def test_empty_wav():
    audio = opened(wav())
    assert (audio.duration, audio.read(10)) == (0.0, b"")


@each("length", [0, 3, 4, 3200, 3301, 6399])
def test_wav_that_is_cut_off(length):
    """What it has comes before the error."""
    audio = opened(wav(samples(length), length=6400))
    assert audio.duration == 0.2
    chunks = []
    with pytest.raises(InvalidAudio, match=f"the WAV ends after {length} of its 6400 bytes of audio"):
        drain(iter_chunks(audio, audio.format), chunks)
    assert b"".join(chunks) == samples(length - length % 2)


def test_half_a_sample_at_the_end_of_a_wav():
    audio = opened(wav(b"abc"))
    chunks = iter_chunks(audio, audio.format)
    assert next(chunks) == b"ab"
    with pytest.raises(InvalidAudio, match="in the middle of a sample"):
        next(chunks)


@each(
    ("data", "text"),
    [
        (b"", "not a WAV"),
        (b"RIFF", "not a WAV"),
        (b"ID3" + bytes(50), "not a WAV"),
        (b"RIFF\0\0\0\0AVI " + bytes(50), "not a WAV"),
        (wav(b"ab", form=b"RIFX"), "not a WAV"),
        (wav(b"ab", form=b"RF64"), "not a WAV"),
        (
            wav(b"ab", tag=2, bits=4, block=1024),
            r"a WAV of Microsoft ADPCM \(2\) with 4 bits; PCM \(1\) with 16 bits, or A-law and mu-law, are allowed",
        ),
        (wav(b"ab", tag=3, bits=32), r"a WAV of floating-point PCM \(3\) with 32 bits"),
        (wav(b"ab", tag=6, bits=16), r"a WAV of A-law \(6\) with 16 bits"),
        (wav(b"ab", tag=7, bits=4), r"a WAV of mu-law \(7\) with 4 bits"),
        (wav(b"ab", tag=0x11, bits=4), r"a WAV of IMA ADPCM \(17\)"),
        (wav(b"ab", tag=0x55, bits=0), r"a WAV of MP3 \(85\)"),
        (wav(b"ab", tag=0x1234), r"a WAV of an unknown format \(4660\)"),
        (wav(b"ab", bits=8), r"a WAV of PCM \(1\) with 8 bits"),
        (wav(b"ab", bits=24), r"a WAV of PCM \(1\) with 24 bits"),
        (wav(b"ab", fmt=extensible(3, bits=32)), r"a WAV of floating-point PCM \(3\) with 32 bits"),
        (wav(b"ab", fmt=extensible(1, bytes(14))), r"a WAV of an unknown format \(65534\)"),
        (wav(b"ab", fmt=extensible(1)[:-1]), r"a WAV of an unknown format \(65534\)"),
        (wav(b"ab", rate=96000), "sample rate 96000 Hz"),
        (wav(b"ab", rate=4000), "sample rate 4000 Hz"),
        (wav(b"ab", channels=0), "0 channels"),
        (wav(b"ab", channels=6), "6 channels"),
        (wav(b"ab", block=4), "a WAV whose samples take 4 bytes; 2 are needed"),
        (wav(b"ab", block=0), "a WAV whose samples take 0 bytes; 2 are needed"),
        (wav(b"ab", fmt=b"\1\0\1\0"), r"a WAV with a fmt chunk of 4 bytes; at least 16 are needed$"),
        (b"RIFF\0\0\0\0WAVEdata\2\0\0\0ab", r"a WAV without a format: no fmt chunk comes before its audio$"),
        (b"RIFF\0\0\0\0WAVE", r"the WAV ends before its audio begins$"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff...", r"the WAV ends before its audio begins$"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_wav_that_the_service_does_not_take(data, text):
    with pytest.raises(InvalidAudio, match=f"^{text}"):
        opened(data)


def test_header_that_is_cut_anywhere_is_refused():
    data = wav(b"", fmt=extensible(1), before=b"LIST" + struct.pack("<I", 4) + b"abcd")
    opened(data)
    for length in range(len(data)):
        with pytest.raises(InvalidAudio):
            opened(data[:length])


@given(st.binary(max_size=80))
def test_bytes_are_a_wav_or_invalid_audio(data):
    for before in (b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"):
        with contextlib.suppress(InvalidAudio):
            audio = opened(before + data)
            all_of(iter_chunks(audio, audio.format))


@pytest.mark.parametrize(
    "expected", [AudioFormat(8000), AudioFormat(16000, 2), AudioFormat(16000, 1, "flac")], ids=repr
)
def test_wav_that_is_not_the_expected_one(expected):
    with pytest.raises(InvalidAudio, match="the WAV has pcm, 16000 Hz, 1 channel; expected: "):
        opened(wav(b"ab"), expected)
    with pytest.raises(InvalidAudio) as caught:
        opened(wav(b"ab"), AudioFormat(8000, 2))
    assert str(caught.value) == "the WAV has pcm, 16000 Hz, 1 channel; expected: pcm, 8000 Hz, 2 channels"


def test_wav_that_is_the_expected_one(tmp_path):
    assert opened(wav(b"ab"), MONO).format == MONO
    path = tmp_path / "audio.wav"
    path.write_bytes(wav(b"ab"))
    with open_wav(path, MONO) as audio:
        assert audio.format == MONO
    with pytest.raises(
        InvalidAudio, match=r"^the WAV has pcm, 16000 Hz, 1 channel; expected: pcm, 8000 Hz, 1 channel$"
    ):
        open_wav(path, AudioFormat(8000))


# Pace


class Time:
    """A clock that moves when somebody sleeps, later than asked by `late`."""

    def __init__(self, start=1000.0, late=0.0):
        self.now = start
        self.start = start
        self.late = late
        self.slept = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if seconds > 0:
            self.now += seconds + self.late

    def paced(self, chunks, format=MONO, work=0.0):
        async def run():
            times = []
            async for chunk in pace(chunks, format, clock=self.clock, sleep=self.sleep):
                times.append(round(self.now - self.start, 6))
                self.now += work(len(times)) if callable(work) else work
                assert type(chunk) is bytes
            return times

        return asyncio.run(run())


TEN = [bytes(3200)] * 10


def test_chunks_go_when_their_time_has_come():
    time = Time()
    assert time.paced(TEN) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert len(time.slept) == 9


def test_chunks_of_other_lengths():
    assert Time().paced([bytes(3200), bytes(1600), bytes(6400), bytes(2)]) == [0.0, 0.1, 0.15, 0.35]
    assert Time().paced([bytes(3200), bytes(3200)], STEREO) == [0.0, 0.05]
    assert Time().paced([bytes(800), bytes(800)], AudioFormat(8000, 1, "g711-ulaw")) == [0.0, 0.1]


def test_delays_do_not_add_up():
    """Every sleep lasts 20 ms longer than asked, and sending takes 30 ms: the hundredth chunk is 20 ms late."""
    assert Time(late=0.02).paced(TEN * 10, work=0.03)[-1] == 9.92


def test_chunks_catch_up_after_a_delay():
    times = Time().paced(TEN, work=lambda count: 0.35 if count == 2 else 0.0)
    assert times == [0.0, 0.1, 0.45, 0.45, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_also_in_a_delay_the_others_get_their_turn():
    time = Time()
    time.paced(TEN, work=1.0)
    assert time.slept == [0.0] * 9


def test_pace_of_many_chunks_does_not_drift():
    time = Time(start=0.0)
    assert time.paced([bytes(882)] * 100_000, AudioFormat(44100))[-1] == 999.99


def test_pace_of_asynchronous_chunks():
    time = Time()
    assert time.paced(aiter_chunks(stream(bytes(9600)), MONO)) == [0.0, 0.1, 0.2]


def test_chunks_are_asked_for_one_by_one():
    asked = []

    def chunks():
        for number in range(3):
            asked.append(number)
            yield bytes(3200)

    async def run():
        time = Time()
        iterator = pace(chunks(), MONO, clock=time.clock, sleep=time.sleep)
        await iterator.__anext__()
        assert asked == [0]
        await iterator.aclose()

    asyncio.run(run())


def test_chunks_of_nothing():
    assert Time().paced([]) == []


def test_error_of_the_audio_comes_through():
    async def run():
        async for _ in pace(iter_chunks(b"abc", MONO), MONO):
            pass

    with pytest.raises(InvalidAudio, match="in the middle of a sample"):
        asyncio.run(run())


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g729"])
def test_pace_needs_a_format_that_tells_the_time(encoding):
    with pytest.raises(InvalidAudio, match="does not tell its duration"):
        pace(TEN, AudioFormat(16000, 1, encoding))


def test_real_clock():
    async def run():
        loop = asyncio.get_running_loop()
        start = loop.time()
        count = 0
        async for _ in pace([bytes(320)] * 6, MONO):
            count += 1
        return count, loop.time() - start

    count, seconds = asyncio.run(run())
    assert count == 6
    assert 0.045 < seconds < 5
