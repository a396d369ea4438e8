#!/usr/bin/env bash
# What takes too long for each change: tools/release/long.sh MAKE
#
# Two at once. What one of them prints is seen when the other has ended.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/beside.sh

step "soak, coverage and portability; beside them sanitizers and planted faults, which are shown at the end"
beside "$1" sanitize planted
"$1" soak
"$1" coverage
"$1" portability
step "sanitizers and planted faults"
joined
step "done"
