"""What a recogniser is, and how one is found by its name.

A recogniser is fed audio and returns, after each piece, hypotheses: how it now understands what is being said. The last
hypothesis of an utterance is final. It need not know about events, channels or clocks; those are the endpoint's. Any
callable that makes recognisers can be used, and may refuse a request that they cannot serve.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["Analysis", "Hypothesis", "Mention", "Recogniser", "RecogniserFactory", "Word", "load_recogniser", "tokens"]


class Word(NamedTuple):
    """A word or a punctuation mark that was heard.

    Attributes:
        content: the word, or the mark.
        start: seconds from the beginning of the audio.
        end: the same; of a word that is still being spoken, how far it has come.
        type: a mark's is ``punctuation``; it is written after the word before it without a space.
        confidence: 0 to 1; None if the recogniser does not say.
        stable: whether later hypotheses of the utterance keep the word.
        speaker: who says it; None if the recogniser does not tell speakers apart.
        filters: the names of the vocabulary filters that have the word.
    """

    content: str
    start: float
    end: float
    type: Literal["pronunciation", "punctuation"] = "pronunciation"
    confidence: float | None = None
    stable: bool = False
    speaker: str | None = None
    filters: Collection[str] = ()

    def later(self, seconds: float) -> Word:
        """Return the same, this many seconds later, rounded to milliseconds."""
        return self._replace(start=round(self.start + seconds, 3), end=round(self.end + seconds, 3))


class Mention(NamedTuple):
    """Words that identify a person.

    Attributes:
        type: e.g. ``NAME``; the service's are in its guide ("Redacting or identifying PII in a real-time stream").
        start: the position of the first of them in the utterance, marks counted, too.
        stop: the position after the last.
        confidence: 0 to 1; None if the recogniser does not say.
    """

    type: str
    start: int
    stop: int
    confidence: float | None = None


class Analysis(NamedTuple):
    """What call analytics tells of an utterance beside its words.

    Attributes:
        sentiment: ``POSITIVE``, ``NEGATIVE``, ``MIXED`` or ``NEUTRAL``; None if it is not known.
        categories: names of the rules that the utterance matches.
        issues: stretches of its words that say what the call is about, each by the positions of its first word and of
            the one after its last, in their order.
    """

    sentiment: str | None = None
    categories: Sequence[str] = ()
    issues: Sequence[tuple[int, int]] = ()


class Hypothesis(NamedTuple):
    """How an utterance is understood by now.

    Attributes:
        words: all of the utterance, in their order; those of a later hypothesis take their place.
        is_final: whether the utterance is over; the next hypothesis begins another.
        mentions: words of it that identify a person, in their order and apart from each other. They are told of a final
            hypothesis only, as the service does.
        language: the language spoken, such as ``en-US``; None if the recogniser does not say.
        language_score: 0 to 1, how probable it is; None if the recogniser does not say.
        analysis: what call analytics tells of it, if it is final; the other operations do not.
    """

    words: Sequence[Word]
    is_final: bool = False
    mentions: Sequence[Mention] = ()
    language: str | None = None
    language_score: float | None = None
    analysis: Analysis | None = None


class Recogniser(Protocol):
    """Turns the audio of one channel into words. It is used by one thread at a time, not always the same.

    An exception that it raises ends the stream as an ``InternalFailureException``; a `TranscribeError` is sent as it
    is, after the hypotheses before it.
    """

    def feed(self, pcm: bytes) -> Iterable[Hypothesis]:
        """Return what has changed with the next piece of audio.

        Args:
            pcm: whole 16-bit samples, signed, little-endian, of one channel, at least one. A chunk has at most 32,768
                bytes of them, twice as many if they came as G.711; decoded from a compressed encoding (``flac``,
                ``ogg-opus``, ``g729``) they may be any number of seconds up to 60.
        """

    def finish(self) -> Iterable[Hypothesis]:
        """Return what is left when the audio has ended: the last utterance's final hypothesis, if there is one."""

    def close(self) -> None:
        """Release what the recogniser holds. Called once, in the end, whether or not the audio was finished."""


class RecogniserFactory(Protocol):
    """Makes the recogniser of one channel: a class, a function, or any other callable.

    It is called, and its recognisers are used, on a thread of its own, away from the event loop. If they take next to
    no time, an attribute ``instant = True`` of the factory saves the way there. With an attribute ``compressed = True``
    they are fed compressed audio as it came; without, it is decoded for them.
    """

    def __call__(self, request: StartStreamTranscriptionRequest, /) -> Recogniser:
        """Return a recogniser for the audio that a request announces: its sample rate, encoding and language.

        Raises:
            BadRequestException: it cannot recognise such audio; the client is told so.
        """


def load_recogniser(name: str) -> RecogniserFactory:
    """Return the factory of a name.

    Args:
        name: ``scripted``, ``moonshine``, or ``module:factory`` with dots in either as needed.

    Raises:
        ValueError: it is neither, or the module has no such factory.
        ImportError: the module, or a library that it needs, is not installed.
    """
    if name == "scripted":
        from eventstream.transcribe.emulator.scripted import Scripted

        return Scripted()
    if name == "moonshine":
        from eventstream.transcribe.emulator.moonshine import Moonshine

        return Moonshine()
    module, _, path = name.partition(":")
    if not (module and path) or module.startswith("."):
        raise ValueError(f"unknown recogniser {name!r}: expected scripted, moonshine or module:factory")
    factory: object = import_module(module)
    for attribute in path.split("."):
        factory = getattr(factory, attribute, None)
    if not callable(factory):
        raise ValueError(f"unknown recogniser {name!r}: {module} has no callable {path}")
    return cast("RecogniserFactory", factory)


_MARKS = ".?!,;:"


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """Split a text into its words, each with the punctuation mark that follows it, or an empty string.

    Of several marks at a word's end the first counts.
    """
    for token in text.split():
        word = token.rstrip(_MARKS) or token[0]
        yield word, token[len(word) : len(word) + 1]
