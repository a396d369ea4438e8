"""Loops over cases that are too many, and too quick, for a test each: pytest takes 2 ms for a test.

And a check that errors last.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

Test = Callable[..., None]


@contextlib.contextmanager
def case(*what: object) -> Iterator[None]:
    """Say in which case of a loop something failed."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"in the case of {', '.join(map(repr, what))}") from error


def each(
    names: str | tuple[str, ...],
    cases: Iterable[Any],
    ids: Iterable[str | None] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """Run a test with each of the cases, one after the other: a `pytest.mark.parametrize` that makes one test of them.

    It is for tests that neither skip a case nor have a fixture that is new for each test. The first case that fails
    ends the test, and is named by its number, its id and its arguments.

    Args:
        names: of the arguments, as `pytest.mark.parametrize` takes them.
        cases: the values of the arguments; with one name in a str, of that one.
        ids: a name of each case, or a function that gives one for a value.
    """
    arguments = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    alone = isinstance(names, str) and len(arguments) == 1
    cases = list(cases)
    rows = [dict(zip(arguments, (value,) if alone else value, strict=True)) for value in cases]
    if callable(ids):
        labels = ["-".join(str(ids(value) or "") for value in row.values()) for row in rows]
    else:
        labels = [""] * len(rows) if ids is None else list(map(str, ids))
    assert rows, "a test without cases tests nothing"
    assert not any(isinstance(case, type(pytest.param())) for case in cases), "a case with marks needs its own test"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def loop(**fixtures: Any) -> None:
            for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
                try:
                    test(**fixtures, **row)
                except Exception as error:
                    shown = ", ".join(f"{name}={repr(value)[:200]}" for name, value in row.items())
                    raise AssertionError(f"in case {number} {label}: {shown}") from error

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        loop.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return loop

    return decorate


def stays(error: Exception, *calls: Callable[[], object]) -> None:
    """Check that each call raises an equal error, and not the same one."""
    for call in calls:
        with pytest.raises(type(error)) as again:
            call()
        assert again.value is not error
        assert (again.value.args, again.value.__dict__) == (error.args, error.__dict__)
