"""The CRC-32 kernels, each by its name, against `zlib` and `crcmod`; beside pages that may not be touched."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import crc32_tables
import pytest
from cases import each
from programs import FREE_THREADED

ALIGNMENTS = range(16)
MAX_LENGTH = 4096
PROJECT = Path(__file__).parent.parent
CPUINFO = Path("/proc/cpuinfo")
SLOWED_BY_512_BITS = {0x6A, 0x6C, 0x7D, 0x7E, 0x9D, 0x8C, 0x8D}
"""The models of Intel's Ice Lake and Tiger Lake, which lower their frequency for 512-bit vectors."""
EMULATED = "vgpreload" in os.environ.get("LD_PRELOAD", "")  # valgrind's CPU is another than Linux knows of
CHECK = 0xCBF43926
"""The CRC-32 of b"123456789", as every description of it gives."""


class Area:
    """Two pages or more, with a page on either side that may not be touched, where the system can do that."""

    def __init__(self) -> None:
        page = mmap.PAGESIZE
        self.size = -(-2 * MAX_LENGTH // page) * page
        self.memory = mmap.mmap(-1, self.size + 2 * page)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.view = memoryview(self.memory)[page : page + self.size]
        self.guarded = self._protect(0) and self._protect(page + self.size)

    def _protect(self, offset: int) -> bool:
        try:
            mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        except (AttributeError, OSError, TypeError):
            return False
        mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        return mprotect(self.address + offset, mmap.PAGESIZE, 0) == 0

    def at_the_start(self, alignment: int, length: int) -> memoryview:
        return self.view[alignment : alignment + length]

    def at_the_end(self, alignment: int, length: int) -> memoryview:
        return self.view[self.size - alignment - length : self.size - alignment]


@pytest.fixture(scope="module")
def area() -> Area:
    area = Area()
    area.view[:] = random.Random(32).randbytes(area.size)
    return area


@pytest.fixture(scope="module")
def target() -> Area:
    return Area()


Stretch = tuple[tuple[int, int], memoryview, int]


@pytest.fixture(scope="module")
def stretches(area: Area) -> dict[str, list[Stretch]]:
    """Return every alignment and length, the bytes there at the start of the area or its end, and `zlib`'s CRC."""
    where = list(itertools.product(ALIGNMENTS, range(MAX_LENGTH + 1)))
    found: dict[str, list[Stretch]] = {}
    for place, take in (("start", area.at_the_start), ("end", area.at_the_end)):
        found[place] = [(at, source := take(*at), zlib.crc32(source)) for at in where]
    return found


def test_kernels_have_names(native):
    names = native._crc32_kernels()
    assert isinstance(names, tuple)
    assert all(type(name) is str for name in names)
    assert len(set(names)) == len(names)
    assert names[-1] == "portable"


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists() or EMULATED,
    reason="it knows Linux's names of x86-64's features",
)
def test_kernels_are_those_that_this_cpu_can_run(native):
    facts = dict(re.findall(r"^([^\t:]+)\t*: ?(.*)", CPUINFO.read_text(), re.MULTILINE))
    flags = set(facts["flags"].split())
    if facts["vendor_id"] != "GenuineIntel" or int(facts["model"]) not in SLOWED_BY_512_BITS:
        flags.add("fast 512")
    needed = {"portable": set(), "x86-pclmulqdq": {"pclmulqdq", "ssse3", "sse4_1"}}
    needed["x86-vpclmulqdq-avx2"] = needed["x86-pclmulqdq"] | {"avx", "avx2", "vpclmulqdq"}
    needed["x86-vpclmulqdq-avx512vl"] = needed["x86-vpclmulqdq-avx2"] | {"avx512f", "avx512bw", "avx512vl"}
    needed["x86-vpclmulqdq-avx512"] = needed["x86-vpclmulqdq-avx512vl"] | {"fast 512"}
    assert list(native._crc32_kernels()) == [name for name in reversed(needed) if needed[name] <= flags]


@pytest.mark.parametrize("options", [[], ["-DES_VPCLMULQDQ_IMPLIES_AVX512"]], ids=["any compiler", "as with MSVC"])
def test_kernel_dispatch_on_cpus_that_are_not_here(native, tmp_path, options):
    compiler = shutil.which("cc")
    if platform.machine() != "x86_64" or compiler is None:
        pytest.skip("this takes a C compiler for x86-64")
    program = tmp_path / "dispatch"
    source = [f"-I{PROJECT / 'eventstream' / '_crc32'}", str(PROJECT / "tools" / "crc32_dispatch.c")]
    # A sanitizer that this process was started with would judge the compiler, too.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([compiler, "-O0", *options, *source, "-o", str(program)], check=True, timeout=600, env=environment)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"crc32_dispatch: [1-9]\d* CPUs, 0 failures\n", done.stdout)


def test_unknown_kernel_is_refused(native):
    with pytest.raises(ValueError, match="abacus"):
        native._crc32("abacus", b"")
    with pytest.raises(ValueError, match="abacus"):
        native._crc32_copy("abacus", bytearray(1), b"")
    with pytest.raises(ValueError, match="abacus"):
        native._use_kernel("abacus")


def test_kernel_in_use(native, kernel):
    """Messages of every kind of length, made with one kernel and read with the other."""
    fastest = native._crc32_kernels()[0]
    for length in (0, 1, 100, 3000, 20_000, 100_000):
        for first, second in ((kernel, fastest), (fastest, kernel)):
            try:
                native._use_kernel(first)
                wire = native.encode({"n": length}, bytes(length))
                native._use_kernel(second)
                assert native.decode(wire).payload == native.decode(bytearray(wire)).payload == bytes(length)
            finally:
                native._use_kernel(fastest)


def test_check_value(native, kernel):
    assert native._crc32(kernel, b"123456789") == CHECK
    target = bytearray(9)
    assert native._crc32_copy(kernel, target, b"123456789") == CHECK
    assert target == b"123456789"


def test_nothing(native, kernel):
    for crc in (0, 1, CHECK, 0xFFFFFFFF):
        assert native._crc32(kernel, b"", crc) == crc
        assert native._crc32_copy(kernel, bytearray(), b"", crc) == crc


def test_guard_pages_are_in_place(area, target):
    if not (area.guarded and target.guarded):
        pytest.skip("no mprotect here")


@pytest.mark.parametrize("place", ["start", "end"])
def test_length_and_alignment_of_any_value_beside_a_guard_page(native, kernel, stretches, place):
    crc32 = native._crc32
    for at, source, crc in stretches[place]:
        assert crc32(kernel, source) == crc, at


@pytest.mark.parametrize("place", ["start", "end"])
def test_copy_of_every_length_and_alignment_beside_a_guard_page(native, kernel, target, stretches, place):
    """The source and the target differ in alignment; the bytes around the target stay as they are."""
    copy, view = native._crc32_copy, target.view
    fill = b"\xa5" * target.size
    view[:] = fill
    for (alignment, length), source, crc in stretches[place]:
        other = (alignment * 5 + length // 16) % 16
        start = other if place == "start" else target.size - other - length
        stop = start + length
        written = view[start:stop]
        assert copy(kernel, written, source) == crc, (alignment, length)
        first, last = max(start - 64, 0), stop + 64
        assert bytes(view[first:last]) == b"%b%b%b" % (fill[first:start], source, fill[stop:last]), (alignment, length)
        written[:] = fill[:length]
    assert bytes(view) == fill


CHANGE = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    ones, zeros = bytes([255]) * len(memory), bytes(len(memory))
    print("ready", flush=True)
    while True:
        memory[:] = ones
        memory[:] = zeros
"""


def test_copy_of_what_another_process_changes(native, kernel, tmp_path):
    """The checksum is of the copy, whatever was read."""
    size = 1000
    path = tmp_path / "shared"
    path.write_bytes(bytes(size))
    command = [sys.executable, "-I", "-S", "-c", CHANGE, str(path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        path.open("r+b") as file,
        mmap.mmap(file.fileno(), size) as memory,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().split() == [b"ready"]
            begin, torn = time.monotonic(), False
            for length in itertools.cycle([15, 40, 100, 700]):
                target = bytearray(length)
                crc = native._crc32_copy(kernel, target, memoryview(memory)[size - length :])
                assert crc == zlib.crc32(target), length
                torn = torn or len(set(target)) > 1
                seconds = time.monotonic() - begin
                if seconds > 0.1 and torn:
                    break
                if seconds > 10:
                    pytest.skip("this machine changes nothing in the middle of a copy")
        finally:
            process.kill()


# On a Python without the GIL, the import of its extension would bring the GIL back for all tests, with a warning.
@pytest.mark.skipif(FREE_THREADED, reason="crcmod's extension needs the GIL")
def test_against_crcmod(native, kernel, area):
    crcmod = pytest.importorskip("crcmod")
    independent = crcmod.mkCrcFun(crc32_tables.P, initCrc=0, xorOut=0xFFFFFFFF)
    for alignment in ALIGNMENTS:
        for length in [*range(300), *range(300 + alignment, MAX_LENGTH + 1, 509)]:
            data = bytes(area.at_the_start(alignment, length))
            assert native._crc32(kernel, data) == independent(data), (alignment, length)
            assert native._crc32(kernel, data, CHECK) == independent(data, CHECK), (alignment, length)


def test_crc_can_be_continued(native, kernel, area):
    whole = zlib.crc32(area.view)
    numbers = random.Random(1)
    for _ in range(300):
        cuts = sorted(numbers.randrange(area.size + 1) for _ in range(numbers.randrange(1, 6)))
        crc = copied = 0
        written = bytearray(area.size)
        for start, stop in zip([0, *cuts], [*cuts, area.size], strict=True):
            crc = native._crc32(kernel, area.view[start:stop], crc)
            copied = native._crc32_copy(kernel, memoryview(written)[start:stop], area.view[start:stop], copied)
        assert crc == copied == whole
        assert written == area.view


def test_seeds_of_any_value(native, kernel, area):
    numbers = random.Random(2)
    for length in [*range(260), 1000, 4096]:
        seed = numbers.getrandbits(32)
        data = area.at_the_end(0, length)
        assert native._crc32(kernel, data, seed) == zlib.crc32(data, seed)
        assert native._crc32_copy(kernel, bytearray(length), data, seed) == zlib.crc32(data, seed)


@each("byte", [0x00, 0xFF, 0x80, 0x01])
def test_uniform_data(native, kernel, byte):
    for length in [*range(600), 4096, 65_536, 1_000_003]:
        data = bytes([byte]) * length
        assert native._crc32(kernel, data) == zlib.crc32(data)


def test_bits_count_one_by_one(native, kernel):
    """Each bit of a block as long as the widest kernel's stride and more, alone in zeros."""
    data = bytearray(600)
    for bit in range(8 * len(data)):
        data[bit // 8] = 1 << bit % 8
        assert native._crc32(kernel, data) == zlib.crc32(data)
        data[bit // 8] = 0


@each("length", [65_535, 65_536, 1 << 20, (1 << 20) + 13, 5_000_000])
def test_long_data(native, kernel, length):
    data = random.Random(length).randbytes(length)
    target = bytearray(length + 2)
    assert native._crc32(kernel, data) == zlib.crc32(data)
    assert native._crc32_copy(kernel, memoryview(target)[1:-1], data) == zlib.crc32(data)
    assert target[1:-1] == data
    assert target[0] == target[-1] == 0


@each("length", [8191, 8192, 8255, 16_383, 16_384, 16_447])
def test_copy_to_every_place_in_a_cache_line(native, kernel, length):
    """From some length on the first bytes are copied apart, so that the stores of the others are aligned."""
    data = random.Random(length).randbytes(length)
    crc = zlib.crc32(data, 99)
    for place in range(64):
        target = bytearray(b"." * (length + 128))
        assert native._crc32_copy(kernel, memoryview(target)[place : place + length], data, 99) == crc
        assert target == b"." * place + data + b"." * (128 - place)


def test_target_may_be_longer_but_not_shorter(native, kernel):
    target = bytearray(b"." * 20)
    assert native._crc32_copy(kernel, target, b"123456789") == CHECK
    assert target == b"123456789" + b"." * 11
    with pytest.raises(ValueError, match="short"):
        native._crc32_copy(kernel, bytearray(8), b"123456789")


def test_tables_are_those_that_follow_from_the_polynomial():
    """Re-derived here from the polynomial alone."""
    tables = Path(__file__).parent.parent / "eventstream" / "_crc32" / "tables.h"
    if not tables.exists():
        pytest.skip("the sources are not here")
    assert tables.read_text(encoding="ascii") == crc32_tables.render()


def test_polynomial_is_gzip_s():
    """So are its table of single bytes, and the CRC that it gives."""
    assert crc32_tables.P == 0x104C11DB7
    table = crc32_tables.slices()[0]
    crc = 0xFFFFFFFF
    for byte in b"123456789":
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    assert crc ^ 0xFFFFFFFF == CHECK
