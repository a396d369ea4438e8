/*
 * The CRC-32 kernels: how they work, the portable one, and the choice for this CPU.
 *
 * What a CRC is
 * -------------
 * Read a message of n bytes as a polynomial M(x) over GF(2): each bit is a coefficient, the first bit the highest. Its
 * CRC is M(x) x^32 mod P(x), P = 0x104C11DB7; addition is XOR, and multiplication carries nothing. gzip's variant adds
 * two inversions: the register starts with all ones, which is the same as adding ones to the first 32 bits of the
 * message, and the result is inverted. To chain, the previous result is inverted back and added to the first 32 bits of
 * what follows. And it is *reflected*: the lowest bit of a byte comes first. A little-endian load thus puts the highest
 * coefficient into bit 0, and all values here are held that way round.
 *
 * Without carry-less multiplication: tables
 * -----------------------------------------
 * As the CRC is linear, the CRC of 8 bytes is the sum of each byte's own, moved over the bytes that follow it: eight
 * table lookups, independent of each other. That is the portable kernel ("slice by 8").
 *
 * With carry-less multiplication: folding
 * ---------------------------------------
 * Only M mod P matters, so a part of M may be replaced by anything congruent to it. Take a lane, 128 bits A followed by
 * D more bits: it stands for A x^D. Split it into halves, A = H x^64 + L; then
 *
 *     A x^D  =  H x^(D+64) + L x^D  ≡  H (x^(D+64) mod P) + L (x^D mod P)
 *
 * Each product is one 64 x 64 bit carry-less multiplication, and the sum fits into the lane D bits further on. So a
 * lane is *folded* onto another by two multiplications and two XORs, whatever the distance. (V)PCLMULQDQ multiplies in
 * 1, 2 or 4 lanes at once; PMULL in one. The product of two reflected numbers is the reflected product, times x,
 * because 64 + 64 coefficients make only 127: one power of x less in the constants makes up for it.
 *
 * A long message is folded by several accumulators, so that the multiplications overlap: each is folded onto the
 * vector a constant distance ahead of it. When little is left, all there is, accumulators and remaining bytes, is a row
 * of lanes, each at a known distance from the last. Each is multiplied by its own constants (the table es_lane), all at
 * the same time, and the products are added up: a single lane is left, and no chain of folds had to be waited for. A
 * message of a few hundred bytes, the most frequent, is such a row from the start.
 *
 * The end of a message rarely falls on a whole lane. Its last lane is filled up with p bytes of zeros, as if the
 * message were M x^(8p), and M is got back in the reduction by the factor x^(-8p), a constant for each p. It exists
 * because P and x have no common factor. Hence neither loops over single bytes nor shifts of the accumulators.
 *
 * From 128 bits to 32
 * -------------------
 * The last lane A is to become A x^32 x^(-8p) mod P. With the constants of es_last, two multiplications and an XOR make
 *
 *     T  =  H (x^(96-8p) mod P) + L (x^(32-8p) mod P),  of 96 bits
 *
 * (for p = 0, to call x^32 mod P a multiplication spares a special case). Then Barrett: as P is constant, dividing by
 * it is a multiplication. With U the upper 64 of the 96 bits,
 *
 *     Q  =  floor(T / P)  =  floor(U floor(x^96 / P) / x^64)
 *
 * exactly, because polynomials' fractions have no carries to lose; and the remainder is the low 32 bits of T + Q P. The
 * constant floor(x^96 / P) has 65 bits, but its lowest cannot reach the quotient, and the missing power of x makes room
 * for the others. A message of exactly 8 bytes, as every prelude is, is U already: two multiplications in all.
 */
#include "crc32.h"

#include <string.h>

#include "tables.h"

#if defined(__GNUC__) || defined(__clang__)
#define ES_INLINE static inline __attribute__((always_inline))
#define ES_TARGET(features) __attribute__((target(features)))
#elif defined(_MSC_VER)
/* Any intrinsic may be used in any function. */
#define ES_MSVC
#define ES_INLINE static __forceinline
#define ES_TARGET(features)
#else
#define ES_INLINE static inline
#endif

/*
 * No load is repeated or delayed across it. A copy has one behind what it loads from a source that another thread may
 * write to: what is stored and what is checksummed are then the same.
 */
#ifdef ES_MSVC
#include <intrin.h>
#define ES_BARRIER() _ReadWriteBarrier()
#elif defined(__GNUC__) || defined(__clang__)
#define ES_BARRIER() __asm__ __volatile__("" : : : "memory")
#else
#define ES_BARRIER() ((void)0) /* only the portable kernel, which loads through a pointer that the compiler does not see */
#endif

/* Little-endian on every machine; compilers make one load of it. */
ES_INLINE uint32_t es_load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t es_portable(uint32_t crc, const void *src, size_t n)
{
    const uint8_t *p = src;

    crc = ~crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t first = es_load32(p) ^ crc;
        uint32_t second = es_load32(p + 4);

        crc = es_slice[7][first & 0xFF] ^ es_slice[6][first >> 8 & 0xFF] ^
              es_slice[5][first >> 16 & 0xFF] ^ es_slice[4][first >> 24] ^
              es_slice[3][second & 0xFF] ^ es_slice[2][second >> 8 & 0xFF] ^
              es_slice[1][second >> 16 & 0xFF] ^ es_slice[0][second >> 24];
    }
    for (; n != 0; p++, n--)
        crc = crc >> 8 ^ es_slice[0][(crc ^ *p) & 0xFF];
    return ~crc;
}

/*
 * For kernels that do not copy in registers: block by block, so that the second pass finds the bytes in the cache. It
 * reads the copy.
 */
ES_INLINE uint32_t es_copy_by_blocks(es_crc32_fn *crc32, uint32_t crc, void *dst, const void *src, size_t n)
{
    const size_t block = 8192;
    const uint8_t *from = src;
    uint8_t *to = dst;

    for (; n > block; from += block, to += block, n -= block) {
        memcpy(to, from, block);
        ES_BARRIER();
        crc = crc32(crc, to, block);
    }
    if (n != 0)
        memcpy(to, from, n);
    ES_BARRIER();
    return crc32(crc, to, n);
}

static uint32_t es_portable_copy(uint32_t crc, void *dst, const void *src, size_t n)
{
    return es_copy_by_blocks(es_portable, crc, dst, src, n);
}

/*
 * Each of these headers defines, where the compiler and the target allow it, the entries of its kernels for the table
 * below, and a function that returns the features of this CPU and operating system as a mask.
 */
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#include "x86.h"
#elif defined(__aarch64__) || defined(_M_ARM64)
#include "arm64.h"
#endif

#ifndef ES_KERNELS
#define ES_KERNELS
ES_INLINE uint32_t es_features(void)
{
    return 0;
}
#endif

/* The fastest first. Each names all the features it needs, and none depends on its neighbours. */
static const struct {
    uint32_t needs;
    es_crc32_kernel kernel;
} es_table[] = {
    ES_KERNELS
    {0, {"portable", es_portable, es_portable_copy}},
};

/* The array that callers have must hold them all. */
typedef char es_table_fits[sizeof es_table / sizeof es_table[0] <= ES_CRC32_KERNELS ? 1 : -1];

static size_t es_kernels_for(uint32_t features, const es_crc32_kernel **kernels)
{
    size_t count = 0, i;

    for (i = 0; i < sizeof es_table / sizeof es_table[0]; i++) {
        if ((es_table[i].needs & ~features) == 0)
            kernels[count++] = &es_table[i].kernel;
    }
    return count;
}

size_t es_crc32_kernels(const es_crc32_kernel *kernels[ES_CRC32_KERNELS])
{
    return es_kernels_for(es_features(), kernels);
}
