"""The largest directions of a matrix that need not be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ITERATIONS, _ITERATIONS_FROM_NEAR = 6, 3
_SPARE_COLUMNS = 16


def largest(
    product: Callable[[NDArray[np.float32]], NDArray[Any]],
    size: int,
    count: int,
    near: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenvalues of a symmetric matrix, descending, and their vectors, of signs that are fixed.

    By iterating a random block (Halko, Martinsson, Tropp, Finding structure with randomness, SIAM Review 2011), so that
    a product of matrices need not be made.

    Args:
        product: Multiplies the matrix with a block of columns.
        size: Rows of the matrix.
        count: How many; all where there are fewer.
        near: The vectors of a matrix that is much like this one, which fewer iterations are enough from.
    """
    count = min(count, size)
    block = np.random.default_rng(0).standard_normal((size, min(count + _SPARE_COLUMNS, size)), np.float32)
    if near is not None:
        block[:, : near.shape[1]] = near
    for _ in range(_ITERATIONS if near is None else _ITERATIONS_FROM_NEAR):
        block = np.linalg.qr(product(block))[0].astype(np.float32)
    values, rotation = np.linalg.eigh((block.T @ product(block)).astype(np.float64))
    vectors = block @ rotation[:, ::-1][:, :count]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return values[::-1][:count], vectors * signs
