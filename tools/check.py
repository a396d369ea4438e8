"""The quick inner loop: lint and types, the tests of the codec, and the tests of what changed: `make check`.

What changed is what differs from the commit where this branch left BASE (main), and what git does not know yet. Ruff,
mypy and codespell run beside the tests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from mirror import ROOT, suite_of

CODEC = [
    Path("tests", f"test_{name}.py")
    for name in (
        "codec",
        "crc32",
        "decode",
        "decoder",
        "encode",
        "headers",
        "init",
        "layers",
        "message",
        "streams",
        "twins",
    )
]


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed(base: str) -> list[Path]:
    """Return the files that differ from where this branch left the base, and those that git does not know."""
    start = (git("merge-base", "HEAD", base) or ["HEAD"])[0]
    names = {*git("diff", "--name-only", start), *git("ls-files", "--others", "--exclude-standard")}
    return [Path(name) for name in sorted(names)]


def main() -> int:
    parser = argparse.ArgumentParser("tools/check.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--base", default="main", help="the branch that this one left (%(default)s)")
    parser.add_argument("pytest", nargs="*", help="options of pytest")
    options = parser.parse_args()
    tests = sorted({*CODEC, *(test for path in changed(options.base) for test in suite_of(path))})
    print("check:", *tests, flush=True)
    scripts = Path(sys.executable).parent
    checks = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["codespell"]]
    command = " && ".join(" ".join([str(scripts / name), *arguments]) for name, *arguments in checks)
    beside = subprocess.Popen(
        command, cwd=ROOT, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    pytest = [sys.executable, "-m", "pytest", "-q", *options.pytest, *map(str, tests)]
    # Few examples of each property: `make test` draws more.
    environment = {"EVENTSTREAM_HYPOTHESIS": "quick", **os.environ}
    tested = subprocess.run(pytest, cwd=ROOT, check=False, env=environment).returncode
    print(beside.communicate()[0], end="")
    return int(bool(tested or beside.returncode))


if __name__ == "__main__":
    sys.exit(main())
