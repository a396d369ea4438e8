"""List what must still be filled in or decided before this tree can be released: todo.py [--tag TAG] [ROOT]

It prints one line for each point, and nothing for a tree that is ready. As a checkout between two releases is never
ready, the exit status is 0 either way, except where the tree breaks a promise: then it is 1. With --tag the tree is
being released, and the exit status is 1 unless it is ready and the tag names its version.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PLACEHOLDER = "OWNER"
INSTALLING = ("README.md", "docs/installation.md")
FUZZED = "tools/oss-fuzz/project.yaml"
INTERFACE = "eventstream/_native.pxd"


def git(root: Path, *arguments: str) -> str:
    """Return what git prints; nothing where this is not a repository."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def version_of(root: Path) -> str:
    """Return the version that the package states."""
    source = (root / "eventstream/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise ValueError('eventstream/__init__.py has no line: __version__ = "..."')
    return found[1]


def to_fill_in(root: Path) -> list[str]:
    """Return what is still open, and holds up a release."""
    version = version_of(root)
    found = [
        f"pyproject.toml, line {number}: replace {PLACEHOLDER} by the owner of the repository"
        for number, line in enumerate((root / "pyproject.toml").read_text(encoding="utf-8").splitlines(), 1)
        if PLACEHOLDER in line
    ]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if re.search(r"^## Unreleased\s*\n(?!## )\S", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: give the section Unreleased the version {version} and the date")
    if f"v{version}" in {*git(root, "tag", "--list").split()} - {*git(root, "tag", "--points-at", "HEAD").split()}:
        found.append(f"eventstream/__init__.py: version {version} is already tagged; choose the next one")
    for workflow in sorted((root / ".github" / "workflows").glob("*.yml")):
        used = re.findall(r"uses: (\S+@\S+)", workflow.read_text(encoding="utf-8"))
        found += [
            f"{workflow.name}: {action}: pin it by the hash of its commit"
            for action in used
            if not re.search(r"@[0-9a-f]{40}$", action)
        ]
    found += [
        f"{name}: it says that the package is not on an index: say how to install it by its name"
        for name in INSTALLING
        if re.search(r"not on a package\s+index", (root / name).read_text(encoding="utf-8"))
    ]
    return found


def to_fill_in_later(root: Path) -> list[str]:
    """Return what is still open, but does not block a release."""
    fuzzed = (root / FUZZED).read_text(encoding="utf-8")
    return [
        f"{FUZZED}: {name}, when OSS-Fuzz is asked to take the project"
        for name in ("homepage", "main_repo", "primary_contact")
        if not re.search(rf"^{name}: ", fuzzed, re.MULTILINE)
    ]


def mistagged(root: Path, tag: str) -> list[str]:
    """Return what is wrong with the tag of a release."""
    version = version_of(root)
    return [] if tag == f"v{version}" else [f"the tag is {tag}, but eventstream/__init__.py has the version {version}"]


def declarations(text: str) -> list[str]:
    """Of a .pxd, without its docstring and comments."""
    text = re.sub(r'\A""".*?"""', "", text, flags=re.DOTALL)
    lines = (line.split("#")[0].rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def broken(root: Path) -> list[str]:
    """Return the promises this tree breaks: within a series the C-level interface stays as in its first release."""
    version = version_of(root)
    major, minor, *_ = version.split(".")
    tags = re.findall(rf"^v{major}\.{minor}\.(\d+)$", git(root, "tag", "--list"), re.MULTILINE)
    if not tags:
        return []
    first = f"v{major}.{minor}.{min(map(int, tags))}"
    before = git(root, "show", f"{first}:{INTERFACE}")
    if declarations(before) == declarations((root / INTERFACE).read_text(encoding="utf-8")):
        return []
    return [f"{INTERFACE}: it differs from that of {first}, so this cannot be a release of the series {major}.{minor}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser("todo.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--tag", help="the tag of the release")
    parser.add_argument("root", nargs="?", type=Path, default=Path())
    arguments = parser.parse_args()
    wrong = broken(arguments.root)
    open_points = to_fill_in(arguments.root)
    if arguments.tag is not None:
        wrong += open_points + mistagged(arguments.root, arguments.tag)
        open_points = []
    lines = [*open_points, *to_fill_in_later(arguments.root), *wrong]
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(bool(wrong))
