/* Regressions of LANES rows at once: each lane is a row. */
#ifndef EMBREC_SOLVE_H
#define EMBREC_SOLVE_H

#include "sums.h"

/* The sums of LANES rows, and room to solve them. Matrices are lower triangles, row after row. */
struct batch {
    vec *products, *moments, *squares;
    vec *factor;   /* A, then L with A = L L'; below it as one more row b, then L^-1 b */
    vec *inverses; /* of the factor's diagonal */
    vec *solution, *noise;
    float *sum; /* of one row */
};

static int make_batch(struct batch *batch, int64_t width) {
    int64_t packed = triangle(width), total = 2 * packed + 5 * width + 1;
    float *room = numbers(total * LANES + sum_size(width));
    if (!room) return 0;
    memset(room, 0, total * LANES * sizeof *room);
    vec *next = (vec *)room;
    batch->products = next, next += packed;
    batch->factor = next, next += packed + width;
    batch->moments = next, next += width;
    batch->inverses = next, next += width;
    batch->solution = next, next += width;
    batch->noise = next, next += width;
    batch->squares = next, next += 1;
    batch->sum = (float *)next;
    return 1;
}

static void free_batch(struct batch *batch) { free(batch->products); }

/* Subtract from HEIGHT rows' entries in column j what the columns before it explain. */
INLINE void eliminate(vec *factor, int64_t row, int64_t j, int height) {
    const vec *pivots = factor + triangle(j);
    vec *rows[4], sum[4];
    for (int a = 0; a < height; a++) rows[a] = factor + triangle(row + a), sum[a] = rows[a][j];
    for (int64_t k = 0; k < j; k++)
        for (int a = 0; a < height; a++) sum[a] -= pivots[k] * rows[a][k];
    for (int a = 0; a < height; a++) rows[a][j] = sum[a];
}

/* Cholesky's factorization, column by column; the row b below the matrix becomes L^-1 b. */
INLINE void factorize(struct batch *batch, int64_t width) {
    vec *factor = batch->factor;
    for (int64_t j = 0; j < width; j++) {
        int64_t row = j;
        for (; row + 4 <= width + 1; row += 4) eliminate(factor, row, j, 4);
        for (; row <= width; row++) eliminate(factor, row, j, 1);
        vec inverse = inverse_root(factor[triangle(j) + j]);
        batch->inverses[j] = inverse;
        for (row = j + 1; row <= width; row++) factor[triangle(row) + j] *= inverse;
    }
}

/* Multiply with the inverse of L', from the last coordinate on. */
INLINE void substitute(const struct batch *batch, int64_t width, vec *x) {
    for (int64_t j = width - 1; j >= 0; j--) {
        const vec *row = batch->factor + triangle(j);
        x[j] *= batch->inverses[j];
        for (int64_t i = 0; i < j; i++) x[i] -= row[i] * x[j];
    }
}

/* Read one number of each of count rows, so many numbers apart; other lanes are rest. */
INLINE vec read_lanes(const float *from, int64_t apart, int64_t count, float rest) {
    float lanes[LANES];
    vec read;
    for (int64_t u = 0; u < LANES; u++) lanes[u] = u < count ? from[u * apart] : rest;
    memcpy(&read, lanes, sizeof lanes);
    return read;
}

/* Transpose count rows of so many numbers; other lanes are left as they are. */
INLINE void read_rows(const float *from, int64_t width, int64_t count, vec *to) {
    float *lanes = (float *)to;
    for (int64_t u = 0; u < count; u++)
        for (int64_t i = 0; i < width; i++) lanes[i * LANES + u] = from[u * width + i];
}

INLINE void write_rows(const vec *from, int64_t width, int64_t count, float *to) {
    const float *lanes = (const float *)from;
    for (int64_t u = 0; u < count; u++)
        for (int64_t i = 0; i < width; i++) to[u * width + i] = lanes[i * LANES + u];
}

/* Sum of squared residuals: squares - 2 p . moments + p' products p, and at least 0. */
INLINE void residual(const struct batch *batch, int64_t width, const vec *p, int64_t count, float *to) {
    vec left = *batch->squares;
    for (int64_t i = 0; i < width; i++) {
        const vec *row = batch->products + triangle(i);
        vec sum = row[0] * p[0];
        for (int64_t j = 1; j < i; j++) sum += row[j] * p[j];
        vec twice = i ? sum - batch->moments[i] : -batch->moments[i];
        left += p[i] * (2.0f * twice + row[i] * p[i]);
    }
    float lanes[LANES];
    memcpy(lanes, &left, sizeof lanes);
    for (int64_t u = 0; u < count; u++) to[u] = lanes[u] < 0 ? 0 : lanes[u]; /* NaN stays */
}

/* The priors and the noise of the rows to draw, and the draws; by row, from the first row of a call. */
struct drawing {
    const float *prior_means, *precision, *noises, *normal;
    float *vectors, *expected, *squares;
};

/* Draw count rows, the first of them number first, from their posteriors. */
INLINE void draw_batch(struct batch *batch, const struct drawing *drawing, int64_t first, int64_t count, int64_t width) {
    vec noise = read_lanes(drawing->noises + first, 1, count, 1.0f);
    vec weight = 1.0f / (noise * noise);
    vec *b = batch->factor + triangle(width), *mean = batch->solution;
    read_rows(drawing->prior_means + first * width, width, count, mean);
    read_rows(drawing->normal + first * width, width, count, batch->noise);
    for (int64_t i = 0; i < width; i++) {
        const float *precision = drawing->precision + i * width;
        vec of_prior = precision[0] * mean[0];
        for (int64_t j = 1; j < width; j++) of_prior += precision[j] * mean[j];
        b[i] = batch->moments[i] * weight + of_prior;
        for (int64_t j = 0; j <= i; j++)
            batch->factor[triangle(i) + j] = batch->products[triangle(i) + j] * weight + precision[j];
    }
    factorize(batch, width);
    memcpy(batch->solution, b, width * sizeof *b);
    substitute(batch, width, batch->solution);
    substitute(batch, width, batch->noise);
    for (int64_t i = 0; i < width; i++) batch->noise[i] += batch->solution[i];
    write_rows(batch->solution, width, count, drawing->expected + first * width);
    write_rows(batch->noise, width, count, drawing->vectors + first * width);
    residual(batch, width, batch->noise, count, drawing->squares + first);
}

/* The penalties of the rows to solve by ridge regression, and the solutions. */
struct ridge {
    const float *penalties, *scale;
    float *solutions;
};

INLINE void ridge_batch(struct batch *batch, const struct ridge *ridge, int64_t first, int64_t count, int64_t width) {
    vec penalty = read_lanes(ridge->penalties + first, 1, count, 1.0f);
    vec *b = batch->factor + triangle(width);
    memcpy(batch->factor, batch->products, triangle(width) * sizeof *b);
    memcpy(b, batch->moments, width * sizeof *b);
    for (int64_t i = 0; i < width; i++) batch->factor[triangle(i) + i] += penalty * ridge->scale[i];
    factorize(batch, width);
    memcpy(batch->solution, b, width * sizeof *b);
    substitute(batch, width, batch->solution);
    write_rows(batch->solution, width, count, ridge->solutions + first * width);
}

/* Sum the ratings of count rows from number row on. */
INLINE void sum_batch(struct batch *batch, const struct groups *groups, const struct explained *other, int64_t row, int64_t count, int64_t width) {
    float *products = (float *)batch->products, *moments = (float *)batch->moments, *squares = (float *)batch->squares;
    int64_t tiles = tiles_size(width);
    for (int64_t u = 0; u < count; u++) {
        sum_row(groups, other, row + u, batch->sum, width);
        unpack(batch->sum, width, products + u, LANES);
        for (int64_t i = 0; i < width; i++) moments[i * LANES + u] = batch->sum[tiles + i];
        squares[u] = batch->sum[tiles + width];
    }
}

/* The sums of rows as embrec/kernels/arrays.py has them. */
struct sums {
    float *products, *moments, *squares;
};

/* Read the sums of count rows. */
INLINE void read_batch(struct batch *batch, const struct sums *sums, int64_t row, int64_t count, int64_t width) {
    read_rows(sums->products + row * triangle(width), triangle(width), count, batch->products);
    read_rows(sums->moments + row * width, width, count, batch->moments);
    read_rows(sums->squares + row, 1, count, batch->squares);
}

#endif
