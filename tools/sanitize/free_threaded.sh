#!/usr/bin/env bash
# Builds a Python without the GIL and with the thread sanitizer: tools/sanitize/free_threaded.sh PREFIX
#
# Its source is that of Debian's newest release with Python 3.13, from the mirror that this machine's apt uses; nothing is
# installed, and apt's own state is left alone. CLANG names the compiler (clang-19). Exit 3: this machine lacks something.
set -euo pipefail
prefix=$(mkdir -p "$1" && cd "$1" && pwd)
clang=${CLANG:-clang-19}
release=trixie
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
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$work/sources.list"
apt=(apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists"
  -o Dir::Cache="$work/cache")
"${apt[@]}" update || missing "the source packages of $release cannot be fetched"
(cd "$work/download" && "${apt[@]}" source --download-only python3.13) || missing "the source cannot be fetched"
tar -xJf "$work"/download/*.orig.tar.xz -C "$work/source" --strip-components=1

echo "free_threaded.sh: building Python 3.13 into $prefix"
cd "$work/source"
{
  ./configure --quiet --prefix="$prefix" --disable-gil --with-thread-sanitizer --without-ensurepip \
    --disable-test-modules CC="$clang" &&
    nice -n 15 make -s -j"$(nproc)" && make -s install
} > "$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }
cp Tools/tsan/suppressions_free_threading.txt "$prefix/suppressions.txt"
