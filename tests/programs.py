"""The interpreter that the tests run on, and the programs that they start in others of its kind."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Whether it is built without the GIL."""

AWAY = Path(__file__).parent
"""A folder without the sources: a program that starts here imports what is installed."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a program that imports what this process imports."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}


def finished(program: str, *arguments: str, cwd: Path = AWAY) -> subprocess.CompletedProcess[str]:
    """Run a program that imports what this process imports, without warnings, and return what became of it."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    return subprocess.run(command, check=False, timeout=60, capture_output=True, text=True, env=environment(), cwd=cwd)
