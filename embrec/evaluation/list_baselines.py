"""Contenders for lists from events: the published models that count all watched movies alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from embrec.evaluation.contender import Contender, Score
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

# EASE inverts a square matrix of movies, which for 6,000 movies takes half a gigabyte.
MOST_MOVIES = 6_000
_NEIGHBOURS = 100
_SHRINKAGE = 10.0
_PENALTY = 150.0


def beside(given: Ratings) -> list[Contender]:
    """Return the contenders that stand beside every model if there are events; without any, none."""
    if given.events is None:
        return []
    return [item_knn(), *([ease()] if given.movie_count <= MOST_MOVIES else [])]


def item_knn(neighbours: int = _NEIGHBOURS, shrinkage: float = _SHRINKAGE) -> Contender:
    """Return item-based k nearest neighbours by the shrunken cosine of their users."""

    def rank(training: Ratings, seed: int) -> Score:
        rows = ones(training)
        near = nearest(rows, neighbours, shrinkage)
        return lambda users: (rows[users] @ near).toarray()

    return Contender("item-kNN of ones", rank=rank)


def nearest(rows: scipy.sparse.csr_array, neighbours: int, shrinkage: float) -> scipy.sparse.csr_array:
    """Fit item-based k nearest neighbours (Sarwar et al., WWW 2001).

    Args:
        rows: The users' rows, of shape (users, movies).
        neighbours: The number of neighbours of each movie.
        shrinkage: Added to the product of two movies' lengths, which divides their common weight.

    Returns:
        The matrix that turns users' rows into scores, of shape (movies, movies) and the rows' dtype.
    """
    gram = scipy.sparse.csr_array(rows.T @ rows)
    lengths = np.sqrt(gram.diagonal())
    gram.setdiag(0)
    gram.eliminate_zeros()
    pairs = gram.tocoo()
    values = pairs.data / (lengths[pairs.row] * lengths[pairs.col] + shrinkage)
    order = np.lexsort((-values, pairs.row))
    counts = np.bincount(pairs.row, minlength=gram.shape[0])
    kept = order[np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) < neighbours]
    return scipy.sparse.csr_array((values[kept], (pairs.col[kept], pairs.row[kept])), shape=gram.shape)


def ease(penalty: float = _PENALTY) -> Contender:
    """Return EASE on watched movies as ones."""

    def rank(training: Ratings, seed: int) -> Score:
        rows = ones(training)
        weights = closed_form(rows, penalty)
        return lambda users: rows[users] @ weights

    return Contender("EASE of ones", rank=rank)


def closed_form(rows: scipy.sparse.csr_array, penalty: float) -> NDArray[np.floating[Any]]:
    """Fit EASE (Steck, WWW 2019), in the precision of the rows.

    Args:
        rows: The users' rows, of shape (users, movies).
        penalty: The regularization.

    Returns:
        The matrix that turns users' rows into scores, of shape (movies, movies) and the rows' dtype.
    """
    gram = (rows.T @ rows).toarray()
    gram[np.diag_indices(len(gram))] += penalty
    factor = scipy.linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    (invert,) = scipy.linalg.get_lapack_funcs(("potri",), (factor,))
    inverse, _ = invert(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0)
    return np.asarray(inverse)


def ones(training: Ratings) -> scipy.sparse.csr_array:
    """Return 1 for each movie that a user rated or watched and does not dislike, of shape (users, movies)."""
    pairs = Interactions.of(training)
    kept = slice(None) if pairs.interests is None else ~(pairs.interests < 0)
    pairs = pairs.at(kept)
    shape = (training.user_count, training.movie_count)
    return scipy.sparse.csr_array((np.ones(len(pairs.users)), (pairs.users, pairs.movies)), shape=shape)
