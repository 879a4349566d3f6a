/* Sums over the ratings of a row: of outer products, moments and squares, or of vectors. */
#ifndef EMBREC_SUMS_H
#define EMBREC_SUMS_H

#include "vectors.h"

/* The ratings of some rows, grouped by row; embrec/kernels/arrays.py describes and checks them. */
struct groups {
    const int64_t *starts;
    const int32_t *others;
    const float *values;
    int64_t begin, end; /* the rows to sum */
};

/* The regression of the ratings on the other side: features, offsets and weights by other. */
struct explained {
    const float *features;
    const float *offsets;
    const float *weights;
    int64_t width;
};

/* Ratings are handled in pieces of 32, whose vectors stay in the first cache. Vectors are fetched 12 ratings ahead. */
enum { PIECE = 32, AHEAD = 12 };

/* The lower triangle is summed in tiles of TILE rows and LANES columns, which fit the registers. */
enum { TILE = LANES < 8 ? 8 : LANES };

/* A sum of a row is one array: the tiles, then the moments, then the sum of squares. */
INLINE int64_t tiles_size(int64_t width) {
    int64_t tiles = 0;
    for (int64_t column = 0; column < width; column += LANES) tiles += width / TILE - column / TILE;
    return tiles * TILE * LANES;
}

INLINE int64_t sum_size(int64_t width) { return tiles_size(width) + width + LANES; }

INLINE void prefetch(const struct groups *groups, int64_t rating, const float *vectors, int64_t width) {
    int64_t last = groups->starts[groups->end] - 1;
    const float *ahead = vectors + groups->others[least(rating + AHEAD, last)] * width;
    for (int64_t column = 0; column < width; column += 16) __builtin_prefetch(ahead + column);
}

/* Add the outer products of a piece to a tile, or begin it with them: entries of x times vectors of weighted x. */
INLINE void add_tile(int begin, int64_t count, const float *const *x, int64_t row, const float *weighted, int64_t width, float *tile) {
    vec sum[TILE];
    for (int i = 0; i < TILE; i++) sum[i] = begin ? all(0) : load(tile + i * LANES);
    for (int64_t a = 0; a < count; a++) {
        vec right = load(weighted + a * width);
        const float *left = x[a] + row;
        for (int i = 0; i < TILE; i++) sum[i] += left[i] * right;
    }
    for (int i = 0; i < TILE; i++) store(tile + i * LANES, sum[i]);
}

/* Sum the ratings of a row, in their order. */
INLINE void sum_row(const struct groups *groups, const struct explained *other, int64_t row, float *sum, int64_t width) {
    int64_t begin = groups->starts[row], end = groups->starts[row + 1];
    float weighted[PIECE * width] __attribute__((aligned(64)));
    const float *x[PIECE];
    float y[PIECE], square = 0, *moments = sum + tiles_size(width), *squares = moments + width;
    int64_t first = begin;
    do {
        int64_t count = least(end - first, PIECE);
        for (int64_t a = 0; a < count; a++) {
            prefetch(groups, first + a, other->features, width);
            int64_t number = groups->others[first + a];
            float weight = other->weights[number];
            x[a] = other->features + number * width;
            y[a] = groups->values[first + a] - other->offsets[number];
            square += weight * y[a] * y[a];
            for (int64_t column = 0; column < width; column += LANES)
                store(weighted + a * width + column, load(x[a] + column) * weight);
        }
        float *tile = sum;
        for (int64_t column = 0; column < width; column += LANES) {
            vec moment = first == begin ? all(0) : load(moments + column);
            for (int64_t a = 0; a < count; a++) moment += load(weighted + a * width + column) * y[a];
            store(moments + column, moment);
            for (int64_t row = column / TILE * TILE; row < width; row += TILE, tile += TILE * LANES)
                add_tile(first == begin, count, x, row, weighted + column, width, tile);
        }
        first += PIECE;
    } while (first < end);
    store(squares, all(0));
    *squares = square;
}

/* Sum some columns of the vectors of the ratings from begin to end, in their order. The sums stay in registers. */
INLINE void gather_columns(const struct groups *groups, const float *source, int64_t begin, int64_t end, float *sum, int64_t width, int64_t columns) {
    vec total[32 / LANES];
    for (int64_t i = 0; i < columns / LANES; i++) total[i] = all(0);
    for (int64_t rating = begin; rating < end; rating++) {
        prefetch(groups, rating, source, width);
        const float *from = source + groups->others[rating] * width;
        for (int64_t i = 0; i < columns / LANES; i++) total[i] += load(from + i * LANES);
    }
    for (int64_t i = 0; i < columns / LANES; i++) store(sum + i * LANES, total[i]);
}

/* Sum the vectors of the ratings of a row. */
INLINE void gather_row(const struct groups *groups, const float *source, int64_t row, float *sum, int64_t width) {
    int64_t begin = groups->starts[row], end = groups->starts[row + 1], column = 0;
    for (; column + 32 <= width; column += 32) gather_columns(groups, source + column, begin, end, sum + column, width, 32);
    if (column < width) gather_columns(groups, source + column, begin, end, sum + column, width, 16);
}

/* Write a row's lower triangle, entry after entry, so many numbers apart. */
INLINE void unpack(const float *sum, int64_t width, float *products, int64_t apart) {
    for (int64_t column = 0; column < width; column += LANES) {
        int64_t row = column / TILE * TILE;
/* Unrolled, the bounds of each row are constants. */
#pragma GCC unroll 16
        for (; row < column + LANES; row++, sum += LANES)
#pragma GCC unroll 16
            for (int64_t j = 0; j <= row - column; j++) products[(triangle(row) + column + j) * apart] = sum[j];
        for (; row < width; row++, sum += LANES)
#pragma GCC unroll 16
            for (int64_t j = 0; j < LANES; j++) products[(triangle(row) + column + j) * apart] = sum[j];
    }
}

#endif
