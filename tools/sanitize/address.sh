#!/usr/bin/env bash
# The address and undefined-behaviour sanitizers of gcc, over all tests: tools/sanitize/address.sh PYTHON [OPTION ...]
#
# Python's allocator is switched off, so that every block has its own guards. In such a build the native code reads each
# message, and each header block, from a heap block of exactly its size.
source "$(dirname "$0")/common.sh"
command -v gcc > /dev/null || missing "gcc is not here: apt-get install gcc"

sanitized() {
  LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 "$@"
}

export CC=gcc CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
build "$python"
is_loaded sanitized "$python"
tests=()
[[ -z ${MODULES_ONLY:-} ]] || tests=("${modules[@]}")
sanitized "$(dirname "$python")/pytest" "${options[@]}" "$@" "${tests[@]}"
