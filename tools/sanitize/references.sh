#!/usr/bin/env bash
# References that are never given back, on a debug Python, which counts them: tools/sanitize/references.sh PYTHON [OPTION ...]
#
# A lost reference to what lives for ever leaks nothing, and no other check sees it. DEBUG_PYTHON names the interpreter.
source "$(dirname "$0")/common.sh"
interpreter=${DEBUG_PYTHON:-python3.11-dbg}
include=$("$interpreter" -c 'import sys, sysconfig; sys.gettotalrefcount(); print(sysconfig.get_path("include"))' 2> /dev/null) &&
  [[ -e $include/Python.h ]] || missing "$interpreter is not here: apt-get install python3.11-dbg python3.11-dev"

export CFLAGS="-O1 -g"
environment "$interpreter"
build "$venv/bin/python"
is_loaded "$venv/bin/python"
PYTHONPATH=$PYTHONPATH:tools/sanitize "$venv/bin/pytest" -p references "${options[@]}" \
  -k "native and not thread" -m "not hypothesis" "$@" "${modules[@]}"
