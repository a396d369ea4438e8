"""Write the exact versions and hashes of every dependency group into requirements/: `make lock`.

    python tools/lock.py [--upgrade] [--upgrade-package NAME ...]

Versions that are already there are kept as long as pyproject.toml allows them; --upgrade takes the newest ones. Groups
that are installed together agree on the version of every package, for all supported Pythons and platforms.
requirements/lowest/ has the oldest versions that pyproject.toml allows, of the groups that `make test` needs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
OLDEST_PYTHON = "3.10"

APART = ("adapters", "client-amazon-transcribe", "client-aws-sdk", "client-capo")
"""Groups that cannot live with all others: each has an environment of its own, with the build tools and the tests."""

LOWEST = ["build", "demo", "http", "test"]

NPM = ["benchmarks/javascript", "tests/browser/client", "tests/interop/drivers", "tools/peers"]
"""Folders with a package.json."""


def groups() -> list[str]:
    """Return the names of the dependency groups of pyproject.toml."""
    table = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\n[dependency-groups]\n")[2]
    return re.findall(r"^([a-z][a-z0-9-]*) = \[", table.partition("\n[")[0], re.MULTILINE)


def compiled(groups: list[str], output: Path, *options: str) -> None:
    """Resolve the groups. The versions that are in the output file already are preferred."""
    chosen = [option for group in groups for option in ("--group", group)]
    fixed = ["--universal", "--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate", "--no-config", "--quiet"]
    fixed += ["--python", sys.executable, "--no-python-downloads", "--output-file", str(output)]
    command = [sys.executable, "-m", "uv", "pip", "compile", *fixed, *chosen, *options]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"lock: {', '.join(groups)} cannot be resolved; uv says why above")


def pins(files: list[Path]) -> str:
    """Return the lines of requirement files that name a version, without hashes; the first one of a name counts."""
    found: dict[str, list[str]] = {}
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        here: dict[str, list[str]] = {}
        for line in lines:
            if match := re.match(r"([a-z0-9-]+)==[^\\]+", line):
                here.setdefault(match[1], []).append(match[0].strip())
        found = {**here, **found}
    return "".join(f"{line}\n" for name in sorted(found) for line in found[name])


def lock(
    together: list[str],
    written: list[str],
    folder: Path,
    upgrades: list[str],
    mode: tuple[str, ...] = (),
    kept: tuple[Path, ...] = (),
) -> None:
    """Resolve groups together, and write those to be written, each into a file of its own."""
    own = [folder / f"{group}.txt" for group in written]
    with tempfile.TemporaryDirectory() as directory:
        all_of_them = Path(directory, "all.txt")
        all_of_them.write_text(pins([*own, *kept]), encoding="utf-8")
        compiled(together, all_of_them, "--generate-hashes", *mode, *upgrades)
        for group, file in zip(written, own, strict=True):
            fresh = Path(directory, file.name)
            # All that it asks for has just been fetched.
            compiled([group], fresh, "--offline", "--generate-hashes", "--constraints", str(all_of_them), *mode)
            file.write_bytes(fresh.read_bytes())
            print(f"{file.relative_to(ROOT)}: {len(pins([file]).splitlines())} packages", flush=True)


def lock_npm(folder: Path) -> None:
    """Write the package-lock.json of a folder, without the addresses of a registry."""
    options = [
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    if subprocess.run(["npm", "install", "--silent", *options], cwd=folder, check=False).returncode:
        sys.exit(f"lock: {folder.relative_to(ROOT)} cannot be resolved; npm says why above")
    print(f"{folder.relative_to(ROOT)}/package-lock.json", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser("tools/lock.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--upgrade-package", action="append", default=[], metavar="NAME", help="of this package only")
    arguments = parser.parse_args()
    upgrades = (
        ["--upgrade"] if arguments.upgrade else [f"--upgrade-package={name}" for name in arguments.upgrade_package]
    )
    (REQUIREMENTS / "lowest").mkdir(parents=True, exist_ok=True)
    main_groups = [group for group in groups() if group not in APART]
    lock(main_groups, main_groups, REQUIREMENTS, upgrades)
    main_files = tuple(REQUIREMENTS / f"{group}.txt" for group in main_groups)
    for group in APART:
        lock(["build", "test", group], [group], REQUIREMENTS, upgrades, kept=main_files)
    lock(LOWEST, LOWEST, REQUIREMENTS / "lowest", upgrades, mode=("--resolution=lowest-direct",))
    expected = {f"{group}.txt" for group in groups()}
    for file in REQUIREMENTS.glob("*.txt"):
        if file.name not in expected:
            file.unlink()
    if which("npm"):
        for name in NPM:
            lock_npm(ROOT / name)
    else:
        print("npm is not here, so package-lock.json stays as it is", file=sys.stderr)


if __name__ == "__main__":
    main()
