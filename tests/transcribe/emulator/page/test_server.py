"""What the page's server answers, and to whom it gives presigned URLs."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path

import pytest
from cases import each

from eventstream.transcribe.emulator import page
from eventstream.transcribe.emulator.page import ASKED_BY_PAGE, Page

FOLDER = Path(page.__file__).parent
PATH = "/stream-transcription-websocket"
HOST = "127.0.0.1:8080"
ASKED = {"Host": HOST, ASKED_BY_PAGE: "1", "Sec-Fetch-Site": "same-origin"}


def ask(target="/presign?language-code=en-US", headers=None, peer="127.0.0.1", *, tls=False):
    """Return the answer; a presigned URL is the one to be signed with a mark behind it."""
    answering = Page(lambda url: f"{url}&signed", PATH, tls=tls)
    fields = [(name.lower(), value) for name, value in (ASKED if headers is None else headers).items()]
    return answering.routes[target.partition("?")[0]](target, fields, peer)


@pytest.mark.parametrize("tls", [False, True])
def test_presign_gives_the_url_of_a_stream(tls):
    answer = ask("/presign?language-code=en-US&vocabulary-name=a%26b", tls=tls)
    scheme = "wss" if tls else "ws"
    assert answer.status == HTTPStatus.OK
    assert json.loads(answer.body) == {
        "url": f"{scheme}://{HOST}{PATH}?language-code=en-US&vocabulary-name=a%26b&signed"
    }
    assert dict(answer.headers)["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in dict(answer.headers)


@each("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:9", "[::1]:8443"])
@each("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_presign_answers_loopback_hosts(host, peer):
    assert ask(headers={**ASKED, "Host": host}, peer=peer).status == HTTPStatus.OK


@pytest.mark.parametrize("query", ["a=\xff", "a=\udcff", "\udcff=a"])
def test_presign_takes_only_ascii(query):
    answer = ask(f"/presign?{query}")
    assert answer.status == HTTPStatus.FORBIDDEN
    assert b"ASCII" in answer.body


REBOUND = [
    *(
        "example.com",
        "example.com:8080",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "192.168.1.2:8080",
        "0.0.0.0",
    ),
    *(
        "",
        "localhost@example.com",
        "example.com@localhost",
        "localhost:port",
        "localhost/",
        "localhost#",
        "[::2]",
        "localhost:80 x",
    ),
    *("[::ffff:10.0.0.1]", "2130706433", "127.1"),
    *(
        "127.0.0.1%.example.com",
        "127.0.0.1%example.com:80",
        "[::1].example.com",
        "[::1]example",
        "example[::1]",
        "example.com[::1]:80",
        "[::1%.example.com]",
        "[::1%25lo]",
        "[::1%; script-src * 'unsafe-inline']",
    ),
    *("127.0.0.1\n", "localhost:99999", "[127.0.0.1]", "[::1", "::1"),
]


@pytest.mark.parametrize("target", ["/", "/app.js", "/presign?language-code=en-US"])
def test_hosts_that_are_not_loopback_are_refused(target):
    for host in REBOUND:
        answer = ask(target, {**ASKED, "Host": host})
        assert answer.status == HTTPStatus.FORBIDDEN, host
        assert b"localhost" in answer.body, host


@pytest.mark.parametrize("headers", [[], [("host", HOST), ("host", HOST)]], ids=["none", "two"])
def test_host_is_needed_once(headers):
    assert Page(str, PATH, tls=False).answer("/", headers, "127.0.0.1").status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("peer", ["192.168.1.2", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", ""])
def test_peers_of_other_machines_are_refused(peer):
    for target in ("/", "/presign?language-code=en-US"):
        assert ask(target, peer=peer).status == HTTPStatus.FORBIDDEN


FOREIGN = {
    "no header of the page": {ASKED_BY_PAGE: None},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another port of this host": {"Sec-Fetch-Site": "same-site"},
    "the address bar": {"Sec-Fetch-Site": "none"},
    "another origin": {"Sec-Fetch-Site": None, "Origin": "http://127.0.0.1:9090"},
    "an opaque origin": {"Sec-Fetch-Site": None, "Origin": "null"},
    "the other scheme": {"Sec-Fetch-Site": None, "Origin": f"https://{HOST}"},
}


@each("changed", FOREIGN.values(), ids=FOREIGN)
def test_presign_refuses_other_origins(changed):
    headers = {name: value for name, value in {**ASKED, **changed}.items() if value is not None}
    answer = ask(headers=headers)
    assert (answer.status, answer.body) == (HTTPStatus.FORBIDDEN, b"Presigned URLs are given to this page only.\n")


def test_presign_answers_browsers_that_tell_the_origin_only():
    assert ask(headers={"host": HOST, ASKED_BY_PAGE: "", "origin": f"http://{HOST}"}).status == HTTPStatus.OK


@each(
    "query",
    ["X-Amz-Date=1", "x-amz-expires=9", "a=1&a=2", "a b=1", "=1", f"language-code={'x' * 5000}"],
    ids=lambda query: query[:20],
)
def test_presign_refuses_parameters_of_signatures(query):
    assert ask(f"/presign?{query}").status == HTTPStatus.FORBIDDEN


def test_files_are_all_served_and_no_others():
    served = set(Page(str, PATH, tls=False).routes) - {"/presign", "/"} | {"/index.html"}
    assert served == {
        f"/{file.name}" for file in FOLDER.iterdir() if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    for path in sorted(served - {"/index.html"}):
        answer = ask(path)
        assert answer.status == HTTPStatus.OK
        assert answer.body == (FOLDER / path[1:]).read_bytes()
        assert dict(answer.headers)["x-content-type-options"] == "nosniff"
    assert ask("/?q").body == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("tls", [False, True])
def test_policy_allows_own_files_and_socket_only(tls):
    headers = dict(ask("/", tls=tls).headers)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert f"connect-src 'self' {'wss' if tls else 'ws'}://{HOST};" in policy
    assert "unsafe" not in policy
    assert policy.endswith("; frame-ancestors 'none'; require-trusted-types-for 'script'")
    assert headers["x-frame-options"] == "DENY"


def test_files_load_nothing_from_elsewhere():
    """But for the names of XML namespaces, and the address that a sentence shows."""
    allowed = {"http://www.w3.org/2000/svg", "http://localhost", "https://."}
    for file in FOLDER.iterdir():
        if file.suffix in (".html", ".js", ".css", ".svg"):
            text = file.read_text(encoding="utf-8")
            assert {found.rstrip('"),;') for found in re.findall(r"\b(?:https?|wss?)://[^\s\"'`]*", text)} <= allowed, (
                file.name
            )
            assert not re.search(
                r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b|\bon\w+=\"|style=\"", text
            ), file.name
