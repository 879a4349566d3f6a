/* The compiled kernels, as embrec/kernels/compiled.py calls them. Nothing is checked here: embrec/kernels/arrays.py
has done it. This file is compiled once for each kind of processor, and VARIANT names the functions of each.

A function returns 0 if there is no memory to work in, else 1.
*/
#include "dense.h"
#include "solve.h"

#define JOIN(name, variant) embrec_##name##_##variant
#define NAMED(name, variant) JOIN(name, variant)
#define EXPORT(name) __attribute__((visibility("default"))) NAMED(name, VARIANT)

/* Compile for vectors of 16 and 32, constants, and of any length. */
#define BY_WIDTH(width, call) \
    do { \
        if ((width) == 16) { \
            const int64_t WIDTH = 16; \
            call; \
        } else if ((width) == 32) { \
            const int64_t WIDTH = 32; \
            call; \
        } else { \
            const int64_t WIDTH = (width); \
            call; \
        } \
    } while (0)

int EXPORT(normals)(const uint64_t *key, int64_t count, float *out) {
    fill_normals(key, count, out);
    return 1;
}

INLINE void write_sums(const struct groups *groups, const struct explained *other, const struct sums *out, float *sum, int64_t width) {
    int64_t tiles = tiles_size(width);
    for (int64_t row = groups->begin; row < groups->end; row++) {
        int64_t to = row - groups->begin;
        sum_row(groups, other, row, sum, width);
        unpack(sum, width, out->products + to * triangle(width), 1);
        memcpy(out->moments + to * width, sum + tiles, width * sizeof *sum);
        out->squares[to] = sum[tiles + width];
    }
}

int EXPORT(sums)(const struct groups *groups, const struct explained *other, const struct sums *out) {
    float *sum = numbers(sum_size(other->width));
    if (!sum) return 0;
    BY_WIDTH(other->width, write_sums(groups, other, out, sum, WIDTH));
    free(sum);
    return 1;
}

INLINE void gather_rows(const struct groups *groups, const float *source, float *out, int64_t width) {
    for (int64_t row = groups->begin; row < groups->end; row++)
        gather_row(groups, source, row, out + (row - groups->begin) * width, width);
}

int EXPORT(gather)(const struct groups *groups, const float *source, int64_t width, float *out) {
    BY_WIDTH(width, gather_rows(groups, source, out, WIDTH));
    return 1;
}

INLINE void draw_all(struct batch *batch, int64_t rows, const struct sums *sums, const struct drawing *drawing, int64_t width) {
    for (int64_t first = 0; first < rows; first += LANES) {
        int64_t count = least(rows - first, LANES);
        read_batch(batch, sums, first, count, width);
        draw_batch(batch, drawing, first, count, width);
    }
}

int EXPORT(draw)(int64_t rows, int64_t width, const struct sums *sums, const struct drawing *drawing) {
    struct batch batch;
    if (!make_batch(&batch, width)) return 0;
    BY_WIDTH(width, draw_all(&batch, rows, sums, drawing, WIDTH));
    free_batch(&batch);
    return 1;
}

INLINE void draw_groups(struct batch *batch, const struct groups *groups, const struct explained *other, const struct drawing *drawing, int64_t width) {
    for (int64_t row = groups->begin; row < groups->end; row += LANES) {
        int64_t count = least(groups->end - row, LANES);
        sum_batch(batch, groups, other, row, count, width);
        draw_batch(batch, drawing, row - groups->begin, count, width);
    }
}

int EXPORT(draw_rows)(const struct groups *groups, const struct explained *other, const struct drawing *drawing) {
    struct batch batch;
    if (!make_batch(&batch, other->width)) return 0;
    BY_WIDTH(other->width, draw_groups(&batch, groups, other, drawing, WIDTH));
    free_batch(&batch);
    return 1;
}

INLINE void ridge_all(struct batch *batch, int64_t rows, const struct sums *sums, const struct ridge *ridge, int64_t width) {
    for (int64_t first = 0; first < rows; first += LANES) {
        int64_t count = least(rows - first, LANES);
        read_batch(batch, sums, first, count, width);
        ridge_batch(batch, ridge, first, count, width);
    }
}

int EXPORT(ridge)(int64_t rows, int64_t width, const struct sums *sums, const struct ridge *ridge) {
    struct batch batch;
    if (!make_batch(&batch, width)) return 0;
    BY_WIDTH(width, ridge_all(&batch, rows, sums, ridge, WIDTH));
    free_batch(&batch);
    return 1;
}

INLINE void ridge_groups(struct batch *batch, const struct groups *groups, const struct explained *other, const struct ridge *ridge, int64_t width) {
    for (int64_t row = groups->begin; row < groups->end; row += LANES) {
        int64_t count = least(groups->end - row, LANES);
        sum_batch(batch, groups, other, row, count, width);
        ridge_batch(batch, ridge, row - groups->begin, count, width);
    }
}

int EXPORT(ridge_rows)(const struct groups *groups, const struct explained *other, const struct ridge *ridge) {
    struct batch batch;
    if (!make_batch(&batch, other->width)) return 0;
    BY_WIDTH(other->width, ridge_groups(&batch, groups, other, ridge, WIDTH));
    free_batch(&batch);
    return 1;
}

int EXPORT(dots)(int64_t rows, int64_t width, const float *left, const float *right, double *totals) {
    BY_WIDTH(width, add_dots(rows, left, right, totals, WIDTH));
    return 1;
}

int EXPORT(cg_update)(int64_t rows, int64_t width, const float *step, const float *direction, const float *changed, const float *scale, float *solution, float *residual, double *totals) {
    BY_WIDTH(width, update(rows, step, direction, changed, scale, solution, residual, totals, WIDTH));
    return 1;
}

int EXPORT(cg_direction)(int64_t rows, int64_t width, const float *ratio, const float *residual, const float *scale, float *direction) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0, k = row * width; i < width; i++, k++)
            direction[k] = direction[k] * ratio[i] + residual[k] * scale[row];
    return 1;
}

int EXPORT(multiply)(int64_t rows, int64_t columns, const float *matrix, const float *right, int64_t width, float *out) {
    BY_WIDTH(width, multiply_all(rows, columns, matrix, right, out, WIDTH));
    return 1;
}

int EXPORT(multiply_transposed)(int64_t rows, int64_t columns, const float *matrix, const float *right, int64_t width, float *out) {
    BY_WIDTH(width, transposed_all(rows, columns, matrix, right, out, WIDTH));
    return 1;
}

int EXPORT(logarithms)(int64_t rows, const float *weights, const float *counts, const float *squares, double *totals) {
    add_logarithms(rows, weights, counts, squares, totals);
    return 1;
}

INLINE void predict_rows(const struct groups *groups, const float *vectors, const float *others, float *out, int64_t width) {
    for (int64_t row = groups->begin; row < groups->end; row++) {
        int64_t first = groups->starts[row] - groups->starts[groups->begin];
        predict_row(groups, row, vectors + (row - groups->begin) * width, others, out + first, width);
    }
}

int EXPORT(predict)(const struct groups *groups, const float *vectors, const float *others, int64_t width, float *out) {
    BY_WIDTH(width, predict_rows(groups, vectors, others, out, WIDTH));
    return 1;
}
