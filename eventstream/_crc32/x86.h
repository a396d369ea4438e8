/*
 * The x86 kernels: folding with PCLMULQDQ, 128 bits wide, and with VPCLMULQDQ, 256 and 512 bits wide.
 *
 * This file includes itself: the first part is common to all kernels; the second is the kernel, instantiated for each
 * ES_WIDTH (bytes in a vector) and, at 32 bytes, without and with AVX-512VL: masked loads and a XOR of three. Functions
 * carry the CPU features they need as an attribute, so that no file needs compiler flags of its own. vzeroupper, without
 * which SSE code after AVX code is slow, is left to the compilers, which put it where the upper halves were used; MSVC
 * does so only when it targets AVX, and gets it by hand.
 */
#ifndef ES_WIDTH

/*
 * Compilers with all the intrinsics, usable under the attribute; others have only the portable kernel. Apple counts
 * its clang otherwise: its 10 is LLVM's 6.
 */
#if defined(__clang__)
#if __clang_major__ >= 10
#define ES_X86
#endif
#elif defined(__GNUC__)
#if __GNUC__ >= 8
#define ES_X86
#endif
#elif defined(_MSC_VER)
#if _MSC_VER >= 1924
#define ES_X86
#endif
#endif

#ifdef ES_X86

#include <immintrin.h>
#ifdef ES_MSVC
#include <intrin.h>
#else
#include <cpuid.h>
#endif

#define ES_X86_16 "pclmul,sse4.1"
#define ES_X86_32 "pclmul,sse4.1,avx2,vpclmulqdq"
#define ES_X86_32vl "pclmul,sse4.1,avx2,vpclmulqdq,avx512f,avx512bw,avx512vl"
#define ES_X86_64 ES_X86_32vl

/*
 * From here on a copy gains more from aligned stores than the bytes before them cost, which have a call of their own.
 * Stores of 64 bytes reach into a second cache line each; narrower ones gain only where the copy leaves the first cache.
 */
#define ES_ALIGN_FROM (ES_WIDTH == 64 ? 8192 : 16384)

/*
 * A checksum without a copy asks for the lines this many bytes ahead: without that the second cache gives it 60 GB/s of the
 * 78 that the multiplier could use, and with it 76. A distance of 1,024 or 4,096 does nearly as well. A copy is held up by
 * its stores, and vectors of 16 bytes by the multiplier.
 */
#define ES_PREFETCH 2048

/* Q and the remainder of crc32.c: the register holds T x^32. */
ES_INLINE ES_TARGET(ES_X86_16) uint32_t es_x86_barrett(__m128i t)
{
    __m128i factors = _mm_loadu_si128((const __m128i *)es_barrett);
    __m128i quotient = _mm_clmulepi64_si128(t, factors, 0x00);
    __m128i product = _mm_clmulepi64_si128(quotient, factors, 0x10);

    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(t, product), 2);
}

/* From the last lane to the CRC. */
ES_INLINE ES_TARGET(ES_X86_16) uint32_t es_x86_reduce(__m128i lane, size_t padding)
{
    __m128i factors = _mm_loadu_si128((const __m128i *)es_last[padding]);

    return es_x86_barrett(_mm_xor_si128(_mm_clmulepi64_si128(lane, factors, 0x00),
                                        _mm_clmulepi64_si128(lane, factors, 0x11)));
}

/* The last `size` bytes before `end`, 1 to 16, then zeros. It reads 16 bytes, which must be there. */
ES_INLINE ES_TARGET(ES_X86_16) __m128i es_x86_load_last(const uint8_t *end, size_t size)
{
    /* pshufb takes byte i + 16 - size into byte i, and zero where the index has its top bit. */
    static const uint8_t indices[32] = {
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    };

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(end - 16)),
                            _mm_loadu_si128((const __m128i *)(indices + 16 - size)));
}

/* At most 16 bytes, then zeros. */
ES_INLINE ES_TARGET(ES_X86_16) __m128i es_x86_load_short(const uint8_t *src, size_t n)
{
    __m128i first, last;

    if (n >= 8) {
        /* Two words, which may overlap. A shift by 64 makes zero, as it should. */
        first = _mm_loadl_epi64((const __m128i *)src);
        last = _mm_loadl_epi64((const __m128i *)(src + n - 8));
        return _mm_unpacklo_epi64(first, _mm_srl_epi64(last, _mm_cvtsi32_si128((int)(128 - 8 * n))));
    }
    if (n >= 4) {
        uint32_t words[2];

        memcpy(&words[0], src, 4);
        memcpy(&words[1], src + n - 4, 4);
        first = _mm_cvtsi32_si128((int)words[0]);
        last = _mm_cvtsi32_si128((int)words[1]);
        return _mm_or_si128(first, _mm_sll_epi64(last, _mm_cvtsi32_si128((int)(8 * n - 32))));
    }
    if (n > 0) {
        /* The first, the middle and the last byte, which may be the same ones. */
        uint32_t bytes = (uint32_t)src[0] | (uint32_t)src[n / 2] << 8 * (n / 2) | (uint32_t)src[n - 1] << 8 * (n - 1);

        return _mm_cvtsi32_si128((int)bytes);
    }
    return _mm_setzero_si128();
}

/* At most 16 bytes. */
ES_INLINE ES_TARGET(ES_X86_16) uint32_t es_x86_short(uint32_t crc, const uint8_t *src, size_t n)
{
    __m128i lane = _mm_cvtsi32_si128((int)crc);

    if (n == 8)
        return es_x86_barrett(_mm_xor_si128(lane, _mm_loadl_epi64((const __m128i *)src)));
    return es_x86_reduce(_mm_xor_si128(lane, es_x86_load_short(src, n)), 16 - n);
}

/* Bits of the mask of features: those that the CPU has and the operating system allows. */
enum {
    ES_PCLMULQDQ = 1 << 0,
    ES_SSSE3 = 1 << 1,
    ES_SSE41 = 1 << 2,
    ES_AVX = 1 << 3,
    ES_AVX2 = 1 << 4,
    ES_VPCLMULQDQ = 1 << 5,
    ES_AVX512F = 1 << 6,
    ES_AVX512BW = 1 << 7,
    ES_AVX512VL = 1 << 8,
    ES_FAST_512 = 1 << 9, /* 512-bit vectors do not make the CPU lower its frequency */

    ES_NEEDS_16 = ES_PCLMULQDQ | ES_SSSE3 | ES_SSE41,
    ES_NEEDS_32 = ES_NEEDS_16 | ES_AVX | ES_AVX2 | ES_VPCLMULQDQ,
    ES_NEEDS_32vl = ES_NEEDS_32 | ES_AVX512F | ES_AVX512BW | ES_AVX512VL,
    ES_NEEDS_64 = ES_NEEDS_32vl | ES_FAST_512,
};

/*
 * MSVC has no target attributes. It takes an intrinsic of 256-bit VPCLMULQDQ as leave to use AVX-512VL in that function,
 * which a CPU with VPCLMULQDQ and AVX2 only, such as Alder Lake or Zen 3, cannot run.
 */
#ifdef ES_MSVC
#define ES_VPCLMULQDQ_IMPLIES_AVX512
#endif
#ifdef ES_VPCLMULQDQ_IMPLIES_AVX512
#define ES_NEEDS_AVX2_KERNEL ES_NEEDS_32vl
#else
#define ES_NEEDS_AVX2_KERNEL ES_NEEDS_32
#endif

/* What CPUID and XGETBV say, as far as it matters here. What a CPU does not have is 0. */
typedef struct {
    uint32_t vendor;    /* leaf 0, EBX: the first four letters */
    uint32_t signature; /* leaf 1, EAX: family, model and stepping */
    uint32_t ecx1, ebx7, ecx7, xcr0;
} es_x86_cpu;

/*
 * The Intel CPUs with VPCLMULQDQ that lower their frequency for 512-bit vectors, and for all that runs beside them: those
 * before Rocket Lake and Sapphire Rapids, as the Linux kernel lists them for its own CRC and AES. Skylake and Cascade Lake
 * lack VPCLMULQDQ.
 */
ES_INLINE int es_x86_slows_down(uint32_t vendor, uint32_t signature)
{
    if (vendor != 0x756E6547) /* "Genu", of GenuineIntel */
        return 0;
    switch (signature & 0x0FFF0FF0) { /* without type and stepping */
    case 0x606A0: /* Ice Lake, servers */
    case 0x606C0: /* Ice Lake D */
    case 0x706D0: /* Ice Lake, desktops */
    case 0x706E0: /* Ice Lake, notebooks */
    case 0x906D0: /* Ice Lake NNP-I */
    case 0x806C0: /* Tiger Lake, notebooks */
    case 0x806D0: /* Tiger Lake H */
        return 1;
    default:
        return 0;
    }
}

static uint32_t es_x86_features(const es_x86_cpu *cpu)
{
    const uint32_t ymm = 0x06; /* the system saves SSE's registers (bit 1) and AVX's (2) */
    const uint32_t zmm = 0xE6; /* also AVX-512's masks (5), upper halves (6) and upper 16 vectors (7) */
    uint32_t features = 0;

#define FEATURE(word, bit, feature) \
    if ((word) >> (bit) & 1) \
        features |= (feature);
    FEATURE(cpu->ecx1, 1, ES_PCLMULQDQ)
    FEATURE(cpu->ecx1, 9, ES_SSSE3)
    FEATURE(cpu->ecx1, 19, ES_SSE41)
    if ((cpu->xcr0 & ymm) == ymm) {
        FEATURE(cpu->ecx1, 28, ES_AVX)
        FEATURE(cpu->ebx7, 5, ES_AVX2)
        FEATURE(cpu->ecx7, 10, ES_VPCLMULQDQ)
    }
    /* macOS shows the bits of AVX-512 only to threads that have used it, so there it is not used. */
    if ((cpu->xcr0 & zmm) == zmm) {
        FEATURE(cpu->ebx7, 16, ES_AVX512F)
        FEATURE(cpu->ebx7, 30, ES_AVX512BW)
        FEATURE(cpu->ebx7, 31, ES_AVX512VL)
        if (!es_x86_slows_down(cpu->vendor, cpu->signature))
            features |= ES_FAST_512;
    }
#undef FEATURE
    return features;
}

static uint32_t es_features(void)
{
    es_x86_cpu cpu = {0, 0, 0, 0, 0, 0};

#ifdef ES_MSVC
    int info[4];
    int leaves;

    __cpuid(info, 0);
    leaves = info[0];
    cpu.vendor = (uint32_t)info[1];
    __cpuid(info, 1);
    cpu.signature = (uint32_t)info[0];
    cpu.ecx1 = (uint32_t)info[2];
    if (leaves >= 7) {
        __cpuidex(info, 7, 0);
        cpu.ebx7 = (uint32_t)info[1];
        cpu.ecx7 = (uint32_t)info[2];
    }
#else
    uint32_t eax, ebx, ecx, edx;

    /* A leaf that the CPU does not have leaves zeros. */
    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx))
        cpu.vendor = ebx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        cpu.signature = eax;
        cpu.ecx1 = ecx;
    }
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        cpu.ebx7 = ebx;
        cpu.ecx7 = ecx;
    }
#endif
    if (cpu.ecx1 >> 27 & 1) { /* OSXSAVE: one may ask which registers the system saves */
#ifdef ES_MSVC
        cpu.xcr0 = (uint32_t)_xgetbv(0);
#else
        uint32_t high;

        __asm__ volatile(".byte 0x0F, 0x01, 0xD0" /* xgetbv, by bytes: old assemblers do not know it */
                         : "=a"(cpu.xcr0), "=d"(high)
                         : "c"(0));
#endif
    }
    return es_x86_features(&cpu);
}

#define ES_KERNELS \
    {ES_NEEDS_64, {"x86-vpclmulqdq-avx512", es_x86_crc32_64, es_x86_copy_64}}, \
    {ES_NEEDS_32vl, {"x86-vpclmulqdq-avx512vl", es_x86_crc32_32vl, es_x86_copy_32vl}}, \
    {ES_NEEDS_AVX2_KERNEL, {"x86-vpclmulqdq-avx2", es_x86_crc32_32, es_x86_copy_32}}, \
    {ES_NEEDS_16, {"x86-pclmulqdq", es_x86_crc32_16, es_x86_copy_16}},

#define ES_JOIN_(a, b) a##b
#define ES_JOIN(a, b) ES_JOIN_(a, b)

#define ES_WIDTH 16
#include "x86.h"
#undef ES_WIDTH
#define ES_WIDTH 32
#include "x86.h"
#define ES_AVX512VL_KERNEL
#include "x86.h"
#undef ES_AVX512VL_KERNEL
#undef ES_WIDTH
#define ES_WIDTH 64
#include "x86.h"
#undef ES_WIDTH

#endif

#else

/* The kernel, for vectors of ES_WIDTH bytes. NAME(f) is f for this kernel. */
#ifdef ES_AVX512VL_KERNEL
#define ES_KIND ES_JOIN(ES_WIDTH, vl)
#else
#define ES_KIND ES_WIDTH
#endif
#define NAME(name) ES_JOIN(ES_JOIN(es_x86_, name), ES_JOIN(_, ES_KIND))
#define ES_X86_FEATURES ES_JOIN(ES_X86_, ES_KIND)

#if ES_WIDTH == 16
#define VECTOR __m128i
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define ZERO() _mm_setzero_si128()
#define XOR(a, b) _mm_xor_si128(a, b)
#define XOR3(a, b, c) _mm_xor_si128(a, _mm_xor_si128(b, c))
#define CLMUL(v, w, which) _mm_clmulepi64_si128(v, w, which)
#define FIRST_WORD(crc) _mm_cvtsi32_si128((int)(crc))
#define IN_EACH_LANE(pair) LOAD(pair)
#elif ES_WIDTH == 32
#define VECTOR __m256i
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define ZERO() _mm256_setzero_si256()
#define XOR(a, b) _mm256_xor_si256(a, b)
#ifdef ES_AVX512VL_KERNEL
#define XOR3(a, b, c) _mm256_ternarylogic_epi64(a, b, c, 0x96)
#else
#define XOR3(a, b, c) _mm256_xor_si256(a, _mm256_xor_si256(b, c))
#endif
#define CLMUL(v, w, which) _mm256_clmulepi64_epi128(v, w, which)
#define FIRST_WORD(crc) _mm256_set_epi32(0, 0, 0, 0, 0, 0, 0, (int)(crc))
#define IN_EACH_LANE(pair) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(pair)))
#else
#define VECTOR __m512i
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define ZERO() _mm512_setzero_si512()
#define XOR(a, b) _mm512_xor_si512(a, b)
#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define CLMUL(v, w, which) _mm512_clmulepi64_epi128(v, w, which)
#define FIRST_WORD(crc) _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (int)(crc))
#define IN_EACH_LANE(pair) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(pair)))
#endif

/* `add` and the lanes of v, each multiplied by its pair of factors. */
#define FOLD(add, v, factors) XOR3(add, CLMUL(v, factors, 0x00), CLMUL(v, factors, 0x11))

/* The sum of all lanes. */
ES_INLINE ES_TARGET(ES_X86_FEATURES) __m128i NAME(sum_lanes)(VECTOR v)
{
#if ES_WIDTH == 16
    return v;
#elif ES_WIDTH == 32
    return _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
#else
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));

    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
#endif
}

/* The last n bytes, 1 to ES_WIDTH, of a message of more than 16, then zeros. */
ES_INLINE ES_TARGET(ES_X86_FEATURES) VECTOR NAME(load_last)(const uint8_t *src, size_t n)
{
#if ES_WIDTH == 16
    return es_x86_load_last(src + n, n);
#elif defined(ES_AVX512VL_KERNEL)
    /* Bytes outside the mask are not accessed. */
    return _mm256_maskz_loadu_epi8(~(__mmask32)0 >> (32 - n), src);
#elif ES_WIDTH == 32
    if (n > 16)
        return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)src)),
                                       es_x86_load_last(src + n, n - 16), 1);
    return _mm256_inserti128_si256(_mm256_setzero_si256(), es_x86_load_last(src + n, n), 0);
#else
    /* Bytes outside the mask are not accessed. */
    return _mm512_maskz_loadu_epi8(~(__mmask64)0 >> (64 - n), src);
#endif
}

/* Copies the last bytes of a message of n, more than 16: as many as the last vector may have, or more. */
ES_INLINE ES_TARGET(ES_X86_FEATURES) void NAME(copy_last)(uint8_t *dst, const uint8_t *src, size_t n)
{
    if (n >= ES_WIDTH) {
        STORE(dst + n - ES_WIDTH, LOAD(src + n - ES_WIDTH));
        return;
    }
#if ES_WIDTH == 64
    if (n >= 32) {
        _mm256_storeu_si256((__m256i *)dst, _mm256_loadu_si256((const __m256i *)src));
        _mm256_storeu_si256((__m256i *)(dst + n - 32), _mm256_loadu_si256((const __m256i *)(src + n - 32)));
        return;
    }
#endif
#if ES_WIDTH >= 32
    _mm_storeu_si128((__m128i *)dst, _mm_loadu_si128((const __m128i *)src));
    _mm_storeu_si128((__m128i *)(dst + n - 16), _mm_loadu_si128((const __m128i *)(src + n - 16)));
#endif
}

/*
 * `copy` is a constant, and its branches are gone after inlining. Of a copy, what is checksummed is what is stored: a
 * whole vector's load is stored last, and what lies in the last vector is loaded from dst.
 */
ES_INLINE ES_TARGET(ES_X86_FEATURES) uint32_t NAME(body)(uint32_t crc, uint8_t *dst, const uint8_t *src, size_t n,
                                                         int copy)
{
    const size_t padding = (0 - n) % 16;
    const uint64_t(*factors)[2]; /* of the lane at src, followed by those of the next lanes */
    VECTOR sum;
    __m128i lane, previous;

    crc = ~crc;
    if (n <= 16) {
        if (copy && n != 0) {
            memcpy(dst, src, n);
            ES_BARRIER();
            src = dst;
        }
        return ~es_x86_short(crc, src, n);
    }

    if (copy) {
        NAME(copy_last)(dst, src, n);
        ES_BARRIER();
    }
    if (n > 8 * ES_WIDTH) {
        const VECTOR ahead = IN_EACH_LANE(es_lane[ES_LANE(4 * ES_WIDTH / 16)]);
        VECTOR a = LOAD(src);
        VECTOR b = LOAD(src + ES_WIDTH);
        VECTOR c = LOAD(src + 2 * ES_WIDTH);
        VECTOR d = LOAD(src + 3 * ES_WIDTH);

        if (copy) {
            ES_BARRIER();
            STORE(dst, a);
            STORE(dst + ES_WIDTH, b);
            STORE(dst + 2 * ES_WIDTH, c);
            STORE(dst + 3 * ES_WIDTH, d);
            dst += 4 * ES_WIDTH;
        }
        a = XOR(a, FIRST_WORD(crc));
        previous = _mm_setzero_si128();
        /*
         * The multiplier is what bounds this: a core begins one multiplication a cycle, of vectors of any width, and each
         * vector takes two. So a cycle is worth ES_WIDTH / 2 bytes: 8, 16 or 32, which are 21, 41 or 83 GB/s at 2.6 GHz.
         * Reached there, on Emerald Rapids, are 7.9, 15.7 and 31, with the copy, whose loads and stores have units of
         * their own. Four accumulators keep the multiplier busy; more could not help.
         */
        src += 4 * ES_WIDTH;
        n -= 4 * ES_WIDTH;
        for (; n > 4 * ES_WIDTH; src += 4 * ES_WIDTH, n -= 4 * ES_WIDTH) {
            const VECTOR next_a = LOAD(src);
            const VECTOR next_b = LOAD(src + ES_WIDTH);
            const VECTOR next_c = LOAD(src + 2 * ES_WIDTH);
            const VECTOR next_d = LOAD(src + 3 * ES_WIDTH);

#if ES_WIDTH > 16
            if (!copy) {
                /* Past the end, too: a prefetch does not fault. */
                uintptr_t ahead_of_src = (uintptr_t)src + ES_PREFETCH;

                for (size_t line = 0; line < 4 * ES_WIDTH; line += 64)
                    _mm_prefetch((const char *)(ahead_of_src + line), _MM_HINT_T0);
            }
#endif
            if (copy) {
                ES_BARRIER();
                STORE(dst, next_a);
                STORE(dst + ES_WIDTH, next_b);
                STORE(dst + 2 * ES_WIDTH, next_c);
                STORE(dst + 3 * ES_WIDTH, next_d);
                dst += 4 * ES_WIDTH;
            }
            a = FOLD(next_a, a, ahead);
            b = FOLD(next_b, b, ahead);
            c = FOLD(next_c, c, ahead);
            d = FOLD(next_d, d, ahead);
        }
        factors = &es_lane[ES_LANE((n - 1) / 16)];
        a = FOLD(ZERO(), a, LOAD(factors - 4 * ES_WIDTH / 16));
        b = FOLD(ZERO(), b, LOAD(factors - 3 * ES_WIDTH / 16));
        a = FOLD(a, c, LOAD(factors - 2 * ES_WIDTH / 16));
        b = FOLD(b, d, LOAD(factors - 1 * ES_WIDTH / 16));
        sum = XOR(a, b);
    } else {
        /* At most 32 lanes, as es_lane has. The previous crc, which may come late, joins after they are summed up. */
        factors = &es_lane[ES_LANE((n - 1) / 16)];
        previous = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_loadu_si128((const __m128i *)factors), 0x00);
        sum = ZERO();
    }

    for (; n > ES_WIDTH; src += ES_WIDTH, n -= ES_WIDTH, factors += ES_WIDTH / 16) {
        const VECTOR v = LOAD(src);

        if (copy) {
            ES_BARRIER();
            STORE(dst, v);
            dst += ES_WIDTH;
        }
        sum = FOLD(sum, v, LOAD(factors));
    }
    sum = FOLD(sum, NAME(load_last)(copy ? dst : src, n), LOAD(factors));
    lane = _mm_xor_si128(NAME(sum_lanes)(sum), previous);
    crc = es_x86_reduce(lane, padding);
#ifdef ES_MSVC
#if ES_WIDTH > 16
    _mm256_zeroupper();
#endif
#endif
    return ~crc;
}

static ES_TARGET(ES_X86_FEATURES) uint32_t NAME(crc32)(uint32_t crc, const void *src, size_t n)
{
    return NAME(body)(crc, NULL, src, n, 0);
}

static ES_TARGET(ES_X86_FEATURES) uint32_t NAME(copy)(uint32_t crc, void *dst, const void *src, size_t n)
{
    uint8_t *to = dst;
    const uint8_t *from = src;

    if (n >= ES_ALIGN_FROM) {
        const size_t before = (0 - (uintptr_t)dst) % ES_WIDTH;

        if (before != 0)
            crc = NAME(copy)(crc, to, from, before);
        to += before;
        from += before;
        n -= before;
    }
    return NAME(body)(crc, to, from, n, 1);
}

#undef NAME
#undef ES_KIND
#undef ES_X86_FEATURES
#undef VECTOR
#undef LOAD
#undef STORE
#undef ZERO
#undef XOR
#undef XOR3
#undef CLMUL
#undef FIRST_WORD
#undef IN_EACH_LANE
#undef FOLD

#endif
