"""The locked versions: whole, hashed, without an address, and those that pyproject.toml asks for."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import lock
import pytest
from cases import each
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # which pytest brings

PROJECT = tomllib.loads((lock.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(group: str) -> list[Requirement]:
    """Return what a dependency group asks for, with the groups that it includes."""
    found: list[Requirement] = []
    for item in PROJECT["dependency-groups"][group]:
        found += [Requirement(item)] if isinstance(item, str) else requirements(item["include-group"])
    return found


GROUPS = {name: requirements(name) for name in PROJECT["dependency-groups"]}
FILES = sorted(lock.REQUIREMENTS.rglob("*.txt"))
NPM = [lock.ROOT / folder for folder in lock.NPM]
ENTRY = re.compile(r"[a-z0-9-]+==[^\s;\\]+(?: ; [^\\\n]+?)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def versions(file: Path) -> dict[str, list[Requirement]]:
    """Return the pins of a file, by name: several where they depend on the Python."""
    found: dict[str, list[Requirement]] = {}
    for line in lock.pins([file]).splitlines():
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_groups_are_locked() -> None:
    assert lock.groups() == list(GROUPS)
    assert {file.stem for file in FILES if file.parent == lock.REQUIREMENTS} == set(GROUPS)
    assert {file.stem for file in FILES if file.parent.name == "lowest"} == set(lock.LOWEST)
    makefile = (lock.ROOT / "Makefile").read_text(encoding="utf-8")
    made = re.search(r"^GROUPS := (.*)$", makefile, re.MULTILINE)
    assert made is not None
    assert {*made[1].split(), *lock.APART} == set(GROUPS)


@each("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_versions_have_hashes_and_nothing_else(file: Path) -> None:
    """No option of pip, so no address of an index."""
    assert ENTRY.sub("", file.read_text(encoding="utf-8")) == ""


@each("group", GROUPS)
def test_locked_versions_are_allowed(group: str) -> None:
    locked = versions(lock.REQUIREMENTS / f"{group}.txt")
    for requirement in GROUPS[group]:
        pins = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version_of(pin), prereleases=True) for pin in pins), requirement


@pytest.mark.parametrize("group", lock.LOWEST)
def test_lowest_versions_are_the_minima(group: str) -> None:
    """So each minimum of pyproject.toml is one that the tests run with."""
    locked = versions(lock.REQUIREMENTS / "lowest" / f"{group}.txt")
    for requirement in GROUPS[group]:
        (minimum,) = (part.version for part in requirement.specifier if part.operator in (">=", "=="))
        found = {version_of(pin) for pin in locked[canonicalize_name(requirement.name)]}
        assert any(re.fullmatch(rf"{re.escape(minimum)}(\.0)*", version) for version in found), (requirement, found)


def test_groups_that_are_installed_together_agree() -> None:
    together = [group for group in GROUPS if group not in lock.APART]
    seen: dict[str, tuple[str, set[str]]] = {}
    for group in together:
        for name, pins in versions(lock.REQUIREMENTS / f"{group}.txt").items():
            found = {version_of(pin) for pin in pins}
            first, agreed = seen.setdefault(name, (group, found))
            # A marker of one group can leave out a version of another.
            assert found <= agreed or agreed <= found, (name, first, agreed, group, found)


def test_demo_has_what_the_extras_bring() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    brought = {str(Requirement(item)) for items in extras.values() for item in items}
    brought = {item for item in brought if not item.startswith(PROJECT["project"]["name"])}
    used = {str(item) for group in ("demo", "test") for item in GROUPS[group]}
    # sounddevice needs a library of the system and a microphone: the tests have another in its place.
    assert {item for item in brought - used if not item.startswith("sounddevice")} == set()


def test_group_build_begins_with_what_builds_this_package() -> None:
    """The rest builds packages that have no wheel."""
    required = PROJECT["build-system"]["requires"]
    assert PROJECT["dependency-groups"]["build"][: len(required)] == required


def test_pins_of_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("b==1 ; python_full_version < '3.11' \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:00\n")
    second.write_text("a==7 \\\n    --hash=sha256:00\nb==3 \\\n    --hash=sha256:00\n")
    assert lock.pins([first, second, tmp_path / "none.txt"]) == "a==7\nb==1 ; python_full_version < '3.11'\nb==2\n"


@pytest.mark.parametrize("folder", NPM, ids=lambda folder: folder.name)
def test_npm_packages_are_locked_without_an_address(folder: Path) -> None:
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    packages = json.loads(text)["packages"]
    assert packages.pop("")["dependencies"] == wanted
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    return specifier.version
