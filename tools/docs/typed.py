"""Check that every line of Python in the README and in docs/ passes strict mypy and pyright: python tools/docs/typed.py

The examples of a page are one module, in which they keep their lines.
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ALLOWED = ("reportUnusedExpression", "reportUnnecessaryComparison")
"""What an interactive session may do: show the value of an expression, even of one whose type tells its value."""

UNTYPED = "# pyright: " + ", ".join(
    f"{rule}=false"
    for rule in (
        "reportMissingTypeStubs",
        "reportUnknownArgumentType",
        "reportUnknownMemberType",
        "reportUnknownVariableType",
    )
)
"""For pages that use botocore, which has no types."""


def source(page: str) -> str:
    """Return the examples of a page, each on its line."""
    lines = [""] * (page.count("\n") + 1)
    for example in doctest.DocTestParser().get_examples(page):
        code = example.source.rstrip("\n").split("\n")
        lines[example.lineno : example.lineno + len(code)] = code
    if any(re.match(r"import (botocore|sounddevice)\b", line) for line in lines):
        lines[0] = UNTYPED
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the modules, and return the worse of the two exit statuses."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    with tempfile.TemporaryDirectory() as folder:
        modules = []
        for page in pages:
            code = source(page.read_text(encoding="utf-8"))
            if code.strip():
                module = Path(folder, page.relative_to(ROOT).as_posix().replace("/", ".").replace("-", "_"))
                module = module.with_name(module.name.removesuffix(".md").replace(".", "_") + ".py")
                module.write_text(code, encoding="utf-8")
                modules.append(module)
        settings = dict.fromkeys(ALLOWED, "none") | {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
        Path(folder, "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
        print(f"{len(modules)} pages have examples")
        checks = (
            ["mypy", "--strict", "--scripts-are-modules", *map(str, modules)],
            ["basedpyright", "--project", folder, "--pythonpath", sys.executable],
        )
        return max(subprocess.run([sys.executable, "-m", *check], cwd=ROOT, check=False).returncode for check in checks)


if __name__ == "__main__":
    sys.exit(main())
