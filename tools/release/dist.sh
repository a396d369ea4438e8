#!/usr/bin/env bash
# Build sdist and wheel, check what they hold, run the sdist's tests and a Cython package against the wheel, and install
# without a compiler: tools/release/dist.sh PYTHON [SDIST [PYTEST OPTION ...]], whose version is used. A given SDIST is taken
# instead of a new one.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(readlink -f "$(dirname "$1")")/$(basename "$1")
sdist=${2:-}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tools/environment.sh create "$work/venv" "$python"
for group in pip build demo http test; do tools/environment.sh group "$work/venv" "$group"; done
pip="$work/venv/bin/python -m pip --quiet --disable-pip-version-check"
mkdir "$work/dist"
if [[ -n $sdist ]]; then
  cp "$sdist" "$work/dist/"
else
  "$work/venv/bin/python" -c 'import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])' \
    "$work/dist" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
fi
tar -xzf "$work"/dist/*.tar.gz -C "$work"
source=$(echo "$work"/eventstream_codec-*/)
EVENTSTREAM_REQUIRE_NATIVE=1 $pip wheel --no-build-isolation --no-deps --wheel-dir "$work/dist" "$source"

"$python" tools/release/contents.py "$work"/dist/*.whl

$pip install "$work"/dist/*.whl
(cd "$source" && "$work/venv/bin/pytest" -q -p no:cacheprovider "$@")
tools/release/door.sh "$python" "$work"/dist/*.whl

# What an earlier build of older sources left is not taken for these, where the compiler fails.
touch "$source/eventstream/_native.pyx"
env -u EVENTSTREAM_REQUIRE_NATIVE CC=there-is-no-compiler $pip wheel --no-build-isolation --no-deps \
  --wheel-dir "$work/stale" "$source"
if "$python" -m zipfile -l "$work"/stale/*.whl | grep -q '_native.*\.so'; then
  echo "an extension of older sources was packed" >&2
  exit 1
fi

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
