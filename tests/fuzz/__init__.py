"""Coverage-guided fuzzing: a ladder of targets, each a module with its invariant and a function ``check(data)``.

`check` returns if everything documented holds for these bytes, and raises if not. What is undocumented is a bug:
another exception than the documented ones, implementations that disagree, a hang, memory beyond the bound.
`tests/fuzz.sh` runs the targets on atheris, with the extension built for coverage and with sanitizers; pytest replays
the corpus without either (`tests/test_fuzz_corpus.py`). A target may also have

    mutate(data, max_size, seed, change)   a mutator of its own; `change(data, max_size)` is libFuzzer's
    WORDS                                  a dictionary for libFuzzer's

Nothing here imports the package: that is left to the targets, so that it is instrumented when they are imported.
"""

from pathlib import Path

TARGETS = ("raw", "preludes", "headers", "order", "roundtrip", "signatures", "requests", "transcripts")
"""The ladder, from the outermost layer inwards: names of modules here and of folders of the corpus."""

CORPUS = Path(__file__).parent / "corpus"
