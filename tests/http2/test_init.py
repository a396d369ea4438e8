"""The names that the package exports."""

from __future__ import annotations

import subprocess
import sys

from programs import AWAY

from eventstream import http2
from eventstream.http2 import ClientStream
from eventstream.http2.flow import ClientFlow


def test_names():
    assert http2.__all__ == [
        "IDLE_FRAMES",
        "MAX_CONCURRENT_STREAMS",
        "RESETS",
        "Budget",
        "ClientConnection",
        "ClientStream",
        "ErrorCodes",
        "NotHTTP2",
        "Response",
        "Server",
        "ServerStream",
        "StreamError",
        "connect",
        "serve",
    ]
    assert all(hasattr(http2, name) for name in http2.__all__)
    assert repr(ClientStream(ClientFlow(None, 3, "POST"))) == "<ClientStream 3>"


def test_missing_extra_is_named():
    program = "import sys; sys.modules['h2'] = sys.modules['h2.config'] = None; import eventstream.http2"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=AWAY)
    assert done.returncode == 1
    assert "eventstream.http2 needs h2: install eventstream-codec with its extra [http2]" in done.stderr
