"""Mutants of some or all of what can be mutated: see `mutation`."""

from __future__ import annotations

import argparse
import sys

import mutation
from mutation import modules, operators


def main() -> int:
    arguments = argparse.ArgumentParser(
        "python -m mutation", description=mutation.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*modules.TESTS, *operators.TARGETS]
    arguments.add_argument("name", nargs="*", help=f"one of {', '.join(names)}; none means all")
    arguments.add_argument("--count", type=int, help="how many of native's or the kernels' mutants are taken")
    arguments.add_argument("--seed", type=int, default=1, help="which ones")
    arguments.add_argument("--only", help="those whose description contains this, instead of a sample")
    options = arguments.parse_args()
    chosen = options.name or names
    for name in chosen:
        if name not in names:
            arguments.error(f"{name!r} is none of {', '.join(names)}")
    passed = [
        modules.check(name, seed=options.seed)
        if name in modules.TESTS
        else operators.check(name, count=options.count, seed=options.seed, only=options.only)
        for name in chosen
    ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
