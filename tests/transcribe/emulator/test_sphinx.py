"""PocketSphinx hears recorded speech, each stream in a process of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from eventstream import decode, iter_messages
from eventstream.transcribe import BadRequestException, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Emulator, load_recogniser

pytest.importorskip("pocketsphinx")

CAPTURE = Path(__file__).parents[2] / "captures/amazon-transcribe-0.6.4-speech.request.bin"
CHUNK_LENGTH = 3200


@pytest.fixture(scope="module")
def speech():
    """Chunks of a sentence that was read aloud."""
    messages = iter_messages([CAPTURE.read_bytes()])
    pcm = b"".join(decode(bytes(message.payload)).payload for message in messages if message.payload)
    return [pcm[start : start + CHUNK_LENGTH] for start in range(0, len(pcm), CHUNK_LENGTH)]


@pytest.fixture(scope="module")
def factory():
    made = load_recogniser("pocketsphinx")
    yield made
    made.close()


def request(**parameters):
    return StartStreamTranscriptionRequest(
        **{"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm", **parameters}
    )


def heard(recogniser, chunks):
    return [hypothesis for chunk in chunks for hypothesis in recogniser.feed(chunk)] + list(recogniser.finish())


def check(hypotheses):
    partial, final = hypotheses[:-1], hypotheses[-1]
    assert final.is_final
    assert not any(hypothesis.is_final for hypothesis in partial)
    assert any(hypothesis.words for hypothesis in partial)
    # Which words it makes of the rest, depends on its version.
    assert [word.content for word in final.words][:6] == ["he", "might", "even", "have", "been", "made"]
    assert all(0 <= word.confidence <= 1 for word in final.words)
    assert all(word.content.isalpha() or "'" in word.content for word in final.words), "no <sil>, no a(2)"
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 3.3


def test_it_hears_speech_and_does_so_again(factory, speech):
    for _ in range(2):  # the second time in the same process
        recogniser = factory(request())
        check(heard(recogniser, speech))
        recogniser.close()


def test_other_processes_and_a_stream_that_breaks_off(factory, speech):
    first, second = factory(request()), factory(request(media_sample_rate_hertz=48000))
    first.feed(speech[0])
    second.feed(speech[0])
    first.close()
    second.close()


def test_nothing_was_said(factory):
    recogniser = factory(request())
    assert heard(recogniser, [bytes(CHUNK_LENGTH)] * 3) == []
    recogniser.close()
    recogniser = factory(request())
    assert list(recogniser.finish()) == []
    recogniser.close()


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"language_code": "fr-FR"}, "knows English, not fr-FR"),
        (
            {"language_code": None, "identify_language": True, "language_options": ["fr-FR", "de-DE"]},
            "not fr-FR, de-DE",
        ),
        ({"media_encoding": "flac"}, "cannot decode flac"),
        ({"media_sample_rate_hertz": 8000}, "a sample rate of 16000 Hz"),
    ],
)
def test_what_it_refuses(factory, parameters, text):
    with pytest.raises(BadRequestException, match=text):
        factory(request(**parameters))


def test_a_process_that_fails(factory):
    recogniser = factory(request())
    recogniser._sample_rate = 3_000_000
    with pytest.raises(RuntimeError, match="Failed to initialize"):
        recogniser.feed(bytes(CHUNK_LENGTH))
    recogniser.close()


def test_a_process_that_dies(factory):
    recogniser = factory(request())
    recogniser._process._process.kill()
    with pytest.raises(RuntimeError, match="has died"):
        recogniser.feed(bytes(CHUNK_LENGTH))
    recogniser.close()


def test_a_stream_that_ends_in_mid_utterance_after_a_whole_frame(factory, speech):
    recogniser = factory(request())
    frame_length = 960  # 30 ms
    part = b"".join(speech)[: 100 * frame_length]
    final = heard(recogniser, [part])[-1]
    assert final.is_final
    assert [word.content for word in final.words][:3] == ["he", "might", "even"]
    recogniser.close()


def test_a_process_that_does_not_end_is_killed():
    recogniser = load_recogniser("pocketsphinx")(request())
    process = recogniser._process._process
    os.kill(process.pid, signal.SIGSTOP)
    recogniser._process.close()
    with pytest.raises(ValueError, match="closed"):
        process.is_alive()


def test_a_stream_of_the_emulator(run, client, factory, speech):
    async def main():
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(*speech)
            await stream.end()
            last = (await stream.receive_all())[-1].transcript.results[-1]
            assert not last.is_partial
            assert last.alternatives[0].transcript.startswith("he might even have been made")

    run(main)
