"""A pytest plug-in for a debug Python: each test is run some times, and fails if each run leaves more references.

What is kept once, in a cache, is left out by the first runs; what a test leaves now and then, by its smallest growth.
Tests of Hypothesis are none for this, as it remembers each example.
"""

from __future__ import annotations

import gc
import itertools
import sys
from array import array

import pytest

FIRST = 3
COUNTED = 4


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    counts = array("q", bytes(8 * (FIRST + COUNTED)))  # a list would hold references
    for run in range(len(counts)):
        pyfuncitem.obj(**arguments)
        gc.collect()
        gc.freeze()  # what is alive now need not be looked at the next time
        counts[run] = sys.gettotalrefcount()
    growth = [after - before for before, after in itertools.pairwise(counts[FIRST - 1 :])]
    if min(growth) > 0:
        pytest.fail(f"references left by each run: {growth}", pytrace=False)
    return True
