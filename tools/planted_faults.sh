#!/usr/bin/env bash
# Whether the checks of tools/sanitize find what they are for: tools/planted_faults.sh PYTHON [FAULT ...]
#
# Each FAULT, of tools/sanitize/faults, is a patch of the native code that most tests do not notice. It says which check
# must find it, by which tests, and what the report says. Each is planted in a copy of the sources, where these tests
# must pass before and fail after; a race, which needs two threads to meet, has three tries. A fault whose check this
# machine cannot run is skipped, unless it was asked for.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
patches=$PWD/tools/sanitize/faults
faults=("$@")
[[ $# -gt 0 ]] || mapfile -t faults < <(cd "$patches" && ls -- *.patch | sed 's/\.patch$//')
export SANITIZE_ENVIRONMENTS=${SANITIZE_ENVIRONMENTS:-$PWD/.cache/sanitize} MODULES_ONLY=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { sed -n "s/^$1: //p" "$patches/$2.patch"; }

copy() { # the sources, as they are
  rm -rf "$work/tree"
  mkdir "$work/tree"
  cp -a eventstream setup.py pyproject.toml README.md LICENSE requirements tests tools "$work/tree"
  rm -f "$work"/tree/eventstream/_native*.so
}

run() { # CHECK TESTS: its exit status; what it printed is in $work/log
  "$work/tree/tools/sanitize/$1.sh" "$python" -q -x -k "native and ($2)" > "$work/log" 2>&1
}

failed=0
declare -A sound
for fault in "${faults[@]}"; do
  check=$(field check "$fault") tests=$(field tests "$fault") report=$(field report "$fault")
  if [[ -z ${sound[$check]:-} ]]; then
    copy
    all=$(for other in "${faults[@]}"; do [[ $(field check "$other") != "$check" ]] || field tests "$other"; done | sort -u | sed ':a;N;$!ba;s/\n/ or /g')
    status=0
    run "$check" "$all" || status=$?
    sound[$check]=$status
    case $status in
      0) echo "$check: passes without a fault" ;;
      3) grep -a skipped "$work/log" ;;
      *) cat "$work/log"; echo "$check: FAILS without a fault" ;;
    esac
  fi
  case ${sound[$check]} in
    0) ;;
    3) [[ $# -eq 0 ]] || failed=1; continue ;;
    *) failed=1; continue ;;
  esac
  copy
  patch --quiet --directory="$work/tree" --strip=1 < "$patches/$fault.patch" ||
    { echo "$fault: cannot be planted any more"; failed=1; continue; }
  touch "$work/tree/eventstream/_native.pyx"
  tries=1
  [[ $check != threads ]] || tries=3
  while run "$check" "$tests" && ((--tries)); do :; done
  if ((!tries)); then
    echo "$fault: NOT FOUND by $check"
    failed=1
  elif ! grep -aq -- "$report" "$work/log"; then
    cat "$work/log"
    echo "$fault: $check fails, but does not report: $report"
    failed=1
  else
    echo "$fault: found by $check: $(grep -am1 -- "$report" "$work/log" | sed -E 's/^(==[0-9]+==|E)? *//')"
  fi
done
exit $failed
