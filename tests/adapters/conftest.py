"""A server on loopback that answers every request with the stream it was given, in pieces of any size."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 10
EVENT_STREAM = "application/vnd.amazon.eventstream"


@dataclass
class Served:
    """What is answered: a body, its content type, and where it is split into HTTP chunks."""

    body: bytes
    content_type: str
    pieces: list[bytes]
    url: str = ""
    requests: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        served = self.server.served
        served.requests.append(self.path)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while length := int(self.rfile.readline(), 16):
                self.rfile.read(length + 2)
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", served.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in served.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    served: Served
    daemon_threads = True


def split(body: bytes, seed: int) -> list[bytes]:
    """Return the body in pieces of 1 to 200 bytes."""
    draw = random.Random(seed)
    pieces = []
    while body:
        length = draw.randint(1, 200)
        pieces.append(body[:length])
        body = body[length:]
    return pieces


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a body until another one is to be served; the server ends with the test."""
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def served(body: bytes, *, content_type: str = EVENT_STREAM, seed: int = 0) -> Served:
        url = f"http://127.0.0.1:{server.server_port}"
        server.served = Served(body, content_type, split(body, seed), url)
        return server.served

    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT)
    assert not thread.is_alive()


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the methods that boto3 lacks, in an environment that says nothing of proxies, trust and tokens."""
    from eventstream.adapters import boto3

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with boto3.install():
        yield


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a certificate of localhost, which clients also trust."""
    pytest.importorskip("trustme", reason="trustme is not installed")
    from certificates import write_certificate

    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    write_certificate(path)
    return str(path)


@pytest.fixture
def traits(tmp_path: Path) -> Any:
    """Return a session that knows two services with every trait: ``every-trait`` and ``every-trait-rpc``."""
    import json

    from adapters import models
    from adapters.clients import session_of

    for name, description in (("every-trait", models.REST), ("every-trait-rpc", models.RPC)):
        folder = tmp_path / name / "2026-01-01"
        folder.mkdir(parents=True)
        (folder / "service-2.json").write_text(json.dumps(description), "utf-8")
    return session_of(data_path=str(tmp_path))
