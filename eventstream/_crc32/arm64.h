/*
 * The arm64 kernels: the CRC instructions, which are a kernel of their own, and folding with PMULL for longer input.
 *
 * A CRC instruction takes 8 bytes, but each waits two or three cycles for the one before it. Folding overlaps: a core
 * that starts two PMULLs a cycle gets through 16 bytes in it. Three interleaved chains of CRC instructions would reach
 * 8, and need carry-less multiplications to be joined. The end is the CRC instructions' work again: they take the last
 * lane as any 16 bytes, and the bytes after it as they are. So Barrett's reduction and padding have no part here.
 */

/* Compilers with the intrinsics usable under the attribute, and older ones where every target has the features. */
#if defined(__AARCH64EB__)
/* None: lanes are loaded as on little-endian machines. */
#elif defined(__clang__)
#if __clang_major__ >= 16 || (defined(__APPLE__) && defined(__ARM_FEATURE_CRC32) && defined(__ARM_FEATURE_CRYPTO))
#define ES_ARM64
#define ES_ARM64_CRC "crc"
#define ES_ARM64_PMULL "crc,aes"
#endif
#elif defined(__GNUC__)
#if __GNUC__ >= 10
#define ES_ARM64
#define ES_ARM64_CRC "+crc"
#define ES_ARM64_PMULL "+crc+crypto"
#endif
#elif defined(_MSC_VER)
#define ES_ARM64
#endif

#ifdef ES_ARM64

#include <arm_neon.h>
#ifdef ES_MSVC
#include <intrin.h>
#else
#include <arm_acle.h>
#endif

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

enum { ES_CRC = 1 << 0, ES_PMULL = 1 << 1 };

/* The features that both this CPU and the operating system support. */
static uint32_t es_features(void)
{
    uint32_t features = 0;

#if defined(__APPLE__)
    features = ES_CRC | ES_PMULL; /* every one that runs macOS */
#elif defined(_WIN32)
    if (IsProcessorFeaturePresent(31)) /* PF_ARM_V8_CRC32_INSTRUCTIONS_AVAILABLE */
        features |= ES_CRC;
    if (IsProcessorFeaturePresent(30)) /* PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE */
        features |= ES_PMULL;
#elif defined(__linux__)
    if (getauxval(AT_HWCAP) & 1 << 7) /* HWCAP_CRC32 */
        features |= ES_CRC;
    if (getauxval(AT_HWCAP) & 1 << 4) /* HWCAP_PMULL */
        features |= ES_PMULL;
#endif
    return features;
}

#define ES_KERNELS \
    {ES_CRC | ES_PMULL, {"arm64-pmull", es_arm64_pmull, es_arm64_pmull_copy}}, \
    {ES_CRC, {"arm64-crc", es_arm64_crc, es_arm64_crc_copy}},

/* The register in, the register out: without the inversions. */
ES_INLINE ES_TARGET(ES_ARM64_CRC) uint32_t es_arm64_crc_update(uint32_t crc, const uint8_t *src, size_t n)
{
    uint64_t doubleword;
    uint32_t word;
    uint16_t halfword;

    for (; n >= 8; src += 8, n -= 8) {
        memcpy(&doubleword, src, 8);
        crc = __crc32d(crc, doubleword);
    }
    if (n & 4) {
        memcpy(&word, src, 4);
        crc = __crc32w(crc, word);
        src += 4;
    }
    if (n & 2) {
        memcpy(&halfword, src, 2);
        crc = __crc32h(crc, halfword);
        src += 2;
    }
    if (n & 1)
        crc = __crc32b(crc, *src);
    return crc;
}

static ES_TARGET(ES_ARM64_CRC) uint32_t es_arm64_crc(uint32_t crc, const void *src, size_t n)
{
    return ~es_arm64_crc_update(~crc, src, n);
}

static ES_TARGET(ES_ARM64_CRC) uint32_t es_arm64_crc_copy(uint32_t crc, void *dst, const void *src, size_t n)
{
    return es_copy_by_blocks(es_arm64_crc, crc, dst, src, n);
}

/* `add` and the lane, its halves multiplied by the factors. */
ES_INLINE ES_TARGET(ES_ARM64_PMULL) uint8x16_t es_arm64_fold(uint8x16_t add, uint8x16_t lane, uint64x2_t factors)
{
    poly64x2_t a = vreinterpretq_p64_u8(lane), b = vreinterpretq_p64_u64(factors);
#ifdef ES_MSVC
    /* Its poly64_t is a vector of one. */
    uint8x16_t first = vreinterpretq_u8_p128(vmull_p64(vget_low_p64(a), vget_low_p64(b)));
#else
    uint8x16_t first = vreinterpretq_u8_p128(vmull_p64(vgetq_lane_p64(a, 0), vgetq_lane_p64(b, 0)));
#endif
    uint8x16_t second = vreinterpretq_u8_p128(vmull_high_p64(a, b));

    return veorq_u8(veorq_u8(first, second), add);
}

/* So many accumulators that a core which starts four PMULLs a cycle is rarely idle. */
#define ES_EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7)
enum { ES_ACCUMULATORS = 8 };

/*
 * `copy` is a constant, and its branches are gone after inlining. Of a copy, what is checksummed is what is stored: a
 * whole lane's load is stored last, and what follows the last whole lane is loaded from dst.
 */
ES_INLINE ES_TARGET(ES_ARM64_PMULL) uint32_t es_arm64_body(uint32_t crc, uint8_t *dst, const uint8_t *src, size_t n,
                                                           int copy)
{
    const uint64_t(*factors)[2]; /* of the lane at src, followed by those of the next lanes */
    uint8x16_t sum, previous;
    uint64x2_t words;

    crc = ~crc;
    if (n < 96) {
        /* Few enough for one chain, by the latencies that the manuals give. */
        if (copy && n != 0) {
            memcpy(dst, src, n);
            ES_BARRIER();
            src = dst;
        }
        return ~es_arm64_crc_update(crc, src, n);
    }

    if (copy) {
        vst1q_u8(dst + n - 16, vld1q_u8(src + n - 16));
        ES_BARRIER();
    }
    previous = vreinterpretq_u8_u32(vsetq_lane_u32(crc, vdupq_n_u32(0), 0));
    sum = vdupq_n_u8(0);
    if (n >= 2 * 16 * ES_ACCUMULATORS) {
        const uint64x2_t ahead = vld1q_u64(es_lane[ES_LANE(ES_ACCUMULATORS)]);
        uint8x16_t accumulators[ES_ACCUMULATORS];

#define LOAD(i) accumulators[i] = vld1q_u8(src + 16 * i);
#define STORE(i) vst1q_u8(dst + 16 * i, accumulators[i]);
        ES_EACH(LOAD)
        if (copy) {
            ES_BARRIER();
            ES_EACH(STORE)
            dst += 16 * ES_ACCUMULATORS;
        }
#undef LOAD
#undef STORE
        accumulators[0] = veorq_u8(accumulators[0], previous);
        previous = vdupq_n_u8(0);
        src += 16 * ES_ACCUMULATORS;
        n -= 16 * ES_ACCUMULATORS;
        while (n >= 16 * ES_ACCUMULATORS) {
            uint8x16_t next[ES_ACCUMULATORS];

#define LOAD(i) next[i] = vld1q_u8(src + 16 * i);
#define STORE(i) vst1q_u8(dst + 16 * i, next[i]);
#define FOLD(i) accumulators[i] = es_arm64_fold(next[i], accumulators[i], ahead);
            ES_EACH(LOAD)
            if (copy) {
                ES_BARRIER();
                ES_EACH(STORE)
                dst += 16 * ES_ACCUMULATORS;
            }
            ES_EACH(FOLD)
#undef LOAD
#undef STORE
#undef FOLD
            src += 16 * ES_ACCUMULATORS;
            n -= 16 * ES_ACCUMULATORS;
        }
        factors = &es_lane[ES_LANE(0) + 1 - n / 16];
#define FOLD(i) sum = es_arm64_fold(sum, accumulators[i], vld1q_u64(factors[i - ES_ACCUMULATORS]));
        ES_EACH(FOLD)
#undef FOLD
    } else {
        /* The previous crc, which may come late, joins after the lanes are summed up. */
        factors = &es_lane[ES_LANE(0) + 1 - n / 16];
        previous = es_arm64_fold(vdupq_n_u8(0), previous, vld1q_u64(*factors));
    }

    /* The row of lanes ends with the last whole one. */
    for (; n >= 16; src += 16, n -= 16, factors++) {
        const uint8x16_t lane = vld1q_u8(src);

        if (copy) {
            ES_BARRIER();
            vst1q_u8(dst, lane);
            dst += 16;
        }
        sum = es_arm64_fold(sum, lane, vld1q_u64(*factors));
    }
    words = vreinterpretq_u64_u8(veorq_u8(sum, previous));
    crc = __crc32d(__crc32d(0, vgetq_lane_u64(words, 0)), vgetq_lane_u64(words, 1));
    return ~es_arm64_crc_update(crc, copy ? dst : src, n);
}

static ES_TARGET(ES_ARM64_PMULL) uint32_t es_arm64_pmull(uint32_t crc, const void *src, size_t n)
{
    return es_arm64_body(crc, NULL, src, n, 0);
}

static ES_TARGET(ES_ARM64_PMULL) uint32_t es_arm64_pmull_copy(uint32_t crc, void *dst, const void *src, size_t n)
{
    return es_arm64_body(crc, dst, src, n, 1);
}

#endif
