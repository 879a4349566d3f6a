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

from embrec.models.svd import PRODUCTS, largest

# Components of up to 200 movies are decomposed together, all of one size at a time.
_SMALL = 200
_USERS_PER_BATCH = 1 << 16


def components(rows: scipy.sparse.csr_array) -> NDArray[np.int32]:
    """Number the connected components of the movies, which two movies share if a user rated both.

    Args:
        rows: Users' weights, of shape (user_count, movie_count).

    Returns:
        The component of each movie, int32 of shape (movie_count,).
    """
    movie_count = rows.shape[1]
    labels = np.arange(movie_count, dtype=np.int32)
    for begin in range(0, rows.shape[0], _USERS_PER_BATCH):
        starts = rows.indptr[begin : begin + _USERS_PER_BATCH + 1]
        found = labels[rows.indices[starts[0] : starts[-1]]]
        # Each user links a movie to the next one. Most links are known from the users before.
        new = found[1:] != found[:-1]
        between = starts[1:-1] - starts[0] - 1  # the last movie of a user has no link to the first of the next
        new[between[(between >= 0) & (between < len(new))]] = False
        links = np.unique(found[:-1][new] * np.int64(movie_count) + found[1:][new])
        if len(links):
            ends = np.divmod(links, movie_count)
            graph = scipy.sparse.coo_array((np.ones(len(links), np.int8), ends), shape=(movie_count,) * 2)
            labels = scipy.sparse.csgraph.connected_components(graph.tocsr(), directed=False)[1][labels]
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def leading(
    product: Callable[[NDArray[np.float32]], NDArray[Any]],
    labels: NDArray[np.int32],
    count: int,
    products: int = PRODUCTS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a block-diagonal symmetric matrix, descending, and their eigenvectors.

    Args:
        product: Multiplies the matrix with a block of columns, float32 of shape (rows, any).
        labels: The component of each row.
        count: Maximum number of eigenvalues to return.
        products: Number of products of the matrix with a block, as :func:`embrec.models.svd.largest` takes it.
    """
    sizes = np.bincount(labels)
    # Parts of the spectrum: eigenvalues (n,), the rows of each eigenvector, and its values in them.
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for component in np.flatnonzero(sizes > _SMALL):
        within = labels == component
        values, vectors = largest(product, len(labels), count, None if within.all() else within, products)
        parts.append((values, np.tile(np.arange(len(labels)), (len(values), 1)), vectors.T))
    by_component, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes <= _SMALL]):
        rows = by_component[starts[sizes == size][:, np.newaxis] + np.arange(size)]
        # One product gives the diagonal blocks of all components of this size: no component reaches into another.
        identities = np.zeros((len(labels), size), np.float32)
        identities[rows] = np.eye(size, dtype=np.float32)
        values, vectors = np.linalg.eigh(np.asarray(product(identities)[rows], np.float64))
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
