#!/usr/bin/env bash
# Build every fuzz target into $OUT, as OSS-Fuzz and ClusterFuzzLite ask for it, in the project's root.
#
# The container sets CC, CFLAGS (with the sanitizer), SANITIZER, LIB_FUZZING_ENGINE, OUT and WORK, and has
# `compile_python_fuzzer`, which packs a script and all that it imports, and writes a wrapper that preloads the sanitizer's
# library. `check.sh` beside this file sets the same things on any machine.
#
# Packing takes far longer than all the rest, so there is one package: a program that runs the target after which its file
# is called. Each target is a link to it, and a wrapper of its own. The target `peers` is left out: what it finds are faults
# of other codecs.
set -euo pipefail

# Indirect calls of other types are no fault in what Cython writes, and what finds them is not in each build of atheris.
[[ ${SANITIZER:-} != undefined ]] || export CFLAGS="$CFLAGS -fno-sanitize=function"

# Hashes, but for the packages that the container brings in versions of its own: Python's packer and atheris.
python3 -m pip install --require-hashes --no-deps -r requirements/build.txt
python3 -m pip install --require-hashes --no-deps --no-build-isolation -r requirements/extras.txt
EVENTSTREAM_REQUIRE_NATIVE=1 python3 -m pip install --no-build-isolation --no-deps --force-reinstall .

targets=$(PYTHONPATH=tools python3 -c 'import fuzz; print(*(name for name in fuzz.TARGETS if name != "peers"))')
package=fuzz_any_target
scripts=$(mktemp -d -p "$WORK")
cat > "$scripts/$package.py" << 'PYTHON'
import sys
from pathlib import Path

from fuzz.__main__ import main

sys.argv.insert(1, Path(sys.argv[0]).stem.removeprefix("fuzz_"))
main()
PYTHON
# A target is imported by its name, once what it imports is being instrumented. So the packer must be told of it.
hidden=(--hidden-import eventstream._native --hidden-import eventstream._reference)
for target in $targets; do hidden+=(--hidden-import "fuzz.$target"); done
PYTHONPATH=tests:tools compile_python_fuzzer "$scripts/$package.py" --paths tests --paths tools "${hidden[@]}" \
  --exclude-module botocore
[[ ${SANITIZER:-} != introspector ]] || exit 0  # which reads the script, and packs nothing

for target in $targets; do
  for packed in "$OUT/$package".pkg*; do # with a list of sources beside it in builds for coverage
    ln -f "$packed" "$OUT/fuzz_$target.pkg${packed#"$OUT/$package".pkg}"
  done
  sed "s/$package/fuzz_$target/g" "$OUT/$package" > "$OUT/fuzz_$target"
  chmod +x "$OUT/fuzz_$target"
  printf '[libfuzzer]\nmax_len = 4096\nlen_control = 20\ntimeout = 30\nrss_limit_mb = 1024\n' > "$OUT/fuzz_$target.options"
  python3 -m zipfile -c "$OUT/fuzz_${target}_seed_corpus.zip" tools/fuzz/corpus/"$target"/*
done
rm "$OUT/$package"*
