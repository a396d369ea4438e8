"""PocketSphinx hears recorded speech, each stream in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventstream import decode, iter_messages
from eventstream.transcribe import BadRequestException, StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Emulator, Hypothesis, Word, load_recogniser
from eventstream.transcribe.emulator.sphinx import PocketSphinx, _Listener, _serve

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


def test_without_pocketsphinx_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("eventstream.transcribe.emulator.sphinx.find_spec", {}.get)
    with pytest.raises(ImportError, match=r"^pocketsphinx is not installed: pip install '\S+\[speech\]'$"):
        PocketSphinx()


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


def test_one_process_waits_for_work_and_no_more(speech):
    made = PocketSphinx()
    [process] = made._idle
    assert type(process._process).__name__ == "SpawnProcess", "a fork would take threads and sockets along"
    assert process._process.daemon
    assert process._process.name == "pocketsphinx"
    recognisers = [made(request()), made(request())]
    assert recognisers[0]._process is process
    assert made._idle == []
    for recogniser in recognisers:
        heard(recogniser, speech[:1])
        recogniser.close()
    assert made._idle == [process], "the one that was first to end; the other is closed"
    recogniser = made(request())
    recogniser.feed(speech[0])
    recogniser.close()
    assert made._idle == [], "who has not finished leaves something behind"
    for recogniser in recognisers:
        with pytest.raises(ValueError, match="closed"):
            recogniser._process._process.is_alive()
    made.close()


def test_close_ends_the_process_that_waits():
    made = PocketSphinx()
    [process] = made._idle
    recogniser = made(request())
    assert recogniser.finish() == [], "the process is not asked for what it has never heard"
    recogniser.close()
    assert made._idle == [process]
    made.close()
    assert made._idle == []
    with pytest.raises(ValueError, match="closed"):
        process._process.is_alive()


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
        ({"language_code": "fr-FR"}, "knows English, not fr-FR."),
        (
            {"language_code": None, "identify_language": True, "language_options": ["fr-FR", "de-DE"]},
            "knows English, not fr-FR, de-DE.",
        ),
        ({"media_encoding": "flac"}, "cannot decode flac."),
        ({"media_sample_rate_hertz": 15999}, "needs a sample rate of 16000 Hz."),
    ],
)
def test_what_it_refuses(factory, parameters, text):
    with pytest.raises(BadRequestException) as raised:
        factory(request(**parameters))
    assert raised.value.message == f"The recogniser of this emulator {text}"


@pytest.mark.parametrize(
    "parameters",
    [
        {"language_code": "en-GB", "media_encoding": "g711-alaw"},
        {"media_encoding": "g711-ulaw"},
        {"language_code": None, "identify_language": True, "language_options": ["fr-FR", "en-AU"]},
        {"language_code": None, "identify_language": True, "language_options": []},
    ],
)
def test_what_it_takes(factory, parameters):
    factory(request(**parameters)).close()


def test_a_process_that_fails(factory):
    recogniser = factory(request())
    recogniser._sample_rate = 3_000_000
    with pytest.raises(RuntimeError, match="Failed to initialize"):
        recogniser.feed(bytes(CHUNK_LENGTH))
    recogniser.close()


def test_a_process_that_dies(factory):
    recogniser = factory(request())
    recogniser._process._process.kill()
    with pytest.raises(RuntimeError, match=r"^the recogniser's process has died$"):
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


# What runs in the other process, in this one


class Pipe:
    """The other process's end: what it is asked, and what it has answered."""

    def __init__(self, *requests):
        self.requests = iter(requests)
        self.answers = []
        self.send = self.answers.append

    def recv(self):
        for asked in self.requests:
            return asked
        raise EOFError


@pytest.fixture
def answers():
    before = signal.getsignal(signal.SIGINT)

    def serve(*requests):
        pipe = Pipe(*requests)
        assert _serve(pipe) is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return pipe.answers

    yield serve
    signal.signal(signal.SIGINT, before)


def test_every_stream_begins_anew(answers, speech):
    one = [16_000, *speech[:20], None]
    found = answers(*one, *one)
    assert found[: len(one)] == found[len(one) :]
    assert found[0] == []
    check([hypothesis for answer in answers(16_000, *speech, None) for hypothesis in answer])


def test_a_failure_is_answered_and_is_the_stream_s_alone(answers, speech):
    said, begun, heard = answers(speech[0], 16_000, speech[0])
    assert said == "AssertionError: "
    assert begun == heard == []


def test_what_cannot_be_sent_ends_the_process():
    pipe = Pipe(16_000)
    pipe.send = {}.get  # for which a list is no key
    with pytest.raises(TypeError, match="unhashable"):
        _serve(pipe)


class Endpointer:
    """Frames of four bytes: in small letters someone speaks, in capitals for the last time; at a dash nobody does."""

    frame_bytes = 4
    in_speech = False
    frames = 0

    def __init__(self, sample_rate):
        self.sample_rate = sample_rate

    def process(self, frame):
        assert len(frame) == 4
        self.frames += 1
        if b"-" in frame:
            return None
        if not self.in_speech:
            self.speech_start = float(self.frames - 1)
        self.in_speech = frame.islower()
        return frame

    def end_stream(self, rest):
        assert len(rest) < 4
        self.in_speech = False
        return rest if self.frames else None


class Decoder:
    """Hears what its list of segments says, and notes what is done to it."""

    def __init__(self, samprate, loglevel):
        self.done = [(samprate, loglevel)]
        self.segments = []

    def __getattr__(self, name):
        return lambda *arguments: self.done.append((name, *arguments))

    def hyp(self):
        return self.segments or None

    def seg(self):
        assert self.segments, "it must not be asked for those of nothing"
        return self.segments


def segment(word, start_frame, end_frame, prob=1.0):
    return SimpleNamespace(word=word, start_frame=start_frame, end_frame=end_frame, prob=prob)


@pytest.fixture
def listener(monkeypatch):
    made = SimpleNamespace(Endpointer=Endpointer, Decoder=Decoder)
    monkeypatch.setitem(sys.modules, "pocketsphinx", made)
    listener = _Listener(48_000)
    listener.begin()
    assert listener._endpointer.sample_rate == 48_000
    assert listener._decoder.done == [(48_000.0, "FATAL"), ("reinit_feat",)]
    listener._decoder.done.clear()
    return listener


def test_utterances_are_decoded_frame_by_frame(listener):
    decoder = listener._decoder
    assert list(listener.feed(b"--")) == []
    assert list(listener.feed(b"--on")) == []
    assert decoder.done == []
    decoder.segments = [segment("<s>", 0, 9), segment("one(2)", 10, 29, 0.5)]
    assert list(listener.feed(b"e two ")) == [Hypothesis([Word("one", 1.1, 1.3)])]
    assert decoder.done == [("start_utt",), ("process_raw", b"one "), ("process_raw", b"two ")]
    decoder.done.clear()
    decoder.segments += [segment("it's", 30, 39, 1.0625), segment("[NOISE]", 40, 41), segment("++UH++", 42, 43)]
    final = Hypothesis([Word("one", 1.1, 1.3, confidence=0.5), Word("it's", 1.3, 1.4, confidence=1.0)], is_final=True)
    assert list(listener.feed(b"ENDS----")) == [final]
    assert decoder.done == [("process_raw", b"ENDS"), ("end_utt",)]
    decoder.done.clear()
    decoder.segments = []
    assert list(listener.feed(b"next")) == [Hypothesis([])]
    assert decoder.done == [("start_utt",), ("process_raw", b"next")]
    assert list(listener.finish()) == [Hypothesis([], is_final=True)]
    assert decoder.done[2:] == [("end_utt",)]


def test_the_rest_of_an_utterance(listener):
    listener._decoder.segments = [segment("a", 0, 0)]
    assert len(list(listener.feed(b"----talk-"))) == 1
    assert list(listener.finish()) == [Hypothesis([Word("a", 1.0, 1.01, confidence=1.0)], is_final=True)]
    assert listener._decoder.done[2:] == [("process_raw", b"-"), ("end_utt",)]
    listener.begin()
    assert listener._decoder.done[4:] == [("reinit_feat",)]
    assert list(listener.finish()) == [], "nothing is left of the stream before"


def test_another_rate_is_another_decoder_in_the_place_of_the_first(answers, monkeypatch):
    made = []

    class Counted(Decoder):
        def __init__(self, samprate, loglevel):
            super().__init__(samprate, loglevel)
            made.append(samprate)

    monkeypatch.setitem(sys.modules, "pocketsphinx", SimpleNamespace(Endpointer=Endpointer, Decoder=Counted))
    assert answers(16_000, 48_000, 48_000, 16_000) == [[]] * 4
    assert made == [16_000.0, 48_000.0, 16_000.0]


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
