"""``eventstream replay``: a recorded response, over HTTP/1.1 and HTTP/2, at its own pace."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import frames
import pytest
from cases import case
from programs import AWAY

from eventstream import Timestamp, encode, iter_messages
from eventstream.cli import replay
from eventstream.cli._inputs import Body, Recording

REQUEST = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/stream")]
CHUNKED = {"Transfer-Encoding": "chunked"}
STREAM = frames.EVENT_FRAME + frames.TEN_FRAME + frames.TAIL_FRAME
LIMITS = {"max_headers_length": 131_072, "max_payload_length": 25_165_824}


@contextlib.contextmanager
def served(path, *options, count=1):
    """Yield the port of a server that ends after this many requests."""
    command = [sys.executable, "-m", "eventstream", "replay", str(path), *options]
    command += ["--requests", str(count)] if count else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=AWAY)
    try:
        host, _, port = process.stdout.readline().strip().rpartition(":")
        assert host == "http://127.0.0.1"
        yield int(port)
        if not count:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "recording"
    path.write_bytes(STREAM)
    return path


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Return the port of one server for all requests that it must survive."""
    path = tmp_path_factory.mktemp("replay") / "recording"
    path.write_bytes(STREAM)
    with served(path, count=None) as port:
        yield port


def ask(port, method="POST", body=b"x" * 100_000, **options):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, "/model/x/converse-stream", body, **options)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_requests_get_the_response(path):
    with served(path, count=4) as port:
        for method, body, options in [
            ("POST", b"x" * 100_000, {}),
            (
                "POST",
                iter([b"a" * 70_000, b"b"]),
                {"encode_chunked": True, "headers": {"Transfer-Encoding": "chunked"}},
            ),
            ("GET", None, {}),
            ("PUT", b"", {}),
        ]:
            status, headers, received = ask(port, method, body, **options)
            assert status == 200
            assert headers["content-type"] == "application/vnd.amazon.eventstream"
            assert received == STREAM


def test_replay_serves_until_it_is_stopped(path):
    with served(path, count=None) as port:
        assert ask(port)[2] == ask(port)[2] == STREAM


def test_recorded_headers_come_too(tmp_path):
    headers = [{"name": "x-amzn-RequestId", "value": "7"}, {"name": "Server", "value": "other"}]
    content = {"text": base64.b64encode(STREAM).decode(), "encoding": "base64"}
    (tmp_path / "x.har").write_text(
        json.dumps({"log": {"entries": [{"response": {"headers": headers, "content": content}}]}})
    )
    with served(tmp_path / "x.har") as port:
        _, found, received = ask(port)
    assert received == STREAM
    assert found["x-amzn-requestid"] == "7"
    assert found["Server"] != "other"


def test_recorded_headers_that_cannot_be_sent(tmp_path, capsys):
    """They would be a traceback for each request, or more headers than were recorded."""
    odd = {
        "x-amz-\xe9": "1",
        "x-amz b": "2",
        "x-amz-wide": "\u2192",
        "x-amz-cut": "a\r\nset-cookie: b",
        "x-amz-lone": "\ud800",
    }
    recording = Recording("it", Body(whole=memoryview(STREAM)), {**odd, "x-amz-fine": "\xe9\t1"})
    assert replay._headers(recording) == [
        ("content-type", "application/vnd.amazon.eventstream"),
        ("x-amz-fine", "\xe9\t1"),
    ]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(odd)
    assert told[3] == "it: the header 'x-amz-cut: a\\r\\nset-cookie: b' cannot be sent: it is left out"


def test_damaged_recording_is_sent_as_it_is(tmp_path):
    damaged = bytearray(STREAM)
    damaged[140] ^= 1
    (tmp_path / "x").write_bytes(damaged)
    with served(tmp_path / "x") as port:
        assert ask(port)[2] == damaged


@pytest.mark.parametrize("request_", [b"", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", b"\xff\r\n\r\n"])
def test_client_that_breaks_off_stops_nothing(port, request_):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_)
    assert ask(port)[2] == STREAM


def test_client_that_breaks_off_in_the_answer_gets_a_line(tmp_path):
    (tmp_path / "x").write_bytes(encode({}, bytes(20 << 20)))
    with served(tmp_path / "x", count=None) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(1000)
        assert len(ask(port)[2]) > 20 << 20


@pytest.mark.parametrize("size", [b"x", b"-1", b"fffffffff", b"\xff", b""])
def test_chunk_of_no_size(port, size):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        assert connection.recv(1000) == b""


def test_http2(path):
    pytest.importorskip("h2")
    from eventstream.http2 import connect

    async def ask_twice(port):
        found = []
        async with connect("127.0.0.1", port) as connection:
            for _ in range(2):
                stream = await connection.request(REQUEST)
                response = await stream.response(10)
                await stream.send(b"audio")
                first = await stream.receive(10)
                await stream.end()
                found.append((response.status, first + b"".join([piece async for piece in stream])))
        return found

    with served(path, "--http2", count=2) as port:
        assert asyncio.run(ask_twice(port)) == [(200, STREAM)] * 2


def asked_once(monkeypatch, ask, stream):
    """Return what a client gets of a server over HTTP/2 that answers one request, and waits for 0.2 s at most."""
    ports = queue.SimpleQueue()
    monkeypatch.setattr(replay, "_TIMEOUT", 0.2)
    monkeypatch.setattr(replay, "_say_address", lambda host, port: ports.put(port))
    with ThreadPoolExecutor() as executor:
        asked = executor.submit(lambda: asyncio.run(ask(ports.get(timeout=10))))
        replay._serve_http2([(0.0, stream)], [], "127.0.0.1", 0, 1)
        return asked.result(10)


@pytest.mark.parametrize("speaks", [True, False])
def test_http2_ends_the_answer_to_an_endless_request(monkeypatch, speaks):
    pytest.importorskip("h2")
    from eventstream.http2 import StreamError, connect

    async def ask(port):
        async with connect("127.0.0.1", port) as connection:
            stream = await connection.request(REQUEST)
            found = b""
            while len(found) < len(STREAM):
                found += await stream.receive(10)
            for _ in range(100 if speaks else 0):
                await asyncio.sleep(0.05)
                try:
                    await stream.send(b"audio")
                except StreamError:
                    break
            else:
                assert not speaks, "it listened for 5 s"
            assert await stream.receive(10) == b""
            return found

    assert asked_once(monkeypatch, ask, STREAM) == STREAM


def test_http2_cuts_an_answer_that_nobody_reads(monkeypatch, capsys, caplog):
    pytest.importorskip("h2")
    from eventstream.http2 import ErrorCodes, StreamError, connect

    async def ask(port):
        async with connect("127.0.0.1", port) as connection:
            stream = await connection.request(REQUEST)
            with pytest.raises(StreamError) as raised:
                await stream.send(bytes(100_000), timeout=10)  # which is not read before the end of the answer
            return raised.value.code

    assert asked_once(monkeypatch, ask, bytes(100_000)) == ErrorCodes.CANCEL
    assert capsys.readouterr().err == "an answer was cut: the peer took no more data for 0.2 s\n"
    assert not caplog.records


def test_http2_serves_until_it_is_stopped(path):
    pytest.importorskip("h2")
    with served(path, "--http2", count=None) as port:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()


def dated(milliseconds):
    return encode({":date": Timestamp(milliseconds)})


def pieces(wire, interval=None):
    return list(replay._pieces(Recording("x", Body([wire])), LIMITS, interval))


def test_pace_is_that_of_the_dates():
    nested = frames.frame(payload=dated(999_500))
    wires = [dated(1000), dated(1250), frames.EMPTY_FRAME, dated(1000), dated(999_000), nested]
    pauses = [0, 0.25, 0, 0, replay._MAX_PAUSE, 0.5]
    assert pieces(b"".join(wires)) == list(zip(pauses, wires, strict=True))


def test_pace_that_is_given():
    wires = [dated(1000), dated(1250), b"junk"]
    assert pieces(b"".join(wires), 0.1) == list(zip([0, 0.1, 0.1], wires, strict=True))


def test_interval_that_is_not_a_number(run, path):
    done = run("replay", str(path), "--interval", "nan")
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("Invalid value for '--interval': it is not a number\n")


@pytest.mark.waits
def test_messages_come_one_by_one(tmp_path):
    (tmp_path / "x").write_bytes(frames.EVENT_FRAME + frames.TAIL_FRAME)
    with served(tmp_path / "x", "--interval", "0.5") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/")
        response = connection.getresponse()
        messages = iter_messages(response)
        next(messages)
        start = time.monotonic()
        next(messages)
        assert time.monotonic() - start > 0.3
        response.close()
        connection.close()


@pytest.mark.parametrize("option", [[], ["--http2"]], ids=["HTTP/1.1", "HTTP/2"])
def test_ctrl_c_that_is_an_exception_ends_well(run, path, monkeypatch, option):
    """As on Windows, or before the server listens."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(replay, "_serve_http2" if option else "_serve_http1", interrupted)
    assert run("replay", *option, path) == (0, "", "")


def test_port_that_is_taken(run, path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run("replay", path, "--port", listener.getsockname()[1])
    assert done.status == 2
    assert "in use" in done.err
    assert "Errno" not in done.err
    assert done.err.startswith("127.0.0.1, port ")


def test_request_that_is_cut_is_not_answered(path):
    with served(path, count=3) as port:
        for body in (b"5\r\nabc", b"x\r\n", b""):
            with case(body), socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b""


def test_client_without_a_place_is_disconnected(monkeypatch, capsys):
    """Each has a thread, of which there must be an end."""
    monkeypatch.setattr(replay._Server, "places", threading.Semaphore(2))
    with replay._Server(("127.0.0.1", 0), replay._Handler) as server:
        server.pieces, server.headers, server.answered = [(0.0, STREAM)], [], queue.SimpleQueue()
        before = set(threading.enumerate())
        serving = threading.Thread(target=server.serve_forever, args=[0.01])
        serving.start()
        port = server.server_address[1]
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=30) as first,
                socket.create_connection(("127.0.0.1", port), timeout=30) as second,
                socket.create_connection(("127.0.0.1", port), timeout=30) as third,
            ):
                assert third.recv(1) == b""
                assert capsys.readouterr().err == "127.0.0.1: disconnected: too many clients at once\n"
                for client in (first, second):  # who are still served
                    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n")
            for thread in {*threading.enumerate()} - before - {serving}:
                thread.join(30)
            assert ask(port)[2] == STREAM
        finally:
            server.shutdown()
            serving.join(30)


def test_fault_of_ours_has_its_traceback(capsys):
    server = object.__new__(replay._Server)
    try:
        raise LookupError("a fault")
    except LookupError:
        server.handle_error(None, ("127.0.0.1", 1))
    assert "LookupError: a fault" in capsys.readouterr().err
