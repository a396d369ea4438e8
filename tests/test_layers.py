"""Imports go downwards only and in no circle, and the lower layers reach for neither files nor sockets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "eventstream"

LAYERS = [
    {"_arguments", "_partitions", "_text", "_warnings"},
    {"exceptions", "wire", "values"},
    {"_codec", "_reference"},
    {"_salvage"},
    {"streams"},
    {""},
    {"signing"},
    {"duplex"},
    {"events", "service_errors"},
    {"operation"},
    {"_json", "parameters", "structs", "session"},
    {"_waiting", "proxy"},
    {"http2"},
    {"websocket"},
    {"transport"},
    {"credentials"},
    {"client", "faults"},
    {"server", "sync"},
    {"transcribe"},
    {"transcribe.client"},
    {"transcribe.sync"},
    {"transcribe.emulator"},
    {"adapters"},
    {"testing"},
    {"cli"},
    {"__main__"},
]
"""From the bottom up: what begins with one of the names is in that layer; the longest name counts. A module imports
from its own layer and from those below."""

SANS_IO = LAYERS[: LAYERS.index({"_waiting", "proxy"})]
REACH = {
    "asyncio",
    "io",
    "os",
    "pathlib",
    "select",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib.request",
}

UPWARDS = {
    # A pickle names the function that restores it with whichever codec is at work.
    ("eventstream._reference", "eventstream._codec"),
    # A recogniser is imported when somebody chooses it by its name.
    ("eventstream.transcribe.emulator.recogniser", "eventstream.transcribe.emulator.scripted"),
    ("eventstream.transcribe.emulator.recogniser", "eventstream.transcribe.emulator.moonshine"),
}
"""What is imported when it is called."""

PRIVATE = {("eventstream.cli.emulate", "eventstream.transcribe.emulator.__main__")}
"""Modules that import private names of another module."""

FOREIGN = {
    ("eventstream._warnings", "_getframe"),
    ("eventstream.adapters._equipment", "_endpoint"),
    ("eventstream.adapters.amazon_transcribe", "_MAX_HEADERS_LENGTH"),
    ("eventstream.adapters.amazon_transcribe", "_MAX_PAYLOAD_LENGTH"),
    ("eventstream.adapters.amazon_transcribe", "_input_stream"),
    ("eventstream.adapters.botocore", "_operation_name"),
    ("eventstream.adapters.botocore", "_raw_stream"),
    ("eventstream.adapters.smithy", "_keys"),
    ("eventstream.adapters.smithy", "_read_from_iterable"),
    ("eventstream.http2._h2", "_headers_buffer"),
}
"""Private attributes of Python and of other libraries, which are used where nothing public will do."""

MODULES = {
    ".".join(["eventstream", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layer_of(module: str) -> int:
    name = module.removeprefix("eventstream").removeprefix(".")
    found = [
        (len(prefix), number)
        for number, layer in enumerate(LAYERS)
        for prefix in layer
        if name == prefix or (prefix and name.startswith(prefix + "."))
    ]
    assert found, f"{module} is in no layer"
    return max(found)[1]


def statements_of(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield them with those inside them; not their expressions, which hold no imports and are most of a tree."""
    for node in body:
        yield node
        for block in ("body", "orelse", "handlers", "finalbody", "cases"):
            if block != "body" or not is_for_checkers(node):
                yield from statements_of(getattr(node, block, []))


def is_for_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def imported_names(module: str) -> list[tuple[str, str]]:
    """Where it imports from at run time, and which name; types for checkers only may come from anywhere."""
    names = []
    for node in statements_of(ast.parse(MODULES[module].read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            names += [(node.module, alias.name) for alias in node.names]
    return names


def imports_of(module: str) -> Iterator[str]:
    for source, name in imported_names(module):
        yield f"{source}.{name}" if f"{source}.{name}" in MODULES else source


def ours(module: str) -> set[str]:
    return {name for name in imports_of(module) if (module, name) not in UPWARDS} & MODULES.keys() - {module}


def test_imports_go_downwards() -> None:
    upwards = {(module, name) for module in MODULES for name in ours(module) if layer_of(name) > layer_of(module)}
    assert upwards == set()


def test_imports_make_no_circle() -> None:
    # A package imports what is in it; that its parts are in a package is no import.
    try:
        TopologicalSorter({module: ours(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_private_names_stay_in_their_module() -> None:
    for module in MODULES:
        for source, name in imported_names(module):
            if source.partition(".")[0] != "eventstream" or (module, source) in PRIVATE:
                continue
            target = f"{source}.{name}" if f"{source}.{name}" in MODULES else source
            private = name.startswith("_") and not name.startswith("__")
            assert not private or target != source, f"{module}: {name} of {source}"
            package, _, last = target.rpartition(".")
            assert not last.startswith("_") or module.startswith(package), f"{module}: {target} is private to {package}"


def foreign_attributes(tree: ast.Module) -> set[str]:
    """Return the private attributes that a module reads and does not define; `_replace` is public in a named tuple."""
    read, own = set(), {"_replace"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                read.add(node.attr)
        elif isinstance(node, ast.Attribute):
            own.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    return {name for name in read - own if name.startswith("_") and not name.endswith("__")}


def test_private_attributes_stay_in_their_module() -> None:
    found = {
        (module, name)
        for module, path in MODULES.items()
        for name in foreign_attributes(ast.parse(path.read_text("utf-8")))
    }
    assert found == FOREIGN


def test_lower_layers_reach_for_nothing() -> None:
    lower = [module for module in MODULES if layer_of(module) < len(SANS_IO)]
    reached = {(module, name) for module in lower for name in imports_of(module) if name in REACH}
    assert reached == {("eventstream._codec", "os")}, "an environment variable chooses the reference"


def test_native_core_calls_no_io() -> None:
    assert not set((PACKAGE / "_native.pyx").read_text(encoding="utf-8").split()) & {"open", "socket", "libc.stdio"}
