"""Loops over cases that are too many, and too quick, for a parameter each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def case(*what: object) -> Iterator[None]:
    """Say in which case of a loop something failed."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"in the case of {', '.join(map(repr, what))}") from error
