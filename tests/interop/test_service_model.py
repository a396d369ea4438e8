"""AWS's own client knows no parameter, value, event or exception of Amazon Transcribe that we do not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

if not os.environ.get("EVENTSTREAM_INTEROP"):
    pytest.skip("clients that are not ours run with EVENTSTREAM_INTEROP=1", allow_module_level=True)

TOOL = Path(__file__).parents[2] / "tools/service_model.py"


def test_aws_client_knows_nothing_that_we_do_not(aws_sdk_python):
    command = [aws_sdk_python.command[0], str(TOOL), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
