"""One target on atheris: python -m fuzz TARGET [OPTION OF LIBFUZZER ...] [FOLDER OR FILE ...]."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING

import atheris

from fuzz import TARGETS, is_sampled

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

EXCLUDED = ("eventstream._reference", "eventstream.exceptions")
"""What is not instrumented: the reference takes the paths of the native codec, which is; and the texts of errors, made
at every second input, would cost more time than their branches tell."""


def dictionary(words: list[bytes], file: IO[str]) -> str:
    """Return the option of libFuzzer that names the file of the words."""
    for word in words:
        file.write('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n')
    file.flush()
    return f"-dict={file.name}"


def count(paths: list[str]) -> int:
    """How many inputs there are to begin with."""
    return sum(len(list(Path(path).iterdir())) if Path(path).is_dir() else 1 for path in paths)


def checked(target: ModuleType, given: int) -> Callable[[bytes], None]:
    """Return the check of one input; thorough for the first ones, which were given, and for a sample of all others."""
    quick, thorough = target.quick, target.thorough

    def check(data: bytes) -> None:
        nonlocal given
        quick(data)
        if given >= 0:  # libFuzzer begins with an input of no bytes
            given -= 1
            thorough(data)
        elif is_sampled(data):
            thorough(data)

    return check


def main() -> None:
    program, name, *options = sys.argv
    if name not in TARGETS:
        sys.exit(f"{name!r} is not a target; there are {', '.join(TARGETS)}")
    with atheris.instrument_imports(include=["eventstream"], exclude=list(EXCLUDED)):
        target = importlib.import_module(f"fuzz.{name}")
    if "eventstream._native" not in sys.modules and os.environ.get("EVENTSTREAM_PURE_PYTHON", "0") in ("", "0"):
        sys.exit("the extension cannot be imported, so only the reference would be fuzzed")
    check = checked(target, count([option for option in options if not option.startswith("-")]))
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as file:
        words = [dictionary(target.WORDS, file)] if hasattr(target, "WORDS") else []
        atheris.Setup([program, *words, *options], check)
        warnings.simplefilter("ignore")  # as that a language code is not known, which is passed on
        gc.freeze()  # what is imported by now is never garbage
        atheris.Fuzz()


if __name__ == "__main__":
    main()
