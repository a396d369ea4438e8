"""The choice of the implementation, each time in an interpreter of its own; and pickles that cross over."""

from __future__ import annotations

import pickle
import subprocess
import sys

import frames
import pytest
from cases import each
from programs import AWAY, environment

import eventstream

BLOCK_NATIVE = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name == "eventstream._native":
            raise ImportError("blocked by the test")
sys.meta_path.insert(0, Block())
"""


def run(program: str, *options: str, **variables: str) -> str:
    """Return the output, and the warnings, of a program that imports this very package."""
    inherited = environment()
    inherited.pop("EVENTSTREAM_PURE_PYTHON", None)
    inherited.pop("PYTHONWARNINGS", None)
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
        env={**inherited, **variables},
        cwd=AWAY,  # `-c` puts it first in the path
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


PRINT = "import eventstream; print(eventstream.implementation, eventstream.Decoder.__module__)"


def test_implementation_names_what_is_exported():
    module = {"native": "eventstream._native", "reference": "eventstream._reference"}[eventstream.implementation]
    for name in ("Decoder", "Headers", "Message", "decode", "encode", "encode_into"):
        assert getattr(eventstream, name) is getattr(sys.modules[module], name)


def test_native_is_the_default(native):
    assert run(PRINT).split() == ["native", "eventstream._native"]


@pytest.mark.parametrize("value", ["", "0"])
def test_variable_empty_or_0_changes_nothing(native, value):
    assert run(PRINT, EVENTSTREAM_PURE_PYTHON=value).split() == ["native", "eventstream._native"]


def test_variable_selects_the_reference_without_a_warning():
    output = run(PRINT, "-W", "error", EVENTSTREAM_PURE_PYTHON="1")
    assert output.split() == ["reference", "eventstream._reference"]


def test_reference_does_not_load_the_native_module():
    program = "import sys, eventstream; print('eventstream._native' in sys.modules)"
    assert run(program, EVENTSTREAM_PURE_PYTHON="1").strip() == "False"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="elsewhere the reference is expected")
def test_unintended_fallback_is_a_runtime_warning():
    output = run(BLOCK_NATIVE + PRINT)
    assert output.split()[:2] == ["reference", "eventstream._reference"]
    assert "\n<string>:" in f"\n{output}", "it points at the import"
    assert ": RuntimeWarning: " in output
    assert "blocked by the test" in output, "it says why"
    assert "EVENTSTREAM_PURE_PYTHON=1" in output, "it says how to accept it"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="elsewhere the reference is expected")
@pytest.mark.parametrize(
    ("is_source", "advice"),
    [(True, "This is the source tree"), (False, "Install a wheel")],
    ids=["source", "installed"],
)
def test_warning_says_what_to_do(is_source, advice):
    pretend = f"""
import os.path
exists = os.path.exists
os.path.exists = lambda path: {is_source} if str(path).endswith("_native.pyx") else exists(path)
"""
    assert advice in run(BLOCK_NATIVE + pretend + PRINT)


def test_elsewhere_than_on_cpython_the_fallback_is_no_surprise():
    elsewhere = "sys.implementation.name = 'pypy'\n"
    assert run(BLOCK_NATIVE + elsewhere + PRINT, "-W", "error").split() == ["reference", "eventstream._reference"]


def test_fallback_works():
    program = BLOCK_NATIVE + "import eventstream; print(eventstream.decode(eventstream.encode({'a': 1}, b'x')))"
    assert run(program, "-W", "ignore").strip() == "Message({'a': 1}, b'x')"


@pytest.mark.parametrize("to", ["native", "reference"])
@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
def test_pickles_of_one_implementation_load_in_the_other(codec, request, to, protocol):
    if to == "native":
        request.getfixturevalue("native")
    message = codec.decode(frames.TEN_FRAME)
    dumped = pickle.dumps([message, message.headers], protocol)
    output = run(
        f"import pickle, eventstream; message, headers = pickle.loads({dumped!r})\n"
        "assert isinstance(message, eventstream.Message) and isinstance(headers, eventstream.Headers)\n"
        "assert headers == message.headers\n"
        "print(eventstream.implementation, message.encode().hex(), headers.raw.hex())",
        "-W",
        "ignore",
        EVENTSTREAM_PURE_PYTHON="1" if to == "reference" else "0",
    )
    assert output.split() == [to, frames.TEN_FRAME.hex(), frames.TEN_BLOCK.hex()]


@each("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_damaged_pickle_is_a_decode_error(codec, protocol):
    dumped = pickle.dumps(codec.decode(frames.frame(b"", b"payload")), protocol)
    with pytest.raises(eventstream.DecodeError):
        pickle.loads(dumped.replace(b"payload", b"PAYLOAD"))


def test_subinterpreter_is_refused_cleanly_and_falls_back(native):
    program = """
import eventstream
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inner = '''
import warnings
warnings.simplefilter("ignore")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import eventstream
[warning] = caught
print(eventstream.implementation, "This is a subinterpreter" in str(warning.message), flush=True)
'''
number = interpreters.create()
failed = interpreters.run_string(number, inner)
assert failed is None, failed
interpreters.destroy(number)
print(eventstream.implementation)
"""
    # Without the tracer that coverage has subprocesses load, as that knows no second interpreter.
    assert run(program, "-W", "ignore", COVERAGE_PROCESS_CONFIG="").split() == ["reference", "True", "native"]


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="elsewhere the reference is expected")
@pytest.mark.parametrize("names", [("_interpreters",), ("_interpreters", "_xxsubinterpreters")], ids=len)
def test_warning_in_main_interpreter_names_no_subinterpreter(names):
    """Also where Python has no such module, or has the older one."""
    without = "".join(f"sys.modules[{name!r}] = None\n" for name in names)
    output = run("import sys\n" + without + BLOCK_NATIVE + PRINT)
    assert "RuntimeWarning" in output
    assert "subinterpreter" not in output
