"""What `eventstream.testing` exports, and what it imports when."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from programs import finished

from eventstream import testing
from eventstream.testing import corruption, signed, strategies, transcript

BUILDERS = {"corrupted", "cut", "error", "event", "exception", "fake_response", "slow"}


def test_example_of_the_documentation():
    pytest.importorskip("botocore")
    failed, attempted = doctest.testmod(testing)
    assert attempted >= 13
    assert not failed


def test_exported_names():
    drawn = {*corruption.__all__, *signed.__all__, *strategies.__all__, *transcript.__all__}
    assert set(testing.__all__) == BUILDERS | drawn
    assert testing.__all__ == sorted(set(testing.__all__))
    assert set(testing.__all__) <= set(dir(testing))
    assert all(getattr(testing, name).__name__ == name for name in testing.__all__ if name != "CORRUPTION_KINDS")


def test_names_that_are_not_exported():
    with pytest.raises(AttributeError, match=r"^module 'eventstream\.testing' has no attribute 'everything'$"):
        testing.everything  # noqa: B018


def test_strategies_can_be_drawn_from_without_arguments():
    """With every health check on, and no example thrown away."""
    made = [getattr(testing, name)() for name in testing.__all__ if name[0].islower() and name not in BUILDERS]

    @settings(database=None, suppress_health_check=[])
    @given(st.tuples(*made))
    def draw(values: tuple[object, ...]) -> None:
        assert len(values) == len(made)

    draw()


def test_names_that_do_not_exist():
    """The signatures say it in the documentation."""
    given = {
        name: {
            parameter.name: parameter.default
            for parameter in inspect.signature(getattr(testing, name)).parameters.values()
            if not isinstance(parameter.default, SearchStrategy)
        }
        for name in testing.__all__
        if name[0].islower() and name not in BUILDERS
    }
    assert given == {
        "chunkings": {"max_size": None, "allow_empty": True},
        "corruptions": {"kinds": None},
        "credentials": {},
        "header_names": {"max_size": 255},
        "header_values": {"types": None, "max_size": 100},
        "headers": {"min_size": 0, "max_size": 8},
        "messages": {},
        "signed_streams": {"min_size": 0, "max_size": 4},
        "streams": {"min_size": 0, "max_size": 4},
        "transcripts": {"min_size": 0, "max_size": 2, "max_items": 4, "is_partial": None},
        "wires": {},
    }


def run(program: str) -> str:
    done = finished(program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_transcripts_alone_need_msgspec():
    done = run(
        "import sys\nsys.modules['msgspec'] = None\nfrom eventstream import testing\n"
        "testing.corruptions().validate()\n"
        "try:\n    testing.transcripts()\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    assert done.startswith("eventstream.transcribe needs msgspec: ")


def test_missing_hypothesis_is_an_error_that_names_the_extra(monkeypatch):
    module = importlib.util.find_spec("eventstream.testing._hypothesis")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match=r"need hypothesis: .* with its extra \[testing\]") as raised:
        module.loader.exec_module(importlib.util.module_from_spec(module))
    assert raised.value.name == "hypothesis"


def test_builders_need_neither_hypothesis_nor_botocore():
    program = (
        "import sys\nsys.modules['hypothesis'] = sys.modules['botocore'] = None\n"
        "from eventstream.testing import cut, event, fake_response\nprint(event('chunk', {'a': 1}).payload)\n"
        "try:\n    from eventstream.testing import wires\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    built, missing = run(program).splitlines()
    assert built == """b'{"a": 1}'"""
    assert "the strategies of eventstream.testing need hypothesis" in missing


def test_package_does_not_import_hypothesis():
    assert run("import sys, eventstream, eventstream.signing; print('hypothesis' in sys.modules)").strip() == "False"
