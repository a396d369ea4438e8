#!/usr/bin/env bash
# Builds a Python without the GIL and with the thread sanitizer: tools/sanitize/free_threaded.sh PREFIX
#
# Its source is Debian's, from the mirror that this machine's apt uses: Python 3.14 as the testing release has it, or else
# 3.14.7, or else the 3.13 of the stable one. Of a testing release the index may name files that a mirror does not have
# yet, or any more. Nothing is installed, and apt's own state is left alone. CLANG names the compiler (clang-19). Exit 3:
# this machine lacks something.
set -euo pipefail
prefix=$(mkdir -p "$1" && cd "$1" && pwd)
clang=${CLANG:-clang-19}
missing() { echo "free_threaded.sh: $*" >&2; exit 3; }
command -v "$clang" > /dev/null || missing "$clang is missing: apt-get install clang-19 libclang-rt-19-dev llvm-19"
command -v apt-get > /dev/null || missing "there is no apt-get to fetch the source with"
[[ -e /usr/include/ffi.h || -n $(find /usr/include -name ffi.h -print -quit) ]] ||
  missing "headers are missing: apt-get install libffi-dev zlib1g-dev"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2> /dev/null | head -1)
[[ -n $mirror ]] || missing "apt knows no Debian mirror here: run apt-get update"
mkdir -p "$work"/{lists,cache/archives}/partial "$work/download" "$work/source"
chmod -R a+rwX "$work"
apt=(apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists"
  -o Dir::Cache="$work/cache")
# RELEASE PACKAGE: fetch a source package as the release's signed index names it
indexed() {
  rm -f "$work/download"/*
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" > "$work/sources.list"
  (cd "$work/download" && "${apt[@]}" update && "${apt[@]}" source --download-only "$2")
}
# FILE SHA256: fetch a file of the pool that may be in no index now
pinned() {
  rm -f "$work/download"/*
  /usr/lib/apt/apt-helper download-file "${mirror%/}/pool/main/p/$1" "$work/download/${1##*/}" "SHA256:$2"
}
{
  indexed forky python3.14 ||
    pinned python3.14/python3.14_3.14.7.orig.tar.xz 3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81 ||
    indexed trixie python3.13
} > "$work/log" 2>&1 || { cat "$work/log" >&2; missing "the source cannot be fetched"; }
archive=$(find "$work/download" -name '*.orig.tar.xz')
tar -xJf "$archive" -C "$work/source" --strip-components=1

echo "free_threaded.sh: building $(basename "$archive" .orig.tar.xz) into $prefix"
cd "$work/source"
{
  ./configure --quiet --prefix="$prefix" --disable-gil --with-thread-sanitizer --without-ensurepip \
    --disable-test-modules CC="$clang" &&
    nice -n 15 make -s -j"$(nproc)" && make -s install
} > "$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }
cp Tools/tsan/suppressions_free_threading.txt "$prefix/suppressions.txt"
