#!/usr/bin/env bash
# Build sdist and wheel, check what they hold, run the sdist's tests and a Cython package against the wheel, and install
# without a compiler: tools/release/dist.sh PYTHON, whose version is used.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(readlink -f "$(dirname "$1")")/$(basename "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip --quiet --disable-pip-version-check"
$pip install --upgrade pip
$pip install build
"$work/venv/bin/python" -m build --sdist --outdir "$work/dist" . > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
tar -xzf "$work"/dist/*.tar.gz -C "$work"
source=$(echo "$work"/eventstream_codec-*/)
EVENTSTREAM_REQUIRE_NATIVE=1 $pip wheel --no-deps --wheel-dir "$work/dist" "$source"

"$python" - "$work"/dist/*.whl <<'PYTHON'
import sys, zipfile
names = {name for name in zipfile.ZipFile(sys.argv[1]).namelist() if name.startswith("eventstream/")}
for name in ("__init__.py", "py.typed", "_native.pyi", "_native.pxd", "testing/__init__.py"):
    assert f"eventstream/{name}" in names, f"{name} is missing from the wheel"
assert any(name.startswith("eventstream/_native.") and name.endswith((".so", ".pyd")) for name in names), "no extension"
sources = {name for name in names if name.endswith((".c", ".h", ".pyx"))}
assert not sources, f"sources in the wheel: {sources}"
print(f"the wheel holds what it should: {len(names)} files")
PYTHON

$pip install "$work"/dist/*.whl
(cd "$source" && $pip install --group test --group demo && "$work/venv/bin/pytest" -q -p no:cacheprovider)
tools/release/door.sh "$python" "$work"/dist/*.whl

# Where the compiler fails the package still installs, says so when it is imported, and works.
"$python" -m venv "$work/bare"
env -u EVENTSTREAM_REQUIRE_NATIVE CC=there-is-no-compiler "$work/bare/bin/python" -m pip --quiet --disable-pip-version-check install "$work"/dist/*.tar.gz
cd "$work"
message=$("$work/bare/bin/python" -W always -c 'import eventstream; print(eventstream.implementation)' 2>&1)
case $message in
  *RuntimeWarning*reference) echo "without a compiler: the reference, with a warning" ;;
  *) echo "without a compiler: $message" >&2; exit 1 ;;
esac
mkdir -p "$OLDPWD/dist" && cp "$work"/dist/* "$OLDPWD/dist/"
