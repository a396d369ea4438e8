"""Every example of the README, run word for word."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_examples_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, attempted = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert attempted >= 10
    assert not failed


def test_every_python_example_is_one_that_is_run() -> None:
    assert "```python" not in (ROOT / "README.md").read_text(encoding="utf-8")
