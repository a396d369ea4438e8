"""Transcripts as text, SubRip and WebVTT.

Sources: https://www.matroska.org/technical/subtitles.html#srt-subtitles, https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MAX_SECONDS = 1e9
TRANSCRIPTS = (TRANSCRIPT, UTTERANCE) = ("TranscriptEvent", "UtteranceEvent")
"""The events with results."""

WEBVTT = b"WEBVTT\n\n"
"""How a file of WebVTT begins."""


@dataclass(frozen=True)
class Cue:
    """What was said, from when to when, in seconds."""

    begin: float
    end: float
    text: str


def printable(text: str) -> str:
    """Return the text without characters that control a terminal; its lines end with a line feed."""
    text = text.replace("\r\n", "\n")
    if text.translate({ord(char): " " for char in "\n\t"}).isprintable():
        return text
    return "".join(char if char in "\n\t\xa0" or char.isprintable() else "\ufffd" for char in text)


def parsed(data: bytes | str) -> Any:
    """Return the value of the JSON; None if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def cues(event_type: str | None, value: Any) -> Iterator[Cue]:
    """Yield the final results in an event of Transcribe, Transcribe Medical or Call Analytics, given as JSON."""
    if not isinstance(value, dict):
        return
    if event_type == UTTERANCE:
        if not value.get("IsPartial"):
            times = (value.get("BeginOffsetMillis"), value.get("EndOffsetMillis"))
            yield from cue(value.get("Transcript"), *(_seconds(time) / 1000 for time in times))
    elif event_type == TRANSCRIPT:
        transcript = value.get("Transcript")
        results = transcript.get("Results") if isinstance(transcript, dict) else None
        for result in results if isinstance(results, list) else ():
            if isinstance(result, dict) and not result.get("IsPartial"):
                alternatives = result.get("Alternatives")
                first = alternatives[0] if isinstance(alternatives, list) and alternatives else None
                text = first.get("Transcript") if isinstance(first, dict) else None
                yield from cue(text, result.get("StartTime"), result.get("EndTime"))


def cue(text: object, begin: object, end: object) -> Iterator[Cue]:
    """Yield the cue, if there is a text; an invalid time is 0."""
    if isinstance(text, str) and text.strip():
        start = _seconds(begin)
        yield Cue(start, max(start, _seconds(end)), " ".join(printable(text).split()))


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < _MAX_SECONDS else 0.0


def _transcript(cues: Iterable[Cue]) -> Iterator[bytes]:
    for cue in cues:
        yield _encoded(f"{cue.text}\n")


def _srt(cues: Iterable[Cue]) -> Iterator[bytes]:
    for number, cue in enumerate(cues, 1):
        yield _encoded(f"{number}\n{_clock(cue.begin, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n")


def _vtt(cues: Iterable[Cue]) -> Iterator[bytes]:
    yield WEBVTT
    for cue in cues:
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield _encoded(f"{_clock(cue.begin, '.')} --> {_clock(cue.end, '.')}\n{text}\n\n")


def _clock(seconds: float, point: str) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


SUBTITLES: dict[str, Callable[[Iterable[Cue]], Iterator[bytes]]] = {
    "transcript": _transcript,
    "srt": _srt,
    "vtt": _vtt,
}
"""By the name of a form, what writes cues in it."""
