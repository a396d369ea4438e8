"""Hooks of MkDocs.

Pages that live at the top of the tree, such as the changelog, link to their neighbours there. A built page does not say
that it is not built. The reference names no private base of a class.
"""

from __future__ import annotations

import re
from typing import Any

FROM_TOP = {"changelog.md", "contributing.md", "security.md"}
"""Symbolic links in docs/."""

MOVED = {
    "](docs/": "](",
    "](CHANGELOG.md": "](changelog.md",
    "](CONTRIBUTING.md": "](contributing.md",
    "](SECURITY.md": "](security.md",
}


UNBUILT = re.compile(r"^> This is the source of a documentation page\. .*\n(?:> .*\n)*\n", re.MULTILINE)
"""What a reader of the sources is told."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page with its links as they are seen from docs/, and without what is for readers of its source."""
    markdown = UNBUILT.sub("", markdown)
    if page.file.src_uri in FROM_TOP:
        for link, moved in MOVED.items():
            markdown = markdown.replace(link, moved)
    return markdown


PRIVATE_BASE = re.compile(r'(?:, )?<code><span title="[\w.]+">_\w+</span></code>')
BASES = re.compile(r'<p class="doc doc-class-bases">(.*?)</p>', re.DOTALL)


def on_post_page(output: str, **_: Any) -> str:
    """Return the page, whose classes have only public bases."""
    return BASES.sub(_public, output)


def _public(bases: re.Match[str]) -> str:
    left = PRIVATE_BASE.sub("", bases[0])
    return left if "<code>" in left else ""
