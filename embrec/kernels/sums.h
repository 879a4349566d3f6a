/* Sums over the ratings of a row: of outer products, moments and squares, or of vectors. */
#ifndef EMBREC_SUMS_H
#define EMBREC_SUMS_H

#include "vectors.h"

/* The ratings of some rows, grouped by row; embrec/kernels/arrays.py describes and checks them. */
struct groups {
    const int64_t *starts;
    const int32_t *others;
    const float *values;
    const int32_t *cuts; /* NULL for one leaf */
    int64_t leaves;
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

/* A sum of a row, or of a leaf of it, is one array: the tiles, then the moments, then the sum of squares. */
INLINE int64_t tiles_size(int64_t width) {
    int64_t tiles = 0;
    for (int64_t column = 0; column < width; column += LANES) tiles += width / TILE - column / TILE;
    return tiles * TILE * LANES;
}

INLINE int64_t sum_size(int64_t width) { return tiles_size(width) + width + 16; }

INLINE void prefetch(const struct groups *groups, int64_t rating, const float *vectors, int64_t width) {
    int64_t last = groups->starts[groups->end] - 1;
    const float *ahead = vectors + groups->others[least(rating + AHEAD, last)] * width;
    for (int64_t column = 0; column < width; column += 16) __builtin_prefetch(ahead + column);
}

/* Add the outer products of a piece to a tile: entries of x times vectors of weighted x. */
INLINE void add_tile(int64_t count, const float *const *x, int64_t row, const float *weighted, int64_t width, float *tile) {
    vec sum[TILE];
    for (int i = 0; i < TILE; i++) sum[i] = load(tile + i * LANES);
    for (int64_t a = 0; a < count; a++) {
        vec right = load(weighted + a * width);
        const float *left = x[a] + row;
        for (int i = 0; i < TILE; i++) sum[i] += left[i] * right;
    }
    for (int i = 0; i < TILE; i++) store(tile + i * LANES, sum[i]);
}

/* Sum the ratings from begin to end, in their order. */
INLINE void sum_leaf(const struct groups *groups, const void *context, int64_t begin, int64_t end, float *sum, int64_t width) {
    const struct explained *other = context;
    float weighted[PIECE * width] __attribute__((aligned(64)));
    const float *x[PIECE];
    float y[PIECE], *moments = sum + tiles_size(width), *squares = moments + width;
    memset(sum, 0, sum_size(width) * sizeof *sum);
    for (int64_t first = begin; first < end; first += PIECE) {
        int64_t count = least(end - first, PIECE);
        float square = *squares;
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
        *squares = square;
        float *tile = sum;
        for (int64_t column = 0; column < width; column += LANES) {
            vec moment = load(moments + column);
            for (int64_t a = 0; a < count; a++) moment += load(weighted + a * width + column) * y[a];
            store(moments + column, moment);
            for (int64_t row = column / TILE * TILE; row < width; row += TILE, tile += TILE * LANES)
                add_tile(count, x, row, weighted + column, width, tile);
        }
    }
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

/* Sum the vectors of the ratings from begin to end. */
INLINE void gather_leaf(const struct groups *groups, const void *context, int64_t begin, int64_t end, float *sum, int64_t width) {
    const float *source = context;
    int64_t column = 0;
    for (; column + 32 <= width; column += 32) gather_columns(groups, source + column, begin, end, sum + column, width, 32);
    if (column < width) gather_columns(groups, source + column, begin, end, sum + column, width, 16);
}

/* The leaf that holds an other, searched from a leaf on that begins at it or before. */
INLINE int64_t leaf_of(const struct groups *groups, int32_t other, int64_t leaf) {
    /* Most often it is this one or the next. */
    for (int i = 0; i < 2; i++, leaf++)
        if (other < groups->cuts[leaf + 1]) return leaf;
    int64_t high = groups->leaves;
    while (high - leaf > 1) {
        int64_t middle = (leaf + high) / 2;
        if (groups->cuts[middle] <= other) leaf = middle;
        else high = middle;
    }
    return leaf;
}

/* The level of the tree at which two leaves are in one branch. */
INLINE int level_of(int64_t left, int64_t right) { return 64 - __builtin_clzll((uint64_t)(left ^ right)); }

INLINE void add(float *restrict to, const float *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] += from[i];
}

typedef void leaf_sum(const struct groups *, const void *, int64_t, int64_t, float *, int64_t);

/* Sum a row by the tree over its leaves. Branches wait on a stack, at the start of which the row's sum ends up. */
INLINE void sum_row(const struct groups *groups, const void *context, int64_t row, float *stack, int64_t size, int64_t width, leaf_sum sum) {
    int64_t begin = groups->starts[row], end = groups->starts[row + 1];
    if (!groups->cuts || begin == end) {
        sum(groups, context, begin, end, stack, width);
        return;
    }
    int64_t last[66]; /* a leaf of each branch on the stack */
    int height = 0;
    for (int64_t leaf = 0; begin < end;) {
        leaf = leaf_of(groups, groups->others[begin], leaf);
        int64_t stop = begin;
        while (stop < end && groups->others[stop] < groups->cuts[leaf + 1]) stop++;
        /* Two branches are added as soon as the new leaf is outside the smallest branch that holds both. */
        while (height > 1 && level_of(last[height - 2], last[height - 1]) < level_of(last[height - 1], leaf)) {
            height--;
            add(stack + (height - 1) * size, stack + height * size, size);
        }
        sum(groups, context, begin, stop, stack + height * size, width);
        last[height++] = leaf;
        begin = stop;
    }
    while (--height > 0) add(stack + (height - 1) * size, stack + height * size, size);
}

/* The numbers that the stack of a row needs: a branch for each level, and one to come. */
INLINE int64_t stack_size(const struct groups *groups, int64_t size) {
    int levels = groups->cuts && groups->leaves > 1 ? level_of(0, groups->leaves - 1) : 0;
    return (levels + 2) * size;
}

/* Write a row's lower triangle, entry after entry, so many numbers apart. */
INLINE void unpack(const float *sum, int64_t width, float *products, int64_t apart) {
    for (int64_t column = 0; column < width; column += LANES)
        for (int64_t row = column / TILE * TILE; row < width; row++, sum += LANES)
            for (int64_t j = 0; j < LANES && column + j <= row; j++) products[(triangle(row) + column + j) * apart] = sum[j];
}

#endif
