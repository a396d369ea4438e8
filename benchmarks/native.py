"""Rows of every call against codecs that are not in Python: AWS's in C, and AWS's in Rust by what is known of it.

``PYTHONPATH=tools python -m benchmarks.native`` prints them; ``--kernel NAME`` shows a machine that has no better one.

Rust's cannot be had from a package index. Its time is C's in this run, times the ratio of the two where both were
measured: smithy-rs with crc32fast, on a Zen 5 core, in thread CPU time. For 16 KiB that ratio is extrapolated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import eventstream
from benchmarks.aws_c import AwsC, Unavailable
from benchmarks.calls import HEADERS, KIB, calls, feed, look_up_all, payload_of, signed_wires
from benchmarks.codec import floor
from benchmarks.measure import Loop, Row, Work, compared, duration, times
from eventstream import _native

SIZES = (142, 918, 3200, 16 * KIB)
RUST_OVER_C = {
    "decode": dict(zip(SIZES, (430 / 184, 418 / 434, 603 / 1142, 1670 / 5230), strict=True)),
    "encode": dict(zip(SIZES, (263 / 85, 318 / 318, 493 / 1066, 1500 / 5390), strict=True)),
}
"""Nanoseconds a message of each, by the length of its payload."""

BULK = "feed of many at once"
BULK_LENGTH = (
    128 * KIB
)  # in all, at least four messages: they lie in a cache, as the one that C decodes again and again

TARGETS = {
    # call: what is timed of C, at least so many times as fast as the faster of C and Rust, at most so many floors
    "decode": ("decode", (2, 3, 3, 4), (0.85, 0.85, 0.85, 0.75)),
    "feed": ("decode", (2, 3, 3, 4), (0.85, 0.85, 0.85, 0.75)),
    BULK: ("decode", (2, 3, 3, 4), (0.85, 0.85, 0.85, 0.75)),
    "encode with Headers": ("encode", (1.5, 3, 3, 4), (0.6, 0.75, 0.75, 0.7)),
    "encode_into": ("encode", (1.4, 3, 3, 4), (0.75, 0.75, 0.75, 0.75)),
    "encode of a dict": ("encode", (1.3, 2.5, 2.5, 3.5), (0.95, 0.95, 0.95, None)),
    "feed, copy=False": ("decode", (1.2, 2.9, 2.9, 4), (1.7, 1.6, 1.6, None)),
    "decode and one look-up": ("decode", (1.4, 2.8, 2.8, 3.5), (1.1, 1.1, 1.1, None)),
}


def rows() -> Iterator[Row]:
    """Yield the rows; without AWS's codec those against the floor."""
    works = calls(eventstream)
    try:
        codec = AwsC()
    except Unavailable as error:
        print(f"without AWS's codec in C: {error}", file=sys.stderr)
        codec = None
    for call, (job, at_least, at_most) in TARGETS.items():
        for length, least, most in zip(SIZES, at_least, at_most, strict=True):
            name = f"{call}, {length:,} B"
            payload = payload_of(length)
            if call == BULK:
                wire = eventstream.encode(HEADERS, payload)
                per = max(4, BULK_LENGTH // len(wire))
                ours = feed(eventstream.Decoder(), wire * per)
            else:
                ours, per = works[name], 1
            if codec is not None:
                yield _against(codec, name, ours, per, job, length, payload, least)
            if most is not None:
                yield Row(name, "floor", ours, floor(payload), at_most=most, per=per)
    if codec is not None:
        yield from _different_headers(codec)
        yield from _with_our_checksum(codec, works)
    wire = eventstream.encode(HEADERS, payload_of(64 * KIB))
    yield Row(
        "feed of a bytearray, 64 KiB",
        "the same as bytes",
        feed(eventstream.Decoder(), bytearray(wire)),
        feed(eventstream.Decoder(), wire),
        at_most=1.25,
    )


def _against(
    codec: AwsC, name: str, ours: Work, per: int, job: str, length: int, payload: bytes, at_least: float
) -> Row:
    wire = eventstream.encode(HEADERS, payload)
    theirs = codec.decode(wire) if job == "decode" else codec.encode(HEADERS, payload)
    return _faster(name, ours, theirs, RUST_OVER_C[job][length], at_least, per)


def _faster(name: str, ours: Work, theirs: Loop, rust_over_c: float, at_least: float, per: int = 1) -> Row:
    if rust_over_c >= 1:
        return Row(name, "C", ours, theirs, at_least, per=per)
    return Row(name, "Rust (scaled)", ours, Loop(lambda n: theirs.run(n) * rust_over_c), at_least, per=per)


def _different_headers(codec: AwsC) -> Iterator[Row]:
    for length, at_least in ((142, 1.05), (3200, 2.2)):
        wires = signed_wires(eventstream, payload_of(length))
        yield _faster(
            f"headers all different, one look-up, {length:,} B",
            look_up_all(eventstream.Decoder(), wires),
            codec.decode(wires[0]),
            RUST_OVER_C["decode"][length],
            at_least,
        )


def _with_our_checksum(codec: AwsC, works: dict[str, Work]) -> Iterator[Row]:
    """Yield what C's encoding would take with our kernel in the place of its own: computed, each part timed here."""
    for length in SIZES:
        payload = payload_of(length)
        wire = eventstream.encode(HEADERS, payload)
        encode, theirs, ours = codec.encode(HEADERS, payload), codec.checksum(wire), codec.our_checksum(wire)

        def run(n: int, encode: Loop = encode, theirs: Loop = theirs, ours: Loop = ours) -> float:
            return encode.run(n) - theirs.run(n) + ours.run(n)

        name = f"encode with Headers, {length:,} B"
        yield Row(name, "C with our checksum (computed)", works[name], Loop(run), 1.05)


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.native", description=__doc__)
    parser.add_argument("--kernel", choices=_native._crc32_kernels(), default=_native._crc32_kernels()[0])
    kernel = parser.parse_args().kernel
    _native._use_kernel(kernel)
    print(f"checksum kernel {kernel}\n\n| work | against | ours | theirs | ratio | target |\n|---|---|--:|--:|--:|--:|")
    for row in rows():
        # ISA-L's AVX-512 leaves the upper halves of the registers set, which makes code without AVX up to four times as
        # slow on a machine that has it.
        if row.against == "floor" and kernel == "x86-pclmulqdq":
            continue
        found = compared(row)
        cells = (duration(found.ours), duration(found.theirs), times(found.ratio) + " (missed)" * (not found.reached))
        print(f"| {row.work} | {row.against} | {' | '.join(cells)} | {found.target} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
