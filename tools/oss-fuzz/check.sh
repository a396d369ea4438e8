#!/usr/bin/env bash
# Run the steps of build.sh without the container, and start every target that it built: tools/oss-fuzz/check.sh PYTHON
#
# PYTHON's environment needs the groups `fuzz` and `release` (atheris and the packer). What the container has is made here:
# its variables, a `python3`, and a `compile_python_fuzzer`, which packs with PyInstaller and preloads atheris' library.
# With each of SANITIZERS (address undefined) the targets are built, and each replays its seeds and runs for SECONDS_EACH (5)
# more: some five minutes on two cores, most of which the packer takes. TARGETS names some of them; CLANG names the compiler
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
export SRC=$work/src WORK=$work/work
mkdir -p "$SRC/eventstream" "$WORK" "$work/bin"
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
chmod -x "\$OUT/\$name.pkg" # what can be executed is taken for a target
cat > "\$OUT/\$name" << WRAPPER
#!/bin/sh
# LLVMFuzzerTestOneInput: by this word a target is known
here=\\\$(dirname "\\\$0")
chmod +x "\\\$here/\$name.pkg"
LD_PRELOAD=\\\$here/sanitizer_with_fuzzer.so ASAN_OPTIONS=\\\$ASAN_OPTIONS:detect_leaks=0 exec "\\\$here/\$name.pkg" "\\\$@"
WRAPPER
chmod +x "\$OUT/\$name"
SCRIPT
chmod +x "$work/bin/compile_python_fuzzer"

if [[ -n ${TARGETS:-} ]]; then
  sed -i "s/^TARGETS = (/TARGETS = tuple('$TARGETS'.split()) or (/" "$SRC/eventstream/tools/fuzz/__init__.py"
fi

# The flags of the container, which build.sh may add to.
declare -A flags=(
  [address]="-fsanitize=address -fsanitize-address-use-after-scope"
  [undefined]="-fsanitize=array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return \
    -fsanitize=returns-nonnull-attribute,shift,signed-integer-overflow,unsigned-integer-overflow,unreachable,vla-bound \
    -fno-sanitize-recover=array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return \
    -fno-sanitize-recover=returns-nonnull-attribute,shift,signed-integer-overflow,unreachable,vla-bound"
)
declare -A preloaded=([address]=asan [undefined]=ubsan)
wanted=$("$python" -c "import sys; sys.path.insert(0, '$SRC/eventstream/tools'); import fuzz; print(*sorted({*fuzz.TARGETS} - {'peers'}))")

check() { # SANITIZER
  local name executed coverage built target
  export SANITIZER=$1 OUT=$work/out-$1
  rm -rf "$OUT" "$SRC/eventstream/build" # no objects of another sanitizer
  mkdir "$OUT"
  cp "$atheris/${preloaded[$1]}_with_fuzzer.so" "$OUT/sanitizer_with_fuzzer.so"
  (
    cd "$SRC/eventstream"
    export PATH=$work/bin:$work/venv/bin:$PATH CC=$clang LDSHARED="$clang -shared" LIB_FUZZING_ENGINE=-fsanitize=fuzzer
    export CFLAGS="-O1 -g1 -fno-omit-frame-pointer ${flags[$1]} -fsanitize=fuzzer-no-link"
    bash tools/oss-fuzz/build.sh
  ) > "$work/log" 2>&1 || { tail -60 "$work/log" >&2; exit 1; }

  # They are looked for as OSS-Fuzz does it, and started from a folder that build.sh did not know.
  mv "$OUT" "$work/moved-$1"
  OUT=$work/moved-$1
  mapfile -t built < <(find "$OUT" -type f -executable -exec grep -l LLVMFuzzerTestOneInput {} + | sed 's|.*/fuzz_||' | sort)
  [[ ${built[*]} == "$wanted" ]] ||
    { echo "oss-fuzz, $1: build.sh made the targets ${built[*]:-(none)}, not $wanted" >&2; exit 1; }
  echo "$1: ${#built[@]} targets are built, after $SECONDS s"
  for target in "${built[@]}"; do
    name=fuzz_$target
    [[ -f $OUT/$name.pkg && -f $OUT/$name.options ]] || { echo "$name has no package, or no options" >&2; exit 1; }
    rm -rf "$work/seeds"
    mkdir "$work/seeds"
    "$python" -m zipfile -e "$OUT/${name}_seed_corpus.zip" "$work/seeds"
    (
      cd "$work"
      export ASAN_OPTIONS=quarantine_size_mb=16 UBSAN_OPTIONS=silence_unsigned_overflow=1 PYTHONMALLOC=malloc
      "$OUT/$name" -max_total_time="${SECONDS_EACH:-5}" -timeout=60 -max_len=4096 "$work/seeds"
    ) > "$work/run" 2>&1 || { tail -40 "$work/run" >&2; echo "$1: $name failed" >&2; exit 1; }
    executed=$(sed -nE 's/^Done ([0-9]+) runs.*/\1/p' "$work/run")
    coverage=$(sed -nE 's/.*INITED cov: ([0-9]+).*/\1/p' "$work/run")
    [[ -n $executed && ${coverage:-0} -gt 0 ]] || { echo "$1: $name ran nothing:" >&2; tail -40 "$work/run" >&2; exit 1; }
    echo "$1: $name: $executed runs, $coverage edges by its seeds"
  done
}
for sanitizer in ${SANITIZERS:-address undefined}; do check "$sanitizer"; done
echo "oss-fuzz: all targets were built and started, in $SECONDS s"
