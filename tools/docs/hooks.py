"""A hook of MkDocs: pages that live at the top of the tree, such as the changelog, link to their neighbours there."""

from __future__ import annotations

from typing import Any

FROM_TOP = {"changelog.md", "contributing.md", "security.md"}
"""Symbolic links in docs/."""

MOVED = {
    "](docs/": "](",
    "](CHANGELOG.md": "](changelog.md",
    "](CONTRIBUTING.md": "](contributing.md",
    "](SECURITY.md": "](security.md",
}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page with its links as they are seen from docs/."""
    if page.file.src_uri in FROM_TOP:
        for link, moved in MOVED.items():
            markdown = markdown.replace(link, moved)
    return markdown
