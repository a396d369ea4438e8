"""How untrusted text and bytes are shown in errors and logs: quoted, on one line, and shortened.

This module imports nothing of the package.
"""

from __future__ import annotations

import codecs

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this package
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SHOWN = 64
"""Bytes of UTF-8 that are shown at most, quotes and dots not counted."""

_CUT = MAX_SHOWN - 3  # the three dots take the place of what is left out


MAX_JSON_VALUES = 65_536
"""Values of a JSON text that are parsed by default. A list of as many empty objects takes about 10 MiB and 0.1 s."""


_COUNTED = 65_536
"""Bytes that are counted at once: to count on, when there are too many already, would take time for nothing."""


def has_too_many_values(data: bytes | memoryview, limit: int) -> bool:
    """Return whether a JSON text may have more objects, lists and members than the limit, without parsing it.

    Braces, brackets and commas within its texts count, too.
    """
    if len(data) <= limit:
        return False
    raw = bytes(data)
    found = 0
    for start in range(0, len(raw), _COUNTED):
        end = start + _COUNTED
        found += raw.count(b"{", start, end) + raw.count(b"[", start, end) + raw.count(b",", start, end)
        if found > limit:
            return True
    return False


def quote(text: str) -> str:
    """Return the text in quotes, as Python writes it, cut to 64 bytes of UTF-8."""
    raw = str.encode(text, "utf-8", "surrogatepass")
    return str.__repr__(text) if len(raw) <= MAX_SHOWN else repr(raw[:_CUT].decode("utf-8", "ignore")) + "..."


def unquoted(text: str) -> str:
    """Return the text, cut to 64 bytes of UTF-8; what is not printable is written as Python escapes it."""
    raw = str.encode(text, "utf-8", "surrogatepass")
    return visible(text if len(raw) <= MAX_SHOWN else raw[:_CUT].decode("utf-8", "ignore") + "...")


def header_label(name: str | None) -> str:
    """Return what an error calls a header: by its name if that is known."""
    return "header" if name is None else f"header {quote(name)}"


def quote_bytes(data: bytes) -> str:
    """Return bytes that are probably text in quotes, cut to 64 bytes; what is not UTF-8 is shown as U+FFFD."""
    text = data[:MAX_SHOWN].decode("utf-8", "replace")
    return repr(text) if len(data) <= MAX_SHOWN else repr(data[:_CUT].decode("utf-8", "replace")) + "..."


def shown(value: object) -> str:
    """Return any value as Python writes it, cut to about 64 bytes of UTF-8."""
    if isinstance(value, str):
        return quote(value)
    text = repr(value)
    raw = text.encode("utf-8", "surrogatepass")
    return text if len(raw) <= MAX_SHOWN else raw[:_CUT].decode("utf-8", "ignore") + "..."


def class_of(value: object) -> str:
    """Return the name of a value's class with its module: other libraries have a class of the same name."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def printable(text: str) -> str:
    """Return the text with everything that is not printable replaced by U+FFFD, so that it stays on one line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def escaped(text: str, limit: int) -> str:
    """Return the text on one line, cut to `limit` characters; what is not printable is written as Python escapes it."""
    text = visible(text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def visible(text: str) -> str:
    """Return the whole text on one line; what is not printable is written as Python escapes it."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what may have been meant by an unknown name, to be appended to the sentence that refuses it.

    Args:
        name: it is misspelt, or in another style, such as ``languageCode`` for ``language_code``.
        known: the names that would be right.

    Returns:
        For example `` (did you mean 'language_code'?)``; nothing if none of them is near.
    """
    from difflib import get_close_matches  # here: it takes long, and is rarely needed

    folded = {each.replace("_", "").lower(): each for each in known}
    found = get_close_matches(name.replace("_", "").lower(), folded, 1)
    return f" (did you mean {quote(folded[found[0]])}?)" if found else ""


def text_of(data: bytes, *, cut: bool = False) -> str | None:
    """Return the data as text if they are: UTF-8 without control characters other than tabs and ends of lines.

    Args:
        data: the bytes; a byte order mark is left out.
        cut: they may end in the middle of a character, which is left out.

    Returns:
        None if they are not text, or are empty.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None
    text = text.removeprefix("\ufeff")
    return text if text and text.translate(_ENDS_OF_LINES).isprintable() else None


_ENDS_OF_LINES = {ord(char): " " for char in "\t\r\n"}

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")

_BEGINNINGS = (
    (("<!doctype html", "<html"), "HTML"),
    (("<",), "XML"),
    (("{", "["), "JSON"),
    (("data:", "event:", "id:", "retry:", ":"), "server-sent events"),
)
"""How texts begin, in lower case, that servers send in place of an event stream; the first that fits."""


def describe(data: bytes) -> str | None:
    """Return what the data are, and their beginning, if no event stream begins like that.

    Args:
        data: the first bytes, at most 64; 12 bytes are enough to tell all kinds apart.

    Returns:
        For example ``JSON: '{"message":"Forbidden"}'``; None if they may be a message, or are of no known kind.
    """
    if data.startswith(b"\x1f\x8b"):
        return "gzip, which must be decompressed first"
    text = text_of(data, cut=True)
    if text is None and data.startswith(b"HTTP/1."):  # the body is binary
        text = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    if text is None:
        return None
    return f"{_kind_of(text)}: {quote(text)}"


def _kind_of(text: str) -> str:
    if text.startswith("HTTP/1."):
        return "an HTTP/1 response; only its body can be an event stream"
    if text.startswith("AA") and _BASE64.issuperset(text):  # the first byte of a length below 16 MiB is 0
        return "base64, which must be decoded first"
    begin = text.lstrip()[:16].lower()
    for beginnings, kind in _BEGINNINGS:
        if begin.startswith(beginnings):
            return kind
    return "text"
