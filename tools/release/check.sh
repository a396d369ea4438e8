#!/usr/bin/env bash
# All of a release that needs no account: tools/release/check.sh PYTHON [PYTEST OPTION ...]
#
# An sdist, and from it a manylinux wheel for each Python of PYTHONS (by default those from 3.10 on that are here) and one
# for arm64, cross-compiled. sdist and wheel are built twice, in folders of other names and at other times, and must be
# equal byte for byte. What they hold is checked, and each is installed into an environment of its own and tested from an
# empty folder: the sdist and the wheel of PYTHON with the whole suite, the others with SUITE (by default the codec's
# tests), the one for arm64 under emulation. PYTHON's environment needs the group `release`. The results are in dist/.
# At the end it lists what must still be filled in.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
python=$(readlink -f "$(dirname "$1")")/$(basename "$1")
shift
bin=${python%/*}
suite=${SUITE:-tests/test_codec.py tests/test_crc32.py tests/test_encode.py tests/test_decode.py tests/test_decoder.py
  tests/test_headers.py tests/test_message.py tests/test_init.py tests/test_values.py tests/test_wire.py}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skipped=()
step() { printf '\n== %s\n' "$*"; }
quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore EVENTSTREAM_REQUIRE_NATIVE=1 DEPENDENCIES=locked
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || date +%s)
export SOURCE_DATE_EPOCH

pythons() {
  local minor candidate
  for minor in 10 11 12 13 14 15; do
    for candidate in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3; do
      if "$candidate" -c 'import ensurepip, venv' 2> /dev/null; then
        echo "$candidate"
        break
      fi
    done
  done
}
read -ra all <<< "${PYTHONS:-$(pythons | tr '\n' ' ')}"

# Only what git knows: a file that was forgotten there is missing here, too.
export_tree() { # FOLDER
  mkdir -p "$1"
  git ls-files -z | tar -c --null --files-from=- | tar -x -C "$1"
}
build_sdist() { # TREE TARGET
  (cd "$1" && quietly "$python" -m build --sdist --no-isolation --outdir "$2" .)
  "$python" tools/release/sdist.py "$2"/*.tar.gz
}
# As wheels.yml has it: no debugging information, no symbols but those that the loader needs.
build_wheel() { # PYTHON SDIST FOLDER TARGET
  mkdir -p "$3" "$4"
  tar -xzf "$2" -C "$3" --strip-components=1
  (cd "$3" && CFLAGS="${CFLAGS-} -g0" LDFLAGS="${LDFLAGS-} -Wl,--strip-all" \
    quietly "$1" -m pip wheel --no-build-isolation --no-deps --no-cache-dir --wheel-dir "$3/wheel" .)
  PATH=$bin:$PATH quietly "$bin/auditwheel" repair --wheel-dir "$4" "$3"/wheel/*.whl
}
same() { # NAME ONE OTHER
  cmp "$2" "$3" || { echo "$1: two builds differ" >&2; exit 1; }
  echo "$1: two builds are the same $(stat -c %s "$2") bytes, sha256 $(sha256sum "$2" | cut -c -16)…"
}
environment() { # PYTHON FOLDER GROUP...
  tools/environment.sh create "$2" "$1"
  local group
  for group in pip "${@:3}"; do tools/environment.sh group "$2" "$group"; done
}
# What was installed works where none of its sources are.
try() { # PYTHON
  local empty
  empty=$(mktemp -d -p "$work")
  (cd "$empty" && "$1" -I "$root/tools/release/works.py" "$root/tests/captures/amazon-transcribe-0.6.4.response.bin")
}

step "sdist, twice"
export_tree "$work/a/tree"
export_tree "$work/another/folder"
find "$work/another" -exec touch -d 2001-02-03 {} +
build_sdist "$work/a/tree" "$work/a/dist"
(umask 077 && build_sdist "$work/another/folder" "$work/another/dist")
sdist=$(echo "$work"/a/dist/*.tar.gz)
same sdist "$sdist" "$work"/another/dist/*.tar.gz

step "manylinux wheels for ${all[*]}, one of them twice"
mkdir -p "$work/wheels"
first=
for candidate in "${all[@]}"; do
  name=$("$candidate" -c 'import sys; print("cp%d%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))')
  environment "$candidate" "$work/build-$name" build
  build_wheel "$work/build-$name/bin/python" "$sdist" "$work/$name" "$work/wheels/$name"
  if [[ -z $first ]]; then
    build_wheel "$work/build-$name/bin/python" "$sdist" "$work/in/another/folder" "$work/again"
    first=$(echo "$work/wheels/$name"/*.whl)
    same wheel "$first" "$work"/again/*.whl
  fi
done

step "what they hold"
"$python" tools/release/contents.py --stripped "$work"/wheels/*/*.whl
for wheel in "$work"/wheels/*/*.whl; do
  [[ $wheel == *manylinux* ]] || { echo "${wheel##*/} is not a manylinux wheel" >&2; exit 1; }
done
"$bin/twine" check --strict "$sdist" "$work"/wheels/*/*.whl
"$bin/check-wheel-contents" "$work"/wheels/*/*.whl
"$python" tools/release/readme.py "$first"
echo "README.md shows without the files beside it"

step "each wheel, installed and tested"
mkdir "$work/source"
tar -xzf "$sdist" -C "$work/source" --strip-components=1
for candidate in "${all[@]}"; do
  name=$("$candidate" -c 'import sys; print("cp%d%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))')
  environment "$candidate" "$work/test-$name" build test
  quietly "$work/test-$name/bin/python" -m pip install "$work/wheels/$name"/*.whl
  try "$work/test-$name/bin/python"
  # The tests of the sdist, which read its sources but import what was installed.
  (cd "$work/source" && EVENTSTREAM_HYPOTHESIS=quick "$work/test-$name/bin/pytest" -q -p no:cacheprovider $suite)
done

step "the sdist and its wheel with the whole suite, a Cython package against it, and an install without a compiler"
tools/release/dist.sh "$python" "$sdist" "$@"

step "arm64, cross-compiled and emulated"
status=0
SDIST=$sdist WHEELS=$work/wheels/arm64 tools/foreign.sh "$python" arm64 $suite || status=$?
case $status in
  0)
    "$python" tools/release/contents.py --stripped "$work"/wheels/arm64/*.whl
    "$bin/twine" check --strict "$work"/wheels/arm64/*.whl
    "$bin/check-wheel-contents" "$work"/wheels/arm64/*.whl
    ;;
  3) skipped+=("the wheel for arm64") ;;
  *) exit "$status" ;;
esac

mkdir -p dist
rm -f dist/*.whl dist/*.tar.gz
cp "$sdist" "$work"/wheels/*/*.whl dist/
step "in dist/"
(cd dist && ls -l | awk 'NR > 1 { print $5, $9 }')
[ ${#skipped[@]} -eq 0 ] || printf 'skipped: %s\n' "${skipped[@]}"
step "still to fill in"
"$python" tools/release/todo.py
