#!/usr/bin/env bash
# The fuzz targets on atheris: tests/fuzz.sh PYTHON SECONDS [TARGET ...]
#
# Each target runs for SECONDS from its corpus in tests/fuzz/corpus and from what earlier runs found, which is kept in
# .cache/fuzz/corpus. The extension is built outside the tree, for coverage and with the address and undefined-behaviour
# sanitizers. CLANG names the compiler (clang-19). A finding ends its target; all other targets run, and the exit is 1.
# Exit 2: this machine lacks what is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v "$1") || { echo "tests/fuzz.sh: there is no $1" >&2; exit 2; }
[[ $python == /* ]] || python=$PWD/$python
seconds=$2
shift 2
clang=${CLANG:-clang-19}
base=.cache/fuzz

missing() { echo "tests/fuzz.sh: $*" >&2; exit 2; }
command -v "$clang" > /dev/null ||
  missing "$clang is missing: apt-get install clang-19 libclang-rt-19-dev llvm-19, or name another with CLANG"
atheris=$("$python" -c 'import atheris; print(atheris.path())' 2> /dev/null) ||
  missing "$python has no atheris, of which there are wheels for CPython 3.11 to 3.14: pip install atheris"
"$python" -c 'import Cython, msgspec' || missing "$python needs Cython and msgspec"

rm -rf "$base/build"
mkdir -p "$base/findings"
flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link"
flags+=" -fno-sanitize=function,pointer-overflow -fno-sanitize-recover=undefined"
CC=$clang CFLAGS=$flags LDSHARED="$clang -shared" EVENTSTREAM_REQUIRE_NATIVE=1 \
  "$python" -W ignore setup.py --quiet build --build-base "$base/build" > "$base/build.log" 2>&1 ||
  { cat "$base/build.log" >&2; exit 1; }
library=$(echo "$PWD/$base"/build/lib.*)
export PYTHONPATH=$library:$PWD/tests PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=32 UBSAN_OPTIONS=print_stacktrace=1
symbolizer=$(command -v llvm-symbolizer-19 || command -v llvm-symbolizer || true)
[[ -z $symbolizer ]] || export ASAN_SYMBOLIZER_PATH=$symbolizer

# In the sanitizers' environment; not exported, so that nothing else runs in it.
fuzzed() { (cd "$base" && LD_PRELOAD=$atheris/asan_with_fuzzer.so "$python" "$@"); }
loaded=$(fuzzed -c 'import eventstream._native as native; print(native.__file__)')
[[ $loaded == "$library"/* ]] || { echo "the extension under test is not the one built here: $loaded" >&2; exit 1; }
read -ra targets <<< "${*:-$("$python" -c 'import fuzz; print(*fuzz.TARGETS)')}"

failed=0
printf '%-12s %12s %9s %9s %9s %7s\n' target executions execs/s edges features corpus
for target in "${targets[@]}"; do
  corpus=corpus/$target
  log=$base/$target.log
  mkdir -p "$base/$corpus"
  status=0
  # Inputs are at most 4 KiB here, and no message of them makes a block of more than some 100 KiB.
  fuzzed -m fuzz "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=16 -max_len=4096 \
    -len_control=20 -print_final_stats=1 -artifact_prefix="findings/$target-" \
    "$corpus" "$PWD/tests/fuzz/corpus/$target" > "$log" 2>&1 || status=$?
  last=$(grep -aE '^#[0-9]+\s.*\bcov: ' "$log" | tail -1 || true)
  number() { sed -nE "s/.*$1 *([0-9]+).*/\1/p" <<< "$2"; }
  executions=$(number 'stat::number_of_executed_units:' "$(grep -a number_of_executed "$log" || true)")
  speed=$(number 'stat::average_exec_per_sec:' "$(grep -a average_exec "$log" || true)")
  printf '%-12s %12s %9s %9s %9s %7s\n' "$target" "${executions:-?}" "${speed:-?}" "$(number cov: "$last")" \
    "$(number ft: "$last")" "$(number corp: "$last")"
  if ((status)); then
    failed=1
    finding=$(sed -nE 's/.*Test unit written to (.*)/\1/p' "$log" | tail -1)
    grep -aE -B 14 -A 3 'Uncaught Python exception|ERROR: |runtime error:' "$log" | tail -45 >&2 || tail -30 "$log" >&2
    echo "FINDING in $target: ${finding:+$base/$finding, }log $log (exit $status)" >&2
    if [[ -n $finding ]]; then
      # A timeout may be the machine's; whatever it is, it is said and fails.
      fuzzed -m fuzz "$target" -timeout=10 -rss_limit_mb=1024 "$finding" >> "$log" 2>&1 &&
        echo "  it did not repeat when it was run alone" >&2
      echo "  again: PYTHONPATH=tests python -c 'from fuzz import $target as t;" \
        "t.check(open(\"$base/$finding\", \"rb\").read())'" >&2
    fi
  fi
done
exit $failed
