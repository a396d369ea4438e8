"""Check that the README in a wheel's metadata shows on an index's page as it does here: readme.py WHEEL

An index renders the file without its neighbours. So every link and image is an absolute address or an anchor of the
page itself, and the index's own renderer, which removes what it considers unsafe, may remove nothing that is needed.
"""

from __future__ import annotations

import email
import re
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from readme_renderer import markdown

LOST = {"script", "style", "iframe", "video", "form"}
"""Elements that the index's renderer removes. It removes ``picture`` and ``source`` too, which leaves their ``img``."""


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
    """Return what of this Markdown would not show."""
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


def description(wheel: Path) -> str:
    """Return the README that the wheel's metadata hold."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_string(archive.read(metadata).decode("utf-8")).get_payload()


if __name__ == "__main__":
    wrong = faults(description(Path(sys.argv[1])))
    print(*(f"{sys.argv[1]}: {fault}" for fault in wrong), sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))
