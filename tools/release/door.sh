#!/usr/bin/env bash
# Build the example package of tests/door against the installed wheel, and run it; then see that it is refused where it
# was compiled against another C-level interface: tools/release/door.sh PYTHON WHEEL.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" -m venv "$work/venv"
python="$work/venv/bin/python"
pip="$python -m pip --quiet --disable-pip-version-check"
root=$(cd "$(dirname "$0")/../.." && pwd)
for group in pip build; do
  $pip install --require-hashes --no-deps --requirement "$root/requirements/$group.txt"
done
$pip install --no-deps "$2"
cd "$root/tests/door"

build() { # DIRECTORY TARGET: from door.pyx there, into the target
  cp door.pyx pyproject.toml setup.py "$1"
  $pip install --no-build-isolation --no-deps --target "$2" "$1"
}

mkdir "$work/door"
build "$work/door" "$work/installed"
PYTHONPATH="$work/installed" "$python" check.py

installed=$("$python" -c 'import eventstream; print(eventstream.__path__[0])')

# Compiled against `_native.pxd` with one line changed, which lies where Cython looks first.
refuses() { # NAME SED-EXPRESSION ERROR
  local changed="$work/$1/eventstream/_native.pxd" answer
  mkdir -p "${changed%/*}"
  touch "${changed%/*}/__init__.py"
  sed "$2" "$installed/_native.pxd" > "$changed"
  if cmp -s "$changed" "$installed/_native.pxd"; then
    echo "$1: nothing was changed" >&2
    exit 1
  fi
  CFLAGS=-O0 build "$work/$1" "$work/$1/built"
  if answer=$(cd "$work" && PYTHONPATH="$work/$1/built" "$python" -c 'import door' 2>&1); then
    echo "$1: it was imported all the same" >&2
    exit 1
  fi
  answer=${answer##*$'\n'}
  case $answer in
    $3) echo "refused: $answer" ;;
    *) echo "$1: $answer" >&2; exit 1 ;;
  esac
}

refuses version 's/API_VERSION = [0-9]*/API_VERSION = 999/' \
  'ImportError: compiled against another C-level interface of eventstream, version 999; this one has version [0-9]*'
refuses larger 's/cdef readonly object payload.*/&\n    cdef object _more/' \
  'ValueError: eventstream._native.Message size changed*'
refuses smaller '/cdef object _error/d' \
  'ImportError: compiled against another C-level interface of eventstream, Headers, Message and Decoder of *'
refuses function 's/\(cdef bytes encode_message.*\)size_t length/\1int length/' \
  'TypeError: C function eventstream._native.encode_message has wrong signature*'
