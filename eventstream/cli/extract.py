"""``eventstream extract``: what messages carry: payloads, the text of an answer, a transcript, audio."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from eventstream import Gap, Message
from eventstream.cli import _options
from eventstream.cli._json import MAX_DEPTH, nested_in
from eventstream.cli._terminal import complaint, output, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eventstream.cli._inputs import Recording

_KINDS = ("payloads", "text", "transcript", "srt", "vtt", "wav")
_LINE_ENDS = "\n\t"  # all that a text may hold of what is not printable


@click.command(
    "extract",
    epilog="""\b
Examples:
  eventstream extract answer.bin
  eventstream extract --as srt transcript.bin -o talk.srt
  eventstream extract --as wav --rate 16000 request.bin -o talk.wav
  eventstream extract --as payloads select.bin -o rows.csv""",
)
@_options.file
@click.option(
    "-o", "--output", "path", default="-", type=click.Path(), metavar="OUT", help="The file; else the terminal."
)
@_options.inputs
@_options.stream
@click.option(
    "--as",
    "kind",
    type=click.Choice(_KINDS),
    default="text",
    show_default=True,
    help="The payloads, one behind the other; the text of a Bedrock answer, or of payloads that are text; the final "
    "results of a transcription as text, SubRip or WebVTT; a request's audio as a WAV file.",
)
@click.option("--rate", type=click.IntRange(1, 384_000), help="Hz, of the audio, where no recorded header says it.")
@click.option("--channels", type=click.IntRange(1, 32), help="Channels of the audio, likewise. 1 if nothing says more.")
def command(
    file: str,
    path: str,
    form: str | None,
    no_limits: bool,
    number: int | None,
    kind: str,
    rate: int | None,
    channels: int | None,
) -> int:
    """Take out what an event stream carries. What is left of a damaged one is taken out, too; the status is then 1."""
    limits = _options.limits(no_limits)

    def work(recording: Recording) -> int:
        messages = _Messages(recording, limits)
        try:
            if kind == "wav":
                _write_wav(recording, messages, file, path, rate, channels)
            else:
                with output(path, file, text=kind not in ("payloads", "wav")) as write:
                    for piece in _WRITERS[kind](messages):
                        write(piece)
        except OSError as error:
            if path == "-":
                raise
            complaint(f"{shown(path)}: {error.strerror}")
            return 1
        return 0 if messages.is_sound else 1

    return _options.one(file, form, number, work)


class _Messages:
    """The messages of a recording, the innermost of those that are nested. A gap is said on standard error."""

    def __init__(self, recording: Recording, limits: dict[str, int | None]) -> None:
        self.recording = recording
        self.limits = limits
        self.is_sound = True

    def __iter__(self) -> Iterator[Message]:
        for part in self.recording.parts(self.limits):
            if isinstance(part, Gap):
                self.is_sound = False
                complaint(f"{shown(self.recording.name)}: {part.length} bytes lost at byte {part.offset}: {part.error}")
                yield from map(_innermost, part.nested)
            elif part.message_type in ("exception", "error"):
                self.is_sound = False
                code = part.exception_type or part.error_code
                text = bytes(part.payload).decode("utf-8", "replace")
                complaint(f"{shown(self.recording.name)}: it ends with {code}: {part.error_message or text}")
            else:
                yield _innermost(part)


def _innermost(message: Message) -> Message:
    for _ in range(MAX_DEPTH):
        inner = nested_in(message.payload)
        if inner is None:
            break
        message = inner
    return message


def _payloads(messages: Iterable[Message]) -> Iterator[bytes]:
    for message in messages:
        yield bytes(message.payload)


# Texts


def _printable(text: str) -> str:
    """The text without characters that control a terminal; lines end with a line feed."""
    text = text.replace("\r\n", "\n")
    if text.translate({ord(char): " " for char in _LINE_ENDS}).isprintable():
        return text
    return "".join(char if char in _LINE_ENDS or char.isprintable() or char == "\xa0" else "\ufffd" for char in text)


def _text(messages: Iterable[Message]) -> Iterator[bytes]:
    """The text of an answer, as it came; one line feed at its end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ends_a_line = True
    for message in messages:
        text = _text_of(message, decoder)
        if text:
            ends_a_line = text.endswith("\n")
            yield _printable(text).encode("utf-8", "replace")
    if not ends_a_line:
        yield b"\n"


def _text_of(message: Message, decoder: codecs.IncrementalDecoder) -> str:
    payload = bytes(message.payload)
    event = message.event_type
    if event in ("Records", "PayloadChunk") or (message.content_type or "").startswith("text/"):
        return decoder.decode(payload)
    value = _json(payload)
    if event == "chunk" and isinstance(value, dict) and isinstance(value.get("bytes"), str):
        try:
            value = _json(base64.b64decode(value["bytes"], validate=True))
        except (binascii.Error, ValueError):
            return ""
        return _delta_of(value)
    return _at(value, "delta", "text") if event == "contentBlockDelta" else ""


_DELTAS = (("contentBlockDelta", "delta", "text"), ("delta", "text"), ("completion",))
"""Where the chunks of InvokeModelWithResponseStream have their text: Nova's, Anthropic's, and its earlier models'."""


def _delta_of(value: Any) -> str:
    return next((text for path in _DELTAS if (text := _at(value, *path))), "")


def _at(value: Any, *path: str) -> str:
    """The text at the end of a path of names; empty if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


# Transcripts


@dataclass
class _Cue:
    begin: float  # seconds
    end: float
    text: str


def _cues(messages: Iterable[Message]) -> Iterator[_Cue]:
    """The final results of a transcription: Transcribe's, Transcribe Medical's and Call Analytics'."""
    for message in messages:
        value = _json(bytes(message.payload)) if message.event_type in ("TranscriptEvent", "UtteranceEvent") else None
        if not isinstance(value, dict):
            continue
        if message.event_type == "UtteranceEvent":
            if not value.get("IsPartial"):
                times = (value.get("BeginOffsetMillis"), value.get("EndOffsetMillis"))
                yield from _cue(value.get("Transcript"), *(_seconds(time) / 1000 for time in times))
            continue
        transcript = value.get("Transcript")
        results = transcript.get("Results") if isinstance(transcript, dict) else None
        for result in results if isinstance(results, list) else ():
            if isinstance(result, dict) and not result.get("IsPartial"):
                alternatives = result.get("Alternatives")
                first = alternatives[0] if isinstance(alternatives, list) and alternatives else None
                text = first.get("Transcript") if isinstance(first, dict) else None
                yield from _cue(text, _seconds(result.get("StartTime")), _seconds(result.get("EndTime")))


def _cue(text: object, begin: float, end: float) -> Iterator[_Cue]:
    if isinstance(text, str) and text.strip():
        yield _Cue(begin, max(begin, end), " ".join(_printable(text).split()))


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e9 else 0.0


def _transcript(messages: Iterable[Message]) -> Iterator[bytes]:
    for cue in _cues(messages):
        yield f"{cue.text}\n".encode("utf-8", "replace")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _srt(messages: Iterable[Message]) -> Iterator[bytes]:
    for number, cue in enumerate(_cues(messages), 1):
        times = f"{_clock(cue.begin, ',')} --> {_clock(cue.end, ',')}"
        yield f"{number}\n{times}\n{cue.text}\n\n".encode("utf-8", "replace")


def _vtt(messages: Iterable[Message]) -> Iterator[bytes]:
    yield b"WEBVTT\n\n"
    for cue in _cues(messages):
        times = f"{_clock(cue.begin, '.')} --> {_clock(cue.end, '.')}"
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{times}\n{text}\n\n".encode("utf-8", "replace")


_WRITERS: dict[str, Callable[[Iterable[Message]], Iterator[bytes]]] = {
    "payloads": _payloads,
    "text": _text,
    "transcript": _transcript,
    "srt": _srt,
    "vtt": _vtt,
}


# Audio

_PCM_BYTES = 2  # of a sample, as Transcribe has it
_MAX_WAV = 2**32 - 1 - 36


def _write_wav(
    recording: Recording,
    messages: Iterable[Message],
    file: str,
    path: str,
    rate: int | None,
    channels: int | None,
) -> None:
    from tempfile import TemporaryFile

    encoding = recording.headers.get("x-amzn-transcribe-media-encoding", "pcm")
    if encoding != "pcm":
        raise click.UsageError(f"the audio is {shown(encoding)}, not PCM: take it out with --as payloads")
    rate = rate or _number(recording.headers.get("x-amzn-transcribe-sample-rate"))
    channels = channels or _number(recording.headers.get("x-amzn-transcribe-number-of-channels")) or 1
    if rate is None:
        raise click.UsageError("no recorded header says the sample rate: give --rate")
    with TemporaryFile() as audio:
        length = 0
        for message in messages:
            if message.event_type == "AudioEvent":
                length += audio.write(message.payload)
        if length > _MAX_WAV:
            raise click.UsageError("the audio is over 4 GiB, more than a WAV file holds: use --as payloads")
        audio.seek(0)
        with output(path, file) as write:
            write(_wav_head(channels, rate, length))
            while piece := audio.read(1 << 18):
                write(piece)


def _wav_head(channels: int, rate: int, length: int) -> bytes:
    """A RIFF file up to its samples, in the form that has been the same since 1991."""
    frame = _PCM_BYTES * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, 8 * _PCM_BYTES)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + length, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", length)
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and 0 < len(text) < 7 else None
