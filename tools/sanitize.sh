#!/usr/bin/env bash
# What a test by itself cannot see of the extension: tools/sanitize.sh PYTHON [OPTION ...]
#
# Runs the checks of tools/sanitize, each in a build of its own; the options are pytest's, such as -k and -x. What this
# machine lacks is skipped, and it is said how to install it. CHECKS names those to run, which then must not be skipped:
#
#   address     reads and writes out of bounds, undefined behaviour: gcc's sanitizers
#   leaks       memory that is never given back: gcc's sanitizer, on a Python before 3.12
#   valgrind    what is read before it is written
#   references  references that are never given back, also those that leak no memory: a debug Python
#   threads     data races: a free-threaded Python with the thread sanitizer
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
failed=0
skipped=
for check in ${CHECKS:-address leaks valgrind references threads}; do
  printf '\n-- %s\n' "$check"
  status=0
  "tools/sanitize/$check.sh" "$python" "$@" || status=$?
  case $status in
    0) ;;
    3) skipped+=" $check" ;;
    *) failed=1; echo "$check: FAILED" >&2 ;;
  esac
done
[[ -z $skipped ]] || printf '\nskipped:%s\n' "$skipped"
[[ -z $skipped || -z ${CHECKS:-} ]] || failed=1
exit $failed
