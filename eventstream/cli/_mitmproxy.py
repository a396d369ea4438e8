"""The flow files of mitmproxy: typed netstrings, one flow after the other.

A value is its length in ASCII, a colon, as many bytes, and a type: ``,`` bytes, ``;`` text, ``#`` integer, ``^`` float,
``!`` boolean, ``~`` null, ``]`` list, ``}`` dictionary. Lists and dictionaries hold further values.

Source: mitmproxy's documentation of ``mitmproxy.io.tnetstring``, and https://tnetstrings.info.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = 50
_MAX_DIGITS = 12


def flows(data: bytes | memoryview) -> Iterator[dict[str, Any]]:
    """Yield the flows of a file.

    Raises:
        ValueError: it is not a flow file, or is cut; the flows before have been yielded.
    """
    view = memoryview(data)
    position = 0
    while position < len(view):
        flow, position = _value(view, position, len(view), 0)
        if not isinstance(flow, dict):
            raise ValueError(f"a flow must be a dictionary (at byte {position})")
        yield flow


def _value(view: memoryview, start: int, end: int, depth: int) -> tuple[Any, int]:
    """Return the value that begins at `start`, and where it ends."""
    head = bytes(view[start : min(start + _MAX_DIGITS + 1, end)])
    digits, colon, _ = head.partition(b":")
    if not colon or not digits.isdigit():
        raise ValueError(f"expected a length (at byte {start})")
    first = start + len(digits) + 1
    stop = first + int(digits)
    if stop >= end:
        raise ValueError(f"the flow is cut: {end - first} bytes of {int(digits) + 1} (at byte {start})")
    return _parse(view, first, stop, chr(view[stop]), depth), stop + 1


def _parse(view: memoryview, start: int, end: int, kind: str, depth: int) -> Any:
    if kind in "]}":
        if depth == _MAX_DEPTH:
            raise ValueError(f"values are nested more than {_MAX_DEPTH} deep (at byte {start})")
        values = []
        while start < end:
            value, start = _value(view, start, end, depth + 1)
            values.append(value)
        return values if kind == "]" else _dictionary(values, start)
    raw = bytes(view[start:end])
    if kind == ",":
        return raw
    if kind == "~" and not raw:
        return None
    try:
        text = raw.decode()
        if kind == ";":
            return text
        if kind == "#" and len(text) <= 20:
            return int(text)
        if kind == "^" and len(text) < 40:
            return float(text)
    except ValueError:
        pass
    if kind == "!" and raw in (b"true", b"false"):
        return raw == b"true"
    raise ValueError(f"not a value of type {kind!r} (at byte {start})")


def _dictionary(values: list[Any], position: int) -> dict[Any, Any]:
    keys = values[::2]
    if len(values) % 2 or not all(isinstance(key, (str, bytes)) for key in keys):
        raise ValueError(f"not a dictionary (at byte {position})")
    return {
        key if isinstance(key, str) else key.decode("utf-8", "replace"): value
        for key, value in zip(keys, values[1::2], strict=True)
    }
