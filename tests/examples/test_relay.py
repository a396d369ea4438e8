"""The relay of ``examples/`` between a browser, played by a client of WebSockets, and the emulator."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

if importlib.util.find_spec("websockets") is None or importlib.util.find_spec("h2") is None:
    pytest.skip("websockets or h2 is not installed", allow_module_level=True)

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from eventstream.transcribe.client import TranscribeClient
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator, Scripted

PATH = Path(__file__).parents[2] / "examples/relay.py"
LIMIT = 60
PIECE = bytes(2 * 1600)  # 0.1 s


def load():
    spec = importlib.util.spec_from_file_location("relay_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def relaying(**options):
    """Yield the emulator, and the relay's address."""
    async with Emulator(recogniser=Scripted("One two three."), **options) as emulator:
        client = TranscribeClient("us-east-1", endpoint=emulator.endpoint, credentials=DOCUMENTATION_CREDENTIALS)
        async with load().serving(client, 0) as server:
            yield emulator, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def opening(address, query="?rate=16000", name=None, origin=None):
    """Open what the page opens, under the name that it was loaded from."""
    host, port = address.split(":")
    authority = f"{name or host}:{port}"
    origin = origin or f"http://{authority}"
    return connect(f"ws://{authority}/audio{query}", origin=origin, host=host, port=int(port))


def run(main):
    asyncio.run(asyncio.wait_for(main(), LIMIT))


async def spoken(address, pieces=9, **options):
    """Return what a browser hears that speaks, and then stops."""
    async with opening(address, **options) as socket:
        with suppress(ConnectionClosedOK):  # an error may come first
            for _ in range(pieces):
                await socket.send(PIECE)
            await socket.send("end")
        return [json.loads(told) async for told in socket]


def test_browser_gets_captions():
    async def main():
        async with relaying() as (emulator, address):
            told = await spoken(address)
            assert {"text": "One", "partial": True} in told
            assert told[-1] == {"text": "One two three.", "partial": False}
            assert emulator.statistics.streams == 1

    run(main)


@pytest.mark.parametrize(
    ("query", "options", "error"),
    [
        ("?rate=7", {}, "media_sample_rate_hertz: 7 (allowed: 8000 to 48000)"),
        ("?rate=fast", {}, "invalid literal for int() with base 10: 'fast'"),
        ("?rate=8000&rate=16000", {}, "too many values to unpack"),
        ("?rate=16000", {"faults": ["exception:BadRequestException@1"]}, "The transcription broke off."),
        ("?rate=16000", {"faults": ["early-end@1"]}, "The transcription broke off."),
    ],
)
def test_browser_is_told_an_error(query, options, error):
    async def main():
        async with relaying(**options) as (_, address):
            told = await spoken(address, query=query)
            assert told[-1]["error"].startswith(error)

    run(main)


def test_browser_that_leaves_ends_the_transcription():
    async def main():
        async with relaying() as (emulator, address):
            async with opening(address) as socket:
                await socket.send(PIECE)
                await socket.recv()
            await emulator.drain(LIMIT)
            assert emulator.statistics.streams == 1

    run(main)


@pytest.mark.parametrize("options", [{"origin": "http://elsewhere.example"}, {"name": "elsewhere.example"}])
def test_page_of_another_site_is_refused(options):
    """Also if its name resolves to this machine."""

    async def main():
        async with relaying() as (emulator, address):
            with pytest.raises(InvalidStatus) as refused:
                await spoken(address, **options)
            assert refused.value.response.status_code == 403
            assert emulator.statistics.streams == 0

    run(main)


def test_program_serves_its_page():
    with subprocess.Popen([sys.executable, PATH, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            with urlopen(url, timeout=LIMIT) as page:
                assert page.headers["Content-Type"] == "text/html; charset=utf-8"
                assert b"/audio?rate=" in page.read()
            with pytest.raises(HTTPError, match="404") as raised:
                urlopen(f"{url}other", timeout=LIMIT)
            raised.value.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()
