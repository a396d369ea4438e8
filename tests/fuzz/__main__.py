"""One target on atheris: python -m fuzz TARGET [OPTION OF LIBFUZZER ...] [FOLDER OR FILE ...]."""

from __future__ import annotations

import importlib
import sys
import tempfile
from functools import partial
from typing import IO

import atheris

from fuzz import TARGETS


def dictionary(words: list[bytes], file: IO[str]) -> str:
    """The option of libFuzzer that names the file of the words."""
    for word in words:
        file.write('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n')
    file.flush()
    return f"-dict={file.name}"


def main() -> None:
    program, name, *options = sys.argv
    if name not in TARGETS:
        sys.exit(f"{name!r} is no target; there are {', '.join(TARGETS)}")
    # The reference takes the paths of the native codec, which is instrumented anyway; without it runs twice as many.
    with atheris.instrument_imports(include=["eventstream"], exclude=["eventstream._reference"]):
        target = importlib.import_module(f"fuzz.{name}")
    mutator = None
    if hasattr(target, "mutate"):
        mutator = partial(target.mutate, change=atheris.Mutate)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as file:
        words = [dictionary(target.WORDS, file)] if hasattr(target, "WORDS") else []
        atheris.Setup([program, *words, *options], target.check, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
