/* Vectors of single precision, as wide as the processor's registers.

Every operation is on each lane alone, and nothing is summed across lanes. So the bits of a result do not depend on the
width. Products are never contracted with sums (-ffp-contract=off), because not every processor has such an instruction.
*/
#ifndef EMBREC_VECTORS_H
#define EMBREC_VECTORS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
/* The same anywhere in memory: NumPy aligns its arrays to 16 bytes. */
typedef float loose_vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *from) { return *(const loose_vec *)from; }

INLINE void store(float *to, vec value) { *(loose_vec *)to = value; }

INLINE vec all(float value) { return (vec){0} + value; }

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The number of entries in the lower triangle of a matrix with so many rows. */
INLINE int64_t triangle(int64_t rows) { return rows * (rows + 1) / 2; }

/* 1 / sqrt(x): both operations are correctly rounded. */
INLINE vec inverse_root(vec x) {
    float lanes[LANES];
    memcpy(lanes, &x, sizeof lanes);
    for (int u = 0; u < LANES; u++) lanes[u] = 1.0f / __builtin_sqrtf(lanes[u]);
    memcpy(&x, lanes, sizeof lanes);
    return x;
}

/* Memory aligned to a cache line, or NULL. */
static inline float *numbers(int64_t count) {
    return aligned_alloc(64, (size_t)((count * 4 + 63) / 64 * 64));
}

#endif
