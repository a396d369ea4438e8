#!/usr/bin/env bash
# Build every fuzz target into $OUT, as OSS-Fuzz and ClusterFuzzLite ask for it, in the project's root.
#
# The container sets CC, CFLAGS (with the sanitizer), LIB_FUZZING_ENGINE, OUT and WORK, and has `compile_python_fuzzer`,
# which packs a script and all that it imports, and preloads the sanitizer's library when it runs. `check.sh` beside this
# file sets the same things on any machine.
#
# The target `peers` is left out: what it finds are faults of other codecs.
set -euo pipefail

# Hashes, but for the packages that the container brings in versions of its own: Python's packer and atheris.
python3 -m pip install --require-hashes --no-deps -r requirements/build.txt
python3 -m pip install --require-hashes --no-deps --no-build-isolation -r requirements/demo.txt
EVENTSTREAM_REQUIRE_NATIVE=1 python3 -m pip install --no-build-isolation --no-deps --force-reinstall .

scripts=$(mktemp -d -p "$WORK")
for target in $(PYTHONPATH=tools python3 -c 'import fuzz; print(*fuzz.TARGETS)'); do
  [[ $target != peers ]] || continue
  # A target is imported by its name, once what it imports is being instrumented. So the packer must be told of it.
  cat > "$scripts/fuzz_$target.py" << PYTHON
import sys

from fuzz.__main__ import main

sys.argv.insert(1, "$target")
main()
PYTHON
  PYTHONPATH=tests:tools compile_python_fuzzer "$scripts/fuzz_$target.py" --paths tests --paths tools \
    --hidden-import "fuzz.$target" --hidden-import eventstream._native --hidden-import eventstream._reference \
    --exclude-module av --exclude-module botocore --exclude-module cryptography --exclude-module moonshine_voice
  printf '[libfuzzer]\nmax_len = 4096\nlen_control = 20\ntimeout = 30\nrss_limit_mb = 1024\n' > "$OUT/fuzz_$target.options"
  python3 -m zipfile -c "$OUT/fuzz_${target}_seed_corpus.zip" tools/fuzz/corpus/"$target"/*
done
