"""Every example of the README and of the documentation, run word for word."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from cases import each

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_EXAMPLES = [page for page in PAGES if "```pycon" in page.read_text(encoding="utf-8")]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WAITING = {"docs/how-to/client-errors.md", "docs/how-to/live-audio.md", "docs/how-to/voice-agents.md"}
"""Pages whose examples wait for a timeout, or for a microphone."""


class Microphone:
    """That of sounddevice: it calls back in a thread of its own, ten times, without the pauses."""

    def __init__(
        self, rate: int, length: int, *, channels: int, dtype: str, callback: Callable[[memoryview, int], None]
    ) -> None:
        assert (channels, dtype) == (1, "int16")
        samples = memoryview(bytes(2 * length))

        def speak() -> None:
            for _ in range(10):
                callback(samples, length)

        self.thread = threading.Thread(target=speak)

    def __enter__(self) -> Microphone:
        self.thread.start()
        self.thread.join()
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.waits] * (name_of(page) in WAITING), id=name_of(page))
        for page in WITH_EXAMPLES
    ],
)
def test_examples_of(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(RawInputStream=Microphone))
    failed, attempted = doctest.testfile(str(page), module_relative=False)
    assert attempted > 0
    assert not failed


def test_examples_are_where_they_must_be() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/how-to/client.md"} <= set(map(name_of, WITH_EXAMPLES))


def test_pages_that_wait_are_there() -> None:
    assert set(map(name_of, WITH_EXAMPLES)) >= WAITING


@each("page", PAGES, ids=name_of)
def test_code_blocks_are_run(page: Path) -> None:
    """Or is a file that another test builds: a snippet holds nothing but its name."""
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^``` ?(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language != "pycon":
            snippet = re.fullmatch(r'--8<-- "((?:tests|eventstream|examples)/[\w/.-]+)"\n', block)
            assert snippet is not None, block
            assert (ROOT / snippet[1]).is_file()


@each("page", PAGES, ids=name_of)
def test_make_commands_exist(page: Path) -> None:
    """What is called ``make`` something has such a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:`|^ {4})make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


def test_readme_figures_are_those_of_the_report() -> None:
    """Each row of the README's table of speed is one that ``make bench`` wrote."""
    section = README.read_text(encoding="utf-8").partition("\n## Speed\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    report = (ROOT / "benchmarks/report/README.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 5
    assert not set(rows) - set(report)


def test_readme_is_one_page() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 700


@pytest.mark.parametrize("page", sorted(ROOT.glob("[A-Z]*.md")), ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    """The pages at the top of the tree; MkDocs checks those in docs/."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", text)
    for link in filter(None, (link for pair in links for link in pair)):
        assert link.startswith("https://") or (ROOT / link).is_file(), link


REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))


@each("page", REFERENCE, ids=name_of)
def test_reference_names_exist(page: Path) -> None:
    directives = re.findall(
        r"^::: ([\w.]+)(?:\n    options: .*?(?:members: \[(.*?)\])?.*)?$", page.read_text("utf-8"), re.MULTILINE
    )
    assert directives
    for name, members in directives:
        module, _, attribute = name.rpartition(".")
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # an extra that is not installed here
                continue
            found = getattr(importlib.import_module(module), attribute)
        for member in filter(None, re.split(r",\s*", members)):
            assert hasattr(found, member), f"{name}.{member}"


def test_errors_are_imported_from_where_the_table_says() -> None:
    page = (ROOT / "docs" / "how-to" / "client-errors.md").read_text("utf-8")
    table = page.partition("| you see | import it from |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([^|]*`[^|]*) \| ([^|]*) \|", table, re.MULTILINE)
    assert len(rows) > 15
    for errors, places in rows:
        names = re.findall(r"`([\w.]+)`", errors)
        modules = re.findall(r"`([\w.]+)`", places)
        if places == "the standard library":
            modules = [name.rpartition(".")[0] or "builtins" for name in names]
        for name, module in zip(names, modules, strict=True):
            try:
                found = importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name == module:
                    raise
                continue  # an extra that is not installed here
            assert issubclass(getattr(found, name.rpartition(".")[2]), Exception)
            assert not module.startswith("eventstream") or name in found.__all__


def test_transcribe_exports_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "transcribe.md").read_text("utf-8")
    exported = set(importlib.import_module("eventstream.transcribe").__all__)
    sections, _, _ = page.partition("## eventstream.")
    for name, members in re.findall(r"^::: ([\w.]+)\n    options: (.*)$", sections, re.MULTILINE):
        listed = re.search(r"members: \[(.*?)\]", members)
        names = re.split(r",\s*", listed[1]) if listed else importlib.import_module(name).__all__
        assert set(names) <= exported, name
