"""Conjugate gradients, products with dense matrices of few columns, and predictions: kernels over whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.errors import ArgumentError
from embrec.kernels import choice
from embrec.kernels.arrays import LANES, Groups, check, check_others, check_vectors

Floats = NDArray[np.float32]


def dots(left: Floats, right: Floats) -> NDArray[np.float64]:
    """Return the dot product of each column of two arrays, added in the order of rows.

    Args:
        left: float32 of shape (rows, width).
        right: The same.

    Returns:
        float64 of shape (width,).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    width = check_vectors("left", left, None)
    check("right", right, np.float32, left.shape)
    out = np.empty(width)
    choice.kernels.dots(left, right, out)
    return out


def cg_update(
    step: Floats, direction: Floats, changed: Floats, scale: Floats, solution: Floats, residual: Floats
) -> NDArray[np.float64]:
    """Go a step of conjugate gradients, for every column at once.

    ``solution`` gets step * direction added, and ``residual`` loses step * changed. Both are changed in place.

    Args:
        step: float32 of shape (width,).
        direction: float32 of shape (rows, width).
        changed: The matrix times the direction, float32 of shape (rows, width).
        scale: The preconditioner, float32 of shape (rows,).
        solution: float32 of shape (rows, width).
        residual: float32 of shape (rows, width).

    Returns:
        The sums of scale * residual^2 of each column, float64 of shape (width,), added in the order of rows.

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    width = check_vectors("direction", direction, None)
    for name, array in (("changed", changed), ("solution", solution), ("residual", residual)):
        check(name, array, np.float32, direction.shape)
    check("step", step, np.float32, (width,))
    check("scale", scale, np.float32, direction.shape[:1])
    out = np.empty(width)
    choice.kernels.cg_update(step, direction, changed, scale, solution, residual, out)
    return out


def cg_direction(ratio: Floats, residual: Floats, scale: Floats, direction: Floats) -> None:
    """Turn the direction of conjugate gradients, in place: direction * ratio + residual * scale.

    Args:
        ratio: float32 of shape (width,).
        residual: float32 of shape (rows, width).
        scale: The preconditioner, float32 of shape (rows,).
        direction: float32 of shape (rows, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    width = check_vectors("direction", direction, None)
    check("residual", residual, np.float32, direction.shape)
    check("ratio", ratio, np.float32, (width,))
    check("scale", scale, np.float32, direction.shape[:1])
    choice.kernels.cg_direction(ratio, residual, scale, direction)


def multiply(matrix: Floats, right: Floats) -> Floats:
    """Return the product of a matrix with one of few columns; a row's sum is made in the order of columns.

    Args:
        matrix: float32 of shape (rows, columns).
        right: float32 of shape (columns, width).

    Returns:
        float32 of shape (rows, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    check("matrix", matrix, np.float32, (None, None))
    width = check_vectors("right", right, matrix.shape[1])
    out = np.empty((len(matrix), width), np.float32)
    choice.kernels.multiply(matrix, right, out)
    return out


def multiply_transposed(matrix: Floats, right: Floats) -> Floats:
    """Return the product of a transposed matrix with one of few columns, summed in the order of rows.

    Args:
        matrix: float32 of shape (rows, columns).
        right: float32 of shape (rows, width).

    Returns:
        float32 of shape (columns, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    check("matrix", matrix, np.float32, (None, None))
    width = check_vectors("right", right, len(matrix))
    out = np.empty((matrix.shape[1], width), np.float32)
    choice.kernels.multiply_transposed(matrix, right, out)
    return out


def logarithms(weights: Floats, counts: Floats, squares: Floats) -> NDArray[np.float64]:
    """Return the sum over rows of (weight + count) / 2 * log(weight + square), for each weight.

    Args:
        weights: Above 0, float32 of shape (n,), n at most 16.
        counts: float32 of shape (rows,).
        squares: At least 0, float32 of shape (rows,).

    Returns:
        float64 of shape (n,), added in the order of rows.

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    check("weights", weights, np.float32, (None,))
    check("counts", counts, np.float32, (None,))
    check("squares", squares, np.float32, counts.shape)
    if len(weights) > LANES:
        raise ArgumentError(f"weights has {len(weights)} numbers. Pass at most {LANES} at a time.")
    padded, out = np.ones(LANES, np.float32), np.empty(LANES)
    padded[: len(weights)] = weights
    choice.kernels.logarithms(padded, counts, squares, out)
    return out[: len(weights)]


def predict(groups: Groups, vectors: Floats, others: Floats, rows: slice) -> Floats:
    """Return the predictions of some rows' ratings: both biases, and the product of the vectors.

    Args:
        groups: The ratings by row; their values are not used.
        vectors: Vectors of the rows of the slice, the bias in the last column, float32 of shape (rows, width).
        others: The other side's likewise, float32 of shape (others, width).
        rows: The rows.

    Returns:
        float32 of shape (ratings of these rows,).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    width = check_vectors("vectors", vectors, groups.count(rows))
    check("others", others, np.float32, (None, width))
    check_others(groups, "others", others)
    ratings = groups.ratings_of(rows)
    out = np.empty(ratings.stop - ratings.start, np.float32)
    choice.kernels.predict(groups, vectors, others, rows, out)
    return out
