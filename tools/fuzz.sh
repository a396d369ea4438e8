#!/usr/bin/env bash
# The fuzz targets on atheris: tools/fuzz.sh PYTHON SECONDS [TARGET ...]
#
# Each target runs for SECONDS from its corpus in tools/fuzz/corpus and from what earlier runs found, which is kept in
# .cache/fuzz/corpus: three quarters of the time on an extension that is built for coverage alone, then on one with the
# address and undefined-behaviour sanitizers too, which takes some four times as long for an input. It begins with all
# that the first one found. Both are built outside the tree; CLANG names the compiler (clang-19).
#
# A finding ends its target; all other targets run, and the exit is 1. Exit 2: this machine lacks what is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v "$1") || { echo "tools/fuzz.sh: there is no $1" >&2; exit 2; }
[[ $python == /* ]] || python=$PWD/$python
seconds=$2
shift 2
clang=${CLANG:-clang-19}
base=$PWD/.cache/fuzz

missing() { echo "tools/fuzz.sh: $*" >&2; exit 2; }
command -v "$clang" > /dev/null ||
  missing "$clang is missing: apt-get install clang-19 libclang-rt-19-dev llvm-19, or name another with CLANG"
atheris=$("$python" -c 'import atheris; print(atheris.path())' 2> /dev/null) ||
  missing "$python has no atheris, which has wheels for CPython 3.11 to 3.14: pip install atheris"
"$python" -c 'import Cython, msgspec' || missing "$python needs Cython and msgspec"

build() { # NAME FLAGS
  CC=$clang CFLAGS="-O2 -g $2" LDSHARED="$clang -shared" EVENTSTREAM_REQUIRE_NATIVE=1 \
    "$python" -W ignore setup.py --quiet build --force --build-base "$base/$1" > "$base/$1.log" 2>&1 ||
    { cat "$base/$1.log" >&2; exit 1; }
}
rm -rf "$base/plain" "$base/sanitized"
mkdir -p "$base/findings"
build plain -fsanitize=fuzzer-no-link
build sanitized "-fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link
  -fno-sanitize=function,pointer-overflow -fno-sanitize-recover=undefined"

# libFuzzer is in the library that is preloaded. The environment is not exported, so that nothing else runs in it.
# For the address sanitizer every object of Python's is a block of its own.
export UBSAN_OPTIONS=print_stacktrace=1 PYTHONDONTWRITEBYTECODE=1
symbolizer=$(command -v llvm-symbolizer-19 || command -v llvm-symbolizer || true)
[[ -z $symbolizer ]] || export ASAN_SYMBOLIZER_PATH=$symbolizer
run() { # BUILD ARGUMENT-OF-PYTHON ...
  local name=$1 settings=(PYTHONPATH="$(echo "$base/$1"/lib.*):$PWD/tests:$PWD/tools")
  shift
  case $name in
    plain) settings+=(LD_PRELOAD="$atheris/ubsan_with_fuzzer.so") ;;
    sanitized)
      settings+=(LD_PRELOAD="$atheris/asan_with_fuzzer.so" PYTHONMALLOC=malloc)
      settings+=(ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16:malloc_context_size=8)
      ;;
  esac
  (cd "$base" && env "${settings[@]}" "$python" "$@")
}
for name in plain sanitized; do
  loaded=$(run $name -c 'import eventstream._native as native; print(native.__file__)')
  [[ $loaded == "$base/$name/"* ]] || { echo "the extension under test is not the one built here: $loaded" >&2; exit 1; }
done

# Inputs are at most 4 KiB, and no message of them makes a block of more than some 100 KiB. The seconds of a timeout are
# many, as the machine may be busy. Entropic scheduling takes as long here as the check itself.
options=(-timeout=30 -rss_limit_mb=1024 -malloc_limit_mb=16 -max_len=4096 -len_control=20 -entropic=0 -detect_leaks=0
  -print_final_stats=1)
number() { sed -nE "s/.*$1 *([0-9]+).*/\1/p" <<< "$2"; }
failed=0

leg() { # TARGET BUILD SECONDS; sets executions, speed, state
  local target=$1 name=$2 log=$base/$1-$2.log status=0 finding
  run "$name" -m fuzz "$target" "${options[@]}" -max_total_time="$3" -artifact_prefix="findings/$target-" \
    "corpus/$target" "$PWD/tools/fuzz/corpus/$target" > "$log" 2>&1 || status=$?
  executions=$(number 'stat::number_of_executed_units:' "$(grep -a number_of_executed "$log" || true)")
  speed=$(number 'stat::average_exec_per_sec:' "$(grep -a average_exec "$log" || true)")
  state=$(grep -aE '^#[0-9]+\s.*\bcov: ' "$log" | tail -1 || true)
  ((status)) || return 0
  ((status != 72)) || { echo "$target ($name): interrupted" >&2; exit 130; }  # libFuzzer's word for a signal
  failed=1
  finding=$(sed -nE 's/.*Test unit written to (.*)/\1/p' "$log" | tail -1)
  grep -aE -B 14 -A 3 'Uncaught Python exception|ERROR: |runtime error:' "$log" | tail -45 >&2 || tail -30 "$log" >&2
  echo "FINDING in $target ($name): ${finding:+$base/$finding, }log $log (exit $status)" >&2
  if [[ -n $finding ]]; then
    # A timeout may be the machine's; whatever it is, it is said and fails.
    run "$name" -m fuzz "$target" -timeout=30 -rss_limit_mb=1024 "$finding" >> "$log" 2>&1 &&
      echo "  it did not repeat when it was run alone" >&2
    echo "  again: cp $base/$finding tools/fuzz/corpus/$target/ and run pytest tests/test_fuzz_corpus.py" >&2
  fi
  return 1
}

read -ra targets <<< "${*:-$("$python" -c 'import sys; sys.path[:0] = ["tools"]; import fuzz; print(*fuzz.TARGETS)')}"
printf '%-12s %12s %9s %9s %9s %9s %7s\n' target executions plain/s sanit./s edges features corpus
for target in "${targets[@]}"; do
  mkdir -p "$base/corpus/$target"
  sanitized=$((seconds / 4 + (seconds < 4)))
  total=0 speeds=()
  for leg in "plain $((seconds - sanitized))" "sanitized $sanitized"; do
    status=0
    leg "$target" $leg || status=1
    total=$((total + ${executions:-0})) speeds+=("${speed:-?}")
    ((!status)) || break
  done
  printf '%-12s %12s %9s %9s %9s %9s %7s\n' "$target" "$total" "${speeds[0]}" "${speeds[1]:--}" \
    "$(number cov: "$state")" "$(number ft: "$state")" "$(number corp: "$state")"
done
exit $failed
