"""Warnings that point at the line of the user's code which they are about."""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

    T = TypeVar("T")

_NOT_USERS = {
    *("eventstream", "dataclasses"),
    *("importlib", "_frozen_importlib", "_frozen_importlib_external"),
    *("asyncio", "concurrent", "contextlib", "copy", "threading"),
}
"""Packages whose code may be between the user's and the one that warns."""


class _Place(NamedTuple):
    """A line of code, and its module's record of the warnings that were given. It keeps no frame alive."""

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]


_asking: ContextVar[_Place | None] = ContextVar("asking", default=None)
"""The user's line for which another thread works."""


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something in the nearest caller outside this package; in the caller if there is none, as in a thread."""
    here = sys._getframe(1)
    place = _user(here) or _asking.get() or _place(here)
    warnings.warn_explicit(*(text, category, place.filename, place.line), module=place.module, registry=place.registry)


def on_behalf(call: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
    """Return a coroutine whose warnings point at the user who calls this, although another thread runs it.

    Args:
        call: returns the coroutine that does the work.
    """
    return _asked(call, _user(sys._getframe(1)))


async def _asked(call: Callable[[], Coroutine[Any, Any, T]], place: _Place | None) -> T:
    _asking.set(place)
    return await call()


def _user(frame: FrameType | None) -> _Place | None:
    while frame is not None:
        if not _is_generated(frame) and _module(frame).partition(".")[0] not in _NOT_USERS:
            return _place(frame)
        frame = frame.f_back
    return None


def _is_generated(frame: FrameType) -> bool:
    """Whether a dataclass made this code: it has the name of the user's module, but no line that the user wrote."""
    return frame.f_code.co_filename == "<string>" and frame.f_code.co_name == "__init__"


def _module(frame: FrameType) -> str:
    """Return the name of its module, or what Python says where code that is given to `exec` has none."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else "<string>"


def _place(frame: FrameType) -> _Place:
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    return _Place(frame.f_code.co_filename, frame.f_lineno, _module(frame), registry)
