"""What is made of the documentation's pages and of the sources for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools" / "docs"))

import hooks
import typed


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
