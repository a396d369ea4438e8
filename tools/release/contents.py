"""Check what wheels of this package hold, and tell their sizes: contents.py [--stripped] WHEEL ..."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

NEEDED = (
    "__init__.py",
    "py.typed",
    "_native.pyi",
    "_native.pxd",
    "testing/__init__.py",
    "transcribe/client.py",
    "transcribe/emulator/page/app.js",
)


def contents(path: Path, *, stripped: bool) -> str:
    """One line about the wheel; ValueError if something is missing, too much, or not stripped."""
    with zipfile.ZipFile(path) as wheel:
        names = {name.removeprefix("eventstream/") for name in wheel.namelist() if name.startswith("eventstream/")}
        extensions = [name for name in names if name.startswith("_native.") and name.endswith((".so", ".pyd"))]
        if missing := set(NEEDED) - names:
            raise ValueError(f"{path.name}: missing: {missing}")
        if sources := {name for name in names if name.endswith((".c", ".h", ".pyx"))}:
            raise ValueError(f"{path.name}: sources: {sources}")
        if len(extensions) != 1:
            raise ValueError(f"{path.name}: extensions: {extensions}")
        code = wheel.read(f"eventstream/{extensions[0]}")
        packed = sum(entry.compress_size for entry in wheel.infolist())
    if stripped and any(section in code for section in (b"\0.symtab\0", b"\0.debug_info\0")):
        raise ValueError(f"{path.name}: {extensions[0]} is not stripped")
    return f"{path.name}: {len(names)} files, {packed:,} bytes packed, extension {len(code):,} bytes"


if __name__ == "__main__":
    options = sys.argv[1:]
    for name in options:
        if not name.startswith("-"):
            print(contents(Path(name), stripped="--stripped" in options))
