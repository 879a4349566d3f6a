"""The kernels in NumPy and SciPy, for an installation without compiled ones.

A product of an other's features is the same for every row that has the other, so it is computed once. The sums of all
rows are then the product of a sparse incidence matrix with a dense matrix of products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.kernels.arrays import Drawn, Groups, Sums

Floats = NDArray[np.float32]
name = "NumPy"

# Rows are summed in blocks of about 262,144 ratings, and solved in blocks whose sums are a million numbers (4 MB),
# because what is computed for a block should stay in the processor's caches.
_BLOCK_RATINGS, _BLOCK_NUMBERS = 1 << 18, 1 << 20
# Products are computed in blocks of 2,048 rows, and normal numbers in blocks of 16,384, for the same reason.
_BLOCK_PRODUCTS, _BLOCK_NORMALS = 1 << 11, 1 << 14

# Coefficients of minimax polynomials, lowest power first: log(1 + x) = x - x^2 / 2 + x^3 P(x) for |x| <= 1 / 3,
# sin(x) = x + x^3 P(x^2) and cos(x) = 1 - x^2 / 2 + x^4 P(x^2) for |x| <= pi / 4. normals.h has the same.
_LOG = (0.33333224, -0.24999689, 0.20010044, -0.16685466, 0.14010926, -0.12115108, 0.1396242, -0.13191736)
_SIN = (-0.16666655, 0.008332178, -0.000195173)
_COS = (0.041666646, -0.0013887368, 2.4438452e-05)
_LOG_2 = np.float32(0.6931472)
_ANGLE = np.float32(2 * np.pi / 2**32)


def normals(key: bytes, out: Floats) -> None:
    """Fill ``out``, of shape (count,), with standard normal numbers.

    Of every 32 random words the first 16 give radii and the last 16 angles (Box, Muller, A note on the generation of
    random normal deviates, 1958). The words are those of the generator Philox 4x64-10.
    """
    generator = np.random.Philox(key=int.from_bytes(key, "little"))
    for begin in range(0, len(out), _BLOCK_NORMALS):
        block = out[begin : begin + _BLOCK_NORMALS]
        words = generator.random_raw(-(-len(block) // 32) * 16).astype("<u8", copy=False).view("<u4").reshape(-1, 2, 16)
        radius, (cosine, sine) = _radius(words[:, 0]), _circle(words[:, 1])
        block[:] = np.stack([radius * cosine, radius * sine], axis=1).reshape(-1)[: len(block)]


def _radius(words: NDArray[np.uint32]) -> Floats:
    """Return sqrt(-2 log(u)) with u uniform in (0, 1]."""
    uniform = (words >> 1).astype(np.int32).astype(np.float32)
    uniform *= np.float32(2.0**-31)
    uniform += np.float32(2.0**-32)
    return np.asarray(np.sqrt(np.float32(-2) * _logarithm(uniform)))


def _logarithm(numbers: Floats) -> Floats:
    # number = 2^exponent (1 + x), with 1 + x in [2 / 3, 4 / 3)
    bits = numbers.view(np.int32)
    exponent = (bits - np.int32(0x3F2AAAAB)) >> 23
    x = (bits - (exponent << 23)).view(np.float32) - np.float32(1)
    square = x * x
    log = _polynomial(x, _LOG) * (square * x)
    log += x - np.float32(0.5) * square
    log += exponent.astype(np.float32) * _LOG_2
    return np.asarray(log)


def _circle(words: NDArray[np.uint32]) -> tuple[Floats, Floats]:
    """Return the cosine and the sine of an angle of so many of 2^32 parts of a circle."""
    # The nearest quarter of the circle, and the angle from there.
    quarter = (words + np.uint32(1 << 29)) >> 30
    x = (words - (quarter << 30)).view(np.int32).astype(np.float32) * _ANGLE
    square = x * x
    sine = x + square * x * _polynomial(square, _SIN)
    cosine = (np.float32(1) - np.float32(0.5) * square) + square * square * _polynomial(square, _COS)
    turned = (quarter & 1).astype(bool)
    sign_cosine, sign_sine = ((quarter + 1) & 2) << 30, (quarter & 2) << 30
    across = np.where(turned, sine, cosine).view(np.uint32) ^ sign_cosine
    up = np.where(turned, cosine, sine).view(np.uint32) ^ sign_sine
    return across.view(np.float32), up.view(np.float32)


def _polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    *rest, highest = coefficients
    value = x * np.float32(highest)
    for each in rest[:0:-1]:
        value += np.float32(each)
        value *= x
    value += np.float32(rest[0])
    return value


def sums(groups: Groups, features: Floats, offsets: Floats, weights: Floats, rows: slice, out: Sums) -> None:
    """Fill ``out`` with the sums of some rows."""
    for block in _blocks(groups, rows):
        place = slice(block.start - rows.start, block.stop - rows.start)
        for target, found in zip(out, _sums(groups, features, offsets, weights, block), strict=True):
            target[place] = found


def _sums(groups: Groups, features: Floats, offsets: Floats, weights: Floats, rows: slice) -> list[Floats]:
    starts, ratings = _ratings(groups, rows)
    others = groups.others[ratings]
    used, columns = _numbered(others, len(features))
    y = groups.rated()[ratings] - offsets[others]
    own, of_own = features[used], weights[used]
    weighted = own * of_own[:, np.newaxis]
    return [
        _incidence(starts, columns, len(used)) @ _products(own, weighted),
        _incidence(starts, columns, len(used), y) @ weighted,
        _incidence(starts, columns, len(used), y * y) @ of_own,
    ]


def _numbered(others: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the distinct others, and the number among them of each."""
    used = np.zeros(count, bool)
    used[others] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(used), number[others]


def _products(features: Floats, weighted: Floats) -> Floats:
    """Return the lower triangles of the outer products of each row."""
    rows, width = features.shape
    down, across = np.tril_indices(width)
    out = np.empty((rows, len(down)), np.float32)
    for begin in range(0, rows, _BLOCK_PRODUCTS):
        block = slice(begin, begin + _BLOCK_PRODUCTS)
        np.multiply(np.take(weighted[block], down, 1), np.take(features[block], across, 1), out=out[block])
    return out


def gather(groups: Groups, source: Floats, rows: slice, out: Floats) -> None:
    """Fill ``out`` with the sums of the others' rows of ``source``."""
    for block in _blocks(groups, rows):
        starts, ratings = _ratings(groups, block)
        found = _incidence(starts, groups.others[ratings], len(source)) @ source
        out[block.start - rows.start : block.stop - rows.start] = found


def _ratings(groups: Groups, rows: slice) -> tuple[NDArray[np.int32], slice]:
    """Return where each row's ratings start, from the first of some rows on, and their positions among all."""
    starts = groups.starts[rows.start : rows.stop + 1]
    return (starts - starts[0]).astype(np.int32), groups.ratings_of(rows)


def _incidence(starts: NDArray[np.int32], columns: NDArray[np.int32], count: int, values: Floats | None = None) -> Any:
    import scipy.sparse

    values = np.ones(len(columns), np.float32) if values is None else values
    return scipy.sparse.csr_array((values, columns, starts), shape=(len(starts) - 1, count))


def _blocks(groups: Groups, rows: slice) -> Iterator[slice]:
    """Cut rows into blocks of ``_BLOCK_RATINGS`` ratings; a row counts as 8 more: its sums take memory."""
    sizes = groups.starts[rows.start : rows.stop + 1] + 8 * np.arange(rows.stop - rows.start + 1)
    begin = 0
    while begin < len(sizes) - 1:
        end = max(int(np.searchsorted(sizes, sizes[begin] + _BLOCK_RATINGS, side="right")) - 1, begin + 1)
        yield slice(rows.start + begin, rows.start + end)
        begin = end


def draw(sums: Sums, prior_means: Floats, precision: Floats, noises: Floats, normal: Floats, out: Drawn) -> None:
    """Fill ``out`` with posterior draws."""
    for block, mine in _transposed(sums):
        means, weights = np.ascontiguousarray(prior_means[block].T), noises[block] ** -2
        equations = np.empty((len(means) + 1, *means.shape), np.float32)
        for row, products in enumerate(_triangle(mine.products)):
            np.multiply(products, weights, out=equations[row, : row + 1])
            equations[row, : row + 1] += precision[row, : row + 1, np.newaxis]
        equations[-1] = mine.moments * weights
        for column, mean in enumerate(means):
            equations[-1] += precision[:, column, np.newaxis] * mean
        _eliminate(equations)
        expected, noise = _solved(equations, np.stack([equations[-1], normal[block].T]))
        drawn = expected + noise
        out.expected[block], out.vectors[block], out.squares[block] = expected.T, drawn.T, _squares(mine, drawn)


def ridge(sums: Sums, penalties: Floats, scale: Floats, out: Floats) -> None:
    """Fill ``out`` with the solutions of ridge regressions."""
    for block, mine in _transposed(sums):
        equations = np.empty((len(mine.moments) + 1, *mine.moments.shape), np.float32)
        for row, products in enumerate(_triangle(mine.products)):
            equations[row, : row + 1] = products
            equations[row, row] += penalties[block] * scale[row]
        equations[-1] = mine.moments
        _eliminate(equations)
        out[block] = _solved(equations, equations[np.newaxis, -1])[0].T


def _transposed(sums: Sums) -> Iterator[tuple[slice, Sums]]:
    """Yield blocks of rows, and their sums with the rows as the last axis.

    Then every step handles all rows of a block, contiguous in memory, and no row depends on the others.
    """
    size = max(_BLOCK_NUMBERS // sums.products.shape[1], 1)
    for begin in range(0, len(sums.squares), size):
        block = slice(begin, begin + size)
        yield block, Sums(*(np.ascontiguousarray(each.T) for each in sums.part(block)))


def _triangle(packed: Floats) -> Iterator[Floats]:
    """Yield the rows of lower triangles, which are packed along the first axis."""
    begin = row = 0
    while begin < len(packed):
        row += 1
        yield packed[begin : begin + row]
        begin += row


def _eliminate(equations: Floats) -> None:
    """Turn A, of which only the lower triangle is read, into its Cholesky factor L, and b below A into L^-1 b."""
    width = equations.shape[1]
    for step in range(width):
        equations[step:, step] /= np.sqrt(equations[step, step])
        below = equations[step + 1 :, step]
        for row in range(step + 1, width):
            # The lower triangle, and the appended row in the last step.
            equations[row, step + 1 : row + 1] -= below[row - step - 1] * below[: row - step]
        equations[width, step + 1 :] -= below[-1] * below[:-1]


def _solved(equations: Floats, right: Floats) -> Floats:
    """Return L'^-1 times each right-hand side, of shape (sides, width, rows); ``right`` is overwritten."""
    for step in reversed(range(equations.shape[1])):
        right[:, step] /= equations[step, step]
        right[:, :step] -= equations[step, :step] * right[:, step, np.newaxis]
    return right


def _squares(sums: Sums, vectors: Floats) -> Floats:
    """Return the sums of squared residuals: squares - 2 p . moments + p' products p."""
    left = sums.squares.copy()
    for row, products in enumerate(_triangle(sums.products)):
        explained = -sums.moments[row]
        for product, vector in zip(products[:row], vectors, strict=False):
            explained += product * vector
        left += vectors[row] * (2 * explained + products[row] * vectors[row])
    return np.asarray(np.maximum(left, np.float32(0)))


def draw_rows(
    groups: Groups,
    features: Floats,
    offsets: Floats,
    weights: Floats,
    prior_means: Floats,
    precision: Floats,
    noises: Floats,
    normal: Floats,
    rows: slice,
    out: Drawn,
) -> None:
    """Fill ``out`` with posterior draws given the ratings, block by block."""
    for block in _blocks(groups, rows):
        place = slice(block.start - rows.start, block.stop - rows.start)
        found = Sums(*_sums(groups, features, offsets, weights, block))
        draw(found, prior_means[place], precision, noises[place], normal[place], Drawn(*(each[place] for each in out)))


def ridge_rows(
    groups: Groups,
    features: Floats,
    offsets: Floats,
    weights: Floats,
    penalties: Floats,
    scale: Floats,
    rows: slice,
    out: Floats,
) -> None:
    """Fill ``out`` with ridge regressions given the ratings, block by block."""
    for block in _blocks(groups, rows):
        place = slice(block.start - rows.start, block.stop - rows.start)
        found = Sums(*_sums(groups, features, offsets, weights, block))
        ridge(found, penalties[place], scale, out[place])


def dots(left: Floats, right: Floats, out: NDArray[np.float64]) -> None:
    """Fill ``out`` with the dot product of each column."""
    out[:] = np.sum(left * right, axis=0, dtype=np.float64)


def cg_update(
    step: Floats,
    direction: Floats,
    changed: Floats,
    scale: Floats,
    solution: Floats,
    residual: Floats,
    out: NDArray[np.float64],
) -> None:
    """Go a step in the direction, and fill ``out`` with the new residual's squared lengths."""
    solution += step * direction
    residual -= step * changed
    out[:] = np.sum(residual * residual * scale[:, np.newaxis], axis=0, dtype=np.float64)


def cg_direction(ratio: Floats, residual: Floats, scale: Floats, direction: Floats) -> None:
    """Turn the direction."""
    direction *= ratio
    direction += residual * scale[:, np.newaxis]


def multiply(matrix: Floats, right: Floats, out: Floats) -> None:
    """Fill ``out`` with the product of two matrices."""
    np.matmul(matrix, right, out=out)


def multiply_transposed(matrix: Floats, right: Floats, out: Floats) -> None:
    """Fill ``out`` with the product of a transposed matrix."""
    np.matmul(matrix.T, right, out=out)


def logarithms(weights: Floats, counts: Floats, squares: Floats, out: NDArray[np.float64]) -> None:
    """Fill ``out`` with each weight's sum over rows."""
    for place, weight in enumerate(weights):
        halves = (np.float32(0.5) * (weight + counts)).astype(np.float64)
        out[place] = halves @ np.log(weight + squares).astype(np.float64)


def predict(groups: Groups, vectors: Floats, others: Floats, rows: slice, out: Floats) -> None:
    """Fill ``out`` with predictions."""
    starts, ratings = _ratings(groups, rows)
    own, other = np.repeat(vectors, np.diff(starts), axis=0), others[groups.others[ratings]]
    out[:] = own[:, -1] + (other[:, -1] + np.einsum("nd,nd->n", own[:, :-1], other[:, :-1]))
