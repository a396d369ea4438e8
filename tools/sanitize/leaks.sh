#!/usr/bin/env bash
# The leak sanitizer of gcc, behind the tests of the native code: tools/sanitize/leaks.sh PYTHON [OPTION ...]
#
# What other libraries leak is not our business, so these are the modules that run no other native code. Since Python 3.12
# the interpreter itself leaves its interned strings behind, so PYTHON or another one here must be older; LEAKS_PYTHON
# names one.
source "$(dirname "$0")/common.sh"
command -v gcc > /dev/null || missing "gcc is not here: apt-get install gcc"
for interpreter in ${LEAKS_PYTHON:-"$python" python3.11 python3.10 /usr/bin/python3} ""; do
  [[ -z $interpreter ]] || ! "$interpreter" - 2> /dev/null << 'PYTHON' || break
import os, sys, sysconfig
sys.exit(sys.version_info >= (3, 12) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
PYTHON
done
[[ -n $interpreter ]] || missing "there is no Python before 3.12 that can build: apt-get install python3-dev, on Debian 12"
if [[ $interpreter != "$python" ]]; then
  environment "$interpreter"
  python=$venv/bin/python
fi

sanitized() {
  LD_PRELOAD=$(gcc -print-file-name=libasan.so) PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=$leaks:abort_on_error=1 \
    LSAN_OPTIONS=suppressions=$PWD/tools/sanitize/leaks.supp:print_suppressions=0 "$@"
}

export CC=gcc CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address"
build "$python"
leaks=0 is_loaded sanitized "$python"

# The sanitizer stops all threads to look for leaks, and sometimes crashes itself there: that says nothing about leaks.
said=$base/said.log
for _ in 1 2 3; do
  status=0
  leaks=1 sanitized "$(dirname "$python")/pytest" "${options[@]}" "$@" "${modules[@]}" 2>&1 | tee "$said" || status=$?
  ((status)) && grep -q 'LeakSanitizer has encountered a fatal error' "$said" || break
  echo "leaks: the sanitizer crashed; once more"
done
exit "$status"
