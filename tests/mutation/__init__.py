"""Mutation: faults are planted, one at a time, and the tests must find them.

    PYTHONPATH=tests python -m mutation [NAME ...] [--count N] [--seed N] [--only TEXT]

A name is a Python module's, as ``signing`` or ``transcribe/model``, which mutmut mutates (`mutation.modules`); or
``native`` or ``kernels``, the Cython and C sources, of whose mutants a sample is taken (`mutation.operators`). All work
in copies of the project, under `.cache/mutation`. What survives is printed, and too much of it is a failure.
`survivors.md` says of survivors why no test tells them apart.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / ".cache" / "mutation"


def copied(name: str) -> Path:
    """A new copy of the project, without what is built."""
    tree = BASE / name.replace("/", ".")
    shutil.rmtree(tree, ignore_errors=True)
    skipped = shutil.ignore_patterns(".*", "*.so", "*.egg-info", "__pycache__", "build", "dist", "_native.c")
    shutil.copytree(ROOT, tree, ignore=skipped)
    return tree
