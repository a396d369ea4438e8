#!/usr/bin/env bash
# The thread sanitizer, on a Python without the GIL that is built with it: tools/sanitize/threads.sh PYTHON [OPTION ...]
#
# No distribution has such a Python; tools/sanitize/free_threaded.sh makes one, which takes some minutes once.
# FREE_THREADED_PYTHON names another, whose compiler is used.
source "$(dirname "$0")/common.sh"
interpreter=${FREE_THREADED_PYTHON:-}
if [[ -z $interpreter ]]; then
  interpreter=$environments/free-threaded-python/bin/python3
  [[ -e $interpreter ]] || tools/sanitize/free_threaded.sh "${interpreter%/bin/*}" || missing "there is no such Python"
fi
suppressions=$(dirname "$(dirname "$interpreter")")/suppressions.txt  # the interpreter's own, which come with its source

export TSAN_OPTIONS="suppressions=$suppressions"
without_wheel=hypothesis
environment "$interpreter"
build "$venv/bin/python"
is_loaded "$venv/bin/python"
(cd "$base" && # where the sources, without the extension, are not imported
  "$venv/bin/python" -c 'import sys, eventstream._native; assert not sys._is_gil_enabled(), "the import has enabled the GIL"')
# In the tests left out another thread writes to the very bytes that are read: a race, but the caller's.
"$venv/bin/pytest" "${options[@]}" -k native \
  --deselect tests/test_decoder.py::test_bytearray_that_another_thread_changes \
  --deselect tests/test_decoder.py::test_encoded_payload_that_another_thread_changes \
  "$@" tests/test_decode.py tests/test_decoder.py tests/test_headers.py
