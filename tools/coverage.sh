#!/usr/bin/env bash
# What the tests reach: tools/coverage.sh PYTHON [PYTEST OPTION ...]
#
# The tests run on the native core in two halves, beside each other, and those of the codec also on the reference, on a copy
# of the project whose extension is built with line tracing and for gcov. It fails unless they reach every line and branch
# of the Python code, every line of `_native.pyx`, and every line of the checksum kernels. The tests of tools, examples and
# documents are left out. What cannot be reached is marked where it stands, with the reason: `# pragma: no cover` in Python
# and Cython, GCOVR_EXCL_LINE in C. Header blocks are parsed as with sanitizers.
#
# The copy, because Cython's plug-in for coverage finds a .pyx by what lies beside its extension; if it does not, the .pyx
# silently leaves the report, which is therefore searched for it. Kernels for other CPUs run in an emulator (Debian:
# gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user); those that cannot be run are named, and not judged. What is
# reached is counted atomically, because tests use threads: counts that these lose can become negative, an error of gcovr.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v "$1") || { echo "tools/coverage.sh: there is no $1" >&2; exit 2; }
[[ $python == /* ]] || python=$PWD/$python
shift
"$python" -c 'import sys; sys.exit(sys.version_info[:2] == (3, 11))' || {
  echo "tools/coverage.sh: Python 3.11 does not trace a coroutine after an exception was thrown into what it awaits" >&2
  exit 2
}
base=$PWD/.cache/coverage
tree=$base/tree

rm -rf "$base"
mkdir -p "$tree" "$base/x86" "$base/arm64"
tar -c --exclude='./.?*' --exclude='*.so' --exclude='*.egg-info' --exclude=__pycache__ --exclude=./build --exclude=./dist \
  --exclude=./eventstream/_native.c . | tar -x -C "$tree"
cd "$tree"
cflags="-O0 --coverage -fprofile-update=atomic -DES_ADDRESS_SANITIZER=1"
EVENTSTREAM_TRACE=1 EVENTSTREAM_REQUIRE_NATIVE=1 CC=gcc CFLAGS=$cflags \
  "$python" -W ignore setup.py --quiet build_ext --inplace --build-temp build > "$base/build.log" 2>&1 ||
  { cat "$base/build.log" >&2; exit 1; }

# coverage.py's tracer in C is the one that serves plug-ins. Its settings are in pyproject.toml.
export PYTHONPATH=$tree COVERAGE_CORE=ctrace EVENTSTREAM_HYPOTHESIS=traced
loaded=$("$python" -c 'import eventstream._native as native; print(native.__file__)')
[[ $loaded == "$tree"/* ]] || { echo "the extension under test is not the one built here: $loaded" >&2; exit 1; }
traced() { "$python" -m coverage run -m pytest -q -p no:cacheprovider -m "not untraced" "$@"; }
# Each module has tests of its own, which must reach it.
modules=() folders=()
for path in tests/test_*.py tests/*/; do
  case $path in
    tests/test_docs.py | tests/test_examples.py | tests/test_planted.py | tests/test_typing.py) ;;
    tests/browser/ | tests/captures/ | tests/door/ | tests/examples/ | tests/tools/) ;;
    *.py) modules+=("$path") ;;
    *) folders+=("$path") ;;
  esac
done
codec=(tests/test_{arguments,codec,decode,decoder,encode,headers,message,salvage,streams,twins}.py)
traced "${folders[@]}" -k "not reference" "$@" > "$base/folders.log" 2>&1 &
beside=$!
trap 'kill "$beside" 2> /dev/null || true' EXIT
traced "${modules[@]}" -k "not reference" "$@"
EVENTSTREAM_PURE_PYTHON=1 traced "${codec[@]}" "$@"
wait "$beside" || { cat "$base/folders.log" >&2; exit 1; }
"$python" -m coverage combine --quiet

status=0
omitted=()
for library in amazon_transcribe smithy_aws_event_stream; do
  "$python" -c "import $library" 2> /dev/null && continue
  adapter=eventstream/adapters/$library.py
  [[ $library == smithy* ]] && adapter=eventstream/adapters/smithy.py
  echo "$adapter is not judged: $library is not installed (smithy needs Python 3.12)"
  omitted+=("$adapter")
done
omitted+=(eventstream/adapters/_aiobotocore.py)  # aiobotocore wants a botocore of its own: `make adapters` tests it
"$python" -m coverage report --fail-under=100 --omit="$(IFS=,; echo "${omitted[*]}")" | tee "$base/report" || status=1
grep -q '^eventstream/_native.pyx ' "$base/report" || { echo "_native.pyx is not in the report" >&2; status=1; }

# The kernels: what the tests ran of them is noted in build; programs on emulated CPUs add what those run.
emulated() { # FOLDER COMPILER EMULATOR...
  (
    cd "$base/$1"
    "$2" -O0 --coverage -static -I"$tree/eventstream/_crc32" -o check "$tree"/{tools/crc32_check,eventstream/_crc32/crc32}.c
    "${@:3}" ./check 997
  ) > "$base/check.log" 2>&1 || { cat "$base/check.log" >&2; exit 1; }
}
found() { command -v "$1" > /dev/null && command -v "$2" > /dev/null; }
kernels() { "$python" -m gcovr --root "$tree" --filter "$tree/eventstream/_crc32/" "$@"; }

kernels --json "$base/tests.json" build
judged=()
if [[ $(uname -m) == x86_64 ]]; then
  if "$python" -c 'from eventstream._native import _crc32_kernels as k; assert "x86-vpclmulqdq-avx512" in k()' 2> /dev/null
  then
    # The choice for CPUs that are not here.
    (cd "$base/x86" && gcc -O0 --coverage -I"$tree/eventstream/_crc32" -o dispatch "$tree/tools/crc32_dispatch.c" && ./dispatch)
    kernels --json "$base/x86.json" "$base/x86"
  else
    echo "x86.h is not judged: that takes a CPU that runs 512-bit vectors at full frequency"
    judged+=(--exclude '.*/x86\.h')
  fi
fi
if found aarch64-linux-gnu-gcc qemu-aarch64; then
  emulated arm64 aarch64-linux-gnu-gcc qemu-aarch64
  kernels --gcov-executable aarch64-linux-gnu-gcov --json "$base/arm64.json" "$base/arm64"
elif [[ $(uname -m) != aarch64 ]]; then
  echo "arm64.h is not judged: that takes aarch64-linux-gnu-gcc and qemu-aarch64"
fi
kernels "${judged[@]}" --add-tracefile "$base/*.json" --fail-under-line 100 || status=1
exit $status
