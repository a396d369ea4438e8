"""What is made of the documentation's pages and of the sources for it."""

from __future__ import annotations

import importlib
import pydoc
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools" / "docs"))

import hooks
import typed

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if path.name not in hooks.FROM_TOP]


def test_examples_keep_their_lines():
    page = "# Title\n\n```pycon\n>>> 1 + 1\n2\n>>> if True:\n...     x = 2\n\n```\n"
    assert typed.source(page).split("\n")[:7] == ["", "", "", "1 + 1", "", "if True:", "    x = 2"]


def test_examples_of_an_untyped_library_say_so():
    page = "# Title\n\n>>> import botocore.session\n"
    assert typed.source(page).startswith(typed.UNTYPED + "\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [("changelog.md", "[a](explanation/stability.md)"), ("index.md", "[a](docs/explanation/stability.md)")],
)
def test_links_of_pages_at_the_top(name, text):
    page = SimpleNamespace(file=SimpleNamespace(src_uri=name))
    assert hooks.on_page_markdown("[a](docs/explanation/stability.md)", page=page) == text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_source_says_what_only_the_built_page_has(path):
    """And the built page does not say it."""
    text = path.read_text("utf-8")
    fills_in = re.search(r"^(:::|--8<--) ", text, re.MULTILINE)
    notes = hooks.UNBUILT.findall(text)
    assert len(notes) == (fills_in is not None)
    for module in re.findall(r"-m pydoc ([\w.]+)", "".join(notes)):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name == module:
                raise
            continue  # an extra that is not installed here
        assert f"NAME\n    {module}" in pydoc.render_doc(module, renderer=pydoc.plaintext)
    built = hooks.on_page_markdown(text, page=SimpleNamespace(file=SimpleNamespace(src_uri=path.name)))
    assert "source of a documentation page" not in built
    assert len(text) - len(built) == sum(map(len, notes))
