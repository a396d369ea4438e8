/*
 * Checks every CRC-32 kernel that can run here against a CRC computed bit by bit, beside guard pages.
 *
 *     cc -O2 -I eventstream/_crc32 tools/crc32_check.c eventstream/_crc32/crc32.c -o crc32_check && ./crc32_check
 *
 * It prints a line for each kernel, and fails if one of them is wrong. It needs the C library alone, so that it can be
 * cross-compiled and run under emulation; there an argument, `crc32_check 37`, thins the lengths: all up to 300, then
 * each 37th. A second one names the kernel that must be the first choice, and an emulated CPU shows whether it is:
 * qemu-x86_64 -cpu Westmere crc32_check 37 x86-pclmulqdq.
 */
#if defined(__unix__) || defined(__APPLE__)
#define _DEFAULT_SOURCE /* MAP_ANON under -std=c11 */
#include <sys/mman.h>
#include <unistd.h>
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum { LONGEST = 4096, ALIGNMENTS = 16, MARGIN = 64, LARGE = 3 << 20 };

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * limit >> 32);
}

static void *must(void *p)
{
    if (p == NULL) {
        fputs("crc32_check: no memory\n", stderr);
        exit(2);
    }
    return p;
}

/* A region whose neighbouring pages cannot be touched, where the system has such. */
typedef struct {
    uint8_t *start, *end;
} region;

static region guarded_region(size_t size)
{
    region r;
    size_t page = 4096;
    uint8_t *all;

#if defined(_WIN32)
    size = (size + page - 1) / page * page;
    all = must(VirtualAlloc(NULL, size + 2 * page, MEM_RESERVE, PAGE_NOACCESS));
    must(VirtualAlloc(all + page, size, MEM_COMMIT, PAGE_READWRITE));
#elif defined(MAP_ANON)
    page = (size_t)sysconf(_SC_PAGESIZE);
    size = (size + page - 1) / page * page;
    all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (all == MAP_FAILED || mprotect(all + page, size, PROT_READ | PROT_WRITE) != 0)
        must(NULL);
#else
    all = must(malloc(size + page));
#endif
    r.start = all + page;
    r.end = r.start + size;
    return r;
}

static uint32_t one_byte(uint32_t crc, uint8_t byte)
{
    int bit;

    crc = ~crc ^ byte;
    for (bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    return ~crc;
}

static const es_crc32_kernel *kernel; /* under test */
static unsigned long failures;

static void expect(int right, const char *what, size_t n, const void *dst, const void *src)
{
    if (right)
        return;
    if (failures++ < 10)
        fprintf(stderr, "%s: %s: %lu bytes from ...%03x to ...%03x\n", kernel->name, what, (unsigned long)n,
                (unsigned)((uintptr_t)src & 0xFFF), (unsigned)((uintptr_t)dst & 0xFFF));
}

/* Each function of the kernel, in one call and in two. */
static void check(const uint8_t *src, uint8_t *dst, size_t n, uint32_t expected, region target)
{
    static const uint8_t blank[MARGIN] = {0};
    size_t before = (size_t)(dst - target.start), after = (size_t)(target.end - dst) - n;
    size_t split = random_below((uint32_t)n + 1);
    uint32_t crc;

    before = before < MARGIN ? before : MARGIN;
    after = after < MARGIN ? after : MARGIN;

    expect(kernel->crc32(0, src, n) == expected, "wrong crc", n, dst, src);
    crc = kernel->crc32(0, src, split);
    expect(kernel->crc32(crc, src + split, n - split) == expected, "wrong crc of two parts", n, dst, src);

    memset(dst - before, 0, before + n + after);
    expect(kernel->copy(0, dst, src, n) == expected, "wrong crc of the copy", n, dst, src);
    expect(memcmp(dst, src, n) == 0, "wrong copy", n, dst, src);
    expect(memcmp(dst - before, blank, before) == 0, "bytes written before the copy", n, dst, src);
    expect(memcmp(dst + n, blank, after) == 0, "bytes written after the copy", n, dst, src);

    memset(dst, 0, n);
    crc = kernel->copy(0, dst, src, split);
    expect(split == n || memcmp(dst + split, blank, n - split < MARGIN ? n - split : MARGIN) == 0,
           "bytes written after half a copy", n, dst, src);
    crc = kernel->copy(crc, dst + split, src + split, n - split);
    expect(crc == expected, "wrong crc of a copy of two parts", n, dst, src);
    expect(memcmp(dst, src, n) == 0, "wrong copy of two parts", n, dst, src);
}

int main(int argc, char **argv)
{
    size_t step = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 1;
    size_t large = step > 1 ? LARGE / 16 : LARGE;
    uint8_t *message = must(malloc(LARGE));
    uint32_t *expected = must(malloc((LARGE + 1) * sizeof *expected)); /* of the first n bytes */
    region source = guarded_region(LONGEST + MARGIN), target = guarded_region(LONGEST + MARGIN);
    region large_source = guarded_region(LARGE), large_target = guarded_region(LARGE);
    const es_crc32_kernel *kernels[ES_CRC32_KERNELS];
    size_t count = es_crc32_kernels(kernels), i, n, align, other;

    if (step == 0)
        step = 1;
    expected[0] = 0;
    for (i = 0; i < large; i++) {
        /* Random bits, with stretches of equal ones. */
        message[i] = (uint8_t)(i / 700 % 5 == 3 ? 0x00 : i / 700 % 7 == 5 ? 0xFF : random_below(256));
        expected[i + 1] = one_byte(expected[i], message[i]);
    }
    memset(source.start, 0xA5, (size_t)(source.end - source.start));

    if (argc > 2 && strcmp(kernels[0]->name, argv[2]) != 0) {
        fprintf(stderr, "the first choice is %s, not %s\n", kernels[0]->name, argv[2]);
        failures++;
    }
    for (i = 0; i < count; i++) {
        unsigned long failed_before = failures;
        unsigned long checks = 0;

        kernel = kernels[i];
        expect(kernel->crc32(0, "123456789", 9) == 0xCBF43926, "wrong check value", 9, NULL, NULL);
        expect(kernel->crc32(0x12345678, NULL, 0) == 0x12345678, "wrong crc of nothing", 0, NULL, NULL);
        expect(kernel->copy(0x12345678, NULL, NULL, 0) == 0x12345678, "wrong copy of nothing", 0, NULL, NULL);
        for (n = 0; n <= LONGEST; n += n < 300 ? 1 : step) {
            for (align = 0; align < ALIGNMENTS; align++) {
                other = (align + n * 5) % ALIGNMENTS;
                memcpy(source.start + align, message, n);
                check(source.start + align, target.end - n - other, n, expected[n], target);
                memcpy(source.end - n - align, message, n);
                check(source.end - n - align, target.start + other, n, expected[n], target);
                checks += 2;
            }
        }
        for (align = 0; align < ALIGNMENTS; align++) {
            n = align == 0 ? large : LONGEST + random_below((uint32_t)(large - LONGEST - ALIGNMENTS));
            other = align == 0 ? 0 : random_below(ALIGNMENTS);
            memcpy(large_source.end - n - align, message, n);
            check(large_source.end - n - align, large_target.start + other, n, expected[n], large_target);
            checks++;
        }
        printf("%s: %lu checks, %lu failures\n", kernel->name, checks, failures - failed_before);
        fflush(stdout);
    }
    free(expected);
    free(message);
    return failures != 0;
}
