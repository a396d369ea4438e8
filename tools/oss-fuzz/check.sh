#!/usr/bin/env bash
# Run the steps of build.sh without the container, and start every target that it built: tools/oss-fuzz/check.sh PYTHON
#
# PYTHON's environment needs the groups `fuzz` and `release` (atheris and the packer). What the container has is made here:
# its variables, a `python3`, and a `compile_python_fuzzer`, which packs with PyInstaller and preloads atheris' library.
# Each target replays its seeds and runs for SECONDS_EACH (5) more. TARGETS names some of them; CLANG names the compiler
# (clang-19). Exit 3: this machine lacks what is needed, which is named.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(readlink -f "$(dirname "$1")")/$(basename "$1")
clang=${CLANG:-clang-19}
missing() { echo "oss-fuzz: $*" >&2; exit 3; }
command -v "$clang" > /dev/null ||
  missing "$clang is missing: apt-get install clang-19 libclang-rt-19-dev llvm-19, or name another with CLANG"
atheris=$("$python" -c 'import atheris; print(atheris.path())' 2> /dev/null) || missing "$python has no atheris"
"$python" -c 'import PyInstaller' 2> /dev/null || missing "$python has no PyInstaller"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SRC=$work/src OUT=$work/out WORK=$work/work
mkdir -p "$SRC/eventstream" "$OUT" "$WORK" "$work/bin"
# As the Dockerfile copies it.
git ls-files -z | tar -c --null --files-from=- | tar -x -C "$SRC/eventstream"

# A Python of its own for what build.sh installs, with atheris and the packer as the container has them.
for group in pip build fuzz release; do
  [[ -x $work/venv/bin/python ]] || tools/environment.sh create "$work/venv" "$python"
  tools/environment.sh group "$work/venv" "$group"
done
cat > "$work/bin/compile_python_fuzzer" << SCRIPT
#!/usr/bin/env bash
set -euo pipefail
name=\$(basename "\$1" .py)
"$work/venv/bin/pyinstaller" --log-level ERROR --distpath "\$OUT" --workpath "\$WORK/\$name" --specpath "\$WORK" --onefile \\
  --name "\$name.pkg" "\${@:2}" "\$1"
cat > "\$OUT/\$name" << 'WRAPPER'
#!/bin/sh
here=\$(dirname "\$0")
LD_PRELOAD=\$here/sanitizer_with_fuzzer.so ASAN_OPTIONS=\$ASAN_OPTIONS:detect_leaks=0 exec "\$here/\$(basename "\$0").pkg" "\$@"
WRAPPER
chmod +x "\$OUT/\$name"
SCRIPT
chmod +x "$work/bin/compile_python_fuzzer"
cp "$atheris/asan_with_fuzzer.so" "$OUT/sanitizer_with_fuzzer.so"

if [[ -n ${TARGETS:-} ]]; then
  sed -i "s/^TARGETS = (/TARGETS = tuple('$TARGETS'.split()) or (/" "$SRC/eventstream/tools/fuzz/__init__.py"
fi
(
  cd "$SRC/eventstream"
  export PATH=$work/bin:$work/venv/bin:$PATH CC=$clang LDSHARED="$clang -shared" LIB_FUZZING_ENGINE=-fsanitize=fuzzer
  export CFLAGS="-O0 -g1 -fno-omit-frame-pointer -fsanitize=address,fuzzer-no-link"
  bash tools/oss-fuzz/build.sh
) > "$work/log" 2>&1 || { tail -60 "$work/log" >&2; exit 1; }

started=0
for target in "$OUT"/fuzz_*.options; do
  name=$(basename "$target" .options)
  mkdir "$work/seeds-$name"
  "$python" -m zipfile -e "$OUT/${name}_seed_corpus.zip" "$work/seeds-$name"
  (cd "$work" && ASAN_OPTIONS=quarantine_size_mb=16 PYTHONMALLOC=malloc "$OUT/$name" -max_total_time="${SECONDS_EACH:-5}" \
    -timeout=60 -max_len=4096 "$work/seeds-$name") > "$work/run" 2>&1 || { tail -40 "$work/run" >&2; exit 1; }
  executed=$(sed -nE 's/^Done ([0-9]+) runs.*/\1/p' "$work/run")
  coverage=$(sed -nE 's/.*INITED cov: ([0-9]+).*/\1/p' "$work/run")
  [[ -n $executed && ${coverage:-0} -gt 0 ]] || { echo "$name ran nothing:" >&2; tail -40 "$work/run" >&2; exit 1; }
  echo "$name: $executed runs, $coverage edges by its seeds"
  started=$((started + 1))
done
((started > 0)) || { echo "oss-fuzz: build.sh built no target" >&2; exit 1; }
echo "oss-fuzz: $started targets built and started"
