# Sourced by the checks, with their arguments: what is tested, and the build and the environment of the one that is running.
# They end with 3 where this machine lacks something.
set -euo pipefail
name=$(basename "$0" .sh)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
cd "$(dirname "$0")/../.."
base=$PWD/.cache/sanitize/$name
environments=${SANITIZE_ENVIRONMENTS:-$PWD/.cache/sanitize}  # those that take long to make, and serve other trees as well
mkdir -p "$base"
rm -rf "$base/build"
export PYTHONDONTWRITEBYTECODE=1

# The modules that run the native code in the test's own process, and no other library that has native code.
modules=()
for module in captures crc32 decisions decode decoder encode headers message streams twins; do
  modules+=("tests/test_$module.py")
done

# A sanitizer writes to stderr, where pytest would swallow it.
options=(--capture=sys -p no:cacheprovider)

missing() { echo "$name: skipped. $*" >&2; exit 3; }

# environment INTERPRETER PACKAGE...: a virtual environment, in $venv, with the locked versions. `without_wheel` names a
# package whose locked version has no wheel for this Python: the newest that has one is taken.
environment() {
  venv=$environments/$name-environment
  [[ $(cat "$venv/complete" 2> /dev/null) != "$1" ]] || return 0
  "$1" -m venv --clear --without-pip "$venv"
  sed -nE 's/ \\$//; /^[^ #]+==/p' requirements/build.txt requirements/test.txt |
    grep -v "^${without_wheel:-nothing}==" > "$base/constraints.txt"
  # Wheels alone: what has to be built may not know such a Python.
  "$python" -m pip --quiet --python "$venv/bin/python" install --only-binary :all: --constraint "$base/constraints.txt" \
    setuptools Cython hypothesis pytest pytest-benchmark "${@:2}"
  echo "$1" > "$venv/complete"
}

# build INTERPRETER: the extension, with CFLAGS and CC of the environment; it is what is imported from now on
build() {
  EVENTSTREAM_REQUIRE_NATIVE=1 "$1" -W ignore setup.py --quiet build --build-base "$base/build" > "$base/build.log" 2>&1 ||
    { cat "$base/build.log" >&2; exit 1; }
  library=$(echo "$base"/build/lib.*)
  export PYTHONPATH=$library${PYTHONPATH:+:$PYTHONPATH}
}

# is_loaded COMMAND...: whether this Python imports the extension that was built here
is_loaded() {
  local loaded
  loaded=$(cd "$base" && "$@" -c 'import eventstream._native as native; print(native.__file__)')
  [[ $loaded == "$library"/* ]] || { echo "the extension under test is not the one built here: $loaded" >&2; exit 1; }
}
