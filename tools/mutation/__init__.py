"""Mutation: faults are planted, one at a time, and the tests must find them.

    PYTHONPATH=tests:tools python -m mutation [NAME ...] [--count N] [--seed N] [--only TEXT]

A name is a Python module's, as ``signing`` or ``transcribe/model``, which mutmut mutates (`mutation.modules`), of some
a sample; or ``native`` or ``kernels``, the Cython and C sources, of whose mutants a sample is taken, too
(`mutation.operators`). All work
in copies of the project, under `.cache/mutation`. Every survivor is printed, and too many of them are a failure. Some
mutants behave as the code does, so no test can find them: a survivor is a question, not a fault.

A mutant does what the code does not. So no test may leave it to the code alone that nothing else on the machine is
written to, and whoever runs this should not be root.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / ".cache" / "mutation"


def copied(name: str) -> Path:
    """Return a new copy of the project, without what is built."""
    tree = BASE / name.replace("/", ".")
    shutil.rmtree(tree, ignore_errors=True)
    skipped = shutil.ignore_patterns(".*", "*.so", "*.egg-info", "__pycache__", "build", "dist", "_native.c")
    shutil.copytree(ROOT, tree, ignore=skipped)
    return tree
