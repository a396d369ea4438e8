"""Take the picture of the emulator's page: ``python tools/screenshot.py [--dark] [--width N] [FILE]``.

It needs what `make browser` installs. The emulator hears a script; the audio is the speech of examples/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
@speaker 0
@confidence 0.98
Good evening, this is the lake house.
@pause 0.4
@speaker 1
@confidence 0.94
A room for two, please, and a table by the
@confidence 0.58
window.
@pause 0.4
@speaker 0
@confidence 0.97
With pleasure. May I ask for your name, and when you will arrive?
"""
SHOWN_AT = 8.2
"""Seconds, in the middle of the last sentence."""


def longer(directory: Path) -> Path:
    """Repeat the speech, so that there is enough of it."""
    path = directory / "interview.wav"
    with wave.open(str(ROOT / "examples/speech.wav")) as speech, wave.open(str(path), "wb") as file:
        file.setparams(speech.getparams())
        file.writeframes(speech.readframes(speech.getnframes()) * 5)
    return path


def take(page_address: str, recording: Path, options: argparse.Namespace) -> None:
    """Play the recording in the page, and take a picture before it ends."""
    sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        scheme = "dark" if options.dark else "light"
        viewport = {"width": options.width, "height": options.height}
        page = browser.new_page(viewport=viewport, color_scheme=scheme)
        page.goto(page_address)
        page.get_by_label("Speakers and channels").select_option("Tell speakers apart")
        page.get_by_label("Choose a file").set_input_files(recording)
        page.wait_for_timeout(SHOWN_AT * 1000)
        for _ in range(2):  # the newest one that was received is open, and in view
            page.get_by_role("button", name="Follow").click()
        page.screenshot(path=options.file)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser("tools/screenshot.py", description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "docs/how-to/page.png")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--width", type=int, default=1280, help="of the window: %(default)d pixels")
    parser.add_argument("--height", type=int, default=860, help="of the window: %(default)d pixels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        script = Path(name, "script.txt")
        script.write_text(SCRIPT, encoding="utf-8")
        emulator = subprocess.Popen(
            [sys.executable, "-m", "eventstream.transcribe.emulator", "--page", "--quiet", "--script", str(script)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert emulator.stdout is not None
        try:
            *_, address = (emulator.stdout.readline().strip() for _ in range(3))
            take(address, longer(Path(name)), options)
        finally:
            emulator.terminate()
            emulator.wait()


if __name__ == "__main__":
    main()
