"""``eventstream transcribe``: speech to text with Amazon Transcribe, from a file or a microphone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from eventstream.cli import _options
from eventstream.cli._inputs import standard_input
from eventstream.cli._recording import UnusableInput
from eventstream.cli._subtitles import SUBTITLES, Cue, cue, printable
from eventstream.cli._terminal import FAULTS, TROUBLE, complaint, fitted_end, json_line, output

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from eventstream.transcribe.model import Result, TranscriptEvent

_DEFAULT_RATE = 16_000
_RATE = f"Sample rate in Hz, for audio that is not a WAV file; {_DEFAULT_RATE} if only --encoding is given."
_MIC_SECONDS = 0.1  # of audio in a piece
_WEBSOCKET = ("ws:", "wss:")
_FOR_HTTP2 = "the one for HTTP/2, which begins with http:// or https://"
_OPTIONS = {
    "language_code": "--language",
    "media_encoding": "--encoding",
    "media_sample_rate_hertz": "--rate",
    "ca_bundle": "--ca-file",
}


@click.command(
    "transcribe",
    epilog="""\b
Examples:
  eventstream transcribe talk.wav
  eventstream transcribe --language de-DE --srt talk.wav -o talk.srt
  eventstream transcribe --rate 8000 --encoding g711-ulaw call.raw
  eventstream transcribe mic""",
)
@click.argument("audio", type=click.Path(), metavar="FILE|mic|-")
@_options.output_or_stdout
@click.option("--srt", "srt", is_flag=True, help="Write SubRip subtitles.")
@click.option("--vtt", "vtt", is_flag=True, help="Write WebVTT subtitles.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON object per result, including partial ones.")
@click.option("--language", default="en-US", show_default=True, metavar="CODE", help="The language spoken.")
@click.option("--rate", type=click.IntRange(8000, 48_000), help=_RATE)
@click.option(
    "--encoding",
    default=None,
    metavar="NAME",
    help="Encoding of audio that is not a WAV file: pcm, flac, ogg-opus, g711-alaw, g711-ulaw.",
)
@click.option("--fast", is_flag=True, help="Send audio as fast as possible, not in real time.")
@_options.service
@click.option("--ca-file", type=click.Path(), help="File of the certificates to trust, in PEM.")
@click.option("--retries", type=click.IntRange(0), default=0, help="How many temporary errors in a row to survive.")
def command(
    audio: str,
    path: str,
    srt: bool,
    vtt: bool,
    as_json: bool,
    language: str,
    rate: int | None,
    encoding: str | None,
    fast: bool,
    region: str | None,
    profile: str | None,
    endpoint: str | None,
    ca_file: str | None,
    retries: int,
) -> int:
    """Transcribe the speech in FILE, or what the microphone hears until Ctrl-C.

    On a terminal, partial results are shown during the speech. If an error or Ctrl-C ends it early, the output file
    holds what has come until then.
    """
    if endpoint is not None and endpoint.lower().startswith(_WEBSOCKET):
        raise click.UsageError(f"--endpoint: give {_FOR_HTTP2}")
    with _options.needed("client"):
        from eventstream.transcribe.sync import ConfigurationError, TranscribeClient
    from eventstream import CodecError, IncompleteStream, ServiceError
    from eventstream.credentials import NoRegion
    from eventstream.operation import InvalidRequest
    from eventstream.transcribe import InvalidAudio

    kinds = [name for name, given in (("srt", srt), ("vtt", vtt), ("json", as_json)) if given] or ["transcript"]
    if len(kinds) > 1:
        raise click.UsageError(f"--{' and --'.join(kinds)}: only one of them can be written")
    kind = kinds[0]
    if audio == "mic" and encoding not in (None, "pcm"):
        raise click.UsageError("a microphone records only PCM")
    parameters: dict[str, Any] = {"language_code": language}
    if audio == "mic" or rate is not None or encoding is not None:
        parameters |= {"media_encoding": encoding or "pcm", "media_sample_rate_hertz": rate or _DEFAULT_RATE}
    try:
        if audio not in ("mic", "-"):
            os.stat(audio)  # a missing file is told before a missing region
        client = TranscribeClient(region, profile=profile, endpoint=endpoint, ca_bundle=ca_file)
        if client.endpoint.lower().startswith(_WEBSOCKET):
            raise click.UsageError(f"the endpoint in the environment takes WebSockets: give --endpoint, {_FOR_HTTP2}")
        with output(path, audio, text=True) as write, contextlib.ExitStack() as stack:
            source = _source(audio, rate or _DEFAULT_RATE, stack)
            events = client.transcribe(source, pace=not fast, retries=retries, **parameters)
            results = _Results(events, partial=as_json)
            for piece in _json_lines(results) if as_json else SUBTITLES[kind](_cues(results)):
                write(piece)
                if path == "-":
                    sys.stdout.flush()
        if results.error is not None:
            if path != "-":
                complaint(f"{path}: incomplete: it ends where the transcription broke off")
            raise results.error
    except BrokenPipeError as error:
        if type(error) is BrokenPipeError and path == "-":  # the reader of standard output has seen enough
            raise
        complaint(error.strerror or str(error))
        return TROUBLE
    except UnusableInput as error:
        complaint(str(error))
        return error.status
    except ServiceError as error:
        complaint(str(error))
        return FAULTS
    except (CodecError, IncompleteStream, InvalidRequest, InvalidAudio) as error:
        complaint(f"{type(error).__name__}: {_options.renamed(str(error), _OPTIONS)}")
        return TROUBLE if isinstance(error, InvalidRequest) else FAULTS
    except ConfigurationError as error:
        complaint(_options.NO_REGION if isinstance(error, NoRegion) else str(error))
        return TROUBLE
    except OSError as error:
        reason = _options.renamed(error.strerror or str(error), _OPTIONS)
        complaint(f"{error.filename}: {error.strerror}" if error.filename else reason)
        return TROUBLE
    return 0


def _source(audio: str, rate: int, stack: contextlib.ExitStack) -> Any:
    if audio == "-":
        return standard_input()
    return audio if audio != "mic" else stack.enter_context(_microphone(rate))


@contextlib.contextmanager
def _microphone(rate: int) -> Generator[Iterator[bytes]]:
    """Give what the microphone hears, until Ctrl-C; a second one ends everything."""
    with _options.needed("mic"):
        import sounddevice
    stopped = threading.Event()

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stopped.set()

    def heard(stream: Any) -> Iterator[bytes]:
        while not stopped.is_set():
            data, _ = stream.read(int(rate * _MIC_SECONDS))
            yield bytes(data)

    before = signal.signal(signal.SIGINT, stop)
    try:
        with sounddevice.RawInputStream(samplerate=rate, channels=1, dtype="int16") as stream:
            complaint("listening; press Ctrl-C to stop")
            yield heard(stream)
    except sounddevice.PortAudioError as error:
        raise OSError(f"the microphone cannot be read: {error}") from error
    finally:
        signal.signal(signal.SIGINT, before)


# Results


class _Results:
    """The results until the last, or until an error, so that what has come by then is written.

    Args:
        events: what the service sends.
        partial: whether partial results count as something that has come.

    Attributes:
        error: what ended the results early, once something has come; before, it is raised.
    """

    def __init__(self, events: Iterable[TranscriptEvent], *, partial: bool) -> None:
        self.error: BaseException | None = None
        self._events = events
        self._partial = partial

    def __iter__(self) -> Iterator[Result]:
        has_come = False
        try:
            for event in self._events:
                for result in event.transcript.results:
                    yield result
                    has_come = has_come or self._partial or not result.is_partial
        except GeneratorExit:  # what is written cannot be
            raise
        except BaseException as error:  # Ctrl-C and the other signals, too
            if not has_come:
                raise
            self.error = error


def _json_lines(results: Iterable[Result]) -> Iterator[bytes]:
    for result in results:
        text = result.alternatives[0].transcript if result.alternatives else None
        found = {"begin": result.start_time, "end": result.end_time, "partial": result.is_partial, "text": text}
        yield f"{json_line(found)}\n".encode()


def _cues(results: Iterable[Result]) -> Iterator[Cue]:
    """Yield the final results; partial ones are shown on a terminal until the next result comes."""
    width = _width()
    is_shown = False

    def erase() -> None:
        if is_shown:
            print(end="\r\x1b[K", file=sys.stderr, flush=True)

    try:
        for result in results:
            text = result.alternatives[0].transcript if result.alternatives else None
            erase()
            is_shown = bool(result.is_partial and text and width)
            if is_shown:
                print(f"  {fitted_end(printable(text or ''), width - 3)}", end="", file=sys.stderr, flush=True)
            if not result.is_partial:
                yield from cue(text, result.start_time, result.end_time)
    finally:  # also of an error, which is told on this line
        erase()


def _width() -> int:
    """How many characters a line of the terminal at standard error has; 0 where there is no terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0
