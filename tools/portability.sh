#!/usr/bin/env bash
# The package on other CPUs, as far as this machine can emulate them: tools/portability.sh PYTHON [OPTION ...]
#
# First the checksum kernels as C programs against a bit-at-a-time CRC: natively, for each CPU for which there are a
# cross-compiler and an emulator, and on x86-64 for older CPUs, where the choice of kernels walks down. Then that choice
# in PYTHON's extension. Then the whole suite on the Pythons of ARCHITECTURES (tools/foreign.sh, which takes the options):
# by default 64 bits little- and big-endian, and 32 bits. What cannot be run is named; on Debian 12 all of it needs
#   apt-get install qemu-user gcc-{aarch64,s390x,i686}-linux-gnu gcc-arm-linux-gnueabihf \
#     libc6-dev-{arm64,s390x,i386,armhf}-cross gcc-mingw-w64-x86-64 wine64 wine
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
skipped=()

check() { # NAME COMPILER EMULATOR... -- ARGUMENT...
  local name=$1 compiler=$2 runner=()
  shift 2
  while [ "$1" != -- ]; do runner+=("$1"); shift; done
  shift
  if ! command -v "$compiler" > /dev/null || { [ ${#runner[@]} -gt 0 ] && ! command -v "${runner[0]}" > /dev/null; }; then
    echo "$name: skipped, as ${compiler} or ${runner[0]:-nothing} is not here"
    skipped+=("the kernels on $name")
    return
  fi
  local static=()
  [ ${#runner[@]} -eq 0 ] || static=(-static)
  "$compiler" -std=c11 -O2 -Wall -Wextra -Werror "${static[@]}" -Ieventstream/_crc32 -o "$build/$name" \
    tools/crc32_check.c eventstream/_crc32/crc32.c
  echo "$name:"
  "${runner[@]}" "$build/$name" "$@"
}

# The choice of kernels on x86 CPUs that are not here, and the same under MSVC, whose 256-bit VPCLMULQDQ needs AVX-512.
for option in "" -DES_VPCLMULQDQ_IMPLIES_AVX512; do
  "${CC:-cc}" -std=c11 -Wall -Wextra -Werror $option -Ieventstream/_crc32 -o "$build/dispatch" tools/crc32_dispatch.c
  "$build/dispatch"
done

check native "${CC:-cc}" --
check arm64 aarch64-linux-gnu-gcc qemu-aarch64 -- 7 arm64-pmull
check s390x s390x-linux-gnu-gcc qemu-s390x -- 7 portable
check i386 i686-linux-gnu-gcc qemu-i386 -- 7 x86-pclmulqdq
check armhf arm-linux-gnueabihf-gcc qemu-arm -- 7 portable
if [ "$(uname -m)" = x86_64 ]; then
  # No CPU has SSE4.2 without the others, and glibc, where it finds SSE4.2, compares strings by instructions of SSSE3: which
  # ones depends on how they are aligned, and so on the environment.
  for cpu in qemu64 Nehalem Westmere,-pclmulqdq Westmere,-ssse3,-sse4.2 Westmere,-sse4.1,-sse4.2; do
    check "x86-64-$cpu" "${CC:-cc}" qemu-x86_64 -cpu "$cpu" -- 37 portable
  done
  for cpu in Westmere Westmere,level=4 Haswell; do
    check "x86-64-$cpu" "${CC:-cc}" qemu-x86_64 -cpu "$cpu" -- 7 x86-pclmulqdq
  done
fi

# The Windows build. Wine runs it on this machine's own CPU, so the first choice must be the same as here.
if [ "$(uname -m)" = x86_64 ]; then
  export WINEPREFIX=$build/wine WINEDEBUG=-all
  mkdir "$WINEPREFIX"
  check windows.exe x86_64-w64-mingw32-gcc wine -- 7 \
    "$("$python" -c 'from eventstream import _native; print(_native._crc32_kernels()[0])')"
  ! command -v wineserver > /dev/null || wineserver -w # until its own files are written
fi

# The kernels that the extension must offer on a CPU, the chosen one first.
if [ "$(uname -m)" = x86_64 ] && command -v qemu-x86_64 > /dev/null; then
  for expected in Nehalem:portable Westmere:x86-pclmulqdq,portable; do
    found=$(qemu-x86_64 -cpu "${expected%%:*}" "$python" -c \
      'from eventstream import _native; print(*_native._crc32_kernels(), sep=",")')
    echo "the extension on x86-64-${expected%%:*}: $found"
    [ "$found" = "${expected#*:}" ] || { echo "expected: ${expected#*:}" >&2; exit 1; }
  done
  # One test reads in /proc what this machine's own CPU can do; the emulated one has just been looked at.
  echo "the suite's part for checksums and encoding on x86-64-Nehalem:"
  EVENTSTREAM_HYPOTHESIS=quick qemu-x86_64 -cpu Nehalem "$python" -m pytest -q -p no:cacheprovider \
    --deselect tests/test_crc32.py::test_kernels_are_those_that_this_cpu_can_run \
    tests/test_crc32.py tests/test_encode.py
fi

for architecture in ${ARCHITECTURES-arm64 s390x i386}; do
  echo "the suite on $architecture:"
  status=0
  tools/foreign.sh "$python" "$architecture" "$@" || status=$?
  case $status in
    0) ;;
    3) skipped+=("the suite on $architecture") ;;
    *) exit "$status" ;;
  esac
done
[ ${#skipped[@]} -eq 0 ] || printf 'skipped: %s\n' "${skipped[@]}"
