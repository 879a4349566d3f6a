"""A truncated eigendecomposition of a matrix that is given only by its products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# With fewer iterations the small eigenvalues are inaccurate; a start near the solution needs half as many.
_ITERATIONS, _ITERATIONS_FROM_NEAR = 6, 3
# Extra columns of the block (oversampling), or the last eigenvectors would converge slowly.
_SPARE_COLUMNS = 16


def largest(
    product: Callable[[NDArray[np.float32]], NDArray[Any]],
    size: int,
    count: int,
    near: NDArray[np.float64] | None = None,
    within: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a symmetric matrix, descending, and their eigenvectors with fixed signs.

    It iterates a random block (Halko, Martinsson, Tropp, Finding structure with randomness, SIAM Review 2011), so the
    matrix itself is never formed.

    Args:
        product: Multiplies the matrix with a block of columns.
        size: Number of rows of the matrix.
        count: Maximum number of eigenvalues to return.
        near: The eigenvectors of a similar matrix to start from, which need fewer iterations.
        within: The rows of one diagonal block of the matrix, to find the eigenvectors of that block alone; None for
            the whole matrix.
    """
    rows = size if within is None else int(within.sum())
    count = min(count, rows)
    block = np.random.default_rng(0).standard_normal((size, min(count + _SPARE_COLUMNS, rows)), np.float32)
    if near is not None:
        block[:, : near.shape[1]] = near
    for _ in range(_ITERATIONS if near is None else _ITERATIONS_FROM_NEAR):
        if within is not None:
            block[~within] = 0.0
        block = np.linalg.qr(product(block))[0].astype(np.float32)
    if within is not None:
        block[~within] = 0.0
    values, rotation = np.linalg.eigh((block.T @ product(block)).astype(np.float64))
    vectors = block @ rotation[:, ::-1][:, :count]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return values[::-1][:count], vectors * signs
