#!/usr/bin/env bash
# valgrind, which sees what is read before it is written: tools/sanitize/valgrind.sh PYTHON [OPTION ...]
#
# With the distribution's own Python, which valgrind has suppressions for: others are built with optimisations that look
# like faults. VALGRIND_PYTHON names another.
source "$(dirname "$0")/common.sh"
interpreter=${VALGRIND_PYTHON:-/usr/bin/python3}
suppressions=/usr/lib/valgrind/python3.supp
command -v valgrind > /dev/null && [[ -e $suppressions ]] || missing "valgrind is not here: apt-get install valgrind"
include=$("$interpreter" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2> /dev/null) && [[ -e $include/Python.h ]] ||
  missing "$interpreter cannot build: apt-get install python3-dev"

export CFLAGS="-O1 -g"
environment "$interpreter"
build "$venv/bin/python"
is_loaded "$venv/bin/python"
PYTHONMALLOC=malloc valgrind --quiet --error-exitcode=99 --num-callers=20 \
  --suppressions="$suppressions" --suppressions=tools/sanitize/valgrind.supp \
  "$venv/bin/python" "$venv/bin/pytest" "${options[@]}" -k "native and not thread" "$@" "${modules[@]}"
