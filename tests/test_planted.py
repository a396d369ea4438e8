"""Every promise of SECURITY.md has a planted fault, which its check must find (`make planted`)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("planted", ROOT / "tools" / "planted.py")
assert spec is not None
assert spec.loader is not None
planted = sys.modules["planted"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(planted)


def test_promises_have_planted_faults():
    covered = {fault.promise for fault in (*planted.FAULTS, planted.HARMLESS)} | set(planted.SANITIZED)
    assert set(planted.promises()) == covered
    for patch in planted.SANITIZED.values():
        assert (ROOT / "tools" / "sanitize" / "faults" / f"{patch}.patch").is_file()


@pytest.mark.parametrize("fault", [*planted.FAULTS, planted.HARMLESS], ids=lambda fault: fault.name)
def test_planted_fault_can_be_planted(fault):
    """Its text is there once."""
    assert (ROOT / fault.path).read_text(encoding="utf-8").count(fault.old) == 1
    assert fault.new not in (fault.old, "")
    files = [argument for argument in fault.check if argument.startswith("tests/")]
    assert all((ROOT / name).is_file() for name in files)


def test_planted_faults_have_names_of_their_own():
    names = [fault.name for fault in planted.FAULTS]
    assert len(set(names)) == len(names)
