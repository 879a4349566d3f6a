/* Products with dense arrays: sums over rows in double precision, matrices times few columns, predicted ratings. */
#ifndef EMBREC_DENSE_H
#define EMBREC_DENSE_H

#include "normals.h"
#include "sums.h"

typedef double wide_vec __attribute__((vector_size(8 * LANES)));
typedef double loose_wide_vec __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

INLINE wide_vec widened(vec value) { return __builtin_convertvector(value, wide_vec); }

INLINE void add_dots(int64_t rows, const float *left, const float *right, double *totals, int64_t width) {
    for (int64_t column = 0; column < width; column += LANES) {
        wide_vec total = {0};
        for (int64_t k = column; k < rows * width; k += width) total += widened(load(left + k) * load(right + k));
        *(loose_wide_vec *)(totals + column) = total;
    }
}

INLINE void update(int64_t rows, const float *step, const float *direction, const float *changed, const float *scale, float *solution, float *residual, double *totals, int64_t width) {
    for (int64_t column = 0; column < width; column += LANES) {
        vec length = load(step + column);
        wide_vec total = {0};
        for (int64_t row = 0, k = column; row < rows; row++, k += width) {
            store(solution + k, load(solution + k) + length * load(direction + k));
            vec left = load(residual + k) - length * load(changed + k);
            store(residual + k, left);
            total += widened(left * left * scale[row]);
        }
        *(loose_wide_vec *)(totals + column) = total;
    }
}

/* Rows of a matrix are multiplied eight at a time, which the registers hold. */
enum { ROWS = 8 };

/* Rows of a matrix of so many columns times LANES columns of a matrix of as many rows. */
INLINE void multiply_rows(int64_t height, int64_t columns, const float *matrix, const float *right, float *out, int64_t width) {
    vec sum[ROWS];
    for (int64_t i = 0; i < height; i++) sum[i] = all(0);
    for (int64_t k = 0; k < columns; k++) {
        vec from = load(right + k * width);
        for (int64_t i = 0; i < height; i++) sum[i] += matrix[i * columns + k] * from;
    }
    for (int64_t i = 0; i < height; i++) store(out + i * width, sum[i]);
}

/* Add the transpose of rows of a matrix times LANES columns of a matrix with the same rows, row after row. */
INLINE void add_transposed(int64_t height, int64_t columns, const float *matrix, const float *right, float *out, int64_t width) {
    vec by[ROWS];
    for (int64_t i = 0; i < height; i++) by[i] = load(right + i * width);
    for (int64_t k = 0; k < columns; k++) {
        vec sum = load(out + k * width);
        for (int64_t i = 0; i < height; i++) sum += matrix[i * columns + k] * by[i];
        store(out + k * width, sum);
    }
}

INLINE void multiply_all(int64_t rows, int64_t columns, const float *matrix, const float *right, float *out, int64_t width) {
    for (int64_t row = 0; row < rows; row += ROWS)
        for (int64_t column = 0; column < width; column += LANES) {
            const float *from = matrix + row * columns;
            float *to = out + row * width + column;
            if (rows - row >= ROWS) multiply_rows(ROWS, columns, from, right + column, to, width);
            else multiply_rows(rows - row, columns, from, right + column, to, width);
        }
}

INLINE void transposed_all(int64_t rows, int64_t columns, const float *matrix, const float *right, float *out, int64_t width) {
    memset(out, 0, columns * width * sizeof *out);
    for (int64_t row = 0; row < rows; row += ROWS)
        for (int64_t column = 0; column < width; column += LANES) {
            const float *from = matrix + row * columns, *by = right + row * width + column;
            if (rows - row >= ROWS) add_transposed(ROWS, columns, from, by, out + column, width);
            else add_transposed(rows - row, columns, from, by, out + column, width);
        }
}

/* Logarithms of 16 weights at once, which is the widest vector. */
enum { LINE = 16 };

/* Sums over rows of (weight + count) / 2 * log(weight + square), for LINE weights. */
INLINE void add_logarithms(int64_t rows, const float *weights, const float *counts, const float *squares, double *totals) {
    double sums[LINE] = {0};
    for (int64_t row = 0; row < rows; row++)
        for (int i = 0; i < LINE; i++)
            sums[i] += (double)(0.5f * (weights[i] + counts[row])) * (double)logarithm(weights[i] + squares[row]);
    memcpy(totals, sums, sizeof sums);
}

/* Add LINE numbers in the order of a tree, which every processor has instructions for. */
INLINE float added(float *numbers) {
    for (int half = LINE / 2; half; half /= 2)
        for (int i = 0; i < half; i++) numbers[i] += numbers[i + half];
    return *numbers;
}

/* A row's predictions: both biases, which are the last columns, and the product of the other columns. */
INLINE void predict_row(const struct groups *groups, int64_t row, const float *vector, const float *others, float *out, int64_t width) {
    float own[width], bias = vector[width - 1];
    memcpy(own, vector, sizeof own);
    own[width - 1] = 1;
    for (int64_t rating = groups->starts[row]; rating < groups->starts[row + 1]; rating++, out++) {
        prefetch(groups, rating, others, width);
        const float *other = others + groups->others[rating] * width;
        float products[LINE];
        for (int i = 0; i < LINE; i++) products[i] = own[i] * other[i];
        for (int64_t column = LINE; column < width; column += LINE)
            for (int i = 0; i < LINE; i++) products[i] += own[column + i] * other[column + i];
        *out = bias + added(products);
    }
}

#endif
