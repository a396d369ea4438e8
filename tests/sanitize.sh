#!/usr/bin/env bash
# The tests on an extension built with the address and undefined-behaviour sanitizers: tests/sanitize.sh PYTHON [OPTION ...]
#
# Leaks are another run's business (the interpreter's own would hide ours). Python's allocator is switched off, so that
# every block has its own guards. The native code parses header blocks from blocks of exactly their size in such a build.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
base=.cache/sanitize
rm -rf "$base"
flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
CFLAGS=$flags EVENTSTREAM_REQUIRE_NATIVE=1 "$python" setup.py --quiet build --build-base "$base"
library=$(echo "$PWD/$base"/lib.*)
export PYTHONPATH=$library
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
loaded=$(cd / && "$OLDPWD/$python" -c 'import eventstream._native as native; print(native.__file__)')
case $loaded in
  "$library"/*) "$(dirname "$python")/pytest" "$@" ;;
  *) echo "the extension under test is not the one built here: $loaded" >&2; exit 1 ;;
esac
