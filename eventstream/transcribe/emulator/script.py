r"""What a scripted recogniser hears, and when: a text with marks for all that a result can say.

A plain text is a script. Its words follow each other without a pause, each as long as the others; a sentence ends with
``.``, ``?`` or ``!``. Words are separated by white space, and marks among them say more:

- ``{NAME Jane Doe}``: words that identify a person, and their type (``NAME``, ``PHONE``…).
- ``{ISSUE my phone is broken}``: words that say what a call is about; only call analytics tells them apart.
- ``[nice beach|speech]``: words that are understood in one way while they are spoken, and in another afterwards. Either
  may be empty.
- ``\`` before any of ``\ { } [ ] |``, or before a ``#`` or ``@`` that begins a line: the character itself.

A line that begins with ``#`` is a comment, and one with ``@`` an order:

- ``@speaker LABEL``: who says the words that follow.
- ``@confidence NUMBER``: of the words that follow, 0 to 1. Only final results have it, as at the service.
- ``@pace SECONDS``: how long each of the words that follow lasts, at first 0.3; 0.01 to 60.
- ``@language CODE [SCORE]``: what is spoken from here on, and how sure that is, 0 to 1. It ends a sentence.
- ``@pause SECONDS``: nobody speaks for so long.
- ``@at SECONDS``: continue at this time, which must not be over.
- ``@error CODE [TEXT]``: the stream ends here with this exception. It ends a sentence.
- ``@filter NAME WORD…``: words of a vocabulary filter, in any case.
- ``@sentiment NAME``: of the sentences from here on, for call analytics: ``POSITIVE``, ``NEGATIVE``, ``MIXED`` or
  ``NEUTRAL``. It ends a sentence.
- ``@category NAME``: a rule of call analytics that the next sentence matches, beside others that were named since the
  last one. It ends a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from eventstream._text import quote
from eventstream.transcribe.emulator.recogniser import Analysis, Mention, Word, tokens
from eventstream.transcribe.exceptions import TranscribeError

__all__ = ["Failure", "Piece", "Script", "Utterance", "parse"]

WORD_DURATION = 0.3
"""Seconds that a word takes: 200 words a minute, a brisk speaker."""

SENTIMENTS = ("POSITIVE", "NEGATIVE", "MIXED", "NEUTRAL")
"""The sentiments of the service model."""

_DAY = 86_400

_ENDS = (".", "?", "!")
_MARKS = "[.?!,;:]*"
_PART = re.compile(
    rf"\s*(?:\{{(?P<type>[A-Z_]+)\s+(?P<entity>(?:\\.|[^\\\s{{}}\[\]|])(?:\\.|[^\\{{}}\[\]|])*)\}}(?P<after>{_MARKS})"
    rf"|\[(?P<first>(?:\\.|[^\\{{}}\[\]|])*)\|(?P<last>(?:\\.|[^\\{{}}\[\]|])*)\](?P<behind>{_MARKS})"
    r"|(?P<plain>(?:\\.|[^\\\s{}\[\]|])+))(?=\s|$)"
)
_ESCAPED = re.compile(r"\\(.)")
_CODE = re.compile("[A-Za-z][0-9A-Za-z]*")


class Piece(NamedTuple):
    """Words that are understood together.

    Attributes:
        start, end: seconds from the beginning of the script.
        first: the words as they are understood until the end.
        last: as they are understood from then on.
    """

    start: float
    end: float
    first: list[Word]
    last: list[Word]

    def later(self, seconds: float) -> Piece:
        """Return the same, this many seconds later, rounded to milliseconds."""
        first = [word.later(seconds) for word in self.first]
        last = first if self.last is self.first else [word.later(seconds) for word in self.last]
        return Piece(round(self.start + seconds, 3), round(self.end + seconds, 3), first, last)


class Utterance(NamedTuple):
    """A sentence.

    Attributes:
        end: seconds from the beginning of the script.
        pieces: its words.
        mentions: words that identify a person, by their positions among the last readings.
        language, score: what is spoken, and how sure that is; None if the script does not say.
        analysis: what call analytics tells of it; None if the script does not say.
    """

    end: float
    pieces: list[Piece]
    mentions: list[Mention]
    language: str | None
    score: float | None
    analysis: Analysis | None

    def later(self, seconds: float) -> Utterance:
        """Return the same, this many seconds later, rounded to milliseconds."""
        return self._replace(end=round(self.end + seconds, 3), pieces=[piece.later(seconds) for piece in self.pieces])


class Failure(NamedTuple):
    """The end of the stream.

    Attributes:
        end: seconds from the beginning of the script.
        code, text: the exception's.
    """

    end: float
    code: str
    text: str

    @property
    def error(self) -> TranscribeError:
        """The exception to raise, of the class that its code has."""
        return TranscribeError.named(self.code, self.text)


class Script(NamedTuple):
    """A whole script.

    Attributes:
        steps: what happens, in order; at least one.
        duration: seconds after which it begins again.
    """

    steps: list[Utterance | Failure]
    duration: float


def parse(text: str) -> Script:
    """Read a script.

    Raises:
        ValueError: a line of it is wrong, whose number the text tells; or there are neither words nor errors in it.
    """
    parser = _Parser()
    for number, line in enumerate(text.splitlines(), 1):
        try:
            parser.read(line.strip())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return parser.finish()


class _Parser:
    def __init__(self) -> None:
        self._steps: list[Utterance | Failure] = []
        self._filters: dict[str, set[str]] = {}  # by words
        self._time = 0.0
        self._pace = WORD_DURATION
        self._speaker: str | None = None
        self._confidence: float | None = None
        self._language: str | None = None
        self._score: float | None = None
        self._sentiment: str | None = None
        self._categories: list[str] = []
        self._begin_sentence()
        self._orders: dict[str, Callable[[list[str]], None]] = {
            "speaker": self._read_speaker,
            "confidence": self._read_confidence,
            "pace": self._read_pace,
            "language": self._read_language,
            "pause": self._read_pause,
            "at": self._read_at,
            "error": self._read_error,
            "filter": self._read_filter,
            "sentiment": self._read_sentiment,
            "category": self._read_category,
        }

    def _begin_sentence(self) -> None:
        self._pieces: list[Piece] = []
        self._mentions: list[Mention] = []
        self._issues: list[tuple[int, int]] = []
        self._count = 0  # of words and punctuation marks, as they are understood in the end

    def _end_sentence(self) -> None:
        if self._pieces:
            end = self._pieces[-1].end
            analysis = Analysis(self._sentiment, tuple(self._categories), tuple(self._issues))
            said = analysis if any(analysis) else None
            self._steps.append(Utterance(end, self._pieces, self._mentions, self._language, self._score, said))
            self._categories = []
        self._begin_sentence()

    def finish(self) -> Script:
        self._end_sentence()
        if not self._steps:
            raise ValueError("a script without words")
        return Script([self._filtered(step) for step in self._steps], self._time)

    def _filtered(self, step: Utterance | Failure) -> Utterance | Failure:
        if isinstance(step, Failure) or not self._filters:
            return step

        def words(some: list[Word]) -> list[Word]:
            return [word._replace(filters=frozenset(self._filters.get(word.content.casefold(), ()))) for word in some]

        return step._replace(
            pieces=[piece._replace(first=words(piece.first), last=words(piece.last)) for piece in step.pieces]
        )

    # Lines

    def read(self, line: str) -> None:
        if line.startswith("@"):
            name, *arguments = line[1:].split() or [""]
            if name not in self._orders:
                raise ValueError(f"unknown order @{name}: expected one of {', '.join(map('@{}'.format, self._orders))}")
            self._orders[name](arguments)
        elif not line.startswith("#"):
            self._read_words(line)

    def _read_words(self, line: str) -> None:
        position = 0
        while position < len(line):
            part = _PART.match(line, position)
            if part is None:
                raise ValueError(
                    f"{quote(line[position:].strip())} is neither a word, {{TYPE words}} nor [words|words]; "
                    "write \\ before one of these characters to mean the character itself"
                )
            position = part.end()
            if part["type"] is not None:
                self._add_entity(part["type"], part["entity"], part["after"])
            elif part["first"] is not None:
                self._add(part["first"], part["last"], part["behind"])
            else:
                self._add(part["plain"], part["plain"])

    def _add_entity(self, type: str, text: str, marks: str) -> None:
        begin = self._count
        for word in text.split():
            self._add(word, word)
        if type == "ISSUE":
            self._issues.append((begin, self._count))
        else:
            self._mentions.append(Mention(type, begin, self._count, self._confidence))
        if marks:
            self._add_mark(marks[0])

    def _add(self, first: str, last: str, marks: str = "") -> None:
        """Add a piece, and end the sentence if its mark does."""
        understood, meant = (list(tokens(_ESCAPED.sub(r"\1", text))) for text in (first, last))
        length = max(len(understood), len(meant))
        if not length:
            raise ValueError("both ways to understand it are empty")
        start, self._time = self._time, round(self._time + self._pace * length, 3)
        last_words = self._words(meant, start)
        first_words = last_words if first == last else self._words(understood, start)
        self._pieces.append(Piece(start, self._time, first_words, last_words))
        self._count += len(last_words)
        if marks:
            self._add_mark(marks[0])
        elif last_words and last_words[-1].content in _ENDS:
            self._end_sentence()

    def _add_mark(self, mark: str) -> None:
        word = self._mark(mark, self._time)
        self._pieces.append(Piece(self._time, self._time, [word], [word]))
        self._count += 1
        if mark in _ENDS:
            self._end_sentence()

    def _words(self, reading: list[tuple[str, str]], start: float) -> list[Word]:
        """Spread words over the time since the start."""
        words = []
        duration = self._time - start
        time = start
        for number, (content, mark) in enumerate(reading, 1):
            begun, time = time, round(start + duration * number / len(reading), 3)
            words.append(Word(content, begun, time, confidence=self._confidence, stable=True, speaker=self._speaker))
            if mark:
                words.append(self._mark(mark, time))
        return words

    def _mark(self, mark: str, time: float) -> Word:
        return Word(mark, time, time, "punctuation", stable=True, speaker=self._speaker)

    # Orders

    def _read_speaker(self, arguments: list[str]) -> None:
        [self._speaker] = _expected(arguments, "@speaker LABEL", 1)

    def _read_confidence(self, arguments: list[str]) -> None:
        [text] = _expected(arguments, "@confidence NUMBER", 1)
        self._confidence = _number(text, 0, 1)

    def _read_pace(self, arguments: list[str]) -> None:
        [text] = _expected(arguments, "@pace SECONDS", 1)
        self._pace = _number(text, 0.01, 60)

    def _read_language(self, arguments: list[str]) -> None:
        code, *rest = _expected(arguments, "@language CODE [SCORE]", 1, 2)
        score = _number(rest[0], 0, 1) if rest else None
        self._end_sentence()
        self._language, self._score = code, score

    def _read_pause(self, arguments: list[str]) -> None:
        [text] = _expected(arguments, "@pause SECONDS", 1)
        self._time = round(self._time + _number(text, 0, _DAY), 3)

    def _read_at(self, arguments: list[str]) -> None:
        [text] = _expected(arguments, "@at SECONDS", 1)
        time = _number(text, 0, _DAY)
        if time < self._time:
            raise ValueError(f"@at {text} is too late: the script has already reached {self._time:g} seconds")
        self._time = time

    def _read_error(self, arguments: list[str]) -> None:
        code, *words = _expected(arguments, "@error CODE [TEXT]", 1, None)
        if not _CODE.fullmatch(code):
            raise ValueError(f"{quote(code)} is not the code of an exception: letters and digits")
        self._end_sentence()
        self._steps.append(Failure(self._time, code, " ".join(words)))

    def _read_sentiment(self, arguments: list[str]) -> None:
        [name] = _expected(arguments, "@sentiment NAME", 1)
        if name not in SENTIMENTS:
            raise ValueError(f"{quote(name)} is not a sentiment: {', '.join(SENTIMENTS)}")
        self._end_sentence()
        self._sentiment = name

    def _read_category(self, arguments: list[str]) -> None:
        [name] = _expected(arguments, "@category NAME", 1)
        self._end_sentence()
        self._categories.append(name)

    def _read_filter(self, arguments: list[str]) -> None:
        name, *words = _expected(arguments, "@filter NAME WORD…", 2, None)
        for word in words:
            self._filters.setdefault(word.casefold(), set()).add(name)


def _expected(arguments: list[str], form: str, minimum: int, maximum: int | None = 1) -> list[str]:
    if len(arguments) < minimum or (maximum is not None and len(arguments) > maximum):
        raise ValueError(f"{form} is expected")
    return arguments


def _number(text: str, minimum: float, maximum: float) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{quote(text)} is not a number") from None
    if not minimum <= number <= maximum:
        raise ValueError(f"{text} is out of range ({minimum:g} to {maximum:g})")
    return number
