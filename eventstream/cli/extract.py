"""``eventstream extract``: what messages carry: payloads, the text of an answer, a transcript, audio."""

from __future__ import annotations

import base64
import binascii
import codecs
import functools
import re
import struct
from typing import TYPE_CHECKING, Any

import click

from eventstream import Gap, Message
from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._json import MAX_DEPTH, nested_in
from eventstream.cli._subtitles import SUBTITLES, TRANSCRIPTS, WEBVTT, cues, parsed, printable
from eventstream.cli._terminal import FAULTS, TROUBLE, complaint, counted, output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eventstream.cli._recording import Recording

_KINDS = ("payloads", "text", "transcript", "srt", "vtt", "wav")
_NAMES = {"payloads": "payload", "text": "text", "wav": "audio"} | dict.fromkeys(SUBTITLES, "finished transcript")
_TEXTS = ("Records", "PayloadChunk", "chunk", "contentBlockDelta", "output")
_MAX_RATE = 384_000  # Hz of audio
_MAX_CHANNELS = 32
_KIND_OF = {"AudioEvent": "wav"} | dict.fromkeys(TRANSCRIPTS, "transcript") | dict.fromkeys(_TEXTS, "text")
"""By the type of an event, how it is best extracted; all others as payloads."""


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
@_options.output_or_stdout
@_options.inputs
@_options.stream
@click.option(
    "--as",
    "kind",
    type=click.Choice(_KINDS),
    default="text",
    show_default=True,
    help="The payloads, one after the other; the text of a Bedrock answer, of a transcription, or of payloads that are "
    "text; the final results of a transcription as text, SubRip or WebVTT; a request's audio as a WAV file.",
)
@click.option("--rate", type=click.IntRange(1, _MAX_RATE), help="Sample rate of the audio in Hz, if not recorded.")
@click.option(
    "--channels", type=click.IntRange(1, _MAX_CHANNELS), help="Channels of the audio, if not recorded (default: 1)."
)
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
    """Extract what an event stream carries, also from what is left of a damaged one; the status is then 1.

    If there is nothing to extract, no file is written, and the status is 1.
    """
    limits = _options.limits(no_limits)

    def work(recording: Recording) -> int:
        messages = _Messages(recording, limits)
        try:
            if kind == "wav":
                _write_wav(recording, messages, file, path, rate, channels)
            else:
                with output(path, file, text=kind != "payloads") as write:
                    _write(_WRITERS[kind](messages), write, WEBVTT if kind == "vtt" else b"")
        except _Nothing:
            complaint(f"{recording.name}: contains no {messages.lacking(kind)}")
            return FAULTS
        except OSError as error:
            if path == "-":
                raise
            complaint(f"{visible(path)}: {error.strerror}")
            return TROUBLE
        return 0 if messages.is_sound else FAULTS

    return _options.one(file, form, number, work)


class _Nothing(Exception):
    """There is nothing to extract, so that no file is written."""


def _write(pieces: Iterable[bytes], write: Callable[[bytes], Any], head: bytes) -> None:
    """Write the pieces, if there are more than the head of a file of this kind."""
    begin, found = b"", False
    for piece in pieces:
        if found:
            write(piece)
        elif piece in (b"", head):
            begin += piece
        else:
            found = True
            write(begin + piece)
    if not found:
        raise _Nothing


class _Messages:
    """The messages of a recording, the innermost of those that are nested. A gap is said on standard error."""

    def __init__(self, recording: Recording, limits: dict[str, int | None]) -> None:
        self.recording = recording
        self.limits = limits
        self.is_sound = True
        self._kinds: set[str] = set()

    def __iter__(self) -> Iterator[Message]:
        for message in self._all():
            if message.payload:
                self._kinds.add(_KIND_OF.get(message.event_type or "", "payloads"))
            yield message

    def lacking(self, kind: str) -> str:
        """Return what is not there, and how to extract what is, once all messages were read without a piece of this."""
        if kind == "text" and "transcript" in self._kinds:
            kind = "transcript"  # its results are partial, or without words
        return _NAMES[kind] + self._advice(kind)

    def _advice(self, kind: str) -> str:
        tried = {"transcript", "text"} if kind in SUBTITLES else {kind}
        for other in ("wav", "transcript", "text"):
            if other in self._kinds - tried:
                return f"; --as {other} extracts its {_NAMES[other]}"
        if self._kinds:
            return "; --as payloads extracts its payloads"
        return "" if kind == "payloads" else ", nor any other payload"

    def _all(self) -> Iterator[Message]:
        for part in self.recording.parts(self.limits):
            if isinstance(part, Gap):
                self.is_sound = False
                lost = f"{counted(part.length, 'byte')} lost at byte {part.offset}"
                complaint(f"{self.recording.name}: {lost}: {part.error}")
                yield from map(_innermost, part.nested)
            elif part.message_type in ("exception", "error"):
                self.is_sound = False
                code = part.exception_type or part.error_code
                text = bytes(part.payload).decode("utf-8", "replace")
                complaint(f"{self.recording.name}: it ends with {code}: {part.error_message or text}")
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


def _text(messages: Iterable[Message]) -> Iterator[bytes]:
    """Yield the text of an answer, as it came; one line feed at its end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ends_a_line = True
    for message in messages:
        text = _text_of(message, decoder)
        if text:
            ends_a_line = text.endswith("\n")
            yield printable(text).encode("utf-8", "replace")
    if not ends_a_line:
        yield b"\n"


def _text_of(message: Message, decoder: codecs.IncrementalDecoder) -> str:
    payload = bytes(message.payload)
    event = message.event_type
    if event in ("Records", "PayloadChunk") or (message.content_type or "").startswith("text/"):
        return decoder.decode(payload)
    value = parsed(payload)
    if event in TRANSCRIPTS:
        return "".join(f"{cue.text}\n" for cue in cues(event, value))
    if event == "chunk" and isinstance(value, dict) and isinstance(value.get("bytes"), str):
        try:
            return _text_of_chunk(base64.b64decode(value["bytes"], validate=True).decode())
        except (binascii.Error, ValueError):
            return ""
    path = _DELTAS_OF.get(event or "")
    return _at(value, *path) if path else ""


_DELTAS_OF: dict[str, tuple[str, ...]] = {"contentBlockDelta": ("delta", "text"), "output": ("text",)}
"""Where the events of ConverseStream and RetrieveAndGenerateStream have their text."""

_DELTAS: tuple[tuple[str | int, ...], ...] = (
    ("contentBlockDelta", "delta", "text"),  # Nova
    ("delta", "text"),  # Anthropic's Messages
    ("completion",),  # its earlier models
    ("outputText",),  # Titan
    ("generation",),  # Llama
    ("outputs", 0, "text"),  # Mistral's completions
    ("choices", 0, "delta", "content"),  # OpenAI's chats, and those of many others
    ("choices", 0, "message", "content"),  # Mistral's chats
    ("choices", 0, "text"),  # DeepSeek's completions
    ("generations", 0, "text"),  # Cohere's Command
    ("text",),  # its Command R
)
"""Where the chunks of InvokeModelWithResponseStream have their text, by the examples of AWS's documentation."""


def _text_of_chunk(chunk: str) -> str:
    """Return the text in a model's JSON; a chunk of InvokeAgent is text itself."""
    value = parsed(chunk)
    if not isinstance(value, (dict, list)):
        return chunk
    return next((text for path in _DELTAS if (text := _at(value, *path))), "")


def _at(value: Any, *path: str | int) -> str:
    """Return the text at the end of a path of names and indices; empty if there is none."""
    for name in path:
        if isinstance(name, int):
            value = value[name] if isinstance(value, list) and len(value) > name else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _subtitles(kind: str, messages: Iterable[Message]) -> Iterator[bytes]:
    events = ((message.event_type, parsed(bytes(message.payload))) for message in messages)
    yield from SUBTITLES[kind](cue for event in events for cue in cues(*event))


_WRITERS: dict[str, Callable[[Iterable[Message]], Iterator[bytes]]] = {
    "payloads": _payloads,
    "text": _text,
    **{kind: functools.partial(_subtitles, kind) for kind in SUBTITLES},
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
    """Write the audio as a WAV file, if there is any."""
    from tempfile import TemporaryFile

    encoding = recording.headers.get("x-amzn-transcribe-media-encoding", "pcm")
    if encoding != "pcm":
        raise click.UsageError(f"the audio is {visible(encoding)}, not PCM: extract it with --as payloads")
    rate = rate or _number(recording.headers.get("x-amzn-transcribe-sample-rate"), _MAX_RATE)
    recorded = recording.headers.get("x-amzn-transcribe-number-of-channels")
    channels = channels or _number(recorded, _MAX_CHANNELS) or 1
    if rate is None:
        raise click.UsageError("no recorded header gives the sample rate: give --rate")
    with output(path, file) as write, TemporaryFile() as audio:
        length = 0
        for message in messages:
            if message.event_type == "AudioEvent":
                length += audio.write(message.payload)
        if not length:
            raise _Nothing
        if length > _MAX_WAV:
            raise click.UsageError("the audio is over 4 GiB, more than a WAV file holds: use --as payloads")
        audio.seek(0)
        write(_wav_head(channels, rate, length))
        while piece := audio.read(1 << 18):
            write(piece)


def _wav_head(channels: int, rate: int, length: int) -> bytes:
    """Return a RIFF file up to its samples, in the form that has been the same since 1991."""
    frame = _PCM_BYTES * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, 8 * _PCM_BYTES)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + length, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", length)
    )


def _number(text: str | None, most: int) -> int | None:
    """Return what a recorded header says; None if that is not a number from 1 to the most."""
    number = int(text) if text is not None and re.fullmatch("[0-9]{1,6}", text) else 0
    return number if 1 <= number <= most else None
