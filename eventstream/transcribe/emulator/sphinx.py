"""Real recognition on this machine: PocketSphinx, with the English model that its wheel carries.

It is a small model of an older generation. It follows clear American English, read aloud close to the microphone, with
some words wrong in every sentence, and makes things up where it does not follow. It knows no punctuation, writes all in
lower case, and its partial results change their minds. Good to see words come in with their times; not to judge Amazon
Transcribe by. A core keeps up with one or two streams.

Its library holds the interpreter's lock while it works, a quarter of a second at a time, so each decoder runs in a
process of its own, and a thread waits for what it says. Loading the model takes a second: one process is started in
advance, and is used again when its stream has ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, cast

from eventstream.transcribe.emulator.recogniser import Hypothesis, Word
from eventstream.transcribe.exceptions import BadRequestException

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["PocketSphinx"]

MIN_SAMPLE_RATE = 16_000
"""The model listens up to 6.8 kHz."""

_ENCODINGS = ("pcm", "g711-alaw", "g711-ulaw")

_FRAMES_PER_SECOND = 100
"""In which PocketSphinx counts a word's time."""

# Beside words its dictionary has silence and noises, as <s>, <sil> and [NOISE], and further pronunciations, as a(2).
_FILLER = re.compile(r"[<\[+].*")
_VARIANT = re.compile(r"\([0-9]+\)$")


class PocketSphinx:
    """Makes recognisers for English at 16,000 Hz and more.

    It starts processes: a script that makes one needs the usual ``if __name__ == "__main__"``. `close` ends them, or
    the end of the program.

    Raises:
        ImportError: pocketsphinx is not installed.
    """

    def __init__(self) -> None:
        if find_spec("pocketsphinx") is None:
            raise ImportError("pocketsphinx is not installed: pip install 'eventstream-codec[speech]'")
        self._idle = [_Process()]

    def __call__(self, request: StartStreamTranscriptionRequest) -> _RemoteRecogniser:
        """A recogniser, which is ready to be fed though its model may still be loading.

        Raises:
            BadRequestException: the language is not English, the sample rate is too low, or the audio is compressed.
        """
        languages = [request.language_code] if request.language_code else list(request.language_options)
        if languages and not any(language.startswith("en-") for language in languages):
            raise BadRequestException(f"The recogniser of this emulator knows English, not {', '.join(languages)}.")
        if request.media_encoding not in _ENCODINGS:
            raise BadRequestException(f"The recogniser of this emulator cannot decode {request.media_encoding}.")
        if request.media_sample_rate_hertz < MIN_SAMPLE_RATE:
            raise BadRequestException(f"The recogniser of this emulator needs a sample rate of {MIN_SAMPLE_RATE} Hz.")
        try:
            process = self._idle.pop()
        except IndexError:
            process = _Process()
        return _RemoteRecogniser(process, request.media_sample_rate_hertz, self._idle)

    def close(self) -> None:
        """End the processes that wait for work."""
        while self._idle:
            self._idle.pop().close()


class _Process:
    """A process with decoders in it. It ends when the pipe to it is closed, or when this process is gone."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="pocketsphinx")
        self._process.start()
        theirs.close()

    def ask(self, request: int | bytes | None) -> list[Hypothesis]:
        """A sample rate begins a stream, PCM goes on with it, None ends it.

        Raises:
            RuntimeError: the recogniser failed; the process is of no use any more.
        """
        try:
            self._pipe.send(request)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise RuntimeError("the recogniser's process has died") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return cast("list[Hypothesis]", answer)

    def close(self) -> None:
        self._pipe.close()
        self._process.join(timeout=1)
        if self._process.exitcode is None:  # it is loading its model, or lost in thought
            self._process.kill()
            self._process.join()
        self._process.close()


class _RemoteRecogniser:
    """A recogniser that is in another process."""

    def __init__(self, process: _Process, sample_rate: int, idle: list[_Process]) -> None:
        self._process = process
        self._sample_rate: int | None = sample_rate
        self._idle = idle
        self._finished = False

    def feed(self, pcm: bytes) -> list[Hypothesis]:
        if self._sample_rate is not None:
            self._process.ask(self._sample_rate)
            self._sample_rate = None
        return self._process.ask(pcm)

    def finish(self) -> list[Hypothesis]:
        last = [] if self._sample_rate is not None else self._process.ask(None)
        self._finished = True
        return last

    def close(self) -> None:
        if self._finished and not self._idle:
            self._idle.append(self._process)
        else:
            self._process.close()


# The other process


def _serve(pipe: Connection) -> None:
    """Answer what `_Process.ask` asks."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it is time to go
    listeners: dict[int, _Listener] = {}
    listener: _Listener | None = None
    try:
        _listener_of(listeners, MIN_SAMPLE_RATE)  # the usual rate, in advance
        while True:
            request = pipe.recv()
            try:
                if isinstance(request, int):
                    listener = _listener_of(listeners, request)
                    listener.begin()
                    answer: list[Hypothesis] | str = []
                else:
                    assert listener is not None
                    answer = list(listener.finish() if request is None else listener.feed(request))
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            pipe.send(answer)
    except (EOFError, OSError):
        pass


def _listener_of(listeners: dict[int, _Listener], sample_rate: int) -> _Listener:
    if sample_rate not in listeners:
        listeners.clear()  # one model is enough to hold in memory
        listeners[sample_rate] = _Listener(sample_rate)
    return listeners[sample_rate]


class _Listener:
    """Finds the utterances in a stream, and decodes them."""

    def __init__(self, sample_rate: int) -> None:
        pocketsphinx: Any = import_module("pocketsphinx")  # it has no types
        self._new_endpointer = partial(pocketsphinx.Endpointer, sample_rate=sample_rate)
        self._decoder = pocketsphinx.Decoder(samprate=float(sample_rate), loglevel="FATAL")
        self._start: float | None = None

    def begin(self) -> None:
        """Begin another stream, and forget the one before: what it was adapted to, too, its speaker and its noise."""
        self._decoder.reinit_feat()
        self._endpointer = self._new_endpointer()
        self._rest = b""

    def feed(self, pcm: bytes) -> Iterator[Hypothesis]:
        data = self._rest + pcm
        length: int = self._endpointer.frame_bytes
        whole = len(data) - len(data) % length
        self._rest = data[whole:]
        for position in range(0, whole, length):
            yield from self._hear(self._endpointer.process(data[position : position + length]))
        if self._start is not None:
            yield Hypothesis(list(self._words(self._start, is_final=False)))

    def finish(self) -> Iterator[Hypothesis]:
        # The endpointer holds some frames back, and gives the rest of an utterance only.
        if self._rest:
            yield from self._hear(self._endpointer.end_stream(self._rest))
        if self._start is not None:
            yield self._end()

    def _hear(self, speech: bytes | None) -> Iterator[Hypothesis]:
        if speech is None:
            return
        if self._start is None:
            self._start = self._endpointer.speech_start
            self._decoder.start_utt()
        self._decoder.process_raw(speech)
        if not self._endpointer.in_speech:
            yield self._end()

    def _end(self) -> Hypothesis:
        assert self._start is not None
        self._decoder.end_utt()
        start, self._start = self._start, None
        return Hypothesis(list(self._words(start, is_final=True)), is_final=True)

    def _words(self, start: float, *, is_final: bool) -> Iterator[Word]:
        if self._decoder.hyp() is None:
            return
        for segment in self._decoder.seg():
            if not _FILLER.match(segment.word):
                yield Word(
                    _VARIANT.sub("", segment.word),
                    start + segment.start_frame / _FRAMES_PER_SECOND,
                    start + (segment.end_frame + 1) / _FRAMES_PER_SECOND,
                    confidence=min(segment.prob, 1.0) if is_final else None,
                )
