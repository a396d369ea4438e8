"""Clients of the emulator."""

from __future__ import annotations

import asyncio

from eventstream.transcribe.client import TranscribeClient
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS

LIMIT = 20
"""Seconds that a test may take."""


def run(main):
    return asyncio.run(asyncio.wait_for(main(), LIMIT))


def client_of(emulator, kind=TranscribeClient):
    return kind("us-east-1", endpoint=emulator.endpoint, credentials=DOCUMENTATION_CREDENTIALS)
