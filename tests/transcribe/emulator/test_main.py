"""The command: its options, and a process from its first line to SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import re
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventstream.server import ConnectionLimits
from eventstream.signing import Credentials, utc_now
from eventstream.transcribe import ServiceUnavailableException
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Fault, Limits, Scripted
from eventstream.transcribe.emulator import __main__ as module
from eventstream.transcribe.emulator.__main__ import main as command
from eventstream.transcribe.emulator.options import parser

CHUNK = bytes(3200)


@pytest.fixture(autouse=True)
def signals():
    """Undo what a test does about signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextlib.asynccontextmanager
async def running(*arguments):
    """Yield the process, and its address."""
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
    """Return what the process said when it had ended, without an error."""
    output, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert re.fullmatch(rb"wss?://\S+:[0-9]+\n|", output), "its addresses are all that it prints"
    return log.decode()


async def printed(serving, output):
    """Return what the command prints first. If it ends before, its error is raised.

    Args:
        serving: the task in which it runs.
        output: returns what it has printed.
    """
    while not serving.done():
        if text := output():
            return text
        await asyncio.sleep(0.001)
    serving.result()
    pytest.fail("the command ended, and printed nothing")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_from_its_first_line_to_its_last(run, client, number):
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
def test_options(run, client, tmp_path):
    pytest.importorskip("trustme")
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
        (["--recogniser", "whisper"], "unknown recogniser 'whisper'"),
        (["--recogniser", "no_such_module:factory"], "no_such_module"),
        (["--script", f"no{os.sep}such{os.sep}file"], f"no{os.sep}such{os.sep}file: No such file or directory\n"),
        (["--host", "host.invalid"], ""),
    ],
)
def test_impossible_options(arguments, said, capsys):
    assert command(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("emulator: ")
    assert said in printed.err
    assert "Errno" not in printed.err


def test_error_of_the_system_without_a_reason(monkeypatch, capsys):
    def fail(*_):
        raise OSError("the memory card was removed")

    monkeypatch.setattr(module, "_recogniser", fail)
    assert command([]) == 2
    assert capsys.readouterr().err == "emulator: the memory card was removed\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (b"One.\n@speeker 1", "line 2: unknown order @speeker: expected one of @speaker, "),
        (b"Gr\xfc\xdfe.", "it is not UTF-8, at byte 2\n"),
        (b"", "a script without words\n"),
    ],
)
def test_script_that_is_wrong_is_named(script, said, tmp_path, capsys):
    path = tmp_path / "script.txt"
    path.write_bytes(script)
    assert command(["--script", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"emulator: {path}: {said}")


def test_names_cannot_control_the_terminal(tmp_path, capsys):
    path = tmp_path / "script\x1b[31m"
    path.write_bytes(b"\xff")
    assert command(["--script", str(path)]) == 2
    assert capsys.readouterr().err == f"emulator: {tmp_path / 'script'}\\x1b[31m: it is not UTF-8, at byte 0\n"
    with pytest.raises(SystemExit):
        command(["one\x1b[31m"])
    assert capsys.readouterr().err.endswith("error: unrecognized arguments: one\\x1b[31m\n")


class NotServed(Exception):
    pass


@pytest.fixture
def asked(monkeypatch):
    """Return what the command asks of an emulator, which is not made."""
    found = {}

    def emulator(**options):
        found.update(options)
        raise NotServed

    monkeypatch.setattr(module, "Emulator", emulator)

    def ask(*arguments):
        found.clear()
        with pytest.raises(NotServed):
            command(list(arguments))
        return found

    return ask


def test_defaults_served(asked):
    options = asked()
    assert type(options.pop("recogniser")) is Scripted
    assert options == {
        "host": "127.0.0.1",
        "port": 0,
        "tls": False,
        "credentials": [DOCUMENTATION_CREDENTIALS],
        "host_names": [],
        "limits": Limits(),
        "connections": ConnectionLimits(),
        "faults": [],
        "clock": utc_now,
        "websocket_port": 0,
        "page": False,
    }


def test_options_served(asked, tmp_path):
    arguments = ["--host", "::1", "--port", "65535", "--tls", str(tmp_path / "ca.pem"), "--recogniser", "json:dumps"]
    arguments += ["--max-streams", "1", "--max-audio", "1.5", "--audio-timeout", "2.5", "--credentials", "a:b"]
    arguments += ["--host-name", "emulator", "--host-name", "10.0.0.9", "--max-connections", "7"]
    options = asked(*arguments, "--fault", "reset@2", "--fault", "bad-crc@3*2")
    assert options.pop("recogniser").__name__ == "dumps"
    assert options == {
        "host": "::1",
        "port": 65535,
        "tls": True,
        "credentials": [Credentials("a", "b")],
        "host_names": ["emulator", "10.0.0.9"],
        "limits": Limits(max_streams=1, max_audio=1.5, audio_timeout=2.5),
        "connections": ConnectionLimits(max_connections=7),
        "faults": [Fault.parse("reset@2"), Fault.parse("bad-crc@3*2")],
        "clock": utc_now,
        "websocket_port": 0,
        "page": False,
    }
    assert asked("--websocket-port", "8443")["websocket_port"] == 8443
    assert asked("--no-websocket")["websocket_port"] is None
    assert asked("--page")["page"] is True
    assert asked("--no-verify")["credentials"] is None
    assert asked("--port", "0")["port"] == 0
    assert asked("--max-audio", "0")["limits"].max_audio == 0


def test_log_lines(asked, monkeypatch):
    configured = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: configured.append(options))
    asked()
    asked("--quiet")
    format = "%(asctime)s %(levelname)s %(message)s"
    assert configured == [{"level": level, "format": format} for level in (logging.INFO, logging.WARNING)]


def test_script_is_utf_8_wherever_it_is_read(asked, tmp_path, monkeypatch):
    script = tmp_path / "script.txt"
    script.write_bytes("Grüße.".encode())
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, encoding="latin-1": read_text(path, encoding or "latin-1"))
    recogniser = asked("--script", str(script))["recogniser"]
    assert [word.content for piece in recogniser._script.steps[0].pieces for word in piece.last] == ["Grüße", "."]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_signal_drains_for_as_long_as_was_asked(run, client, monkeypatch, caplog):
    """In this process, on its event loop."""

    class Output(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    caplog.set_level(logging.INFO)
    output = Output()
    monkeypatch.setattr(sys, "stdout", output)

    async def main():
        options = parser(module._PROGRAM).parse_args(["--grace", "0.05", "--no-verify"])
        serving = asyncio.create_task(module._serve(options, Scripted()))
        address, *_ = (await printed(serving, lambda: output.flushed)).splitlines()
        async with client(SimpleNamespace(endpoint=address)) as peer:
            stream = await peer.open(credentials=None)
            await stream.audio(CHUNK)
            await stream.receive(2)
            signal.raise_signal(signal.SIGTERM)
            for number in (signal.SIGTERM, signal.SIGINT):  # the second one ends the process, also from asyncio
                assert signal.getsignal(number) == signal.SIG_DFL
            assert type(await stream.receive_error()) is ServiceUnavailableException
            await serving
        assert "draining, for at most 0.05 s; a second signal ends at once" in caplog.messages

    run(main)


def test_authority_is_written_when_the_address_is_its_own(run, capsys, tmp_path):
    pytest.importorskip("trustme")
    authority = tmp_path / "ca.pem"

    async def main():
        options = parser(module._PROGRAM).parse_args(["--tls", str(authority)])
        serving = asyncio.create_task(module._serve(options, Scripted()))
        await printed(serving, lambda: capsys.readouterr().out)
        ssl.create_default_context(cafile=authority)
        assert authority.read_text().startswith("-----BEGIN CERTIFICATE-----\n")
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main)


def test_ca_file_of_a_running_emulator_is_left_alone(tmp_path, capsys):
    pytest.importorskip("trustme")
    authority = tmp_path / "ca.pem"
    authority.write_text("of another")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command(["--tls", str(authority), "--port", str(taken.getsockname()[1])]) == 2
    assert "emulator: " in capsys.readouterr().err
    assert authority.read_text() == "of another"


def test_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # it may be on another file system
    here = tmp_path / "here"
    here.mkdir()
    (here / "ca.pem").write_text("of another")
    monkeypatch.chdir(here)
    path, other = tmp_path / "ca.pem", tmp_path / "other"
    for each in (path, other):
        each.write_text("before")
    before = path.stat()
    module._replace(path, "after")
    assert path.read_text() == "after"
    assert path.stat().st_ino != before.st_ino
    assert path.stat().st_mode == before.st_mode
    other.unlink()
    other.mkdir()
    with pytest.raises(OSError, match="other"):
        module._replace(other, "after")
    assert sorted(tmp_path.iterdir()) == [path, here, other]
    assert (here / "ca.pem").read_text() == "of another"


def test_ca_file_that_cannot_be_written_has_its_own_name(tmp_path):
    path = tmp_path / "nowhere" / "ca.pem"
    with pytest.raises(FileNotFoundError) as raised:
        module._replace(path, "after")
    assert raised.value.filename == str(path)
    assert ".emulator-" not in str(raised.value)


def test_link_is_followed(tmp_path):
    path, link = tmp_path / "ca.pem", tmp_path / "link"
    path.write_text("before")
    link.symlink_to(path)
    module._replace(link, "after")
    assert link.is_symlink()
    assert path.read_text() == "after"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_ca_file_may_be_a_pipe(tmp_path):
    """A pipe of its own, not a device: who replaces that by mistake, as root, has none any more."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        module._replace(path, "after")
        assert os.read(reading, 100) == b"after"
        assert path.is_fifo()
    finally:
        os.close(reading)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="pipes have no names here")
def test_pipe_without_a_file_is_written_to():
    """As a shell makes it for ``>(command)``."""
    reading, writing = os.pipe()
    try:
        module._replace(Path(f"/dev/fd/{writing}"), "after")
        assert os.read(reading, 100) == b"after"
    finally:
        os.close(reading)
        os.close(writing)


def test_credentials_with_a_token(monkeypatch):
    async def serve(options, recogniser):
        assert options.credentials == [Credentials("a", "b/c", "d:e"), Credentials("f", "g")]

    monkeypatch.setattr(module, "_serve", serve)
    assert command(["--credentials", "a:b/c:d:e", "--credentials", "f:g"]) == 0


def test_signal_handlers_of_the_caller_are_kept(monkeypatch):
    def handler(*_):
        pass

    async def serve(options, recogniser):
        module._stop_signal()
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL

    monkeypatch.setattr(module, "_serve", serve)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    assert command([]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == [handler] * 2


def test_recogniser_is_closed(monkeypatch):
    closed = []

    async def serve(options, recogniser):
        recogniser.close = lambda: closed.append(True)

    monkeypatch.setattr(module, "_serve", serve)
    assert command([]) == 0
    assert closed == [True]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="a signal cannot be sent to a thread")
def test_signal_that_does_not_interrupt_the_loop_wakes_it(run):
    """As one that comes just before the loop goes to sleep: the system call that it sleeps in is not interrupted."""

    async def main():
        loop = asyncio.get_running_loop()
        stopped = module._stop_signal()
        asleep = threading.Event()
        loop.call_later(0.05, asleep.set)

        def send():
            asleep.wait()
            time.sleep(0.05)
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        threading.Thread(target=send).start()
        await asyncio.wait_for(stopped, 5)

    run(main)


def test_signal_where_the_loop_handles_none(run, monkeypatch):
    """As on Windows."""

    def add_signal_handler(*_):
        raise NotImplementedError

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", add_signal_handler)
        stopped = module._stop_signal()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(stopped, 5)

    run(main)


def test_signal_when_nobody_waits_for_it_any_more(run):
    async def main():
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        stopped = module._stop_signal()
        stopped.cancel()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert not failures

    run(main)


# What the system does not give


LIMITED = """
import sys, threading
from eventstream.transcribe.emulator import Emulator
from eventstream.transcribe.emulator.__main__ import main
def end_memory():
    threading.stack_size(1 << 60)  # more than any machine has addresses for: no more threads
async def drain(self, grace, drain=Emulator.drain):
    await drain(self, grace)
    end_memory()
if sys.argv[1] == "start":
    end_memory()
Emulator.drain = drain
sys.exit(main([]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems say so in other ways")
@pytest.mark.skipif(
    sys.maxsize < 1 << 60, reason="with 32 bits a process can have the largest stack that it can ask for"
)
@pytest.mark.parametrize("when", ["start", "end"])
def test_memory_that_ends_is_one_line(when, tmp_path):
    async def main():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LIMITED, when),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
        )
        assert bool(await process.stdout.readline()) == (when == "end")
        if when == "end":
            process.send_signal(signal.SIGTERM)
        _, log = await process.communicate()
        assert process.returncode == 2
        *before, last = log.decode().splitlines()
        assert last == "emulator: the system allows no more threads, or has no memory for one"
        assert len(before) == 2 * (when == "end"), "the lines about access keys and draining"

    asyncio.run(asyncio.wait_for(main(), 30))


def test_thread_that_cannot_be_started_is_one_line(monkeypatch, capsys):
    async def serve(options, recogniser):
        thread = threading.Thread(target=int)
        thread.start()
        thread.start()  # an error from the same place

    monkeypatch.setattr(module, "_serve", serve)
    assert command([]) == 2
    assert capsys.readouterr().err == "emulator: the system allows no more threads, or has no memory for one\n"


def test_errors_at_run_time_are_not_hidden(monkeypatch, capsys):
    def fail(error):
        async def serve(options, recogniser):
            raise error

        monkeypatch.setattr(module, "_serve", serve)

    fail(RuntimeError("of mine"))
    with pytest.raises(RuntimeError, match="of mine"):
        command([])
    fail(MemoryError())
    assert command([]) == 2
    assert capsys.readouterr().err == "emulator: out of memory\n"


@pytest.fixture
def logged(run, capsys, caplog):
    """Return what the command logs until it serves; in this process."""
    caplog.set_level(logging.INFO)

    def logged(*arguments):
        async def main():
            options = parser(module._PROGRAM).parse_args(list(arguments))
            serving = asyncio.create_task(module._serve(options, Scripted()))
            await printed(serving, lambda: capsys.readouterr().out)
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving

        run(main)
        return caplog.messages

    return logged


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [((), "'AKIDEXAMPLE'"), (("--credentials", "one:x", "--credentials", "two:y"), "'one', 'two'")],
)
def test_log_says_which_access_keys_are_accepted(logged, arguments, keys):
    assert f"accepted access keys: {keys} (--no-verify accepts any)" in logged(*arguments)


def test_log_names_no_access_keys_without_signatures(logged):
    assert "access key" not in "\n".join(logged("--no-verify"))
