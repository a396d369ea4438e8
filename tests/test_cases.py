"""Cases that share a test all run, and the one that fails is named."""

from __future__ import annotations

import pytest
from cases import each


def test_each_runs_every_case():
    seen = []

    @each("a", [1, (2, 3)])
    @each(("b", "c"), ["xy", "zw"])
    def test(fixture, a, b, c):
        seen.append((fixture, a, b, c))

    test(fixture="f")
    assert seen == [("f", a, b, c) for a in (1, (2, 3)) for b, c in ("xy", "zw")]


@pytest.mark.parametrize(("ids", "named"), [(None, ""), (["even", "odd"], "odd"), (str, "1")], ids=["", "list", "str"])
def test_each_names_the_case_that_fails(ids, named):
    @each("number", range(2), ids=ids)
    def test(number):
        assert not number

    with pytest.raises(AssertionError) as raised:
        test()
    assert str(raised.value) == f"in case 1 {named}: number=1"
    assert "assert not 1" in str(raised.value.__cause__)


@pytest.mark.parametrize("cases", [[], [pytest.param(1, marks=pytest.mark.untraced)]], ids=["none", "marked"])
def test_each_refuses(cases):
    with pytest.raises(AssertionError, match=r"^a (test|case) with"):
        each("number", cases)
