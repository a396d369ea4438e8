"""Check that the README shows on an index's page as it does here: readme.py README.md

An index renders the file without its neighbours. So every link and image is an absolute address or an anchor of the
page itself, and nothing may be lost by the index's own renderer, which takes out what it thinks unsafe.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from readme_renderer import markdown

LOST = {"picture", "source", "script", "style", "iframe", "video", "form"}
"""Elements that the index's renderer takes out."""


class Page(HTMLParser):
    """The addresses that a page names, and its anchors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.headings = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.headings += tag in {"h1", "h2", "h3"}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "srcset"}]


def faults(text: str) -> list[str]:
    """What of this Markdown would not show."""
    html = markdown.render(text)
    if html is None:
        return ["the index's renderer refuses it"]
    page = Page(html)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    }
    found = [] if page.headings else ["it has no heading"]
    for address in page.addresses:
        address = address.replace("#user-content-", "#")  # so the renderer marks the anchors of a page
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https", "mailto"} and (parts.path or parts.fragment not in anchors):
            found.append(f"{address!r} leads nowhere without the files beside it")
    found += [f"<{tag}> is taken out" for tag in sorted(set(re.findall(r"<(\w+)", prose)) & LOST)]
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(*(f"{sys.argv[1]}: {fault}" for fault in wrong), sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))
