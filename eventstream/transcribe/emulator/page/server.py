"""The server of the emulator's page: what a browser loads, and the presigned URL with which it opens a stream.

Sans-IO: `Page.answer` takes a GET request and returns the response.

A presigned URL opens a stream with the emulator's own credentials, so only the page itself gets one. The request must
come from this machine; be for a loopback host, which excludes foreign names that resolve to this machine; and have a
header that browsers do not let the pages of other origins send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from eventstream._text import quote
from eventstream.websocket import Answer, Route

__all__ = ["ASKED_BY_PAGE", "Page"]

ASKED_BY_PAGE = "x-eventstream-page"
"""The header that a request for a presigned URL must have. A page of another origin would have to ask before it may
send it, which is not granted."""

MAX_QUERY = 4096
"""Characters of the parameters of one stream."""

_FILES = {
    "/": "index.html",
    **{
        f"/{name}": name
        for name in (
            *(
                "app.js",
                "audio.js",
                "capture.js",
                "captions.js",
                "element.js",
                "frames.js",
                "inspector.js",
                "session.js",
            ),
            *("icon.svg", "style.css"),
        )
    },
}
"""All that is served, by its path: nothing else of the file system can be reached."""

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_HEADERS = (
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "microphone=(self), camera=(), geolocation=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)

_NAME = re.compile("(?!x-)[a-z]+(-[a-z]+)*")
"""A parameter of a stream. Those of signatures have other names."""


_AUTHORITY = re.compile(r"(?:localhost|[0-9.]+|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?", re.IGNORECASE)
"""A Host header that may name this machine. `urlsplit` takes more, such as what is before and behind brackets."""


class _Refused(Exception):
    """The request gets an error, with a sentence."""


class Page:
    """The files of the page, and the presigned URLs for its streams.

    Args:
        presign: makes the presigned URL of a stream from its whole unsigned URL, e.g.
            ``ws://localhost:8080/stream-transcription-websocket?language-code=en-US``.
        path: the path of that URL.
        tls: whether the page, and so its WebSocket, is served with TLS.

    Attributes:
        routes: what a WebSocket's port answers to a plain GET, by its path.
    """

    def __init__(self, presign: Callable[[str], str], path: str, *, tls: bool) -> None:
        self._presign = presign
        self._path = path
        self._http, self._websocket = ("https", "wss") if tls else ("http", "ws")
        folder = files(__package__)
        self._files = {path: (name, folder.joinpath(name).read_bytes()) for path, name in _FILES.items()}
        self.routes: dict[str, Route] = dict.fromkeys([*self._files, "/presign"], self.answer)

    def answer(self, target: str, headers: list[tuple[str, str]], peer: str) -> Answer:
        """Answer a GET request.

        Args:
            target: the path, which is one of those in `routes`, and the query.
            headers: names in lower case, and values.
            peer: the address that it came from.
        """
        path, _, query = target.partition("?")
        try:
            host = self._host(headers, peer)
            if path == "/presign":
                self._check_page(headers, host)
                url = self._presign(f"{self._websocket}://{host}{self._path}?{_parameters(query)}")
                return _answer(HTTPStatus.OK, "application/json", json.dumps({"url": url}).encode())
        except _Refused as refused:
            return _answer(HTTPStatus.FORBIDDEN, "text/plain; charset=utf-8", f"{refused}\n".encode())
        name, content = self._files[path]
        answer = _answer(HTTPStatus.OK, _TYPES[name.rpartition(".")[2]], content)
        answer.headers.append(("content-security-policy", self._policy(host)))
        return answer

    def _host(self, headers: list[tuple[str, str]], peer: str) -> str:
        """Return the host that was asked for, if it is this machine that asks for itself."""
        hosts = [value for name, value in headers if name == "host"]
        if len(hosts) != 1 or not _is_loopback_authority(hosts[0]):
            raise _Refused("This page is served to this machine only: open it at localhost or 127.0.0.1.")
        if not _is_loopback(peer.partition("%")[0]):  # without the zone
            raise _Refused(f"This page is served to this machine only, not to {quote(peer)}.")
        return hosts[0]

    def _check_page(self, headers: list[tuple[str, str]], host: str) -> None:
        """Refuse what did not come from the page. Browsers tell an origin in two ways, older ones in one or none."""
        values = dict(headers)
        own = f"{self._http}://{host}"
        if (
            ASKED_BY_PAGE not in values
            or values.get("sec-fetch-site", "same-origin") != "same-origin"
            or values.get("origin", own) != own
        ):
            raise _Refused("Presigned URLs are given to this page only.")

    def _policy(self, host: str) -> str:
        """Return what the page may load: its own files. Not every browser counts its host's WebSocket among them."""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                f"connect-src 'self' {self._websocket}://{host}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
            )
        )


def _parameters(query: str) -> str:
    """Return the query of a stream's URL. What its parameters say is left to the stream's own answer."""
    if len(query) > MAX_QUERY:
        raise _Refused(f"The parameters of a stream may have at most {MAX_QUERY} characters.")
    if not query.isascii():
        raise _Refused("The parameters of a stream must be ASCII, with everything else encoded.")
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if not all(map(_NAME.fullmatch, names)) or len(set(names)) < len(names):
        raise _Refused("The parameters of a stream must have names in lower case, and occur once.")
    return urlencode(pairs)


def _is_loopback_authority(authority: str) -> bool:
    """Whether a Host header names this machine: other names may resolve to it, at the will of who owns them."""
    if _AUTHORITY.fullmatch(authority) is None:
        return False
    try:
        parts = urlsplit(f"//{authority}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _answer(status: HTTPStatus, content_type: str, body: bytes) -> Answer:
    return Answer(status, [("content-type", content_type), *_HEADERS], body)
