"""A truncated eigendecomposition of a matrix that is given only by its products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

# Products of the matrix with a block. With 3 the smallest of 64 eigenvalues is inaccurate; a fifth changes nothing.
PRODUCTS = 4
# Extra columns of the block (oversampling), or the last eigenvectors would converge slowly.
_SPARE_COLUMNS = 16


def largest(
    product: Callable[[NDArray[np.float32]], NDArray[Any]],
    size: int,
    count: int,
    within: NDArray[np.bool_] | None = None,
    products: int = PRODUCTS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a symmetric matrix, descending, and their eigenvectors with fixed signs.

    The matrix itself is never formed. Its eigenvectors are approximated in the block Krylov subspace of a random start
    (Musco and Musco, Randomized block Krylov methods for stronger and faster approximate singular value decomposition,
    NeurIPS 2015). A matrix that is no larger than this subspace is decomposed exactly.

    Args:
        product: Multiplies the matrix with a block of columns, float32 of shape (size, any).
        size: Number of rows of the matrix.
        count: Maximum number of eigenvalues to return.
        within: The rows of one diagonal block of the matrix, to find the eigenvectors of that block alone; None for
            the whole matrix.
        products: Number of products with a block; fewer are less accurate.

    Returns:
        The eigenvalues, float64 of shape (n,), and the eigenvectors, float64 of shape (size, n) and zero outside of
        ``within``. n is ``count``, or the number of rows of the block if that is less.
    """
    rows = np.arange(size) if within is None else np.flatnonzero(within)
    count = min(count, len(rows))

    def images(block: NDArray[np.float32]) -> NDArray[np.float32]:
        whole = np.zeros((size, block.shape[1]), np.float32)
        whole[rows] = block
        return np.asarray(product(whole)[rows], np.float32)

    basis, image = _krylov(images, len(rows), count + _SPARE_COLUMNS, products)
    values, rotation = np.linalg.eigh((basis.T @ image).astype(np.float64))
    vectors = np.zeros((size, count))
    vectors[rows] = basis @ rotation[:, ::-1][:, :count]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return values[::-1][:count], vectors * signs


def _krylov(
    images: Callable[[NDArray[np.float32]], NDArray[np.float32]], size: int, width: int, products: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an orthonormal basis of the block Krylov subspace, and its products with the matrix."""
    if size <= products * width:
        basis = np.eye(size, dtype=np.float32)
        return basis, images(basis)
    basis, image = (np.empty((size, products * width), np.float32, order="F") for _ in range(2))
    block = np.random.default_rng(0).standard_normal((size, width), np.float32)
    for begin in range(0, products * width, width):
        before, columns = basis[:, :begin], slice(begin, begin + width)
        # Twice is enough: after the first time a block near the subspace of those before is mostly rounding noise.
        for _ in range(2):
            # numpy's would compute in double precision.
            block, _ = scipy.linalg.qr(block - before @ (before.T @ block), mode="economic", check_finite=False)
        basis[:, columns] = block
        block = image[:, columns] = images(block)
    return basis, image
