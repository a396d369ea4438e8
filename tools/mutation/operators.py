"""Mutants of what no mutation tool reads: the Cython core and the C kernels.

Of all places where one operator or constant can be swapped for another a sample is taken, the same for the same seed.
A mutant is killed where a test fails, crashes or does not end; one that does not compile does not count.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import eventstream._native
from mutation import ROOT, copied

if TYPE_CHECKING:
    from collections.abc import Iterator

FAIL_UNDER = 80
TIMEOUT = 600.0
"""Seconds for the tests of one mutant."""

FIRST_KERNEL = eventstream._native._crc32_kernels()[0]
"""That of this CPU, as it is chosen without a mutant; `tests/test_crc32.py` compares it with what Linux says."""

SWAPS = {
    "<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",), "==": ("!=",), "!=": ("==",),
    "+": ("-",), "-": ("+",), "+=": ("-=",), "-=": ("+=",), "<<": (">>",), ">>": ("<<",),
    "&": ("|",), "|": ("&",), "^": ("|",), "&&": ("||",), "||": ("&&",),
    "and": ("or",), "or": ("and",), "not": ("",), "!": ("",), "in": ("not in",), "is": ("is not",),
    "True": ("False",), "False": ("True",), "min": ("max",), "max": ("min",),
}  # fmt: skip

# What no test could tell apart: which value says that there was an exception, or that there was none; sizes that decide
# how fast it goes, and hashes, of which the same is true.
_NO_MATTER = (
    r"\bexcept\??\s+-?\w+|\breturn 0$|\[1024\]|\bfirst_capacity = \d+|\b(?:ONE_PASS|ASSEMBLED|RELEASE_GIL)_LENGTH = \d+"
    r"|\b(?:SPARE_CAPACITY|MIN_ASSEMBLED|KNOWN_SLOTS|PAIRWISE|SEARCHES|CACHED_BLOCKS|MAX_CACHED_BLOCK_LENGTH) = \d+"
    r"|^[^\n]*(?:% KNOWN_SLOTS$|\bmix\(|\bkey >> 29|0x9E3779B97F4A7C15ULL)[^\n]*"
)

# What is skipped comes first: strings, comments, casts, and the lines of the preprocessor. A plain word or operator is
# mutated where SWAPS has it, a number always.
_NUMBER = r"(?P<number>(?<![\w.])(?:0[xX][0-9a-fA-F]+|[0-9]+)(?P<suffix>[uUlL]*)(?![\w.]))"
_REST = _NUMBER + r"|(?P<word>[A-Za-z_]\w*)|(?P<operator>->|\+\+|--|<<=|>>=|<<|>>|[-+<>=!&|^*/%]=|&&|\|\||[-+<>!&|^])|."
TOKENS = {
    ".pyx": re.compile(
        r'"""(?s:.*?)"""|[rbf]?"(?:\\.|[^"\\\n])*"|\#[^\n]*'
        r"|<[A-Za-z_][\w ]*\**>|(?:not in|is not)\b"  # casts; two words that are one operator
        r"|^[ \t]*(?:cimport|import|from|cdef extern)\b[^\n]*|" + _NO_MATTER + "|" + _REST,
        re.MULTILINE,
    ),
    ".c": re.compile(
        r'/\*(?s:.*?)\*/|"(?:\\.|[^"\\\n])*"'
        r"|^\#ifdef ES_MSVC\n(?s:.*?)^\#(?:else|endif)|^[ \t]*\#(?:[^\n\\]|\\\n|\\.)*|" + _REST,
        re.MULTILINE,
    ),
}
TOKENS[".h"] = TOKENS[".c"]


class Mutant(NamedTuple):
    file: str
    start: int
    end: int
    new: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.new + source[self.end :]

    def line(self, source: str) -> int:
        return source.count("\n", 0, self.start) + 1

    def diff(self, source: str) -> str:
        """Of the one line that it changes."""
        before, after = (text.splitlines()[self.line(source) - 1] for text in (source, self.apply(source)))
        return f"-{before}\n+{after}"

    def describe(self, source: str) -> str:
        return f"{self.file}:{self.line(source)}\n" + "\n".join(
            f"    {line}" for line in self.diff(source).splitlines()
        )


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    previous = ""
    for match in TOKENS[Path(file).suffix].finditer(source):
        text = match[0]
        if match["number"]:
            digits = text.removesuffix(match["suffix"])
            value = int(digits, 0)
            for other in (value + 1, value - 1) if value else (1,):
                shown = f"{other:#x}" if digits[1:2] in ("x", "X") else str(other)
                yield Mutant(file, match.start(), match.end(), shown + match["suffix"])
        # As prefixes these are other operators than between two values.
        elif text not in ("&", "-", "+") or re.fullmatch(r"[\w)\]]+", previous):
            for new in SWAPS.get(text, ()):
                yield Mutant(file, match.start(), match.end(), new)
        if not text.isspace():
            previous = text


@dataclass(frozen=True)
class Target:
    """What is mutated, the command that builds it, those that fail where it is wrong, and the size of the sample.

    With `sanitize`, what survives is built and tested again with the address sanitizer, which sees what reads or writes
    past its memory.
    """

    files: tuple[str, ...]
    build: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]
    count: int
    sanitize: bool = False


_PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not reference")
_SUITES = ("crc32", "encode", "headers", "message", "decode", "decoder", "streams", "twins", "codec", "native")
_KERNELS = ("eventstream/_crc32/crc32.c", "eventstream/_crc32/x86.h")
_LESSER_CPUS = {  # under emulation, and which kernel must be their first choice
    "Nehalem": "portable",
    "Westmere,-pclmulqdq": "portable",
    "Westmere,-ssse3": "portable",
    "Westmere,-sse4.1": "portable",
    "Westmere,level=4": "x86-pclmulqdq",
    "Westmere": "x86-pclmulqdq",
}

TARGETS = {
    "native": Target(
        ("eventstream/_native.pyx",),
        (sys.executable, "-W", "ignore", "setup.py", "--quiet", "build_ext", "--inplace", "--build-temp", "build"),
        ((*_PYTEST, *(f"tests/test_{suite}.py" for suite in _SUITES)),),
        80,
        sanitize=True,
    ),
    "kernels": Target(
        _KERNELS,
        ("gcc", "-O1", "-w", "-static", "-Ieventstream/_crc32", "-o", "check", "tools/crc32_check.c", _KERNELS[0]),
        (
            ("./check", "37", FIRST_KERNEL),
            ("gcc", "-w", "-Ieventstream/_crc32", "-o", "dispatch", "tools/crc32_dispatch.c"),
            ("./dispatch",),
            *(("qemu-x86_64", "-cpu", cpu, "./check", "997", first) for cpu, first in _LESSER_CPUS.items()),
        ),
        120,
    ),
}


def run(command: tuple[str, ...], tree: Path, **variables: str) -> str | None:
    """None if it succeeded, or else what it did."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "CFLAGS": "-O0 -w",
        "EVENTSTREAM_REQUIRE_NATIVE": "1",
        "EVENTSTREAM_HYPOTHESIS": "traced",
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    try:
        return f"exit {process.returncode}" if process.wait(TIMEOUT) else None
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timed out"


def fate(target: Target, tree: Path) -> str:
    """Return what becomes of the mutant that is in the tree."""
    if run(target.build, tree):
        return "does not compile"
    for command in target.tests:
        if failure := run(command, tree):
            return failure
    if not target.sanitize:
        return "survived"
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    options = {
        "LD_PRELOAD": library.stdout.strip(),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
    }
    run((*target.build, "--force", "--build-temp", "build-asan"), tree, CFLAGS="-O1 -w -fsanitize=address")
    return next(filter(None, (run(command, tree, **options) for command in target.tests)), "survived")


def check(name: str, *, count: int | None, seed: int, only: str | None) -> bool:
    """Whether enough of the mutants are killed."""
    target = TARGETS[name]
    tree = copied(name)
    if (outcome := fate(target, tree)) != "survived":
        sys.exit(f"{name}: without a mutant it does not survive: {outcome}")
    sources = {file: (ROOT / file).read_text() for file in target.files}
    candidates = [mutant for file, source in sources.items() for mutant in mutants_of(file, source)]
    if only:
        chosen = [mutant for mutant in candidates if only in mutant.describe(sources[mutant.file])]
    else:
        chosen = random.Random(seed).sample(candidates, min(count or target.count, len(candidates)))
    counts: Counter[str] = Counter()
    for mutant in chosen:
        source = sources[mutant.file]
        (tree / mutant.file).write_text(mutant.apply(source))
        outcome = fate(target, tree)
        (tree / mutant.file).write_text(source)
        print(f"{outcome:17} {mutant.describe(source)}", flush=True)
        counts["killed" if outcome.startswith(("exit", "timed")) else outcome] += 1
    tested = counts["killed"] + counts["survived"]
    share = 100 * counts["killed"] / tested if tested else 100.0
    print(f"{name}: {len(chosen)} of {len(candidates)} mutants, {dict(counts)}: {share:.1f} % killed", flush=True)
    return share >= FAIL_UNDER
