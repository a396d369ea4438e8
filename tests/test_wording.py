"""No text of the package quotes a dependency's error: its wording changes with its versions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cases import each

PACKAGE = Path(__file__).parent.parent / "eventstream"
OWN = {"eventstream", "__future__"}
QUOTED = {
    "adapters/amazon_transcribe.py": "Python's words for a value of a header, in the library's class",
    "cli/transcribe.py": "PortAudio's reason why there is no microphone, for which only it knows what to do",
    "credentials.py": "botocore's reason why it has no credentials, for which only it knows what to do",
    "http2/client.py": "OpenSSL's name of one alert, for which test_proxy has a server that sends it",
}
"""Modules that may, and why."""

FOREIGN_BUILTINS = {"UnicodeDecodeError", "UnicodeEncodeError", "RecursionError"}
"""What codecs and parsers raise, each in its own words."""


def foreign_names(nodes: list[ast.AST]) -> set[str]:
    """Names that a module has from a dependency, or from the standard library's ssl, asyncio, json and the like."""
    names = set(FOREIGN_BUILTINS)
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] not in OWN:
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def quotations(source: str) -> Iterator[int]:
    """Yield the lines where the text of a foreign error is put into one of ours."""
    nodes = list(ast.walk(ast.parse(source)))
    foreign = foreign_names(nodes)
    for handler in nodes:
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        classes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if not any(root_of(class_) in foreign for class_ in classes):
            continue
        for node in (node for statement in handler.body for node in ast.walk(statement)):
            if isinstance(node, ast.FormattedValue):
                quoted: ast.expr = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
                quoted = node.args[0]
            elif isinstance(node, ast.Compare):
                quoted = node.left
            else:
                continue
            while isinstance(quoted, ast.Call) and quoted.args:  # quote(str(error))
                quoted = quoted.args[0]
            word = isinstance(quoted, ast.Attribute) and quoted.attr in WORDS
            if root_of(quoted) == handler.name and (word or isinstance(quoted, ast.Name)):
                yield node.lineno


WORDS = {"args", "msg", "message", "reason", "verify_message"}
"""Attributes of errors that are texts. An `errno`, and the text that the system has for it, are the system's."""


def test_wording_of_dependencies_is_not_quoted():
    found = {
        path.relative_to(PACKAGE).as_posix(): list(quotations(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert {path: lines for path, lines in found.items() if lines and path not in QUOTED} == {}


@each(
    ("use", "found"),
    [
        ('raise ValueError(f"bad: {error}")', True),
        ('raise ValueError("bad: " + str(error))', True),
        ('raise ValueError(f"bad: {quote(str(error))}")', True),
        ('raise ValueError(f"bad: {error.msg}")', True),
        ('x = error.reason == "unexpected end of data"', True),
        ('raise ValueError("bad") from error', False),
        ('raise ValueError(f"bad at byte {error.pos}")', False),
        ('raise ValueError(f"{type(error).__name__}")', False),
    ],
)
@each("class_", ["json.JSONDecodeError", "(OSError, Foreign)", "UnicodeDecodeError"])
def test_wording_check_finds(use, found, class_):
    source = f"import json\nfrom h2 import Foreign\ntry:\n    pass\nexcept {class_} as error:\n    {use}\n"
    assert bool(list(quotations(source))) is found


def test_wording_check_passes_our_own_errors():
    source = 'from eventstream import E\ntry:\n    pass\nexcept E as error:\n    raise ValueError(f"{error}")\n'
    assert list(quotations(source)) == []
