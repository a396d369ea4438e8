"""Scripts: what they can say, and lines that are wrong."""

from __future__ import annotations

import pytest
from cases import each

from eventstream.transcribe.emulator import Analysis, Mention, Word
from eventstream.transcribe.emulator.script import Failure, parse
from eventstream.transcribe.exceptions import LimitExceededException, TranscribeError


def sentences(script, *, first=False):
    """Return the words of each sentence, as they are understood first or at last."""
    return [
        [word for piece in step.pieces for word in (piece.first if first else piece.last)]
        for step in parse(script).steps
        if not isinstance(step, Failure)
    ]


def contents(script, **options):
    return [[word.content for word in sentence] for sentence in sentences(script, **options)]


def word(content, start, end, **fields):
    return Word(content, start, end, stable=True, **fields)


def mark(content, time, **fields):
    return Word(content, time, time, "punctuation", stable=True, **fields)


@each(
    ("script", "expected"),
    [
        ("no mark at the end", [["no", "mark", "at", "the", "end"]]),
        ("Really?! Yes... No! Oh.", [["Really", "?"], ["Yes", "."], ["No", "!"], ["Oh", "."]]),
        ("3.5 is, or it isn't: 3.5", [["3.5", "is", ",", "or", "it", "isn't", ":", "3.5"]]),
        (" \n ¿Qué?\n\n日本 。", [["¿Qué", "?"], ["日本", "。"]]),
        (
            "one sentence\nin two lines. And\n# a comment\n  another",
            [["one", "sentence", "in", "two", "lines", "."], ["And", "another"]],
        ),
        (r"\{a\} \[b\|c\] \\ d", [["{a}", "[b|c]", "\\", "d"]]),
        ("\\# not a comment\n\\@nor an order", [["#", "not", "a", "comment", "@nor", "an", "order"]]),
    ],
)
def test_plain_words(script, expected):
    assert contents(script) == expected


def test_times_follow_each_other():
    assert sentences("One two. Three!") == [
        [word("One", 0.0, 0.3), word("two", 0.3, 0.6), mark(".", 0.6)],
        [word("Three", 0.6, 0.9), mark("!", 0.9)],
    ]
    assert parse("One two. Three!").duration == 0.9


def test_pace_pauses_and_times():
    assert sentences("One\n@pause 0.5\n@pace 0.1\ntwo\n@at 2\nthree.") == [
        [word("One", 0.0, 0.3), word("two", 0.8, 0.9), word("three", 2.0, 2.1), mark(".", 2.1)]
    ]
    assert parse("One\n@pause 1").duration == 1.3, "it counts when the script begins again"


def test_speakers_and_confidence():
    assert sentences("Hi,\n@speaker 1\n@confidence 0.5\nyou.") == [
        [
            word("Hi", 0.0, 0.3),
            mark(",", 0.3),
            word("you", 0.3, 0.6, speaker="1", confidence=0.5),
            mark(".", 0.6, speaker="1"),
        ]
    ]


def test_language_ends_a_sentence():
    steps = parse("Well\n@language de-DE 0.75\nGut. Ja.\n@language fr-FR\nOui").steps
    assert [(step.language, step.score) for step in steps] == [
        (None, None),
        ("de-DE", 0.75),
        ("de-DE", 0.75),
        ("fr-FR", None),
    ]


def test_entities():
    script = "I, too, am {NAME Jane Doe}, of {ADDRESS 1 Main Street}."
    assert contents(script) == [["I", ",", "too", ",", "am", "Jane", "Doe", ",", "of", "1", "Main", "Street", "."]]
    [step] = parse(f"@confidence 0.9\n{script}").steps
    assert step.mentions == [Mention("NAME", 5, 7, 0.9), Mention("ADDRESS", 9, 12, 0.9)]


def test_call_analytics_of_a_script():
    script = """
        Hello.
        @sentiment NEGATIVE
        @category complaint
        @category urgent
        Well, {ISSUE my phone is broken}, {NAME Jane}, and {ISSUE I am cross}.
        Really?
        @sentiment POSITIVE
        Thanks
    """
    greeting, complaint, question, thanks = parse(script).steps
    assert greeting.analysis is None
    assert complaint.analysis == Analysis("NEGATIVE", ("complaint", "urgent"), ((2, 6), (10, 13)))
    assert complaint.mentions == [Mention("NAME", 7, 8)]
    assert question.analysis == Analysis("NEGATIVE")
    assert thanks.analysis == Analysis("POSITIVE")


def test_revised_words():
    script = "How to [wreck a nice beach|recognise speech], [you|] see [|now]!"
    assert contents(script, first=True) == [["How", "to", "wreck", "a", "nice", "beach", ",", "you", "see", "!"]]
    assert contents(script) == [["How", "to", "recognise", "speech", ",", "see", "now", "!"]]
    [step] = parse(script).steps
    assert step.pieces[2].first[1:3] == [word("a", 0.9, 1.2), word("nice", 1.2, 1.5)]
    assert step.pieces[2].last == [word("recognise", 0.6, 1.2), word("speech", 1.2, 1.8)]
    assert (step.pieces[2].start, step.pieces[2].end) == (0.6, 1.8)


def test_revised_end_ends_a_sentence():
    assert contents("[Go. Now?|Go.] Then") == [["Go", "."], ["Then"]]


def test_errors_have_times():
    steps = parse("One\n@error LimitExceededException You have had enough.\n@at 5\n@error Unheard").steps
    assert steps[0].end == 0.3
    assert steps[1:] == [
        Failure(0.3, "LimitExceededException", "You have had enough."),
        Failure(5.0, "Unheard", ""),
    ]
    assert type(steps[1].error) is LimitExceededException
    assert steps[1].error.message == "You have had enough."
    assert type(steps[2].error) is TranscribeError


def test_filters():
    [sentence] = sentences("[Darn|Damn] {NAME Heck} it.\n@filter rude DAMN heck\n@filter mild heck")
    assert [(word.content, set(word.filters)) for word in sentence] == [
        ("Damn", {"rude"}),
        ("Heck", {"rude", "mild"}),
        ("it", set()),
        (".", set()),
    ]


@pytest.mark.parametrize("script", ["", " \n", "# nothing\n@speaker 1", "@pause 1\n@filter a b"])
def test_script_without_words(script):
    with pytest.raises(ValueError, match=r"^a script without words$"):
        parse(script)


@each(
    ("line", "reason"),
    [
        (
            "@shout",
            "unknown order @shout: expected one of "
            "@speaker, @confidence, @pace, @language, @pause, @at, @error, @filter, @sentiment, @category",
        ),
        ("@", "unknown order @: expected one of"),
        ("@speaker", "@speaker LABEL is expected"),
        ("@speaker 1 2", "@speaker LABEL is expected"),
        ("@confidence high", "'high' is not a number"),
        ("@confidence 1.1", "1.1 is out of range (0 to 1)"),
        ("@confidence nan", "nan is out of range (0 to 1)"),
        ("@pace 0", "0 is out of range (0.01 to 60)"),
        ("@pause -1", "-1 is out of range (0 to 86400)"),
        ("@language", "@language CODE [SCORE] is expected"),
        ("@language de-DE 2", "2 is out of range (0 to 1)"),
        ("@at 0.2", "@at 0.2 is too late: the script has already reached 0.3 seconds"),
        ("@error", "@error CODE [TEXT] is expected"),
        ("@error 4xx", "'4xx' is not the code of an exception: letters and digits"),
        ("@filter rude", "@filter NAME WORD… is expected"),
        ("@sentiment", "@sentiment NAME is expected"),
        ("@sentiment ANGRY", "'ANGRY' is not a sentiment: POSITIVE, NEGATIVE, MIXED, NEUTRAL"),
        ("@category a b", "@category NAME is expected"),
        ("is {NAME Jane", "'{NAME Jane' is neither a word, {TYPE words} nor [words|words]"),
        ("is {jane doe}", "'{jane doe}' is neither"),
        ("is {NAME}", "'{NAME}' is neither"),
        ("is {NAME Jane}Doe", "'{NAME Jane}Doe' is neither"),
        ("is {NAME  }", "'{NAME  }' is neither"),
        ("is [nice]", "'[nice]' is neither"),
        ("a|b", "'a|b' is neither"),
        ("a\\", "'a\\\\' is neither"),
        ("[|]", "both ways to understand it are empty"),
    ],
)
def test_wrong_line_is_told_by_its_number(line, reason):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the text is compared)
        parse(f"Fine\n# still fine\n{line}\nfine")
    assert str(raised.value).startswith(f"line 3: {reason}")
