"""Warnings that point at the line of the user's code which they are about."""

from __future__ import annotations

import sys
import warnings

_NOT_USERS = {
    *("eventstream", "dataclasses"),
    *("importlib", "_frozen_importlib", "_frozen_importlib_external"),
    *("asyncio", "concurrent", "contextlib", "threading"),
}
"""Packages whose code may be between the user's and the one that warns."""


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something in the nearest caller outside this package; in the caller if there is none, as in a thread."""
    caller = frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_USERS:
        if frame.f_back is None:
            frame = caller
            break
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        *(text, category, frame.f_code.co_filename, frame.f_lineno),
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )
