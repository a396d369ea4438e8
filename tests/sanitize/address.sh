#!/usr/bin/env bash
# The address, undefined-behaviour and leak sanitizers of gcc, over all tests: tests/sanitize/address.sh PYTHON [OPTION ...]
#
# Python's allocator is switched off, so that every block has its own guards. In such a build the native code reads each
# message, and each header block, from a heap block of exactly its size. Leaks are looked for behind the modules that run
# no other native code: what those libraries leak is not our business.
source "$(dirname "$0")/common.sh"
command -v gcc > /dev/null || missing "gcc is not here: apt-get install gcc"

suppressions=$PWD/tests/sanitize/leaks.supp

sanitized() { # LEAKS COMMAND...
  LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
    ASAN_OPTIONS=detect_leaks=$1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
    LSAN_OPTIONS=suppressions=$suppressions:print_suppressions=0 "${@:2}"
}

export CC=gcc CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
build "$python"
is_loaded sanitized 0 "$python"
pytest=$(dirname "$python")/pytest
sanitized 1 "$pytest" "${options[@]}" "$@" "${modules[@]}"
[[ -z ${MODULES_ONLY:-} ]] || exit 0
status=0
sanitized 0 "$pytest" "${options[@]}" "$@" "${modules[@]/#/--ignore=}" || status=$?
exit $((status == 5 ? 0 : status))  # 5: the options leave no test there
