"""The matrix: every case run on every codec that is here, and written as Markdown, together with the kinds.

A cell says what the codec does in the words of `outcomes.word`, and is bold where that is not what we do: another
message or none, silence or an error where we have none or the other way round, or an error that is not one of the
codec's own. With which of its own errors a codec refuses does not matter.

`conformance.md` is what this wrote with all codecs at hand. `make conformance` holds every column against it, the tests
those of the codecs in Python that are installed, if they are of the same version.
"""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from peers.cases import CASES, Case
from peers.kinds import KINDS, PEERS, asked, predict
from peers.outcomes import INEXPRESSIBLE, Message, Outcome, shown, word
from peers.processes import AwsC, JavaScript, Process
from peers.python import AmazonTranscribe, Botocore, Codec, Ours, Smithy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = Path(__file__).with_name("conformance.md")


def pinned() -> dict[str, str]:
    """Return the versions of the peers that `conformance.md` and the kinds describe."""
    return versions_of(FILE.read_text(encoding="utf-8"))


def python_peers(versions: Mapping[str, str]) -> tuple[dict[str, Codec], dict[str, str]]:
    """Those that are installed, in the version that is named if one is, and why the others are not asked."""
    found: dict[str, Codec] = {}
    missing: dict[str, str] = {}
    for peer in (Botocore, AmazonTranscribe, Smithy):
        try:
            codec = peer()
        except ImportError:
            missing[peer.name] = "it is not installed" + peer.note
            continue
        found[peer.name] = codec
    missing.update(_others(found, versions))
    return found, missing


def _others(found: dict[str, Codec], versions: Mapping[str, str]) -> dict[str, str]:
    """Take out those that are of another version."""
    wrong = [name for name, codec in found.items() if codec.version != versions.get(name, codec.version)]
    return {name: f"version {found.pop(name).version} is installed, not {versions[name]}" for name in wrong}


@contextlib.contextmanager
def codecs(versions: Mapping[str, str], *, install: bool = False) -> Iterator[tuple[dict[str, Codec], dict[str, str]]]:
    """Those that can run here, by name, and why the others cannot; peers in the version that is named, if one is.

    With `install`, what npm has to bring is installed first.
    """
    found: dict[str, Codec] = {}
    missing: dict[str, str] = {}
    for name in ("native", "reference"):
        try:
            found[name] = Ours(name, importlib.import_module(f"eventstream._{name}"))
        except ImportError:
            missing[name] = "it was not built"
    peers, absent = python_peers(versions)
    processes: list[Process] = [JavaScript(), AwsC()]
    for process in processes:
        if install:
            process.install()
        if reason := process.missing():
            absent[process.name] = reason
        else:
            peers[process.name] = process
    absent.update(_others(peers, versions))
    found.update(peers)
    missing.update(absent)
    try:
        yield found, missing
    finally:
        for process in processes:
            process.stop()


def run(codec: Codec, case: Case) -> Outcome | None:
    """None if this codec does not encode."""
    if isinstance(case.given, bytes):
        return codec.decode(case.given, again=case.again)
    return codec.encode(dict(case.given)) if codec.encodes else None


def expected(codec: Codec, ours: Outcome) -> Outcome:
    """Return what the codec would say if it did as we do, as far as it can tell the types of headers."""
    messages = tuple(Message(tuple(map(codec.view, headers)), payload) for headers, payload in ours.messages)
    return Outcome(messages, ours.wire, ours.end)


def differs(outcome: Outcome, expected: Outcome) -> bool:
    if outcome.fault == INEXPRESSIBLE:
        return False
    return (outcome.messages, outcome.wire, outcome.fault) != (expected.messages, expected.wire, expected.fault)


def cell(codec: Codec, outcome: Outcome | None, ours: Outcome) -> str:
    if outcome is None:
        return "–"
    wanted = expected(codec, ours)
    text = word(outcome, wanted).replace("|", "\\|")
    return f"**{text}**" if differs(outcome, wanted) else text


def rows(found: Mapping[str, Codec]) -> Iterator[dict[str, str]]:
    """Of the matrix: number, question, case, and a cell for each codec that there is."""
    reference = found["reference"]
    for number, case in enumerate(CASES, 1):
        ours = run(reference, case)
        assert ours is not None
        cells = {name: cell(codec, run(codec, case), ours) for name, codec in found.items()}
        yield {"№": str(number), "question": case.question, "case": case.name, **cells}


def input_rows() -> Iterator[dict[str, str]]:
    for number, case in enumerate(CASES, 1):
        given = case.given
        text = shown(given) if isinstance(given, bytes) else ", ".join(map(_pair, given.items()))
        kind = "read on after the error" if case.again else "decode" if isinstance(given, bytes) else "encode"
        yield {"№": str(number), "case": f"{case.question}: {case.name}", "": kind, "input": f"`{text}`"}


def _pair(pair: tuple[str, object]) -> str:
    name, value = pair
    text = repr(value)
    if isinstance(value, (str, bytes)) and len(value) > 40:
        text = f"{value[:1]!r} * {len(value)}"
    return f"{name[:1]!r} * {len(name)}: {text}" if len(name) > 40 else f"{name!r}: {text}"


def kind_rows() -> Iterator[dict[str, str]]:
    """Each kind, who is of it, and the cases that meet it, as the model says, which the tests hold to be exact."""
    met: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for number, case in enumerate(CASES, 1):
        for peer in PEERS:
            if asked(peer, case):
                for kind in predict(peer, case.given)[1]:
                    met[kind].add(number)
    for name, kind in KINDS.items():
        who = ", ".join(peer for peer, described in PEERS.items() if name in described.kinds)
        yield {
            "question": kind.question,
            "kind": f"`{name}`",
            "what they do": kind.says,
            "who": who,
            "cases": ", ".join(map(str, sorted(met[name]))),
        }


def table(rows: Iterable[Mapping[str, str]]) -> str:
    lines: list[str] = []
    for row in rows:
        if not lines:
            lines += ["| " + " | ".join(row) + " |", "|" + "---|" * len(row)]
        lines.append("| " + " | ".join(row.values()) + " |")
    return "\n".join(lines)


def cells_of(markdown: str) -> dict[tuple[str, str], str]:
    """Return the cells of the matrix in a document: by number and column."""
    names: list[str] = []
    found = {}
    for line in markdown.splitlines():
        parts = [part.strip().replace("\x00", "\\|") for part in line.replace("\\|", "\x00").split("|")[1:-1]]
        if not parts:
            names = []
        elif not names:
            names = parts
        elif names[:3] == ["№", "question", "case"] and parts[0].isdigit():
            found.update({(parts[0], name): part for name, part in zip(names, parts, strict=True)})
    return found


def versions_of(markdown: str) -> dict[str, str]:
    """Return the versions that a document was made with."""
    found = {}
    for line in markdown.splitlines():
        name, separator, version = line.removeprefix("- ").partition(" ")
        if line.startswith("- ") and separator and version[:1].isdigit():
            found[name] = version
    return found


def document(found: Mapping[str, Codec]) -> str:
    """All of it."""
    versions = [f"- {name} {codec.version}" for name, codec in found.items() if codec.version and name in PEERS]
    versions += [f"- {name} {codec.version}" for name, codec in found.items() if isinstance(codec, Process)]
    return f"""# Where codecs differ

Written by `python -m peers --write`; `make conformance` keeps it true. Every case was run on every codec, in these
versions:

{chr(10).join(versions)}

The version of aws-c-event-stream is that of awscrt, which it is part of. The Rust codec, aws-smithy-eventstream, is not
asked: neither PyPI nor npm has it.

A bold cell is not what we do: another message or none, silence or an error where we have none or the other way round,
an error that is not one of the codec's own ("foreign"), a hang, a crash. "Silent" is the end of an input that stops in
mid-message, where nothing is said. A dash: that codec does not encode. "Inexpressible": the input has no place in the
types of its interface. Allocated bytes are known only for @smithy/core.

## The matrix

{table(rows(found))}

## The kinds of disagreement

Every way in which the three peers in Python were seen to differ from us in decoding a stream, up to its first error, or
in encoding headers. A model of these kinds predicts the outcome of each peer exactly; the fuzz target `peers` looks for
an input where it does not.

{table(kind_rows())}

## The inputs

In hexadecimal digits; `76{{9}}` stands for nine bytes 76.

{table(input_rows())}
"""
