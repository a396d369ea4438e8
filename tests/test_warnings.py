"""Warnings point at the line of the user's code which they are about."""

from __future__ import annotations

import asyncio
import copy
import inspect
import sys
import threading
import warnings
from dataclasses import dataclass, replace
from functools import partial

import pytest

from eventstream import _warnings


def ours(code, **names):
    """Return the function ``call`` of a module of the package."""
    module = {"__name__": "eventstream.part", "warn": _warnings.warn, **names}
    exec(compile(code, "<part>", "exec"), module)
    return module["call"]


def line():
    return inspect.currentframe().f_back.f_lineno


def called(call, *arguments):
    expected = line() + 1
    call(*arguments)
    return expected


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning])
def test_warning_points_at_the_caller(category):
    call = ours("def call(category):\n    inner(category)\ndef inner(category):\n    warn('text', category)")
    with pytest.warns(category, match="^text$") as caught:
        expected = called(call, category)
    assert [(found.filename, found.lineno) for found in caught] == [(__file__, expected)]


@pytest.mark.parametrize("names", [{"__name__": None}, {"__name__": 1}, {}], ids=["None", "1", "none"])
def test_warning_of_code_whose_module_has_no_name(names):
    names = {"call": ours("def call():\n    warn('text')"), **names}
    with pytest.warns(UserWarning, match="^text$") as caught:
        exec(compile("pass\ncall()", "nameless.py", "exec"), names)
    assert [(found.filename, found.lineno) for found in caught] == [("nameless.py", 2)]


BASE = ours("class Request:\n    def __post_init__(self):\n        warn('text')\ndef call():\n    return Request")()


@dataclass(frozen=True)
class Mine(BASE):  # type: ignore[valid-type, misc]
    number: int


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MADE = {"it": partial(Mine, 1), "another": partial(replace, Mine(1), number=2)}
    if sys.version_info >= (3, 13):
        MADE["a copy"] = partial(copy.replace, Mine(1), number=2)


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_warning_of_a_dataclass_points_at_its_maker(make):
    """Not at the methods that Python generates, in the name of the user's module."""
    with pytest.warns(UserWarning, match="^text$") as caught:
        expected = called(make)
    assert [(found.filename, found.lineno) for found in caught] == [(__file__, expected)]


def test_warning_of_a_coroutine_points_at_what_awaits_it():
    call = ours("async def call():\n    warn('text')")

    async def main():
        expected = line() + 1
        await call()
        return expected

    with pytest.warns(UserWarning, match="^text$") as caught:
        expected = asyncio.run(main())
    assert [(found.filename, found.lineno) for found in caught] == [(__file__, expected)]


def test_warning_of_a_thread_has_no_caller():
    def warned():
        thread = threading.Thread(target=ours("def call():\n    warn('text')"))
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="^text$") as caught:
        warned()
    assert [(found.filename, found.lineno) for found in caught] == [("<part>", 2)]


def test_warning_of_a_thread_on_behalf_of_a_caller():
    work = ours("async def call():\n    warn('text')")
    start = ours("def call(work):\n    return on_behalf(work)", on_behalf=_warnings.on_behalf)

    def warned():
        expected = line() + 1
        coroutine = start(work)
        thread = threading.Thread(target=asyncio.run, args=(coroutine,))
        thread.start()
        thread.join()
        return expected

    with pytest.warns(UserWarning, match="^text$") as caught:
        expected = warned()
    assert [(found.filename, found.lineno) for found in caught] == [(__file__, expected)]


def test_warning_comes_once_for_a_line():
    call = ours("def call():\n    warn('text')")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            call()
    assert len(caught) == 1
