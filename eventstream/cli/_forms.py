"""Which form a file has, by its first bytes."""

from __future__ import annotations

import base64
import binascii
import re

from eventstream._codec import find_prelude

URLSAFE = bytes.maketrans(b"-_", b"+/")
"""From the other alphabet of base64 to the usual one."""


def _begins_with_message(head: bytes) -> bool:
    return find_prelude(head, 0, 1) == 0


def is_payload(head: bytes) -> bool:
    """Whether decoded bytes begin an event stream, or gzip that may hold one."""
    return _begins_with_message(head) or head.startswith(b"\x1f\x8b")


def recognised(head: bytes) -> str | None:
    """Return the form of a file that begins so; None if it is none of these, or if the bytes are too few."""
    if not head:
        return "empty"
    if _begins_with_message(head):
        return "raw"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"HTTP/\d", text):
        return "curl"
    if text.startswith(b"{"):
        if re.match(rb'\{\s*"log"', text) or (b'"entries"' in text and b'"log"' in text):
            return "har"
        return "vcr" if re.search(rb'"(http_)?interactions"', text) else None
    if re.match(rb"(---\s+)?(version: \d+\s+)?(http_)?interactions:", text):
        return "vcr"
    if re.match(rb"\d{1,12}:\d{1,12}:", text):
        return "mitmproxy"
    compact = b"".join(text[:400].split())
    if re.fullmatch(rb"[0-9a-fA-F]{24,}", compact) and is_payload(binascii.unhexlify(compact[:24])):
        return "hex"
    if re.fullmatch(rb"[A-Za-z0-9+/=_-]{16,}", compact) and is_payload(from_base64(compact[:16])):
        return "base64"
    if find_prelude(head, 0, len(head)) >= 0:
        return "raw"  # damaged
    return None


def from_base64(compact: bytes) -> bytes:
    """Return what base64 of either alphabet encodes; nothing if it is not base64."""
    try:
        return base64.b64decode(compact.translate(URLSAFE), validate=True)
    except (binascii.Error, ValueError):
        return b""
