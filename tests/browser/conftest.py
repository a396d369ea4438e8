"""The machine's Chromium, and emulators as processes for it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from environments import ROOT, install, make_node_modules

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

EMULATOR_TIMEOUT = 20
PATIENCE = 30_000
"""Milliseconds that something may take to appear."""

CLIENT = Path(__file__).with_name("client")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Emulator:
    """One that serves the page."""

    websocket: str
    page: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def run_emulator(directory: Path, *options: str) -> Iterator[Emulator]:
    """Run an emulator with the page. It must end without errors, unless a test has killed it."""
    log = directory / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "eventstream.transcribe.emulator", "--page", "--quiet", "--grace", "1", *options],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        assert process.stdout is not None
        try:
            _, websocket, page = (process.stdout.readline().strip() for _ in range(3))
            assert page, log.read_text()
            yield Emulator(websocket, page, process)
            if process.poll() is None:
                process.terminate()
                assert process.wait(EMULATOR_TIMEOUT) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert log.read_text() == ""


@pytest.fixture(scope="session")
def emulator_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Emulator]]:
    """Run an emulator with further options: a context manager."""
    return lambda *options: run_emulator(tmp_path_factory.mktemp("emulator"), *options)


@pytest.fixture(scope="session")
def scripted(
    tmp_path_factory: pytest.TempPathFactory, emulator_for: Callable[..., AbstractContextManager[Emulator]]
) -> Callable[[str], AbstractContextManager[Emulator]]:
    """Run an emulator that hears a script: a context manager."""

    def run(script: str, *options: str) -> AbstractContextManager[Emulator]:
        file = tmp_path_factory.mktemp("script") / "script.txt"
        file.write_text(script, encoding="utf-8")
        return emulator_for("--script", str(file), *options)

    return run


@pytest.fixture(scope="session")
def emulator(emulator_for: Callable[..., AbstractContextManager[Emulator]]) -> Iterator[Emulator]:
    """Run an emulator that always hears the same words."""
    with emulator_for() as running:
        yield running


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Start what drives the browser."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Callable[..., Browser]:
    """Launch the Chromium of this machine, with further arguments."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    assert found, "there is no Chromium here: install it (Debian: apt-get install chromium)"
    sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # which root cannot have

    def launch(*arguments: str) -> Browser:
        return playwright.chromium.launch(executable_path=found[0], args=[*sandbox, *arguments])

    return launch


@pytest.fixture(scope="session")
def browser(chromium: Callable[..., Browser]) -> Iterator[Browser]:
    """Launch a browser whose microphone hears a beep now and then."""
    launched = chromium("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    yield launched
    launched.close()


@pytest.fixture
def visit(browser: Browser) -> Callable[..., AbstractContextManager[Page]]:
    """Open the page in a context of its own: a context manager.

    Nothing may go wrong in it, but for what is expected, a regular expression; and nothing may come from elsewhere.
    """

    @contextlib.contextmanager
    def run(address: str, browser: Browser = browser, expected: str = "(?!)", **options: Any) -> Iterator[Page]:
        problems: list[str] = []
        asked: set[str] = set()
        context = browser.new_context(**options)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        page.goto(address)
        yield page
        context.close()
        assert [problem for problem in problems if not re.search(expected, problem)] == []
        assert all(url.startswith((address, "blob:")) for url in asked), asked

    return run


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """Write a WAV of a steady tone: seconds, channels."""

    def write(seconds: float, channels: int = 1) -> Path:
        path = tmp_path / f"{seconds}-{channels}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(b"\x00\x10\x00\xf0" * int(8_000 * seconds) * channels)
        return path

    return write


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bundle AWS's JavaScript client for the browser."""
    folder = ROOT / ".cache/browser"
    node = make_node_modules("AWS's JavaScript client", folder, CLIENT / "package-lock.json")
    output = tmp_path_factory.mktemp("bundle") / "client.js"
    shutil.copy(CLIENT / "client.mjs", folder)
    esbuild = (node, "node_modules/esbuild/bin/esbuild", "--bundle", "--platform=browser", f"--outfile={output}")
    install(*esbuild, "client.mjs", cwd=folder)
    return output.read_text(encoding="utf-8")
