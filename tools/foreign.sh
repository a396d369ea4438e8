#!/usr/bin/env bash
# The whole suite on another CPU's Python, emulated: tools/foreign.sh PYTHON ARCHITECTURE [OPTION ...]
#
# ARCHITECTURE is Debian's name: arm64, s390x (big-endian), i386 or armhf (32 bits). The Python is the one of this
# machine's release, from apt's own sources, unpacked into .cache/portability/ARCHITECTURE; dpkg and apt's own state
# are left alone. qemu-user runs it, or for i386 an x86-64 itself; a cross-compiler builds the extension; PYTHON's pip
# and Cython serve both. Packages without a wheel for the CPU its own Python builds, with the cross-compiler.
# The options are pytest's. Exit 3: this machine lacks what is needed, which is named.
#
# With SDIST the package is not built from the sources here: a wheel is built from this sdist as a release has it,
# repaired by the auditwheel beside PYTHON, kept in the folder WHEELS, and tested.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
architecture=$2
shift 2

case $architecture in
  arm64) triplet=aarch64-linux-gnu emulator=qemu-aarch64 machine=aarch64 ;;
  s390x) triplet=s390x-linux-gnu emulator=qemu-s390x machine=s390x ;;
  i386) triplet=i686-linux-gnu emulator=qemu-i386 machine=i686 ;;
  armhf) triplet=arm-linux-gnueabihf emulator=qemu-arm machine=armv7l ;;
  *) echo "tools/foreign.sh: unknown architecture $architecture" >&2; exit 2 ;;
esac
for tool in "$emulator" "$triplet-gcc" apt-get dpkg-deb; do
  command -v "$tool" > /dev/null || { echo "$architecture: $tool is not here"; exit 3; }
done

base=$PWD/.cache/portability/$architecture
root=$base/root
environment=$base/environment
mkdir -p "$base"
quietly() { "$@" > "$base/log" 2>&1 || { cat "$base/log" >&2; exit 1; }; }

# The Python, with its headers. An update that fails in part may still have fetched what is needed.
if [ ! -e "$base/unpacked" ]; then
  rm -rf "$root" "$base/apt"
  mkdir -p "$root" "$base"/apt/{lists,archives}/partial
  : > "$base/apt/status"
  options=(
    -o Dir::State="$base/apt" -o Dir::State::Lists="$base/apt/lists" -o Dir::State::status="$base/apt/status"
    -o Dir::Cache="$base/apt" -o Dir::Cache::Archives="$base/apt/archives" -o APT::Sandbox::User=
    -o APT::Architecture="$architecture" -o APT::Architectures="$architecture"
    -o APT::Architectures::="$architecture" -o Acquire::Languages=none
  )
  apt-get "${options[@]}" -qq update || true
  quietly apt-get "${options[@]}" -qq -y --no-install-recommends --download-only install python3 libpython3-dev
  for package in "$base"/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  rm -r "$base/apt"
  touch "$base/unpacked"
fi

# A virtual environment of it. Its python is a script, so that the tests' own processes are emulated too.
interpreter=$(basename "$(readlink "$root/usr/bin/python3")")
packages=$environment/lib/$interpreter/site-packages
mkdir -p "$environment/bin" "$packages"
run="$emulator -L \"$root\" -0"
if [ "$architecture" = i386 ] && "$root/lib/ld-linux.so.2" --version > /dev/null 2>&1; then # most x86-64 can
  run="\"$root/lib/ld-linux.so.2\" --library-path \"$root/lib/i386-linux-gnu:$root/usr/lib/i386-linux-gnu\" --argv0"
fi
echo "home = $root/usr/bin" > "$environment/pyvenv.cfg"
cat > "$environment/bin/python" << SCRIPT
#!/bin/sh
exec $run "\$0" "$root/usr/bin/$interpreter" "\$@"
SCRIPT
chmod +x "$environment/bin/python"
export PYTHONPYCACHEPREFIX=$base/bytecode PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# What the tests need: wheels by this machine's pip, which is fast, and what has none from source. Only trustme may
# be missing: TLS is then not tested.
if [ ! -e "$base/installed" ]; then
  wheels=(--target "$packages" --upgrade --no-compile --only-binary=:all: --implementation cp --no-warn-conflicts
    --python-version "${interpreter#python}" --platform "manylinux2014_$machine")
  locked=(--constraint requirements/build.txt --constraint requirements/demo.txt --constraint requirements/test.txt)
  for minor in 5 17 28 31 34; do wheels+=(--platform "manylinux_2_${minor}_$machine"); done
  quietly "$python" -m pip install "${wheels[@]}" "${locked[@]}" hypothesis pytest pytest-benchmark pytest-xdist \
    botocore click h11 h2 rich websockets setuptools setuptools-scm
  "$python" -m pip install "${wheels[@]}" "${locked[@]}" trustme > "$base/log" 2>&1 ||
    echo "$architecture: there is no wheel of cryptography for trustme, so TLS is not tested"
  # What has no wheel is fetched here, too, and only built under emulation.
  sources=(crcmod)
  for package in msgspec PyYAML; do
    "$python" -m pip install "${wheels[@]}" "${locked[@]}" "$package" > "$base/log" 2>&1 || sources+=("$package")
  done
  for package in "${sources[@]}"; do
    quietly "$python" -m pip download --no-deps --no-binary "$package" --no-build-isolation "${locked[@]}" \
      --dest "$base/sources" "$package"
  done
  CFLAGS=-I$root/usr/include quietly "$python" -m pip --python "$environment/bin/python" install --no-deps --no-index \
    --no-build-isolation "$base"/sources/*
  touch "$base/installed"
fi

# The package: the wheel that SDIST makes, or the sources as they are here.
rm -rf "$packages"/eventstream*
suffix=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
headers=(-I"$root/usr/include" -I"$root/usr/include/$interpreter")
if [ -n "${SDIST:-}" ]; then
  # The Python that builds names the wheel, so it is one of the same version; the headers are those of the other CPU.
  for host in "$interpreter" "${PYENV_ROOT:-$HOME/.pyenv}/versions/${interpreter#python}".*/bin/python3 ""; do
    ! "$host" -c 'import ensurepip, venv' 2> /dev/null || break
  done
  [ -n "$host" ] || { echo "$architecture: to build the wheel takes a $interpreter on this machine"; exit 3; }
  rm -rf "$base/build"
  mkdir -p "$base/build/source" "$WHEELS"
  tar -xzf "$SDIST" -C "$base/build/source" --strip-components=1
  tools/environment.sh create "$base/build/venv" "$host"
  for group in pip build; do tools/environment.sh group "$base/build/venv" "$group"; done
  (
    cd "$base/build/source"
    export _PYTHON_HOST_PLATFORM=linux-$machine SETUPTOOLS_EXT_SUFFIX=$suffix EVENTSTREAM_REQUIRE_NATIVE=1
    CC=$triplet-gcc LDSHARED="$triplet-gcc -shared" CFLAGS="-g0 ${headers[*]}" LDFLAGS=-Wl,--strip-all \
      quietly "$base/build/venv/bin/python" -m pip wheel --no-build-isolation --no-deps --no-cache-dir \
      --wheel-dir "$base/build/wheel" .
  )
  PATH=${python%/*}:$PATH quietly "${python%/*}/auditwheel" repair --wheel-dir "$WHEELS" "$base"/build/wheel/*.whl
  quietly "$python" -m zipfile -e "$WHEELS"/*.whl "$packages"
else
  cp -r eventstream "$packages/"
  rm -f "$packages"/eventstream/*.so "$packages/eventstream/_native.c"
  quietly "$python" setup.py egg_info --egg-base "$packages" # its metadata
  "$python" -m cython eventstream/_native.pyx -o "$base/_native.c"
  "$triplet-gcc" -O2 -g1 -fPIC -shared -Ieventstream "${headers[@]}" \
    -o "$packages/eventstream/_native$suffix" "$base/_native.c" eventstream/_crc32/crc32.c
fi

# PYTHONSAFEPATH: not the sources here, which have no extension for that CPU.
export PYTHONSAFEPATH=1 EVENTSTREAM_HYPOTHESIS=${EVENTSTREAM_HYPOTHESIS:-quick}
"$environment/bin/python" - "$packages" << 'PYTHON'
import platform, struct, sys
import eventstream._native as native
assert native.__file__.startswith(sys.argv[1]), native.__file__
bits = 8 * struct.calcsize("P")
print(f"Python {platform.python_version()}, {platform.machine()}, {bits} bits, {sys.byteorder}-endian",
      "with the kernels", *native._crc32_kernels(), flush=True)
PYTHON
# An emulator does not limit the memory of what it runs, and aborts where a process that was forked beside threads starts
# one. Of other libraries' floats i386 keeps more digits than others.
deselected=()
[[ $run != "$emulator"* ]] ||
  deselected+=(--deselect tests/test_native.py::test_memory_that_is_short_is_a_memory_error
    --deselect tests/test_sync.py::test_forked_process_has_streams_of_its_own)
[[ $architecture != i386 ]] || deselected+=(--deselect tests/peers/test_matrix.py)
"$environment/bin/python" -m pytest -q -p no:cacheprovider --numprocesses "$(getconf _NPROCESSORS_ONLN)" --dist worksteal \
  "${deselected[@]}" "$@"
