"""Where the tests start programs of the package."""

from __future__ import annotations

from pathlib import Path

AWAY = Path(__file__).parent
"""A folder without the sources: a program that starts here imports what is installed."""
