"""Which tests belong to a file: `tests/` mirrors the sources."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MIRRORED = ("eventstream", "tools")


def mirror(path: Path) -> Path | None:
    """Return the test module of a source, relative to the root as the source is; None if it has none.

    A module ``_name`` is tested by ``test_name``; a package's ``__init__`` by ``test_init``.
    """
    if path.parts[0] not in MIRRORED:
        return None
    folder = Path("tests", *path.parts[(1 if path.parts[0] == "eventstream" else 0) : -1])
    module = folder / f"test_{path.stem.strip('_')}.py"
    return module if (ROOT / module).is_file() else None


def suite_of(path: Path) -> list[Path]:
    """Return what to run after a change of a file: its mirror, itself if it is a test, or the tests beside a helper."""
    if path.parts[0] == "tests":
        if path.name.startswith("test_") and path.suffix == ".py":
            return [path] if (ROOT / path).is_file() else []
        return sorted(file.relative_to(ROOT) for file in (ROOT / path).parent.glob("test_*.py"))
    found = mirror(path)
    return [found] if found else []
