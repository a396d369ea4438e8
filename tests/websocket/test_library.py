"""What is used of the library websockets, and that it may be missing."""

from __future__ import annotations

import importlib
import logging
import sys

import pytest
from operations import CREDENTIALS, REQUEST, TALK
from talking import run, server

from eventstream.client import Client
from eventstream.websocket import _library


def test_library_logs_warnings_only():
    assert _library.LOG.name == "eventstream.websocket.websockets"
    assert _library.LOG.getEffectiveLevel() == logging.WARNING


@pytest.mark.parametrize("library", ["websockets", "h11"])
def test_library_that_is_missing(monkeypatch, library):
    for name in list(sys.modules):
        if name.partition(".")[0] == library or name.startswith("eventstream.websocket"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("eventstream.websocket", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    text = r"^eventstream\.websocket needs websockets and h11: .* extra \[websocket\]$"
    with pytest.raises(ModuleNotFoundError, match=text) as raised:
        importlib.import_module("eventstream.websocket")
    assert raised.value.name.partition(".")[0] == library

    async def main():
        client = Client("us-east-1", endpoint="http://localhost:1", credentials=CREDENTIALS, transport="websocket")
        with pytest.raises(ModuleNotFoundError, match=r"with its extra \[websocket\]"):
            async with client.open(TALK, REQUEST):
                pytest.fail("it was opened")
        with pytest.raises(ModuleNotFoundError, match=r"with its extra \[websocket\]"):
            async with server(websocket_port=0):
                pytest.fail("it listens")

    run(main)
