"""The inner loops of the matrix factorizations: sums over ratings, regressions, normal numbers, conjugate gradients.

Every function works on any slice of rows, in the calling thread, so callers share rows out among threads. The result
of a row does not depend on the slice that it is in. All arrays are in C order, and the length of a vector, ``width``,
is a multiple of 16: pad vectors with zeros.

Arrays that belong to the rows of a slice, as ``noises`` and ``normal``, have the length of the slice.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from embrec.errors import ArgumentError
from embrec.kernels import choice
from embrec.kernels.arrays import LANES, Drawn, Groups, Sums, check, check_others, check_vectors
from embrec.kernels.choice import in_use
from embrec.kernels.dense import cg_direction, cg_update, dots, logarithms, multiply, multiply_transposed, predict

__all__ = [
    "LANES",
    "Drawn",
    "Groups",
    "Sums",
    "cg_direction",
    "cg_update",
    "dots",
    "draw",
    "draw_rows",
    "gather",
    "in_use",
    "logarithms",
    "multiply",
    "multiply_transposed",
    "normals",
    "predict",
    "ridge",
    "ridge_rows",
    "sums",
]

Floats = NDArray[np.float32]


def normals(key: tuple[int, ...], shape: int | tuple[int, ...]) -> Floats:
    """Return standard normal numbers; the i-th depends on the key and i alone.

    The counter-based generator is Philox 4x64-10 (Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2,
    3, SC 2011), and its key a hash of ``key``. The transformation is Box and Muller's.

    Args:
        key: Integers from 0 to 2^64 - 1, for example a seed and the numbers of a stage, a sweep and a shard.
        shape: The shape of the result.

    Raises:
        ArgumentError: A part of the key is out of range.
    """
    try:
        packed = b"".join(int(part).to_bytes(8, "little") for part in key)
    except OverflowError as error:
        raise ArgumentError(f"The key {key} has a part outside 0 to 2^64 - 1. Pass parts in that range.") from error
    out = np.empty(shape, np.float32)
    choice.kernels.normals(hashlib.blake2b(packed, digest_size=16).digest(), out.reshape(-1))
    return out


def sums(groups: Groups, features: Floats, offsets: Floats, weights: Floats, rows: slice) -> Sums:
    """Return the sums of the normal equations of some rows.

    Args:
        groups: The ratings by row.
        features: Features of the other side, float32 of shape (others, width).
        offsets: Values to subtract from the ratings, float32 of shape (others,).
        weights: Weights of the ratings, float32 of shape (others,).
        rows: The rows to sum.

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    count, width = _checked(groups, features, offsets, weights, rows)
    out = Sums.empty(count, width)
    choice.kernels.sums(groups, features, offsets, weights, rows, out)
    return out


def draw(sums: Sums, prior_means: Floats, precision: Floats, noises: Floats, normal: Floats) -> Drawn:
    """Draw each row from its posterior; a row without ratings is drawn from its prior. Input not finite gives NaN.

    With A a row's precision, b the moments of its ratings and its prior together, and A = L L', the mean is
    L'^-1 (L^-1 b), and a draw L'^-1 (L^-1 b + z), z standard normal.

    Args:
        sums: The sums over the rows' ratings.
        prior_means: float32 of shape (rows, width).
        precision: The prior's precision, symmetric, float32 of shape (width, width).
        noises: Standard deviation of a row's ratings of weight 1, float32 of shape (rows,).
        normal: Standard normal numbers, float32 of shape (rows, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    rows, width = sums.checked()
    _check_prior(rows, width, prior_means, precision, noises, normal)
    out = Drawn.empty(rows, width)
    choice.kernels.draw(sums, prior_means, precision, noises, normal, out)
    return out


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
) -> Drawn:
    """Draw some rows from their posteriors given their ratings: :func:`sums` and :func:`draw` without storing the sums.

    Args:
        groups: The ratings by row.
        features: As for :func:`sums`.
        offsets: As for :func:`sums`.
        weights: As for :func:`sums`.
        prior_means: As for :func:`draw`, as are the next three.
        precision: float32 of shape (width, width).
        noises: float32 of shape (rows of the slice,).
        normal: float32 of shape (rows of the slice, width).
        rows: The rows to draw.

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    count, width = _checked(groups, features, offsets, weights, rows)
    _check_prior(count, width, prior_means, precision, noises, normal)
    out = Drawn.empty(count, width)
    choice.kernels.draw_rows(groups, features, offsets, weights, prior_means, precision, noises, normal, rows, out)
    return out


def ridge(sums: Sums, penalties: Floats, scale: Floats) -> Floats:
    """Solve (products + penalty * diag(scale)) x = moments for each row.

    Args:
        sums: The sums over the rows' ratings.
        penalties: Regularization of each row, above 0, float32 of shape (rows,).
        scale: Factor of each coordinate's penalty, above 0, float32 of shape (width,).

    Returns:
        float32 of shape (rows, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    rows, width = sums.checked()
    check("penalties", penalties, np.float32, (rows,))
    check("scale", scale, np.float32, (width,))
    out = np.empty((rows, width), np.float32)
    choice.kernels.ridge(sums, penalties, scale, out)
    return out


def ridge_rows(
    groups: Groups,
    features: Floats,
    offsets: Floats,
    weights: Floats,
    penalties: Floats,
    scale: Floats,
    rows: slice,
) -> Floats:
    """Solve the ridge regressions of some rows given their ratings: :func:`sums` and :func:`ridge` in one.

    Args:
        groups: The ratings by row.
        features: As for :func:`sums`.
        offsets: As for :func:`sums`.
        weights: As for :func:`sums`.
        penalties: As for :func:`ridge`, float32 of shape (rows of the slice,).
        scale: As for :func:`ridge`.
        rows: The rows to solve.

    Returns:
        float32 of shape (rows of the slice, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    count, width = _checked(groups, features, offsets, weights, rows)
    check("penalties", penalties, np.float32, (count,))
    check("scale", scale, np.float32, (width,))
    out = np.empty((count, width), np.float32)
    choice.kernels.ridge_rows(groups, features, offsets, weights, penalties, scale, rows, out)
    return out


def gather(groups: Groups, source: Floats, rows: slice) -> Floats:
    """Return, for each row, the sum of its others' rows of ``source``: the product of the incidence matrix with it.

    Args:
        groups: The ratings by row; their values are not used.
        source: float32 of shape (others, width).
        rows: The rows to sum.

    Returns:
        float32 of shape (rows of the slice, width).

    Raises:
        ArgumentError: An array has a wrong type or shape.
    """
    count = groups.count(rows)
    width = check_vectors("source", source, None)
    check_others(groups, "source", source)
    out = np.empty((count, width), np.float32)
    choice.kernels.gather(groups, source, rows, out)
    return out


def _checked(groups: Groups, features: Floats, offsets: Floats, weights: Floats, rows: slice) -> tuple[int, int]:
    """Return the number of rows and the width."""
    count = groups.count(rows)
    groups.rated()
    width = check_vectors("features", features, None)
    check("offsets", offsets, np.float32, features.shape[:1])
    check("weights", weights, np.float32, features.shape[:1])
    check_others(groups, "features", features)
    return count, width


def _check_prior(rows: int, width: int, prior_means: Floats, precision: Floats, noises: Floats, normal: Floats) -> None:
    check("prior_means", prior_means, np.float32, (rows, width))
    check("precision", precision, np.float32, (width, width))
    check("noises", noises, np.float32, (rows,))
    check("normal", normal, np.float32, (rows, width))
