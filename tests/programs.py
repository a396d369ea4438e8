"""The interpreter that the tests run on, and where they start programs of the package."""

from __future__ import annotations

import sysconfig
from pathlib import Path

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Whether it is built without the GIL."""

AWAY = Path(__file__).parent
"""A folder without the sources: a program that starts here imports what is installed."""
