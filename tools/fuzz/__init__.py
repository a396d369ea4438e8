"""Coverage-guided fuzzing: a ladder of targets, each a module that opens with its invariant, and checks it twice over.

    quick(data)      by itself, without the reference: what is delivered encodes to the same bytes, all bytes are
                     accounted for, errors are documented ones. Every input comes here, so it does nothing dear
    thorough(data)   all that the input can show: the implementations agree on it, also in texts, hashes and pickles,
                     and memory stays within its bound

Both return if everything documented holds for these bytes, and raise if not. What is undocumented is a bug: another
exception than the documented ones, implementations that disagree, a hang, memory beyond the bound. A target may also
have `WORDS`, a dictionary for libFuzzer.

`tools/fuzz.sh` runs the targets on atheris, with the extension built for coverage and with sanitizers. There one input
in `SAMPLE` is checked thoroughly, chosen by its bytes, so that a finding repeats; of what reaches new code, every one
is, as is all of the corpus. pytest replays the corpus without atheris (`tests/test_fuzz_corpus.py`).

Nothing here imports the package: that is left to the targets, so that it is instrumented when they are imported.
"""

from __future__ import annotations

import zlib
from pathlib import Path

TARGETS = (
    "raw",
    "preludes",
    "salvage",
    "headers",
    "order",
    "roundtrip",
    "signatures",
    "requests",
    "transcripts",
    "peers",
    "server",
)
"""The ladder, from the outermost layer inwards: names of modules here and of folders of the corpus."""

CORPUS = Path(__file__).parent / "corpus"

SAMPLE = 128
"""A thorough check takes some twenty times as long as a quick one: so together they take a sixth of the time."""


def is_sampled(data: bytes) -> bool:
    return zlib.crc32(data) % SAMPLE == 0
