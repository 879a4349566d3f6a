/* Standard normal numbers from a counter: Philox 4x64-10, then Box and Muller's transformation. */
#ifndef EMBREC_NORMALS_H
#define EMBREC_NORMALS_H

#include "vectors.h"

/* Of 32 random words the first 16 give radii and the last 16 angles; 256 words are handled at once. */
enum { GROUP = 32, WORDS = 256 };

/* The generator of Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011). */
INLINE void philox(uint64_t counter, const uint64_t key[2], uint32_t *words) {
    uint64_t a = counter, b = 0, c = 0, d = 0, left = key[0], right = key[1];
    for (int round = 0; round < 10; round++) {
        unsigned __int128 first = (unsigned __int128)a * 0xD2E7470EE14C6C93u;
        unsigned __int128 second = (unsigned __int128)c * 0xCA5A826395121157u;
        a = (uint64_t)(second >> 64) ^ b ^ left;
        c = (uint64_t)(first >> 64) ^ d ^ right;
        b = (uint64_t)second;
        d = (uint64_t)first;
        left += 0x9E3779B97F4A7C15u;
        right += 0xBB67AE8584CAA73Bu;
    }
    const uint64_t numbers[4] = {a, b, c, d};
    for (int i = 0; i < 4; i++) words[2 * i] = (uint32_t)numbers[i], words[2 * i + 1] = (uint32_t)(numbers[i] >> 32);
}

/* The natural logarithm of a number above 0; fallback.py has the same steps and coefficients. */
INLINE float logarithm(float number) {
    int32_t bits, exponent;
    memcpy(&bits, &number, 4);
    exponent = (bits - 0x3F2AAAAB) >> 23;
    bits -= (int32_t)((uint32_t)exponent << 23);
    memcpy(&number, &bits, 4);
    float x = number - 1.0f, square = x * x;
    float p = x * -0.13191736f + 0.1396242f;
    p = p * x + -0.12115108f;
    p = p * x + 0.14010926f;
    p = p * x + -0.16685466f;
    p = p * x + 0.20010044f;
    p = p * x + -0.24999689f;
    p = p * x + 0.33333224f;
    float log = p * (square * x);
    log += x - 0.5f * square;
    return log + (float)exponent * 0.6931472f;
}

/* sqrt(-2 log(u)) with u uniform in (0, 1]. */
INLINE float radius(uint32_t word) {
    return __builtin_sqrtf(-2.0f * logarithm((float)(int32_t)(word >> 1) * 0x1p-31f + 0x1p-32f));
}

INLINE float signed_by(float value, uint32_t sign) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits ^= sign;
    memcpy(&value, &bits, 4);
    return value;
}

/* The cosine and the sine of an angle of so many of 2^32 parts of a circle, each times a length. */
INLINE void circle(uint32_t word, float length, float *cosine, float *sine) {
    uint32_t quarter = (word + (1u << 29)) >> 30;
    float x = (float)(int32_t)(word - (quarter << 30)) * 1.4629181e-09f, square = x * x;
    float s = square * -0.000195173f + 0.008332178f;
    s = s * square + -0.16666655f;
    s = x + square * x * s;
    float c = square * 2.4438452e-05f + -0.0013887368f;
    c = c * square + 0.041666646f;
    c = (1.0f - 0.5f * square) + square * square * c;
    float across = quarter & 1 ? s : c, up = quarter & 1 ? c : s;
    *cosine = length * signed_by(across, ((quarter + 1) & 2) << 30);
    *sine = length * signed_by(up, (quarter & 2) << 30);
}

static void fill_normals(const uint64_t key[2], int64_t count, float *out) {
    uint32_t words[WORDS];
    float found[WORDS];
    uint64_t counter = 0;
    for (int64_t begin = 0; begin < count; begin += WORDS) {
        /* As NumPy has it, the first counter is 1. */
        for (int i = 0; i < WORDS; i += 8) philox(++counter, key, words + i);
        for (int first = 0; first < WORDS; first += GROUP)
            for (int i = first; i < first + GROUP / 2; i++)
                circle(words[i + GROUP / 2], radius(words[i]), found + i, found + i + GROUP / 2);
        memcpy(out + begin, found, least(count - begin, WORDS) * sizeof *out);
    }
}

#endif
