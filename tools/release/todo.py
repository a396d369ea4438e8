"""List what must still be filled in or decided before this tree can be released: todo.py [ROOT]

It prints one line for each point, and nothing for a tree that is ready. The exit status is 0 either way, as a checkout
between two releases is never ready, except where the tree breaks a promise: then it is 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PLACEHOLDER = "OWNER"
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
    """Return what is still open."""
    version = version_of(root)
    found = [
        f"pyproject.toml, line {number}: replace {PLACEHOLDER} by the owner of the repository"
        for number, line in enumerate((root / "pyproject.toml").read_text(encoding="utf-8").splitlines(), 1)
        if PLACEHOLDER in line
    ]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if re.search(r"^## Unreleased\s*\n(?!## )\S", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: give the section Unreleased the version {version} and the date")
    if f"v{version}" in git(root, "tag", "--list").split():
        found.append(f"eventstream/__init__.py: version {version} is already tagged; choose the next one")
    for workflow in sorted((root / ".github" / "workflows").glob("*.yml")):
        used = re.findall(r"uses: (\S+@\S+)", workflow.read_text(encoding="utf-8"))
        found += [
            f"{workflow.name}: {action}: pin it by the hash of its commit"
            for action in used
            if not re.search(r"@[0-9a-f]{40}$", action)
        ]
    fuzzed = (root / FUZZED).read_text(encoding="utf-8")
    found += [
        f"{FUZZED}: {name}, when OSS-Fuzz is asked to take the project"
        for name in ("homepage", "main_repo", "primary_contact")
        if not re.search(rf"^{name}: ", fuzzed, re.MULTILINE)
    ]
    return found


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
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    wrong = broken(root)
    print(*to_fill_in(root), *wrong, sep="\n")
    sys.exit(bool(wrong))
