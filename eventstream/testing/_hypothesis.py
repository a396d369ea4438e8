"""Hypothesis, or an error that names the extra which brings it; and what several strategies share."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from hypothesis import assume
    from hypothesis import strategies as st
    from hypothesis.errors import InvalidArgument
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the strategies of eventstream.testing need hypothesis: install eventstream-codec with its extra [testing]",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["InvalidArgument", "assume", "st", "strategy_of", "texts"]


def texts(min_size: int, max_size: int, *common: str) -> SearchStrategy[str]:
    """Text of this many bytes in UTF-8, and the common ones that are not too long."""
    drawn = st.text(st.characters(max_codepoint=0x7F), min_size=min_size, max_size=max_size)
    if max_size // 4 >= min_size:  # a character has four bytes at most
        drawn |= st.text(min_size=min_size, max_size=max_size // 4)
    fitting = [text for text in common if min_size <= len(text.encode()) <= max_size]
    return drawn | st.sampled_from(fitting) if fitting else drawn


def strategy_of(given: bytes | SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    if not isinstance(given, bytes):
        return given
    return st.none().map(lambda _: given)  # and not `just`: Hypothesis warns of strategies that take long to print
