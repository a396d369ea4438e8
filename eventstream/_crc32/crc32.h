/*
 * CRC-32 as gzip, zlib and the event stream format use it (polynomial 0x04C11DB7, bit-reflected).
 *
 * One function lists the kernels that can run here. The caller picks number 0 once, when it is imported; tests look up
 * every kernel by its name. Nothing here keeps state, allocates or fails, so all of it may be called from any thread.
 */
#ifndef ES_CRC32_H
#define ES_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* zlib's conventions: start with 0, chain by passing the previous result. src may be NULL if n is 0. */
typedef uint32_t es_crc32_fn(uint32_t crc, const void *src, size_t n);

/*
 * The same, and src is copied to dst in the same pass. The regions must not overlap. If another thread writes to src
 * meanwhile, the checksum is still that of what dst has in the end.
 */
typedef uint32_t es_crc32_copy_fn(uint32_t crc, void *dst, const void *src, size_t n);

typedef struct {
    const char *name;
    es_crc32_fn *crc32;
    es_crc32_copy_fn *copy;
} es_crc32_kernel;

enum { ES_CRC32_KERNELS = 5 }; /* at most, on any machine */

/*
 * Write the kernels that both this CPU and its operating system support, the fastest first, the portable one last, and
 * return how many they are, at least one. The CPU is asked at each call and the answer is not cached.
 */
#if defined(__GNUC__) && !defined(_WIN32) && !defined(__CYGWIN__)
__attribute__((visibility("hidden")))
#endif
size_t es_crc32_kernels(const es_crc32_kernel *kernels[ES_CRC32_KERNELS]);

#endif
