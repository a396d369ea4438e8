"""The command: its options, and a process from its first line to SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventstream.signing import Credentials
from eventstream.transcribe.emulator.__main__ import main as command

CHUNK = bytes(3200)


@contextlib.asynccontextmanager
async def running(*arguments):
    """The process, and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstream.transcribe.emulator", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=os.path.dirname(__file__),  # `-m` puts it first in the path: not where the sources are
    )
    try:
        line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        yield process, SimpleNamespace(endpoint=line.decode().strip())
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ended(process):
    """What the process said when it had ended, without an error."""
    output, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert output == b"", "its address is all that it prints"
    return log.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_its_first_line_to_its_last(run, client, number):
    async def main():
        async with running("--fault", "slow:0@2", "--grace", "20") as (process, emulator), client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            await stream.receive(2)
            process.send_signal(number)
            while b"draining" not in await process.stderr.readline():
                pass
            await stream.audio(CHUNK)
            await stream.end()
            assert len(await stream.receive_all()) == 4
            log = await ended(process)
            assert "6400 bytes of audio; ended" in log
            assert "Traceback" not in log

    run(main)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_its_options(run, client, tmp_path):
    pytest.importorskip("cryptography")
    authority, script = tmp_path / "ca.pem", tmp_path / "script.txt"
    script.write_text("Grüße.", "utf-8")
    mine = Credentials("mine", "secret")

    async def main():
        arguments = ["--tls", str(authority), "--credentials", "mine:secret", "--max-streams", "1", "--quiet"]
        async with running(*arguments, "--script", str(script), "--max-audio", "0.4") as (process, emulator):
            trust = ssl.create_default_context(cafile=authority)
            async with client(emulator, trust) as peer:
                stream = await peer.open(credentials=mine)
                assert (await peer.refused(credentials=mine)).code == "LimitExceededException"
                assert (await peer.refused()).code == "UnrecognizedClientException"
                await stream.audio(*[CHUNK] * 5)
                assert (await stream.receive_error()).code == "LimitExceededException"
                assert stream.events[1].transcript.results[0].alternatives[0].transcript == "Grüße"
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == ""

    run(main)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "explode@1"], "no fault 'explode'"),
        (["--credentials", "alone"], "ACCESS_KEY:SECRET_KEY"),
        (["--max-streams", "0"], "at least 1"),
        (["--max-streams", "many"], "many"),
    ],
)
def test_options_that_are_wrong(arguments, said, capsys):
    with pytest.raises(SystemExit) as raised:
        command(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recogniser", "whisper"], "no recogniser 'whisper'"),
        (["--recogniser", "no_such_module:factory"], "no_such_module"),
        (["--script", "no/such/file"], "no/such/file"),
        (["--host", "host.invalid"], "emulator: "),
    ],
)
def test_what_cannot_be_done(arguments, said, capsys):
    assert command(arguments) == 1
    assert said in capsys.readouterr().err


def test_one_that_cannot_listen_leaves_the_file_of_one_that_does(tmp_path, capsys):
    pytest.importorskip("cryptography")
    authority = tmp_path / "ca.pem"
    authority.write_text("of another")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command(["--tls", str(authority), "--port", str(taken.getsockname()[1])]) == 1
    assert "emulator: " in capsys.readouterr().err
    assert authority.read_text() == "of another"


def test_a_file_is_replaced_as_a_whole(tmp_path):
    from eventstream.transcribe.emulator.__main__ import _replace

    path, other = tmp_path / "ca.pem", tmp_path / "other"
    for each in (path, other):
        each.write_text("before")
    before = path.stat()
    _replace(path, "after")
    assert path.read_text() == "after"
    assert path.stat().st_ino != before.st_ino
    assert path.stat().st_mode == before.st_mode
    other.unlink()
    other.mkdir()
    with pytest.raises(OSError, match="other"):
        _replace(other, "after")
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_a_link_is_followed_and_what_is_no_file_is_written_to(tmp_path):
    from eventstream.transcribe.emulator.__main__ import _replace

    path, link = tmp_path / "ca.pem", tmp_path / "link"
    path.write_text("before")
    link.symlink_to(path)
    _replace(link, "after")
    assert link.is_symlink()
    assert path.read_text() == "after"
    _replace(Path(os.devnull), "after")
    assert Path(os.devnull).is_char_device()


def test_credentials_with_a_token(monkeypatch):
    from eventstream.transcribe.emulator import __main__ as module

    async def serve(options, recogniser):
        assert options.credentials == [Credentials("a", "b/c", "d:e"), Credentials("f", "g")]

    monkeypatch.setattr(module, "_serve", serve)
    assert command(["--credentials", "a:b/c:d:e", "--credentials", "f:g"]) == 0


def test_a_recogniser_is_closed(monkeypatch):
    from eventstream.transcribe.emulator import __main__ as module

    closed = []

    async def serve(options, recogniser):
        recogniser.close = lambda: closed.append(True)

    monkeypatch.setattr(module, "_serve", serve)
    assert command([]) == 0
    assert closed == [True]


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_what_is_no_port_is_refused_in_a_line(port, capsys):
    with pytest.raises(SystemExit) as raised:
        command(["--port", port])
    assert raised.value.code == 2
    assert "is no port: 0 to 65535" in capsys.readouterr().err


def test_a_port(monkeypatch):
    from eventstream.transcribe.emulator import __main__ as module

    async def serve(options, recogniser):
        assert options.port == 8443

    monkeypatch.setattr(module, "_serve", serve)
    assert command(["--port", "8443"]) == 0


def test_a_signal_when_nobody_waits_for_it_any_more(run):
    from eventstream.transcribe.emulator.__main__ import _stop_signal

    async def main():
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        stopped = _stop_signal()
        stopped.cancel()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert not failures

    run(main)
