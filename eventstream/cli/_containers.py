"""The HTTP bodies in files that hold several: HAR files, cassettes of vcrpy and VCR, and flows of mitmproxy.

Of YAML only what cassettes need is understood, as the rest can take any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventstream.cli._forms import from_base64
from eventstream.cli._json import loads
from eventstream.cli._recording import UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_UNPACKED = 64 << 20
"""Bytes of a file of several bodies that was compressed, as it is read whole."""


@dataclass
class Http:
    """One body of a file that holds several."""

    what: str
    headers: dict[str, str]
    content: bytes


def _of_har(data: bytes) -> Iterator[Http]:
    for number, entry in enumerate(_list(_dict(loads(data)).get("log"), "entries"), 1):
        for what in ("request", "response"):
            message = _dict(entry.get(what))
            content = _dict(message.get("postData" if what == "request" else "content"))
            text = content.get("text")
            if isinstance(text, str):
                raw = (
                    from_base64(text.encode("ascii", "replace"))
                    if content.get("encoding") == "base64"
                    else _bytes(text)
                )
                yield Http(f"{number} {what}", _pairs(message.get("headers")), raw)
            elif what == "response":  # it was not recorded
                yield Http(f"{number} {what}", _pairs(message.get("headers")), b"")


def _of_cassette(data: bytes) -> Iterator[Http]:
    cassette = _dict(_json_or_yaml(data))
    left = max(MAX_UNPACKED, len(data))
    for number, interaction in enumerate(_list(cassette, "interactions", "http_interactions"), 1):
        for what in ("request", "response"):
            message = _dict(interaction.get(what))
            content = message.get("body")
            if isinstance(content, dict):
                encoded = content.get("base64_string")
                text = content.get("string")
                content = from_base64(_bytes(encoded)) if isinstance(encoded, (str, bytes)) else text
            if isinstance(content, (str, bytes)):
                left -= len(content)
                if left < 0:
                    raise ValueError(f"its aliases expand to over {MAX_UNPACKED >> 20} MiB")
                yield Http(f"{number} {what}", _pairs(message.get("headers")), _bytes(content))


def _json_or_yaml(data: bytes) -> object:
    if data.lstrip()[:1] == b"{":
        return loads(data)
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise UnreadableInput("a cassette in YAML needs PyYAML: pip install 'eventstream-codec[cli]'") from error

    base = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    composer = yaml.composer.Composer  # libyaml's has no bound of recursion in some versions, and crashes

    # Not `SafeLoader`: mappings that are merged may double with each line, and numbers of base 60 take quadratic time.
    class Loader(*([base] if issubclass(base, composer) else [composer, base])):  # type: ignore[misc]
        """Knows texts, bytes and null, in lists and mappings."""

        def __init__(self, stream: bytes) -> None:
            base.__init__(self, stream)
            composer.__init__(self)

    Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
    Loader.add_constructor("tag:yaml.org,2002:null", lambda loader, node: None)
    Loader.add_constructor(
        "tag:yaml.org,2002:binary", lambda loader, node: from_base64(_packed(loader.construct_scalar(node)))
    )
    try:
        return yaml.load(data, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError("not YAML" + (f" in line {mark.line + 1}" if mark else "")) from None


def _packed(text: str) -> bytes:
    return b"".join(_bytes(text).split())


def _of_flows(data: bytes) -> Iterator[Http]:
    from eventstream.cli._mitmproxy import flows

    for number, flow in enumerate(flows(data), 1):
        for what in ("request", "response"):
            message = _dict(flow.get(what))
            content = message.get("content")
            if isinstance(content, bytes):
                yield Http(f"{number} {what}", _pairs(message.get("headers")), content)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object, *names: str) -> list[dict[str, Any]]:
    """Return the list of objects under one of these names."""
    found = next((found for name in names if isinstance(found := _dict(value).get(name), list)), None)
    if found is None:
        raise ValueError(f"it has no list of {' or '.join(names)}")
    return [item for item in found if isinstance(item, dict)]


def _bytes(text: object) -> bytes:
    """Return what was stored as text: in Latin-1 if possible, where each character is a byte."""
    if isinstance(text, bytes):
        return text
    try:
        return str(text).encode("latin-1")
    except UnicodeEncodeError:
        return str(text).encode("utf-8", "surrogatepass")


def _pairs(headers: object) -> dict[str, str]:
    """Headers by name, in the form of any of the three."""
    found: dict[str, str] = {}
    if isinstance(headers, dict):
        items: Iterable[Any] = headers.items()
    elif isinstance(headers, list):
        items = ((item.get("name"), item.get("value")) if isinstance(item, dict) else item for item in headers)
    else:
        items = ()
    for item in items:
        if isinstance(item, (list, tuple)) and len(item) >= 2:
            name, value = item[0], item[1]
            if isinstance(value, list):
                value = value[0] if value else ""
            found[_text(name).lower()] = _text(value)
    return found


def _text(value: object) -> str:
    """Return a name or value as text. A list is empty, since aliases in YAML could make its text huge."""
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


CONTAINERS: dict[str, Callable[[bytes], Iterator[Http]]] = {
    "har": _of_har,
    "vcr": _of_cassette,
    "mitmproxy": _of_flows,
}
"""What yields the bodies of each form; a ``ValueError`` or ``RecursionError`` says that the file is not of the form."""
