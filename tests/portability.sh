#!/usr/bin/env bash
# The checksum kernels as C programs against a bit-at-a-time CRC: natively, and for each CPU for which there is a
# cross-compiler and an emulator (Debian: gcc-aarch64-linux-gnu gcc-s390x-linux-gnu libc6-dev-arm64-cross
# libc6-dev-s390x-cross qemu-user). What cannot be run is named.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

check() { # NAME COMPILER EMULATOR... -- ARGUMENT...
  local name=$1 compiler=$2 runner=()
  shift 2
  while [ "$1" != -- ]; do runner+=("$1"); shift; done
  shift
  if ! command -v "$compiler" > /dev/null || { [ ${#runner[@]} -gt 0 ] && ! command -v "${runner[0]}" > /dev/null; }; then
    echo "$name: skipped, as ${compiler} or ${runner[0]:-nothing} is not here"
    return
  fi
  local static=()
  [ ${#runner[@]} -eq 0 ] || static=(-static)
  "$compiler" -std=c11 -O2 -Wall -Wextra -Werror "${static[@]}" -Ieventstream/_crc32 -o "$build/$name" \
    tests/crc32_check.c eventstream/_crc32/crc32.c
  echo "$name:"
  "${runner[@]}" "$build/$name" "$@"
}

check native "${CC:-cc}" --
check arm64 aarch64-linux-gnu-gcc qemu-aarch64 -- 7 arm64-pmull
check s390x s390x-linux-gnu-gcc qemu-s390x -- 7 portable
if [ "$(uname -m)" = x86_64 ]; then
  for cpu in qemu64 Nehalem Westmere,-pclmulqdq Westmere,-ssse3 Westmere,-sse4.1; do
    check "x86-64-$cpu" "${CC:-cc}" qemu-x86_64 -cpu "$cpu" -- 37 portable
  done
  for cpu in Westmere Westmere,level=4 Haswell; do
    check "x86-64-$cpu" "${CC:-cc}" qemu-x86_64 -cpu "$cpu" -- 7 x86-pclmulqdq
  done
fi
