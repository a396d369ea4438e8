"""Mutation: faults are planted, one at a time, and the tests must find them.

    PYTHONPATH=tests python -m mutation [NAME ...] [--count N] [--seed N] [--only TEXT]

A name is a Python module's, as ``signing`` or ``transcribe/model``, which mutmut mutates (`mutation.modules`), of some
a sample; or ``native`` or ``kernels``, the Cython and C sources, of whose mutants a sample is taken, too
(`mutation.operators`). All work
in copies of the project, under `.cache/mutation`. What survives is printed, and too much of it is a failure. Mutants
that no test can tell apart are in `survivors.md`, each with its reason; they do not count.

A mutant does what the code does not. So no test may leave it to the code alone that nothing else on the machine is
written to, and whoever runs this should not be root.
"""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / ".cache" / "mutation"


def change_of(diff: str) -> tuple[str, str]:
    """The code before and after, as a diff shows it, without its margins."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (" ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "-+")
    return before, after


@cache
def equivalents() -> frozenset[tuple[str, str]]:
    """The changes that `survivors.md` explains: its fenced diffs, one to a paragraph."""
    text = Path(__file__).with_name("survivors.md").read_text()
    blocks = re.findall(r"^```diff\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return frozenset(change_of(diff) for block in blocks for diff in block.split("\n\n"))


def copied(name: str) -> Path:
    """A new copy of the project, without what is built."""
    tree = BASE / name.replace("/", ".")
    shutil.rmtree(tree, ignore_errors=True)
    skipped = shutil.ignore_patterns(".*", "*.so", "*.egg-info", "__pycache__", "build", "dist", "_native.c")
    shutil.copytree(ROOT, tree, ignore=skipped)
    return tree
