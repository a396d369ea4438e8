"""Moonshine hears recorded speech, and what its library says becomes hypotheses."""

from __future__ import annotations

import array
import re
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventstream.transcribe import BadRequestException, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Emulator, Hypothesis, Word, load_recogniser
from eventstream.transcribe.emulator import moonshine as module
from eventstream.transcribe.emulator.moonshine import Moonshine, _MoonshineRecogniser

WAV = Path(__file__).parents[3] / "examples/speech.wav"
SENTENCE = ["he", "might", "even", "have", "been", "made", "amiable", "himself"]


def request(**parameters):
    return StartStreamTranscriptionRequest(
        **{"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm", **parameters}
    )


# With the library


@pytest.fixture(scope="module")
def factory():
    pytest.importorskip("moonshine_voice")
    made = load_recogniser("moonshine")
    yield made
    made.close()


@pytest.fixture(scope="module")
def speech():
    with wave.open(str(WAV)) as file:
        return file.readframes(file.getnframes())


def heard(recogniser, pcm, step=3200):
    hypotheses = []
    for start in range(0, len(pcm), step):
        hypotheses += recogniser.feed(pcm[start : start + step])
    hypotheses += recogniser.finish()
    recogniser.close()
    return hypotheses


def spoken(hypothesis):
    return [word.content.lower() for word in hypothesis.words if word.type == "pronunciation"]


@pytest.mark.speech
def test_speech_is_heard(factory, speech):
    *partial, final = heard(factory(request()), speech)
    assert spoken(final) == SENTENCE
    assert final.is_final
    assert final.words[-1].type == "punctuation"
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < 0.5
    assert 2.5 < times[-1] < 3.4
    assert all(word.confidence is None for word in final.words)
    assert len(partial) > 2
    assert not any(hypothesis.is_final for hypothesis in partial)
    lengths = [len(hypothesis.words) for hypothesis in partial]
    assert lengths[0] < lengths[-1], "it grows"


@pytest.mark.speech
@pytest.mark.parametrize("rate", [8000, 48000])
def test_speech_at_another_rate_is_heard(factory, speech, rate):
    samples = array.array("h", speech)
    changed = samples[::2] if rate == 8000 else array.array("h", [sample for sample in samples for _ in range(3)])
    final = heard(factory(request(media_sample_rate_hertz=rate)), changed.tobytes(), step=rate // 5)[-1]
    assert spoken(final)[:5] == SENTENCE[:5]
    assert 2.5 < final.words[-1].end < 3.4


@pytest.mark.speech
def test_silence_is_not_heard(factory):
    assert heard(factory(request()), bytes(32000)) == []


@pytest.mark.speech
def test_emulator_hears_two_channels(run, client, factory, speech):
    stereo = array.array("h", bytes(2 * len(speech)))
    stereo[1::2] = array.array("h", speech)
    pcm = stereo.tobytes()

    async def main():
        async with Emulator(recogniser=factory) as emulator, client(emulator) as peer:
            stream = await peer.open(number_of_channels=2, enable_channel_identification=True)
            await stream.audio(*[pcm[start : start + 12800] for start in range(0, len(pcm), 12800)])
            await stream.end()
            events = await stream.receive_all()
            [final] = [result for event in events for result in event.transcript.results if not result.is_partial]
            assert final.channel_id == "ch_1"
            assert re.findall(r"\w+", final.alternatives[0].transcript.lower()) == SENTENCE

    run(main)


# The factory


@pytest.mark.parametrize(
    ("parameters", "languages"),
    [
        ({"language_code": "fr-FR"}, "fr-FR"),
        (
            {"language_code": None, "identify_language": True, "language_options": ["fr-FR", "de-DE"]},
            "fr-FR, de-DE",
        ),
    ],
)
def test_languages_but_english_are_refused(library, parameters, languages):
    with pytest.raises(BadRequestException) as raised:
        Moonshine()(request(**parameters))
    assert raised.value.message == f"The recogniser of this emulator knows English, not {languages}."


@pytest.mark.parametrize(
    "parameters",
    [
        {"language_code": "en-GB"},
        {"language_code": None, "identify_language": True, "language_options": ["fr-FR", "en-AU"]},
        {"language_code": None, "identify_language": True, "language_options": []},
    ],
)
def test_english_is_taken(library, parameters):
    Moonshine()(request(**parameters)).close()


def test_missing_moonshine_names_the_extra(monkeypatch):
    monkeypatch.setattr(module, "find_spec", {}.get)
    with pytest.raises(ImportError) as raised:
        Moonshine()
    assert str(raised.value) == (
        "moonshine-voice is not installed: pip install 'eventstream-codec[speech]' "
        "(it has wheels for Linux with glibc 2.34, x86-64 and arm64, and for Windows, x86-64)"
    )


def test_library_that_does_not_load_is_an_import_error(library, monkeypatch):
    def fail(*_, **__):
        raise library.MoonshineError("GLIBC_2.34 not found")

    monkeypatch.setattr(library, "Transcriber", fail)
    with pytest.raises(ImportError, match=r"^moonshine-voice does not work on this machine$"):
        Moonshine()


def test_model_is_released(library):
    made = Moonshine()
    assert library.made == [("model:tiny-en", "tiny", {"return_audio_data": "false"})]
    made.close()
    assert library.closed


# Without the library: lines are said as a test wants them


def line(text, start, duration, *, complete=False):
    return SimpleNamespace(text=text, start_time=start, duration=duration, is_complete=complete)


class Stream:
    """What was fed to it, and lines that are put there."""

    def __init__(self):
        self.samples = []
        self.lines = []
        self.open = False

    def start(self):
        self.open = True

    def add_audio(self, samples, rate):
        assert self.open
        assert rate == 8000
        self.samples += samples

    def update_transcription(self):
        return SimpleNamespace(lines=list(self.lines))

    def stop(self):
        for last in self.lines:
            last.is_complete = True
        return self.update_transcription()

    def close(self):
        self.open = False


class Transcriber:
    def __init__(self):
        self.streams = []

    def create_stream(self, update_interval):
        assert update_interval == float("inf"), "its own updates would be lost"
        self.streams.append(Stream())
        return self.streams[-1]


@pytest.fixture
def library(monkeypatch):
    """Modules as of moonshine_voice, which note how they are used."""
    library = SimpleNamespace(made=[], closed=False, MoonshineError=type("MoonshineError", (Exception,), {}))

    class Made(Transcriber):
        def __init__(self, path, arch, options):
            super().__init__()
            library.made.append((path, arch, options))

        def close(self):
            library.closed = True

    library.Transcriber = Made
    modules = {
        "transcriber": library,
        "moonshine_api": SimpleNamespace(ModelArch=SimpleNamespace(TINY="tiny")),
        "utils": SimpleNamespace(get_model_path="model:{}".format),
    }
    for name, made in modules.items():
        monkeypatch.setitem(sys.modules, f"moonshine_voice.{name}", made)
    monkeypatch.setitem(sys.modules, "moonshine_voice", SimpleNamespace())
    monkeypatch.setattr(module, "find_spec", lambda _: "found")
    return library


SECOND = bytes(16000)


@pytest.fixture
def transcriber():
    return Transcriber()


@pytest.fixture
def recogniser(transcriber):
    return _MoonshineRecogniser(transcriber, 8000)


def test_samples_are_fractions(transcriber, recogniser):
    list(recogniser.feed(b"\x00\x80\xff\x7f\x00\x40"))
    assert transcriber.streams[0].samples == [-1.0, 32767 / 32768, 0.5]


def test_words_are_spread_over_the_utterance(transcriber, recogniser):
    transcriber.streams[0].lines = [line(" Oh, what a day! ", 1.0, 1.25)]
    assert list(recogniser.feed(SECOND)) == [
        Hypothesis(
            [
                Word("Oh", 1.0, 1.25),
                Word(",", 1.25, 1.25, "punctuation"),
                Word("what", 1.25, 1.75),
                Word("a", 1.75, 1.875),
                Word("day", 1.875, 2.25),
                Word("!", 2.25, 2.25, "punctuation"),
            ]
        )
    ]


def test_unchanged_text_is_not_told_again(transcriber, recogniser):
    [stream] = transcriber.streams
    stream.lines = [line("Oh", 0.0, 0.5)]
    assert len(list(recogniser.feed(SECOND))) == 1
    stream.lines = [line("Oh", 0.0, 1.5)]
    assert list(recogniser.feed(SECOND)) == []
    stream.lines = [line("Oh", 0.0, 1.5, complete=True), line("what", 1.5, 0.5)]
    assert list(recogniser.feed(SECOND)) == [
        Hypothesis([Word("Oh", 0.0, 1.5)], is_final=True),
        Hypothesis([Word("what", 1.5, 2.0)]),
    ]
    assert list(recogniser.finish()) == [Hypothesis([Word("what", 1.5, 2.0)], is_final=True)]


def test_utterance_that_comes_to_nothing_is_ended(transcriber, recogniser):
    [stream] = transcriber.streams
    stream.lines = [line("", 0.0, 0.5), line("Oh", 0.5, 0.5)]
    assert list(recogniser.feed(SECOND)) == [Hypothesis([Word("Oh", 0.5, 1.0)])]
    stream.lines = [line("", 0.0, 0.5, complete=True), line("", 0.5, 0.5, complete=True)]
    assert list(recogniser.feed(SECOND)) == [Hypothesis([], is_final=True)]
    assert list(recogniser.finish()) == []


def test_long_transcription_uses_several_streams(transcriber, recogniser, monkeypatch):
    monkeypatch.setattr(module, "_MAX_LINES", 2)
    first = transcriber.streams[0]
    first.lines = [line("Oh", 0.0, 0.5, complete=True), line("what", 0.5, 0.4)]
    assert len(list(recogniser.feed(SECOND))) == 2
    assert first.open, "its last utterance is not over"
    first.lines[1].is_complete = True
    assert len(list(recogniser.feed(b"\x00\x40" * 6000))) == 1
    assert not first.open
    _, second = transcriber.streams
    assert second.samples == [0.0] * 800 + [0.5] * 6000, "what followed the last utterance, but no more than a second"
    second.lines = [line("a", 0.25, 0.5, complete=True)]
    [final] = recogniser.feed(SECOND)
    assert final == Hypothesis([Word("a", 1.15, 1.65)], is_final=True)
    assert second.samples[6800:] == [0.0] * 8000
    recogniser.close()
    assert not second.open


def test_new_stream_hears_a_second_at_most(transcriber, recogniser, monkeypatch):
    monkeypatch.setattr(module, "_MAX_LINES", 1)
    transcriber.streams[0].lines = [line("Oh", 0.0, 0.5, complete=True)]
    list(recogniser.feed(3 * SECOND))
    assert len(transcriber.streams[1].samples) == 8000
    transcriber.streams[1].lines = [line("what", 0.0, 1.0, complete=True)]
    [final] = recogniser.feed(SECOND)
    assert final.words[0].start == 2.0
