"""Plain GETs, which a server of WebSockets answers on the same port, and its refusals."""

from __future__ import annotations

import http
from collections.abc import Callable
from email.utils import formatdate
from typing import NamedTuple, TypeAlias

from eventstream.websocket._library import Handshake, Headers


class Answer(NamedTuple):
    """The answer to a plain GET.

    Attributes:
        status: e.g. 200.
        headers: names and values; the body's length and the date are added.
        body: as a whole.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def text(cls, status: int, text: str) -> Answer:
        """Return an answer with a sentence for people."""
        return cls(status, [("content-type", "text/plain; charset=utf-8")], f"{text}\n".encode())


Route: TypeAlias = Callable[[str, "list[tuple[str, str]]", str], Answer]
"""Answers plain GETs of one path, given the path with its query, the headers, and the address of the client. It must
not take long."""


def not_allowed(method: str) -> Answer:
    """Return the answer to a request that is not a GET."""
    answer = Answer.text(405, "Only GET is answered here.")
    answer.headers.append(("allow", "GET"))
    return answer._replace(body=b"") if method == "HEAD" else answer


def response_of(answer: Answer) -> Handshake:
    """Return an answer as the library sends it; the connection ends with it."""
    headers = Headers([("date", formatdate(usegmt=True)), ("connection", "close")])
    headers["content-length"] = str(len(answer.body))
    for name, value in answer.headers:
        headers[name] = value
    return Handshake(answer.status, http.HTTPStatus(answer.status).phrase, headers, answer.body)
