/*
 * Checks which CRC-32 kernels are chosen on x86 CPUs that are not here: what CPUID says of them is made up.
 *
 *     cc -I eventstream/_crc32 tools/crc32_dispatch.c -o crc32_dispatch && ./crc32_dispatch
 *
 * It includes the kernels' source to reach the functions behind the interface. -DES_VPCLMULQDQ_IMPLIES_AVX512 makes the
 * choice that MSVC's build makes; the program then expects that one.
 */
#include "crc32.c"

#include <stdio.h>

#ifndef ES_X86
int main(void)
{
    puts("crc32_dispatch: no x86 kernels here");
    return 0;
}
#else

enum {
    INTEL = 0x756E6547,
    AMD = 0x68747541,

    SSE_ECX1 = 1 << 1 | 1 << 9 | 1 << 19,
    AVX_ECX1 = SSE_ECX1 | 1 << 27 | 1 << 28,
    AVX2 = 1 << 5,
    VPCLMULQDQ = 1 << 10,
    YMM = 0x07,
    ZMM = 0xE7,
};
#define AVX512 (AVX2 | 1u << 16 | 1u << 30 | 1u << 31)

#define WIDE "x86-vpclmulqdq-avx512 "
#define VL "x86-vpclmulqdq-avx512vl "
#ifdef ES_VPCLMULQDQ_IMPLIES_AVX512
#define IF_AVX2_ONLY ""
#else
#define IF_AVX2_ONLY "x86-vpclmulqdq-avx2 "
#endif
#define WITH_AVX512 VL "x86-vpclmulqdq-avx2 x86-pclmulqdq portable "

static const struct {
    const char *name;
    es_x86_cpu cpu;
    const char *kernels;
} cpus[] = {
    {"one without CPUID", {0, 0, 0, 0, 0, 0}, "portable "},
    {"Nehalem, without PCLMULQDQ", {INTEL, 0x106A5, SSE_ECX1 & ~(1 << 1), 0, 0, 0}, "portable "},
    {"PCLMULQDQ without SSSE3", {INTEL, 0x206C2, SSE_ECX1 & ~(1 << 9), 0, 0, 0}, "portable "},
    {"PCLMULQDQ without SSE4.1", {INTEL, 0x206C2, SSE_ECX1 & ~(1 << 19), 0, 0, 0}, "portable "},
    {"Westmere", {INTEL, 0x206C2, SSE_ECX1, 0, 0, 0}, "x86-pclmulqdq portable "},
    {"Haswell", {INTEL, 0x306C3, AVX_ECX1, AVX2, 0, YMM}, "x86-pclmulqdq portable "},
    {"Skylake's server, without VPCLMULQDQ", {INTEL, 0x50654, AVX_ECX1, AVX512, 0, ZMM}, "x86-pclmulqdq portable "},
    {"Alder Lake", {INTEL, 0x906A3, AVX_ECX1, AVX2, VPCLMULQDQ, YMM}, IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 3", {AMD, 0xA20F10, AVX_ECX1, AVX2, VPCLMULQDQ, YMM}, IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 3, VPCLMULQDQ without AVX2", {AMD, 0xA20F10, AVX_ECX1, 0, VPCLMULQDQ, YMM}, "x86-pclmulqdq portable "},
    {"Zen 3, AVX hidden", {AMD, 0xA20F10, AVX_ECX1 & ~(1 << 28), AVX2, VPCLMULQDQ, YMM}, "x86-pclmulqdq portable "},
    {"Ice Lake SP", {INTEL, 0x606A6, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Ice Lake D", {INTEL, 0x606C1, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Ice Lake, desktops", {INTEL, 0x706D0, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Ice Lake, notebooks", {INTEL, 0x706E5, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Ice Lake NNP-I", {INTEL, 0x906D0, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Tiger Lake", {INTEL, 0x806C1, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Tiger Lake H", {INTEL, 0x806D1, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Tiger Lake, its type not 0", {INTEL, 0x816C1, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WITH_AVX512},
    {"Rocket Lake", {INTEL, 0xA0671, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WIDE WITH_AVX512},
    {"Sapphire Rapids", {INTEL, 0x806F8, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WIDE WITH_AVX512},
    {"Zen 4", {AMD, 0xA60F12, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WIDE WITH_AVX512},
    {"AMD with Tiger Lake's number", {AMD, 0x806C1, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM}, WIDE WITH_AVX512},
    {"Zen 4, AVX-512's registers not saved", {AMD, 0xA60F12, AVX_ECX1, AVX512, VPCLMULQDQ, YMM},
     IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 4, its masks not saved", {AMD, 0xA60F12, AVX_ECX1, AVX512, VPCLMULQDQ, ZMM & ~0x20},
     IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 4, no vectors saved", {AMD, 0xA60F12, AVX_ECX1, AVX512, VPCLMULQDQ, 0x03}, "x86-pclmulqdq portable "},
    {"Zen 4, without AVX512VL", {AMD, 0xA60F12, AVX_ECX1, AVX512 & ~(1u << 31), VPCLMULQDQ, ZMM},
     IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 4, without AVX512BW", {AMD, 0xA60F12, AVX_ECX1, AVX512 & ~(1u << 30), VPCLMULQDQ, ZMM},
     IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 4, without AVX512F", {AMD, 0xA60F12, AVX_ECX1, AVX512 & ~(1u << 16), VPCLMULQDQ, ZMM},
     IF_AVX2_ONLY "x86-pclmulqdq portable "},
    {"Zen 4, without VPCLMULQDQ", {AMD, 0xA60F12, AVX_ECX1, AVX512, 0, ZMM}, "x86-pclmulqdq portable "},
};

int main(void)
{
    size_t i, j, count, failures = 0;

    for (i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        const es_crc32_kernel *kernels[ES_CRC32_KERNELS];
        char names[200] = "";

        count = es_kernels_for(es_x86_features(&cpus[i].cpu), kernels);
        for (j = 0; j < count; j++) {
            strcat(names, kernels[j]->name);
            strcat(names, " ");
        }
        if (strcmp(names, cpus[i].kernels) != 0) {
            fprintf(stderr, "%s:\n  chosen   %s\n  expected %s\n", cpus[i].name, names, cpus[i].kernels);
            failures++;
        }
    }
    printf("crc32_dispatch: %lu CPUs, %lu failures\n", (unsigned long)i, (unsigned long)failures);
    return failures != 0;
}
#endif
