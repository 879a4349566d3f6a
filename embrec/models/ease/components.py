"""Eigenvectors by connected component: movies that no user has in common tell nothing about each other.

The matrices of EASE are block-diagonal over the components of the movies that users rate. An iteration over the whole
matrix leaves remainders of its random start in the small components, and such remainders would rank movies. Here the
eigenvectors of each component are found by themselves, so that they are exactly zero outside of it. A component without
any of the largest eigenvalues gets vectors of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.svd import largest

# Components of up to 200 movies are decomposed exactly: a component of more is iterated, which is faster.
_SMALL = 200


def components(rows: scipy.sparse.csr_array) -> NDArray[np.int32]:
    """Number the connected components of the movies, which two movies share if a user rated both.

    Args:
        rows: Users' weights, of shape (user_count, movie_count).

    Returns:
        The component of each movie, int32 of shape (movie_count,).
    """
    users = np.repeat(np.arange(rows.shape[0], dtype=np.int32), np.diff(rows.indptr))
    same = users[1:] == users[:-1]
    before, after = rows.indices[:-1][same], rows.indices[1:][same]  # a chain through each user's movies
    edges = scipy.sparse.coo_array((np.ones(len(before), np.float32), (before, after)), shape=(rows.shape[1],) * 2)
    return np.asarray(scipy.sparse.csgraph.connected_components(edges.tocsr(), directed=False)[1])


def leading(
    product: Callable[[NDArray[np.float32]], NDArray[Any]],
    blocks: Callable[[NDArray[np.int64]], NDArray[Any]],
    labels: NDArray[np.int32],
    count: int,
    near: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a block-diagonal symmetric matrix, descending, and their eigenvectors.

    Args:
        product: Multiplies the matrix with a block of columns.
        blocks: Returns the diagonal blocks of components of one size, (n, size, size), given their rows, (n, size).
        labels: The component of each row.
        count: Maximum number of eigenvalues to return.
        near: The eigenvectors of a similar matrix to start from.
    """
    sizes = np.bincount(labels)
    # Parts of the spectrum: eigenvalues (n,), the rows of each eigenvector, and its values in them.
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for component in np.flatnonzero(sizes > _SMALL):
        within = labels == component
        start = None if near is None else near[:, near[within].any(axis=0)]
        values, vectors = largest(product, len(labels), count, start, None if within.all() else within)
        parts.append((values, np.tile(np.arange(len(labels)), (len(values), 1)), vectors.T))
    by_component, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes <= _SMALL]):
        rows = by_component[starts[sizes == size][:, np.newaxis] + np.arange(size)]
        values, vectors = np.linalg.eigh(np.asarray(blocks(rows), np.float64))
        parts.append((values.ravel(), np.repeat(rows, size, axis=0), vectors.transpose(0, 2, 1).reshape(-1, size)))
    return _merged(parts, len(labels), count)


def _merged(
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]], size: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of all parts, and their eigenvectors with fixed signs."""
    values = np.concatenate([each for each, *_ in parts])
    origin = np.concatenate([np.full(len(each), number) for number, (each, *_) in enumerate(parts)])
    place = np.concatenate([np.arange(len(each)) for each, *_ in parts])
    chosen = np.argsort(-values, kind="stable")[:count]
    basis = np.zeros((size, len(chosen)))
    for column, each in enumerate(chosen):
        _, rows, vectors = parts[origin[each]]
        basis[rows[place[each]], column] = vectors[place[each]]
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(len(chosen))])
    return values[chosen], basis * signs
