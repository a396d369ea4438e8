#!/usr/bin/env bash
# The virtual environments of the Makefile, with one sentence for what can be wrong with a machine.
#
#   tools/environment.sh python                print the Python to use: DEPENDENCIES=lowest takes the oldest that is
#                                              supported, newest the newest one here, locked `python3`
#   tools/environment.sh create VENV [PYTHON]  make the environment
#   tools/environment.sh group VENV GROUP      install a dependency group of pyproject.toml
#   tools/environment.sh package VENV          build this package, and install it as editable
#
# DEPENDENCIES says which versions: `locked` (requirements/, the default), `lowest` (requirements/lowest/), or `newest`
# (whatever the index has today). Packages without a wheel are built with the tools of the group `build`.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${DEPENDENCIES:-locked}
oldest=3.10
kept=.cache/pip.log
log=${TMPDIR:-/tmp}/eventstream-install.$$.log
trap 'rm -f "$log"' EXIT
export PIP_RETRIES=${PIP_RETRIES:-2} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

stop() { printf 'make: %s\n' "$*" >&2; exit 1; }

case $mode in
  locked) requirements=requirements ;;
  lowest) requirements=requirements/lowest ;;
  newest) ;;
  *) stop "DEPENDENCIES=$mode is not known: use locked, lowest or newest." ;;
esac

# A Python of this minor version that runs: on PATH, or one of pyenv's. A pyenv shim may be there and not run.
python_of() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
    if "$candidate" -c 'import venv, ensurepip' > /dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

choose_python() {
  case $mode in
    lowest) python_of "$oldest" || stop "DEPENDENCIES=lowest needs Python $oldest: install it, or name it with PYTHON=." ;;
    newest)
      for minor in 15 14 13 12 11 10; do
        ! python_of "3.$minor" || return 0
      done
      stop "there is no Python $oldest or newer here: install one, or name it with PYTHON=."
      ;;
    *) echo python3 ;;
  esac
}

# pip ARGUMENT...: quiet, unless it fails; then one sentence, below pip's own words where it has no better ones
pip() {
  local status=0
  "$venv/bin/python" -m pip --quiet "$@" > "$log" 2>&1 || status=$?
  ((status)) || return 0
  mkdir -p "${kept%/*}"
  cp "$log" "$kept"
  if grep -qi 'do not match the hashes' "$log"; then
    stop "a package is not the one that $requirements/ names (wrong hash): empty pip's cache (pip cache purge) and try" \
      "again; if that does not help, the index or a proxy changes packages, so do not install them ($kept names them)."
  elif grep -q '^WARNING: Retrying ' "$log" && ! grep -q subprocess-exited-with-error "$log"; then
    stop "the package index cannot be reached: check the network and pip's settings (pip config list), and try again" \
      "($kept has pip's own words)."
  elif [[ $mode != newest ]] && grep -qi 'no matching distribution' "$log"; then
    stop "the index that pip uses is out of reach, or lacks a version that $requirements/ names: check the network and" \
      "pip's settings (pip config list), and try again ($kept has pip's own words)."
  fi
  cat "$log" >&2
  stop "pip failed with the messages above; after mending that, run make again."
}

create() { # VENV [PYTHON]
  local venv=$1 python
  python=${2:-$(choose_python)}
  "$python" -c '' 2> /dev/null ||
    stop "$python does not run: install Python $oldest or newer, or name one that is here, e.g. make PYTHON=/usr/bin/python3."
  "$python" -c "import sys; sys.exit(sys.version_info < (${oldest/./, }))" ||
    stop "$("$python" --version 2>&1) is too old: this package needs Python $oldest or newer, so name one with PYTHON=."
  "$python" -c 'import venv, ensurepip' 2> /dev/null ||
    stop "$python cannot make virtual environments, as it lacks ensurepip: install it (Debian: apt-get install" \
      "python3-venv), or name another Python with PYTHON=."
  rm -rf "$venv"
  "$python" -m venv "$venv" > "$log" 2>&1 || { cat "$log" >&2; stop "$python cannot make a virtual environment in $venv."; }
}

group() { # GROUP
  if [[ $mode == newest ]]; then
    # A package built in an environment of its own would bring build tools of any version.
    if [[ $1 == pip ]]; then pip install --upgrade pip; else pip install --upgrade --no-build-isolation --group "$1"; fi
    return
  fi
  local file=$requirements/$1.txt
  [[ $1 != pip ]] || file=requirements/pip.txt
  [[ -f $file ]] || stop "there are no $mode versions of the group $1: $file is missing, which make lock writes."
  pip install --require-hashes --no-deps --no-build-isolation --requirement "$file"
}

package() {
  local tested
  if [[ ${EVENTSTREAM_PURE_PYTHON:-0} =~ ^0?$ ]]; then
    tested=$("$venv/bin/python" -c 'import os, shlex, sysconfig
print(*shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[:1], sysconfig.get_path("include"))')
    command -v "${tested% *}" > /dev/null ||
      stop "there is no C compiler (${tested% *}): install one (Debian: apt-get install gcc libc6-dev), or use the slow" \
        "Python implementation with EVENTSTREAM_PURE_PYTHON=1."
    [[ -f ${tested##* }/Python.h ]] ||
      stop "the C headers of Python are missing (${tested##* }/Python.h): install them (Debian: apt-get install" \
        "python3-dev), or use the slow Python implementation with EVENTSTREAM_PURE_PYTHON=1."
    export EVENTSTREAM_REQUIRE_NATIVE=1
  fi
  PYTHONWARNINGS=ignore pip install --no-build-isolation --no-deps --editable .
}

case $1 in
  python) choose_python ;;
  create) create "${@:2}" ;;
  group) venv=$2 && group "$3" ;;
  package) venv=$2 && package ;;
  *) stop "tools/environment.sh: unknown command $1." ;;
esac
