"""The page of ``examples/relay.py`` in a real browser.

They run only if they are asked for, with ``EVENTSTREAM_BROWSER=1``, as `make browser` does.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from environments import ROOT

if not os.environ.get("EVENTSTREAM_BROWSER"):
    pytest.skip("a browser is started with EVENTSTREAM_BROWSER=1 only: make browser", allow_module_level=True)

from playwright.sync_api import expect

SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.fixture
def relay():
    """Run the example; return the address of its page, and the process."""
    command = [sys.executable, ROOT / "examples/relay.py", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip(), process
        process.kill()


def test_speech_becomes_captions(relay, visit):
    address, _ = relay
    with visit(address) as page:
        speak, stop = (page.get_by_role("button", name=name) for name in ("Speak", "Stop"))
        expect(stop).to_be_disabled()
        for count in (1, 2):  # also a second time
            speak.click()
            expect(speak).to_be_disabled()
            expect(page.get_by_text(SENTENCE)).to_have_count(count)
            stop.click()
            expect(speak).to_be_enabled()
            expect(stop).to_be_disabled()


def test_microphone_that_is_refused_is_told(relay, visit, chromium):
    address, _ = relay
    browser = chromium("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with visit(address, browser=browser) as page:
        speak = page.get_by_role("button", name="Speak")
        speak.click()
        expect(page.locator("#said")).to_have_text("Permission denied")
        expect(speak).to_be_enabled()
    browser.close()


def test_server_that_is_gone_is_told(relay, visit):
    address, process = relay
    with visit(address, expected="ERR_CONNECTION_REFUSED") as page:
        process.kill()
        process.wait()
        speak = page.get_by_role("button", name="Speak")
        speak.click()
        expect(page.get_by_text("The connection failed.")).to_be_visible()
        expect(speak).to_be_enabled()
