"""Mutants of Python modules, by mutmut, each module against the tests of its own.

It runs on the reference: a mutant is killed by the test modules that mirror its module (`TESTS`), or survives. The
reference itself is compared with the native core, too. Where mutants are many and tests wait (`SAMPLED`), about every
tenth is taken: those whose number ends in the last digit of the seed. mutmut mutates functions and methods; decorated
ones (properties, overloads), `__new__` and what stands outside of functions it leaves alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from mirror import mirror

from mutation import ROOT, copied

FAIL_UNDER = 85

PACKAGE = ROOT / "eventstream"
WITHOUT_LOGIC = {"__init__", "_codec", "wire"}

MORE_TESTS = {
    "exceptions": ("decode", "message"),
    "values": ("headers",),
    "_reference": ("headers", "encode", "message", "decode", "decoder", "twins"),
    "http2/_h2": ("http2/connection",),
    "_waiting": ("http2/stream", "http2/client"),
    "http2/flow": ("http2/stream", "http2/connection"),
    "http2/stream": ("http2/connection", "http2/server"),
    "http2/connection": ("http2/stream", "http2/client", "http2/server"),
    "http2/client": ("http2/connection",),
    "http2/server": ("http2/connection",),
    "cli/_containers": ("cli/inputs",),
    "cli/_forms": ("cli/inputs",),
    "cli/_recording": ("cli/inputs",),
    "transcribe/emulator/service": ("transcribe/emulator/transcription",),
}
"""Besides the test module that mirrors a module."""


def tests_of(module: str) -> tuple[str, ...]:
    """The names of a module's tests."""
    own = mirror(Path("eventstream", f"{module}.py"))
    name = own and own.relative_to("tests").with_name(own.stem.removeprefix("test_")).as_posix()
    return (*([name] if name else []), *MORE_TESTS.get(module, ()))


def modules() -> dict[str, tuple[str, ...]]:
    """Every module that has tests of its own, and those tests."""
    found = (path.relative_to(PACKAGE).with_suffix("").as_posix() for path in sorted(PACKAGE.rglob("*.py")))
    tests = {module: tests_of(module) for module in found if module.rpartition("/")[2] not in WITHOUT_LOGIC}
    return {module: names for module, names in tests.items() if names}


TESTS = modules()

SAMPLED = {"http2/connection", "http2/flow", "http2/stream", "http2/server"}

NEEDED = {"adapters/smithy": "smithy_aws_event_stream"}  # which needs Python 3.12

# These look at the stack, at a module's names or imports, or at when a generator's arguments are checked, where
# mutmut's wrappers show; or they run a program elsewhere, where mutmut does not find its settings.
DESELECTED = (
    "tests/test_exceptions.py::test_module_imports_nothing_but_texts_and_numbers",
    "tests/test_streams.py::test_stream_arguments",
    "tests/testing/test_init.py::test_exported_names",
    "tests/testing/test_init.py::test_transcripts_alone_need_msgspec",
    "tests/transcribe/test_request.py::test_unknown_language_passes_with_a_warning",
    "tests/test_twins.py::test_twins_have_the_same_names",
    "tests/test_twins.py::test_twins_have_the_same_signatures",
)

# mutmut's exit codes: a test failed, pytest broke, or time ran out; the others are its own states. 255, which it calls
# a timeout, is that pytest did not find the tests, whose modules could not be imported then: see `are_found`.
KILLED = {1, 3, 24, 36, 152, 255, -9, -11, -24}
SURVIVED = {0, 5, 33}  # also where no test comes by


def configuration(module: str) -> str:
    """Return what mutmut is told. No warm-up: pytest, asked twice in one process, gives some tests other ids."""
    files = [(Path("tests") / name).with_name(f"test_{Path(name).name}.py").as_posix() for name in TESTS[module]]
    options = ["-p", "no:cacheprovider", "-m", "not untraced", *(f"--deselect={test}" for test in DESELECTED)]
    if module == "adapters/smithy":
        options += ["-p", "mutation.smithy"]
    return f"""
[tool.mutmut]
source_paths = ["eventstream"]
only_mutate = ["eventstream/{module}.py"]
also_copy = ["README.md", "examples", "tools"]
use_git_change_detection = false
process_isolation = "forkserver"
forkserver_warmup = "none"
timeout_multiplier = 2
timeout_constant = 30
pytest_add_cli_args = {json.dumps(options)}
pytest_add_cli_args_test_selection = {json.dumps(files)}
"""


def are_found(tree: Path, environment: dict[str, str]) -> bool:
    """Whether pytest finds the tests of mutmut's by their ids, in another run and without a mutant."""
    covering: dict[str, list[str]] = json.loads((tree / "mutants/mutmut-stats.json").read_text())[
        "tests_by_mangled_function_name"
    ]
    tests = sorted({test for tests in covering.values() for test in tests})
    # By a function, as a command line has no room for them all.
    program = "import json, pytest, sys; sys.exit(pytest.main(['-q', '--collect-only', *json.load(sys.stdin)]))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        cwd=tree / "mutants",
        env={**environment, "MUTANT_UNDER_TEST": ""},
        input=json.dumps(tests),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        print(*(line for line in done.stdout.splitlines() if "ERROR" in line), sep="\n")
    return done.returncode == 0


def mutate(module: str, seed: int) -> Counter[str] | None:
    """How many mutants were killed, and how many survived; None if mutmut itself failed."""
    tree = copied(module)
    with (tree / "pyproject.toml").open("a") as file:
        file.write(configuration(module))
    environment = {
        **os.environ,
        "EVENTSTREAM_HYPOTHESIS": "traced",
        "EVENTSTREAM_REQUIRE_NATIVE": "1",
        "PYTHONPATH": f"tests{os.pathsep}tools",
    }
    if "twins" in TESTS[module]:
        build = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(build, check=True, cwd=tree, env=environment, stdout=subprocess.DEVNULL)
    else:
        environment["EVENTSTREAM_PURE_PYTHON"] = "1"
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
    if module in SAMPLED:
        command.append(f"*{seed % 10}")
    with (tree / "log").open("w") as log:
        done = subprocess.run(command, check=False, cwd=tree, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode or not are_found(tree, environment):
        print(f"{module}: mutmut failed, see {tree / 'log'}", flush=True)
        return None
    codes: dict[str, int | None] = json.loads((tree / f"mutants/eventstream/{module}.py.meta").read_text())[
        "exit_code_by_key"
    ]
    codes = {mutant: code for mutant, code in codes.items() if code is not None}  # the others were not taken
    counts = Counter(f"exit code {code}" for code in codes.values() if code not in KILLED | SURVIVED)
    counts["killed"] = sum(code in KILLED for code in codes.values())
    for mutant in (mutant for mutant, code in codes.items() if code in SURVIVED):
        show = [sys.executable, "-m", "mutmut", "show", mutant]
        diff = subprocess.run(show, check=True, cwd=tree, capture_output=True, text=True).stdout
        counts["survived"] += 1
        print(diff, flush=True)
    return counts


def check(module: str, *, seed: int) -> bool:
    """Whether enough of the module's mutants are killed, or it cannot be imported here."""
    needed = NEEDED.get(module)
    if needed and find_spec(needed) is None:
        print(f"{module} is not mutated: {needed} is not installed", flush=True)
        return True
    counts = mutate(module, seed)
    if counts is None:
        return False
    share = 100 * counts["killed"] / counts.total()
    print(f"{module}: {counts.total()} mutants, {dict(counts)}: {share:.1f} % killed", flush=True)
    return share >= FAIL_UNDER
