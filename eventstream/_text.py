"""How text and bytes of strangers are shown in errors and logs: in quotes, on one line, and never much of it.

This module imports nothing.
"""

from __future__ import annotations

MAX_SHOWN = 64
"""Bytes of UTF-8 that are shown at most, quotes and dots not counted."""

_CUT = MAX_SHOWN - 3  # the three dots take the place of what is left out


def quote(text: str) -> str:
    """Return the text in quotes, as Python writes it, cut to 64 bytes of UTF-8."""
    raw = str.encode(text, "utf-8", "surrogatepass")
    return str.__repr__(text) if len(raw) <= MAX_SHOWN else repr(raw[:_CUT].decode("utf-8", "ignore")) + "..."


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


def printable(text: str) -> str:
    """Return the text with everything that is not printable replaced by U+FFFD, so that it stays on one line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
